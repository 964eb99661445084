// Waiting without holding anything.
#pragma once

#include "server/pg/call.h"

namespace mend::pg {

// Waits at most `ms` for the latch of this process, and resets it; true when it was set. Throws on
// a pending cancel; ends the process on a termination, and when the postmaster has died.
bool Nap(long ms);

// Waits `ms`, whatever happens to the latch meanwhile. Not interruptible: keep it to milliseconds.
void Sleep(long ms);

}  // namespace mend::pg
