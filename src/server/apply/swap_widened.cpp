#include "server/apply/swap_widened.h"

#include "server/apply/alter.h"
#include "server/apply/origin.h"
#include "server/apply/widen.h"
#include "server/apply/widening_step.h"
#include "server/guard/move_column.h"
#include "server/pg/deadline.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/pg/test_point.h"
#include "server/pg/user.h"
#include "server/pg/work_transaction.h"
#include "server/table/code.h"

namespace mend::apply {
namespace {

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

bool SwapWidened(const PatchRecord& record, const Widening& widening,
                 const std::function<void()>& before_commit) {
  StepFailure failure;
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
    const std::string why = WhyNotOnline(*target, record.patch);
    if (!why.empty()) {
      PauseWidening(widening.patch, why);
      transaction.Commit();
      return false;
    }
    const Parts parts = FindParts(widening);
    if (const char* step = StepMissed(widening, parts)) {
      Advance(widening, step);
      transaction.Commit();
      return false;
    }
    const std::string code = table::CodeOf(widening.target);
    guard::MoveColumn(widening.target, widening.attnum, widening.new_attnum);
    RunStatements(widening, SwapStatements(widening, parts), parts.sequence);
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
    failure = {gone.why, 1};
  } catch (const pg::Error& error) {
    failure = FailureOf(error);
  }
  pg::WorkTransaction transaction;
  PutOffWidening(widening, failure.why, failure.most_tries);
  transaction.Commit();
  return false;
}

}  // namespace mend::apply
