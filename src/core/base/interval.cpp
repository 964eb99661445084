#include "core/base/interval.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>

namespace mend::base {
namespace {

constexpr int64_t kSecond = 1000000, kDay = 86400 * kSecond;

struct Unit {
  std::string_view name;
  int64_t parts;  // in one of it: microseconds, or months
};

// As PostgreSQL spells them.
constexpr Unit kUnits[] = {
    {"us", 1},
    {"usec", 1},
    {"usecs", 1},
    {"usecond", 1},
    {"useconds", 1},
    {"microsecond", 1},
    {"microseconds", 1},
    {"microsecon", 1},
    {"ms", 1000},
    {"msec", 1000},
    {"msecs", 1000},
    {"mseconds", 1000},
    {"millisecond", 1000},
    {"milliseconds", 1000},
    {"millisecon", 1000},
    {"s", kSecond},
    {"sec", kSecond},
    {"secs", kSecond},
    {"second", kSecond},
    {"seconds", kSecond},
    {"m", 60 * kSecond},
    {"min", 60 * kSecond},
    {"mins", 60 * kSecond},
    {"minute", 60 * kSecond},
    {"minutes", 60 * kSecond},
    {"h", 3600 * kSecond},
    {"hr", 3600 * kSecond},
    {"hrs", 3600 * kSecond},
    {"hour", 3600 * kSecond},
    {"hours", 3600 * kSecond},
    {"d", kDay},
    {"day", kDay},
    {"days", kDay},
    {"w", 7 * kDay},
    {"week", 7 * kDay},
    {"weeks", 7 * kDay},
    {"mon", 30 * kDay},
    {"mons", 30 * kDay},
    {"month", 30 * kDay},
    {"months", 30 * kDay},
    {"y", 12},
    {"yr", 12},
    {"yrs", 12},
    {"year", 12},
    {"years", 12},
    {"dec", 120},
    {"decs", 120},
    {"decade", 120},
    {"decades", 120},
    {"c", 1200},
    {"cent", 1200},
    {"century", 1200},
    {"centuries", 1200},
    {"mil", 12000},
    {"mils", 12000},
    {"millennia", 12000},
    {"millennium", 12000},
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool IsLetter(char c) { return Lower(c) >= 'a' && Lower(c) <= 'z'; }

// What one of the unit behind position `at` has; 0: no such unit.
int64_t PartsOf(std::string_view text, size_t at) {
  const bool iso = text.find('P') != std::string_view::npos &&
                   text.find_first_of("abcdefghijklmnoqrsuvwxyz") == std::string_view::npos;
  while (at < text.size() && text[at] == ' ') ++at;
  std::string name;
  for (; at < text.size() && IsLetter(text[at]); ++at) {
    name += Lower(text[at]);
    if (iso) break;
  }
  if (name.empty()) {
    return kSecond;
  }
  if (iso && name == "m" && text.substr(0, at).find('T') == std::string_view::npos) {
    name = "mon";
  }
  const Unit* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                  [&](const Unit& known) { return known.name == name; });
  return unit == std::end(kUnits) ? 0 : unit->parts;
}

// Whether 0.`digits` of something that has `parts` is a whole number of them.
bool IsWhole(std::string_view digits, int64_t parts) {
  constexpr size_t kMaxDigits = 18;
  if (digits.size() > kMaxDigits) {
    return false;
  }
  // Of `parts` in lowest terms, only 2 and 5 have a say: one of each a digit.
  int64_t fraction = 0, one = 1;
  for (char c : digits) {
    fraction = fraction * 10 + (c - '0');
    one *= 10;
  }
  for (int64_t factor : {2, 5}) {
    while (parts % factor == 0 && one % factor == 0) {
      parts /= factor;
      one /= factor;
    }
  }
  return fraction % one == 0;
}

}  // namespace

bool IsExactInterval(std::string_view text) {
  // PostgreSQL passes over other characters without a word.
  if (!std::all_of(text.begin(), text.end(), [](char c) {
        return IsDigit(c) || IsLetter(c) ||
               std::string_view(" \t\n+-.:@").find(c) != std::string_view::npos;
      })) {
    return false;
  }
  for (size_t at = 0; at < text.size();) {
    if (!IsDigit(text[at]) && text[at] != '.') {
      ++at;
      continue;
    }
    while (at < text.size() && IsDigit(text[at])) ++at;
    std::string_view fraction;
    if (at < text.size() && text[at] == '.') {
      const size_t first = ++at;
      while (at < text.size() && IsDigit(text[at])) ++at;
      fraction = text.substr(first, at - first);
      fraction = fraction.substr(0, fraction.find_last_not_of('0') + 1);
    }
    if (at + 1 < text.size() && Lower(text[at]) == 'e' &&
        (IsDigit(text[at + 1]) || text[at + 1] == '-' || text[at + 1] == '+')) {
      return false;
    }
    if (!fraction.empty()) {
      const int64_t parts = PartsOf(text, at);
      if (parts == 0 || !IsWhole(fraction, parts)) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace mend::base
