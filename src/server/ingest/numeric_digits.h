// Numbers of ordinary length as PostgreSQL's numeric, without its input function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mend::ingest {

// The bytes of a numeric in its short form, as numeric_in makes it (src/backend/utils/adt/numeric.c): a header of two bytes,
// then base-10000 digits. The form is what is stored on disk, and cannot change.
struct NumericDigits {
  uint16_t header = 0;
  int count = 0;
  int16_t digits[20];
};

// `number` must be a JSON number. With precision and scale as in numeric(p,s), or both -1. False, with no claim on the
// number, where it is long, has an exponent, or does not fit as it is.
bool ReadNumeric(std::string_view number, int precision, int scale, NumericDigits* result);

// The text of a numeric in its short form, as numeric_out writes it; its bytes without the varlena header. Returns its length,
// at most kMaxNumericText, or 0 where the form is another or the number long.
inline constexpr size_t kMaxNumericText = 128;
size_t WriteNumericText(const char* bytes, size_t size, char* text);

}  // namespace mend::ingest
