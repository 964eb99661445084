// What a heal round asks of the process that runs it.
#pragma once

#include <string>

#include "server/pg/postgres.h"

namespace mend::heal {

// Thrown in the middle of a round when the worker must yield the table: healing was switched off,
// the table was paused or unenrolled, the database is wanted for itself, or the turn of another
// table or database has come. What was committed stays.
struct MustYield {};

class RoundHost {
 public:
  virtual ~RoundHost() = default;
  // Between two batches of a round of `target`, inside a transaction or not: throws MustYield when
  // the worker must yield. Looks a few times a second, or as seldom as told, however often it is
  // called.
  virtual void CheckMustYield(Oid target, int between_looks_ms = 200) = 0;
  // Whether another database waits for the worker, which has served this one for its turn.
  virtual bool TurnIsOver() = 0;
  // Whether another table of the database is due that no worker takes. Inside a transaction or not;
  // looks now and then, however often it is called.
  virtual bool OthersAreDue(Oid target) = 0;
  // Says in pg_stat_activity what the worker is doing.
  virtual void ShowProgress(const std::string& what) = 0;
  // How many rows the round has tried to store so far, for those who look on.
  virtual void ShowTried(int64_t rows) = 0;
};

}  // namespace mend::heal
