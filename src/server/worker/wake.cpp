#include "server/worker/wake.h"

#include "server/pg/settings.h"
#include "server/worker/slots.h"

namespace mend::worker {
namespace {

// What the current transaction asked for.
enum Ask : unsigned { kTell = 1, kWake = 2, kRestart = 4 };
unsigned asked = 0;
Oid asked_for = InvalidOid;  // the only table of kWake, if there is one

bool Register(Oid database) {
  BackgroundWorker worker;
  memset(&worker, 0, sizeof(worker));
  snprintf(worker.bgw_name, BGW_MAXLEN, "pg_mend worker for database %u", database);
  strlcpy(worker.bgw_type, "pg_mend worker", BGW_MAXLEN);
  strlcpy(worker.bgw_library_name, "pg_mend", BGW_MAXLEN);
  strlcpy(worker.bgw_function_name, "mend_worker_main", BGW_MAXLEN);
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  worker.bgw_main_arg = ObjectIdGetDatum(database);
  return RegisterDynamicBackgroundWorker(&worker, nullptr);
}

// Runs inside COMMIT, where an error would be a PANIC: nothing here allocates or raises.
void AtTransactionEnd(XactEvent event, void*) {
  if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_PREPARE && event != XACT_EVENT_ABORT) {
    return;
  }
  unsigned what = asked;
  asked = 0;
  if (event == XACT_EVENT_ABORT) {
    return;
  }
  if (what & kTell) {
    WakeAllWorkers(MyDatabaseId);
  }
  if (what & kRestart) {
    AllowRestart(MyDatabaseId);
  }
  // After PREPARE as well: COMMIT PREPARED calls nobody, and the worker stays while there is one to
  // come.
  if (what & (kWake | kRestart)) {
    StartWorker(MyDatabaseId, what & kRestart ? InvalidOid : asked_for, pg::max_workers);
  }
}

void AskAtCommit(Ask what) {
  if (asked & what) {
    return;
  }
  static bool registered = false;
  AttachSlots();
  if (!registered) {
    pg::Call([] { RegisterXactCallback(AtTransactionEnd, nullptr); });
    registered = true;
  }
  asked |= what;
}

}  // namespace

bool StartWorker(Oid database, Oid target, int limit) {
  if (limit == 0 || !RequestWorker(database, target, limit)) {
    return true;
  }
  if (Register(database)) {
    return true;
  }
  MarkRegistrationFailed(database);
  return false;
}

void WakeAtCommit(Oid target) {
  if (pg::max_workers > 0) {
    asked_for = (asked & kWake) && asked_for != target ? InvalidOid : target;
    AskAtCommit(kWake);
  }
}

void RestartAtCommit() { AskAtCommit(kRestart); }

void NotifyWorkersAtCommit() { AskAtCommit(kTell); }

void WakeNow(Oid target) {
  AttachSlots();
  StartWorker(MyDatabaseId, target, pg::max_workers);
}

}  // namespace mend::worker
