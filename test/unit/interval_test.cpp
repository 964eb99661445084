#include "core/base/interval.h"

#include <gtest/gtest.h>

namespace mend::base {
namespace {

TEST(Interval, WhatIsKeptExactly) {
  for (const char* text :
       {"1 day",     "PT1H",         "P1Y2M3DT4H5M6.789S",  "1-2",        "1 day 02:03:04.123456",
        "1.5 hours", "0.5 d",        "1.5 months",          "0.25 years", "1.000001 s",
        "0.001 ms",  "3 us",         "00:00:00.1234560000", "P0.5Y",      "PT0.5M",
        "1.2 weeks", "-1.5 minutes", "@ 1 hour ago",        "1.5",        ""}) {
    EXPECT_TRUE(IsExactInterval(text)) << text;
  }
}

TEST(Interval, WhatWouldBeRounded) {
  for (const char* text : {"0.1234567 s", "00:00:00.0000001", "0.3333 years", "0.00000000001 days",
                           "0.5 us", "0.0001 ms", "P0.3Y", "PT1.0000001S", "1e-7 s", "1.2E3 s",
                           "1.23456789", "$12.34", "\\101", "5?", "0.1234567890123456789 s"}) {
    EXPECT_FALSE(IsExactInterval(text)) << text;
  }
}

}  // namespace
}  // namespace mend::base
