#include "server/apply/swap_widened.h"

#include "server/apply/alter.h"
#include "server/apply/origin.h"
#include "server/apply/revert.h"
#include "server/apply/widen.h"
#include "server/apply/widening_statements.h"
#include "server/apply/widening_step.h"
#include "server/guard/move_column.h"
#include "server/guard/render.h"
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

void RenameClones(const Widening& widening, const Parts& parts) {
  const Oid schema = pg::Call([&] { return get_rel_namespace(widening.target); });
  for (const IndexPart& index : parts.indexes) {
    if (index.constraint == '\0') {
      guard::RenameIndex(schema, index.clone, index.name);
    }
  }
  for (const StatisticsPart& part : parts.extended) {
    guard::RenameStatistics(part.schema, part.clone, part.name);
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
  for (const auto* constraints : {&parts.checks, &parts.foreign_keys}) {
    for (const ConstraintPart& part : *constraints) {
      const Oid constraint =
          pg::Call([&] { return get_relation_constraint_oid(relid, part.name.c_str(), false); });
      PutComment(constraint, ConstraintRelationId, 0, part.comment);
    }
  }
  for (const StatisticsPart& part : parts.extended) {
    const Oid statistics = pg::Call([&] {
      return GetSysCacheOid2(STATEXTNAMENSP, Anum_pg_statistic_ext_oid,
                             CStringGetDatum(part.name.c_str()), ObjectIdGetDatum(part.schema));
    });
    PutComment(statistics, StatisticExtRelationId, 0, part.comment);
  }
}

// Which step is to be done once more, since somebody has changed the table; nullptr: none.
const char* StepMissed(const Widening& widening, const Parts& parts) {
  if (!AddChecks(widening, parts).empty() || !AddForeignKeys(parts).empty() ||
      !Validate(widening, parts).empty()) {
    return "verify";
  }
  for (const IndexPart& index : parts.indexes) {
    if (!index.clone_is_valid) {
      return "indexes";
    }
  }
  return AddStatistics(parts).empty() ? nullptr : "statistics";
}

// `why_not` looks once more, under the lock; `record` writes the patch's books, in the transaction
// of the swap.
bool Swap(const Widening& widening,
          const std::function<std::string(const table::Target& target)>& why_not,
          const std::function<void()>& record) {
  StepFailure failure;
  try {
    pg::WorkTransaction transaction;
    LockReferenced(widening.target, widening.attnum);
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
    const std::string why = why_not(*target);
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
    RenameClones(widening, parts);
    CarryComments(widening, parts);
    Advance(widening, "done");
    pg::Call([&] { CacheInvalidateRelcacheByRelid(widening.target); });
    pg::Call([] { CommandCounterIncrement(); });
    NoteChangeOfCode(widening.target, widening.patch, code);
    pg::RunPrepared(
        "UPDATE mend.own_columns SET attnum = $3 WHERE target = $1 AND column_name = $2",
        {pg::ObjectId(widening.target), pg::Name(widening.column), pg::Int4(widening.new_attnum)});
    record();
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

}  // namespace

bool SwapWidened(const PatchRecord& record, const Widening& widening,
                 const std::function<void()>& before_commit) {
  return Swap(
      widening, [&](const table::Target& target) { return WhyNotOnline(target, record.patch); },
      [&] {
        RecordApplied(*table::FindTarget(widening.target), record);
        NoteOrigins(widening.target, record.id);
        before_commit();
      });
}

bool SwapNarrowed(const Widening& widening) {
  return Swap(
      widening,
      [&](const table::Target& target) {
        return WhyNotNarrowed(target, widening.column, guard::ParseType(widening.type));
      },
      [&] { RecordReverted(widening.target, widening.patch); });
}

}  // namespace mend::apply
