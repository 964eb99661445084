#include "server/worker/control.h"

#include "server/pg/spi.h"
#include "server/table/enrollment.h"
#include "server/worker/wake.h"

namespace mend::worker {
namespace {

int64_t SystemIdentifier() { return static_cast<int64_t>(GetSystemIdentifier()); }

// A restore gives numbers to somebody else: of tables that were dropped before the dump, of roles,
// of transactions. Names hold, as they do for everything else that a dump restores.
void AdoptPayloads(Oid target, bool other_cluster) {
  pg::RunPrepared("UPDATE mend.queue SET xid = pg_current_xact_id() WHERE target = $1",
                  {pg::ObjectId(target)});
  pg::RunPrepared("DELETE FROM mend.progress WHERE target = $1", {pg::ObjectId(target)});
  for (const char* table : {"queue", "dead_letters"}) {
    std::string books = std::string("mend.") + table;
    pg::RunOnce("UPDATE " + books +
                    " b SET target = 0 FROM mend.enrollments e WHERE b.target = $1 "
                    "AND e.target = b.target AND e.target_name <> b.target_name",
                {pg::ObjectId(target)});
    if (other_cluster) {
      pg::RunOnce("UPDATE " + books +
                      " b SET submitter = r.oid FROM pg_roles r WHERE b.target = $1 "
                      "AND r.rolname = b.submitted_by AND r.oid <> b.submitter",
                  {pg::ObjectId(target)});
      pg::RunOnce("UPDATE " + books +
                      " b SET session_submitter = r.oid FROM pg_roles r WHERE b.target = $1 "
                      "AND r.rolname = b.session_submitted_by AND r.oid <> b.session_submitter",
                  {pg::ObjectId(target)});
    }
  }
}

void AdoptEnrollments() {
  pg::Rows adopted = pg::RunPrepared(
      "WITH before AS (SELECT target, system_identifier <> $1 AS other_cluster FROM "
      "mend.enrollments "
      "WHERE (system_identifier, database_oid) IS DISTINCT FROM ($1, $2) FOR UPDATE) "
      "UPDATE mend.enrollments e SET system_identifier = $1, database_oid = $2 FROM before b "
      "WHERE e.target = b.target RETURNING e.target::oid, e.target_name, b.other_cluster, "
      "to_regclass(e.target_name) IS NOT DISTINCT FROM e.target",
      {pg::Int8(SystemIdentifier()), pg::ObjectId(MyDatabaseId)});
  for (size_t i = 0; i < adopted.size(); ++i) {
    AdoptPayloads(adopted.oid(i, 0), adopted.boolean(i, 2));
    pg::RunPrepared("INSERT INTO mend.events (kind, target_name) VALUES ('adopted', $1)",
                    {pg::Text(std::string_view(adopted.text(i, 1)))});
    if (!adopted.boolean(i, 3)) {
      const char* name = adopted.text(i, 1).c_str();
      pg::Call([&] {
        ereport(WARNING, (errmsg("the name \"%s\" is another table's by now, or nobody's", name),
                          errdetail("What was offered for it becomes dead letters."),
                          errhint("Unenroll it, and enroll the table anew.")));
      });
    }
  }
}

// Only a restore leaves rows in the queue for a table that nobody has enrolled. Found by steps
// along the index from one table to the next: a long queue is not read. The worker makes dead
// letters of them, a batch at a time.
void RequestStrangers() {
  pg::RunPrepared(
      "WITH RECURSIVE queued (target) AS ((SELECT q.target FROM mend.queue q ORDER BY q.target, "
      "q.id LIMIT 1) UNION ALL "
      "SELECT (SELECT q.target FROM mend.queue q WHERE q.target > queued.target ORDER BY q.target, "
      "q.id LIMIT 1) "
      "FROM queued WHERE queued.target IS NOT NULL) "
      "INSERT INTO mend.requests (target) SELECT target FROM queued WHERE target IS NOT NULL "
      "AND NOT EXISTS (SELECT FROM mend.enrollments e WHERE e.target = queued.target)");
}

}  // namespace

bool AtHome(int64_t system_identifier, Oid database) {
  return system_identifier == SystemIdentifier() && database == MyDatabaseId;
}

void Start() {
  pg::RunPrepared("UPDATE mend.control SET stopped = false WHERE stopped");
  AdoptEnrollments();
  RequestStrangers();
  pg::RunPrepared(
      "INSERT INTO mend.requests (target) SELECT target FROM mend.enrollments "
      "WHERE mend.at_home(system_identifier, database_oid) ORDER BY target");
  pg::RunPrepared("INSERT INTO mend.events (kind) VALUES ('started')");
  RestartAtCommit();
}

void Stop() {
  pg::RunPrepared("UPDATE mend.control SET stopped = true");
  pg::RunPrepared("INSERT INTO mend.events (kind) VALUES ('stopped')");
  NotifyWorkersAtCommit();
}

void ResetBreaker(Oid target) {
  table::RequireEnrolled(target);
  pg::RunPrepared("DELETE FROM mend.holds WHERE target IN (0, $1)", {pg::ObjectId(target)});
  pg::RunPrepared("INSERT INTO mend.requests (target, kind) VALUES ($1::regclass, 'reset_breaker')",
                  {pg::ObjectId(target)});
  pg::RunPrepared(
      "INSERT INTO mend.events (kind, target_name) SELECT 'breaker_reset', target_name FROM "
      "mend.enrollments "
      "WHERE target = $1::regclass",
      {pg::ObjectId(target)});
  WakeAtCommit(target);
}

}  // namespace mend::worker
