// Asking for a worker: from any backend, effective at commit.
#pragma once

namespace mend::worker {

// At commit of the current transaction, wakes a worker of this database, or starts one. Never an
// error for the caller; rolled back with the transaction (a savepoint's rollback may wake in vain).
void WakeAtCommit();

}  // namespace mend::worker
