// One HTTP request, one answer, and every way that can go wrong, as values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace mend::net {

// Called at least every 200 ms while a request or a pause is under way; false cancels it. May
// throw: nothing is left behind.
using Pulse = std::function<bool()>;
inline constexpr int kPulseMs = 200;

using Headers = std::vector<std::pair<std::string, std::string>>;

// The first value of a header, asked for in lower case; nullptr when there is none.
const std::string* FindHeader(const Headers& headers, std::string_view name);

// What a request is signed with (AWS Signature Version 4).
struct Signature {
  std::string access_key;  // empty: it is not signed
  std::string secret_key;
  std::string session_token;  // may be empty
  std::string region;
  std::string service;
};

// https anywhere, plain http to loopback addresses only.
struct Request {
  std::string url;
  Headers headers;
  std::string body;
  int64_t connect_timeout_ms = 10'000;  // name, connection and TLS together
  int64_t total_timeout_ms = 120'000;
  size_t max_response_bytes = 4 << 20;
  std::string proxy{};    // empty: that of the environment; never for this machine itself
  std::string ca_file{};  // empty: the system's certificates
  Signature signature{};
  // Plain http also to link-local addresses: the metadata services of cloud machines speak nothing
  // else.
  bool link_local = false;
  std::string method = "POST";
};

struct Response {
  int status = 0;
  Headers headers;  // names in lower case, values trimmed
  std::string body;
};

// How far a request had come.
enum class Phase : uint8_t { Resolve, Connect, Tls, Send, Wait, Receive };
std::string_view Name(Phase phase);  // "resolving the name", "connecting", ...

enum class FailureKind : uint8_t {
  BadUrl,     // no URL, a scheme we do not speak, or credentials in it
  PlainHttp,  // http to an address that is not loopback
  TimedOut,   // in `phase`
  Tls,        // no trust: certificate, name, or handshake
  Network,    // no name, no connection, or it broke
  TooLarge,   // the response passed max_response_bytes
  Cancelled,  // by the pulse
};

struct Failure {
  FailureKind kind = FailureKind::Network;
  Phase phase = Phase::Resolve;
  std::string message;  // one phrase for a person; no header, body or credential in it
};

using Outcome = std::variant<Response, Failure>;

class Transport {
 public:
  virtual ~Transport() = default;
  virtual Outcome Send(const Request& request, const Pulse& pulse) = 0;
};

}  // namespace mend::net
