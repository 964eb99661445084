#include "server/claude/calls.h"

#include <algorithm>
#include <cmath>

#include "server/pg/settings.h"
#include "server/pg/settings_claude.h"
#include "server/pg/spi.h"

namespace mend::claude {
namespace {

using plan::claude::Call;
using plan::claude::Price;
using plan::claude::Rates;

constexpr int64_t kMinute = 60'000;

std::string Usd(double dollars) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.10g", dollars);
  return text;
}

Rates RatesAt(const pg::Rows& row, int column) {
  const auto at = [&](int offset) { return row.int8(0, static_cast<size_t>(column + offset)); };
  return {at(0), at(1), at(2), at(3), at(4)};
}

// Of how many tables is the table one: half of a budget is its share when there are others.
constexpr char kSpentSql[] =
    "WITH own AS (SELECT CASE WHEN (SELECT count(*) FROM mend.enrollments) > 1 THEN 2 ELSE 1 END "
    "AS parts), "
    "day AS (SELECT date_trunc('day', clock_timestamp(), 'UTC') AS began), "
    "spent AS (SELECT "
    "  count(*) FILTER (WHERE recent) AS calls, "
    "  count(*) FILTER (WHERE recent AND mine) AS my_calls, "
    "  min(at) FILTER (WHERE recent) AS oldest, "
    "  min(at) FILTER (WHERE recent AND mine) AS my_oldest, "
    "  coalesce(sum(cost_usd) FILTER (WHERE today), 0) AS dollars, "
    "  coalesce(sum(cost_usd) FILTER (WHERE today AND mine), 0) AS my_dollars "
    "  FROM (SELECT c.at, c.cost_usd, c.target_name = $1 AS mine, c.at >= day.began AS today, "
    "        c.at > clock_timestamp() - interval '1 hour' AS recent FROM mend.calls c, day "
    "        WHERE c.at >= least(day.began, clock_timestamp() - interval '1 hour')) recent_calls) "
    "SELECT $2 >= 0 AND calls >= $2, $2 >= 0 AND my_calls >= ceil($2 / parts::numeric), "
    "$3::numeric >= 0 AND dollars >= $3::numeric, $3::numeric >= 0 AND my_dollars >= $3::numeric / "
    "parts, "
    "ceil(extract(epoch FROM coalesce(oldest, clock_timestamp()) + interval '1 hour' - "
    "clock_timestamp()) * 1000)::bigint, "
    "ceil(extract(epoch FROM coalesce(my_oldest, clock_timestamp()) + interval '1 hour' - "
    "clock_timestamp()) * 1000)::bigint, "
    "ceil(extract(epoch FROM began + interval '1 day' - clock_timestamp()) * 1000)::bigint, "
    "round(dollars, 6), round(my_dollars, 6), calls, my_calls FROM spent, own, day";

}  // namespace

std::optional<Price> PriceOf(const std::string& model) {
  // Dollars a million tokens are thousands of nano-dollars a token.
  pg::Rows row = pg::RunPrepared(
      "SELECT round(input * 1000)::bigint, round(output * 1000)::bigint, round(cache_write * "
      "1000)::bigint, "
      "round(cache_write_hour * 1000)::bigint, round(cache_read * 1000)::bigint, "
      "coalesce(long_prompt_tokens, 0), "
      "round(input * 1000 * long_prompt_factor)::bigint, round(output * 1000 * "
      "long_prompt_factor)::bigint, "
      "round(cache_write * 1000 * long_prompt_factor)::bigint, round(cache_write_hour * 1000 * "
      "long_prompt_factor)::bigint, "
      "round(cache_read * 1000 * long_prompt_factor)::bigint FROM mend.model_prices "
      "WHERE model IN ($1, $2, regexp_replace($2, '-[0-9]{8}$', '')) "
      "ORDER BY model = $1 DESC, model = $2 DESC LIMIT 1",
      {pg::Text(model), pg::Text(plan::claude::PriceName(model))});
  if (row.empty()) {
    return std::nullopt;
  }
  Price price;
  price.rates = RatesAt(row, 0);
  price.band_tokens = row.int8(0, 5);
  price.long_prompt = RatesAt(row, 6);
  return price;
}

std::optional<Shortage> FindShortage(const std::string& target_name, const std::string& model) {
  const std::string budget = Usd(pg::daily_budget_usd);
  const std::string calls = std::to_string(pg::calls_per_hour);
  const pg::Rows spent = pg::RunPrepared(
      kSpentSql, {pg::Text(target_name), pg::Int8(static_cast<int64_t>(pg::calls_per_hour)),
                  pg::Text(budget)});
  const auto until = [&](size_t column) { return std::max(spent.int8(0, column), kMinute); };
  if (spent.boolean(0, 2)) {
    return Shortage{"budget",
                    "the day's budget is spent: " + spent.text(0, 7) + " of " + budget +
                        " dollars (mend.daily_budget_usd)",
                    true, until(6)};
  }
  if (spent.boolean(0, 0)) {
    return Shortage{"budget",
                    "the hour's calls are used up: " + spent.text(0, 9) + " of " + calls +
                        " (mend.calls_per_hour)",
                    true, until(4)};
  }
  if (spent.boolean(0, 3)) {
    return Shortage{"budget",
                    "the table has spent its half of the day's budget: " + spent.text(0, 8) +
                        " dollars, of " + budget + " (mend.daily_budget_usd)",
                    false, until(6)};
  }
  if (spent.boolean(0, 1)) {
    return Shortage{"budget",
                    "the table has used up its half of the hour's calls: " + spent.text(0, 10) +
                        ", of " + calls + " (mend.calls_per_hour)",
                    false, until(5)};
  }
  if (pg::daily_budget_usd >= 0 && pg::calls_per_hour < 0 && !PriceOf(model)) {
    return Shortage{"price",
                    "mend.model_prices has no price for " + model +
                        ": without one, mend.calls_per_hour must be a limit",
                    true, 5 * kMinute};
  }
  return std::nullopt;
}

int64_t BookCall(const std::string& target_name, const std::string& model) {
  return pg::RunPrepared("INSERT INTO mend.calls (target_name, model) VALUES ($1, $2) RETURNING id",
                         {pg::Text(target_name), pg::Text(model)})
      .int8(0, 0);
}

int64_t BookOutcome(int64_t id, const Call& call) {
  const std::optional<Price> price = PriceOf(call.model);
  const int64_t cost = price ? plan::claude::CostOf(call.usage, *price) : 0;
  pg::RunPrepared(
      "UPDATE mend.calls SET status = $2, request_id = nullif($3, ''), request_bytes = $4, "
      "input_tokens = $5, "
      "output_tokens = $6, cache_write_tokens = $7, cache_read_tokens = $8, cost_usd = "
      "$9::numeric, "
      "priced = $10 WHERE id = $1",
      {pg::Int8(id), pg::Int4(call.status), pg::Text(call.request_id),
       pg::Int8(static_cast<int64_t>(call.request_bytes)), pg::Int8(call.usage.input_tokens),
       pg::Int8(call.usage.output_tokens),
       pg::Int8(call.usage.cache_write_5m_tokens + call.usage.cache_write_1h_tokens),
       pg::Int8(call.usage.cache_read_tokens), pg::Text(plan::claude::Dollars(cost)),
       pg::Bool(price.has_value())});
  return cost;
}

void BookPatch(const std::vector<int64_t>& ids, int64_t patch_id) {
  pg::RunPrepared("UPDATE mend.calls SET patch_id = $2 WHERE id = ANY ($1)",
                  {pg::Int8Array(ids), pg::Int8(patch_id)});
}

}  // namespace mend::claude
