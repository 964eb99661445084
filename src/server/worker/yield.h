// Whether a worker may be here at all, and under which settings.
#pragma once

#include <optional>
#include <string>

#include "server/heal/round_host.h"
#include "server/pg/call.h"
#include "server/pg/deadline.h"

namespace mend::worker {

// For a worker that naps: whether the extension is there and nobody waits for the database to be
// free of sessions (DROP DATABASE, CREATE DATABASE from it as template). One short transaction.
bool MayStay();

// What a round asks of a worker process.
class WorkerHost final : public heal::RoundHost {
 public:
  void CheckMustYield(Oid target, int between_looks_ms) override;
  bool TurnIsOver() override;
  void ShowProgress(const std::string& what) override;
  void ShowTried(int64_t rows) override;
  bool OthersAreDue(Oid target) override;

 private:
  std::optional<pg::Stopwatch> looked_for_others_;
  bool others_were_due_ = false;
};

// Settings that no database or role may impose on a worker; survive RESET ALL. Once, when
// connected.
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
