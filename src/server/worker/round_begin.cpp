#include "core/heal/breaker.h"
#include "server/apply/evaluate_row.h"
#include "server/observe/events.h"
#include "server/pg/catalog.h"
#include "server/pg/memory.h"
#include "server/pg/spi.h"
#include "server/pg/work_transaction.h"
#include "server/worker/round_state.h"

namespace mend::worker {
namespace {

// The worker that had these rows in flight died, with the server or alone: the rows are counted and
// tried alone from now on, and one that was alone already is quarantined.
void RecoverInFlight(RoundState* round, const pg::Rows& progress) {
  if (progress.IsNull(0, 2)) {
    return;
  }
  round->replay_all = true;
  pg::Rows hit = pg::KeepBooks(
      "UPDATE mend.queue SET crashes = crashes + 1 WHERE id = ANY ((SELECT in_flight FROM mend.progress "
      "WHERE target = $1)::bigint[]) RETURNING id, crashes",
      {pg::ObjectId(round->target)});
  if (hit.size() == 1 && hit.int8(0, 1) >= heal::kCrashAttempts) {
    for (const apply::QueuedRow& row : apply::LockRows({hit.int8(0, 0)})) {
      apply::MoveToDeadLetters(row, {row.kind, row.field, "", row.sqlstate, row.error, 0},
                               "quarantined: the worker or the server went down twice while this payload was replayed",
                               std::nullopt);
    }
    observe::Record("quarantined", round->target_name, std::nullopt,
                    "{\"id\": " + hit.text(0, 0) + "}", observe::kWorker);
  }
  pg::KeepBooks("UPDATE mend.progress SET in_flight = NULL WHERE target = $1", {pg::ObjectId(round->target)});
}

// The table is gone, or its OID belongs to another one: its rows are for a person.
void BuryAll(RoundState* round, const std::string& reason) {
  pg::Rows buried = pg::KeepBooks(
      "WITH gone AS (DELETE FROM mend.queue WHERE target = $1 RETURNING *) "
      "INSERT INTO mend.dead_letters (id, target, target_name, payload, submitter, submitted_by, submitted_at, "
      "sqlstate, error, kind, field, fields, context, reason, patch_id) "
      "SELECT id, target, target_name, payload, submitter, submitted_by, submitted_at, sqlstate, error, kind, field, "
      "fields, context, $2, patch_id FROM gone",
      {pg::ObjectId(round->target), pg::Text(reason)});
  if (buried.processed() > 0) {
    std::string detail = "{\"rows\": " + std::to_string(buried.processed()) + ", \"reason\": ";
    json::AppendQuoted(&detail, reason);
    observe::Record("dead_lettered", round->target_name, std::nullopt, detail + "}", observe::kWorker);
  }
  pg::KeepBooks(
      "UPDATE mend.drifts SET state = 'dead_lettered', reason = $2 WHERE target = $1 AND state IN ('open', 'waiting')",
      {pg::ObjectId(round->target), pg::Text(reason)});
  pg::KeepBooks(
      "UPDATE mend.patches SET state = 'failed', reason = $2 WHERE target = $1 AND state IN ('proposed', 'approved')",
      {pg::ObjectId(round->target), pg::Text(reason)});
}

// Folds the rows of the window into the drift; returns how many there were.
int64_t Fold(RoundState* round, const ingest::Target& target) {
  apply::DriftBook book(round->target);
  apply::RowContext context;
  apply::RowEvaluator evaluator(&context);
  apply::QueueReader reader(round->target, round->window);
  pg::Context scratch("pg_mend fold");
  int64_t folded = 0;
  for (;;) {
    scratch.Reset();
    pg::Switch into(scratch.get());
    std::vector<apply::QueuedRow> rows = reader.Next();
    if (rows.empty()) {
      break;
    }
    folded += static_cast<int64_t>(rows.size());
    for (const apply::QueuedRow& row : rows) {
      pg::CheckInterrupts();
      round->low_id = std::min(round->low_id, row.id - 1);
      for (const drift::Misfit& misfit : evaluator.Evaluate(target, row)) {
        if (!drift::IsFinal(misfit.kind)) {
          book.Add(misfit, evaluator.payload());
        }
      }
    }
  }
  book.Save(round->target_name);
  return folded;
}

}  // namespace

bool BeginRound(RoundState* round) {
  pg::WorkTransaction transaction;
  // A worker is woken by a commit that other sessions see already, a moment before its invalidation messages are sent:
  // nothing cached may be trusted.
  pg::Call([] { InvalidateSystemCaches(); });
  pg::Rows enrolled = pg::KeepBooks(
      "SELECT target_name FROM mend.enrollments WHERE target = $1 AND mode <> 'paused'", {pg::ObjectId(round->target)});
  if (enrolled.empty()) {
    return false;
  }
  round->target_name = enrolled.text(0, 0);
  pg::KeepBooks("INSERT INTO mend.progress (target) VALUES ($1) ON CONFLICT (target) DO NOTHING",
                {pg::ObjectId(round->target)});
  pg::Rows progress = pg::KeepBooks(
      "SELECT requested, folded::text, in_flight, low_id, requested > done OR not_before <= now(), "
      "pg_current_snapshot()::text FROM mend.progress WHERE target = $1 FOR UPDATE",
      {pg::ObjectId(round->target)});
  round->requested = progress.int8(0, 0);
  round->low_id = progress.int8(0, 3);
  round->window.after = progress.maybe(0, 1);
  round->window.upto = progress.text(0, 5);
  round->replay_all = progress.boolean(0, 4) || !round->window.after;
  std::string now_named = pg::QualifiedName(round->target);
  if (now_named != round->target_name) {
    std::string reason = now_named.empty() ? "table " + round->target_name + " no longer exists"
                                           : "table " + round->target_name + " is now called " + now_named;
    BuryAll(round, reason);
    pg::KeepBooks(
        "UPDATE mend.progress SET done = requested, folded = $2::pg_snapshot, not_before = NULL, state = 'waiting', "
        "reason = $3 WHERE target = $1",
        {pg::ObjectId(round->target), pg::Text(round->window.upto), pg::Text(reason)});
    transaction.Commit();
    return false;
  }
  RecoverInFlight(round, progress);
  if (!round->window.after) {
    // Never profiled in this database (new, or restored from a dump): drift is counted from the start.
    pg::KeepBooks("DELETE FROM mend.drifts WHERE target = $1 AND state IN ('open', 'waiting')",
                  {pg::ObjectId(round->target)});
  }
  bool news = Fold(round, *ingest::FindTarget(round->target)) > 0;
  round->requested += news ? 1 : 0;
  pg::KeepBooks(
      "UPDATE mend.progress SET folded = $2::pg_snapshot, requested = $3, low_id = $4, state = 'healing', reason = NULL "
      "WHERE target = $1",
      {pg::ObjectId(round->target), pg::Text(round->window.upto), pg::Int8(round->requested), pg::Int8(round->low_id)});
  transaction.Commit();
  return true;
}

}  // namespace mend::worker
