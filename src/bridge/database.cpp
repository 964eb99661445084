#include "bridge/database.h"

#include <cstdio>

#include "core/mcp/tool_service.h"
#include "core/tools/registry.h"

namespace mend::bridge {
namespace {

using std::chrono::seconds;

constexpr seconds kConnectTimeout{10};
// The server ends a statement itself; the connection is given up only when it does not.
constexpr seconds kGrace{5};
constexpr seconds kPatience{15};  // for a free connection
constexpr size_t kMaxTableNames = 1000;

// Names are found in pg_catalog alone, but where the caller's path is asked for.
constexpr std::string_view kOwnPath = "SET LOCAL search_path = pg_catalog, pg_temp";
constexpr std::string_view kCallersPath = "SET LOCAL search_path TO DEFAULT";

// What to do about an error, where the server does not say.
std::string HintFor(const std::string& sqlstate) {
  const std::string sqlclass = sqlstate.substr(0, 2);
  if (sqlclass == "08" || sqlclass == "57" || sqlstate == "53300") {
    if (sqlstate == "57014")
      return "It took too long, or was cancelled: ask for less, or start mend-mcp with a longer "
             "--statement-timeout.";
    return "The database cannot be reached now. Try again in a moment: mend-mcp reconnects by "
           "itself.";
  }
  if (sqlstate == "42501")
    return "The role that mend-mcp logs in as may not do this; a member of mend_admin may, in SQL.";
  if (sqlstate == "55P03") return "Somebody holds a lock that this needs. Try again in a moment.";
  if (sqlstate == "25006") return "This server is a standby, or read-only: connect to the primary.";
  if (sqlstate == "3F000" || sqlstate == "42P01" || sqlstate == "42883")
    return "Is pg_mend installed in this database, in this version? CREATE EXTENSION pg_mend;";
  return "";
}

std::string Milliseconds(seconds time) { return std::to_string(time.count() * 1000); }

}  // namespace

Database::Database(const Options& options, size_t connections) : options_(options) {
  for (size_t i = 0; i < connections; ++i) {
    connections_.push_back(std::make_unique<Connection>());
    free_.push_back(connections_.back().get());
  }
}

int64_t Database::Milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch())
      .count();
}

Clock::time_point Database::StatementDeadline() const {
  return Clock::now() + options_.statement_timeout + kGrace;
}

base::Error Database::Explained(base::Error error) const {
  if (error.hint.empty()) error.hint = HintFor(error.sqlstate);
  return error;
}

Connection* Database::Acquire() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!released_.wait_for(lock, kPatience, [this] { return !free_.empty(); })) return nullptr;
  Connection* connection = free_.back();
  free_.pop_back();
  return connection;
}

void Database::Release(Connection* connection) {
  std::lock_guard<std::mutex> lock(mutex_);
  free_.push_back(connection);
  released_.notify_one();
}

void Database::CancelAll() {
  for (const auto& connection : connections_) connection->Cancel();
}

std::optional<base::Error> Database::Begin(Connection& connection, mcp::Access access) {
  const std::string begin =
      std::string(access == mcp::Access::ReadOnly ? "BEGIN READ ONLY" : "BEGIN") +
      "; SET LOCAL statement_timeout = " + bridge::Milliseconds(options_.statement_timeout) +
      "; SET LOCAL lock_timeout = " + bridge::Milliseconds(options_.lock_timeout) +
      "; SET LOCAL idle_in_transaction_session_timeout = " + bridge::Milliseconds(seconds(60)) +
      "; " + std::string(kOwnPath);
  connection.AwaitCancellations();
  const bool reused = connection.usable();
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (!connection.usable()) {
      if (auto error = connection.Open(options_.target, Clock::now() + kConnectTimeout))
        return error;
    }
    const auto begun = connection.Query(begin, {}, StatementDeadline());
    if (begun) return std::nullopt;
    if (connection.usable() || !reused) return begun.error();
  }
  return base::Error{"08006", "the connection to the database was lost", ""};
}

base::Result<std::vector<Cells>> Database::InTransaction(mcp::Access access, const Body& body) {
  Connection* connection = Acquire();
  if (connection == nullptr) {
    return Explained({"53300", "all connections of mend-mcp to the database are busy", ""});
  }
  struct Lease {
    Database* database;
    Connection* connection;
    ~Lease() { database->Release(connection); }
  } lease = {this, connection};

  if (auto error = Begin(*connection, access)) return Explained(*error);
  auto rows = body(*connection);
  if (!rows) {
    connection->AwaitCancellations();
    // What cannot be rolled back must not be found by the next transaction.
    if (connection->usable() && !connection->Query("ROLLBACK", {}, StatementDeadline()))
      connection->Close();
    return Explained(rows.error());
  }
  const auto committed = connection->Query("COMMIT", {}, StatementDeadline());
  if (!committed) return Explained(committed.error());
  return rows;
}

base::Result<std::string> Database::FindTable(Connection& connection, const std::string& name) {
  auto found = connection.Query(mcp::kFindTableByName, {name}, StatementDeadline());
  if (!found) return found.error();
  if (found->empty()) {
    if (auto set = connection.Query(kCallersPath, {}, StatementDeadline()); !set)
      return set.error();
    found = connection.Query(mcp::kFindTableOnPath, {name}, StatementDeadline());
    if (!found) return found.error();
    if (auto set = connection.Query(kOwnPath, {}, StatementDeadline()); !set) return set.error();
  }
  if (found->empty()) {
    return base::Error{
        "42P01", "there is no such table",
        "Give the schema-qualified name of a landing table, as ingest_status shows it."};
  }
  const Cells& row = found->front();
  if (row.size() != 2 || !row[0] || !row[1]) {
    return base::Error{
        "55000", "the table is not enrolled",
        "ingest_status lists the landing tables; its owner may enrol it: SELECT mend.enroll(...)."};
  }
  std::lock_guard<std::mutex> lock(mutex_);
  if (table_names_.size() >= kMaxTableNames) table_names_.clear();
  table_names_[name] = *row[1];
  return *row[0];
}

base::Result<std::vector<Cells>> Database::Serve(Connection& connection, const mcp::Work& work) {
  Cells parameters = work.parameters;
  if (work.table) {
    auto oid = FindTable(connection, *work.table);
    if (!oid) return oid.error();
    parameters[work.table_place] = *oid;
  }
  if (work.service->callers_path) {
    if (auto set = connection.Query(kCallersPath, {}, StatementDeadline()); !set)
      return set.error();
  }
  auto rows = connection.Query(work.service->sql, parameters, StatementDeadline());
  if (!rows || work.service->then_sql.empty()) return rows;
  if (rows->size() != 1 || rows->front().empty()) {
    return base::Error{"XX000", "the database answered with no key", ""};
  }
  if (auto set = connection.Query(kOwnPath, {}, StatementDeadline()); !set) return set.error();
  return connection.Query(work.service->then_sql, {rows->front().front()}, StatementDeadline());
}

base::Result<std::vector<mcp::Row>> Database::Run(const mcp::Work& work) {
  const auto found = InTransaction(work.service->access,
                                   [&](Connection& connection) { return Serve(connection, work); });
  if (!found) return found.error();
  std::vector<mcp::Row> rows;
  for (const Cells& cells : *found) {
    if (cells.size() != 3 || !cells[1])
      return base::Error{"XX000", "the database answered in another shape", ""};
    rows.push_back({cells[0].value_or(""), *cells[1], cells[2]});
  }
  return rows;
}

base::Result<std::vector<bool>> Database::Allowed() {
  std::string sql = "SELECT ";
  for (size_t i = 0; i < tools::kToolCount; ++i) {
    const mcp::ToolService* service = mcp::FindToolService(tools::ToolAt(i).name);
    sql += (i == 0 ? "(" : ", (") +
           std::string(service == nullptr ? "false" : service->allowed_if) + ")::pg_catalog.text";
  }
  const auto rows = InTransaction(mcp::Access::ReadOnly, [&](Connection& connection) {
    return connection.Query(sql, {}, StatementDeadline());
  });
  if (!rows) return rows.error();
  std::vector<bool> allowed;
  for (const auto& cell : rows->at(0)) allowed.push_back(cell == "true");
  return allowed;
}

void Database::Record(const mcp::CallRecord& record) {
  // Without a database there is nowhere to keep it, and the call has waited long enough.
  if (record.sqlstate.substr(0, 2) == "08" || record.sqlstate == "53300") return;
  std::optional<std::string> table = record.table;
  if (table) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (const auto known = table_names_.find(*table); known != table_names_.end())
      table = known->second;
  }
  const auto kept = InTransaction(mcp::Access::ReadWrite, [&](Connection& connection) {
    // The client waits for this: it may be lost in a crash of the server, but not otherwise.
    if (auto set = connection.Query("SET LOCAL synchronous_commit = off", {}, StatementDeadline());
        !set)
      return set;
    return connection.Query(
        mcp::kRecordToolCall,
        {std::string(record.tool),
         record.sqlstate.empty() ? std::nullopt : std::optional(record.sqlstate),
         std::to_string(record.milliseconds), table,
         record.patch_id ? std::optional(std::to_string(*record.patch_id)) : std::nullopt},
        StatementDeadline());
  });
  if (!kept) {
    std::fprintf(stderr, "mend-mcp: the call of %.*s is not in mend.events: %s\n",
                 static_cast<int>(record.tool.size()), record.tool.data(),
                 kept.error().message.c_str());
  }
}

}  // namespace mend::bridge
