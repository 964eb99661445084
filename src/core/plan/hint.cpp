#include "core/plan/hint.h"

#include <algorithm>

#include "core/base/utf8.h"

namespace mend::plan {
namespace {

// What PostgreSQL has made of it as a name may be no UTF-8, in a database of bytes.
size_t CharacterAt(std::string_view text) {
  char32_t ignored;
  return std::max<size_t>(base::DecodeUtf8(text, &ignored), 1);
}

}  // namespace

// Goes back to the last star alone: the time is at most the product of the lengths.
bool MatchesPattern(std::string_view pattern, std::string_view name) {
  std::string_view behind_star, rest_of_star;
  bool starred = false;
  while (!name.empty()) {
    if (!pattern.empty() && pattern[0] == '*') {
      pattern.remove_prefix(1);
      starred = true;
      behind_star = pattern;
      rest_of_star = name;
    } else if (!pattern.empty() && pattern[0] == '?') {
      pattern.remove_prefix(1);
      name.remove_prefix(CharacterAt(name));
    } else if (!pattern.empty() && pattern[0] == name[0]) {
      pattern.remove_prefix(1);
      name.remove_prefix(1);
    } else if (starred) {
      rest_of_star.remove_prefix(1);
      pattern = behind_star;
      name = rest_of_star;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*') == std::string_view::npos;
}

const Hint* HintFor(const std::vector<Hint>& hints, std::string_view column) {
  const Hint* best = nullptr;
  std::ptrdiff_t most = -1;
  for (const Hint& hint : hints) {
    if (!MatchesPattern(hint.pattern, column)) continue;
    if (hint.pattern == column) return &hint;
    const std::ptrdiff_t literal = std::count_if(hint.pattern.begin(), hint.pattern.end(),
                                                 [](char c) { return c != '*' && c != '?'; });
    if (literal > most) {
      best = &hint;
      most = literal;
    }
  }
  return best;
}

}  // namespace mend::plan
