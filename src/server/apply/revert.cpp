#include "server/apply/revert.h"

#include <algorithm>
#include <optional>
#include <string>

#include "server/apply/alter.h"
#include "server/apply/field_reading.h"
#include "server/apply/origin.h"
#include "server/apply/owner_query.h"
#include "server/apply/promote.h"
#include "server/apply/undo.h"
#include "server/apply/widen.h"
#include "server/citus/managed_table.h"
#include "server/guard/render.h"
#include "server/observe/events.h"
#include "server/observe/freshness.h"
#include "server/pg/catalog.h"
#include "server/pg/deadline.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/pg/test_point.h"
#include "server/pg/user.h"
#include "server/pg/work_transaction.h"
#include "server/table/code.h"

namespace mend::apply {
namespace {

// Values that were read stay as they are; later ones are drift again.
void TakeReadingsBack(int64_t id, const table::Target& target,
                      const std::vector<AppliedAction>& actions) {
  bool any = false;
  for (const AppliedAction& action : actions) {
    if (action.kind != "read_as") {
      continue;
    }
    if (ReadingOf(target, action.column) != plan::JoinedReading(action.from, action.reading)) {
      RefuseRevert(id, "column \"" + action.column + "\" is read in another way by now",
                   "mend.read_as() says how it is to be read.");
    }
    SetReading(target, action.column, action.from);
    any = true;
  }
  if (any) {
    const pg::Rows healed =
        pg::RunPrepared("SELECT rows_healed FROM mend.patches WHERE id = $1", {pg::Int8(id)});
    const int64_t rows = healed.int8(0, 0);
    const int64_t read = observe::LastSeenOf(target.shape().relid).read;
    pg::Call([&] {
      ereport(
          NOTICE,
          (errmsg_plural("%lld row that waited was stored through the patch, and keeps what it has",
                         "%lld rows that waited were stored through the patch, and keep what "
                         "they have",
                         static_cast<unsigned long>(rows), static_cast<long long>(rows))));
      if (read > 0) {
        ereport(NOTICE,
                (errmsg_plural("%lld row was stored through the readings of the table as "
                               "it came, since the server started, and keeps what it has",
                               "%lld rows were stored through the readings of the table "
                               "as they came, since the server started, and keep what "
                               "they have",
                               static_cast<unsigned long>(read), static_cast<long long>(read))));
      }
    });
  }
}

struct AppliedPatch {
  Oid target = InvalidOid;
  std::string inverse;
  std::vector<AppliedAction> actions;
  std::vector<std::string> fields;
};

// Locked; refused where it is not applied.
AppliedPatch FindApplied(int64_t id) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT target::oid, state, coalesce(inverse_ddl, ''), coalesce(evidence -> 'actions', "
      "'[]')::text, coalesce(evidence -> 'drift', '[]')::text "
      "FROM mend.patches WHERE id = $1 FOR UPDATE",
      {pg::Int8(id)});
  if (rows.empty()) {
    throw pg::Error(ERRCODE_UNDEFINED_OBJECT, "there is no patch " + std::to_string(id),
                    "See mend.patches.");
  }
  if (rows.text(0, 1) != "applied") {
    RefuseRevert(id, "it is " + rows.text(0, 1) + ", not applied",
                 "Only an applied patch can be reverted.");
  }
  AppliedPatch patch = {rows.oid(0, 0), rows.text(0, 2), ReadActions(rows.text(0, 3)),
                        ReadFields(rows.text(0, 4))};
  if (std::any_of(patch.actions.begin(), patch.actions.end(),
                  [](const AppliedAction& action) { return action.kind == "add_enum_value"; })) {
    RefuseRevert(id, "PostgreSQL does not take a label away from an enum",
                 "Make an enum without it, and give the column that type by hand.");
  }
  return patch;
}

// Before what it would have to change beside the table is refused in words that do not help.
void RefuseIfOnlineOnly(int64_t id, const table::Target& target,
                        const std::vector<AppliedAction>& actions) {
  for (const AppliedAction& action : actions) {
    if (action.kind != "widen_type") {
      continue;
    }
    if (const std::string why = WhyNarrowedOnlineOnly(target, action.column); !why.empty()) {
      RefuseRevert(id,
                   "ALTER TABLE cannot change the type of column \"" + action.column + "\": " + why,
                   "Online it can: mend.revert(" + std::to_string(id) + ", online => true).");
    }
  }
}

void NoteDecider(int64_t id) {
  pg::RunPrepared(
      "UPDATE mend.patches SET decided_by = session_user, decided_at = clock_timestamp() WHERE id "
      "= "
      "$1",
      {pg::Int8(id)});
}

}  // namespace

void RecordReverted(Oid relid, int64_t patch_id) {
  pg::RunPrepared("UPDATE mend.patches SET state = 'reverted' WHERE id = $1", {pg::Int8(patch_id)});
  NoteOrigins(relid, patch_id);
  pg::RunPrepared(
      "SELECT mend.hold_fields(p, format('patch %s was reverted by %s', p.id, p.decided_by)) FROM "
      "mend.patches p "
      "WHERE p.id = $1",
      {pg::Int8(patch_id)});
  {
    // What went back is on record again once it was looked for.
    const std::shared_ptr<const table::Target> target = table::FindTarget(relid);
    if (!target->enrollment().rescue.empty()) {
      RequestPromotion(*target, std::nullopt);
    }
  }
  // What waited for the reverted column is judged again.
  pg::RunPrepared("SELECT mend.request_round($1)", {pg::ObjectId(relid)});
  observe::Record("patch_reverted", pg::QualifiedName(relid), patch_id);
}

void Revert(int64_t patch_id) {
  const AppliedPatch patch = FindApplied(patch_id);
  {
    pg::AsExtensionOwner as_owner;
    if (!patch.inverse.empty()) {
      LockForAlter(patch.target, pg::lock_timeout_ms);
    }
    std::shared_ptr<const table::Target> target = table::FindTarget(patch.target);
    RefuseIfOnlineOnly(patch_id, *target, patch.actions);
    SaveForUndo(patch_id, *target, patch.actions, patch.fields);
    pg::TestPoint("reverting");
    TakeReadingsBack(patch_id, *target, patch.actions);
    if (!patch.inverse.empty()) {
      const std::string code = table::CodeOf(patch.target);
      if (std::optional<std::string> unfit = AlterUnderLock(*target, patch.inverse)) {
        RefuseRevert(patch_id, *unfit, "Mend the healer role first.");
      }
      NoteChangeOfCode(patch.target, patch_id, code);
    }
  }
  NoteDecider(patch_id);
  RecordReverted(patch.target, patch_id);
  pg::TestPoint("reverted");
}

void RevertOnline(int64_t patch_id) {
  const AppliedPatch patch = FindApplied(patch_id);
  const std::string plainly = "Plainly: mend.revert(" + std::to_string(patch_id) + ").";
  if (patch.actions.size() != 1 || patch.actions.front().kind != "widen_type") {
    RefuseRevert(patch_id, "it does more than to widen one column, and is not taken back online",
                 plainly);
  }
  const AppliedAction& action = patch.actions.front();
  const std::shared_ptr<const table::Target> target = table::FindTarget(patch.target);
  CheckUnchanged(patch_id, *target, action);
  if (const std::optional<Widening> other = FindWidening(patch.target, false)) {
    RefuseRevert(patch_id,
                 "patch " + std::to_string(other->patch) +
                     (other->narrows ? " is reverted online" : " is applied online"),
                 "Wait for it, or cancel it: mend.cancel_widening().");
  }
  const std::string why = WhyNotNarrowed(*target, action.column, guard::ParseType(action.from));
  if (!why.empty()) {
    RefuseRevert(patch_id, "it cannot be taken back online: " + why, plainly);
  }
  Widening widening;
  widening.patch = patch_id;
  widening.column = action.column;
  widening.target = patch.target;
  widening.target_name = target->enrollment().target_name;
  widening.attnum = target->shape().Find(action.column)->attnum;
  widening.type = action.from;
  widening.narrows = true;
  BeginWidening(widening);
  NoteDecider(patch_id);
  observe::Record("widening_started", widening.target_name, patch_id, "{\"narrows\": true}");
  pg::RunPrepared("SELECT mend.request_round($1)", {pg::ObjectId(patch.target)});
}

bool Withdraw(Oid relid, int64_t patch_id) {
  try {
    pg::WorkTransaction transaction;
    const pg::Rows patch = pg::RunPrepared(
        "SELECT coalesce(inverse_ddl, ''), coalesce(evidence -> 'actions', '[]')::text FROM "
        "mend.patches "
        "WHERE id = $1 AND state = 'applied' FOR UPDATE",
        {pg::Int8(patch_id)});
    if (patch.empty()) {
      return false;
    }
    LockForAlter(relid, pg::lock_timeout_ms);
    citus::BindNodes(relid, &transaction);
    const pg::Deadline hold(pg::max_lock_hold_ms);
    const std::shared_ptr<const table::Target> target = table::FindTarget(relid);
    const std::vector<AppliedAction> actions = ReadActions(patch.text(0, 1));
    if (std::any_of(actions.begin(), actions.end(),
                    [&](const AppliedAction& action) { return IsInUse(*target, action); }) ||
        AlterUnderLock(*target, patch.text(0, 0))) {
      return false;
    }
    pg::RunPrepared("DELETE FROM mend.fields WHERE target = $1 AND patch_id = $2",
                    {pg::ObjectId(relid), pg::Int8(patch_id)});
    pg::RunPrepared("UPDATE mend.patches SET state = 'approved' WHERE id = $1",
                    {pg::Int8(patch_id)});
    NoteOrigins(relid, patch_id);
    observe::Record("patch_reverted", target->enrollment().target_name, patch_id,
                    "{\"reason\": \"no row could be stored with it\"}", observe::kWorker);
    transaction.Commit();
    return true;
  } catch (const pg::Error& error) {
    if (error.MustPropagate() && !pg::Deadline::IsTimeout(error)) {
      throw;
    }
    return false;
  }
}

}  // namespace mend::apply
