#include "core/plan/identifier.h"

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/invisible.h"
#include "core/base/utf8.h"

namespace mend::plan {
namespace {

constexpr size_t kTagDigits = 8;
constexpr std::string_view kSystemColumns[] = {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"};

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
// Bytes over 127 belong to letters of other scripts as far as we can tell.
bool IsWord(char c) {
  return IsUpper(c) || IsLower(c) || IsDigit(c) || c == '_' || static_cast<unsigned char>(c) > 127;
}

bool HasOnly(std::string_view text, char c) {
  return text.find_first_not_of(c) == std::string_view::npos;
}

// Without blanks at the ends; a wide blank is one of ASCII.
std::string Trimmed(std::string_view field) {
  std::string out;
  size_t end = 0;
  while (!field.empty()) {
    char32_t c = 0;
    const size_t length = std::max<size_t>(base::DecodeUtf8(field, &c), 1);
    const bool wide = base::IsWideBlank(c);
    const bool blank = wide || field[0] == ' ' || (field[0] >= '\t' && field[0] <= '\r');
    if (!blank || !out.empty()) {
      out += wide ? std::string_view(" ") : field.substr(0, length);
      end = blank ? end : out.size();
    }
    field.remove_prefix(length);
  }
  out.resize(end);
  return out;
}

// `name` with a tag for this field; `attempt` gives another tag when one is taken too.
std::string Tagged(std::string_view name, std::string_view field, uint64_t attempt) {
  const std::string digest = base::Hash().Add(field).Add(attempt).Hex();
  std::string out(base::CutUtf8(name, kMaxIdentifierBytes - kTagDigits - 1));
  out += '_';
  return out.append(digest, 0, kTagDigits);
}

// How a name is split into words.
enum class Way : uint8_t {
  Usual,    // HTMLUrl: html_url
  Joined,   // htmlurl
  Letters,  // h_t_m_l_url
  Digits,   // as Usual; line2Text: line_2_text
};

class Letters {
 public:
  explicit Letters(std::string_view text) : text_(text) {}

  bool IsUpperAt(size_t at) const { return at < text_.size() && IsUpper(text_[at]); }
  bool IsLowerAt(size_t at) const { return at < text_.size() && IsLower(text_[at]); }
  bool IsDigitAt(size_t at) const { return at < text_.size() && IsDigit(text_[at]); }

  // Whether a word begins at `at`, behind a letter or digit.
  bool Begins(size_t at, Way way) const {
    if (way == Way::Digits && at > 0 && IsDigitAt(at) != IsDigitAt(at - 1) &&
        (IsDigitAt(at) ? IsLowerAt(at - 1) || IsUpperAt(at - 1) : IsLowerAt(at))) {
      return true;
    }
    if (at == 0 || !IsUpperAt(at)) {
      return false;
    }
    if (IsLowerAt(at - 1) || IsDigitAt(at - 1)) {
      return true;
    }
    if (!IsUpperAt(at - 1) || way == Way::Joined) {
      return false;
    }
    // One small letter behind an acronym is part of it: IDs, GHz, IPv4.
    return way == Way::Letters || (IsLowerAt(at + 1) && IsLowerAt(at + 2));
  }

 private:
  std::string_view text_;
};

std::string Snake(std::string_view field, Way way) {
  const std::string visible = Trimmed(field);
  const Letters letters(visible);
  std::string out;
  out.reserve(visible.size() + 8);
  for (size_t i = 0; i < visible.size(); ++i) {
    const char c = visible[i];
    if (!IsWord(c)) {
      if (i == 0 || IsWord(visible[i - 1])) out += '_';
      continue;
    }
    if (letters.Begins(i, way)) out += '_';
    out += IsUpper(c) ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

}  // namespace

std::string Normalise(std::string_view field) { return Snake(field, Way::Usual); }

std::vector<std::string> Spellings(std::string_view name) {
  std::vector<std::string> spellings;
  const bool capitals = std::any_of(name.begin(), name.end(), IsUpper);
  for (const Way way : {Way::Usual, Way::Joined, Way::Letters, Way::Digits}) {
    if (way != Way::Usual && !capitals) {
      break;
    }
    std::string spelling = Snake(name, way);
    spelling.resize(base::CutUtf8(spelling, kMaxIdentifierBytes).size());
    if (std::find(spellings.begin(), spellings.end(), spelling) == spellings.end()) {
      spellings.push_back(std::move(spelling));
    }
  }
  return spellings;
}

bool MeanTheSame(std::string_view one, std::string_view other) {
  const std::vector<std::string> spellings = Spellings(one), others = Spellings(other);
  return std::find_first_of(spellings.begin(), spellings.end(), others.begin(), others.end()) !=
         spellings.end();
}

std::string ColumnNameFor(std::string_view field,
                          const std::function<bool(const std::string&)>& taken) {
  std::string name = Normalise(field);
  // Nothing but separators: no name to read, and many such fields would share it.
  const bool nameless = HasOnly(name, '_') && (field.empty() || !HasOnly(field, '_'));
  if (nameless) name = "_empty";
  if (!nameless && name.size() <= kMaxIdentifierBytes && !IsSystemColumn(name) && !taken(name)) {
    return name;
  }
  for (uint64_t attempt = 0;; ++attempt) {
    std::string tagged = Tagged(name, field, attempt);
    if (!taken(tagged)) return tagged;
  }
}

bool IsSystemColumn(std::string_view name) {
  for (std::string_view system : kSystemColumns) {
    if (name == system) return true;
  }
  return false;
}

bool IsPrintable(std::string_view field) {
  while (!field.empty()) {
    char32_t c;
    const size_t length = base::DecodeUtf8(field, &c);
    if (length == 0 || c < 0x20 || (c >= 0x7F && c <= 0x9F) || base::IsInvisible(c)) return false;
    field.remove_prefix(length);
  }
  return true;
}

}  // namespace mend::plan
