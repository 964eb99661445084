// What an answer cost, exactly: prices are whole nano-dollars a token (0.01 dollars a million
// tokens are 10).
#pragma once

#include <cstdint>
#include <string>

#include "core/plan/claude/messages.h"

namespace mend::plan::claude {

struct Rates {
  int64_t input = 0;  // all in nano-dollars a token
  int64_t output = 0;
  int64_t cache_write_5m = 0;
  int64_t cache_write_1h = 0;
  int64_t cache_read = 0;
};

// One model's record. Past `band_tokens` of prompt (input and cache together) the whole request is
// billed at `long_prompt`; 0: there is no such band.
struct Price {
  Rates rates;
  int64_t band_tokens = 0;
  Rates long_prompt;
};

// Of one request, in nano-dollars; never negative, held at the largest value.
int64_t CostOf(const Usage& usage, const Price& price);

// "0.000123450": dollars, nine digits behind the point.
std::string Dollars(int64_t nano_dollars);

}  // namespace mend::plan::claude
