#include "core/plan/claude/price.h"

#include <limits>
#include <utility>

namespace mend::plan::claude {

int64_t CostOf(const Usage& usage, const Price& price) {
  const bool long_prompt = price.band_tokens > 0 && usage.Prompt() > price.band_tokens;
  const Rates& rates = long_prompt ? price.long_prompt : price.rates;
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  int64_t cost = 0;
  for (const auto& [tokens, rate] :
       {std::pair{usage.input_tokens, rates.input}, std::pair{usage.output_tokens, rates.output},
        std::pair{usage.cache_write_5m_tokens, rates.cache_write_5m},
        std::pair{usage.cache_write_1h_tokens, rates.cache_write_1h},
        std::pair{usage.cache_read_tokens, rates.cache_read}}) {
    if (tokens <= 0 || rate <= 0) continue;
    if (rate > kMax / tokens || cost > kMax - tokens * rate) return kMax;
    cost += tokens * rate;
  }
  return cost;
}

std::string Dollars(int64_t nano_dollars) {
  constexpr int64_t kDollar = 1'000'000'000;
  const std::string fraction = std::to_string(nano_dollars % kDollar);
  return std::to_string(nano_dollars / kDollar) + "." + std::string(9 - fraction.size(), '0') +
         fraction;
}

}  // namespace mend::plan::claude
