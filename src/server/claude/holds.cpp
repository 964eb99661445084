#include "server/claude/holds.h"

#include <algorithm>

#include "core/base/json_writer.h"
#include "core/plan/claude/hold.h"
#include "server/observe/events.h"
#include "server/pg/spi.h"

namespace mend::claude {
namespace {

using plan::claude::Result;

// However long something holds, settings are looked at again this often.
constexpr int64_t kLookAgainMs = 5 * 60'000;
constexpr int64_t kKeyFileMs = 60'000;

std::string Detail(const std::string& kind, const std::string& reason) {
  return json::Writer().Object().String("kind", kind).String("reason", reason).Close().Take();
}

std::string InWords(const std::string& kind, const std::string& reason) {
  return (kind == "budget" || kind == "price" ? "Claude is not asked: "
                                              : "Claude has not answered: ") +
         reason;
}

bool IsBreaker(const std::string& kind) { return kind == "budget" || kind == "price"; }

struct NewHold {
  Oid target;
  std::string target_name;  // empty: all tables
  std::string kind;
  std::string reason;
  std::string config;
};

// How often in a row it was met so far, under the same settings.
int FailuresOf(const NewHold& hold) {
  const pg::Rows before = pg::RunPrepared(
      "SELECT failures FROM mend.holds WHERE target = $1 AND kind = $2 AND config = $3",
      {pg::ObjectId(hold.target), pg::Text(hold.kind), pg::Text(hold.config)});
  return before.empty() ? 0 : static_cast<int>(before.int8(0, 0));
}

Hold Put(const NewHold& hold, int failures, int64_t ms) {
  const pg::Rows put = pg::RunPrepared(
      "WITH before AS (SELECT kind FROM mend.holds WHERE target = $1) "
      "INSERT INTO mend.holds AS h (target, target_name, kind, reason, until, failures, config) "
      "VALUES ($1, nullif($2, ''), $3, $4, clock_timestamp() + $5 * interval '1 millisecond', $6, "
      "$7) "
      "ON CONFLICT (target) DO UPDATE SET kind = excluded.kind, reason = excluded.reason, until = "
      "excluded.until, "
      "failures = excluded.failures, config = excluded.config, "
      "since = CASE WHEN h.kind = excluded.kind THEN h.since ELSE excluded.since END "
      "RETURNING NOT EXISTS (SELECT FROM before WHERE before.kind = $3)",
      {pg::ObjectId(hold.target), pg::Text(hold.target_name), pg::Text(hold.kind),
       pg::Text(hold.reason), pg::Int8(ms), pg::Int4(failures), pg::Text(hold.config)});
  const bool breaker = IsBreaker(hold.kind);
  if (put.boolean(0, 0)) {
    observe::Record(breaker ? "breaker_opened" : "claude_held", hold.target_name, std::nullopt,
                    Detail(hold.kind, hold.reason), observe::kWorker);
  }
  return {InWords(hold.kind, hold.reason), std::min(ms, kLookAgainMs), breaker};
}

}  // namespace

std::optional<Hold> FindHold(Oid target, const std::string& config) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT kind, reason, ceil(extract(epoch FROM until - clock_timestamp()) * 1000)::bigint "
      "FROM mend.holds "
      "WHERE target IN (0, $1) AND config = $2 AND until > clock_timestamp() AND kind NOT IN "
      "('budget', 'price', 'key_file') "
      "ORDER BY until DESC LIMIT 1",
      {pg::ObjectId(target), pg::Text(config)});
  if (rows.empty()) {
    return std::nullopt;
  }
  return Hold{InWords(rows.text(0, 0), rows.text(0, 1)), std::min(rows.int8(0, 2), kLookAgainMs),
              false};
}

Hold HoldOff(Oid target, const std::string& target_name, const std::string& config,
             const Result& result, int64_t now_ms) {
  const bool all = plan::claude::ConcernsAllTables(result.end);
  const NewHold hold{all ? InvalidOid : target, all ? "" : target_name,
                     std::string(plan::claude::Name(result.end)), result.reason, config};
  const int failures = FailuresOf(hold) + 1;
  std::optional<int64_t> asked;
  if (result.retry_at_ms) {
    asked = std::max<int64_t>(*result.retry_at_ms - now_ms, 0);
  }
  return Put(hold, failures, plan::claude::HoldMs(result.end, failures, asked));
}

Hold HoldForKeyFile(const std::string& config, const std::string& fault) {
  return Put({InvalidOid, "", "key_file", fault, config}, 1, kKeyFileMs);
}

Hold OpenBreaker(Oid target, const std::string& target_name, const std::string& config,
                 const Shortage& shortage) {
  const bool all = shortage.of_database;
  return Put(
      {all ? InvalidOid : target, all ? "" : target_name, shortage.kind, shortage.reason, config},
      1, shortage.ms);
}

void EndHolds(Oid target, const std::string& target_name, bool answered) {
  const pg::Rows ended = pg::RunPrepared(
      "DELETE FROM mend.holds WHERE target IN (0, $1) AND ($2 OR kind IN ('budget', 'price', "
      "'key_file')) "
      "RETURNING kind, reason, target = 0",
      {pg::ObjectId(target), pg::Bool(answered)});
  for (size_t i = 0; i < ended.size(); ++i) {
    observe::Record(IsBreaker(ended.text(i, 0)) ? "breaker_closed" : "claude_resumed",
                    ended.boolean(i, 2) ? "" : target_name, std::nullopt,
                    Detail(ended.text(i, 0), ended.text(i, 1)), observe::kWorker);
  }
}

}  // namespace mend::claude
