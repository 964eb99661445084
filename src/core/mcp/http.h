// Streamable HTTP without its input and output: who may ask, and what is answered with which
// status. No streams and no sessions: GET and DELETE are refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/mcp/server.h"

namespace mend::mcp {

inline constexpr std::string_view kHttpPath = "/mcp";

struct HttpHeaders {
  std::optional<std::string> host;
  std::optional<std::string> origin;
  std::optional<std::string> authorization;
  std::optional<std::string> content_type;
  std::optional<std::string> accept;
  std::optional<std::string> protocol_version;  // MCP-Protocol-Version
  std::optional<std::string> mcp_method;        // Mcp-Method
  std::optional<std::string> mcp_name;          // Mcp-Name
};

struct HttpPolicy {
  std::string token;  // empty: none is asked for
  std::vector<std::string>
      hosts;  // names by which we may be reached, besides loopback's; lower case
};

struct HttpReply {
  int status = 200;
  std::string body;  // JSON; empty: none
};

// What refuses a request before its body is read; nullopt: read it.
std::optional<HttpReply> RefuseHttp(const HttpPolicy& policy, std::string_view method,
                                    std::string_view path, const HttpHeaders& headers);

HttpReply TooLarge();

// Answers a POST that was not refused.
HttpReply AnswerHttp(const Server& server, const HttpHeaders& headers, std::string body);

}  // namespace mend::mcp
