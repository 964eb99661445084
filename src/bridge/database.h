// The backend of the protocol: tools' services in transactions of their own, on a few connections.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bridge/connection.h"
#include "bridge/options.h"
#include "core/mcp/backend.h"

namespace mend::bridge {

class Database : public mcp::Backend {
 public:
  Database(const Options& options, size_t connections);

  base::Result<std::vector<mcp::Row>> Run(const mcp::Work& work) override;
  base::Result<std::vector<bool>> Allowed() override;
  void Record(const mcp::CallRecord& record) override;
  int64_t Milliseconds() override;

  // Cancels whatever runs on any connection.
  void CancelAll();

 private:
  using Body = std::function<base::Result<std::vector<Cells>>(Connection&)>;

  // Runs `body` in a transaction and commits it. A connection that turns out to be gone before the
  // transaction begins is opened anew, once.
  base::Result<std::vector<Cells>> InTransaction(mcp::Access access, const Body& body);
  std::optional<base::Error> Begin(Connection& connection, mcp::Access access);
  base::Result<std::vector<Cells>> Serve(Connection& connection, const mcp::Work& work);
  // The table's OID.
  base::Result<std::string> FindTable(Connection& connection, const std::string& name);

  // nullptr when none gets free in time.
  Connection* Acquire();
  void Release(Connection* connection);
  Clock::time_point StatementDeadline() const;
  base::Error Explained(base::Error error) const;

  const Options& options_;
  std::mutex mutex_;
  std::condition_variable released_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> free_;
  std::map<std::string, std::string>
      table_names_;  // as clients name tables: as mend.enrollments does
};

}  // namespace mend::bridge
