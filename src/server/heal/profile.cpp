#include <algorithm>
#include <cstdlib>

#include "core/base/json_writer.h"
#include "core/limits/breaker.h"
#include "server/apply/evaluate_row.h"
#include "server/apply/promote.h"
#include "server/apply/speculative_proof.h"
#include "server/heal/round_state.h"
#include "server/heal/unplanned_drift.h"
#include "server/observe/events.h"
#include "server/pg/catalog.h"
#include "server/pg/deadline.h"
#include "server/pg/memory.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/pg/test_point.h"
#include "server/pg/work_transaction.h"
#include "server/queue/bury.h"

namespace mend::heal {
namespace {

// The worker that had these rows in flight died, with the server or alone: the rows are counted and
// tried alone from now on, and one that was alone already is quarantined. Whether there were any.
bool RecoverInFlight(RoundState* round, const pg::Rows& progress) {
  if (progress.IsNull(0, 2)) {
    return false;
  }
  round->replay_all = true;
  pg::Rows hit = pg::RunPrepared(
      "UPDATE mend.queue q SET crashes = q.crashes + 1 FROM mend.progress p WHERE p.target = $1 "
      "AND q.target = p.target "
      "AND q.id >= lower(p.in_flight) AND q.id < upper(p.in_flight) AND q.id <@ p.in_flight "
      "RETURNING q.id, q.crashes",
      {pg::ObjectId(round->target)});
  if (hit.size() == 1 && hit.int8(0, 1) >= limits::kCrashAttempts) {
    for (const queue::QueuedRow& row : queue::LockRows({hit.int8(0, 0)})) {
      queue::MoveToDeadLetters(
          row, row.misfit(),
          "quarantined: the worker or the server went down twice while this payload was replayed",
          std::nullopt);
    }
    observe::Record("quarantined", round->target_name, std::nullopt,
                    json::Writer().Object().Number("id", hit.int8(0, 0)).Close().Take(),
                    observe::kWorker);
  }
  pg::RunPrepared("UPDATE mend.progress SET in_flight = NULL WHERE target = $1",
                  {pg::ObjectId(round->target)});
  return true;
}

// In transactions of one batch each, so that DROP EXTENSION waits for no more.
void BuryQueue(RoundState* round, const std::optional<std::string>& reason) {
  for (;;) {
    const int64_t rows = queue::BuryRows(round->target, reason, {}, queue::kRowsOfBurial);
    if (rows == 0) {
      return;
    }
    json::Writer detail;
    detail.Object().Number("rows", rows);
    if (reason) {
      detail.String("reason", *reason);
    }
    observe::Record("dead_lettered", round->target_name, std::nullopt, detail.Close().Take(),
                    observe::kWorker);
    pg::TestPoint("buried");
    round->shared->Commit();
    CheckTurn(round);
    round->shared->Join();
  }
}

// The table is gone, or its OID belongs to another one: its rows are for a person.
void BuryAll(RoundState* round, const std::string& reason) {
  BuryQueue(round, reason);
  pg::RunPrepared(
      "UPDATE mend.drifts SET state = 'dead_lettered', reason = $2 WHERE target = $1 AND state IN "
      "('open', 'waiting')",
      {pg::ObjectId(round->target), pg::Text(reason)});
  pg::RunPrepared(
      "UPDATE mend.patches SET state = 'failed', reason = $2 WHERE target = $1 AND state IN "
      "('proposed', 'approved')",
      {pg::ObjectId(round->target), pg::Text(reason)});
  pg::RunPrepared(
      "UPDATE mend.widenings SET step = 'cancelled', error = $2, finished = clock_timestamp(), "
      "new_attnum = NULL, trigger = NULL WHERE target = $1 AND finished IS NULL AND NOT EXISTS "
      "(SELECT FROM pg_class WHERE oid = $1)",
      {pg::ObjectId(round->target), pg::Text(reason)});
}

// Whoever created a role, or the table, and offered a row in one transaction is not to be held
// against the row.
void AwaitMessages(const std::vector<queue::QueuedRow>& rows) {
  uint64_t last = 0;
  for (const queue::QueuedRow& row : rows) {
    if (row.xid != last) {
      pg::AwaitItsMessages(FullTransactionIdFromU64(row.xid));
      last = row.xid;
    }
  }
}

// Whether all rows that wait are new to this round.
bool NoneWaitedBefore(const RoundState& round) {
  return !round.window.after || !pg::RunPrepared(
                                     "SELECT EXISTS (SELECT FROM mend.queue WHERE target = $1 AND "
                                     "xid < pg_snapshot_xmin($2::pg_snapshot)) "
                                     "OR EXISTS (SELECT FROM mend.queue WHERE target = $1 AND xid "
                                     ">= pg_snapshot_xmin($2::pg_snapshot) "
                                     "AND xid < pg_snapshot_xmax($2::pg_snapshot) AND "
                                     "pg_visible_in_snapshot(xid, $2::pg_snapshot))",
                                     {pg::ObjectId(round.target), pg::Text(round.window.after)})
                                     .boolean(0, 0);
}

// Has a proof rest at the end of the scope, also when an error ends it.
class Resting {
 public:
  explicit Resting(apply::SpeculativeProof* proof) : proof_(proof) {}
  ~Resting() {
    if (proof_ != nullptr) {
      proof_->LeaveIdentity();
    }
  }
  Resting(const Resting&) = delete;
  Resting& operator=(const Resting&) = delete;

 private:
  apply::SpeculativeProof* proof_;
};

// The first batch of a queue is made of as many rows, or more, when more wait.
constexpr size_t kRowsOfLongQueue = 256;

// A long queue mostly has one thing to say. What its first rows call for by rule is proved while
// the others are profiled: they are then read, and converted, once for both. Where planning comes
// to another patch in the end, that one is proved by itself.
void GuessPatch(RoundState* round, const std::shared_ptr<const table::Target>& target,
                const queue::QueueBatch& batch, const apply::DriftStore& book) {
  const bool is_long = batch.rows.size() >= std::min<size_t>(kRowsOfLongQueue,
                                                             static_cast<size_t>(pg::batch_size)) ||
                       batch.bytes >= queue::QueueReader::kBatchBytes;
  if (!is_long || !NoneWaitedBefore(*round)) {
    return;
  }
  drift::DriftSet drifts;
  for (const drift::Drift& drift : book.drifts()) {
    if (!drift::IsFinal(drift.kind) && drift.kind != drift::Kind::NoPartition) {
      drifts.push_back(drift);
    }
  }
  plan::Patch patch =
      AskRules(target->shape(), drifts, LoadTerms(*target, target->shape()).policy).patch;
  if (patch.empty()) {
    return;
  }
  round->speculative_proof = std::make_shared<apply::SpeculativeProof>(target, std::move(patch));
  const Resting resting(round->speculative_proof.get());
  for (const queue::QueuedRow& row : batch.rows) {
    pg::CheckInterrupts();
    round->speculative_proof->Add(row);
  }
}

// How long rows are profiled in one transaction, whatever the table's domains do.
int AtOnceMs() { return std::min(1000, pg::batch_timeout_ms / 4); }

// Adds the misfits of one batch to the book, or of its first rows, where they take long; how many.
size_t FoldRows(RoundState* round, const std::shared_ptr<const table::Target>& target,
                const queue::QueueBatch& batch, apply::DriftStore* book) {
  apply::RowContext context;
  apply::RowEvaluator evaluator(*target, &context);
  apply::SpeculativeProof* speculative_proof = round->speculative_proof.get();
  const Resting resting(speculative_proof);
  const pg::Stopwatch took;
  size_t folded = 0;
  for (const queue::QueuedRow& row : batch.rows) {
    pg::CheckInterrupts();
    ++folded;
    round->low_id = std::min(round->low_id, row.id - 1);
    const std::vector<drift::Misfit>& misfits =
        speculative_proof != nullptr ? speculative_proof->Add(row) : evaluator.Evaluate(row);
    const json::Document& payload =
        speculative_proof != nullptr ? speculative_proof->payload() : evaluator.payload();
    const auto new_fields = std::count_if(
        misfits.begin(), misfits.end(),
        [](const drift::Misfit& misfit) { return misfit.kind == drift::Kind::NewField; });
    for (const drift::Misfit& misfit : misfits) {
      if (!drift::IsFinal(misfit.kind)) {
        book->Add(misfit, payload, new_fields);
      }
    }
    if (took.Past(AtOnceMs())) {
      break;
    }
  }
  return folded;
}

// Folds one batch of rows; false when there are none left.
bool FoldBatch(RoundState* round, queue::QueueReader* reader, queue::QueueBatch* batch,
               apply::DriftStore* book) {
  const pg::Deadline deadline(pg::batch_timeout_ms);  // domains bring user code
  pg::Context scratch("pg_mend fold");
  pg::Switch into(scratch.get());
  if (!reader->Next(batch)) {
    return false;
  }
  AwaitMessages(batch->rows);
  std::shared_ptr<const table::Target> target = table::FindTarget(round->target);
  if (round->speculative_proof && !round->speculative_proof->IsFor(target)) {
    round->speculative_proof.reset();
  }
  const size_t folded = FoldRows(round, target, *batch, book);
  if (folded < batch->rows.size()) {
    reader->GoOnBehind(batch->rows[folded - 1].xid, batch->rows[folded - 1].id);
  } else if (round->folded == 0 && !round->profiled) {
    GuessPatch(round, target, *batch, *book);
  }
  round->folded += static_cast<int64_t>(folded);
  return true;
}

// A sender makes up names, and the books are full of them: said once, until there is room again.
void CountUnrecorded(RoundState* round, int64_t misfits) {
  if (round->unrecorded == 0) {
    const std::string reason = std::to_string(limits::kMostNewFields) +
                               " new fields wait: more are not recorded, and their rows wait";
    observe::Record("drift_capped", round->target_name, std::nullopt,
                    json::Writer().Object().String("reason", reason).Close().Take(),
                    observe::kWorker);
  }
  round->unrecorded += misfits;
  pg::RunPrepared("UPDATE mend.progress SET unrecorded = $2 WHERE target = $1",
                  {pg::ObjectId(round->target), pg::Int8(round->unrecorded)});
}

constexpr int64_t kMostReports = 1000;
constexpr int64_t kMostSamples = 50;  // of one drift

// Keeps what patches for rescued values are proved on.
void KeepSamples(Oid target, const drift::Drift& drift, const std::string& samples) {
  if (samples == "[]") {
    return;
  }
  pg::RunPrepared(
      "INSERT INTO mend.rescue_samples (target, field, kind, payload) SELECT $1, $2, $3, s FROM "
      "jsonb_array_elements_text($4::jsonb) s WHERE (SELECT count(*) FROM mend.rescue_samples "
      "WHERE target = $1 AND field = $2 AND kind = $3) < $5",
      {pg::ObjectId(target), pg::Text(drift.field), pg::Text(drift::Name(drift.kind)),
       pg::Text(samples), pg::Int8(kMostSamples)});
}

// Folds what ingest has told of rescued rows; whether there was anything.
bool FoldRescued(RoundState* round, apply::DriftStore* book) {
  const pg::Rows told = pg::RunPrepared(
      "DELETE FROM mend.rescues WHERE ctid = ANY (ARRAY(SELECT ctid FROM mend.rescues WHERE target "
      "= $1 LIMIT $2)) RETURNING field, column_name, kind, row_count, profile::text, "
      "to_json(samples)::text, seen_at::text, cause",
      {pg::ObjectId(round->target), pg::Int8(kMostReports)});
  std::string oldest;
  for (size_t i = 0; i < told.size(); ++i) {
    drift::Drift drift;
    drift.field = told.text(i, 0);
    drift.column = told.text(i, 1);
    drift.kind = drift::KindFromName(told.text(i, 2)).value_or(drift::Kind::NewField);
    drift.cause = drift::CauseFromCode(told.text(i, 7)).value_or(drift::Cause::Unspecified);
    drift.rescued = told.int8(i, 3);
    drift.profile = drift::Profile::FromJson(told.text(i, 4)).value_or(drift::Profile());
    book->AddRescued(drift);
    KeepSamples(round->target, drift, told.text(i, 5));
    oldest = oldest.empty() ? told.text(i, 6) : std::min(oldest, told.text(i, 6));
  }
  if (!told.empty()) {
    // Told by a transaction that began before values were last moved: it may be about those.
    pg::RunPrepared(
        "UPDATE mend.promotions SET wanted = true, relation = NULL, next_block = 0, block_count = "
        "0, moved = 0, started_at = NULL WHERE target = $1 AND NOT wanted AND finished_at >= "
        "$2::timestamptz",
        {pg::ObjectId(round->target), pg::Text(oldest)});
  }
  round->again = round->again || told.size() == static_cast<size_t>(kMostReports);
  return !told.empty();
}

// How often a table with rescued values is looked at: a person may give them a column.
constexpr int64_t kLookForColumnsMs = 15 * 1000;

void WatchRescued(RoundState* round) {
  const std::shared_ptr<const table::Target> target = table::FindTarget(round->target);
  if (!target->enrollment().rescue.empty() && apply::WatchRescued(*target)) {
    round->PauseFor(kLookForColumnsMs);
  }
}

// Keeps how far the profile is, for the next round to go on there.
void KeepProfiled(RoundState* round, const RoundState::Profiled& profiled,
                  apply::DriftStore* book) {
  round->shared->Join();
  // Nothing of a table that somebody has unenrolled.
  if (pg::RunPrepared("SELECT FROM mend.enrollments WHERE target = $1 FOR KEY SHARE",
                      {pg::ObjectId(round->target)})
          .empty()) {
    return;
  }
  book->Save(round->target_name);
  pg::RunPrepared(
      "UPDATE mend.progress SET folding = $2::pg_snapshot, folding_xid = $3::text::xid8, "
      "folding_id = $4, low_id = $5 WHERE target = $1",
      {pg::ObjectId(round->target), pg::Text(std::string_view(profiled.upto)),
       pg::Text(std::to_string(profiled.xid)), pg::Int8(profiled.id), pg::Int8(round->low_id)});
  if (book->unrecorded() > 0) {
    CountUnrecorded(round, book->unrecorded());
  }
  round->shared->Commit();
}

// Folds the rows that a reader of this window gives into the drift, each batch in a transaction of
// its own: a long queue must not hold back vacuum, or DROP EXTENSION. Where the round is called off
// meanwhile, the next one goes on.
void FoldWindow(RoundState* round, const std::string& upto, queue::QueueReader* reader,
                std::optional<apply::DriftStore>* book) {
  queue::QueueBatch batch;
  try {
    for (bool more = true; more;) {
      round->shared->Join();
      if (!*book) {
        book->emplace(round->target);
      }
      more = FoldBatch(round, reader, &batch, &**book);
      round->shared->CommitUnlessYoung();
      if (more) {
        round->host->ShowProgress("profiled " + std::to_string(round->folded) + " rows of " +
                                  round->target_name);
        CheckTurn(round);
      }
    }
  } catch (const MustYield&) {
    if (round->folded > 0) {
      KeepProfiled(round, {upto, reader->last_xid(), reader->last_id()}, &**book);
    }
    throw;
  }
}

// What was counted is kept with the snapshot up to which it was, or not at all.
void Fold(RoundState* round) {
  std::optional<apply::DriftStore> book;
  queue::Window rest = round->window;
  if (round->profiled) {
    queue::QueueReader reader(round->target, {round->window.after, round->profiled->upto}, 0,
                              round->before_batch);
    reader.GoOnBehind(round->profiled->xid, round->profiled->id);
    FoldWindow(round, round->profiled->upto, &reader, &book);
    rest.after = round->profiled->upto;
  }
  queue::QueueReader reader(round->target, rest, 0, round->before_batch);
  FoldWindow(round, *rest.upto, &reader, &book);
  round->shared->Join();
  const bool rescued = FoldRescued(round, &*book);
  book->Save(round->target_name);
  round->requested += round->folded > 0 || rescued ? 1 : 0;
  pg::RunPrepared(
      "UPDATE mend.progress SET state = 'healing', reason = NULL, folded = $2::pg_snapshot, "
      "folding = NULL, requested = $3, low_id = $4 "
      "WHERE target = $1",
      {pg::ObjectId(round->target), pg::Text(round->window.upto), pg::Int8(round->requested),
       pg::Int8(round->low_id)});
  if (book->unrecorded() > 0) {
    CountUnrecorded(round, book->unrecorded());
  }
  WatchRescued(round);
  pg::TestPoint("folding");
  round->shared->CommitUnlessYoung();
}

// Takes up what people have asked for; true when somebody has changed the table.
bool TakeRequests(Oid target) {
  bool altered = false;
  pg::Rows taken = pg::RunPrepared(
      "DELETE FROM mend.requests WHERE target = $1 RETURNING kind, requested_at::text, xmin",
      {pg::ObjectId(target)});
  for (size_t i = 0; i < taken.size(); ++i) {
    pg::AwaitItsMessages(taken.oid(i, 2));
    altered = altered || taken.text(i, 0) == "altered";
    if (taken.text(i, 0) == "retry" || taken.text(i, 0) == "altered") {
      pg::RunPrepared(
          "UPDATE mend.queue SET not_before = NULL WHERE target = $1 AND not_before IS NOT NULL",
          {pg::ObjectId(target)});
    } else if (taken.text(i, 0) == "reset_breaker") {
      pg::RunPrepared(
          "UPDATE mend.progress SET breaker_until = NULL, breaker_tries = 0, "
          "breaker_reset = greatest(breaker_reset, $2::timestamptz), lock_tries = 0, lock_until = "
          "NULL, "
          "not_before = NULL, last_error = NULL, failures = 0 WHERE target = $1",
          {pg::ObjectId(target), pg::Text(taken.text(i, 1))});
    }
  }
  pg::RunPrepared("UPDATE mend.progress SET requested = requested + $2 WHERE target = $1",
                  {pg::ObjectId(target), pg::Int8(static_cast<int64_t>(taken.size()))});
  return altered;
}

// Rows for a table that nobody has enrolled, which only a restore leaves: mend.start() asks for
// them to be buried.
void BuryStrangers(RoundState* round) {
  const pg::Rows stranger = pg::RunPrepared(
      "SELECT target_name FROM mend.queue WHERE target = $1 "
      "AND NOT EXISTS (SELECT FROM mend.enrollments e WHERE e.target = $1) "
      "ORDER BY target, id LIMIT 1",
      {pg::ObjectId(round->target)});
  if (!stranger.empty()) {
    round->target_name = stranger.text(0, 0);
    BuryQueue(round, std::nullopt);
  }
  pg::RunPrepared(
      "DELETE FROM mend.requests WHERE target = $1 "
      "AND NOT EXISTS (SELECT FROM mend.enrollments e WHERE e.target = $1)",
      {pg::ObjectId(round->target)});
  round->shared->Commit();
}

// Of mend.progress, and whether people have asked for something.
pg::Rows LockProgress(Oid target) {
  return pg::RunPrepared(
      "SELECT requested, folded::text, in_flight, low_id, requested > done OR not_before <= now(), "
      "pg_current_snapshot()::text, "
      "unrecorded, breaker_until IS NOT NULL, lock_until IS NOT NULL, "
      "EXISTS (SELECT FROM mend.patches p WHERE p.target = $1 AND p.state IN ('approved', "
      "'proposed', 'failed')), "
      "EXISTS (SELECT FROM mend.requests r WHERE r.target = $1), folding::text, "
      "folding_xid::text, folding_id FROM mend.progress WHERE target = $1 FOR UPDATE",
      {pg::ObjectId(target)});
}

// With what was asked for taken up; `keep` is set when there was something: a step that fails must
// not bring it back.
pg::Rows TakeProgress(Oid target, bool* keep, bool* altered) {
  pg::Rows progress = LockProgress(target);
  if (progress.empty()) {
    pg::RunPrepared(
        "INSERT INTO mend.progress (target) VALUES ($1) ON CONFLICT (target) DO NOTHING",
        {pg::ObjectId(target)});
    progress = LockProgress(target);
  }
  *keep = progress.boolean(0, 10);
  if (*keep) {
    *altered = TakeRequests(target);
    progress = LockProgress(target);
  }
  return progress;
}

}  // namespace

bool BeginRound(RoundState* round) {
  round->shared->Join();
  // Whoever unenrolls the table meanwhile waits for this transaction, or we for theirs: no progress
  // is left of a table that is not enrolled.
  pg::Rows enrolled = pg::RunPrepared(
      "SELECT target_name, xmin FROM mend.enrollments WHERE target = $1 AND mode <> 'paused' FOR "
      "KEY SHARE",
      {pg::ObjectId(round->target)});
  if (enrolled.empty()) {
    BuryStrangers(round);
    return false;
  }
  // The commit that wakes a worker may not have told yet what it changed: nothing cached is trusted
  // before it has.
  pg::AwaitItsMessages(enrolled.oid(0, 1));
  round->target_name = enrolled.text(0, 0);
  bool keep = false;
  const pg::Rows progress = TakeProgress(round->target, &keep, &round->altered);
  round->requested = progress.int8(0, 0);
  round->low_id = progress.int8(0, 3);
  round->window.after = progress.maybe(0, 1);
  round->window.upto = progress.text(0, 5);
  if (!progress.IsNull(0, 11)) {
    RoundState::Profiled profiled;
    profiled.upto = progress.text(0, 11);
    profiled.xid = std::strtoull(progress.text(0, 12).c_str(), nullptr, 10);
    profiled.id = progress.int8(0, 13);
    round->profiled = std::move(profiled);
  }
  round->unrecorded = progress.int8(0, 6);
  round->breaker_open = progress.boolean(0, 7);
  round->lock_backs_off = progress.boolean(0, 8);
  round->patches_wait = progress.boolean(0, 9);
  round->replay_all = progress.boolean(0, 4) || !round->window.after;
  if (std::optional<std::string> why = apply::WhyAbsent(round->target, round->target_name)) {
    BuryAll(round, *why);
    std::string reason = *why;
    if (!pg::QualifiedName(round->target).empty()) {
      reason += ": mend.configure() adopts the name, mend.retry() then puts its dead letters back";
    }
    pg::RunPrepared(
        "UPDATE mend.progress SET done = requested, folded = $2::pg_snapshot, not_before = NULL, "
        "state = 'waiting', "
        "reason = $3 WHERE target = $1",
        {pg::ObjectId(round->target), pg::Text(round->window.upto), pg::Text(reason)});
    round->shared->Commit();
    return false;
  }
  keep = RecoverInFlight(round, progress) || keep;
  if (!round->window.after && !round->profiled) {
    // Never profiled in this database (new, or restored from a dump): drift is counted from the
    // start.
    pg::RunPrepared("DELETE FROM mend.drifts WHERE target = $1 AND state IN ('open', 'waiting')",
                    {pg::ObjectId(round->target)});
  }
  if (keep) {
    round->shared->Commit();
  }
  Fold(round);
  pg::TestPoint("folded");
  return true;
}

}  // namespace mend::heal
