#include "server/worker/control.h"

#include "server/pg/spi.h"
#include "server/worker/wake.h"

namespace mend::worker {
namespace {

int64_t SystemIdentifier() { return static_cast<int64_t>(GetSystemIdentifier()); }

// The queue's transaction numbers mean nothing in another cluster: its rows become rows of today.
void AdoptEnrollments() {
  pg::Rows adopted = pg::KeepBooks(
      "UPDATE mend.enrollments SET system_identifier = $1, database_oid = $2 "
      "WHERE (system_identifier, database_oid) IS DISTINCT FROM ($1, $2) AND to_regclass(target_name) = target "
      "RETURNING target::oid, target_name",
      {pg::Int8(SystemIdentifier()), pg::ObjectId(MyDatabaseId)});
  for (size_t i = 0; i < adopted.size(); ++i) {
    pg::KeepBooks("UPDATE mend.queue SET xid = pg_current_xact_id() WHERE target = $1::regclass",
                  {pg::ObjectId(adopted.oid(i, 0))});
    pg::KeepBooks("DELETE FROM mend.progress WHERE target = $1::regclass", {pg::ObjectId(adopted.oid(i, 0))});
    pg::KeepBooks("INSERT INTO mend.events (kind, target_name) VALUES ('adopted', $1)",
                  {pg::Text(std::string_view(adopted.text(i, 1)))});
  }
  pg::Rows strangers = pg::KeepBooks(
      "SELECT target_name FROM mend.enrollments WHERE NOT mend.at_home(system_identifier, database_oid) ORDER BY 1");
  for (size_t i = 0; i < strangers.size(); ++i) {
    const char* name = strangers.text(i, 0).c_str();
    pg::Call([&] {
      ereport(WARNING, (errmsg("enrolment of \"%s\" is not taken over: the name is another table's or nobody's", name),
                        errhint("Unenroll it, and enroll the table anew.")));
    });
  }
}

}  // namespace

bool AtHome(int64_t system_identifier, Oid database) {
  return system_identifier == SystemIdentifier() && database == MyDatabaseId;
}

void Start() {
  pg::KeepBooks("UPDATE mend.control SET stopped = false WHERE stopped");
  AdoptEnrollments();
  pg::KeepBooks(
      "INSERT INTO mend.progress AS p (target) SELECT target FROM mend.enrollments "
      "WHERE mend.at_home(system_identifier, database_oid) ORDER BY target "
      "ON CONFLICT (target) DO UPDATE SET requested = p.requested + 1");
  pg::KeepBooks("INSERT INTO mend.events (kind) VALUES ('started')");
  RestartAtCommit();
}

void Stop() {
  pg::KeepBooks("UPDATE mend.control SET stopped = true");
  pg::KeepBooks("INSERT INTO mend.events (kind) VALUES ('stopped')");
  TellAtCommit();
}

void RequireEnrolled(Oid target) {
  if (pg::KeepBooks("SELECT target FROM mend.enrollments WHERE target = $1::regclass", {pg::ObjectId(target)}).empty()) {
    pg::Rows name = pg::KeepBooks("SELECT $1::regclass::text", {pg::ObjectId(target)});
    throw pg::Error(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "table " + name.text(0, 0) + " is not enrolled",
                    "SELECT mend.enroll('" + name.text(0, 0) + "');");
  }
}

void ResetBreaker(Oid target) {
  RequireEnrolled(target);
  pg::KeepBooks(
      "INSERT INTO mend.progress AS p (target, breaker_reset) VALUES ($1::regclass, clock_timestamp()) "
      "ON CONFLICT (target) DO UPDATE SET requested = p.requested + 1, breaker_until = NULL, "
      "breaker_reset = excluded.breaker_reset, lock_tries = 0, lock_until = NULL, not_before = NULL, "
      "state = 'idle', reason = NULL, last_error = NULL",
      {pg::ObjectId(target)});
  pg::KeepBooks(
      "INSERT INTO mend.events (kind, target_name) SELECT 'breaker_reset', target_name FROM mend.enrollments "
      "WHERE target = $1::regclass",
      {pg::ObjectId(target)});
  WakeAtCommit(target);
}

}  // namespace mend::worker
