// mend.propose, mend.dry_run, mend.dry_run_patch, mend.revert, mend.wake.
#include <optional>
#include <string>

#include "server/api/arguments.h"
#include "server/apply/dry_run.h"
#include "server/apply/propose.h"
#include "server/apply/revert.h"
#include "server/apply/widen.h"
#include "server/guard/landing_table.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"
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

Datum ToRecord(FunctionCallInfo call, const apply::DryRunResult& result) {
  const char* reason = result.reason.empty() ? nullptr : result.reason.c_str();
  return pg::Call([&] {
    TupleDesc description = nullptr;
    get_call_result_type(call, nullptr, &description);
    Datum values[5] = {BoolGetDatum(result.ok), Int64GetDatum(result.tried),
                       Int64GetDatum(result.healed), BoolGetDatum(result.rewrites),
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
  return ToRecord(call, apply::DryRun(relid, ddl, "{}", live, false));
}

// A reason about a patch that rewrites its table, or null.
Datum WhyNot(FunctionCallInfo fcinfo, std::string (*ask)(const table::Target& target,
                                                         const base::Result<plan::Patch>& patch)) {
  const int64_t id = PG_GETARG_INT64(0);
  const pg::Rows rows = pg::RunPrepared(
      "SELECT target::oid, coalesce(mend.full_ddl(p), ''), field_map::text, rewrites_table FROM "
      "mend.patches "
      "p WHERE id = $1",
      {pg::Int8(id)});
  if (rows.empty()) {
    throw pg::Error(ERRCODE_UNDEFINED_OBJECT, "there is no patch " + std::to_string(id),
                    "See mend.patches.");
  }
  std::string why;
  if (rows.boolean(0, 3)) {
    const std::shared_ptr<const table::Target> target = table::FindTarget(rows.oid(0, 0));
    const base::Result<plan::Patch> patch =
        apply::ReadPatch(*target, rows.text(0, 1), rows.text(0, 2));
    why = ask(*target, patch);
  }
  if (why.empty()) {
    PG_RETURN_NULL();
  }
  return pg::Call([&] { return CStringGetTextDatum(why.c_str()); });
}

Datum WhyNotOnline(FunctionCallInfo fcinfo) {
  return WhyNot(fcinfo, [](const table::Target& target, const base::Result<plan::Patch>& patch) {
    return patch ? apply::WhyNotOnline(target, *patch) : patch.error().message;
  });
}

// What the guard refuses is for it to say.
Datum WhyOnlineOnly(FunctionCallInfo fcinfo) {
  return WhyNot(fcinfo, [](const table::Target& target, const base::Result<plan::Patch>& patch) {
    return patch ? apply::WhyOnlineOnly(target, *patch) : "";
  });
}

Datum DryRunPatch(FunctionCallInfo fcinfo) {
  int64_t id = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
  pg::Rows rows = pg::RunPrepared(
      "SELECT target::oid, coalesce(mend.full_ddl(p), proposed_ddl), field_map::text, planner = "
      "'rules' AND state = 'proposed' FROM mend.patches p WHERE id = $1",
      {pg::Int8(id)});
  if (rows.empty()) {
    throw pg::Error(ERRCODE_UNDEFINED_OBJECT, "there is no patch " + std::to_string(id),
                    "See mend.patches.");
  }
  return ToRecord(fcinfo, apply::DryRun(rows.oid(0, 0), rows.text(0, 1), rows.text(0, 2), false,
                                        rows.boolean(0, 3)));
}

Datum Propose(FunctionCallInfo call) {
  const Oid relid = TargetArgument(call, 0);
  apply::Proposal proposal;
  proposal.ddl = Required(TextArgument(call, 1), "the DDL");
  proposal.field_map = JsonbArgument(call, 2).value_or("{}");
  proposal.rationale = TextArgument(call, 3).value_or("");
  proposal.readings = JsonbArgument(call, 4).value_or("[]");
  proposal.planner = guard::IsAdmin() ? "person" : "agent";
  return Int64GetDatum(apply::Propose(relid, proposal));
}

Datum Revert(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(0)) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, "the patch must not be null");
  }
  const int64_t id = PG_GETARG_INT64(0);
  if (!PG_ARGISNULL(1) && PG_GETARG_BOOL(1)) {
    apply::RevertOnline(id);
  } else {
    apply::Revert(id);
  }
  return Datum(0);
}

Datum CheckDecider(FunctionCallInfo) {
  pg::RefuseInForeignCode();
  return Datum(0);
}

Datum Wake(FunctionCallInfo) {
  worker::WakeAtCommit();
  return Datum(0);
}

}  // namespace
}  // namespace mend::api

MEND_EXPORT_DECISION(mend_dry_run, mend::api::DryRun)
MEND_EXPORT_DECISION(mend_dry_run_patch, mend::api::DryRunPatch)
MEND_EXPORT(mend_why_not_online, mend::api::WhyNotOnline)
MEND_EXPORT(mend_why_online_only, mend::api::WhyOnlineOnly)
MEND_EXPORT_DECISION(mend_propose, mend::api::Propose)
MEND_EXPORT_DECISION(mend_revert, mend::api::Revert)
MEND_EXPORT(mend_check_decider, mend::api::CheckDecider)
MEND_EXPORT(mend_wake, mend::api::Wake)
