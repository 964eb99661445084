#include "core/tools/registry.h"

namespace mend::tools {
namespace {

constexpr Tool kTools[kToolCount] = {
    {kProposePatch,
     "Propose a patch",
     "Propose one patch that makes all waiting rows of the landing table insertable. It is checked "
     "against the policy and proved on the waiting rows before anything runs; when it is refused, "
     "the result says why. A patch is at most one ALTER TABLE and any number of field mappings.",
     R"({"type":"object","properties":{)"
     R"("ddl":{"type":"string","description":"Exactly one ALTER TABLE statement on the landing table, )"
     R"(all subcommands in it, separated by commas. Empty when mappings alone are enough."},)"
     R"("field_map":{"type":"array","description":"Fields that go to a column of another name. )"
     R"(Empty when there are none.","items":{"type":"object","properties":{)"
     R"("field":{"type":"string","description":"A field of the drift, exactly as given."},)"
     R"("column":{"anyOf":[{"type":"string"},{"type":"null"}],"description":"The column that takes )"
     R"(it: an existing one, or one that ddl adds. null: ignore the field."}},)"
     R"("required":["field","column"],"additionalProperties":false}},)"
     R"("rationale":{"type":"string","description":"Why, in one or two plain sentences for the )"
     R"(database administrator."}},)"
     R"("required":["ddl","field_map","rationale"],"additionalProperties":false})",
     {false, false, true, false}},
    {kGiveUp,
     "Give up",
     "Say that no allowed patch can make these rows insertable without losing or inventing data. "
     "The rows are then kept for a person, who reads the reason.",
     R"({"type":"object","properties":{"reason":{"type":"string","description":"What stands in the )"
     R"(way, and what a person could do, in one or two plain sentences."}},)"
     R"("required":["reason"],"additionalProperties":false})",
     {true, false, true, false}},
};

}  // namespace

const Tool& ToolAt(size_t index) { return kTools[index]; }

const Tool* FindTool(std::string_view name) {
  for (const Tool& tool : kTools) {
    if (tool.name == name) return &tool;
  }
  return nullptr;
}

}  // namespace mend::tools
