// mend.propose, mend.dry_run, mend.dry_run_patch, mend.revert, mend.wake.
#include <optional>
#include <string>

#include "core/plan/fingerprint.h"
#include "server/api/arguments.h"
#include "server/apply/alter.h"
#include "server/apply/drifts.h"
#include "server/apply/patches.h"
#include "server/apply/prove.h"
#include "server/apply/revert.h"
#include "server/apply/submitter.h"
#include "server/citus/managed_table.h"
#include "server/guard/landing_table.h"
#include "server/guard/render.h"
#include "server/observe/events.h"
#include "server/pg/catalog.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/worker/wake.h"

namespace mend::api {
namespace {

template <class T>
T Required(const std::optional<T>& value, const char* what) {
  if (!value) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, std::string(what) + " must not be null");
  }
  return *value;
}

struct Trial {
  bool ok = false;
  int64_t tried = 0;
  int64_t healed = 0;
  bool rewrites = false;
  std::string reason;
};

// Alters for real and replays the sample, all of it rolled back. User code runs as the submitter in
// a security-restricted operation: it must leave nothing in an administrator's session.
void TryLive(const table::Target& target, const std::string& ddl, const apply::Proof& proof,
             Trial* trial) {
  pg::Subtransaction subtransaction;
  try {
    pg::AsExtensionOwner as_owner;
    apply::LockForAlter(target.shape().relid, pg::lock_timeout_ms);
    if (std::optional<std::string> unfit = apply::AlterUnderLock(target, ddl)) {
      trial->reason = *unfit;
    } else if (!citus::Manages(
                   target.shape().relid)) {  // there rows can be stored once it is committed
      std::vector<int64_t> ids;
      for (const apply::SampleRow& row : proof.sample) {
        ids.push_back(row.id);
      }
      std::vector<queue::QueuedRow> rows = queue::LockRows(ids);
      int64_t stored = 0;
      if (!rows.empty()) {
        pg::AsUser submitter(rows.front().submitter,
                             SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
        apply::SessionContext context(rows.front().context);
        stored = apply::ReplayHere(*table::FindTarget(target.shape().relid), rows,
                                   queue::OutcomePolicy(), std::nullopt)
                     .stored;
        if (stored == 0) {
          trial->reason = "the table refuses every row that was tried, for another reason";
        }
      }
    }
  } catch (const pg::Error& error) {
    if (error.MustPropagate()) {
      throw;
    }
    trial->reason = error.what();
  }
  subtransaction.RollBack();
  trial->ok = trial->reason.empty();
}

Trial TryPatch(const table::Target& target, const plan::Patch& patch, bool live) {
  Trial trial;
  trial.rewrites = apply::RewritesTable(target.shape(), patch);
  apply::Proof queue = apply::Prove(target, patch, apply::Evidence::Queue);
  apply::Proof dead = apply::Prove(target, patch, apply::Evidence::DeadLetters);
  trial.tried = queue.tried + dead.tried;
  trial.healed = queue.healed + dead.healed;
  if (trial.healed == 0) {
    trial.reason = trial.tried == 0 ? "no waiting payload could show whether it helps"
                                    : "no waiting payload fits thanks to it";
  }
  trial.ok = trial.reason.empty();
  if (trial.ok && live && !patch.actions.empty()) {
    TryLive(target, guard::Render(target.shape(), patch.actions), queue, &trial);
  }
  return trial;
}

// What does not pass the guard is a trial that failed.
Trial Try(Oid relid, const std::string& ddl, const std::string& field_map, bool live) {
  std::shared_ptr<const table::Target> target = table::FindTarget(relid);
  base::Result<plan::Patch> patch = apply::ReadPatch(*target, ddl, field_map);
  if (patch) {
    return TryPatch(*target, *patch, live);
  }
  Trial trial;
  trial.reason = patch.error().message;
  return trial;
}

Datum ToRecord(FunctionCallInfo call, const Trial& trial) {
  const char* reason = trial.reason.empty() ? nullptr : trial.reason.c_str();
  return pg::Call([&] {
    TupleDesc description = nullptr;
    get_call_result_type(call, nullptr, &description);
    Datum values[5] = {BoolGetDatum(trial.ok), Int64GetDatum(trial.tried),
                       Int64GetDatum(trial.healed), BoolGetDatum(trial.rewrites),
                       reason != nullptr ? CStringGetTextDatum(reason) : 0};
    bool nulls[5] = {false, false, false, false, reason == nullptr};
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls));
  });
}

Datum DryRun(FunctionCallInfo call) {
  Oid relid = TargetArgument(call, 0);
  std::string ddl = Required(TextArgument(call, 1), "the DDL");
  bool live = BoolArgument(call, 2).value_or(false);
  if (live && !guard::IsAdmin()) {
    throw pg::Error(ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied for a live dry run",
                    "Only members of mend_admin may take the lock; call it with live => false.");
  }
  return ToRecord(call, Try(relid, ddl, "{}", live));
}

Datum DryRunPatch(FunctionCallInfo fcinfo) {
  int64_t id = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
  pg::Rows rows = pg::RunPrepared(
      "SELECT target::oid, coalesce(ddl, proposed_ddl), field_map::text FROM mend.patches WHERE id "
      "= $1",
      {pg::Int8(id)});
  if (rows.empty()) {
    throw pg::Error(ERRCODE_UNDEFINED_OBJECT, "there is no patch " + std::to_string(id),
                    "See mend.patches.");
  }
  return ToRecord(fcinfo, Try(rows.oid(0, 0), rows.text(0, 1), rows.text(0, 2), false));
}

int64_t RecordProposal(const table::Target& target, apply::NewPatch record,
                       const plan::Patch& patch) {
  record.state = "proposed";
  record.reason = "waits for mend.approve()";
  record.ddl = guard::Render(target.shape(), patch.actions);
  record.inverse_ddl = guard::RenderInverse(target.shape(), patch.actions);
  record.field_map = patch.field_map;
  record.rewrites = apply::RewritesTable(target.shape(), patch);
  apply::DriftStore book(target.shape().relid);
  apply::Proof proof = apply::Prove(target, patch, apply::Evidence::Queue);
  record.evidence = apply::EvidenceJson(patch, target, book.drifts(), proof);
  record.fingerprint = plan::DriftFingerprint(target.shape(), book.drifts());
  return apply::InsertPatch(target, record);
}

Datum Propose(FunctionCallInfo call) {
  Oid relid = TargetArgument(call, 0);
  apply::NewPatch record;
  record.proposed_ddl = Required(TextArgument(call, 1), "the DDL");
  std::string field_map = JsonbArgument(call, 2).value_or("{}");
  record.rationale = TextArgument(call, 3).value_or("");
  record.planner = guard::IsAdmin() ? "person" : "agent";
  std::shared_ptr<const table::Target> target = table::FindTarget(relid);
  base::Result<plan::Patch> patch = apply::ReadPatch(*target, record.proposed_ddl, field_map);
  std::string refusal = patch ? "" : patch.error().message;
  int64_t id = 0;
  if (refusal.empty()) {
    id = RecordProposal(*target, record, *patch);
  } else {
    record.state = "refused";
    record.reason = refusal;
    id = apply::InsertPatch(*target, record);
    pg::Call([&] {
      ereport(WARNING, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("patch " INT64_FORMAT " is refused: %s", id, refusal.c_str())));
    });
  }
  std::string detail = "{\"planner\": \"" + record.planner + "\"}";
  observe::Record(refusal.empty() ? "patch_proposed" : "patch_refused",
                  target->enrollment().target_name, id, detail);
  return Int64GetDatum(id);
}

Datum Revert(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(0)) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, "the patch must not be null");
  }
  apply::Revert(PG_GETARG_INT64(0));
  return Datum(0);
}

Datum Wake(FunctionCallInfo) {
  worker::WakeAtCommit();
  return Datum(0);
}

}  // namespace
}  // namespace mend::api

MEND_EXPORT(mend_dry_run, mend::api::DryRun)
MEND_EXPORT(mend_dry_run_patch, mend::api::DryRunPatch)
MEND_EXPORT(mend_propose, mend::api::Propose)
MEND_EXPORT(mend_revert, mend::api::Revert)
MEND_EXPORT(mend_wake, mend::api::Wake)
