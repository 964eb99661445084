#include "core/base/notation.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "core/base/long_work.h"
#include "core/base/number.h"

namespace mend::base {
namespace {

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool IsHexDigit(char c) { return IsDigit(c) || (Lower(c) >= 'a' && Lower(c) <= 'f'); }
bool IsWord(char c) {
  return IsDigit(c) || (Lower(c) >= 'a' && Lower(c) <= 'z') || c == '_' ||
         static_cast<unsigned char>(c) > 127;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return Lower(c); });
  return out;
}

constexpr std::string_view kBlanks = " \t\n\r\f\v";
constexpr std::string_view kTermEnds = " \t\n\r\f\v()&|!:<>";

template <class Drop>
std::string Without(std::string_view text, Drop drop) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out), [&](char c) { return !drop(c); });
  return out;
}

// A number or word of a text, or what stands between quotes.
struct Atom {
  std::string text;
  bool number = false;
};

class Atoms {
 public:
  // With `separators`, words are all that stands between them, and there are no numbers.
  explicit Atoms(std::string_view text, std::string_view separators = {})
      : text_(text), separators_(separators) {}

  std::vector<Atom> Read() {
    std::vector<Atom> atoms;
    while (at_ < text_.size()) {
      work_.Took();
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        atoms.push_back(Quoted(c));
      } else if (const size_t length = Number()) {
        atoms.push_back({std::string(text_.substr(at_, length)), true});
        at_ += length;
      } else if (IsPart(c) || c == '\\') {
        atoms.push_back(Word());
      } else {
        ++at_;
      }
    }
    return atoms;
  }

 private:
  bool IsPart(char c) const {
    return separators_.empty() ? IsWord(c) : separators_.find(c) == std::string_view::npos;
  }
  char At(size_t at) const { return at < text_.size() ? text_[at] : '\0'; }

  // Length of the number that begins here; 0: what begins here is something else. A sign behind a
  // word or number joins the two.
  size_t Number() const {
    if (!separators_.empty()) {
      return 0;
    }
    const size_t length = JsonNumberLength(text_.substr(at_));
    const char behind = At(at_ + length);
    const bool joined = text_[at_] == '-' && at_ > 0 && (IsWord(text_[at_ - 1]));
    return length == 0 || joined || IsWord(behind) || behind == '\\' ||
                   (behind == '.' && IsDigit(At(at_ + length + 1)))
               ? 0
               : length;
  }

  // What stands right behind the quotes, as the positions of a lexeme do, is of the same word.
  Atom Quoted(char quote) {
    Atom atom;
    for (++at_; at_ < text_.size(); ++at_) {
      work_.Took();
      if (text_[at_] == quote && At(at_ + 1) != quote) {
        ++at_;
        break;
      }
      at_ += text_[at_] == quote || (text_[at_] == '\\' && at_ + 1 < text_.size()) ? 1 : 0;
      atom.text += text_[at_];
    }
    if (!separators_.empty()) {
      atom.text += Word().text;
    }
    return atom;
  }

  Atom Word() {
    Atom atom;
    while (at_ < text_.size() && (IsPart(text_[at_]) || text_[at_] == '\\')) {
      work_.Took();
      at_ += text_[at_] == '\\' && at_ + 1 < text_.size() ? 1 : 0;
      atom.text += text_[at_++];
    }
    return atom;
  }

  std::string_view text_, separators_;
  size_t at_ = 0;
  LongWork work_;
};

// Sign, digits from the first to the last that is not zero, and where the point is.
struct Digits {
  bool negative = false;
  std::string digits;
  int64_t point = 0;
};

Digits DigitsOf(std::string_view number) {
  Digits result;
  result.negative = number[0] == '-';
  size_t at = result.negative ? 1 : 0;
  bool past_point = false;
  for (; at < number.size() && number[at] != 'e' && number[at] != 'E'; ++at) {
    if (number[at] == '.') {
      past_point = true;
      continue;
    }
    if (!result.digits.empty() || number[at] != '0') {
      result.digits += number[at];
      result.point += past_point ? 0 : 1;
    } else {
      result.point -= past_point ? 1 : 0;
    }
  }
  if (at < number.size()) {
    int64_t exponent = 0;
    const bool negative = number[at + 1] == '-';
    for (++at; at < number.size(); ++at) {
      if (IsDigit(number[at]) && exponent < kDigitCap) {
        exponent = exponent * 10 + (number[at] - '0');
      }
    }
    result.point += negative ? -exponent : exponent;
  }
  while (!result.digits.empty() && result.digits.back() == '0') {
    result.digits.pop_back();
  }
  if (result.digits.empty()) {
    result.point = 0;
    result.negative = false;
  }
  return result;
}

template <class Float>
bool AreNearest(std::string_view one, std::string_view other) {
  Float a = 0, b = 0;
  return std::from_chars(one.data(), one.data() + one.size(), a).ec == std::errc() &&
         std::from_chars(other.data(), other.data() + other.size(), b).ec == std::errc() && a == b;
}

bool IsSame(const Atom& given, const Atom& printed) {
  if (given.text == printed.text) {
    return true;
  }
  if (!given.number || !printed.number) {
    return false;
  }
  return IsSameNumber(given.text, printed.text) ||
         (!Analyse(given.text).integer && (AreNearest<double>(given.text, printed.text) ||
                                           AreNearest<float>(given.text, printed.text)));
}

bool AreSame(const std::vector<Atom>& given, const std::vector<Atom>& printed) {
  return given.size() == printed.size() &&
         std::equal(given.begin(), given.end(), printed.begin(), IsSame);
}

// Numbers by what they are worth, words by their bytes.
void Sort(std::vector<Atom>* atoms) {
  const auto worth = [](const Atom& atom) {
    double value = 0;
    std::from_chars(atom.text.data(), atom.text.data() + atom.text.size(), value);
    return value;
  };
  std::sort(atoms->begin(), atoms->end(), [&](const Atom& one, const Atom& other) {
    if (one.number != other.number) {
      return one.number;
    }
    return one.number && worth(one) != worth(other) ? worth(one) < worth(other)
                                                    : one.text < other.text;
  });
}

bool AreSameInAnyOrder(std::vector<Atom> given, std::vector<Atom> printed, bool as_set) {
  // A set or a list of pairs quotes what it prints.
  const bool quoted =
      std::none_of(printed.begin(), printed.end(), [](const Atom& atom) { return atom.number; });
  for (std::vector<Atom>* atoms : {&given, &printed}) {
    for (Atom& atom : *atoms) {
      atom.number = atom.number && !quoted && !as_set;
    }
    Sort(atoms);
    if (as_set) {
      atoms->erase(
          std::unique(atoms->begin(), atoms->end(),
                      [](const Atom& one, const Atom& other) { return one.text == other.text; }),
          atoms->end());
    }
  }
  return AreSame(given, printed);
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(separator, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// The digits of a hardware address, two a byte; empty: it is none.
std::string HardwareDigits(std::string_view text) {
  const char separator = text.find(':') != std::string_view::npos ? ':' : '-';
  const std::vector<std::string_view> parts = Split(text, separator);
  const bool by_byte = parts.size() == 6 || parts.size() == 8;
  std::string digits;
  for (std::string_view part : parts) {
    if (by_byte && part.size() == 1) {
      digits += '0';
    }
    for (char c : part) {
      if (IsHexDigit(c)) {
        digits += Lower(c);
      } else if (c != '.') {
        return {};
      }
    }
  }
  return digits;
}

bool IsSameHardware(std::string_view given, std::string_view printed) {
  std::string digits = HardwareDigits(given);
  const std::string all = HardwareDigits(printed);
  if (digits.size() == 12 && all.size() == 16) {
    digits.insert(6, "fffe");  // EUI-48 as EUI-64
  }
  return !digits.empty() && digits == all;
}

// Of IPv4, every byte and the netmask must be there as it is printed; bytes may be left out where
// a netmask says how many there are. IPv6 has many notations, and none that is misread.
bool IsSameInternet(std::string_view given, std::string_view printed) {
  if (given.find(':') != std::string_view::npos) {
    return true;
  }
  const auto with_mask = [](std::string_view text) {
    const size_t slash = text.find('/');
    std::string address(text.substr(0, slash));
    if (slash == std::string_view::npos) {
      return address + "/32";
    }
    for (auto dots = std::count(address.begin(), address.end(), '.'); dots < 3; ++dots) {
      address += ".0";
    }
    return address + std::string(text.substr(slash));
  };
  return with_mask(given) == with_mask(printed);
}

}  // namespace

bool IsSameNumber(std::string_view one, std::string_view other) {
  if (!IsJsonNumber(one) || !IsJsonNumber(other)) {
    return false;
  }
  const Digits a = DigitsOf(one), b = DigitsOf(other);
  return a.negative == b.negative && a.point == b.point && a.digits == b.digits;
}

bool SaysTheSame(Notation notation, std::string_view given, std::string_view printed) {
  if (given == printed) {
    return true;
  }
  switch (notation) {
    case Notation::Verbatim: return false;
    case Notation::Blanks: return Without(given, IsBlank) == Without(printed, IsBlank);
    case Notation::Case: return Lower(given) == Lower(printed);
    case Notation::Atoms: return AreSame(Atoms(given).Read(), Atoms(printed).Read());
    case Notation::AnyOrder:
      return AreSameInAnyOrder(Atoms(given).Read(), Atoms(printed).Read(), false);
    case Notation::Lexemes:
      return AreSameInAnyOrder(Atoms(given, kBlanks).Read(), Atoms(printed, kBlanks).Read(), true);
    case Notation::Terms:
      return AreSame(Atoms(given, kTermEnds).Read(), Atoms(printed, kTermEnds).Read());
    case Notation::Hyphens: {
      const auto between = [](char c) { return IsBlank(c) || c == '-'; };
      return Lower(Without(given, between)) == Lower(Without(printed, between));
    }
    case Notation::Hardware: return IsSameHardware(given, printed);
    case Notation::Internet: return IsSameInternet(given, printed);
  }
  return false;
}

}  // namespace mend::base
