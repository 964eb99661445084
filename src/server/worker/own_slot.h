// A worker's own slot, from its start to its exit. After AttachSlots() (slots.h).
#pragma once

#include <cstdint>
#include <optional>

#include "server/pg/call.h"

namespace mend::worker {

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
// The worker can work from now on: what it took to start is no part of its turn.
void BeginTurn();
// Whether another database waits for a worker; TurnIsOver: and this one has worked long enough.
bool OthersWait();
bool TurnIsOver();

// Whether the worker was wanted since the last TakeWanted; TakeWanted clears the mark.
bool Wanted();
bool TakeWanted();

// How many rows the round has tried to store so far, for those who look on.
void ShowTried(int64_t rows);

}  // namespace mend::worker
