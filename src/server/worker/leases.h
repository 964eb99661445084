// Who heals which table: leases, in the slots of the workers.
#pragma once

#include <cstdint>

#include "server/pg/call.h"

namespace mend::worker {

// For a worker (after AttachSlots()). Leases a table: false when another worker has it. A worker
// holds one lease at a time.
bool Lease(Oid target);
void ReleaseLease();

// Whether `target` (InvalidOid: any table) of this database is leased, and a number that changes
// with every lease taken of it: equal numbers and no lease, before and after, mean none between.
struct LeaseMark {
  bool held;
  uint64_t taken;
};
LeaseMark Leases(Oid target);

// Sleeps until a lease is given back, of whatever table, or for `ms`. May return sooner.
void AwaitRelease(long ms);

}  // namespace mend::worker
