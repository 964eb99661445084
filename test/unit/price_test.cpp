#include "core/plan/claude/price.h"

#include <gtest/gtest.h>

#include <limits>

namespace mend::plan::claude {
namespace {

// claude-haiku-5-5: 0.10 and 0.50 dollars a million tokens, five times that past 100k.
constexpr Price kHaiku = {{100, 500, 125, 200, 10}, 100'000, {500, 2500, 625, 1000, 50}};

TEST(PriceTest, EveryKindOfTokenHasItsRate) {
  EXPECT_EQ(CostOf({1000, 100, 0, 0, 0}, kHaiku), 150'000);
  EXPECT_EQ(CostOf({1, 1, 1, 1, 1}, kHaiku), 935);
  EXPECT_EQ(Dollars(CostOf({1'000'000, 0, 0, 0, 0}, {{4000, 20000, 0, 0, 0}, 0, {}})),
            "4.000000000");
}

TEST(PriceTest, TheWholeOfALongPromptCostsMore) {
  EXPECT_EQ(CostOf({100'000, 0, 0, 0, 0}, kHaiku), 10'000'000);
  EXPECT_EQ(CostOf({100'001, 10, 0, 0, 0}, kHaiku), 50'000'500 + 25'000);
  // Cache reads and writes count toward the band.
  EXPECT_EQ(CostOf({1, 0, 50'000, 0, 50'000}, kHaiku), 500 + 31'250'000 + 2'500'000);
}

TEST(PriceTest, NeverNegativeNeverWraps) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(CostOf({-5, -5, 0, 0, 0}, kHaiku), 0);
  EXPECT_EQ(CostOf({kMax / 10, kMax / 10, 0, 0, 0}, kHaiku), kMax);
}

TEST(PriceTest, DollarsAreExact) {
  EXPECT_EQ(Dollars(0), "0.000000000");
  EXPECT_EQ(Dollars(123'450), "0.000123450");
  EXPECT_EQ(Dollars(12'000'000'001), "12.000000001");
}

}  // namespace
}  // namespace mend::plan::claude
