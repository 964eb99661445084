#include "core/plan/reading_rule.h"

#include "core/plan/reading_family.h"
#include "core/reading/forms.h"

namespace mend::plan {

std::optional<reading::Reading> ReadingFor(const Column& column, const drift::Drift& drift) {
  // Of arrays, the profile counts elements.
  if (column.generated != Generated::No || drift.profile.arrays() > 0) return std::nullopt;
  const std::optional<reading::Reading> only = reading::OnlyReading(
      ReadingFamily(column.type.oid), drift.profile.rows(), drift.profile.forms());
  if (!only) return std::nullopt;
  // Zeros may be a part of what is no amount: a code, a telephone number.
  const bool code = only->kind == reading::Kind::Number && drift.cause == drift::Cause::LeadingZero;
  const bool must_have = only->kind == reading::Kind::NullIf && column.not_null;
  return code || must_have ? std::nullopt : only;
}

}  // namespace mend::plan
