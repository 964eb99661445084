// The forms that readings know, as functions of a text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/reading/reader.h"

namespace mend::reading {

// The text without blanks at its ends, those of Unicode that stand in numbers included.
std::string_view WithoutBlanks(std::string_view text);

// How numbers are written.
enum class Convention : uint8_t {
  Plain,  // no groups, and a point before the fraction
  Comma,  // a comma before the fraction; groups behind points, blanks or apostrophes
  Point,  // a point before the fraction; groups behind commas, blanks or apostrophes
};

// The JSON number that the text means; false where it is not of this form.
bool NumberOf(std::string_view text, Convention convention, std::string* number);

// A JSON number times ten to the `power`; false where that is no integer of at most eighteen
// digits.
bool ScaledInteger(std::string_view number, int power, int64_t* value);

enum class Order : uint8_t {
  Iso,  // YYYY-MM-DD, with a T or a blank before the time
  Ymd,
  Dmy,
  Mdy,
};

struct DateAndTime {
  LocalTime time;
  bool has_time = false;
  std::string_view fraction;  // digits of the second, at most six
  bool has_offset = false;
  int minutes_east = 0;
};

// False where the text is not of this form, or names no day, or no time, that exists.
bool DateOf(std::string_view text, Order order, DateAndTime* date);

// Microseconds since 1970 of a time at an offset.
int64_t MicrosecondsOf(const DateAndTime& date);

// Days since 1970 to a date and back.
int64_t DaysFromCivil(int64_t year, int month, int day);
void CivilFromDays(int64_t days, int* year, int* month, int* day);

// Microseconds of the years 1 to 9999.
bool IsInYears(int64_t microseconds);

// Appends the bytes in hexadecimal; false where the text is not base64, in its one form.
bool AppendBase64AsHex(std::string_view text, bool url, std::string* out);

}  // namespace mend::reading
