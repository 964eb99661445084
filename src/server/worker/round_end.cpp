#include "server/apply/drifts.h"
#include "server/pg/spi.h"
#include "server/pg/work_transaction.h"
#include "server/worker/round_state.h"

namespace mend::worker {
namespace {

void SettleAll(const RoundState& round) {
  apply::DriftBook book(round.target);
  for (const Settlement& settlement : round.settlements) {
    int at = book.Find(settlement.field, settlement.kind);
    if (at >= 0) {
      apply::SettleDrift(book.drifts()[static_cast<size_t>(at)].id, settlement.state, settlement.reason,
                         settlement.patch_id);
    }
  }
  // Drift of which no row is left has been settled with its rows.
  pg::KeepBooks(
      "UPDATE mend.drifts SET state = 'healed', reason = 'its rows fit by now' WHERE target = $1 "
      "AND state IN ('open', 'waiting') AND NOT EXISTS (SELECT FROM mend.queue WHERE target = $1)",
      {pg::ObjectId(round.target)});
}

}  // namespace

void EndRound(const RoundState& round) {
  pg::WorkTransaction transaction;
  SettleAll(round);
  pg::KeepBooks(
      "UPDATE mend.progress SET done = $2, requested = requested + $3, state = CASE WHEN $4 = 'idle' AND w.rows_wait THEN 'waiting' ELSE $4 END, "
      "reason = CASE WHEN $4 = 'idle' AND w.rows_wait THEN 'rows that may fit later are tried again by themselves' "
      "ELSE nullif($5, '') END, "
      "low_id = $6, in_flight = NULL, last_error = NULL, not_before = (SELECT min(due) FROM (VALUES "
      "(clock_timestamp() + $7 * interval '1 millisecond'), "
      "((SELECT min(q.not_before) FROM mend.queue q WHERE q.target = $1 AND q.not_before IS NOT NULL))) AS v (due)) "
      "FROM (SELECT EXISTS (SELECT FROM mend.queue q WHERE q.target = $1 AND q.not_before IS NOT NULL)) w (rows_wait) "
      "WHERE target = $1",
      {pg::ObjectId(round.target), pg::Int8(round.requested), pg::Int4(round.again ? 1 : 0), pg::Text(round.state),
       pg::Text(round.reason), pg::Int8(round.low_id), pg::Int8(round.pause_ms)});
  transaction.Commit();
}

}  // namespace mend::worker
