// The table of workers as it is in shared memory, for slots.cpp, own_slot.cpp and leases.cpp alone.
// All of these functions are called under its lock.
#pragma once

#include <cstdint>

#include "server/worker/slots.h"

namespace mend::worker {

constexpr int kSlots = 128;
constexpr int kCounters = 64;
constexpr int64_t kStartingLasts = 10 * 1000000LL;  // microseconds

// Waiting, stopped and left are free slots that remember something of their database: that a worker
// is to be started as soon as there is room, that healing is switched off, that one has looked.
enum class State { kFree, kWaiting, kStopped, kLeft, kStarting, kIdle, kHealing };

struct Slot {
  State state;
  bool wanted;
  int pid;
  Oid database;
  Oid target;
  Latch* latch;       // in shared memory for ever: setting that of a process long gone is harmless
  TimestampTz since;  // of starting and stopped, and of a living worker
  int64_t tried;      // rows, in the round of the lease
  // Of a database that waits for a worker, until it has one.
  bool no_room;             // PostgreSQL has refused one
  TimestampTz waits_since;  // 0: it does not wait
  TimestampTz waits_from;   // not before this time
  TimestampTz warned_at;
};

struct SlotTable {
  slock_t lock;
  ConditionVariable released;        // a lease
  uint64_t leases_taken[kCounters];  // by hash: a collision makes a waiter look once more
  Slot slots[kSlots];
};

extern SlotTable* slot_table;
extern Slot* own_slot;  // this process's, if it is a worker

// Nothing in the scope may raise an error or take long.
class Locked {
 public:
  Locked() { SpinLockAcquire(&slot_table->lock); }
  ~Locked() { SpinLockRelease(&slot_table->lock); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
};

bool Living(const Slot& slot);
bool Starting(const Slot& slot, TimestampTz now);
// A slot that may be overwritten: the one that remembers something of this database, else the one
// that remembers least.
Slot* FindRoom(Oid database, TimestampTz now);
void Clear(Slot* slot);
// How long the database has waited is remembered until a worker is there.
void Reserve(Slot* slot, Oid database, TimestampTz now);
// The database waits for a worker, from a time on.
void Await(Slot* slot, Oid database, TimestampTz now, TimestampTz from);
// The database that has waited longest, of those whose time has come, other than `but`.
Slot* FirstWaiting(TimestampTz from, Oid but);

}  // namespace mend::worker
