// What there is to do, as the view mend.work tells, and what went wrong doing it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/pg/error.h"

namespace mend::worker {

struct DueTable {
  Oid target;
  std::string name;
  bool failing;  // its last round ended in an error
};

struct Outlook {
  std::vector<DueTable> due;
  std::optional<int64_t> next_ms;  // until the next table is due by itself
  bool stopped = false;            // by mend.stop()
  bool prepared = false;  // a prepared transaction may bring rows, and COMMIT PREPARED calls nobody
};

// Needs a transaction and the lock on the extension.
Outlook LookForWork();
// Whether that is still so of one table. Needs a transaction.
bool StillDue(Oid target);

// Books an error of a round: the table is not due again, new rows or not, for a time that grows
// with the failures in a row, and for `at_least_ms`. Needs a transaction. The rows in flight are
// forgotten, unless the worker goes down with them.
void BookFailure(Oid target, const pg::Error& error, int64_t at_least_ms = 0,
                 bool goes_down = false);

// Takes that back after a round that went well. Needs a transaction.
void BookRecovery(Oid target);

}  // namespace mend::worker
