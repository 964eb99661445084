// The workers of the whole cluster, in shared memory: who serves which database, and which table
// each of them heals. Made by whoever comes first, so that no preloading is needed; gone when the
// server restarts, after a crash too.
//
//            RequestWorker + register            ClaimSlot             Lease
//   (free) ---------------------> starting -----> idle <---------------> healing
//      ^                             |             | Leave  ReleaseLease     |
//      |        10 s without ClaimSlot   |             |                         |
//      +-----------------------------+-------------+---- process exit -------+
//
// No more than a limit of them are there in all databases together. A database that cannot have one
// waits, which its slot remembers: a worker that has nothing to do leaves for it, one that has
// works on for its turn, and whoever leaves starts the one for the database that has waited
// longest.
//
// No wake-up is lost: a worker clears its `wanted` mark before it looks for work, and Leave refuses
// when the mark was set since.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "server/pg/call.h"

namespace mend::worker {

// Makes the table, or finds it. Throws where shared memory is exhausted; everything below that says
// "attached" needs it to have been called in this process, and then neither throws nor raises.
void AttachSlots();

// ---- For those who need a worker (attached).

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

// ---- For a worker: its own slot (attached).

// Takes a slot, to be freed at the latest when the process exits; false when all are taken.
bool ClaimSlot(Oid database);

// Frees the slot, unless the worker is wanted or fewer than `others` other workers would remain.
bool ReleaseSlot(int others);
// Frees the slot because healing is switched off, unless the worker is wanted.
bool ReleaseSlotStopped();
// Frees the slot for another database, unless the worker is wanted; in `next_ms` one is needed
// again.
bool ReleaseSlotIdle(std::optional<int64_t> next_ms);
// The same with work left: this database waits for its next turn.
void ReleaseSlotBusy();
// Whether another database waits for a worker; TurnIsOver: and this one has worked long enough.
bool OthersWait();
bool TurnIsOver();

// Whether the worker was wanted since the last TakeWanted; TakeWanted clears the mark.
bool Wanted();
bool TakeWanted();

// Leases a table: false when another worker has it. A worker holds one lease at a time.
bool Lease(Oid target);
void ReleaseLease();
// How many rows the round has tried to store so far, for those who look on.
void ShowTried(int64_t rows);

// ---- For those who look on.

// Whether `target` (InvalidOid: any table) of this database is leased, and a number that changes
// with every lease taken of it: equal numbers and no lease, before and after, mean none between.
struct LeaseMark {
  bool held;
  uint64_t taken;
};
LeaseMark Leases(Oid target);

// Sleeps until a lease is given back, of whatever table, or for `ms`. May return sooner.
void AwaitRelease(long ms);

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
