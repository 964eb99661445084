#include "server/apply/widen.h"

#include <algorithm>

#include "core/plan/wording.h"
#include "server/apply/alter.h"
#include "server/apply/promote_rows.h"
#include "server/apply/widening_rows.h"
#include "server/apply/widening_statements.h"
#include "server/apply/widening_step.h"
#include "server/guard/healer.h"
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

// A verification that fails so often is for a person.
constexpr int kMostPasses = 4;

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
    StepFailure failure;
    try {
      return Step(widening, took, for_ms);
    } catch (const Gone& gone) {
      Stop(widening, gone.why);
      return true;
    } catch (const pg::Error& error) {
      failure = FailureOf(error);
    }
    pg::WorkTransaction transaction;
    PutOffWidening(widening, failure.why, failure.most_tries);
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
      GatherStatistics(widening);
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
    Parts parts = FindParts(widening);
    // A restore may have brought them along.
    RunStatements(widening, RemoveStatements(widening, parts));
    parts = FindParts(widening);
    widening.new_attnum = static_cast<int16_t>(parts.last_attnum + 1);
    RunStatements(widening, AddStatements(widening, parts));
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
    FindParts(widening);
    const std::string why = WhyWaitForOthers(relid_);
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
      FindParts(widening);  // says which
      throw Gone{"column \"" + widening.column + "\" is gone"};
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
    if (rows.unfit > 0) {
      throw Gone{plan::Named("column", widening->column) +
                 " has a value that its former type does not hold"};
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
    AddMissing(widening);
    try {
      pg::WorkTransaction transaction;
      const Parts parts = FindParts(widening);
      const std::string validate = Validate(widening, parts);
      if (!validate.empty()) {
        guard::RunAsOwner(relid_, validate, !parts.foreign_keys.empty());
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

  void AddMissing(const Widening& widening) {
    pg::WorkTransaction transaction;
    const Parts before = FindParts(widening);
    if (AddChecks(widening, before).empty() && AddForeignKeys(before).empty()) {
      transaction.Commit();
      return;
    }
    LockReferenced(relid_, widening.attnum);
    LockForAlter(relid_, pg::lock_timeout_ms);
    const pg::Deadline hold(pg::max_lock_hold_ms);
    const Parts parts = FindParts(widening);
    if (const std::string checks = AddChecks(widening, parts); !checks.empty()) {
      RunStatements(widening, {checks});
    }
    if (const std::string keys = AddForeignKeys(parts); !keys.empty()) {
      guard::RunAsOwner(relid_, keys);
    }
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
      const Parts parts = FindParts(widening);
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
      if (const std::string why = WhyWaitForOthers(relid_); !why.empty()) {
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
    RunStatements(widening,
                  {"DROP INDEX " + FindParts(widening).schema + "." + pg::QuoteIdentifier(index)});
    transaction.Commit();
  }

  // So that plans are no worse after the swap than before.
  void GatherStatistics(const Widening& widening) {
    pg::WorkTransaction transaction;
    const Parts parts = FindParts(widening);
    for (const std::string& statement : AddStatistics(parts)) {
      guard::RunAsOwner(relid_, statement);
      pg::Call([] { CommandCounterIncrement(); });
    }
    guard::RunAsOwner(relid_, Analyze(widening, parts));
    Advance(widening, "swap");
    pg::RunPrepared("SELECT mend.request_round($1)", {pg::ObjectId(relid_)});
    transaction.Commit();
  }

  void Remove(const Widening& widening) {
    pg::WorkTransaction transaction;
    LockReferenced(relid_, widening.new_attnum);
    LockForAlter(relid_, pg::lock_timeout_ms);
    const pg::Deadline hold(pg::max_lock_hold_ms);
    if (const std::optional<Parts> parts = LoadParts(widening)) {
      RunStatements(widening, RemoveStatements(widening, *parts));
    } else {
      RunStatements(widening, RemoveOrphans(widening));
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

}  // namespace

void Widen(Oid target, const WideningHost& host, int for_ms) { Widener(target, host).Run(for_ms); }

}  // namespace mend::apply
