#include "bridge/connection.h"

#include <libpq-fe.h>
#include <poll.h>

#include <cerrno>
#include <memory>
#include <thread>

namespace mend::bridge {
namespace {

using ResultHandle = std::unique_ptr<PGresult, decltype(&PQclear)>;

enum class Ready { Yes, TimedOut, Failed };

Ready Await(int socket, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return Ready::TimedOut;
    pollfd waiting = {socket, events, 0};
    const int count = poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (count > 0) return Ready::Yes;
    if (count < 0 && errno != EINTR) return Ready::Failed;
  }
}

// libpq's messages end with a line break, and may have several lines.
std::string OneLine(const char* text) {
  std::string out = text == nullptr ? "" : text;
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  for (char& c : out) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return out;
}

std::string Field(const PGresult* result, int field) {
  const char* text = PQresultErrorField(result, field);
  return text == nullptr ? "" : text;
}

void Ignore(void*, const char*) {}

}  // namespace

Connection::~Connection() { Close(); }

bool Connection::usable() const { return handle_ != nullptr && PQstatus(handle_) == CONNECTION_OK; }

void Connection::Close() {
  std::lock_guard<std::mutex> lock(handle_mutex_);
  if (handle_ != nullptr) PQfinish(handle_);
  handle_ = nullptr;
}

std::optional<base::Error> Connection::Open(const std::string& target, Clock::time_point deadline) {
  Close();
  // What stands in the target overrides what stands before it, and the encoding overrides both.
  const char* names[] = {"fallback_application_name", "dbname", "client_encoding", nullptr};
  const char* values[] = {"mend-mcp", target.c_str(), "UTF8", nullptr};
  PGconn* handle = PQconnectStartParams(names, values, target.empty() ? 0 : 1);
  if (handle == nullptr) return base::Error{"53200", "out of memory", ""};
  {
    std::lock_guard<std::mutex> lock(handle_mutex_);
    handle_ = handle;
  }
  // Warnings of the server are read from results where they matter, and never printed.
  PQsetNoticeProcessor(handle_, Ignore, nullptr);
  auto state = PQstatus(handle_) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED) {
      base::Error error = {"08001", OneLine(PQerrorMessage(handle_)), ""};
      Close();
      return error;
    }
    const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (Await(PQsocket(handle_), events, deadline) != Ready::Yes) {
      Close();
      return base::Error{"08001", "the database did not answer in time", ""};
    }
    state = PQconnectPoll(handle_);
  }
  PQsetnonblocking(handle_, 1);
  return std::nullopt;
}

base::Error Connection::Lost(const char* why) {
  Close();
  return {"08006", why, ""};
}

std::optional<base::Error> Connection::Flush(Clock::time_point deadline) {
  for (;;) {
    const int left = PQflush(handle_);
    if (left == 0) return std::nullopt;
    if (left < 0) return Lost("the connection to the database was lost");
    if (Await(PQsocket(handle_), POLLIN | POLLOUT, deadline) != Ready::Yes) {
      return Lost("the database did not take the request in time");
    }
    if (PQconsumeInput(handle_) == 0) return Lost("the connection to the database was lost");
  }
}

std::optional<base::Error> Connection::AwaitResult(Clock::time_point deadline) {
  while (PQisBusy(handle_) != 0) {
    if (Await(PQsocket(handle_), POLLIN, deadline) != Ready::Yes) {
      Cancel();
      return Lost("the database did not answer in time");
    }
    // A server that goes down says so before it hangs up: that message is a result.
    if (PQconsumeInput(handle_) == 0 && PQisBusy(handle_) != 0) {
      return Lost("the connection to the database was lost");
    }
  }
  return std::nullopt;
}

base::Result<std::vector<Cells>> Connection::Query(std::string_view sql, const Cells& parameters,
                                                   Clock::time_point deadline) {
  if (!usable()) return Lost("there is no connection to the database");
  std::vector<const char*> values;
  for (const auto& parameter : parameters)
    values.push_back(parameter ? parameter->c_str() : nullptr);
  constexpr Oid kText = 25;
  const std::vector<Oid> types(parameters.size(), kText);
  const std::string text(sql);
  const int sent = parameters.empty()
                       ? PQsendQuery(handle_, text.c_str())
                       : PQsendQueryParams(handle_, text.c_str(), static_cast<int>(values.size()),
                                           types.data(), values.data(), nullptr, nullptr, 0);
  if (sent == 0) return Lost("the connection to the database was lost");
  if (auto error = Flush(deadline)) return *error;

  std::vector<Cells> rows;
  std::optional<base::Error> failure;
  for (;;) {
    if (auto error = AwaitResult(deadline)) return failure ? *failure : *error;
    ResultHandle result(PQgetResult(handle_), PQclear);
    if (!result) break;
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
      // What follows a server's last word is only that it hung up.
      if (failure) continue;
      failure = base::Error{Field(result.get(), PG_DIAG_SQLSTATE),
                            Field(result.get(), PG_DIAG_MESSAGE_PRIMARY),
                            Field(result.get(), PG_DIAG_MESSAGE_HINT)};
      if (failure->sqlstate.empty()) {
        failure = base::Error{"08006", OneLine(PQresultErrorMessage(result.get())), ""};
      }
      continue;
    }
    rows.clear();
    for (int row = 0; row < PQntuples(result.get()); ++row) {
      Cells cells;
      for (int column = 0; column < PQnfields(result.get()); ++column) {
        if (PQgetisnull(result.get(), row, column) != 0) {
          cells.emplace_back(std::nullopt);
        } else {
          cells.emplace_back(
              std::string(PQgetvalue(result.get(), row, column),
                          static_cast<size_t>(PQgetlength(result.get(), row, column))));
        }
      }
      rows.push_back(std::move(cells));
    }
  }
  if (PQstatus(handle_) != CONNECTION_OK) Close();
  if (failure) return *failure;
  return rows;
}

void Connection::Cancel() {
  PGcancel* cancel = nullptr;
  {
    std::lock_guard<std::mutex> lock(handle_mutex_);
    if (handle_ != nullptr) cancel = PQgetCancel(handle_);
  }
  if (cancel == nullptr) return;
  // It connects, and so may wait for ever.
  ++*cancelling_;
  std::thread([cancel, under_way = cancelling_] {
    char message[256];
    PQcancel(cancel, message, sizeof message);
    PQfreeCancel(cancel);
    --*under_way;
  }).detach();
}

void Connection::AwaitCancellations() {
  const auto deadline = Clock::now() + std::chrono::seconds(1);
  while (*cancelling_ > 0 && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace mend::bridge
