// Whether and when a failed request is tried again: the official SDK's policy, as decisions on
// values. What it adds: a cap on waiting, and no retry of what a spend limit refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/net/transport.h"

namespace mend::net {

struct RetryPolicy {
  int max_retries = 2;
  // Waits that the server asks for past this are not sat out here: Decide() says no, and the
  // caller remembers the time.
  int64_t longest_wait_ms = 30'000;
};

struct RetryDecision {
  bool retry = false;
  int64_t wait_ms = 0;              // when retry
  std::optional<int64_t> asked_ms;  // what the server asked for, retried or not
};

// `error_code` is error.details.error_code of the body, empty without. `retries` counts those done;
// `random` is in [0, 1).
RetryDecision DecideOnResponse(const RetryPolicy& policy, const Response& response,
                               std::string_view error_code, int retries, int64_t now_ms,
                               double random);
RetryDecision DecideOnFailure(const RetryPolicy& policy, const Failure& failure, int retries,
                              double random);

// The wait that the headers ask for: retry-after-ms, else retry-after in seconds, else retry-after
// as an HTTP-date. Nothing when there is none that makes sense.
std::optional<int64_t> RetryAfterMs(const Headers& headers, int64_t now_ms);

// 0.5 s doubling to 8 s, less up to a quarter.
int64_t BackoffMs(int retries, double random);

// "Sun, 06 Nov 1994 08:49:37 GMT" as milliseconds since 1970. The two obsolete forms are not read.
std::optional<int64_t> ParseHttpDate(std::string_view text);

// enforced_spend_limit_reached and its kin.
bool IsSpendLimit(std::string_view error_code);

}  // namespace mend::net
