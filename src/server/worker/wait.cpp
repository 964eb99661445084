#include "server/worker/wait.h"

#include <string>
#include <vector>

#include "server/guard/landing_table.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/worker/leases.h"
#include "server/worker/slots.h"
#include "server/worker/wake.h"

namespace mend::worker {
namespace {

constexpr long kBetweenLooksMs = 20;

// Some of the tables that are due, enough to keep every worker busy.
std::vector<Oid> Due(Oid target) {
  pg::Rows rows = pg::RunPrepared(
      "SELECT target::oid FROM mend.work WHERE due AND ($1 = 0::oid OR target::oid = $1) LIMIT 32",
      {pg::ObjectId(target)});
  std::vector<Oid> due;
  for (size_t i = 0; i < rows.size(); ++i) {
    due.push_back(rows.oid(i, 0));
  }
  return due;
}

// How much is queued, for which tables and why it waits is for mend_admin.
std::string WhatIsLeft(Oid target) {
  if (!guard::IsAdmin()) {
    return "Members of mend_admin are told what is left.";
  }
  pg::Rows counts = pg::RunPrepared(
      "SELECT count(*) FILTER (WHERE w.due), (SELECT count(*) FROM mend.queue q WHERE $1 = 0::oid "
      "OR q.target::oid = $1) "
      "FROM mend.work w WHERE $1 = 0::oid OR w.target::oid = $1",
      {pg::ObjectId(target)});
  std::string left = "Tables with work: " + counts.text(0, 0) +
                     ", rows queued: " + counts.text(0, 1) +
                     ", workers: " + std::to_string(WorkersOf(MyDatabaseId).size()) + ".";
  if (const std::optional<WaitSeen> wait = WaitOf(MyDatabaseId)) {
    left += wait->no_room ? " No room for another background worker: see max_worker_processes."
                          : " All mend.max_server_workers are busy in other databases.";
  }
  pg::Rows tables = pg::RunPrepared(
      "SELECT format(E'\\n%s: %s queued, %s%s', w.target_name, "
      "(SELECT count(*) FROM mend.queue q WHERE q.target = w.target), coalesce(p.state, 'new'), "
      "', ' || left(p.reason, 200)) "
      "FROM mend.work w LEFT JOIN mend.progress p USING (target) "
      "WHERE w.due AND ($1 = 0::oid OR w.target::oid = $1) ORDER BY w.target_name LIMIT 20",
      {pg::ObjectId(target)});
  for (size_t i = 0; i < tables.size(); ++i) {
    left += tables.text(i, 0);
  }
  return left;
}

// The session is taken from the list of those to wake, however the wait ends.
class EndOfWaiting {
 public:
  EndOfWaiting() = default;
  ~EndOfWaiting() { ConditionVariableCancelSleep(); }
  EndOfWaiting(const EndOfWaiting&) = delete;
  EndOfWaiting& operator=(const EndOfWaiting&) = delete;
};

}  // namespace

void WaitIdle(Oid target, TimestampTz deadline) {
  if (pg::Call([] { return RecoveryInProgress(); })) {
    throw pg::Error(ERRCODE_READ_ONLY_SQL_TRANSACTION,
                    "there is nothing to wait for on a standby: no worker heals here",
                    "CALL it on the primary, or after the promotion.");
  }
  const EndOfWaiting end_of_waiting;
  while (pg::max_workers > 0) {
    // A lease seen before or taken meanwhile: a round may have been half done when we looked.
    LeaseMark before = Leases(target);
    std::vector<Oid> due = Due(target);
    LeaseMark after = Leases(target);
    if (due.empty() && !before.held && !after.held && before.taken == after.taken) {
      return;
    }
    if (GetCurrentTimestamp() >= deadline) {
      throw pg::Error(ERRCODE_QUERY_CANCELED, "pg_mend still has work to do after the time allowed",
                      std::nullopt, WhatIsLeft(target));
    }
    for (Oid table : due) {
      WakeNow(table);
    }
    pg::Call([] { SPI_commit(); });
    AwaitRelease(kBetweenLooksMs);
  }
}

}  // namespace mend::worker
