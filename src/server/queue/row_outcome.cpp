#include "server/queue/row_outcome.h"

#include <algorithm>

#include "core/limits/breaker.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"

namespace mend::queue {
namespace {

// A misfit without its message, which may quote the value.
std::string InWords(const drift::Misfit& misfit) {
  if (misfit.kind == drift::Kind::MissingRequired) {
    return misfit.message;
  }
  return std::string(drift::Name(misfit.kind)) + " (SQLSTATE " + misfit.sqlstate + ")" +
         (misfit.field.empty() ? "" : " in field \"" + misfit.field + "\"");
}

// Waits for something else now: its time must not make the table due for ever.
void SetBackOff(const QueuedRow& row) {
  pg::RunPrepared("UPDATE mend.queue SET not_before = NULL WHERE id = $1", {pg::Int8(row.id)});
}

// What is wrong with the row by the last try, as $2 to $7; what was wrong at first stays beside it.
#define MEND_SET_MISFIT                                                                    \
  "kind = $2, field = nullif($3, ''), sqlstate = $4, first_error = CASE WHEN error <> $5 " \
  "THEN coalesce(first_error, error) ELSE first_error END, error = $5, "                   \
  "cause = nullif($6, 'unspecified'), about = nullif($7, '') "

std::vector<pg::Param> WithMisfit(const QueuedRow& row, const drift::Misfit& misfit) {
  return {pg::Int8(row.id),         pg::Text(drift::Name(misfit.kind)),
          pg::Text(misfit.field),   pg::Text(misfit.sqlstate),
          pg::Text(misfit.message), pg::Text(drift::Code(misfit.cause)),
          pg::Text(misfit.about)};
}

// A new transaction number makes the next fold see the row as new.
void Refold(const QueuedRow& row, const drift::Misfit& misfit) {
  pg::RunPrepared(
      "UPDATE mend.queue SET attempts = CASE WHEN not_before IS NULL THEN attempts + 1 ELSE 1 END, "
      "not_before = NULL, xid = pg_current_xact_id(), " MEND_SET_MISFIT "WHERE id = $1",
      WithMisfit(row, misfit));
}

// The row stays as it is, but what is wrong with it may be another thing by now.
void NoteMisfit(const QueuedRow& row, const drift::Misfit& misfit) {
  if (row.kind != misfit.kind || row.field != misfit.field || row.sqlstate != misfit.sqlstate ||
      row.error != misfit.message) {
    pg::RunPrepared("UPDATE mend.queue SET " MEND_SET_MISFIT "WHERE id = $1",
                    WithMisfit(row, misfit));
  }
}

}  // namespace

void ReplayCounts::Add(const ReplayCounts& other) {
  stored += other.stored;
  dead += other.dead;
  failed += other.failed;
  waiting += other.waiting;
  backing_off += other.backing_off;
  refold = refold || other.refold;
  stored_ids.insert(stored_ids.end(), other.stored_ids.begin(), other.stored_ids.end());
  waits_for.insert(other.waits_for.begin(), other.waits_for.end());
  if (refusal.empty()) {
    refusal = other.refusal;
  }
}

void ReplayCounts::Forget() {
  std::string why = std::move(refusal);
  int64_t backed_off = backing_off;
  *this = ReplayCounts();
  refusal = std::move(why);
  backing_off = backed_off;
}

void BackOff(const QueuedRow& row, const drift::Misfit& misfit, int64_t at_least_ms) {
  std::vector<pg::Param> params = WithMisfit(row, misfit);
  params.push_back(pg::Int8(std::max(limits::BackoffMs(row.attempts + 1), at_least_ms)));
  pg::RunPrepared(
      "UPDATE mend.queue SET attempts = attempts + 1, not_before = clock_timestamp() + $8 * "
      "interval '1 millisecond', " MEND_SET_MISFIT "WHERE id = $1",
      params);
}

void PutOff(const QueuedRow& row, std::optional<int64_t> patch_id, ReplayCounts* counts) {
  const std::string limit = "mend.batch_timeout (" + std::to_string(pg::batch_timeout_ms) + " ms)";
  const drift::Misfit misfit{
      drift::Kind::Constraint, "", "", kSlowState, "storing it took longer than " + limit, 0};
  if (row.attempts + 1 >= limits::kSlowAttempts) {
    MoveToDeadLetters(row, misfit,
                      "a trigger or constraint took longer with it than " + limit + ", tried " +
                          std::to_string(row.attempts + 1) + " times",
                      patch_id);
    ++counts->dead;
  } else {
    BackOff(row, misfit, limits::kRestAfterSlow * pg::batch_timeout_ms);
    ++counts->waiting;
    ++counts->backing_off;
  }
}

void MoveToDeadLetters(const QueuedRow& row, const drift::Misfit& misfit, const std::string& reason,
                       std::optional<int64_t> patch_id) {
  std::vector<pg::Param> params = WithMisfit(row, misfit);
  params.push_back(pg::Text(reason));
  params.push_back(pg::Int8(patch_id));
  pg::RunPrepared(
      "WITH gone AS (DELETE FROM mend.queue WHERE id = $1 RETURNING *) "
      "INSERT INTO mend.dead_letters (id, target, target_name, payload, submitter, submitted_by, "
      "submitted_at, "
      "sqlstate, error, kind, field, fields, context, session_submitter, "
      "session_submitted_by, code, reason, patch_id, cause, about, first_error, key_hash, "
      "original) "
      "SELECT id, target, target_name, payload, submitter, submitted_by, submitted_at, $4, $5, $2, "
      "nullif($3, ''), "
      "fields, context, session_submitter, session_submitted_by, code, $8, $9, nullif($6, "
      "'unspecified'), nullif($7, ''), CASE WHEN error <> $5 "
      "THEN coalesce(first_error, error) ELSE first_error END, key_hash, original FROM gone",
      params);
}

void RecordOutcome(const QueuedRow& row, const std::vector<drift::Misfit>& misfits,
                   const OutcomePolicy& policy, std::optional<int64_t> patch_id,
                   ReplayCounts* counts) {
  RowOutcome outcome = policy.For(misfits, row, patch_id);
  const drift::Misfit& culprit = misfits[outcome.culprit];
  switch (outcome.kind) {
    case RowOutcome::Kind::DeadLetter:
      MoveToDeadLetters(row, culprit, outcome.reason, outcome.patch);
      ++counts->dead;
      counts->failed += outcome.patch ? 1 : 0;
      if (counts->refusal.empty()) {
        counts->refusal = drift::IsFinal(culprit.kind) ? outcome.reason : InWords(culprit);
      }
      return;
    case RowOutcome::Kind::Wait:
      if (row.backed_off) {
        SetBackOff(row);
      }
      NoteMisfit(row, culprit);
      break;
    case RowOutcome::Kind::BackOff:
      BackOff(row, culprit);
      ++counts->backing_off;
      if (counts->refusal.empty()) {
        counts->refusal = outcome.reason;
      }
      break;
    case RowOutcome::Kind::Refold:
      Refold(row, culprit);
      counts->refold = true;
      if (counts->refusal.empty()) {
        counts->refusal = InWords(culprit);
      }
      break;
    case RowOutcome::Kind::Reprofile:
      pg::RunPrepared("UPDATE mend.queue SET xid = pg_current_xact_id() WHERE id = $1",
                      {pg::Int8(row.id)});
      counts->refold = true;
      break;
  }
  ++counts->waiting;
  for (const drift::Misfit& misfit : misfits) {
    // Of made-up names no more than drift records.
    if (misfit.kind != drift::Kind::NewField || policy.Find(drift::ClassOf(misfit)) != nullptr ||
        counts->waits_for.size() < limits::kMostNewFields) {
      counts->waits_for.insert(drift::ClassOf(misfit));
    }
  }
}

}  // namespace mend::queue
