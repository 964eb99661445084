#include "core/plan/identifier.h"

#include "core/base/hash.h"
#include "core/base/utf8.h"

namespace mend::plan {
namespace {

constexpr size_t kTagDigits = 8;
constexpr std::string_view kSystemColumns[] = {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"};

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
// Bytes over 127 belong to letters of other scripts as far as we can tell.
bool IsWord(char c) {
  return IsUpper(c) || IsLowerOrDigit(c) || c == '_' || static_cast<unsigned char>(c) > 127;
}

bool HasOnly(std::string_view text, char c) {
  return text.find_first_not_of(c) == std::string_view::npos;
}

// Ends lines, or turns the direction of what is read: a name with it shows other than it is.
bool IsUnseen(char32_t c) { return (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069); }

// `name` with a tag for this field; `attempt` gives another tag when one is taken too.
std::string Tagged(std::string_view name, std::string_view field, uint64_t attempt) {
  const std::string digest = base::Hash().Add(field).Add(attempt).Hex();
  std::string out(base::CutUtf8(name, kMaxIdentifierBytes - kTagDigits - 1));
  out += '_';
  return out.append(digest, 0, kTagDigits);
}

}  // namespace

std::string Normalise(std::string_view field) {
  std::string out;
  out.reserve(field.size() + 8);
  for (size_t i = 0; i < field.size(); ++i) {
    const char c = field[i];
    if (!IsWord(c)) {
      if (i == 0 || IsWord(field[i - 1])) out += '_';
      continue;
    }
    if (IsUpper(c)) {
      if (i > 0 && IsLowerOrDigit(field[i - 1])) out += '_';
      out += static_cast<char>(c - 'A' + 'a');
    } else {
      out += c;
    }
  }
  return out;
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
    if (length == 0 || c < 0x20 || (c >= 0x7F && c <= 0x9F) || IsUnseen(c)) return false;
    field.remove_prefix(length);
  }
  return true;
}

}  // namespace mend::plan
