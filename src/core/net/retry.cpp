#include "core/net/retry.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>

#include "core/base/number.h"

namespace mend::net {
namespace {

constexpr double kLongestDelay = 2147483647;  // milliseconds: what the SDK's timers can hold

// A decimal number, not negative; nothing for any other text.
std::optional<double> ParseDecimal(const std::string& text) {
  if (!base::IsJsonNumber(text) || text[0] == '-' || text.size() > 32) return std::nullopt;
  double value = 0, unit = 1;
  bool fraction = false;
  for (char c : text) {
    if (c == '.') {
      fraction = true;
    } else if (c < '0' || c > '9') {
      return std::nullopt;  // an exponent
    } else if (fraction) {
      unit /= 10;
      value += (c - '0') * unit;
    } else {
      value = value * 10 + (c - '0');
    }
  }
  return value;
}

std::optional<int64_t> Sensible(double ms) {
  if (!(ms > 0) || ms > kLongestDelay) return std::nullopt;
  return static_cast<int64_t>(std::ceil(ms));
}

bool TakeDigits(std::string_view* text, size_t count, int* value) {
  if (text->size() < count) return false;
  *value = 0;
  for (size_t i = 0; i < count; ++i) {
    const char c = (*text)[i];
    if (c < '0' || c > '9') return false;
    *value = *value * 10 + (c - '0');
  }
  text->remove_prefix(count);
  return true;
}

bool TakeText(std::string_view* text, std::string_view wanted) {
  if (text->substr(0, wanted.size()) != wanted) return false;
  text->remove_prefix(wanted.size());
  return true;
}

bool TakeMonth(std::string_view* text, int* month) {
  constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (size_t i = 0; i < std::size(kMonths); ++i) {
    if (!TakeText(text, kMonths[i])) continue;
    *month = static_cast<int>(i) + 1;
    return true;
  }
  return false;
}

// Days from 1970-01-01 to a date of the Gregorian calendar.
int64_t DaysSinceEpoch(int year, int month, int day) {
  const int64_t y = month <= 2 ? year - 1 : year;
  const int64_t era = y / 400;
  const int64_t year_of_era = y - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

bool IsRetried(const Response& response) {
  if (const std::string* should = FindHeader(response.headers, "x-should-retry")) {
    if (*should == "true") return true;
    if (*should == "false") return false;
  }
  const int status = response.status;
  return status == 408 || status == 409 || status == 429 || status >= 500;
}

bool IsRetried(FailureKind kind) {
  return kind == FailureKind::TimedOut || kind == FailureKind::Network;
}

}  // namespace

bool IsSpendLimit(std::string_view error_code) {
  constexpr std::string_view kEnd = "_spend_limit_reached";
  return error_code.size() > kEnd.size() &&
         error_code.substr(error_code.size() - kEnd.size()) == kEnd;
}

int64_t BackoffMs(int retries, double random) {
  const double ms = std::min(500.0 * std::pow(2, std::max(retries, 0)), 8000.0);
  return static_cast<int64_t>(ms * (1 - 0.25 * random));
}

std::optional<int64_t> ParseHttpDate(std::string_view text) {
  const size_t comma = text.find(", ");
  if (comma != 3) return std::nullopt;
  text.remove_prefix(5);
  int day, month, year, hour, minute, second;
  const bool read =
      TakeDigits(&text, 2, &day) && TakeText(&text, " ") && TakeMonth(&text, &month) &&
      TakeText(&text, " ") && TakeDigits(&text, 4, &year) && TakeText(&text, " ") &&
      TakeDigits(&text, 2, &hour) && TakeText(&text, ":") && TakeDigits(&text, 2, &minute) &&
      TakeText(&text, ":") && TakeDigits(&text, 2, &second) && text == " GMT";
  if (!read || day < 1 || day > 31 || year < 1970 || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  return (DaysSinceEpoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1000;
}

std::optional<int64_t> RetryAfterMs(const Headers& headers, int64_t now_ms) {
  if (const std::string* text = FindHeader(headers, "retry-after-ms")) {
    if (const auto ms = ParseDecimal(*text)) return Sensible(*ms);
  }
  const std::string* text = FindHeader(headers, "retry-after");
  if (text == nullptr) return std::nullopt;
  if (const auto seconds = ParseDecimal(*text)) return Sensible(*seconds * 1000);
  if (const auto at = ParseHttpDate(*text)) return Sensible(static_cast<double>(*at - now_ms));
  return std::nullopt;
}

RetryDecision DecideOnResponse(const RetryPolicy& policy, const Response& response,
                               std::string_view error_code, int retries, int64_t now_ms,
                               double random) {
  RetryDecision decision;
  if (response.status >= 200 && response.status < 300) return decision;
  decision.asked_ms = RetryAfterMs(response.headers, now_ms);
  if (IsSpendLimit(error_code) || !IsRetried(response) || retries >= policy.max_retries) {
    return decision;
  }
  decision.wait_ms = decision.asked_ms.value_or(BackoffMs(retries, random));
  decision.retry = decision.wait_ms <= policy.longest_wait_ms;
  return decision;
}

RetryDecision DecideOnFailure(const RetryPolicy& policy, const Failure& failure, int retries,
                              double random) {
  RetryDecision decision;
  decision.retry = IsRetried(failure.kind) && retries < policy.max_retries;
  if (decision.retry) decision.wait_ms = BackoffMs(retries, random);
  return decision;
}

}  // namespace mend::net
