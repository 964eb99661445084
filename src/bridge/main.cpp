// mend-mcp: MCP on one side, PostgreSQL on the other.
#include "bridge/database.h"
#include "bridge/http.h"
#include "bridge/options.h"
#include "bridge/signals.h"
#include "bridge/stdio.h"
#include "core/mcp/server.h"

int main(int count, char** arguments) {
  using namespace mend;
  const bridge::Options options = bridge::ReadOptions(count, arguments);
  bridge::CatchSignals();
  bridge::Database database(options, options.http.empty() ? 1 : options.connections);
  const mcp::Server server(&database, MEND_VERSION);
  return options.http.empty() ? bridge::ServeStdio(server, &database)
                              : bridge::ServeHttp(server, &database, options);
}
