// resources/list, resources/templates/list and resources/read.
#include "core/base/json_member.h"
#include "core/mcp/address.h"
#include "core/mcp/methods.h"

namespace mend::mcp {
namespace {

constexpr int64_t kTablesAPage = 100;

void WriteResource(std::string_view uri, std::string_view name, std::string_view title,
                   std::string_view description, json::Writer* out) {
  out->Object().String("uri", uri).String("name", name).String("title", title);
  out->String("description", description).String("mimeType", "application/json").Close();
}

void WriteTemplate(std::string_view uri, std::string_view name, std::string_view title,
                   std::string_view description, json::Writer* out) {
  out->Object().String("uriTemplate", uri).String("name", name).String("title", title);
  out->String("description", description).String("mimeType", "application/json").Close();
}

void WriteTable(const Row& row, json::Writer* out) {
  json::Document document;
  if (document.Parse(row.object)) return;
  const json::Value root = document.root();
  const auto schema = json::StringMember(root, "schema");
  const auto table = json::StringMember(root, "table");
  const auto name = json::StringMember(root, "name");
  if (!schema || !table || !name) return;
  WriteResource(TableAddress(*schema, *table), *name, *name, "A landing table's shape and history",
                out);
}

Work WorkFor(const Address& address) {
  Work work;
  switch (address.kind) {
    case Address::Kind::Summary: return PrepareQuery(kDriftSummaryService, {});
    case Address::Kind::Patch:
      work = PrepareQuery(kGetPatchService, {std::to_string(address.patch_id)});
      work.patch_id = address.patch_id;
      return work;
    case Address::Kind::Table:
      work = PrepareQuery(kDescribeTableService, {std::nullopt, std::nullopt});
      work.table = address.table;
      return work;
  }
  return work;
}

// No such table, not a landing table, no such patch.
bool MeansMissing(const base::Error& error) {
  return error.sqlstate == "42P01" || error.sqlstate == "55000" || error.sqlstate == "42704" ||
         error.sqlstate == "3F000";
}

RpcError NotFound(std::string_view uri, bool modern) {
  json::Writer data;
  data.Object().String("uri", uri).Close();
  return {modern ? code::kInvalidParams : code::kLegacyNotFound, "Resource not found", data.Take()};
}

}  // namespace

Fault ListResources(const Asked& asked, json::Writer* out) {
  std::optional<std::string> after;
  if (json::Member(asked.params, "cursor")) {
    const auto cursor = json::StringMember(asked.params, "cursor");
    if (cursor) after = ReadCursor(kLandingTablesService, *cursor);
    if (!after) return InvalidParams("Invalid cursor");
  }
  const Work work = PrepareQuery(kLandingTablesService, {}, after, kTablesAPage);
  const auto rows = asked.backend->Run(work);
  if (!rows) return DatabaseFault(rows.error());
  const Page page = CutPage(work, *rows);
  out->Key("resources").Array();
  if (!after) {
    WriteResource(kSummaryAddress, "drift-summary", "Drift summary",
                  "Landing tables with something that waits, and why", out);
  }
  for (size_t i = 0; i < page.shown; ++i) WriteTable((*rows)[i], out);
  out->Close();
  if (page.next_cursor) out->String("nextCursor", *page.next_cursor);
  return std::nullopt;
}

Fault ListResourceTemplates(const Asked& asked, json::Writer* out) {
  if (json::Member(asked.params, "cursor"))
    return InvalidParams("Invalid cursor: there is one page");
  out->Key("resourceTemplates").Array();
  WriteTemplate(kTableTemplate, "table", "Landing table", "A landing table's shape and history",
                out);
  WriteTemplate(kPatchTemplate, "patch", "Patch", "A patch in full, with its evidence", out);
  out->Close();
  return std::nullopt;
}

Fault ReadResource(const Asked& asked, json::Writer* out) {
  const auto uri = json::StringMember(asked.params, "uri");
  if (!uri) return InvalidParams("uri must be a string");
  const auto address = ReadAddress(*uri);
  if (!address) return NotFound(uri->substr(0, 500), asked.modern);

  const Work work = WorkFor(*address);
  CallRecord record;
  record.tool = work.service->name;
  record.patch_id = work.patch_id;
  record.table = work.table;
  const int64_t begun = asked.backend->Milliseconds();
  const auto rows = asked.backend->Run(work);
  const auto result = rows ? MakeResult(work, *rows) : base::Result<std::string>(rows.error());
  if (!result) record.sqlstate = result.error().sqlstate;
  record.milliseconds = asked.backend->Milliseconds() - begun;
  asked.backend->Record(record);
  if (!result && MeansMissing(result.error())) return NotFound(*uri, asked.modern);
  if (!result) return DatabaseFault(result.error());

  out->Key("contents").Array().Object().String("uri", *uri).String("mimeType", "application/json");
  out->String("text", *result).Close().Close();
  return std::nullopt;
}

}  // namespace mend::mcp
