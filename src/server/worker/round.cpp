#include "server/worker/round.h"

#include "server/pg/spi.h"
#include "server/pg/transaction.h"
#include "server/worker/presence.h"

namespace mend::worker {

void RunRound(Oid target) {
  pg::Transaction transaction;
  if (!MayHeal()) {
    return;
  }
  pg::KeepBooks(
      "INSERT INTO mend.progress AS p (target, done, folded) VALUES ($1::regclass, 1, pg_current_snapshot()) "
      "ON CONFLICT (target) DO UPDATE SET done = p.requested, folded = pg_current_snapshot(), not_before = NULL",
      {pg::ObjectId(target)});
  transaction.Commit();
}

}  // namespace mend::worker
