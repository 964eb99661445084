// Numbers of ordinary length as PostgreSQL's numeric, without its input function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mend::convert {

// The bytes of a numeric in its short form, as numeric_in makes it
// (src/backend/utils/adt/numeric.c): a header of two bytes, then base-10000 digits. The form is
// what is stored on disk, and cannot change.
struct NumericDigits {
  uint16_t header = 0;
  int count = 0;
  int16_t digits[20];
};

// `number` must be a JSON number. With precision and scale as in numeric(p,s), or both -1. False,
// with no claim on the number, where it is long, has an exponent, or does not fit as it is.
bool ReadNumeric(std::string_view number, int precision, int scale, NumericDigits* result);

// The text of a numeric in its short form, as numeric_out writes it; its bytes without the varlena
// header. Returns its length, at most kMaxNumericText, or 0 where the form is another or the number
// long.
inline constexpr size_t kMaxNumericText = 128;
size_t WriteNumericText(const char* bytes, size_t size, char* text);

// Whether a numeric in its short form is one of numeric(precision, scale) without a digit lost;
// then its header there, before the same digits. False, with no claim on the number, where its
// scale is larger or its form another.
bool FitsAsItIs(const char* bytes, size_t size, int precision, int scale, uint16_t* header);

// The number `digits` times ten to the `exponent`.
struct SmallNumber {
  int64_t digits = 0;
  int exponent = 0;
};

// False for a numeric of more than sixteen digits or so.
bool ReadSmallNumber(const char* bytes, size_t size, SmallNumber* number);
// False, with no claim on the number, where it is no integer or large.
bool ExactInteger(const SmallNumber& number, int64_t* value);
// The nearest double; an integer as it is. False, with no claim on the number, where a division may
// be inexact twice.
bool NearestDouble(const SmallNumber& number, double* value);

}  // namespace mend::convert
