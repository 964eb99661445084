// Types that people name for new columns, by patterns of the columns' names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/plan/shape.h"

namespace mend::plan {

struct Hint {
  std::string pattern;  // * stands for any characters, ? for one
  Type type;
  std::string type_text;  // as format_type() prints it
};

inline constexpr size_t kMaxHints = 200;
inline constexpr size_t kMaxHintBytes = 200;

bool MatchesPattern(std::string_view pattern, std::string_view name);

// The hint for a column: that of its very name, else the one of the most characters that stand for
// themselves, of several the first. nullptr: there is none.
const Hint* HintFor(const std::vector<Hint>& hints, std::string_view column);

}  // namespace mend::plan
