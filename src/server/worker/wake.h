// Asking for a worker: from any backend, effective at commit.
#pragma once

#include "server/pg/postgres.h"

namespace mend::worker {

// At commit of the current transaction, wakes a worker of this database, or starts one; none but
// the one that heals `target` already, where the caller knows the only table that there is work
// for. Never an error for the caller; rolled back with the transaction (a savepoint's rollback may
// wake in vain). Does nothing while mend.max_workers is 0.
void WakeAtCommit(Oid target = InvalidOid);

// As WakeAtCommit, after healing was switched on.
void RestartAtCommit();

// At commit, has the workers that there are look again at what they may do; starts none.
void NotifyWorkersAtCommit();

// Wakes or starts a worker of this database now: for work that is committed already.
void WakeNow(Oid target = InvalidOid);

// As WakeAtCommit, where nobody has looked for work in this database since the server started and
// there is some, or it waits for a worker: for whoever offers payloads. Looks once a second at
// most.
void WakeIfNobodyLooks();

// Registers a worker of `database` unless one is there; false when there is no room for another:
// the database waits. Needs AttachSlots; neither throws nor raises.
bool StartWorker(Oid database, Oid target, int limit);

// Registers a worker for the database that has waited longest, if there is room; `early` as
// in ReserveForWaiting. Conditions as those of StartWorker.
void StartWaiting(bool early);

}  // namespace mend::worker
