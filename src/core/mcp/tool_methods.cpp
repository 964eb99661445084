// tools/list and tools/call.
#include "core/base/json_member.h"
#include "core/base/utf8.h"
#include "core/mcp/methods.h"
#include "core/tools/registry.h"

namespace mend::mcp {
namespace {

void WriteTool(const tools::Tool& tool, json::Writer* out) {
  out->Object().String("name", tool.name).String("title", tool.title);
  out->String("description", tool.client.description);
  out->Raw("inputSchema", tool.client.input_schema).Raw("outputSchema", tool.output_schema);
  out->Key("annotations").Object().String("title", tool.title);
  out->Bool("readOnlyHint", tool.hints.read_only);
  out->Bool("destructiveHint", tool.hints.destructive);
  out->Bool("idempotentHint", tool.hints.idempotent);
  out->Bool("openWorldHint", tool.hints.open_world).Close().Close();
}

void WriteText(std::string_view text, json::Writer* out) {
  out->Key("content").Array().Object().String("type", "text").String("text", text);
  out->Close().Close();
}

// Without structuredContent: clients show a model that instead of the text, or hold it against the
// schema of a result.
void WriteError(const base::Error& error, json::Writer* out) {
  json::Writer text;
  text.Object().String("sqlstate", error.sqlstate).String("message", error.message);
  if (!error.hint.empty()) text.String("hint", error.hint);
  WriteText(text.Close().text(), out);
  out->Bool("isError", true);
}

base::Result<std::string> Serve(const Asked& asked, const tools::Tool& tool, json::Value arguments,
                                CallRecord* record) {
  auto work = PrepareCall(tool, arguments);
  if (!work) return work.error();
  record->patch_id = work->patch_id;
  record->table = work->table;
  auto rows = asked.backend->Run(*work);
  if (!rows) return rows.error();
  return MakeResult(*work, *rows);
}

}  // namespace

Fault ListTools(const Asked& asked, json::Writer* out) {
  if (json::Member(asked.params, "cursor"))
    return InvalidParams("Invalid cursor: there is one page");
  // Without a database all are shown: a call then says what is wrong with it.
  const auto allowed = asked.backend->Allowed();
  out->Key("tools").Array();
  for (size_t i = 0; i < tools::kToolCount; ++i) {
    const tools::Tool& tool = tools::ToolAt(i);
    if (tools::ForClients(tool) && (!allowed || allowed->at(i))) WriteTool(tool, out);
  }
  out->Close();
  return std::nullopt;
}

Fault CallTool(const Asked& asked, json::Writer* out) {
  const auto name = json::StringMember(asked.params, "name");
  if (!name) return InvalidParams("name must be a string");
  const tools::Tool* tool = tools::FindTool(*name);
  if (tool == nullptr || !tools::ForClients(*tool)) {
    return InvalidParams("Unknown tool: " + std::string(base::CutUtf8(*name, 100)));
  }
  json::Document none;
  none.Parse("{}");
  json::Value arguments = json::Member(asked.params, "arguments");
  if (arguments && arguments.kind() != json::Kind::Object) {
    return InvalidParams("arguments must be an object");
  }
  if (!arguments) arguments = none.root();

  CallRecord record;
  record.tool = tool->name;
  const int64_t begun = asked.backend->Milliseconds();
  const auto result = Serve(asked, *tool, arguments, &record);
  if (result) {
    WriteText(*result, out);
    out->Raw("structuredContent", *result).Bool("isError", false);
  } else {
    WriteError(result.error(), out);
    record.sqlstate = result.error().sqlstate;
  }
  record.milliseconds = asked.backend->Milliseconds() - begun;
  asked.backend->Record(record);
  return std::nullopt;
}

}  // namespace mend::mcp
