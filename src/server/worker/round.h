// One heal round.
#pragma once

#include "server/pg/postgres.h"

namespace mend::worker {

// Runs one heal round of a table that this worker has leased, in transactions of its own, and leaves
// mend.progress such that the table is due again (see the view mend.work) only where there is more to
// do. Starts and ends outside a transaction. Throws what it did not expect: the caller backs off.
void RunRound(Oid target);

}  // namespace mend::worker
