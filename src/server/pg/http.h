// HTTP from inside a server process: one transport, and interrupts heeded while it waits.
#pragma once

#include "core/net/transport.h"

namespace mend::pg {

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
