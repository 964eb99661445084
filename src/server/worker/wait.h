// Waiting for the workers.
#pragma once

#include "server/pg/postgres.h"

namespace mend::worker {

// Returns when nothing is left that a worker of this database can do now for `target` (InvalidOid:
// any table); waiting for a person, a breaker or a back-off is nothing. Commits, so that it must
// run in a procedure outside a transaction block, connected to SPI as non-atomic. Throws 57014 with
// what was left when `deadline` has passed.
void WaitIdle(Oid target, TimestampTz deadline);

}  // namespace mend::worker
