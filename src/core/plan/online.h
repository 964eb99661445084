// What can be done about a column's type online, where a second column takes the place of the
// first, and what cannot be done otherwise.
#pragma once

#include <string>

#include "core/plan/patch.h"
#include "core/plan/shape.h"

namespace mend::plan {

// Whether values of the one type are those of the other, all of them, so that copying cannot fail:
// an integer in a wider integer type or in a numeric with room for its digits, a real in a double.
bool CanCopy(const Type& from, const Type& to);

// What holds the column at its type, be it plainly or online; empty: nothing does.
std::string LockOf(const Column& column, const Type& to);

// Why ALTER TABLE is no way to change the type, or to apply the patch, while one online is; empty:
// it is a way.
std::string WhyOnlineOnly(const Column& column, const Type& to);
std::string WhyOnlineOnly(const Shape& shape, const Patch& patch);

}  // namespace mend::plan
