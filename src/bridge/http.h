// MCP over Streamable HTTP, by libmicrohttpd.
#pragma once

#include "bridge/database.h"
#include "bridge/options.h"
#include "core/mcp/server.h"

namespace mend::bridge {

// Serves until SIGTERM or SIGINT comes, and answers the exit status. Refuses an address that is not
// loopback without a token. Says on stderr where it listens (with port 0, which port it got).
int ServeHttp(const mcp::Server& server, Database* database, const Options& options);

}  // namespace mend::bridge
