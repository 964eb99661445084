#include "server/worker/slots.h"

#include <algorithm>

namespace mend::worker {
namespace {

constexpr int kSlots = 128;
constexpr int kCounters = 64;
constexpr int64_t kStartingLasts = 10 * 1000000LL;  // microseconds
constexpr int64_t kStoppedLasts = 1 * 1000000LL;
constexpr int64_t kBetweenWarnings = 60 * 1000000LL;
// How long a worker heals while another database waits for one.
constexpr int64_t kTurnLasts = 5 * 1000000LL;

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

struct Table {
  slock_t lock;
  ConditionVariable released;        // a lease
  uint64_t leases_taken[kCounters];  // by hash: a collision makes a waiter look once more
  Slot slots[kSlots];
};

Table* table = nullptr;
Slot* mine = nullptr;

// Nothing in the scope may raise an error or take long.
class Locked {
 public:
  Locked() { SpinLockAcquire(&table->lock); }
  ~Locked() { SpinLockRelease(&table->lock); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
};

bool Living(const Slot& slot) {
  return slot.state == State::kIdle || slot.state == State::kHealing;
}

bool Starting(const Slot& slot, TimestampTz now) {
  return slot.state == State::kStarting && now - slot.since < kStartingLasts;
}

// How much would be lost with what a slot remembers.
int Worth(const Slot& slot) {
  return slot.state == State::kFree      ? 0
         : slot.state == State::kLeft    ? 1
         : slot.state == State::kStopped ? 2
                                         : 3;
}

// A slot that may be overwritten: the one that remembers something of this database, else the one
// that remembers least.
Slot* FindRoom(Oid database, TimestampTz now) {
  Slot* found = nullptr;
  for (Slot& slot : table->slots) {
    if (Living(slot) || Starting(slot, now)) {
      continue;
    }
    if (slot.database == database) {
      return &slot;
    }
    if (found == nullptr || Worth(slot) < Worth(*found)) {
      found = &slot;
    }
  }
  return found;
}

void Clear(Slot* slot) { *slot = Slot(); }

// How long the database has waited is remembered until a worker is there.
void Reserve(Slot* slot, Oid database, TimestampTz now) {
  const Slot before = *slot;
  Clear(slot);
  if (before.database == database) {
    slot->waits_since = before.waits_since;
    slot->warned_at = before.warned_at;
  }
  slot->state = State::kStarting;
  slot->database = database;
  slot->since = now;
}

// The database waits for a worker, from a time on.
void Await(Slot* slot, Oid database, TimestampTz now, TimestampTz from) {
  const bool waits = slot->state == State::kWaiting && slot->database == database;
  const TimestampTz earlier = waits ? slot->waits_from : from;
  Reserve(slot, database, now);
  slot->state = State::kWaiting;
  slot->waits_since = slot->waits_since == 0 ? now : slot->waits_since;
  slot->waits_from = std::min(earlier, from);
}

int CountAll(TimestampTz now) {
  int count = 0;
  for (const Slot& slot : table->slots) {
    count += Living(slot) || Starting(slot, now) ? 1 : 0;
  }
  return count;
}

// The database that has waited longest, of those whose time has come, other than `but`.
Slot* FirstWaiting(TimestampTz from, Oid but) {
  Slot* first = nullptr;
  for (Slot& slot : table->slots) {
    if (slot.state == State::kWaiting && slot.database != but && slot.waits_from <= from &&
        (first == nullptr || slot.waits_since < first->waits_since)) {
      first = &slot;
    }
  }
  return first;
}

// Of a worker of another database that has nothing to do, to wake it: it sees who waits, and
// leaves.
Latch* LatchOfIdle(Oid but) {
  for (const Slot& slot : table->slots) {
    if (slot.state == State::kIdle && slot.database != but && !slot.wanted) {
      return slot.latch;
    }
  }
  return nullptr;
}

// The slot of a worker that leaves, as what its database is remembered by from now on.
void Leave(State state, TimestampTz now) {
  const Oid database = mine->database;
  Clear(mine);
  mine->state = state;
  mine->database = database;
  mine->since = now;
  mine = nullptr;
}

uint64_t& Counter(Oid database, Oid target) {
  return table->leases_taken[(database * 31u + target * 2654435761u) % kCounters];
}

void FreeMine(int, Datum) {
  if (mine != nullptr) {
    Locked locked;
    Clear(mine);
    mine = nullptr;
  }
}

}  // namespace

void AttachSlots() {
  if (table != nullptr) {
    return;
  }
  pg::Call([] {
    bool found;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    // The size is part of the name: a library of another version, loaded after an upgrade, makes a
    // table of its own.
    char name[SHMEM_INDEX_KEYSIZE];
    snprintf(name, sizeof(name), "pg_mend workers, %zu bytes", sizeof(Table));
    auto* made = static_cast<Table*>(ShmemInitStruct(name, sizeof(Table), &found));
    if (!found) {
      memset(made, 0, sizeof(Table));
      SpinLockInit(&made->lock);
      ConditionVariableInit(&made->released);
    }
    LWLockRelease(AddinShmemInitLock);
    table = made;
  });
}

bool RequestWorker(Oid database, Oid target, int limit, int server_limit) {
  TimestampTz now = GetCurrentTimestamp();
  Latch* latch = nullptr;
  Latch* idle = nullptr;
  bool start = false;
  {
    Locked locked;
    Slot* best = nullptr;
    bool starting = false;
    bool stopped = false;
    int count = 0;
    for (Slot& slot : table->slots) {
      stopped = stopped || (slot.state == State::kStopped && slot.database == database &&
                            now - slot.since < kStoppedLasts);
      if (slot.database != database || !(Living(slot) || Starting(slot, now))) {
        continue;
      }
      if (slot.state == State::kHealing && slot.target == target) {
        slot.wanted = true;
        return false;
      }
      ++count;
      starting = starting || slot.state == State::kStarting;
      if (best == nullptr || (best->state != State::kIdle && slot.state == State::kIdle)) {
        best = &slot;
      }
    }
    if (best != nullptr && !best->wanted) {
      best->wanted = true;
      latch = best->latch;
    }
    bool all_busy = best == nullptr || (best->state != State::kIdle && !starting);
    Slot* room = all_busy && !stopped && count < limit ? FindRoom(database, now) : nullptr;
    if (room != nullptr && CountAll(now) < server_limit) {
      Reserve(room, database, now);
      start = true;
    } else if (room != nullptr && count == 0) {
      Await(room, database, now, now);
      idle = LatchOfIdle(database);
    }
  }
  if (latch != nullptr) {
    SetLatch(latch);
  }
  if (idle != nullptr) {
    SetLatch(idle);
  }
  return start;
}

Oid ReserveForWaiting(int server_limit, bool early) {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  const int count = CountAll(now);
  Slot* slot = FirstWaiting(now, InvalidOid);
  if (slot == nullptr && early && count == 0) {
    slot = FirstWaiting(PG_INT64_MAX, InvalidOid);
  }
  if (slot == nullptr || count >= server_limit) {
    return InvalidOid;
  }
  const Oid database = slot->database;
  Reserve(slot, database, now);
  return database;
}

bool OthersWait() {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  return FirstWaiting(now, mine->database) != nullptr;
}

bool TurnIsOver() {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  return now - mine->since >= kTurnLasts && FirstWaiting(now, mine->database) != nullptr;
}

bool NeedsWorker(Oid database) {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  bool known = false;
  for (const Slot& slot : table->slots) {
    if (slot.database == database && slot.state != State::kFree) {
      if (slot.state == State::kWaiting) {
        return slot.waits_from <= now;
      }
      known = known || slot.state != State::kStarting || Starting(slot, now);
    }
  }
  return !known;
}

void MarkLooked(Oid database) {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  Slot* slot = FindRoom(database, now);
  if (slot != nullptr && (slot->database != database || slot->state == State::kFree)) {
    Reserve(slot, database, now);
    slot->state = State::kLeft;
  }
}

bool MustWarn(Oid database, int64_t waits_longer_than_ms, WaitSeen* seen) {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  for (Slot& slot : table->slots) {
    if (slot.database == database && slot.state == State::kWaiting && slot.waits_from <= now &&
        now - std::max(slot.waits_since, slot.waits_from) >= waits_longer_than_ms * 1000 &&
        (slot.warned_at == 0 || now - slot.warned_at >= kBetweenWarnings)) {
      slot.warned_at = now;
      *seen = {std::max(slot.waits_since, slot.waits_from), slot.no_room};
      return true;
    }
  }
  return false;
}

void AllowRestart(Oid database) {
  Locked locked;
  for (Slot& slot : table->slots) {
    if (slot.state == State::kStopped && slot.database == database) {
      Clear(&slot);
    }
  }
}

void MarkRegistrationFailed(Oid database) {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  for (Slot& slot : table->slots) {
    if (slot.state == State::kStarting && slot.database == database) {
      Await(&slot, database, now, now);
      slot.no_room = true;
    }
  }
}

void WakeAllWorkers(Oid database) {
  Latch* latches[kSlots];
  int count = 0;
  {
    Locked locked;
    for (Slot& slot : table->slots) {
      if (slot.database == database && Living(slot)) {
        slot.wanted = true;
        latches[count++] = slot.latch;
      }
    }
  }
  for (int i = 0; i < count; ++i) {
    SetLatch(latches[i]);
  }
}

bool ClaimSlot(Oid database) {
  TimestampTz now = GetCurrentTimestamp();
  {
    Locked locked;
    Slot* slot = nullptr;
    for (Slot& candidate : table->slots) {
      if (candidate.database == database && !Living(candidate)) {
        slot = slot == nullptr || candidate.state == State::kStarting ? &candidate : slot;
        if (candidate.state != State::kStarting) {
          Clear(&candidate);
        }
      }
    }
    slot = slot != nullptr ? slot : FindRoom(database, now);
    if (slot == nullptr) {
      return false;
    }
    Clear(slot);
    slot->state = State::kIdle;
    slot->database = database;
    slot->pid = MyProcPid;
    slot->latch = MyLatch;
    slot->since = now;
    mine = slot;
  }
  on_shmem_exit(FreeMine, 0);
  return true;
}

bool ReleaseSlot(int others) {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  int remaining = 0;
  for (const Slot& slot : table->slots) {
    remaining += &slot != mine && slot.database == mine->database && Living(slot) ? 1 : 0;
  }
  if (mine->wanted || remaining < others) {
    return false;
  }
  Leave(State::kLeft, now);
  return true;
}

bool ReleaseSlotIdle(std::optional<int64_t> next_ms) {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  if (mine->wanted) {
    return false;
  }
  Slot* slot = mine;
  const Oid database = mine->database;
  Leave(State::kLeft, now);
  if (next_ms) {
    Await(slot, database, now, now + *next_ms * 1000);
  }
  return true;
}

void ReleaseSlotBusy() {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  Slot* slot = mine;
  const Oid database = mine->database;
  Leave(State::kLeft, now);
  Await(slot, database, now, now);
}

bool ReleaseSlotStopped() {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  if (mine->wanted) {
    return false;
  }
  Leave(State::kStopped, now);
  return true;
}

bool Wanted() {
  Locked locked;
  return mine->wanted;
}

bool TakeWanted() {
  Locked locked;
  bool wanted = mine->wanted;
  mine->wanted = false;
  return wanted;
}

bool Lease(Oid target) {
  Locked locked;
  for (const Slot& slot : table->slots) {
    if (slot.state == State::kHealing && slot.database == mine->database && slot.target == target) {
      return false;
    }
  }
  mine->state = State::kHealing;
  mine->target = target;
  mine->tried = 0;
  ++Counter(mine->database, target);
  ++Counter(mine->database, InvalidOid);
  return true;
}

void ReleaseLease() {
  {
    Locked locked;
    mine->state = State::kIdle;
    mine->target = InvalidOid;
  }
  ConditionVariableBroadcast(&table->released);
}

void ShowTried(int64_t rows) {
  Locked locked;
  mine->tried = rows;
}

LeaseMark Leases(Oid target) {
  AttachSlots();
  Locked locked;
  LeaseMark mark{false, Counter(MyDatabaseId, target)};
  for (const Slot& slot : table->slots) {
    mark.held = mark.held || (slot.state == State::kHealing && slot.database == MyDatabaseId &&
                              (target == InvalidOid || slot.target == target));
  }
  return mark;
}

void AwaitRelease(long ms) {
  pg::Call([&] { ConditionVariableTimedSleep(&table->released, ms, PG_WAIT_EXTENSION); });
}

std::vector<WorkerSeen> WorkersOf(Oid database) {
  AttachSlots();
  std::vector<WorkerSeen> workers(kSlots);
  size_t count = 0;
  TimestampTz now = GetCurrentTimestamp();
  {
    Locked locked;
    for (const Slot& slot : table->slots) {
      if (slot.database == database && (Living(slot) || Starting(slot, now))) {
        const char* state = slot.state == State::kHealing ? "healing"
                            : slot.state == State::kIdle  ? "idle"
                                                          : "starting";
        workers[count++] = {slot.pid, slot.target, state, slot.tried};
      }
    }
  }
  workers.resize(count);
  return workers;
}

std::optional<WaitSeen> WaitOf(Oid database) {
  AttachSlots();
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  for (const Slot& slot : table->slots) {
    if (slot.state == State::kWaiting && slot.database == database && slot.waits_from <= now) {
      return WaitSeen{slot.waits_since, slot.no_room};
    }
  }
  return std::nullopt;
}

}  // namespace mend::worker
