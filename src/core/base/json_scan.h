// Cheap looks at JSON text that is not parsed yet: strings, escapes and brackets are respected,
// nothing is checked.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mend::json {

// The first byte from 0x18 to 0x1F, which JSON text never has; text.size() when there is none.
// RapidJSON's SIMD loops stop in strings at control characters only up to 0x19.
size_t FindHighControl(std::string_view text);

// One past the closing quote of the string whose opening quote is at `at`; text.size() when it is
// not closed.
size_t StringEnd(std::string_view text, size_t at);

// One past the value at the start of `text`, if it is one: brackets are only counted.
size_t ValueEnd(std::string_view text);

// RapidJSON refuses numbers past a double even when it is asked for their text only. So this hides
// every number of `buffer`, a copy of `source`, behind a zero and blanks of the same length.
void HideNumbers(std::string_view source, std::string* buffer);

}  // namespace mend::json
