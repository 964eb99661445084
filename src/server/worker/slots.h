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
// No wake-up is lost: a worker clears its `wanted` mark before it looks for work, and Leave refuses
// when the mark was set since.
#pragma once

#include <cstdint>
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
// and there are fewer than `limit`: a slot is then reserved for it. For a second after a worker has
// left because healing is switched off none is started, else every commit would; Restart ends that.
bool RequestWorker(Oid database, Oid target, int limit);
void AllowRestart(Oid database);

// Gives a reserved slot back: PostgreSQL had no room for another background worker.
void MarkRegistrationFailed(Oid database);

// Marks all workers of `database` as wanted and wakes them: each looks again at what it may do.
void WakeAllWorkers(Oid database);

// ---- For a worker: its own slot (attached).

// Takes a slot, to be freed at the latest when the process exits; false when all are taken.
bool ClaimSlot(Oid database);

// Frees the slot, unless the worker is wanted or fewer than `others` other workers would remain.
bool ReleaseSlot(int others);
// Frees the slot because healing is switched off, unless the worker is wanted.
bool ReleaseSlotStopped();

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

// When the last attempt to register a worker for `database` was refused; 0 when it was not.
TimestampTz RegistrationFailedAt(Oid database);

}  // namespace mend::worker
