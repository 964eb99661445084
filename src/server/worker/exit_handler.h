// Leaving in good order when the server is shut down.
#pragma once

#include "server/pg/call.h"

namespace mend::worker {

// Once, when connected: has SIGTERM noted with its sender. When the postmaster ends the process, no
// row is held to have brought it down: what was in flight is rolled back and no longer marked. A
// row whose trigger ends the worker, or a person who does, is not the postmaster. When code of the
// table goes on although it was cancelled, that is held against what it was run for: the row that
// was judged, the patch that was altering the table, or the rows in flight. The table rests, and
// another worker takes this one's place.
void InstallExitHandler();

// The table that is being healed, InvalidOid between rounds.
void SetHealingTarget(Oid target);

}  // namespace mend::worker
