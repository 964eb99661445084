#include "server/worker/yield.h"

#include <optional>
#include <string_view>

#include "server/pg/spi.h"
#include "server/pg/work_transaction.h"
#include "server/worker/leases.h"
#include "server/worker/own_slot.h"
#include "server/worker/work.h"

namespace mend::worker {
namespace {

constexpr const char* kExtension = "pg_mend";
constexpr int kBetweenLooksForOthersMs = 500;

// Whether somebody waits for the database to be free of sessions. Not kept locked, else that would
// wait for the end of our transaction.
bool DatabaseWanted() {
  LOCKTAG database;
  SET_LOCKTAG_OBJECT(database, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
  if (LockAcquire(&database, RowExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL) {
    return true;
  }
  LockRelease(&database, RowExclusiveLock, false);
  return false;
}

struct Pinned {
  const char* name;
  const char* value;
};

constexpr Pinned kPinned[] = {
    {"application_name", "pg_mend worker"},
    {"role", "none"},
    {"search_path", "pg_catalog, pg_temp"},
    {"default_transaction_isolation", "read committed"},
    {"default_transaction_read_only", "off"},
    {"default_transaction_deferrable", "off"},
    {"jit", "off"},
    {"statement_timeout", "0"},
    {"lock_timeout", "0"},
    {"idle_in_transaction_session_timeout", "0"},
#if PG_VERSION_NUM >= 170000
    {"transaction_timeout", "0"},
#endif
};

bool HasLine(std::string_view lines, std::string_view name) {
  for (size_t at = 0; at < lines.size();) {
    size_t end = lines.find('\n', at);
    std::string_view line = lines.substr(at, end == std::string_view::npos ? end : end - at);
    if (line.substr(0, line.find('=')) == name) {
      return true;
    }
    at = end == std::string_view::npos ? lines.size() : end + 1;
  }
  return false;
}

// Whether every setting named in `before` is still named in `after`.
bool StillSet(std::string_view before, std::string_view after) {
  for (size_t at = 0; at < before.size();) {
    size_t end = before.find('\n', at);
    std::string_view line = before.substr(at, end == std::string_view::npos ? end : end - at);
    if (!HasLine(after, line.substr(0, line.find('=')))) {
      return false;
    }
    at = end == std::string_view::npos ? before.size() : end + 1;
  }
  return true;
}

}  // namespace

bool MayStay() {
  return pg::Call([] {
    StartTransactionCommand();
    bool stay = !DatabaseWanted() && OidIsValid(get_extension_oid(kExtension, true));
    CommitTransactionCommand();
    return stay;
  });
}

void WorkerHost::CheckMustYield(Oid target, int between_looks_ms) {
  static TimestampTz looked_at = 0;
  TimestampTz now = GetCurrentTimestamp();
  if (!TimestampDifferenceExceeds(looked_at, now, between_looks_ms)) {
    return;
  }
  looked_at = now;
  std::optional<pg::WorkTransaction> transaction;
  if (!IsTransactionState()) {
    transaction.emplace();
  }
  if (pg::Call([] { return DatabaseWanted(); }) ||
      pg::RunPrepared("SELECT FROM mend.enrollments e, mend.control c WHERE e.target = $1 AND "
                      "e.mode <> 'paused' "
                      "AND NOT c.stopped",
                      {pg::ObjectId(target)})
          .empty()) {
    throw heal::MustYield();
  }
  if (transaction) {
    transaction->Commit();
  }
}

bool WorkerHost::TurnIsOver() { return worker::TurnIsOver(); }

bool WorkerHost::OthersAreDue(Oid target) {
  if (looked_for_others_ && !looked_for_others_->Past(kBetweenLooksForOthersMs)) {
    return false;
  }
  looked_for_others_.emplace();
  const bool were_due = others_were_due_;
  others_were_due_ = false;
  std::optional<pg::WorkTransaction> transaction;
  if (!IsTransactionState()) {
    transaction.emplace();
  }
  for (const DueTable& table : LookForWork().due) {
    others_were_due_ = others_were_due_ || (table.target != target && !Leases(table.target).held);
  }
  if (transaction) {
    transaction->Commit();
  }
  // Another worker may be about to take it: seen twice, it is not.
  return were_due && others_were_due_;
}

void WorkerHost::ShowTried(int64_t rows) { worker::ShowTried(rows); }

void WorkerHost::ShowProgress(const std::string& what) {
  std::string activity = "pg_mend: " + what;
  pg::Call([&] { pgstat_report_activity(STATE_RUNNING, activity.c_str()); });
}

void PinSettings() {
  pg::Call([] {
    // Whoever owns the database may have set it; to look up the name takes a transaction.
    StartTransactionCommand();
    SetConfigOption("session_authorization", GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false),
                    PGC_SUSET, PGC_S_OVERRIDE);
    CommitTransactionCommand();
    for (const Pinned& setting : kPinned) {
      SetConfigOption(setting.name, setting.value, PGC_SUSET, PGC_S_OVERRIDE);
    }
  });
}

bool DatabaseSettings::Refresh() {
  pg::Rows rows = pg::RunPrepared(
      "SELECT array_to_string(setconfig, E'\\n') FROM pg_db_role_setting WHERE setdatabase = $1 "
      "AND setrole = 0",
      {pg::ObjectId(MyDatabaseId)});
  std::string now = rows.empty() ? std::string() : rows.text(0, 0);
  if (known_ && now == settings_) {
    return true;
  }
  pg::Call([] {
    InvalidateCatalogSnapshot();  // it may be older than what we have just read
    Relation settings = table_open(DbRoleSettingRelationId, AccessShareLock);
    ApplySetting(nullptr, MyDatabaseId, InvalidOid, settings, PGC_S_DATABASE);
    table_close(settings, AccessShareLock);
  });
  bool still_set = !known_ || StillSet(settings_, now);
  known_ = true;
  settings_ = now;
  return still_set;
}

}  // namespace mend::worker
