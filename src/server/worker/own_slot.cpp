#include "server/worker/own_slot.h"

#include "server/worker/slot_table.h"

namespace mend::worker {
namespace {

// How long a worker heals while another database waits for one.
constexpr int64_t kTurnLasts = 5 * 1000000LL;

// The slot of a worker that leaves, as what its database is remembered by from now on.
void LeaveSlot(State state, TimestampTz now) {
  const Oid database = own_slot->database;
  Clear(own_slot);
  own_slot->state = state;
  own_slot->database = database;
  own_slot->since = now;
  own_slot = nullptr;
}

void FreeOwnSlot(int, Datum) {
  if (own_slot != nullptr) {
    Locked locked;
    Clear(own_slot);
    own_slot = nullptr;
  }
}

}  // namespace

bool ClaimSlot(Oid database) {
  TimestampTz now = GetCurrentTimestamp();
  {
    Locked locked;
    Slot* slot = nullptr;
    for (Slot& candidate : slot_table->slots) {
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
    own_slot = slot;
  }
  on_shmem_exit(FreeOwnSlot, 0);
  return true;
}

bool ReleaseSlot(int others) {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  int remaining = 0;
  for (const Slot& slot : slot_table->slots) {
    remaining += &slot != own_slot && slot.database == own_slot->database && Living(slot) ? 1 : 0;
  }
  if (own_slot->wanted || remaining < others) {
    return false;
  }
  LeaveSlot(State::kLeft, now);
  return true;
}

bool ReleaseSlotIdle(std::optional<int64_t> next_ms) {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  if (own_slot->wanted) {
    return false;
  }
  Slot* slot = own_slot;
  const Oid database = own_slot->database;
  LeaveSlot(State::kLeft, now);
  if (next_ms) {
    Await(slot, database, now, now + *next_ms * 1000);
  }
  return true;
}

void ReleaseSlotBusy() {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  Slot* slot = own_slot;
  const Oid database = own_slot->database;
  LeaveSlot(State::kLeft, now);
  Await(slot, database, now, now);
}

bool ReleaseSlotStopped() {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  if (own_slot->wanted) {
    return false;
  }
  LeaveSlot(State::kStopped, now);
  return true;
}

bool Wanted() {
  Locked locked;
  return own_slot->wanted;
}

bool TakeWanted() {
  Locked locked;
  bool wanted = own_slot->wanted;
  own_slot->wanted = false;
  return wanted;
}

void BeginTurn() {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  own_slot->since = now;
}

bool OthersWait() {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  return FirstWaiting(now, own_slot->database) != nullptr;
}

bool TurnIsOver() {
  TimestampTz now = GetCurrentTimestamp();
  Locked locked;
  return now - own_slot->since >= kTurnLasts && FirstWaiting(now, own_slot->database) != nullptr;
}

void ShowTried(int64_t rows) {
  Locked locked;
  own_slot->tried = rows;
}

}  // namespace mend::worker
