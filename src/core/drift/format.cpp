// How a string reads: strict grammars, so that none of PostgreSQL's special words ("now",
// "infinity", zone names) or DateStyle-dependent orders is taken for a time.
#include <iterator>

#include "core/base/number.h"
#include "core/drift/profile.h"

namespace mend::drift {
namespace {

constexpr std::string_view kNames[] = {"empty",     "boolean", "integer", "number", "timestamptz",
                                       "timestamp", "date",    "time",    "uuid",   "other"};
static_assert(std::size(kNames) == static_cast<size_t>(Format::Other) + 1);

// PostgreSQL refuses longer times; it also bounds the work here.
constexpr size_t kMaxTimeLength = 64;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Reads a text from left to right; every Take* consumes only what it accepts.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }

  bool Take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // Exactly `count` digits with a value within [low, high].
  bool TakeNumber(size_t count, int low, int high, int* value) {
    if (rest_.size() < count) return false;
    int number = 0;
    for (size_t i = 0; i < count; ++i) {
      if (!IsDigit(rest_[i])) return false;
      number = number * 10 + (rest_[i] - '0');
    }
    if (number < low || number > high) return false;
    rest_.remove_prefix(count);
    *value = number;
    return true;
  }

  bool TakeDigits() {
    size_t count = 0;
    while (count < rest_.size() && IsDigit(rest_[count])) ++count;
    rest_.remove_prefix(count);
    return count > 0;
  }

 private:
  std::string_view rest_;
};

int DaysIn(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

bool TakeDate(Scanner* text) {
  int year, month, day;
  return text->TakeNumber(4, 1, 9999, &year) && text->Take('-') &&
         text->TakeNumber(2, 1, 12, &month) && text->Take('-') &&
         text->TakeNumber(2, 1, DaysIn(year, month), &day);
}

// hh:mm[:ss[.fraction]]
bool TakeTime(Scanner* text) {
  int part;
  if (!text->TakeNumber(2, 0, 23, &part) || !text->Take(':')) return false;
  if (!text->TakeNumber(2, 0, 59, &part)) return false;
  if (!text->Take(':')) return true;
  if (!text->TakeNumber(2, 0, 59, &part)) return false;
  return !text->Take('.') || text->TakeDigits();
}

// Z, +hh, +hhmm or +hh:mm[:ss]; PostgreSQL knows no offset of 16 hours or more.
bool TakeOffset(Scanner* text) {
  if (text->Take('Z')) return true;
  int part;
  if (!text->Take('+') && !text->Take('-')) return false;
  if (!text->TakeNumber(2, 0, 15, &part)) return false;
  if (text->done()) return true;
  if (!text->Take(':')) return text->TakeNumber(2, 0, 59, &part);
  if (!text->TakeNumber(2, 0, 59, &part)) return false;
  return !text->Take(':') || text->TakeNumber(2, 0, 59, &part);
}

Format TimeFormatOf(std::string_view text) {
  if (text.size() > kMaxTimeLength) return Format::Other;
  Scanner time(text);
  if (TakeTime(&time) && time.done()) return Format::Time;
  Scanner scanner(text);
  if (!TakeDate(&scanner)) return Format::Other;
  if (scanner.done()) return Format::Date;
  if (!scanner.Take('T') && !scanner.Take(' ')) return Format::Other;
  if (!TakeTime(&scanner)) return Format::Other;
  if (scanner.done()) return Format::Timestamp;
  return TakeOffset(&scanner) && scanner.done() ? Format::TimestampTz : Format::Other;
}

bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    if (hyphen ? text[i] != '-' : !IsHex(text[i])) return false;
  }
  return true;
}

}  // namespace

std::string_view Name(Format format) { return kNames[static_cast<size_t>(format)]; }

Format FormatOf(std::string_view text) {
  if (text.empty()) return Format::Empty;
  if (text == "true" || text == "false") return Format::Boolean;
  if (base::IsCanonicalInteger(text)) return Format::Integer;
  if (base::IsJsonNumber(text)) return Format::Number;
  const Format time = TimeFormatOf(text);
  if (time != Format::Other) return time;
  return IsUuid(text) ? Format::Uuid : Format::Other;
}

}  // namespace mend::drift
