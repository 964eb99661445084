#include "server/worker/slots.h"

#include <algorithm>

#include "server/worker/slot_table.h"

namespace mend::worker {
namespace {

constexpr int64_t kStoppedLasts = 1 * 1000000LL;
constexpr int64_t kBetweenWarnings = 60 * 1000000LL;

int CountAll(TimestampTz now) {
  int count = 0;
  for (const Slot& slot : slot_table->slots) {
    count += Living(slot) || Starting(slot, now) ? 1 : 0;
  }
  return count;
}

// Of a worker of another database that has nothing to do, to wake it: it sees who waits, and
// leaves.
Latch* LatchOfIdle(Oid but) {
  for (const Slot& slot : slot_table->slots) {
    if (slot.state == State::kIdle && slot.database != but && !slot.wanted) {
      return slot.latch;
    }
  }
  return nullptr;
}

}  // namespace

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
    for (Slot& slot : slot_table->slots) {
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

bool NeedsWorker(Oid database) {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  bool known = false;
  for (const Slot& slot : slot_table->slots) {
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
  for (Slot& slot : slot_table->slots) {
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
  for (Slot& slot : slot_table->slots) {
    if (slot.state == State::kStopped && slot.database == database) {
      Clear(&slot);
    }
  }
}

void MarkRegistrationFailed(Oid database) {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  for (Slot& slot : slot_table->slots) {
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
    for (Slot& slot : slot_table->slots) {
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

std::vector<WorkerSeen> WorkersOf(Oid database) {
  AttachSlots();
  std::vector<WorkerSeen> workers(kSlots);
  size_t count = 0;
  TimestampTz now = GetCurrentTimestamp();
  {
    Locked locked;
    for (const Slot& slot : slot_table->slots) {
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
  for (const Slot& slot : slot_table->slots) {
    if (slot.state == State::kWaiting && slot.database == database && slot.waits_from <= now) {
      return WaitSeen{slot.waits_since, slot.no_room};
    }
  }
  return std::nullopt;
}

}  // namespace mend::worker
