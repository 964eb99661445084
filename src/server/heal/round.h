// One heal round for one table: profile, plan, guard, (review), prove, apply, replay.
#pragma once

#include "server/heal/round_host.h"
#include "server/pg/call.h"

namespace mend::heal {

// Does all that can be done now for the table, in transactions of its own; the caller holds the
// table's lease and is in none. Throws errors that say nothing about the rows: the next round goes
// on from what was committed.
void RunRound(RoundHost* host, Oid target);

}  // namespace mend::heal
