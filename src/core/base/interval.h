// What an interval's text says of fractions.
#pragma once

#include <string_view>

namespace mend::base {

// Whether no number of the text has a fraction that would be rounded: of a second, past
// microseconds; of another unit, such that no whole number of the next smaller one is left. Nor may
// it have characters that mean nothing in an interval. The text must be one that PostgreSQL reads
// as an interval.
bool IsExactInterval(std::string_view text);

}  // namespace mend::base
