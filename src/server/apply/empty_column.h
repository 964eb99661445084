// Whether a column holds no value: then its type was a guess that nothing depends on.
#pragma once

#include <string>

#include "core/plan/shape.h"

namespace mend::apply {

// Whether no row has a value in the column. Looks as the table's owner. False also where it cannot
// be known: a policy hides rows from the owner, or the owner may not read a partition.
bool HoldsNoValue(const plan::Shape& shape, const std::string& column);
// The same of a table that has rows: its type was then refuted by them.
bool HoldsOnlyNulls(const plan::Shape& shape, const std::string& column);

// Whether every value of a text column is as JSON has a value of this type: bigint, numeric or
// boolean. False also where it cannot be known.
bool HoldsOnlyTextOf(uint32_t type, const plan::Shape& shape, const std::string& column);

}  // namespace mend::apply
