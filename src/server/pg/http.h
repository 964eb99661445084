// HTTP from inside a server process: one transport, and interrupts heeded while it waits.
#pragma once

#include "core/net/transport.h"

namespace mend::pg {

// Whether this build can reach out at all: `make NO_NETWORK=1` makes one that cannot, and that asks
// for no transport.
#ifdef MEND_NO_NETWORK
inline constexpr bool kHasNetwork = false;
#else
inline constexpr bool kHasNetwork = true;
#endif

// Made when first asked for, and kept for the life of the process: a worker or a session, never the
// postmaster. Its Send shows in pg_stat_activity as a wait (Extension; MendHttp from PostgreSQL 17
// on), and is to be called outside of any transaction: waiting for a stranger holds no snapshot and
// no lock.
net::Transport& HttpTransport();

// The least that a net::Pulse must do here: throws on a pending cancel, ends the process on a
// termination or when the postmaster has died, and takes part in what PostgreSQL asks of every
// process meanwhile (DROP DATABASE waits for that). True otherwise.
bool HeedInterrupts();

}  // namespace mend::pg
