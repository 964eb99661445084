#include "server/apply/widening_step.h"

#include <climits>

#include "server/apply/active_unit.h"
#include "server/apply/alter.h"
#include "server/guard/healer.h"
#include "server/pg/catalog.h"
#include "server/pg/deadline.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/table/target.h"

namespace mend::apply {
namespace {

// A step that fails so often in a row is for a person.
constexpr int kMostTries = 5;
constexpr int kNever = INT_MAX;

Oid HealerOf(Oid target) { return pg::RoleByName(table::FindTarget(target)->enrollment().healer); }

}  // namespace

Parts FindParts(const Widening& widening) {
  std::optional<Parts> parts = LoadParts(widening);
  if (!parts) {
    throw Gone{"column \"" + widening.column + "\" is gone"};
  }
  if (parts->column != widening.column) {
    throw Gone{"column \"" + widening.column + "\" is now called \"" + parts->column + "\""};
  }
  if (widening.new_attnum > 0 && (!parts->second_exists || !parts->trigger_exists)) {
    throw Gone{std::string(parts->second_exists ? "the trigger " : "the column ") +
               (parts->second_exists ? widening.Trigger() : widening.NewColumn()) +
               " of the widening was dropped"};
  }
  return *parts;
}

void LockReferenced(Oid target, int16_t attnum) {
  for (const Oid table : ReferencedTables(target, attnum)) {
    LockForAlter(table, pg::lock_timeout_ms);
  }
}

void RunStatements(const Widening& widening, const std::vector<std::string>& statements,
                   Oid sequence) {
  if (statements.empty()) {
    return;
  }
  const ActiveUnit altering(ActiveUnit::Kind::Patch, widening.patch);
  if (const std::optional<std::string> unfit =
          guard::RunAsHealer(widening.target, HealerOf(widening.target), statements, sequence)) {
    throw pg::Error(ERRCODE_INSUFFICIENT_PRIVILEGE, "the healer may not heal the table: " + *unfit);
  }
}

std::string WhyWaitForOthers(Oid target) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT (SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(r.replay_lsn, "
      "r.flush_lsn, "
      "r.sent_lsn))) > 64 * 1024 * 1024 FROM pg_stat_replication r WHERE r.state = 'streaming'), "
      "(SELECT min(a.xact_start) < clock_timestamp() - interval '1 min' FROM pg_locks l JOIN "
      "pg_stat_activity a USING (pid) WHERE l.locktype = 'relation' AND l.relation = $1 AND "
      "l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND "
      "l.granted AND l.pid <> pg_backend_pid() AND a.backend_type <> 'autovacuum worker')",
      {pg::ObjectId(target)});
  if (rows.boolean(0, 0)) {
    return "a standby is more than 64 MB behind";
  }
  return rows.boolean(0, 1) ? "a transaction that uses the table has been open for a minute" : "";
}

StepFailure FailureOf(const pg::Error& error) {
  if (error.MustPropagate() && !pg::Deadline::IsTimeout(error)) {
    throw error;
  }
  if (error.sqlerrcode() == ERRCODE_LOCK_NOT_AVAILABLE) {
    return {"waits for the lock on the table", kNever};
  }
  const bool waits =
      error.IsClass("40") || error.IsClass("53") || error.IsClass("57") || error.IsClass("58");
  return {error.sqlstate() + ": " + error.what(), waits ? kNever : kMostTries};
}

}  // namespace mend::apply
