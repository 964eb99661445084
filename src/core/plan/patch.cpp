#include "core/plan/patch.h"

#include <algorithm>
#include <iterator>

#include "core/reading/reading.h"

namespace mend::plan {
namespace {

// In the order of ActionKind.
constexpr std::string_view kNames[] = {"add_column",    "widen_type",  "change_type",
                                       "drop_not_null", "set_default", "add_enum_value",
                                       "map_field",     "read_as"};
static_assert(std::size(kNames) == static_cast<size_t>(ActionKind::ReadAs) + 1);

}  // namespace

std::string_view Name(ActionKind kind) { return kNames[static_cast<size_t>(kind)]; }

const std::set<ActionKind>& AllActions() {
  using Kind = ActionKind;
  static const auto& all =
      *new std::set<Kind>{Kind::AddColumn,  Kind::WidenType,    Kind::ChangeType, Kind::DropNotNull,
                          Kind::SetDefault, Kind::AddEnumValue, Kind::MapField,   Kind::ReadAs};
  return all;
}

bool Answers(ActionKind kind, drift::Kind drift) {
  const bool gives_value = kind == ActionKind::DropNotNull || kind == ActionKind::SetDefault;
  if (drift == drift::Kind::MissingRequired) return gives_value;
  return !drift::IsAboutType(drift) || !gives_value;
}

std::optional<ActionKind> ActionKindFromName(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<ActionKind>(i);
  }
  return std::nullopt;
}

bool AltersTable(const Patch& patch) {
  return std::any_of(patch.actions.begin(), patch.actions.end(),
                     [](const Action& action) { return action.kind != ActionKind::ReadAs; });
}

std::string JoinedReading(const std::string& held, const std::string& more) {
  const base::Result<reading::Readings> before = reading::Parse(held), after = reading::Parse(more);
  if (!before) return after ? reading::Print(*after) : std::string();
  return reading::Print(after ? reading::Joined(*before, *after) : *before);
}

}  // namespace mend::plan
