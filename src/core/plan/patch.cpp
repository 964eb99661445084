#include "core/plan/patch.h"

#include <iterator>

namespace mend::plan {
namespace {

// In the order of ActionKind.
constexpr std::string_view kNames[] = {"add_column",    "widen_type",  "change_type",
                                       "drop_not_null", "set_default", "map_field"};
static_assert(std::size(kNames) == static_cast<size_t>(ActionKind::MapField) + 1);

}  // namespace

std::string_view Name(ActionKind kind) { return kNames[static_cast<size_t>(kind)]; }

std::optional<ActionKind> ActionKindFromName(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<ActionKind>(i);
  }
  return std::nullopt;
}

}  // namespace mend::plan
