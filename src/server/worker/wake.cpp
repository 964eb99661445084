#include "server/worker/wake.h"

#include <algorithm>

#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/worker/slots.h"

namespace mend::worker {
namespace {

// What the current transaction asked for.
enum Ask : unsigned { kNotify = 1, kWake = 2, kRestart = 4 };
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

// How long a database waits for a worker before the log is told: where its own limit is to blame,
// and where the one that leaves for it still takes PostgreSQL's slot.
constexpr int64_t kLongWaitMs = 10 * 1000;
constexpr int64_t kShortWaitMs = 2 * 1000;
constexpr int64_t kBetweenLooksUs = 1000000;

int ServerLimit() {
  return pg::max_server_workers > 0 ? pg::max_server_workers
                                    : std::max(1, max_worker_processes / 3);
}

// For the server's log alone: whoever commits a payload can do nothing about it. May run inside
// COMMIT: nothing here is looked up.
void WarnOfWait(Oid database, int64_t longer_than_ms) {
  WaitSeen wait;
  if (!MustWarn(database, longer_than_ms, &wait)) {
    return;
  }
  const int client_level = client_min_messages;
  client_min_messages = ERROR;
  if (wait.no_room) {
    ereport(WARNING, (errmsg("pg_mend: there is no free background worker for the database with "
                             "OID %u, and nothing is healed there",
                             database),
                      errhint("Raise max_worker_processes (%d).", max_worker_processes)));
  } else {
    ereport(
        WARNING,
        (errmsg("pg_mend: the database with OID %u has waited for a worker for %lld s", database,
                static_cast<long long>((GetCurrentTimestamp() - wait.since) / 1000000)),
         errhint("Its %d workers are busy in other databases: raise mend.max_server_workers.",
                 ServerLimit())));
  }
  client_min_messages = client_level;
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
  if (what & kNotify) {
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
  if (limit == 0) {
    return true;
  }
  if (RequestWorker(database, target, limit, ServerLimit())) {
    if (Register(database)) {
      return true;
    }
    MarkRegistrationFailed(database);
    WarnOfWait(database, 0);
    return false;
  }
  WarnOfWait(database, kLongWaitMs);
  return !WaitOf(database);
}

void StartWaiting(bool early) {
  const Oid database = ReserveForWaiting(ServerLimit(), early);
  if (OidIsValid(database) && !Register(database)) {
    MarkRegistrationFailed(database);
    WarnOfWait(database, kShortWaitMs);
  }
}

void WakeAtCommit(Oid target) {
  if (pg::max_workers > 0) {
    asked_for = (asked & kWake) && asked_for != target ? InvalidOid : target;
    AskAtCommit(kWake);
  }
}

void RestartAtCommit() { AskAtCommit(kRestart); }

void NotifyWorkersAtCommit() { AskAtCommit(kNotify); }

void WakeIfNobodyLooks() {
  static TimestampTz looked_at = 0;
  const TimestampTz now = GetCurrentStatementStartTimestamp();
  if (pg::max_workers == 0 || now - looked_at < kBetweenLooksUs) {
    return;
  }
  looked_at = now;
  AttachSlots();
  if (!NeedsWorker(MyDatabaseId)) {
    return;
  }
  if (WaitOf(MyDatabaseId) ||
      pg::RunPrepared("SELECT EXISTS (SELECT FROM mend.work WHERE due OR next_at IS NOT NULL) OR "
                      "EXISTS (SELECT FROM mend.outbox WHERE state = 'pending')")
          .boolean(0, 0)) {
    WakeAtCommit();
  } else {
    MarkLooked(MyDatabaseId);
  }
}

void WakeNow(Oid target) {
  AttachSlots();
  StartWorker(MyDatabaseId, target, pg::max_workers);
}

}  // namespace mend::worker
