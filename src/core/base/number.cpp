#include "core/base/number.h"

#include <algorithm>
#include <charconv>

#include "core/base/long_work.h"

namespace mend::base {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

size_t CountDigits(std::string_view text, size_t from) {
  size_t at = from;
  while (at < text.size() && IsDigit(text[at])) ++at;
  return at - from;
}

// The digits of a number with the point and the exponent taken out of the way.
struct Digits {
  std::string_view whole;
  std::string_view fraction;
  int64_t exponent = 0;

  int64_t size() const { return static_cast<int64_t>(whole.size() + fraction.size()); }
  // Digits before the point once the exponent has moved it; may be negative or past size().
  int64_t point() const { return static_cast<int64_t>(whole.size()) + exponent; }
  // Digit number `i`; zero past the last.
  int at(int64_t i) const {
    const auto index = static_cast<size_t>(i);
    if (index < whole.size()) return whole[index] - '0';
    return index < whole.size() + fraction.size() ? fraction[index - whole.size()] - '0' : 0;
  }
};

int64_t ReadExponent(std::string_view text) {
  const bool negative = text[0] == '-';
  if (!IsDigit(text[0])) text.remove_prefix(1);
  int64_t value = 0;
  for (char c : text) value = std::min(value * 10 + (c - '0'), kDigitCap);
  return negative ? -value : value;
}

Digits Split(std::string_view number) {
  Digits digits;
  size_t at = number[0] == '-' ? 1 : 0;
  digits.whole = number.substr(at, CountDigits(number, at));
  at += digits.whole.size();
  if (at < number.size() && number[at] == '.') {
    digits.fraction = number.substr(at + 1, CountDigits(number, at + 1));
    at += 1 + digits.fraction.size();
  }
  if (at < number.size()) digits.exponent = ReadExponent(number.substr(at + 1));
  return digits;
}

// The value of digits [first, first + count), zeros past the last; count <= 19.
uint64_t Leading(const Digits& digits, int64_t first, int64_t count) {
  uint64_t value = 0;
  for (int64_t i = first; i < first + count; ++i) {
    value = value * 10 + static_cast<uint64_t>(digits.at(i));
  }
  return value;
}

int BitsFor(uint64_t magnitude, bool negative) {
  const uint64_t slack = negative ? 1 : 0;
  if (magnitude <= 0x7FFF + slack) return 16;
  if (magnitude <= 0x7FFFFFFF + slack) return 32;
  return magnitude <= 0x7FFFFFFFFFFFFFFF + slack ? 64 : 0;
}

// Whether `magnitude` has at most `precision` bits between its first and its last one.
bool IsExact(uint64_t magnitude, int precision) {
  while (magnitude != 0 && magnitude % 2 == 0) magnitude /= 2;
  return (magnitude >> precision) == 0;
}

// The number lies in [10^(magnitude-1), 10^magnitude); `lead` is its first 17 digits. The limits
// are the largest finite values; the smallest normal ones keep what is stored from vanishing.
bool FitsFloat4(int64_t magnitude, uint64_t lead) {
  return magnitude >= -37 && (magnitude < 39 || (magnitude == 39 && lead <= 34028234663852885));
}
bool FitsFloat8(int64_t magnitude, uint64_t lead) {
  return magnitude >= -307 && (magnitude < 309 || (magnitude == 309 && lead <= 17976931348623157));
}

}  // namespace

size_t JsonNumberLength(std::string_view text) {
  size_t at = !text.empty() && text[0] == '-' ? 1 : 0;
  const size_t whole = CountDigits(text, at);
  if (whole == 0 || (whole > 1 && text[at] == '0')) return 0;
  at += whole;
  if (at < text.size() && text[at] == '.') {
    const size_t fraction = CountDigits(text, at + 1);
    if (fraction == 0) return 0;
    at += 1 + fraction;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const size_t exponent = CountDigits(text, at);
    if (exponent == 0) return 0;
    at += exponent;
  }
  return at;
}

bool IsJsonNumber(std::string_view text) {
  return !text.empty() && JsonNumberLength(text) == text.size();
}

bool IsCanonicalInteger(std::string_view text) {
  if (text == "0") return true;
  const size_t first = !text.empty() && text[0] == '-' ? 1 : 0;
  return first < text.size() && text[first] != '0' &&
         CountDigits(text, first) == text.size() - first;
}

bool ParseInteger(std::string_view text, int64_t* value) {
  if (!IsCanonicalInteger(text)) return false;
  return std::from_chars(text.data(), text.data() + text.size(), *value).ec == std::errc();
}

Decimal Analyse(std::string_view number) {
  const Digits digits = Split(number);
  const bool negative = number[0] == '-';
  Decimal result;
  result.plain = digits.whole.size() + (negative ? 1 : 0) == number.size();
  const int64_t scale = static_cast<int64_t>(digits.fraction.size()) - digits.exponent;
  result.scale = std::clamp<int64_t>(scale, 0, kDigitCap);

  LongWork work;
  int64_t first = 0;
  for (; first < digits.size() && digits.at(first) == 0; ++first) work.Took();
  result.zero = first == digits.size();
  if (result.zero) return result;
  int64_t last = digits.size() - 1;
  for (; digits.at(last) == 0; --last) work.Took();

  const int64_t magnitude = digits.point() - first;
  result.integer = last < digits.point();
  result.integer_digits = std::clamp<int64_t>(magnitude, 0, kDigitCap);
  const uint64_t lead = Leading(digits, first, 17);
  result.fits_float4 = FitsFloat4(magnitude, lead);
  result.fits_float8 = FitsFloat8(magnitude, lead);
  if (!result.integer) return result;

  const bool small = result.integer_digits <= 19;
  const uint64_t value = small ? Leading(digits, first, result.integer_digits) : 0;
  result.integer_bits = small ? BitsFor(value, negative) : 0;
  result.exact_float4 = small && IsExact(value, 24);
  result.exact_float8 = small && IsExact(value, 53);
  return result;
}

bool HasManyDigits(std::string_view number) {
  const Decimal decimal = Analyse(number);
  return std::max(decimal.integer_digits, decimal.scale) > kManyDigits;
}

}  // namespace mend::base
