#include "server/pg/lone_statement.h"

#include "server/pg/memory.h"
#include "server/pg/transaction.h"
#include "server/pg/user.h"

namespace mend::pg {
namespace {

// Settings of the session until the end of the scope: those of a transaction would end with the
// first that the statement makes. Overridden, so that no transaction is needed to put them back.
class SessionSetting {
 public:
  SessionSetting(const char* name, const char* value) : name_(name) {
    before_ = Call([&] { return GetConfigOption(name, false, false); });
    Set(value);
  }
  ~SessionSetting() { SetConfigOption(name_, before_.c_str(), PGC_SUSET, PGC_S_OVERRIDE); }
  SessionSetting(const SessionSetting&) = delete;
  SessionSetting& operator=(const SessionSetting&) = delete;

 private:
  void Set(const char* value) {
    Call([&] { SetConfigOption(name_, value, PGC_SUSET, PGC_S_OVERRIDE); });
  }

  const char* name_;
  std::string before_;
};

PlannedStmt* Wrap(const std::string& sql) {
  return Call([&] {
    auto* statement = makeNode(PlannedStmt);
    statement->commandType = CMD_UTILITY;
    statement->canSetTag = true;
    statement->utilityStmt =
        linitial_node(RawStmt, raw_parser(sql.c_str(), RAW_PARSE_DEFAULT))->stmt;
    return statement;
  });
}

}  // namespace

void RunAlone(const std::string& sql, Oid role, int patience_ms) {
  const SessionSetting patience("lock_timeout", std::to_string(patience_ms).c_str());
  const SessionSetting alone("max_parallel_maintenance_workers", "0");
  Context memory("pg_mend statement", TopMemoryContext);
  // Ends behind the transactions, which put back the user that they began with.
  std::optional<ForeignCode> as_role;
  {
    Transaction look;
    as_role.emplace(Identity{role, role, ""}, ForeignCode::Until::Statement);
    look.Commit();
  }
  Transaction transaction;
  // The context of a transaction is gone once the statement has committed it.
  MemoryContextSwitchTo(memory.get());
  PlannedStmt* statement = Wrap(sql);
  Call([&] {
    QueryCompletion completion;
    InitializeQueryCompletion(&completion);
    ProcessUtility(statement, sql.c_str(), false, PROCESS_UTILITY_TOPLEVEL, nullptr, nullptr,
                   None_Receiver, &completion);
  });
  transaction.Commit();
}

}  // namespace mend::pg
