#include "server/convert/numeric_digits.h"

#include <cstring>

namespace mend::convert {
namespace {

constexpr int kDigitsEach = 4;   // decimal digits of one of base 10000
constexpr size_t kLongest = 40;  // characters
constexpr uint16_t kShort = 0x8000, kNegative = 0x2000, kWeightSign = 0x0040, kWeightMask = 0x003F;
constexpr int kScaleShift = 7;

}  // namespace

bool ReadNumeric(std::string_view number, int precision, int scale, NumericDigits* result) {
  if (number.size() > kLongest) return false;
  const bool negative = number[0] == '-';
  if (negative) number.remove_prefix(1);
  const size_t point = number.find('.');
  const std::string_view whole = number.substr(0, point);
  std::string_view fraction =
      point == std::string_view::npos ? std::string_view() : number.substr(point + 1);
  const size_t whole_digits = whole == "0" ? 0 : whole.size();
  for (char c : number) {
    if (c == 'e' || c == 'E') return false;
  }
  int display_scale = static_cast<int>(fraction.size());
  const size_t last = fraction.find_last_not_of('0');
  fraction = fraction.substr(0, last == std::string_view::npos ? 0 : last + 1);
  if (precision >= 0) {
    if (scale < 0 || scale > 63 || static_cast<int>(whole_digits) > precision - scale ||
        static_cast<int>(fraction.size()) > scale)
      return false;
    display_scale = scale;
  }
  // Groups of four, counted from the point; the first and the last may be padded with zeros.
  const int whole_groups = static_cast<int>((whole_digits + 3) / kDigitsEach);
  int count = 0;
  size_t at = whole.size() - whole_digits;
  for (int group = 0; group < whole_groups; ++group) {
    const size_t left = whole.size() - at;
    const size_t length = left % kDigitsEach == 0 ? kDigitsEach : left % kDigitsEach;
    int value = 0;
    for (size_t i = 0; i < length; ++i) value = value * 10 + (whole[at + i] - '0');
    result->digits[count++] = static_cast<int16_t>(value);
    at += length;
  }
  for (size_t from = 0; from < fraction.size(); from += kDigitsEach) {
    int value = 0;
    for (size_t i = from; i < from + kDigitsEach; ++i)
      value = value * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
    result->digits[count++] = static_cast<int16_t>(value);
  }
  int weight = whole_groups - 1, first = 0;
  while (first < count && result->digits[first] == 0) {
    ++first;
    --weight;
  }
  while (count > first && result->digits[count - 1] == 0) --count;
  for (int i = first; i < count; ++i) result->digits[i - first] = result->digits[i];
  result->count = count - first;
  if (result->count == 0) weight = 0;
  const bool minus = negative && result->count > 0;
  result->header =
      static_cast<uint16_t>(kShort | (minus ? kNegative : 0) | display_scale << kScaleShift |
                            (weight < 0 ? kWeightSign : 0) | (weight & kWeightMask));
  return true;
}

namespace {

// A numeric in its short form, taken apart; not valid in any other.
struct ShortForm {
  ShortForm(const char* bytes, size_t size) : digits(bytes + sizeof header) {
    if (size < sizeof header) return;
    std::memcpy(&header, bytes, sizeof header);
    valid = (header & 0xC000) == kShort;
    count = static_cast<int>((size - sizeof header) / sizeof(int16_t));
    negative = (header & kNegative) != 0;
    scale = header >> kScaleShift & 0x3F;
    weight =
        (header & kWeightMask) | ((header & kWeightSign) != 0 ? ~static_cast<int>(kWeightMask) : 0);
  }
  // Zero left of the first digit and right of the last.
  int16_t DigitAt(int i) const {
    int16_t value = 0;
    if (i >= 0 && i < count)
      std::memcpy(&value, digits + sizeof value * static_cast<size_t>(i), sizeof value);
    return value;
  }

  uint16_t header = 0;
  const char* digits;
  bool valid = false, negative = false;
  int count = 0, scale = 0, weight = 0;
};

char* WriteGroup(int16_t digit, bool leading_zeros, char* out) {
  const char four[] = {
      static_cast<char>('0' + digit / 1000), static_cast<char>('0' + digit / 100 % 10),
      static_cast<char>('0' + digit / 10 % 10), static_cast<char>('0' + digit % 10)};
  int from = 0;
  while (!leading_zeros && from < 3 && four[from] == '0') ++from;
  while (from < kDigitsEach) *out++ = four[from++];
  return out;
}

}  // namespace

size_t WriteNumericText(const char* bytes, size_t size, char* text) {
  const ShortForm form(bytes, size);
  if (!form.valid || form.count > 12 || form.weight > 12 || form.weight < -12) return 0;
  const int scale = form.scale, weight = form.weight;
  const auto digit = [&](int i) { return form.DigitAt(i); };
  char* out = text;
  if (form.negative) *out++ = '-';
  if (weight < 0) {
    *out++ = '0';
  } else {
    for (int i = 0; i <= weight; ++i) out = WriteGroup(digit(i), i > 0, out);
  }
  if (scale > 0) {
    *out++ = '.';
    char* const fraction = out;
    for (int i = weight + 1; out - fraction < scale; ++i) out = WriteGroup(digit(i), true, out);
    out = fraction + scale;
  }
  return static_cast<size_t>(out - text);
}

bool FitsAsItIs(const char* bytes, size_t size, int precision, int scale, uint16_t* header) {
  const ShortForm form(bytes, size);
  if (!form.valid || scale < form.scale || scale > 63) return false;
  int whole_digits = 0;
  if (form.weight >= 0 && form.count > 0) {
    const int first = form.DigitAt(0);
    whole_digits = form.weight * kDigitsEach + (first >= 1000  ? 4
                                                : first >= 100 ? 3
                                                : first >= 10  ? 2
                                                               : 1);
  }
  *header = static_cast<uint16_t>((form.header & ~(0x3F << kScaleShift)) | scale << kScaleShift);
  return whole_digits <= precision - scale;
}

bool ReadSmallNumber(const char* bytes, size_t size, SmallNumber* number) {
  const ShortForm form(bytes, size);
  if (!form.valid || form.count > 4) return false;
  int64_t digits = 0;
  for (int i = 0; i < form.count; ++i) digits = digits * 10000 + form.DigitAt(i);
  number->digits = form.negative ? -digits : digits;
  number->exponent = form.count == 0 ? 0 : (form.weight - form.count + 1) * kDigitsEach;
  return true;
}

bool ExactInteger(const SmallNumber& number, int64_t* value) {
  *value = number.digits;
  for (int i = 0; i < number.exponent; ++i) {
    if (__builtin_mul_overflow(*value, 10, value)) return false;
  }
  return number.exponent >= 0;
}

bool NearestDouble(const SmallNumber& number, double* value) {
  // Up to here doubles hold every integer, and every power of ten: one division rounds once.
  constexpr int64_t kExact = int64_t{1} << 53;
  static constexpr double kPowers[] = {1, 1e4, 1e8, 1e12, 1e16, 1e20};
  int64_t integer = number.digits;
  if (number.exponent > 0 && !ExactInteger(number, &integer)) return false;
  if (integer > kExact || integer < -kExact || number.exponent < -20) return false;
  *value = static_cast<double>(integer);
  if (number.exponent < 0) *value /= kPowers[-number.exponent / kDigitsEach];
  return true;
}

}  // namespace mend::convert
