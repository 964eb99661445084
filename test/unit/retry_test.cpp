#include "core/net/retry.h"

#include <gtest/gtest.h>

namespace mend::net {
namespace {

constexpr int64_t kNow = 784111777000;  // Sun, 06 Nov 1994 08:49:37 GMT

RetryDecision Decide(int status, Headers headers = {}, std::string_view code = "",
                     int retries = 0) {
  return DecideOnResponse({}, {status, std::move(headers), ""}, code, retries, kNow, 0);
}

TEST(RetryTest, ByStatus) {
  for (int status : {408, 409, 429, 500, 502, 503, 504, 529, 599}) {
    EXPECT_TRUE(Decide(status).retry) << status;
  }
  for (int status : {200, 201, 301, 302, 400, 401, 402, 403, 404, 405, 413, 422}) {
    EXPECT_FALSE(Decide(status).retry) << status;
  }
}

TEST(RetryTest, TheServerHasTheLastWord) {
  EXPECT_TRUE(Decide(400, {{"x-should-retry", "true"}}).retry);
  EXPECT_FALSE(Decide(500, {{"x-should-retry", "false"}}).retry);
  EXPECT_TRUE(Decide(500, {{"x-should-retry", "perhaps"}}).retry);
  EXPECT_FALSE(Decide(200, {{"x-should-retry", "true"}}).retry);
}

TEST(RetryTest, NeverPastASpendLimit) {
  EXPECT_FALSE(Decide(429, {}, "enforced_spend_limit_reached").retry);
  EXPECT_FALSE(Decide(429, {{"x-should-retry", "true"}}, "contract_spend_limit_reached").retry);
  EXPECT_TRUE(Decide(429, {}, "ramp_limit_exceeded").retry);
  EXPECT_FALSE(IsSpendLimit("_spend_limit_reached"));
}

TEST(RetryTest, TwiceAndNoMore) {
  EXPECT_TRUE(Decide(529, {}, "", 1).retry);
  EXPECT_FALSE(Decide(529, {}, "", 2).retry);
}

TEST(RetryTest, WaitsAsAsked) {
  EXPECT_EQ(Decide(429, {{"retry-after-ms", "1500.2"}, {"retry-after", "9"}}).wait_ms, 1501);
  EXPECT_EQ(Decide(429, {{"retry-after", "9"}}).wait_ms, 9000);
  EXPECT_EQ(Decide(429, {{"retry-after", "0.25"}}).wait_ms, 250);
  EXPECT_EQ(Decide(429, {{"retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"}}).wait_ms, 10000);
  EXPECT_EQ(Decide(429).wait_ms, 500);
  EXPECT_FALSE(Decide(429).asked_ms);
}

TEST(RetryTest, WhatMakesNoSenseIsPassedOver) {
  for (const char* text : {"", "-5", "0", "soon", "1e3", "nan", "99999999999", "0x10", "5 s",
                           "Sun, 06 Nov 1994 08:49:27 GMT", "Sun, 06 Foo 1994 08:49:47 GMT",
                           "Sunday, 06-Nov-94 08:49:47 GMT", "Sun, 06 Nov 1994 08:49:47 GMT!"}) {
    EXPECT_FALSE(RetryAfterMs({{"retry-after", text}}, kNow)) << text;
    EXPECT_EQ(Decide(429, {{"retry-after", text}}).wait_ms, 500) << text;
  }
}

TEST(RetryTest, ALongWaitIsRememberedNotSatOut) {
  const RetryDecision decision = Decide(429, {{"retry-after", "3600"}});
  EXPECT_FALSE(decision.retry);
  EXPECT_EQ(decision.asked_ms, 3600000);
}

TEST(RetryTest, BackoffDoublesToACap) {
  EXPECT_EQ(BackoffMs(0, 0), 500);
  EXPECT_EQ(BackoffMs(1, 0), 1000);
  EXPECT_EQ(BackoffMs(4, 0), 8000);
  EXPECT_EQ(BackoffMs(60, 0), 8000);
  EXPECT_EQ(BackoffMs(1, 0.999), 750);
}

TEST(RetryTest, ByFailure) {
  const auto retried = [](FailureKind kind) {
    return DecideOnFailure({}, {kind, Phase::Connect, ""}, 0, 0).retry;
  };
  EXPECT_TRUE(retried(FailureKind::Network));
  EXPECT_TRUE(retried(FailureKind::TimedOut));
  for (FailureKind kind : {FailureKind::BadUrl, FailureKind::PlainHttp, FailureKind::Tls,
                           FailureKind::TooLarge, FailureKind::Cancelled}) {
    EXPECT_FALSE(retried(kind));
  }
  EXPECT_FALSE(DecideOnFailure({}, {FailureKind::Network, Phase::Connect, ""}, 2, 0).retry);
}

TEST(RetryTest, HttpDates) {
  EXPECT_EQ(ParseHttpDate("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
  EXPECT_EQ(ParseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), kNow);
  EXPECT_EQ(ParseHttpDate("Thu, 29 Feb 2024 23:59:59 GMT"), 1709251199000);
}

}  // namespace
}  // namespace mend::net
