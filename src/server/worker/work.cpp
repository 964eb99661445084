#include "server/worker/work.h"

#include <algorithm>

#include "core/base/json_writer.h"
#include "core/limits/breaker.h"
#include "server/observe/events.h"
#include "server/pg/spi.h"

namespace mend::worker {

Outlook LookForWork() {
  pg::Rows state = pg::RunPrepared(
      "SELECT c.stopped, $1 AND EXISTS (SELECT FROM pg_prepared_xacts WHERE database = "
      "current_database()) "
      "FROM mend.control c",
      {pg::Bool(max_prepared_xacts > 0)});
  Outlook outlook;
  outlook.stopped = state.boolean(0, 0);
  outlook.prepared = state.boolean(0, 1);
  pg::Rows rows = pg::RunPrepared(
      "SELECT w.target::oid, w.target_name, w.failing, w.due, "
      "ceil(extract(epoch FROM w.next_at - clock_timestamp()) * 1000)::bigint "
      "FROM mend.work w WHERE w.due OR w.next_at IS NOT NULL ORDER BY 1");
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows.boolean(i, 3)) {
      outlook.due.push_back({rows.oid(i, 0), rows.text(i, 1), rows.boolean(i, 2)});
    } else if (!outlook.next_ms || rows.int8(i, 4) < *outlook.next_ms) {
      outlook.next_ms = rows.int8(i, 4);
    }
  }
  return outlook;
}

bool StillDue(Oid target) {
  return !pg::RunPrepared("SELECT FROM mend.work w WHERE w.target = $1::regclass AND w.due",
                          {pg::ObjectId(target)})
              .empty();
}

void BookFailure(Oid target, const pg::Error& error, int64_t at_least_ms, bool goes_down) {
  std::string message = error.sqlstate() + ": " + error.fields().message;
  pg::Rows before = pg::RunPrepared(
      "SELECT e.target_name, p.last_error IS NULL, coalesce(p.failures, 0) FROM mend.enrollments e "
      "LEFT JOIN mend.progress p "
      "USING (target) WHERE e.target = $1::regclass",
      {pg::ObjectId(target)});
  if (before.empty()) {
    // Not enrolled: what a restore has left for it is tried again.
    pg::RunPrepared(
        "UPDATE mend.requests SET requested_at = clock_timestamp() + interval '1 minute' "
        "WHERE target = $1",
        {pg::ObjectId(target)});
    return;
  }
  // People are told once, not once a try.
  if (before.boolean(0, 1)) {
    observe::Record("round_failed", before.text(0, 0), std::nullopt,
                    json::Writer().Object().String("sqlstate", error.sqlstate()).Close().Take(),
                    observe::kWorker);
  }
  const int failures = static_cast<int>(before.int8(0, 2)) + 1;
  pg::RunPrepared(
      "INSERT INTO mend.progress AS p (target, state, reason, last_error, failures, not_before) "
      "SELECT target, 'waiting', 'the last heal round ended in an error', $2, $5, "
      "clock_timestamp() + $3 * interval '1 millisecond' FROM mend.enrollments WHERE target = "
      "$1::regclass FOR KEY SHARE SKIP LOCKED "
      "ON CONFLICT (target) DO UPDATE SET state = excluded.state, reason = excluded.reason, "
      "last_error = excluded.last_error, failures = excluded.failures, not_before = "
      "excluded.not_before, "
      "in_flight = CASE WHEN $4 THEN p.in_flight END",
      {pg::ObjectId(target), pg::Text(std::string_view(message)),
       pg::Int8(std::max(limits::BackoffMs(failures), at_least_ms)), pg::Bool(goes_down),
       pg::Int4(failures)});
}

void BookRecovery(Oid target) {
  pg::RunPrepared(
      "UPDATE mend.progress SET last_error = NULL, failures = 0 WHERE target = $1::regclass "
      "AND (last_error IS NOT NULL OR failures > 0)",
      {pg::ObjectId(target)});
}

}  // namespace mend::worker
