// Type modifiers in PostgreSQL's encoding (pg_attribute.atttypmod); -1 is "none" for every type.
#pragma once

#include <cstdint>

namespace mend::plan {

inline constexpr int32_t kVarHeader = 4;  // what text and numeric modifiers are offset by

// varchar(n), char(n): n in characters.
constexpr int32_t CharacterLimit(int32_t typmod) { return typmod - kVarHeader; }

struct NumericLimits {
  int precision;  // digits in all
  int scale;      // digits right of the point; PostgreSQL 15 allows a negative one
  int IntegerDigits() const { return precision - scale; }
};

constexpr NumericLimits DecodeNumeric(int32_t typmod) {
  const int32_t packed = typmod - kVarHeader;
  const int scale = packed & 0x7ff;
  return {(packed >> 16) & 0xffff, scale < 1024 ? scale : scale - 2048};
}

constexpr int32_t EncodeNumeric(int precision, int scale) {
  return ((precision << 16) | (scale & 0x7ff)) + kVarHeader;
}

// Fractional digits of a second that a time type keeps.
inline constexpr int kMicroseconds = 6;
constexpr int TimePrecision(int32_t typmod) { return typmod < 0 ? kMicroseconds : typmod; }

struct IntervalLimits {
  int range;  // which fields are kept
  int precision;
};

inline constexpr int kAllIntervalFields = 0x7fff;

constexpr IntervalLimits DecodeInterval(int32_t typmod) {
  if (typmod < 0) return {kAllIntervalFields, kMicroseconds};
  const int precision = typmod & 0xffff;
  return {(typmod >> 16) & 0x7fff, precision == 0xffff ? kMicroseconds : precision};
}

}  // namespace mend::plan
