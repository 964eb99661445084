// Characters that show nothing, or show what stands beside them otherwise: one list for names,
// prompts and reports.
#pragma once

#include <string>
#include <string_view>

namespace mend::base {

// Zero-width and filling characters, marks that turn the direction of text, variation selectors,
// line and paragraph separators, tags. Controls and blanks are not among them.
bool IsInvisible(char32_t c);

// White space past ASCII: no-break and wide blanks.
bool IsWideBlank(char32_t c);

// Whether the text has invisible characters, or begins or ends with a wide blank.
bool HasInvisible(std::string_view text);

// The text without them, and without blanks at its ends.
std::string WithoutInvisible(std::string_view text);

}  // namespace mend::base
