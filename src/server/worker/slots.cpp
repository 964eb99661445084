#include "server/worker/slots.h"

namespace mend::worker {
namespace {

constexpr int kSlots = 128;
constexpr int kCounters = 64;
constexpr int64_t kStartingLasts = 10 * 1000000LL;  // microseconds
constexpr int64_t kStoppedLasts = 1 * 1000000LL;

// Refused and stopped are free slots that remember something of their database.
enum class State { kFree, kRefused, kStopped, kStarting, kIdle, kHealing };

struct Slot {
  State state;
  bool wanted;
  int pid;
  Oid database;
  Oid target;
  Latch* latch;       // in shared memory for ever: setting that of a process long gone is harmless
  TimestampTz since;  // of starting, refused and stopped
  int64_t tried;      // rows, in the round of the lease
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

// A slot that may be overwritten: the one that remembers something of this database, else an empty
// one, else what is remembered of another.
Slot* FindRoom(Oid database, TimestampTz now) {
  Slot* found = nullptr;
  for (Slot& slot : table->slots) {
    if (Living(slot) || Starting(slot, now)) {
      continue;
    }
    if (slot.database == database) {
      return &slot;
    }
    if (found == nullptr || (found->state != State::kFree && slot.state == State::kFree)) {
      found = &slot;
    }
  }
  return found;
}

void Clear(Slot* slot) {
  slot->state = State::kFree;
  slot->wanted = false;
  slot->pid = 0;
  slot->database = InvalidOid;
  slot->target = InvalidOid;
  slot->latch = nullptr;
}

void Reserve(Slot* slot, Oid database, TimestampTz now) {
  Clear(slot);
  slot->state = State::kStarting;
  slot->database = database;
  slot->since = now;
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

bool RequestWorker(Oid database, Oid target, int limit) {
  TimestampTz now = GetCurrentTimestamp();
  Latch* latch = nullptr;
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
    if (room != nullptr) {
      Reserve(room, database, now);
      start = true;
    }
  }
  if (latch != nullptr) {
    SetLatch(latch);
  }
  return start;
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
      slot.state = State::kRefused;
      slot.since = now;
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
    mine = slot;
  }
  on_shmem_exit(FreeMine, 0);
  return true;
}

bool ReleaseSlot(int others) {
  Locked locked;
  int remaining = 0;
  for (const Slot& slot : table->slots) {
    remaining += &slot != mine && slot.database == mine->database && Living(slot) ? 1 : 0;
  }
  if (mine->wanted || remaining < others) {
    return false;
  }
  Clear(mine);
  mine = nullptr;
  return true;
}

bool ReleaseSlotStopped() {
  Oid database = mine->database;
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  if (mine->wanted) {
    return false;
  }
  Clear(mine);
  mine->state = State::kStopped;
  mine->database = database;
  mine->since = now;
  mine = nullptr;
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

TimestampTz RegistrationFailedAt(Oid database) {
  AttachSlots();
  Locked locked;
  for (const Slot& slot : table->slots) {
    if (slot.state == State::kRefused && slot.database == database) {
      return slot.since;
    }
  }
  return 0;
}

}  // namespace mend::worker
