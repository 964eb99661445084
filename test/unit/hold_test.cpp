// How long Claude is left alone after it has not answered.
#include "core/plan/claude/hold.h"

#include <gtest/gtest.h>

namespace mend::plan::claude {
namespace {

constexpr int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute;

TEST(Hold, GrowsAndStaysBounded) {
  EXPECT_EQ(HoldMs(End::Overloaded, 1, {}), 15 * kSecond);
  EXPECT_EQ(HoldMs(End::Network, 2, {}), 30 * kSecond);
  EXPECT_EQ(HoldMs(End::RateLimited, 1000, {}), 15 * kMinute);
  for (End end : {End::KeyRefused, End::SpendLimit, End::BadRequest}) {
    EXPECT_EQ(HoldMs(end, 1, {}), 5 * kMinute);
    EXPECT_EQ(HoldMs(end, 3, {}), 20 * kMinute);
    EXPECT_EQ(HoldMs(end, 1000, {}), kHour);
  }
}

TEST(Hold, HeedsWhatTheApiAsksForUpToADay) {
  EXPECT_EQ(HoldMs(End::RateLimited, 1, 2 * kHour), 2 * kHour);
  EXPECT_EQ(HoldMs(End::RateLimited, 1, 1), 15 * kSecond);
  EXPECT_EQ(HoldMs(End::RateLimited, 1, 1000 * kHour), 24 * kHour);
}

TEST(Hold, ARefusedRequestIsTheTablesOwn) {
  EXPECT_FALSE(ConcernsAllTables(End::BadRequest));
  for (End end :
       {End::KeyRefused, End::RateLimited, End::SpendLimit, End::Overloaded, End::Network}) {
    EXPECT_TRUE(ConcernsAllTables(end));
  }
}

}  // namespace
}  // namespace mend::plan::claude
