#include "core/drift/kind.h"

#include <iterator>

namespace mend::drift {
namespace {

// In the order of Kind.
constexpr std::string_view kNames[] = {
    "new_field", "type_conflict", "out_of_range", "too_long",   "missing_required", "lossy",
    "ambiguous", "generated",     "no_partition", "constraint", "malformed",        "behind",
};
static_assert(std::size(kNames) == static_cast<size_t>(Kind::Behind) + 1);

}  // namespace

std::string_view Name(Kind kind) { return kNames[static_cast<size_t>(kind)]; }

std::optional<Kind> KindFromName(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<Kind>(i);
  }
  return std::nullopt;
}

bool IsFinal(Kind kind) {
  switch (kind) {
    case Kind::Ambiguous:
    case Kind::Generated:
    case Kind::Constraint:
    case Kind::Malformed: return true;
    case Kind::NewField:
    case Kind::TypeConflict:
    case Kind::OutOfRange:
    case Kind::TooLong:
    case Kind::MissingRequired:
    case Kind::Lossy:
    case Kind::NoPartition:  // waits for a person to add the partition
    case Kind::Behind: return false;
  }
  return true;
}

}  // namespace mend::drift
