#include "server/worker/launcher.h"

#include <vector>

#include "server/pg/latch.h"
#include "server/pg/settings.h"
#include "server/pg/transaction.h"
#include "server/worker/slots.h"
#include "server/worker/wake.h"

namespace mend::worker {
namespace {

constexpr long kBetweenStartsMs = 100;
constexpr long kRetryMs = 2000;
constexpr long kKeepMs = 10 * 1000;

std::vector<Oid> Databases() {
  pg::Transaction transaction;
  std::vector<Oid> found;
  Relation relation = nullptr;
  TableScanDesc scan = nullptr;
  pg::Call([&] {
    relation = table_open(DatabaseRelationId, AccessShareLock);
    scan = table_beginscan_catalog(relation, 0, nullptr);
  });
  for (;;) {
    HeapTuple tuple = pg::Call([&] { return heap_getnext(scan, ForwardScanDirection); });
    if (tuple == nullptr) {
      break;
    }
    auto* database = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
    if (database->datallowconn && !database->datistemplate) {
      found.push_back(database->oid);
    }
  }
  pg::Call([&] {
    table_endscan(scan);
    table_close(relation, AccessShareLock);
  });
  transaction.Commit();
  return found;
}

// One worker at a time: where it finds no extension it makes room for the next at once. After that,
// for databases that wait while no worker is left to start theirs.
void StartAll() {
  AttachSlots();
  std::vector<Oid> waiting = Databases();
  for (;;) {
    bool started = false;
    if (!waiting.empty() && StartWorker(waiting.back(), InvalidOid, 1)) {
      waiting.pop_back();
      started = true;
    }
    StartWaiting(true);
    pg::Nap(waiting.empty() ? kKeepMs : started ? kBetweenStartsMs : kRetryMs);
    pg::Call([] {
      if (ConfigReloadPending) {
        ConfigReloadPending = false;
        ProcessConfigFile(PGC_SIGHUP);
      }
    });
  }
}

}  // namespace

void RegisterLauncher() {
  if (!process_shared_preload_libraries_in_progress) {
    return;
  }
  BackgroundWorker launcher;
  memset(&launcher, 0, sizeof(launcher));
  strlcpy(launcher.bgw_name, "pg_mend launcher", BGW_MAXLEN);
  strlcpy(launcher.bgw_type, "pg_mend launcher", BGW_MAXLEN);
  strlcpy(launcher.bgw_library_name, "pg_mend", BGW_MAXLEN);
  strlcpy(launcher.bgw_function_name, "mend_launcher_main", BGW_MAXLEN);
  launcher.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  launcher.bgw_start_time = BgWorkerStart_RecoveryFinished;
  launcher.bgw_restart_time = 10;
  RegisterBackgroundWorker(&launcher);
}

}  // namespace mend::worker

extern "C" {
PGDLLEXPORT void mend_launcher_main(Datum argument);
}

void mend_launcher_main(Datum) {
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, die);
  BackgroundWorkerUnblockSignals();
  BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
  mend::pg::Export([] { mend::worker::StartAll(); });
}
