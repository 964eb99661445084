// SQL entries that concern the workers.
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"
#include "server/table/enrollment.h"
#include "server/worker/control.h"
#include "server/worker/slots.h"
#include "server/worker/wait.h"
#include "server/worker/wake.h"

namespace mend::api {
namespace {

void Require(FunctionCallInfo fcinfo, int argument, const char* name) {
  if (fcinfo->args[argument].isnull) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, std::string(name) + " must not be null");
  }
}

Datum WaitIdle(FunctionCallInfo fcinfo) {
  auto* context = fcinfo->context;
  if (context == nullptr || !IsA(context, CallContext) ||
      reinterpret_cast<CallContext*>(context)->atomic) {
    throw pg::Error(ERRCODE_ACTIVE_SQL_TRANSACTION,
                    "mend.wait_idle cannot run inside a transaction block",
                    "The worker sees only what is committed: CALL it by itself.");
  }
  Require(fcinfo, 1, "timeout");
  Oid target = fcinfo->args[0].isnull ? InvalidOid : DatumGetObjectId(fcinfo->args[0].value);
  TimestampTz deadline = 0;
  pg::Call([&] {
    deadline = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
                                                       TimestampTzGetDatum(GetCurrentTimestamp()),
                                                       fcinfo->args[1].value));
    SPI_connect_ext(SPI_OPT_NONATOMIC);
  });
  if (OidIsValid(target)) {
    table::RequireEnrolled(target);
  }
  worker::WaitIdle(target, deadline);
  pg::Call([] { SPI_finish(); });
  return 0;
}

Datum Start(FunctionCallInfo) {
  worker::Start();
  return 0;
}

Datum Stop(FunctionCallInfo) {
  worker::Stop();
  return 0;
}

Datum ResetBreaker(FunctionCallInfo fcinfo) {
  Require(fcinfo, 0, "target");
  worker::ResetBreaker(DatumGetObjectId(fcinfo->args[0].value));
  return 0;
}

Datum AtHome(FunctionCallInfo fcinfo) {
  return BoolGetDatum(worker::AtHome(DatumGetInt64(fcinfo->args[0].value),
                                     DatumGetObjectId(fcinfo->args[1].value)));
}

Datum Workers(FunctionCallInfo fcinfo) {
  pg::Call([&] { InitMaterializedSRF(fcinfo, 0); });
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  for (const worker::WorkerSeen& seen : worker::WorkersOf(MyDatabaseId)) {
    pg::Call([&] {
      Datum values[] = {Int32GetDatum(seen.pid), ObjectIdGetDatum(seen.target),
                        CStringGetTextDatum(seen.state), Int64GetDatum(seen.tried)};
      bool nulls[] = {seen.pid == 0, !OidIsValid(seen.target), false, !OidIsValid(seen.target)};
      tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    });
  }
  return 0;
}

Datum WorkerRefusedAt(FunctionCallInfo fcinfo) {
  const std::optional<worker::WaitSeen> wait = worker::WaitOf(MyDatabaseId);
  fcinfo->isnull = !wait || !wait->no_room;
  return TimestampTzGetDatum(wait ? wait->since : 0);
}

// Who looks at a table that is due has a worker started, where one may be and none is there.
const char* Outlook(bool due) {
  if (pg::Call([] { return RecoveryInProgress(); })) {
    return "standby";
  }
  if (pg::max_workers == 0) {
    return "off";
  }
  if (due && worker::WorkersOf(MyDatabaseId).empty()) {
    worker::WakeNow();
  }
  const std::optional<worker::WaitSeen> wait = worker::WaitOf(MyDatabaseId);
  return !wait ? "ready" : wait->no_room ? "no_room" : "busy";
}

Datum WorkerOutlook(FunctionCallInfo fcinfo) {
  const char* outlook = Outlook(DatumGetBool(fcinfo->args[0].value));
  return pg::Call([&] { return CStringGetTextDatum(outlook); });
}

// For upgrade scripts.
Datum RestartWorkers(FunctionCallInfo) {
  worker::RestartAtCommit();
  return Datum(0);
}

}  // namespace
}  // namespace mend::api

MEND_EXPORT(mend_restart_workers, mend::api::RestartWorkers)
MEND_EXPORT(mend_wait_idle, mend::api::WaitIdle)
MEND_EXPORT_DECISION(mend_start, mend::api::Start)
MEND_EXPORT_DECISION(mend_stop, mend::api::Stop)
MEND_EXPORT_DECISION(mend_reset_breaker, mend::api::ResetBreaker)
MEND_EXPORT(mend_at_home, mend::api::AtHome)
MEND_EXPORT(mend_workers, mend::api::Workers)
MEND_EXPORT(mend_worker_refused_at, mend::api::WorkerRefusedAt)
MEND_EXPORT(mend_worker_outlook, mend::api::WorkerOutlook)
