#include "server/apply/widen.h"

#include <algorithm>

#include "server/apply/active_unit.h"
#include "server/apply/alter.h"
#include "server/apply/origin.h"
#include "server/apply/promote_rows.h"
#include "server/apply/widening_parts.h"
#include "server/apply/widening_rows.h"
#include "server/guard/healer.h"
#include "server/guard/move_column.h"
#include "server/observe/events.h"
#include "server/pg/catalog.h"
#include "server/pg/deadline.h"
#include "server/pg/latch.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/pg/test_point.h"
#include "server/pg/user.h"
#include "server/pg/work_transaction.h"
#include "server/table/code.h"

namespace mend::apply {
namespace {

// Rows are locked for about as long at most: others may want them.
constexpr int64_t kLongBatchMs = 20, kShortBatchMs = 8;
constexpr int64_t kFewBlocks = 2, kManyBlocks = 128;
constexpr int64_t kBetweenLooksMs = 1000, kWaitForOthersMs = 2000;
// An index that is built concurrently waits for older transactions, and is in nobody's way but that
// of who would alter the table. Past this it is given up, and tried again.
constexpr int kPatienceOfIndexMs = 60 * 1000;
// A step that fails so often in a row, or a verification, is for a person.
constexpr int kMostTries = 5, kMostPasses = 4;
constexpr int kNever = INT_MAX;

// The table has no such column any more, or another one under its number.
struct Gone {
  std::string why;
};

Parts PartsOf(const Widening& widening) {
  std::optional<Parts> parts = LoadParts(widening);
  if (!parts) {
    throw Gone{"column \"" + widening.column + "\" is gone"};
  }
  if (parts->column != widening.column) {
    throw Gone{"column \"" + widening.column + "\" is now called \"" + parts->column + "\""};
  }
  if (widening.new_attnum > 0 && (!parts->second_exists || !parts->trigger_exists)) {
    throw Gone{std::string(parts->second_exists ? "the trigger " : "the column ") +
               (parts->second_exists ? widening.Trigger() : widening.NewColumn()) +
               " of the widening was dropped"};
  }
  return *parts;
}

Oid HealerOf(Oid target) { return pg::RoleByName(table::FindTarget(target)->enrollment().healer); }

void RunLocked(const Widening& widening, const std::vector<std::string>& statements,
               Oid sequence = InvalidOid) {
  if (statements.empty()) {
    return;
  }
  const ActiveUnit altering(ActiveUnit::Kind::Patch, widening.patch);
  if (const std::optional<std::string> unfit =
          guard::RunAsHealer(widening.target, HealerOf(widening.target), statements, sequence)) {
    throw pg::Error(ERRCODE_INSUFFICIENT_PRIVILEGE, "the healer may not heal the table: " + *unfit);
  }
}

// What clients may wait for: what holds back vacuum while rows are written twice, and standbys that
// are behind. Empty: nothing.
std::string WhyRest(Oid target) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT (SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(r.replay_lsn, "
      "r.flush_lsn, "
      "r.sent_lsn))) > 64 * 1024 * 1024 FROM pg_stat_replication r WHERE r.state = 'streaming'), "
      "(SELECT min(a.xact_start) < clock_timestamp() - interval '1 min' FROM pg_locks l JOIN "
      "pg_stat_activity a USING (pid) WHERE l.locktype = 'relation' AND l.relation = $1 AND "
      "l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND "
      "l.granted AND l.pid <> pg_backend_pid() AND a.backend_type <> 'autovacuum worker')",
      {pg::ObjectId(target)});
  if (rows.boolean(0, 0)) {
    return "a standby is more than 64 MB behind";
  }
  return rows.boolean(0, 1) ? "a transaction that uses the table has been open for a minute" : "";
}

class Widener {
 public:
  Widener(Oid target, const WideningHost& host) : relid_(target), host_(host) {}

  void Run(int for_ms) {
    const pg::Stopwatch took;
    while (!took.Past(for_ms)) {
      host_.between_batches();
      const std::optional<Widening> widening = Load();
      if (!widening || widening->step == "swap") {
        return;
      }
      host_.show("widening " + widening->column + ": " + widening->step);
      if (!Try(*widening, took, for_ms)) {
        return;
      }
      pg::TestPoint("widened");
    }
  }

 private:
  std::optional<Widening> Load() {
    pg::WorkTransaction transaction;
    std::optional<Widening> widening = FindWidening(relid_, true);
    transaction.Commit();
    return widening;
  }

  // False where it cannot go on now.
  bool Try(const Widening& widening, const pg::Stopwatch& took, int for_ms) {
    std::string why;
    int most = kMostTries;
    try {
      return Step(widening, took, for_ms);
    } catch (const Gone& gone) {
      Stop(widening, gone.why);
      return true;
    } catch (const pg::Error& error) {
      if (error.MustPropagate() && !pg::Deadline::IsTimeout(error)) {
        throw;
      }
      const bool waits = error.sqlerrcode() == ERRCODE_LOCK_NOT_AVAILABLE || error.IsClass("40") ||
                         error.IsClass("53") || error.IsClass("58") || error.IsClass("57");
      most = waits ? kNever : kMostTries;
      why = error.sqlerrcode() == ERRCODE_LOCK_NOT_AVAILABLE
                ? "waits for the lock on the table"
                : error.sqlstate() + ": " + error.what();
    }
    pg::WorkTransaction transaction;
    PutOffWidening(widening, why, most);
    transaction.Commit();
    return false;
  }

  bool Step(const Widening& widening, const pg::Stopwatch& took, int for_ms) {
    if (widening.step == "column") {
      AddColumn(widening);
    } else if (widening.step == "backfill") {
      return Backfill(widening, took, for_ms);
    } else if (widening.step == "verify") {
      Verify(widening);
    } else if (widening.step == "indexes") {
      return BuildIndex(widening);
    } else if (widening.step == "statistics") {
      Analyze(widening);
    } else if (widening.step == "cancelling") {
      Remove(widening);
    }
    return true;
  }

  // It cannot be brought to an end any more: the table is cleaned up, and a person decides.
  void Stop(const Widening& widening, const std::string& why) {
    pg::WorkTransaction transaction;
    pg::RunPrepared(
        "UPDATE mend.widenings SET step = 'cancelling', error = $2, tries = 0, not_before = NULL "
        "WHERE patch = $1 AND finished IS NULL",
        {pg::Int8(widening.patch), pg::Text(why)});
    transaction.Commit();
  }

  void AddColumn(Widening widening) {
    pg::WorkTransaction transaction;
    LockForAlter(relid_, pg::lock_timeout_ms);
    const pg::Deadline hold(pg::max_lock_hold_ms);
    Parts parts = PartsOf(widening);
    // A restore may have brought them along.
    RunLocked(widening, RemoveStatements(widening, parts));
    parts = PartsOf(widening);
    widening.new_attnum = static_cast<int16_t>(parts.last_attnum + 1);
    RunLocked(widening, AddStatements(widening, parts));
    pg::RunPrepared(
        "UPDATE mend.widenings w SET new_attnum = $3, trigger = t.oid FROM pg_trigger t WHERE "
        "w.patch = $1 AND w.\"column\" = $2 AND t.tgrelid = w.target AND t.tgname = $4::name",
        {pg::Int8(widening.patch), pg::Name(widening.column), pg::Int4(widening.new_attnum),
         pg::Text(widening.Trigger())});
    Advance(widening, "backfill");
    // Targets that others have cached still show the column.
    pg::Call([&] { CacheInvalidateRelcacheByRelid(relid_); });
    pg::TestPoint("widening_column");
    transaction.Commit();
  }

  bool Backfill(Widening widening, const pg::Stopwatch& took, int for_ms) {
    std::optional<pg::Stopwatch> looked;
    while (!took.Past(for_ms)) {
      host_.between_batches();
      if (!looked || looked->Past(kBetweenLooksMs)) {
        looked.emplace();
        if (Rests(widening)) {
          return false;
        }
      }
      const pg::Stopwatch batch;
      if (!CopyBatch(&widening)) {
        return true;
      }
      Rest(batch.Ms());
    }
    return false;
  }

  bool Rests(const Widening& widening) {
    pg::WorkTransaction transaction;
    PartsOf(widening);
    const std::string why = WhyRest(relid_);
    if (!why.empty()) {
      DelayWidening(widening, why, kWaitForOthersMs);
    }
    transaction.Commit();
    return !why.empty();
  }

  // Works for its share of the time.
  void Rest(int64_t took_ms) {
    auto rest = static_cast<int64_t>(static_cast<double>(std::max<int64_t>(took_ms, 1)) *
                                     (1 / pg::online_pace - 1));
    for (; rest > 0; rest -= kBetweenLooksMs / 10) {
      host_.between_batches();
      pg::Nap(static_cast<long>(std::min(rest, kBetweenLooksMs / 10)));
    }
  }

  // Neither column has gone since it was last looked at; under a lock that keeps them.
  void CheckNames(const Widening& widening) {
    const std::string second = widening.NewColumn();
    const bool there = pg::Call([&] {
      return get_attnum(relid_, widening.column.c_str()) == widening.attnum &&
             get_attnum(relid_, second.c_str()) == widening.new_attnum;
    });
    if (!there) {
      throw Gone{"column \"" + widening.column + "\", or the second one, is gone"};
    }
  }

  // One transaction; false when the step is over.
  bool CopyBatch(Widening* widening) {
    const pg::Stopwatch took;
    pg::WorkTransaction transaction;
    pg::Call([&] { LockRelationOid(relid_, RowExclusiveLock); });
    const pg::Deadline deadline(pg::batch_timeout_ms);
    CheckNames(*widening);
    if (widening->blocks == 0) {
      widening->blocks = std::max<int64_t>(BlocksOf(relid_), 1);
    }
    const int64_t end = std::min(widening->position + blocks_, widening->blocks);
    CopiedRows rows;
    {
      const OwnerIdentity owner(relid_);
      rows = CopyBlocks(relid_, {widening->attnum, widening->new_attnum}, widening->position, end);
    }
    widening->position = end;
    widening->passed_over += rows.passed_over;
    const bool passed = end >= widening->blocks;
    const pg::Rows still = pg::RunPrepared(
        "UPDATE mend.widenings SET position = $3, blocks = $4, passed_over = $5, rows = rows + $6, "
        "error = NULL, passes = passes + $7, tries = 0 WHERE patch = $1 AND \"column\" = $2 AND "
        "step = 'backfill' AND NOT paused RETURNING passes",
        {pg::Int8(widening->patch), pg::Name(widening->column), pg::Int8(widening->position),
         pg::Int8(widening->blocks), pg::Int8(widening->passed_over), pg::Int8(rows.copied),
         pg::Int4(passed ? 1 : 0)});
    if (still.empty()) {
      transaction.Commit();
      return false;
    }
    pg::TestPoint("widening_backfill");
    if (passed && widening->passed_over == 0) {
      Advance(*widening, "verify");
      transaction.Commit();
      return false;
    }
    if (passed) {
      // Rows that others had locked: in another pass, when they may have let go.
      pg::RunPrepared(
          "UPDATE mend.widenings SET position = 0, blocks = 0, passed_over = 0 WHERE patch = $1 "
          "AND \"column\" = $2",
          {pg::Int8(widening->patch), pg::Name(widening->column)});
      DelayWidening(*widening, "others have some rows locked", kBetweenLooksMs);
      transaction.Commit();
      return false;
    }
    transaction.CommitUnflushed();
    if (took.Ms() > kLongBatchMs) {
      blocks_ = std::max(blocks_ / 2, kFewBlocks);
    } else if (took.Ms() < kShortBatchMs) {
      blocks_ = std::min(blocks_ * 2, kManyBlocks);
    }
    return true;
  }

  // PostgreSQL looks at every row: both columns are equal, and what is checked of the one holds for
  // the other. From then on the checks see to it.
  void Verify(const Widening& widening) {
    AddMissingChecks(widening);
    try {
      pg::WorkTransaction transaction;
      const std::string validate = Validate(widening, PartsOf(widening));
      if (!validate.empty()) {
        guard::RunAsOwner(relid_, validate);
      }
      Advance(widening, "indexes");
      pg::TestPoint("widening_verify");
      transaction.Commit();
    } catch (const pg::Error& error) {
      const std::string constraint = error.fields().constraint.value_or("");
      if (error.sqlerrcode() != ERRCODE_CHECK_VIOLATION ||
          (constraint != widening.EqualCheck() && constraint != widening.NotNullCheck())) {
        throw;
      }
      PassAgain(widening);
    }
  }

  void AddMissingChecks(const Widening& widening) {
    pg::WorkTransaction transaction;
    if (AddChecks(widening, PartsOf(widening)).empty()) {
      transaction.Commit();
      return;
    }
    LockForAlter(relid_, pg::lock_timeout_ms);
    const pg::Deadline hold(pg::max_lock_hold_ms);
    RunLocked(widening, {AddChecks(widening, PartsOf(widening))});
    transaction.Commit();
  }

  // Rows have moved while the blocks were read: somebody has rewritten the table.
  void PassAgain(const Widening& widening) {
    pg::WorkTransaction transaction;
    Advance(widening, "backfill");
    if (widening.passes >= kMostPasses) {
      PauseWidening(widening.patch,
                    "rows have another value in the second column, or none, after " +
                        std::to_string(widening.passes) + " passes over the table");
    }
    transaction.Commit();
  }

  // One index; false where others must end first.
  bool BuildIndex(const Widening& widening) {
    std::string create, drop;
    {
      pg::WorkTransaction transaction;
      const Parts parts = PartsOf(widening);
      int64_t built = 0;
      for (const IndexPart& index : parts.indexes) {
        built += index.clone_is_valid ? 1 : 0;
        if (create.empty() && !index.clone_is_valid) {
          create = index.create;
          drop = index.clone_exists ? index.clone : "";
        }
      }
      pg::RunPrepared(
          "UPDATE mend.widenings SET position = $3, blocks = $4 WHERE patch = $1 AND \"column\" = "
          "$2",
          {pg::Int8(widening.patch), pg::Name(widening.column), pg::Int8(built),
           pg::Int8(static_cast<int64_t>(parts.indexes.size()))});
      if (create.empty()) {
        Advance(widening, "statistics");
        transaction.Commit();
        return true;
      }
      if (const std::string why = WhyRest(relid_); !why.empty()) {
        DelayWidening(widening, why, kWaitForOthersMs);
        transaction.Commit();
        return false;
      }
      transaction.Commit();
    }
    // What a build that failed has left behind.
    if (!drop.empty()) {
      DropIndex(widening, drop);
    }
    pg::TestPoint("widening_index");
    guard::RunAloneAsOwner(relid_, create, kPatienceOfIndexMs);
    pg::TestPoint("widening_indexed");
    return true;
  }

  void DropIndex(const Widening& widening, const std::string& index) {
    pg::WorkTransaction transaction;
    LockForAlter(relid_, pg::lock_timeout_ms);
    const pg::Deadline hold(pg::max_lock_hold_ms);
    RunLocked(widening,
              {"DROP INDEX " + PartsOf(widening).schema + "." + pg::QuoteIdentifier(index)});
    transaction.Commit();
  }

  // So that plans are no worse after the swap than before.
  void Analyze(const Widening& widening) {
    pg::WorkTransaction transaction;
    const Parts parts = PartsOf(widening);
    guard::RunAsOwner(
        relid_, "ANALYZE " + parts.table + " (" + pg::QuoteIdentifier(widening.NewColumn()) + ")");
    Advance(widening, "swap");
    pg::RunPrepared("SELECT mend.request_round($1)", {pg::ObjectId(relid_)});
    transaction.Commit();
  }

  void Remove(const Widening& widening) {
    pg::WorkTransaction transaction;
    LockForAlter(relid_, pg::lock_timeout_ms);
    const pg::Deadline hold(pg::max_lock_hold_ms);
    if (const std::optional<Parts> parts = LoadParts(widening)) {
      RunLocked(widening, RemoveStatements(widening, *parts));
    } else {
      RunLocked(widening, RemoveOrphans(widening));
    }
    const pg::Rows row = pg::RunPrepared(
        "SELECT coalesce(error, 'it was cancelled') FROM mend.widenings WHERE patch = $1 AND "
        "\"column\" = $2",
        {pg::Int8(widening.patch), pg::Name(widening.column)});
    const std::string why = "it was not applied online: " + row.text(0, 0);
    Advance(widening, "cancelled");
    pg::RunPrepared("UPDATE mend.widenings SET error = $2 WHERE patch = $1",
                    {pg::Int8(widening.patch), pg::Text(row.text(0, 0))});
    pg::RunPrepared(
        "UPDATE mend.patches SET state = 'proposed', reason = $2, online = false WHERE id = $1 AND "
        "state = 'approved'",
        {pg::Int8(widening.patch), pg::Text(why)});
    observe::Record("widening_cancelled", widening.target_name, widening.patch, "{}",
                    observe::kWorker);
    pg::RunPrepared("SELECT mend.request_round($1)", {pg::ObjectId(relid_)});
    pg::Call([&] { CacheInvalidateRelcacheByRelid(relid_); });
    pg::TestPoint("widening_cancel");
    transaction.Commit();
  }

  // Where the first column is gone, the second is still there.
  std::vector<std::string> RemoveOrphans(const Widening& widening) {
    Widening second = widening;
    second.attnum = widening.new_attnum;
    std::optional<Parts> parts = LoadParts(second);
    if (!parts) {
      return {};
    }
    parts->second_exists = true;
    parts->trigger_exists =
        !pg::RunPrepared("SELECT FROM pg_trigger WHERE tgrelid = $1 AND tgname = $2::name",
                         {pg::ObjectId(relid_), pg::Text(widening.Trigger())})
             .empty();
    return RemoveStatements(widening, *parts);
  }

  Oid relid_;
  const WideningHost& host_;
  int64_t blocks_ = kFewBlocks;
};

void PutComment(Oid object, Oid catalog, int32 part, const std::optional<std::string>& comment) {
  if (comment) {
    pg::Call([&] { CreateComments(object, catalog, part, comment->c_str()); });
  }
}

void RenameIndexes(const Widening& widening, const Parts& parts) {
  const Oid schema = pg::Call([&] { return get_rel_namespace(widening.target); });
  for (const IndexPart& index : parts.indexes) {
    if (index.constraint == '\0') {
      guard::RenameIndex(schema, index.clone, index.name);
    }
  }
}

// Comments of what has taken the place of others, by its names now.
void CarryComments(const Widening& widening, const Parts& parts) {
  const pg::AsExtensionOwner as_owner;
  const Oid relid = widening.target;
  PutComment(relid, RelationRelationId, widening.new_attnum, parts.comment);
  const Oid schema = pg::Call([&] { return get_rel_namespace(relid); });
  for (const IndexPart& index : parts.indexes) {
    const Oid oid = pg::Call([&] { return get_relname_relid(index.name.c_str(), schema); });
    PutComment(oid, RelationRelationId, 0, index.comment);
    if (index.constraint != '\0') {
      const Oid constraint =
          pg::Call([&] { return get_relation_constraint_oid(relid, index.name.c_str(), false); });
      PutComment(constraint, ConstraintRelationId, 0, index.constraint_comment);
    }
  }
  for (const CheckPart& check : parts.checks) {
    const Oid constraint =
        pg::Call([&] { return get_relation_constraint_oid(relid, check.name.c_str(), false); });
    PutComment(constraint, ConstraintRelationId, 0, check.comment);
  }
}

// Which step is to be done once more, since somebody has changed the table; nullptr: none.
const char* StepMissed(const Widening& widening, const Parts& parts) {
  if (!AddChecks(widening, parts).empty() || !Validate(widening, parts).empty()) {
    return "verify";
  }
  for (const IndexPart& index : parts.indexes) {
    if (!index.clone_is_valid) {
      return "indexes";
    }
  }
  return nullptr;
}

// The patch is applied: the books, in the transaction of the swap.
void BookSwap(const PatchRecord& record, const Widening& widening) {
  const std::shared_ptr<const table::Target> target = table::FindTarget(widening.target);
  RecordApplied(*target, record);
  NoteOrigins(widening.target, record.id);
  pg::RunPrepared(
      "UPDATE mend.own_columns SET attnum = $3 WHERE target = $1 AND column_name = $2",
      {pg::ObjectId(widening.target), pg::Name(widening.column), pg::Int4(widening.new_attnum)});
}

}  // namespace

void Widen(Oid target, const WideningHost& host, int for_ms) { Widener(target, host).Run(for_ms); }

bool SwapWidened(const PatchRecord& record, const Widening& widening,
                 const std::function<void()>& before_commit) {
  std::string why;
  int most = kMostTries;
  try {
    pg::WorkTransaction transaction;
    LockForAlter(widening.target, pg::lock_timeout_ms);
    pg::TestPoint("widening_locked");
    const pg::Deadline hold(pg::max_lock_hold_ms);
    // Locked: who decides otherwise from here on is told that it is done. Whoever decides now is
    // not waited for under the lock on the table.
    const pg::Rows mine = pg::RunPrepared(
        "SELECT FROM mend.widenings WHERE patch = $1 AND \"column\" = $2 AND finished IS NULL AND "
        "step = 'swap' AND NOT paused FOR UPDATE NOWAIT",
        {pg::Int8(widening.patch), pg::Name(widening.column)});
    if (mine.empty()) {
      return false;
    }
    const std::shared_ptr<const table::Target> target = table::FindTarget(widening.target);
    why = WhyNotOnline(*target, record.patch);
    if (!why.empty()) {
      PauseWidening(widening.patch, why);
      transaction.Commit();
      return false;
    }
    const Parts parts = PartsOf(widening);
    if (const char* step = StepMissed(widening, parts)) {
      Advance(widening, step);
      transaction.Commit();
      return false;
    }
    const std::string code = table::CodeOf(widening.target);
    guard::MoveColumn(widening.target, widening.attnum, widening.new_attnum);
    RunLocked(widening, SwapStatements(widening, parts), parts.sequence);
    RenameIndexes(widening, parts);
    CarryComments(widening, parts);
    Advance(widening, "done");
    pg::Call([&] { CacheInvalidateRelcacheByRelid(widening.target); });
    pg::Call([] { CommandCounterIncrement(); });
    NoteChangeOfCode(widening.target, record.id, code);
    BookSwap(record, widening);
    before_commit();
    pg::TestPoint("widening_swap");
    transaction.Commit();
    pg::TestPoint("widening_swapped");
    return true;
  } catch (const Gone& gone) {
    why = gone.why;
    most = 1;
  } catch (const pg::Error& error) {
    if (error.MustPropagate() && !pg::Deadline::IsTimeout(error)) {
      throw;
    }
    const bool waits = error.sqlerrcode() == ERRCODE_LOCK_NOT_AVAILABLE || error.IsClass("40") ||
                       error.IsClass("53") || error.IsClass("57") || error.IsClass("58");
    most = waits ? kNever : kMostTries;
    why = error.sqlerrcode() == ERRCODE_LOCK_NOT_AVAILABLE ? "waits for the lock on the table"
                                                           : error.sqlstate() + ": " + error.what();
  }
  pg::WorkTransaction transaction;
  PutOffWidening(widening, why, most);
  transaction.Commit();
  return false;
}

}  // namespace mend::apply
