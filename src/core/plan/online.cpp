#include "core/plan/online.h"

#include "core/plan/typmod.h"
#include "core/plan/wording.h"

namespace mend::plan {
namespace {

using namespace type_oid;

// Decimal digits of the largest value; 0 for other types.
int DigitsOf(uint32_t type) {
  switch (type) {
    case kInt2: return 5;
    case kInt4: return 10;
    case kInt8: return 19;
    default: return 0;
  }
}

}  // namespace

bool CanCopy(const Type& from, const Type& to) {
  const int digits = DigitsOf(from.oid);
  if (from.oid == kFloat4) return to.oid == kFloat8;
  if (digits == 0) return false;
  if (to.oid == kNumeric) {
    if (to.typmod < 0) return true;
    const NumericLimits limits = DecodeNumeric(to.typmod);
    return limits.scale >= 0 && limits.IntegerDigits() >= digits;
  }
  return DigitsOf(to.oid) > digits;
}

std::string LockOf(const Column& column, const Type& to) {
  if (!column.type_locked_by.empty()) return column.type_locked_by;
  return CanCopy(column.type, to) ? "" : column.online_only_by;
}

std::string WhyOnlineOnly(const Column& column, const Type& to) {
  if (column.online_only_by.empty() || !CanCopy(column.type, to)) return "";
  return "ALTER TABLE cannot change the type of " + Named("column", column.name) + ": " +
         column.online_only_by;
}

std::string WhyOnlineOnly(const Shape& shape, const Patch& patch) {
  for (const Action& action : patch.actions) {
    const Column* column = ChangesType(action.kind) ? shape.Find(action.column) : nullptr;
    if (column == nullptr) continue;
    if (std::string why = WhyOnlineOnly(*column, action.type); !why.empty()) return why;
  }
  return "";
}

}  // namespace mend::plan
