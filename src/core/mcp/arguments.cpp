#include "core/mcp/arguments.h"

#include "core/base/json_member.h"
#include "core/base/json_writer.h"
#include "core/mcp/page.h"
#include "core/mcp/schema.h"
#include "core/mcp/tool_service.h"
#include "core/tools/input.h"

namespace mend::mcp {
namespace {

base::Error Invalid(std::string message, std::string hint) {
  return {"22023", std::move(message), std::move(hint)};
}

bool IsTrue(json::Value value) { return value && value.kind() == json::Kind::True; }

std::string ArrayLiteral(json::Value integers) {
  std::string out = "{";
  for (json::Value one = integers.First(); one; one = integers.After(one)) {
    if (out.size() > 1) out += ',';
    out += one.text();
  }
  return out + '}';
}

std::string FieldMapObject(const tools::PatchInput& patch) {
  json::Writer out;
  out.Object();
  for (const auto& [field, column] : patch.field_map) {
    out.Key(field);
    column ? out.String(*column) : out.Null();
  }
  return out.Close().Take();
}

std::string ReadingsArray(const tools::PatchInput& patch) {
  json::Writer out;
  out.Array();
  for (const tools::ReadingInput& one : patch.readings) {
    out.Object().String("field", one.field).String("column", one.column);
    out.String("reading", one.reading).Close();
  }
  return out.Close().Take();
}

class Preparation {
 public:
  Preparation(const tools::Tool& tool, json::Value arguments) : arguments_(arguments) {
    const ToolService& services = *FindToolService(tool.name);
    const bool values =
        services.values_service != nullptr && IsTrue(json::Member(arguments, "include_values"));
    work_.service = values ? services.values_service : services.service;
  }

  base::Result<Work> Run() {
    if (json::Member(arguments_, "ddl")) {
      auto patch = tools::ReadPatchInput(arguments_, tools::PatchInputOf::Client);
      if (!patch) return patch.error();
      patch_ = std::move(*patch);
    }
    std::string_view names = work_.service->parameters;
    while (!names.empty()) {
      const size_t end = names.find(' ');
      Take(names.substr(0, end));
      names.remove_prefix(end == std::string_view::npos ? names.size() : end + 1);
    }
    if (work_.service->form == ResultForm::Page) {
      if (std::string why = TakePage(); !why.empty()) {
        return Invalid(std::move(why), "Leave cursor out for the first page.");
      }
    }
    return std::move(work_);
  }

 private:
  void Take(std::string_view name) {
    const json::Value value = json::Member(arguments_, name);
    if (name == "table") {
      work_.table_place = work_.parameters.size();
      if (value) work_.table = value.text();
      work_.parameters.push_back(std::nullopt);
    } else if (patch_ && name == "ddl") {
      work_.parameters.push_back(patch_->ddl);
    } else if (patch_ && name == "rationale") {
      work_.parameters.push_back(patch_->rationale);
    } else if (patch_ && name == "field_map") {
      work_.parameters.push_back(FieldMapObject(*patch_));
    } else if (patch_ && name == "readings") {
      work_.parameters.push_back(ReadingsArray(*patch_));
    } else if (!value) {
      work_.parameters.push_back(std::nullopt);
    } else if (value.kind() == json::Kind::Array) {
      work_.parameters.push_back(ArrayLiteral(value));
    } else {
      work_.parameters.push_back(std::string(value.text()));
      if (name == "patch_id") work_.patch_id = json::IntegerMember(arguments_, name);
    }
  }

  std::string TakePage() {
    std::optional<std::string> after;
    if (const auto cursor = json::StringMember(arguments_, "cursor")) {
      after = ReadCursor(*work_.service, *cursor);
      if (!after) return "cursor is no next_cursor of this tool";
    }
    work_.limit = json::IntegerMember(arguments_, "limit").value_or(kDefaultLimit);
    work_.parameters.push_back(after);
    work_.parameters.push_back(std::to_string(work_.limit + 1));
    return {};
  }

  json::Value arguments_;
  Work work_;
  std::optional<tools::PatchInput> patch_;
};

}  // namespace

base::Result<Work> PrepareCall(const tools::Tool& tool, json::Value arguments) {
  json::Document schema;
  schema.Parse(tool.client.input_schema);
  if (std::string why = WhyNotValid(schema.root(), arguments); !why.empty()) {
    return Invalid(std::move(why), "See the tool's inputSchema.");
  }
  return Preparation(tool, arguments).Run();
}

Work PrepareQuery(const Service& service, std::vector<std::optional<std::string>> values) {
  Work work;
  work.service = &service;
  work.parameters = std::move(values);
  return work;
}

Work PrepareQuery(const Service& service, std::vector<std::optional<std::string>> values,
                  std::optional<std::string> after, int64_t limit) {
  Work work = PrepareQuery(service, std::move(values));
  work.limit = limit;
  work.parameters.push_back(std::move(after));
  work.parameters.push_back(std::to_string(limit + 1));
  return work;
}

}  // namespace mend::mcp
