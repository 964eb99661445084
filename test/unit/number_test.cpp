#include "core/base/number.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace mend::base {
namespace {

TEST(Number, Grammar) {
  EXPECT_EQ(JsonNumberLength("12,"), 2u);
  EXPECT_EQ(JsonNumberLength("-1.5e+3]"), 7u);
  for (const char* bad : {"", "-", "01", "1.", "1e", ".5", "+1", "1e+"}) {
    EXPECT_FALSE(IsJsonNumber(bad)) << bad;
  }
}

TEST(Number, CanonicalIntegers) {
  for (const char* good : {"0", "5", "-5", "10", "99999999999999999999"}) {
    EXPECT_TRUE(IsCanonicalInteger(good)) << good;
  }
  for (const char* bad : {"", "-", "-0", "05", "+5", " 5", "5 ", "5.0", "5e0", "-05", "٥"}) {
    EXPECT_FALSE(IsCanonicalInteger(bad)) << bad;
  }
  int64_t value = 0;
  EXPECT_TRUE(ParseInteger("-9223372036854775808", &value));
  EXPECT_EQ(value, std::numeric_limits<int64_t>::min());
  EXPECT_FALSE(ParseInteger("9223372036854775808", &value));
}

TEST(Number, IntegerBitsAtTheLimits) {
  const std::pair<const char*, int> cases[] = {{"0", 16},
                                               {"-0", 16},
                                               {"32767", 16},
                                               {"32768", 32},
                                               {"-32768", 16},
                                               {"-32769", 32},
                                               {"2147483647", 32},
                                               {"2147483648", 64},
                                               {"-2147483648", 32},
                                               {"-2147483649", 64},
                                               {"9223372036854775807", 64},
                                               {"9223372036854775808", 0},
                                               {"-9223372036854775808", 64},
                                               {"-9223372036854775809", 0},
                                               {"99999999999999999999", 0},
                                               {"1e2", 16},
                                               {"5.0", 16},
                                               {"1e18", 64},
                                               {"1e19", 0},
                                               {"92233720368547758.07e2", 64},
                                               {"3276700e-2", 16},
                                               {"0e999999999999", 16},
                                               {"0.000e-5", 16},
                                               {"1e1000000000", 0}};
  for (const auto& [text, bits] : cases) {
    const Decimal number = Analyse(text);
    EXPECT_TRUE(number.integer) << text;
    EXPECT_EQ(number.integer_bits, bits) << text;
  }
  for (const char* fraction : {"0.5", "1e-1", "15e-1", "1e-1000000000", "100.0000001"}) {
    EXPECT_FALSE(Analyse(fraction).integer) << fraction;
  }
}

TEST(Number, DigitsOnBothSidesOfThePoint) {
  struct Case {
    const char* text;
    int64_t digits, scale;
  };
  for (const Case& c : std::initializer_list<Case>{{"0", 0, 0},
                                                   {"0.5", 0, 1},
                                                   {"1.50", 1, 2},
                                                   {"1.50e1", 2, 1},
                                                   {"5.0", 1, 1},
                                                   {"1e-5", 0, 5},
                                                   {"12345e-2", 3, 2},
                                                   {"0.05e2", 1, 0},
                                                   {"1e400", 401, 0},
                                                   {"1e1000000000000", kDigitCap, 0},
                                                   {"1e-1000000000000", 0, kDigitCap}}) {
    EXPECT_EQ(Analyse(c.text).integer_digits, c.digits) << c.text;
    EXPECT_EQ(Analyse(c.text).scale, c.scale) << c.text;
  }
}

TEST(Number, LongNumbersAreBounded) {
  const std::string digits(100000, '9');
  EXPECT_EQ(Analyse(digits).integer_digits, 100000);
  EXPECT_EQ(Analyse("0." + digits).scale, 100000);
  EXPECT_EQ(Analyse("1e" + digits).integer_digits, kDigitCap);
  EXPECT_TRUE(Analyse("1" + std::string(100000, '0') + "e-100000").integer);
  EXPECT_EQ(Analyse("1" + std::string(100000, '0') + "e-100000").integer_bits, 16);
}

TEST(Number, FloatRanges) {
  EXPECT_TRUE(Analyse("3.4028234e38").fits_float4);
  EXPECT_FALSE(Analyse("3.41e38").fits_float4);
  EXPECT_FALSE(Analyse("1e-46").fits_float4);
  EXPECT_TRUE(Analyse("1e39").fits_float8);
  EXPECT_TRUE(Analyse("1.7976931348623157e308").fits_float8);
  EXPECT_FALSE(Analyse("1.7976931348623159e308").fits_float8);
  EXPECT_FALSE(Analyse("1e400").fits_float8);
  EXPECT_FALSE(Analyse("1e-400").fits_float8);
  EXPECT_TRUE(Analyse("0e-999").fits_float4);
  EXPECT_TRUE(Analyse("16777216").exact_float4);
  EXPECT_FALSE(Analyse("16777217").exact_float4);
  EXPECT_TRUE(Analyse("9007199254740992").exact_float8);
  EXPECT_FALSE(Analyse("9007199254740993").exact_float8);
}

}  // namespace
}  // namespace mend::base
