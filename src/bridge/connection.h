// One connection to PostgreSQL whose every wait has an end. libpq's own blocking calls would wait
// for ever for a server that is frozen, or a network that is gone.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

struct pg_conn;
struct pg_result;

namespace mend::bridge {

using Clock = std::chrono::steady_clock;
using Cells = std::vector<std::optional<std::string>>;

class Connection {
 public:
  Connection() = default;
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // `target`: a database's name, a connection string or a URI. An Error of class 08 when it fails.
  std::optional<base::Error> Open(const std::string& target, Clock::time_point deadline);
  void Close();
  // False after a loss: nothing but Open() helps.
  bool usable() const;

  // One statement with text parameters, or without any several statements at once. The rows of the
  // last; an Error leaves the transaction aborted. Past the deadline the connection is given up.
  base::Result<std::vector<Cells>> Query(std::string_view sql, const Cells& parameters,
                                         Clock::time_point deadline);

  // Has the server cancel what runs, if anything does. From any thread; does not wait.
  void Cancel();
  // Waits, for a moment at most, until cancellations that are under way have arrived: late, one
  // would hit what runs next.
  void AwaitCancellations();

 private:
  std::optional<base::Error> Flush(Clock::time_point deadline);
  std::optional<base::Error> AwaitResult(Clock::time_point deadline);
  base::Error Lost(const char* why);

  pg_conn* handle_ = nullptr;
  std::mutex handle_mutex_;  // guards the handle's life against Cancel()
  // Cancellations under way: their threads may outlive us.
  std::shared_ptr<std::atomic<int>> cancelling_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace mend::bridge
