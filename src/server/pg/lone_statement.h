// Statements that make transactions of their own.
#pragma once

#include <string>

#include "server/pg/call.h"

namespace mend::pg {

// Runs one utility statement outside of any transaction, as if a client of that role had sent it
// alone, in a worker's session. It waits for each lock for `patience_ms` at most, and
// uses no parallel workers. On an error, what its own transactions have committed stays.
void RunAlone(const std::string& sql, Oid role, int patience_ms);

}  // namespace mend::pg
