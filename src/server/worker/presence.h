// Whether a worker may be here at all, and under which settings.
#pragma once

#include <string>

#include "server/pg/call.h"

namespace mend::worker {

// For a worker that naps: whether the extension is there and nobody waits for the database to be free
// of sessions (DROP DATABASE, CREATE DATABASE from it as template). One short transaction.
bool MayStay();

// Thrown in the middle of a round when the worker is to let go of the table: healing was switched off,
// the table was paused or unenrolled, or the database is wanted for itself. What was committed stays.
struct LetGo {};

// Between two batches of a round of `target`, inside a transaction or not: throws LetGo when the worker
// must let go. Looks a few times a second, or as seldom as told, however often it is called.
void MayGoOn(Oid target, int between_looks_ms = 200);

// Says in pg_stat_activity what the worker is at.
void ShowProgress(const std::string& what);

// Settings that no database or role may impose on a worker; survive RESET ALL. Once, when connected.
void PinSettings();

// Follows ALTER DATABASE ... SET and RESET in a running worker.
class DatabaseSettings {
 public:
  // Takes up what was set since the last call; needs a transaction. False when a setting was reset:
  // PostgreSQL cannot go back to the value below it, a new process must take over.
  bool Refresh();

 private:
  bool known_ = false;
  std::string settings_;  // as lines
};

}  // namespace mend::worker
