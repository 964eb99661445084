#include <algorithm>

#include "core/base/json_writer.h"
#include "server/apply/drifts.h"
#include "server/heal/round_state.h"
#include "server/observe/events.h"
#include "server/pg/settings_scope.h"
#include "server/pg/spi.h"
#include "server/pg/test_point.h"

namespace mend::heal {
namespace {

// Drift that no waiting row shows any more, known once all rows were tried.
std::vector<int64_t> WithoutRows(const RoundState& round) {
  std::vector<int64_t> ids;
  if (round.replay_all && !round.ended) {
    const apply::DriftStore book(round.target);
    for (const drift::Drift& drift : book.drifts()) {
      if (drift.rescued == 0 && round.counts.waits_for.count(drift::ClassOf(drift)) == 0) {
        ids.push_back(drift.id);
      }
    }
  }
  return ids;
}

// Patches of the worker's own for which nothing waits by now, and some of what did fits: somebody
// has changed the table, or how its fields are read. Their alternatives go with them.
void SupersedePatches(RoundState* round) {
  if (!round->altered && !round->patches_wait) {
    return;
  }
  const pg::Rows superseded = pg::RunPrepared(
      "UPDATE mend.patches p SET state = 'superseded', reason = 'its rows fit by now: somebody has "
      "changed the table' WHERE p.target = $1 AND p.state = 'proposed' AND p.proposed_by = "
      "'pg_mend' AND EXISTS (SELECT FROM mend.drifts d WHERE d.target = $1 AND d.patch_id = p.id "
      "AND d.state = 'healed') AND NOT EXISTS (SELECT FROM mend.drifts d WHERE d.target = $1 AND "
      "d.patch_id = p.id AND d.state IN ('open', 'waiting')) RETURNING p.id, NOT EXISTS (SELECT "
      "FROM "
      "mend.drifts d WHERE d.target = $1 AND d.state IN ('open', 'waiting'))",
      {pg::ObjectId(round->target)});
  for (size_t i = 0; i < superseded.size(); ++i) {
    observe::Record("patch_superseded", round->target_name, superseded.int8(i, 0), "{}",
                    observe::kWorker);
    pg::RunPrepared("SELECT mend.supersede($1, true, '{}')", {pg::Int8(superseded.int8(i, 0))});
    if (superseded.boolean(i, 1) && round->state == "review") {
      round->state = "idle";
      round->reason.clear();
    }
  }
}

void SettleAll(const RoundState& round) {
  for (const DriftEnd& settlement : round.drift_ends) {
    apply::SettleDrift(settlement.drift, settlement.state, settlement.reason, settlement.patch_id);
  }
  // Drift of which no row is left has been settled with its rows. By the index: other tables may
  // have millions of rows.
  pg::SettingsScope by_index({{"enable_seqscan", "off"}});
  pg::RunPrepared(
      "UPDATE mend.drifts SET (state, reason) = (SELECT CASE WHEN d.buried THEN 'dead_lettered' "
      "ELSE 'healed' END, "
      "CASE WHEN d.buried THEN 'its rows did not fit for another reason' ELSE 'its rows fit by "
      "now' END FROM "
      "(SELECT EXISTS (SELECT FROM mend.dead_letters WHERE target = $1 AND drifts.field = ANY "
      "(fields)) AS buried) d) "
      // What is rescued is settled when it was moved.
      "WHERE target = $1 AND state IN ('open', 'waiting') AND rescued = 0 AND (id = ANY ($2) OR "
      "NOT "
      "EXISTS (SELECT FROM mend.queue WHERE target = $1))",
      {pg::ObjectId(round.target), pg::Int8Array(WithoutRows(round))});
}

// Rows that wait for a time of their own, in this round or since an earlier one.
std::string WhyBackingOff(Oid target) {
  pg::Rows rows = pg::RunPrepared(
      "SELECT EXISTS (SELECT FROM mend.queue WHERE target = $1 AND not_before IS NOT NULL AND kind "
      "= 'no_partition'), "
      "EXISTS (SELECT FROM mend.queue WHERE target = $1 AND not_before IS NOT NULL AND sqlstate = "
      "'57014'), "
      "EXISTS (SELECT FROM mend.queue WHERE target = $1 AND not_before IS NOT NULL AND kind <> "
      "'no_partition' AND sqlstate <> '57014')",
      {pg::ObjectId(target)});
  if (rows.boolean(0, 0)) {
    return "no partition takes some rows: a person must add one";
  }
  if (rows.boolean(0, 1)) {
    return "a trigger or constraint takes longer with some rows than mend.batch_timeout: they are "
           "tried again";
  }
  return rows.boolean(0, 2) ? "some rows wait for the row they refer to" : "";
}

// Of how many rounds a minute a table's rows are told: a sender makes as many rounds as he likes.
constexpr int kRoundsToldAMinute = 10;

// What no patch has brought about is told at once a few times a minute, and then in one event when
// the minute is over.
void RecordRows(RoundState* round) {
  const auto record = [&](const char* kind, int64_t rows, std::optional<int64_t> patch) {
    if (rows > 0) {
      observe::Record(kind, round->target_name, patch,
                      json::Writer().Object().Number("rows", rows).Close().Take(),
                      observe::kWorker);
    }
  };
  if (round->patch_id) {
    record("replayed", round->counts.stored, round->patch_id);
  }
  const pg::Rows told = pg::RunPrepared(
      "UPDATE mend.progress p SET told = CASE WHEN m.over THEN 1 ELSE p.told + 1 END, "
      "told_since = CASE WHEN m.over THEN clock_timestamp() ELSE p.told_since END, "
      "untold_dead = CASE WHEN m.now THEN 0 ELSE p.untold_dead + $2 END, "
      "untold_stored = CASE WHEN m.now THEN 0 ELSE p.untold_stored + $3 END "
      "FROM (SELECT w.target, w.over, w.over OR w.told < $4 AS now, w.untold_dead, w.untold_stored "
      "FROM (SELECT q.*, coalesce(q.told_since <= clock_timestamp() - interval '1 min', true) AS "
      "over FROM mend.progress q WHERE q.target = $1) w) m "
      "WHERE p.target = m.target AND (p.untold_dead + $2 > 0 OR p.untold_stored + $3 > 0) "
      "RETURNING m.now, m.untold_dead + $2, m.untold_stored + $3, "
      "ceil(extract(epoch FROM p.told_since + interval '61 s' - clock_timestamp()) * 1000)::bigint",
      {pg::ObjectId(round->target), pg::Int8(round->counts.dead),
       pg::Int8(round->patch_id ? 0 : round->counts.stored), pg::Int4(kRoundsToldAMinute)});
  if (told.empty()) {
    return;
  }
  if (!told.boolean(0, 0)) {
    round->PauseFor(std::max<int64_t>(told.int8(0, 3), 1000));
    return;
  }
  record("replayed", told.int8(0, 2), std::nullopt);
  record("dead_lettered", told.int8(0, 1), std::nullopt);
}

}  // namespace

void WriteEnd(RoundState* ending) {
  SettleAll(*ending);
  SupersedePatches(ending);
  if (std::string why = ending->ended ? "" : WhyBackingOff(ending->target); !why.empty()) {
    ending->EscalateState("waiting", why);
  }
  RecordRows(ending);
  const RoundState& round = *ending;
  pg::RunPrepared(
      "UPDATE mend.progress SET done = $2, requested = requested + $3, state = $4, reason = "
      "nullif($5, ''), "
      "low_id = coalesce((SELECT q.id - 1 FROM mend.queue q WHERE (q.target, q.id) > ($1, $6) AND "
      "q.target <= $1 "
      "ORDER BY q.target, q.id LIMIT 1), $6), "
      "in_flight = NULL, last_error = NULL, failures = 0, unrecorded = $8, "
      // Never due at once: what a round could not settle must not keep the worker spinning.
      "not_before = (SELECT CASE WHEN min(due) IS NOT NULL THEN greatest(min(due), "
      "clock_timestamp() + interval '1 s') "
      "END FROM (VALUES "
      "(clock_timestamp() + $7 * interval '1 millisecond'), "
      "((SELECT min(q.not_before) FROM mend.queue q WHERE q.target = $1 AND q.not_before IS NOT "
      "NULL))) AS v (due)) "
      "WHERE target = $1",
      {pg::ObjectId(round.target), pg::Int8(round.requested), pg::Int4(round.again ? 1 : 0),
       pg::Text(round.state), pg::Text(round.reason), pg::Int8(round.low_id),
       pg::Int8(round.pause_ms), pg::Int8(round.unrecorded)});
}

void EndRound(RoundState* round) {
  round->shared->Join();
  WriteEnd(round);
  pg::TestPoint("ending");
  round->shared->Commit();
}

}  // namespace mend::heal
