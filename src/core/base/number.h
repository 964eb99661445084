// JSON numbers as text: what they are worth, without ever expanding an exponent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mend::base {

// Length of the number (RFC 8259 grammar) at the start of `text`; 0 when there is none.
size_t JsonNumberLength(std::string_view text);

bool IsJsonNumber(std::string_view text);

// True for the one text that an integer prints as: "0", "-5", not "-0", "05", "+5" or "5.0".
bool IsCanonicalInteger(std::string_view text);

// Reads a canonical integer within int64; false for anything else.
bool ParseInteger(std::string_view text, int64_t* value);

// What a decimal number is. Digit counts are capped at kDigitCap, however large the exponent.
inline constexpr int64_t kDigitCap = 1000000000;

struct Decimal {
  bool zero = false;
  bool plain = true;           // written with neither point nor exponent
  bool integer = true;         // no non-zero digit right of the point
  int integer_bits = 16;       // 16, 32 or 64 for an integer within int8, else 0
  int64_t integer_digits = 0;  // left of the point, leading zeros not counted
  int64_t scale = 0;           // right of the point, trailing zeros counted
  bool fits_float4 = true;     // neither overflows nor vanishes; false in the last bit's doubt
  bool fits_float8 = true;
  bool exact_float4 = true;  // an integer that is certainly represented exactly
  bool exact_float8 = true;
};

// `number` must be a JSON number. Time is linear in its length.
Decimal Analyse(std::string_view number);

// Whether it has more digits, left or right of the point, than what is measured, counted or paid.
inline constexpr int kManyDigits = 40;
bool HasManyDigits(std::string_view number);

}  // namespace mend::base
