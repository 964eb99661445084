#include "bridge/http.h"

#include <microhttpd.h>
#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "bridge/listen_address.h"
#include "bridge/signals.h"
#include "core/base/number.h"
#include "core/mcp/http.h"

namespace mend::bridge {
namespace {

constexpr unsigned kMaxConnections = 256;
// So many may be at rest for longer than a moment: past that, those who have rested longest lose
// their places, strangers first.
constexpr size_t kMaxAtRest = 32;
constexpr std::chrono::seconds kMoment{1};
constexpr unsigned kIdleSeconds = 30;
constexpr std::chrono::seconds kMaxReceiving{60};
constexpr size_t kMaxHeaderBytes = 32 << 10;

// Hangs up on who takes for ever to send a request: the library's own limit starts anew with every
// byte. And on who keeps a place and asks nothing, when places grow few.
class Reaper {
 public:
  void Started(MHD_Connection* connection) {
    const MHD_ConnectionInfo* info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == nullptr) return;
    std::lock_guard<std::mutex> lock(mutex_);
    connections_[connection] = {info->connect_fd, Clock::now(), false, false, false};
  }
  void Closed(MHD_Connection* connection) {
    std::lock_guard<std::mutex> lock(mutex_);
    connections_.erase(connection);
  }
  // Whether we are at work on its request.
  void SetBusy(MHD_Connection* connection, bool busy) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = connections_.find(connection);
    if (found != connections_.end()) {
      found->second.since = Clock::now();
      found->second.busy = busy;
      found->second.admitted = true;
    }
  }
  void Reap() {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto& [connection, state] : connections_) {
      if (!state.busy && Clock::now() - state.since > kMaxReceiving) HangUp(&state);
    }
    MakeRoom();
  }

 private:
  struct State {
    int descriptor;
    Clock::time_point since;
    bool busy;
    bool admitted;  // has asked something that was not refused
    bool hung_up;
  };

  void MakeRoom() {
    std::vector<State*> at_rest;
    for (auto& [connection, state] : connections_) {
      if (!state.busy && !state.hung_up && Clock::now() - state.since > kMoment)
        at_rest.push_back(&state);
    }
    std::sort(at_rest.begin(), at_rest.end(), [](const State* one, const State* other) {
      return std::pair(one->admitted, one->since) < std::pair(other->admitted, other->since);
    });
    for (size_t i = 0; i + kMaxAtRest < at_rest.size(); ++i) HangUp(at_rest[i]);
  }
  static void HangUp(State* state) {
    state->hung_up = true;
    shutdown(state->descriptor, SHUT_RDWR);
  }

  std::mutex mutex_;
  std::map<MHD_Connection*, State> connections_;
};

struct Service {
  const mcp::Server& server;
  mcp::HttpPolicy policy;
  Reaper reaper;
};

struct Request {
  mcp::HttpHeaders headers;
  std::string body;
};

std::optional<std::string> Header(MHD_Connection* connection, const char* name) {
  const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

mcp::HttpHeaders ReadHeaders(MHD_Connection* connection) {
  return {Header(connection, "Host"),          Header(connection, "Origin"),
          Header(connection, "Authorization"), Header(connection, "Content-Type"),
          Header(connection, "Accept"),        Header(connection, "MCP-Protocol-Version"),
          Header(connection, "Mcp-Method"),    Header(connection, "Mcp-Name")};
}

MHD_Result Send(MHD_Connection* connection, const mcp::HttpReply& reply) {
  std::unique_ptr<MHD_Response, decltype(&MHD_destroy_response)> response(
      MHD_create_response_from_buffer(reply.body.size(), const_cast<char*>(reply.body.data()),
                                      MHD_RESPMEM_MUST_COPY),
      MHD_destroy_response);
  if (!response) return MHD_NO;
  if (!reply.body.empty())
    MHD_add_response_header(response.get(), "Content-Type", "application/json");
  MHD_add_response_header(response.get(), "Cache-Control", "no-store");
  MHD_add_response_header(response.get(), "X-Content-Type-Options", "nosniff");
  if (reply.status == 405) MHD_add_response_header(response.get(), "Allow", "POST");
  if (reply.status == 401) MHD_add_response_header(response.get(), "WWW-Authenticate", "Bearer");
  return MHD_queue_response(connection, static_cast<unsigned>(reply.status), response.get());
}

bool AnnouncesTooMuch(MHD_Connection* connection) {
  const auto length = Header(connection, "Content-Length");
  int64_t bytes = 0;
  return length && (!base::ParseInteger(*length, &bytes) ||
                    bytes > static_cast<int64_t>(mcp::kMaxMessageBytes));
}

MHD_Result Begin(Service* service, MHD_Connection* connection, const char* url, const char* method,
                 void** state) {
  auto request = std::make_unique<Request>();
  request->headers = ReadHeaders(connection);
  if (auto refusal = mcp::RefuseHttp(service->policy, method, url, request->headers))
    return Send(connection, *refusal);
  if (AnnouncesTooMuch(connection)) return Send(connection, mcp::TooLarge());
  // Whoever stands between may take another of the two for the length (RFC 9112, section 6.1).
  if (Header(connection, "Content-Length") && Header(connection, "Transfer-Encoding"))
    return Send(connection, {400, mcp::ErrorReply("", mcp::code::kInvalidRequest,
                                                  "Content-Length and Transfer-Encoding")});
  *state = request.release();
  return MHD_YES;
}

MHD_Result Answer(Service* service, MHD_Connection* connection, Request* request) {
  service->reaper.SetBusy(connection, true);
  // While the database works the connection is not idle; setting the limit again starts it anew.
  MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
  mcp::HttpReply reply;
  try {
    reply = mcp::AnswerHttp(service->server, request->headers, std::move(request->body));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mend-mcp: %s\n", error.what());
    reply = {500, mcp::ErrorReply("", mcp::code::kInternal, "Internal error")};
  }
  MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, kIdleSeconds);
  service->reaper.SetBusy(connection, false);
  return Send(connection, reply);
}

// Called by C code: nothing may be thrown.
MHD_Result Handle(void* context, MHD_Connection* connection, const char* url, const char* method,
                  const char*, const char* data, size_t* size, void** state) {
  auto* service = static_cast<Service*>(context);
  try {
    if (*state == nullptr) return Begin(service, connection, url, method, state);
    auto* request = static_cast<Request*>(*state);
    if (*size == 0) return Answer(service, connection, request);
    if (request->body.size() + *size > mcp::kMaxMessageBytes)
      return MHD_NO;  // hangs up: no answer fits here
    request->body.append(data, *size);
    *size = 0;
    return MHD_YES;
  } catch (...) {
    return MHD_NO;
  }
}

void Completed(void*, MHD_Connection*, void** state, MHD_RequestTerminationCode) {
  delete static_cast<Request*>(*state);
  *state = nullptr;
}

void Notified(void* context, MHD_Connection* connection, void**,
              MHD_ConnectionNotificationCode what) {
  auto* service = static_cast<Service*>(context);
  if (what == MHD_CONNECTION_NOTIFY_STARTED) service->reaper.Started(connection);
  if (what == MHD_CONNECTION_NOTIFY_CLOSED) service->reaper.Closed(connection);
}

// The library tells of every connection that breaks off; nobody can do anything about that.
void Quiet(void*, const char*, va_list) {}

int Fail(const std::string& why) {
  std::fprintf(stderr, "mend-mcp: %s\n", why.c_str());
  return 2;
}

MHD_Daemon* Start(Service* service, const ListenAddress& listen) {
  unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
  if (listen.address.ss_family == AF_INET6) flags |= MHD_USE_IPv6;
  return MHD_start_daemon(flags, 0, nullptr, nullptr, Handle, service,          //
                          MHD_OPTION_EXTERNAL_LOGGER, Quiet, nullptr,           //
                          MHD_OPTION_SOCK_ADDR, &listen.address,                //
                          MHD_OPTION_CONNECTION_LIMIT, kMaxConnections,         //
                          MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds,          //
                          MHD_OPTION_CONNECTION_MEMORY_LIMIT, kMaxHeaderBytes,  //
                          MHD_OPTION_NOTIFY_COMPLETED, Completed, nullptr,      //
                          MHD_OPTION_NOTIFY_CONNECTION, Notified, service, MHD_OPTION_END);
}

}  // namespace

int ServeHttp(const mcp::Server& server, Database* database, const Options& options) {
  const auto listen = ReadListenAddress(options.http);
  if (!listen) return Fail("--http takes ADDRESS:PORT, such as 127.0.0.1:8931 or [::1]:8931");
  if (!listen->loopback && options.token.empty()) {
    return Fail(
        "refusing to listen on " + options.http +
        " without a token: others could reach the database. Set --token-file or MEND_MCP_TOKEN");
  }
  Service service{server, {options.token, options.hosts}, {}};
  service.policy.hosts.push_back(listen->host);
  MHD_Daemon* daemon = Start(&service, *listen);
  if (daemon == nullptr) return Fail("cannot listen on " + options.http);
  const MHD_DaemonInfo* info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
  std::fprintf(stderr, "mend-mcp: serving http://%s:%u/mcp%s\n", listen->host.c_str(),
               info == nullptr ? 0u : static_cast<unsigned>(info->port),
               options.token.empty() ? " to every user of this machine (no token is set)" : "");
  while (!StopAsked()) {
    pollfd waiting = {StopDescriptor(), POLLIN, 0};
    poll(&waiting, 1, 250);
    service.reaper.Reap();
  }
  // Threads may wait for the database: it is told, and they are not waited for.
  database->CancelAll();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  std::_Exit(0);
}

}  // namespace mend::bridge
