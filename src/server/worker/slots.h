// The workers of the whole cluster, in shared memory: who serves which database, and which table
// each of them heals. Made by whoever comes first, so that no preloading is needed; gone when the
// server restarts, after a crash too.
//
//            RequestWorker             ClaimSlot            Lease
//   (free) ---------------> starting -----------> idle -----------------> healing
//      ^                        |                 |  ^                     |   |
//      |   10 s, no ClaimSlot   |   ReleaseSlot   |  +---- ReleaseLease ---+   |
//      +------------------------+-----------------+-------- process exit ------+
//
// No more than a limit of them are there in all databases together. A database that cannot have one
// waits, which its slot remembers: a worker that has nothing to do leaves for it, one that has
// works on for its turn, and whoever leaves starts the one for the database that has waited
// longest.
//
// No wake-up is lost: a worker clears its `wanted` mark before it looks for work, and ReleaseSlot
// refuses when the mark was set since.
//
// Here: what those need who want a worker, or look on. A worker's own slot: own_slot.h; its leases:
// leases.h.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "server/pg/call.h"

namespace mend::worker {

// Makes the table, or finds it. Throws where shared memory is exhausted; everything below that says
// "attached" needs it to have been called in this process, and then neither throws nor raises.
void AttachSlots();

// Marks a worker of `database` as wanted and wakes it: the one that heals `target` (InvalidOid: not
// known) if one does, for it looks again after its round; else one without a lease by preference.
// True when a worker must be registered besides, because there is none, or because all are healing
// and there are fewer than `limit`: a slot is then reserved for it. Where `server_limit` workers
// are there, of all databases, a database without one waits. For a second after a worker has left
// because healing is switched off none is started, else every commit would; Restart ends that.
bool RequestWorker(Oid database, Oid target, int limit, int server_limit);
void AllowRestart(Oid database);

// Gives a reserved slot back: PostgreSQL had no room for another background worker. The database
// waits.
void MarkRegistrationFailed(Oid database);

// Reserves a slot for the database that has waited longest, to be registered by the caller;
// InvalidOid: none waits, or there is no room. `early`: where no worker is left to think of one
// that waits for a later time, for that one.
Oid ReserveForWaiting(int server_limit, bool early);

// Whether nobody has looked for work in the database since the server started, or it waits.
bool NeedsWorker(Oid database);

// Somebody has looked for work in the database, and found none.
void MarkLooked(Oid database);

struct WaitSeen {
  TimestampTz since;
  bool no_room;  // PostgreSQL has refused a worker, else mend.max_server_workers are there
};
// Whether the log should be told, now and then, that a database has waited for so long.
bool MustWarn(Oid database, int64_t waits_longer_than_ms, WaitSeen* seen);

// Marks all workers of `database` as wanted and wakes them: each looks again at what it may do.
void WakeAllWorkers(Oid database);

// For those who look on.
struct WorkerSeen {
  int pid;  // 0 while starting
  Oid target;
  const char* state;  // starting, idle, healing
  int64_t tried;      // rows, by the round that is healing
};
std::vector<WorkerSeen> WorkersOf(Oid database);

// Whether, and since when, `database` waits for a worker that it cannot have.
std::optional<WaitSeen> WaitOf(Oid database);

}  // namespace mend::worker
