#include "server/worker/leases.h"

#include "server/worker/slot_table.h"

namespace mend::worker {
namespace {

uint64_t& Counter(Oid database, Oid target) {
  return slot_table->leases_taken[(database * 31u + target * 2654435761u) % kCounters];
}

}  // namespace

bool Lease(Oid target) {
  Locked locked;
  for (const Slot& slot : slot_table->slots) {
    if (slot.state == State::kHealing && slot.database == own_slot->database &&
        slot.target == target) {
      return false;
    }
  }
  own_slot->state = State::kHealing;
  own_slot->target = target;
  own_slot->tried = 0;
  ++Counter(own_slot->database, target);
  ++Counter(own_slot->database, InvalidOid);
  return true;
}

void ReleaseLease() {
  {
    Locked locked;
    own_slot->state = State::kIdle;
    own_slot->target = InvalidOid;
  }
  ConditionVariableBroadcast(&slot_table->released);
}

LeaseMark Leases(Oid target) {
  AttachSlots();
  Locked locked;
  LeaseMark mark{false, Counter(MyDatabaseId, target)};
  for (const Slot& slot : slot_table->slots) {
    mark.held = mark.held || (slot.state == State::kHealing && slot.database == MyDatabaseId &&
                              (target == InvalidOid || slot.target == target));
  }
  return mark;
}

void AwaitRelease(long ms) {
  pg::Call([&] { ConditionVariableTimedSleep(&slot_table->released, ms, PG_WAIT_EXTENSION); });
}

}  // namespace mend::worker
