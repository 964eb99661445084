#include "server/worker/slot_table.h"

#include <algorithm>

namespace mend::worker {

SlotTable* slot_table = nullptr;
Slot* own_slot = nullptr;

void AttachSlots() {
  if (slot_table != nullptr) {
    return;
  }
  pg::Call([] {
    bool found;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    // The size is part of the name: a library of another version, loaded after an upgrade, makes a
    // table of its own.
    char name[SHMEM_INDEX_KEYSIZE];
    snprintf(name, sizeof(name), "pg_mend workers, %zu bytes", sizeof(SlotTable));
    auto* made = static_cast<SlotTable*>(ShmemInitStruct(name, sizeof(SlotTable), &found));
    if (!found) {
      memset(made, 0, sizeof(SlotTable));
      SpinLockInit(&made->lock);
      ConditionVariableInit(&made->released);
    }
    LWLockRelease(AddinShmemInitLock);
    slot_table = made;
  });
}

bool Living(const Slot& slot) {
  return slot.state == State::kIdle || slot.state == State::kHealing;
}

bool Starting(const Slot& slot, TimestampTz now) {
  return slot.state == State::kStarting && now - slot.since < kStartingLasts;
}

namespace {

// How much would be lost with what a slot remembers.
int Worth(const Slot& slot) {
  return slot.state == State::kFree      ? 0
         : slot.state == State::kLeft    ? 1
         : slot.state == State::kStopped ? 2
                                         : 3;
}

}  // namespace

Slot* FindRoom(Oid database, TimestampTz now) {
  Slot* found = nullptr;
  for (Slot& slot : slot_table->slots) {
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

void Await(Slot* slot, Oid database, TimestampTz now, TimestampTz from) {
  const bool waits = slot->state == State::kWaiting && slot->database == database;
  const TimestampTz earlier = waits ? slot->waits_from : from;
  Reserve(slot, database, now);
  slot->state = State::kWaiting;
  slot->waits_since = slot->waits_since == 0 ? now : slot->waits_since;
  slot->waits_from = std::min(earlier, from);
}

Slot* FirstWaiting(TimestampTz from, Oid but) {
  Slot* first = nullptr;
  for (Slot& slot : slot_table->slots) {
    if (slot.state == State::kWaiting && slot.database != but && slot.waits_from <= from &&
        (first == nullptr || slot.waits_since < first->waits_since)) {
      first = &slot;
    }
  }
  return first;
}

}  // namespace mend::worker
