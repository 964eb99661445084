#include "core/reading/notation.h"

#include <algorithm>
#include <array>

namespace mend::reading {
namespace {

constexpr int64_t kMicrosecondsPerDay = int64_t{86400} * 1000000;

// Blanks that numbers and times are written with: the no-break space, the thin and the figure
// space, and the narrow no-break space.
constexpr std::string_view kWideBlanks[] = {"\xC2\xA0", "\xE2\x80\x89", "\xE2\x80\x87",
                                            "\xE2\x80\xAF"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool StartsWith(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}
bool EndsWith(std::string_view text, std::string_view with) {
  return text.size() >= with.size() && text.substr(text.size() - with.size()) == with;
}

size_t CountDigits(std::string_view text) {
  return std::min(text.find_first_not_of("0123456789"), text.size());
}

// A separator of groups at the start of the text; empty when there is none.
std::string_view GroupSeparator(std::string_view text, Convention convention) {
  if (text.empty() || convention == Convention::Plain) return {};
  const char mark = convention == Convention::Comma ? '.' : ',';
  if (text[0] == mark || text[0] == ' ' || text[0] == '\'') return text.substr(0, 1);
  constexpr std::string_view kApostrophe = "\xE2\x80\x99";
  if (StartsWith(text, kApostrophe)) return text.substr(0, kApostrophe.size());
  for (std::string_view blank : kWideBlanks) {
    if (StartsWith(text, blank)) return text.substr(0, blank.size());
  }
  return {};
}

// Takes the digits before the fraction: grouped by three behind one and the same separator, or not
// at all.
bool TakeWhole(std::string_view* text, Convention convention, std::string* digits) {
  const size_t first = CountDigits(*text);
  digits->append(text->substr(0, first));
  text->remove_prefix(first);
  const std::string_view separator = GroupSeparator(*text, convention);
  if (separator.empty()) return true;
  if (first == 0 || first > 3 || digits->compare(digits->size() - first, 1, "0") == 0) {
    return false;
  }
  while (StartsWith(*text, separator)) {
    text->remove_prefix(separator.size());
    if (CountDigits(*text) != 3) return false;
    digits->append(text->substr(0, 3));
    text->remove_prefix(3);
  }
  return true;
}

bool IsAllZeros(std::string_view digits) {
  return digits.find_first_not_of("0.") == std::string_view::npos;
}

int DaysIn(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

// Takes from the front only what it accepts.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  size_t digits() const { return CountDigits(rest_); }

  bool Take(std::string_view text) {
    if (!StartsWith(rest_, text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  bool TakeEither(std::string_view one, std::string_view other) { return Take(one) || Take(other); }

  // The character at the start, if it is one of these; else 0.
  char TakeAny(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_[0]) == std::string_view::npos) return 0;
    const char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }

  void SkipBlanks() {
    for (bool more = true; more;) {
      more = Take(" ");
      for (std::string_view blank : kWideBlanks) more = more || Take(blank);
    }
  }

  // A number of at least `least` and at most `most` digits, and no digit behind it.
  bool TakeNumber(size_t least, size_t most, int* value) {
    const size_t size = digits();
    return size >= least && size <= most && TakeDigits(size, value);
  }
  // Just so many, whatever follows.
  bool TakeDigits(size_t count, int* value) {
    if (digits() < count) return false;
    *value = 0;
    for (size_t i = 0; i < count; ++i) *value = *value * 10 + (rest_[i] - '0');
    rest_.remove_prefix(count);
    return true;
  }
  std::string_view TakeAllDigits() {
    const std::string_view all = rest_.substr(0, digits());
    rest_.remove_prefix(all.size());
    return all;
  }

 private:
  std::string_view rest_;
};

// Year, month and day in the places that the order says.
bool TakeParts(Scanner* text, Order order, LocalTime* time) {
  if (order == Order::Iso) {
    return text->TakeNumber(4, 4, &time->year) && text->Take("-") &&
           text->TakeNumber(2, 2, &time->month) && text->Take("-") &&
           text->TakeNumber(2, 2, &time->day);
  }
  const bool year_first = order == Order::Ymd;
  int* first = year_first ? &time->year : order == Order::Dmy ? &time->day : &time->month;
  int* second = order == Order::Mdy ? &time->day : &time->month;
  int* third = year_first ? &time->day : &time->year;
  if (!text->TakeNumber(year_first ? 4 : 1, year_first ? 4 : 2, first)) return false;
  const char mark = text->TakeAny("-/.");
  if (mark == 0) return false;
  const std::string_view again(&mark, 1);
  if (mark == '.') text->Take(" ");
  if (!text->TakeNumber(1, 2, second) || !text->Take(again)) return false;
  if (mark == '.') text->Take(" ");
  return text->TakeNumber(year_first ? 1 : 4, year_first ? 2 : 4, third);
}

bool TakeCompact(Scanner* text, Order order, LocalTime* time) {
  switch (order) {
    case Order::Ymd:
      return text->TakeDigits(4, &time->year) && text->TakeDigits(2, &time->month) &&
             text->TakeDigits(2, &time->day);
    case Order::Dmy:
      return text->TakeDigits(2, &time->day) && text->TakeDigits(2, &time->month) &&
             text->TakeDigits(4, &time->year);
    case Order::Mdy:
      return text->TakeDigits(2, &time->month) && text->TakeDigits(2, &time->day) &&
             text->TakeDigits(4, &time->year);
    case Order::Iso: break;
  }
  return false;
}

// Digits of the second. What is past microseconds would be rounded, unless it is zero.
bool TakeFraction(Scanner* text, std::string_view* fraction) {
  std::string_view digits = text->TakeAllDigits();
  if (digits.empty()) return false;
  digits = digits.substr(0, digits.find_last_not_of('0') + 1);
  *fraction = digits;
  return digits.size() <= 6;
}

bool TakeHalfOfDay(Scanner* text, int* hour) {
  Scanner ahead = *text;
  ahead.SkipBlanks();
  const char half = ahead.TakeAny("AaPp");
  if (half == 0) return true;
  if (ahead.TakeAny("Mm") == 0 || *hour < 1 || *hour > 12) return false;
  *hour = *hour % 12 + (half == 'P' || half == 'p' ? 12 : 0);
  *text = ahead;
  return true;
}

bool TakeClock(Scanner* text, bool strict, DateAndTime* date) {
  LocalTime& time = date->time;
  if (!text->TakeNumber(strict ? 2 : 1, 2, &time.hour) || !text->Take(":") ||
      !text->TakeNumber(2, 2, &time.minute)) {
    return false;
  }
  if (text->Take(":")) {
    if (!text->TakeNumber(2, 2, &time.second)) return false;
    if (text->TakeAny(strict ? "." : ".,") != 0 && !TakeFraction(text, &date->fraction)) {
      return false;
    }
  }
  return strict || TakeHalfOfDay(text, &time.hour);
}

bool TakeCompactClock(Scanner* text, DateAndTime* date) {
  if (text->digits() != 6 || !text->TakeDigits(2, &date->time.hour) ||
      !text->TakeDigits(2, &date->time.minute) || !text->TakeDigits(2, &date->time.second)) {
    return false;
  }
  return !text->Take(".") || TakeFraction(text, &date->fraction);
}

bool TakeOffset(Scanner* text, DateAndTime* date) {
  if (text->done()) return true;
  text->SkipBlanks();
  date->has_offset = true;
  if (text->TakeEither("Z", "z") || text->TakeEither("UTC", "GMT")) return true;
  const char sign = text->TakeAny("+-");
  int hours = 0, minutes = 0;
  if (sign == 0 || !text->TakeDigits(2, &hours)) return false;
  if (text->Take(":") ? !text->TakeNumber(2, 2, &minutes)
                      : !text->done() && !text->TakeNumber(2, 2, &minutes)) {
    return false;
  }
  date->minutes_east = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
  return hours < 16 && minutes < 60;
}

bool IsReal(const DateAndTime& date) {
  const LocalTime& time = date.time;
  return time.year >= 1 && time.month >= 1 && time.month <= 12 && time.day >= 1 &&
         time.day <= DaysIn(time.year, time.month) && time.hour <= 23 && time.minute <= 59 &&
         time.second <= 59;
}

struct SextetTable {
  std::array<int8_t, 256> of{};
  constexpr explicit SextetTable(bool url) {
    for (int8_t& value : of) value = -1;
    for (size_t i = 0; i < 26; ++i) {
      of['A' + i] = static_cast<int8_t>(i);
      of['a' + i] = static_cast<int8_t>(26 + i);
    }
    for (size_t i = 0; i < 10; ++i) of['0' + i] = static_cast<int8_t>(52 + i);
    of[static_cast<size_t>(url ? '-' : '+')] = 62;
    of[static_cast<size_t>(url ? '_' : '/')] = 63;
  }
};
constexpr SextetTable kSextets(false);
constexpr SextetTable kUrlSextets(true);

}  // namespace

std::string_view WithoutBlanks(std::string_view text) {
  for (bool more = true; more && !text.empty();) {
    more = false;
    if (IsBlank(text.front())) {
      text.remove_prefix(1);
      more = true;
    } else if (IsBlank(text.back())) {
      text.remove_suffix(1);
      more = true;
    }
    for (std::string_view blank : kWideBlanks) {
      if (StartsWith(text, blank)) {
        text.remove_prefix(blank.size());
        more = true;
      } else if (EndsWith(text, blank)) {
        text.remove_suffix(blank.size());
        more = true;
      }
    }
  }
  return text;
}

bool NumberOf(std::string_view text, Convention convention, std::string* number) {
  text = WithoutBlanks(text);
  number->clear();
  if (text.empty()) return false;
  const bool negative = text[0] == '-';
  if (negative || text[0] == '+') text.remove_prefix(1);
  if (!TakeWhole(&text, convention, number)) return false;
  const size_t whole = number->size();
  size_t fraction = 0;
  if (!text.empty() && text[0] == (convention == Convention::Comma ? ',' : '.')) {
    text.remove_prefix(1);
    fraction = CountDigits(text);
    if (fraction > 0) {
      *number += '.';
      number->append(text.substr(0, fraction));
      text.remove_prefix(fraction);
    }
  }
  if (whole + fraction == 0) return false;
  const bool zero = IsAllZeros(*number);
  if (!text.empty()) {
    if (convention != Convention::Plain || (text[0] != 'e' && text[0] != 'E')) return false;
    const size_t sign = text.size() > 1 && (text[1] == '+' || text[1] == '-') ? 1 : 0;
    const std::string_view digits = text.substr(1 + sign);
    if (digits.empty() || CountDigits(digits) != digits.size()) return false;
    *number += text;
  }
  const size_t zeros = std::min(number->find_first_not_of('0'), whole);
  number->erase(0, zeros);
  if (whole == zeros) number->insert(0, 1, '0');
  if (negative && !zero) number->insert(0, 1, '-');
  return true;
}

bool ScaledInteger(std::string_view number, int power, int64_t* value) {
  constexpr int64_t kMaxExponent = 1000000;
  constexpr size_t kMaxDigits = 18;
  const bool negative = number[0] == '-';
  if (negative) number.remove_prefix(1);
  const size_t e = std::min(number.find_first_of("eE"), number.size());
  int64_t exponent = 0;
  if (e < number.size()) {
    std::string_view digits = number.substr(e + 1);
    const bool down = digits[0] == '-';
    if (!IsDigit(digits[0])) digits.remove_prefix(1);
    for (char c : digits) exponent = std::min(exponent * 10 + (c - '0'), kMaxExponent);
    exponent = down ? -exponent : exponent;
  }
  // The digits from the first to the last that is not zero, and where the point is behind them.
  uint64_t digits = 0;
  size_t count = 0;
  int64_t behind = 0, zeros = 0;
  bool past_point = false;
  for (char c : number.substr(0, e)) {
    if (c == '.') {
      past_point = true;
      continue;
    }
    behind += past_point ? 1 : 0;
    if (c == '0') {
      ++zeros;
      continue;
    }
    count = count == 0 ? 1 : count + static_cast<size_t>(zeros) + 1;
    if (count > kMaxDigits) return false;
    for (; zeros > 0 && digits > 0; --zeros) digits *= 10;
    zeros = 0;
    digits = digits * 10 + static_cast<uint64_t>(c - '0');
  }
  if (count == 0) {
    *value = 0;
    return true;
  }
  const int64_t shift = exponent - behind + zeros + power;
  if (shift < 0 || static_cast<int64_t>(count) + shift > static_cast<int64_t>(kMaxDigits)) {
    return false;
  }
  for (int64_t i = 0; i < shift; ++i) digits *= 10;
  *value = negative ? -static_cast<int64_t>(digits) : static_cast<int64_t>(digits);
  return true;
}

bool DateOf(std::string_view text, Order order, DateAndTime* date) {
  constexpr size_t kMaxLength = 64;
  text = order == Order::Iso ? text : WithoutBlanks(text);
  if (text.size() > kMaxLength) return false;
  *date = DateAndTime();
  Scanner scanner(text);
  const size_t digits = scanner.digits();
  const bool compact = digits == 8 || (digits == 14 && order == Order::Ymd);
  if (compact ? !TakeCompact(&scanner, order, &date->time)
              : !TakeParts(&scanner, order, &date->time)) {
    return false;
  }
  if (scanner.done()) return IsReal(*date);
  date->has_time = true;
  if (digits == 14) {
    if (!TakeCompactClock(&scanner, date)) return false;
  } else if (order == Order::Iso) {
    if (!scanner.TakeEither("T", "t") && !scanner.Take(" ")) return false;
    if (!TakeClock(&scanner, true, date)) return false;
    if (!scanner.done()) return false;
  } else {
    const bool comma = scanner.Take(",");
    if (!comma && scanner.TakeEither("T", "t")) {
      if (compact && scanner.digits() == 6 ? !TakeCompactClock(&scanner, date)
                                           : !TakeClock(&scanner, false, date)) {
        return false;
      }
    } else {
      if (scanner.TakeAny(" ") == 0) return false;
      scanner.SkipBlanks();
      if (!TakeClock(&scanner, false, date)) return false;
    }
  }
  return TakeOffset(&scanner, date) && scanner.done() && IsReal(*date);
}

int64_t DaysFromCivil(int64_t year, int month, int day) {
  // Years begin in March here, so that the leap day is the last of a year.
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t of_era = year - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void CivilFromDays(int64_t days, int* year, int* month, int* day) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const int64_t day_of_era = days - era * 146097;
  const int64_t of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
  const int64_t part = (5 * of_year + 2) / 153;
  *day = static_cast<int>(of_year - (153 * part + 2) / 5 + 1);
  *month = static_cast<int>(part < 10 ? part + 3 : part - 9);
  *year = static_cast<int>(of_era + era * 400 + (*month <= 2 ? 1 : 0));
}

int64_t MicrosecondsOf(const DateAndTime& date) {
  const LocalTime& time = date.time;
  int64_t fraction = 0;
  for (size_t i = 0; i < 6; ++i) {
    fraction = fraction * 10 + (i < date.fraction.size() ? date.fraction[i] - '0' : 0);
  }
  const int64_t seconds = DaysFromCivil(time.year, time.month, time.day) * 86400 +
                          (time.hour * 60 + time.minute - date.minutes_east) * 60 + time.second;
  return seconds * 1000000 + fraction;
}

bool IsInYears(int64_t microseconds) {
  return microseconds >= DaysFromCivil(1, 1, 1) * kMicrosecondsPerDay &&
         microseconds < DaysFromCivil(10000, 1, 1) * kMicrosecondsPerDay;
}

bool AppendBase64AsHex(std::string_view text, bool url, std::string* out) {
  constexpr char kHexDigits[] = "0123456789abcdef";
  const bool padded = !text.empty() && text.back() == '=';
  if ((!url || padded) && text.size() % 4 != 0) return false;
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  if (text.empty() || text.size() % 4 == 1) return false;
  uint32_t bits = 0;
  int pending = 0;
  for (char c : text) {
    const int sextet = (url ? kUrlSextets : kSextets).of[static_cast<unsigned char>(c)];
    if (sextet < 0) return false;
    bits = (bits << 6 | static_cast<uint32_t>(sextet)) & 0xFFFFFF;
    pending += 6;
    if (pending >= 8) {
      pending -= 8;
      *out += kHexDigits[bits >> (pending + 4) & 0xF];
      *out += kHexDigits[bits >> pending & 0xF];
    }
  }
  // Bits past the last byte say nothing: another text would mean the same bytes.
  return (bits & ((1U << pending) - 1)) == 0;
}

}  // namespace mend::reading
