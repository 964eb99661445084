// A value with its content gone and its form left.
#pragma once

#include <string>
#include <string_view>

#include "core/base/json.h"

namespace mend::drift {

inline constexpr size_t kMaxMaskCharacters = 48;

// Digits become 9, ASCII letters a or A, other letters and symbols beyond ASCII x, control
// characters ?; ASCII punctuation and blanks stay. Cut after kMaxMaskCharacters, marked by "...".
std::string Mask(std::string_view text);

// The mask of a scalar as text; "{}" and "[]" for containers, whatever they hold.
std::string Mask(json::Value value);

}  // namespace mend::drift
