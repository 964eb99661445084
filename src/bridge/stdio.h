// MCP over standard input and output: one message a line.
#pragma once

#include "bridge/database.h"
#include "core/mcp/server.h"

namespace mend::bridge {

// Serves until the client closes its end or SIGTERM or SIGINT comes, and answers the exit status.
// Requests are served one after the other, in a thread of their own: what needs no database, and
// cancellations, do not wait for them. What is asked when input ends is still answered, for a
// while.
int ServeStdio(const mcp::Server& server, Database* database);

}  // namespace mend::bridge
