#include "server/worker/exit_handler.h"

#include <csignal>

#include "server/apply/active_unit.h"
#include "server/apply/in_flight.h"
#include "server/guard/sandbox.h"
#include "server/pg/deadline.h"
#include "server/pg/spi.h"
#include "server/pg/transaction.h"
#include "server/worker/own_slot.h"
#include "server/worker/wake.h"
#include "server/worker/work.h"

namespace mend::worker {
namespace {

volatile sig_atomic_t ended_by_postmaster = 0;
Oid healing = InvalidOid;

struct sigaction postgres_action;  // what pqsignal() has set for SIGTERM

void OnTerminate(int signal, siginfo_t* sender, void*) {
  ended_by_postmaster = sender != nullptr && sender->si_pid == PostmasterPid ? 1 : 0;
  postgres_action.sa_handler(signal);
}

// Nothing may be waited for here: interrupts are held off while a process exits.
bool LockExtensionNow() {
  return pg::Call([] {
    Oid extension = get_extension_oid("pg_mend", true);
    if (!OidIsValid(extension)) {
      return false;
    }
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId, extension, 0);
    return LockAcquire(&tag, AccessShareLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
  });
}

void ForgetInFlight() {
  pg::RunPrepared(
      "UPDATE mend.progress SET in_flight = NULL WHERE target = $1 AND in_flight IS NOT NULL",
      {pg::ObjectId(healing)});
}

// Unless somebody decides on it at this moment.
void PutBeforePerson(int64_t patch, int ms) {
  pg::RunPrepared(
      "UPDATE mend.patches SET state = 'proposed', reason = $2 WHERE id IN "
      "(SELECT id FROM mend.patches WHERE id = $1 AND state = 'approved' FOR UPDATE SKIP LOCKED)",
      {pg::Int8(patch), pg::Text("code of the table was cancelled after " + std::to_string(ms) +
                                 " ms of the change and went on, until the worker ended itself: "
                                 "mend that code and approve it again")});
}

// Against what the table's code has run for: the row that was judged, or the patch; else against
// the rows in flight.
void HoldAgainstCulprit(int ms) {
  switch (apply::ActiveUnit::kind()) {
    case apply::ActiveUnit::Kind::Row:
      return apply::NoteInFlight(healing, {apply::ActiveUnit::id()});
    case apply::ActiveUnit::Kind::Patch:
      PutBeforePerson(apply::ActiveUnit::id(), ms);
      return ForgetInFlight();
    case apply::ActiveUnit::Kind::Nothing: return;
  }
}

void BookIgnored(int ms) {
  const pg::Error error(ERRCODE_QUERY_CANCELED,
                        "a trigger or constraint of the table was cancelled after " +
                            std::to_string(ms) + " ms and went on: the worker ended itself");
  pg::Call([&] { ereport(LOG, (errmsg("pg_mend: %s", error.what()))); });
  BookFailure(healing, error, ms, true);
  HoldAgainstCulprit(ms);
}

void BeforeExit(int, Datum) {
  const int ignored_ms = pg::Deadline::Ignored();
  if (!OidIsValid(healing) || (ended_by_postmaster == 0 && ignored_ms == 0)) {
    return;
  }
  pg::Export([&] {
    guard::Sandbox::Abandon();
    pg::Call([] { AbortOutOfAnyTransaction(); });
    pg::Transaction transaction;
    if (LockExtensionNow()) {
      if (ended_by_postmaster != 0 || pg::Deadline::EndedLate()) {
        ForgetInFlight();
      } else {
        BookIgnored(ignored_ms);
      }
    }
    transaction.Commit();
    if (ended_by_postmaster == 0) {
      while (!ReleaseSlot(0)) {
        TakeWanted();
      }
      WakeNow();
    }
  });
}

}  // namespace

void InstallExitHandler() {
  pg::Call([] {
    // pqsignal() tells no sender. What it has set is called from here, for it also keeps errno, and
    // heeds that the process may be a child that has not yet become another program.
    if (sigaction(SIGTERM, nullptr, &postgres_action) != 0) {
      ereport(ERROR, (errmsg("could not read the handler of SIGTERM: %m")));
    }
    struct sigaction action = postgres_action;
    action.sa_sigaction = OnTerminate;
    action.sa_flags |= SA_SIGINFO;
    if (sigaction(SIGTERM, &action, nullptr) != 0) {
      ereport(ERROR, (errmsg("could not take over SIGTERM: %m")));
    }
    before_shmem_exit(BeforeExit, 0);
  });
}

void SetHealingTarget(Oid target) { healing = target; }

}  // namespace mend::worker
