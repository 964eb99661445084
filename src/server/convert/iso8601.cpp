#include "server/convert/iso8601.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

namespace mend::convert {
namespace {

constexpr size_t kMaxLength = 128;
constexpr size_t kMaxYearDigits = 7;
constexpr std::string_view kBeforeChrist = " BC";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Takes from the front only what it accepts.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  bool Take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool TakeNumber(size_t digits, int* value) {
    if (rest_.size() < digits) return false;
    int number = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (!IsDigit(rest_[i])) return false;
      number = number * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    *value = number;
    return true;
  }

  size_t CountDigits() const {
    size_t count = 0;
    while (count < rest_.size() && IsDigit(rest_[count])) ++count;
    return count;
  }

  std::string_view TakeDigits() {
    const size_t count = CountDigits();
    const std::string_view digits = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return digits;
  }

 private:
  std::string_view rest_;
};

int DaysIn(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

bool TakeDate(Scanner* text, bool before_christ, IsoTime* time) {
  const size_t digits = text->CountDigits();
  if (digits < 4 || digits > kMaxYearDigits || (digits > 4 && text->rest()[0] == '0') ||
      !text->TakeNumber(digits, &time->year) || !text->Take('-') ||
      !text->TakeNumber(2, &time->month) || !text->Take('-') || !text->TakeNumber(2, &time->day)) {
    return false;
  }
  time->has_date = true;
  const bool has_year = time->year >= 1;
  time->year = before_christ ? 1 - time->year : time->year;
  time->in_range = has_year && time->month >= 1 && time->month <= 12 && time->day >= 1 &&
                   time->day <= DaysIn(time->year, time->month);
  return true;
}

bool TakeFraction(Scanner* text, IsoTime* time) {
  std::string_view digits = text->TakeDigits();
  if (digits.empty()) return false;
  const size_t last = digits.find_last_not_of('0');
  if (last == std::string_view::npos) return true;
  time->fraction_digits = static_cast<int>(last) + 1;
  double fraction = 0;
  const std::string number = "0." + std::string(digits);
  std::from_chars(number.data(), number.data() + number.size(), fraction);
  time->microsecond = static_cast<int>(std::rint(fraction * 1000000));
  return true;
}

bool TakeClock(Scanner* text, IsoTime* time) {
  if (!text->TakeNumber(2, &time->hour) || !text->Take(':') || !text->TakeNumber(2, &time->minute))
    return false;
  if (text->Take(':')) {
    if (!text->TakeNumber(2, &time->second)) return false;
    if (text->Take('.') && !TakeFraction(text, time)) return false;
  }
  time->has_time = true;
  time->leap_second = time->second == 60;
  const bool midnight =
      time->hour == 24 && time->minute == 0 && time->second == 0 && time->microsecond == 0;
  time->in_range =
      time->in_range && (time->hour < 24 || midnight) && time->minute < 60 && time->second <= 60;
  return true;
}

bool TakeOffset(Scanner* text, IsoTime* time) {
  const bool west = text->Take('-');
  if (!west && !text->Take('+')) return false;
  int hours = 0, minutes = 0, seconds = 0;
  if (!text->TakeNumber(2, &hours)) return false;
  if (text->Take(':')) {
    if (!text->TakeNumber(2, &minutes)) return false;
    if (text->Take(':') && !text->TakeNumber(2, &seconds)) return false;
  } else if (!text->done() && !text->TakeNumber(2, &minutes)) {
    return false;
  }
  time->zone = IsoTime::Zone::Offset;
  time->offset = ((hours * 60 + minutes) * 60 + seconds) * (west ? -1 : 1);
  time->in_range =
      time->in_range && hours < 16 && minutes < 60 && seconds < 60;  // PostgreSQL's own limit
  return true;
}

bool TakeZone(Scanner* text, IsoTime* time) {
  if (text->done()) return true;
  if (text->rest() == "Z" || text->rest() == "z") {
    *text = Scanner({});
    time->zone = IsoTime::Zone::Offset;
    return true;
  }
  if (text->rest()[0] == '+' || text->rest()[0] == '-') return TakeOffset(text, time);
  text->Take(' ');
  if (text->done()) return false;
  if (text->rest()[0] == '+' || text->rest()[0] == '-') return TakeOffset(text, time);
  if (!IsLetter(text->rest()[0])) return false;
  for (char c : text->rest()) {
    if (!IsLetter(c) && !IsDigit(c) && c != '/' && c != '_' && c != '-' && c != '+') return false;
  }
  time->zone = IsoTime::Zone::Name;
  time->zone_name = text->rest();
  *text = Scanner({});
  return true;
}

}  // namespace

std::optional<IsoTime> ParseIso(std::string_view text) {
  if (text.size() > kMaxLength) return std::nullopt;
  IsoTime time;
  Scanner scanner(text);
  if (text.size() > 2 && text[2] == ':') {
    if (TakeClock(&scanner, &time) && TakeZone(&scanner, &time) && scanner.done()) return time;
    return std::nullopt;
  }
  const size_t era = text.size() - std::min(text.size(), kBeforeChrist.size());
  const bool before_christ = text.substr(era) == kBeforeChrist;
  if (before_christ) scanner = Scanner(text.substr(0, era));
  if (!TakeDate(&scanner, before_christ, &time)) return std::nullopt;
  if (scanner.done()) return time;
  if (!scanner.Take('T') && !scanner.Take('t') && !scanner.Take(' ')) return std::nullopt;
  if (!TakeClock(&scanner, &time) || !TakeZone(&scanner, &time) || !scanner.done())
    return std::nullopt;
  return time;
}

}  // namespace mend::convert
