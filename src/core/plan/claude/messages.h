// The Messages API on the wire: requests as text, answers as values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/transport.h"
#include "core/plan/claude/provider.h"

namespace mend::plan::claude {

struct Credential {
  enum class Kind : uint8_t {
    ApiKey,
    Bearer,
    Aws,   // requests are signed (Signature Version 4)
    None,  // a gateway knows us otherwise
  } kind = Kind::ApiKey;
  std::string secret;
  std::string access_key{};     // Aws
  std::string session_token{};  // Aws; may be empty
};

// What stays the same through one conversation; any change would void thinking blocks and caches.
struct Ask {
  std::string model;
  std::string system;
  std::string effort;  // "low", "medium", "high"; empty, or a model without: not sent
  // Marks the prefix (tools and system) for the five-minute cache. A write costs a quarter more
  // than plain input, a read a tenth: it pays when more than one request in four follows another.
  bool cache = false;
};

// The turns of a conversation as JSON: what was said is never rebuilt, only added to.
class Turns {
 public:
  void AddUserText(std::string_view text);
  // `content` is the array of a response, byte for byte.
  void AddAssistant(std::string_view content);
  struct ToolResult {
    std::string id;
    std::string text;
    bool is_error = true;
  };
  void AddToolResults(const std::vector<ToolResult>& results);

  std::string Json() const { return "[" + text_ + "]"; }

 private:
  void Add(std::string_view role, std::string_view content);
  std::string text_;
};

std::string RequestBody(const Wire& wire, const Ask& ask, const Turns& turns, int64_t max_tokens);
net::Request MakeRequest(const Endpoint& endpoint, const Credential& credential,
                         std::string_view model, std::string body);

struct Usage {
  int64_t input_tokens = 0;  // neither written to nor read from the cache
  int64_t output_tokens = 0;
  int64_t cache_write_5m_tokens = 0;
  int64_t cache_write_1h_tokens = 0;
  int64_t cache_read_tokens = 0;
  Usage& operator+=(const Usage& other);
  int64_t Prompt() const;  // all that was read
};

struct ToolCall {
  std::string id;
  std::string name;
  std::string input;  // JSON text of an object
};

enum class ReplyKind : uint8_t {
  ToolCalls,  // one or more
  Text,       // words and no call
  Empty,      // the turn ended with nothing said
  Refusal,    // the model's own; what it said is void
  Truncated,  // at max_tokens: ask again with more room
  TooLong,    // the context window is full
  Unknown,    // anything else, such as a stop reason that we do not know
};

struct Reply {
  ReplyKind kind = ReplyKind::Unknown;
  std::string id;
  std::string model;
  std::string stop_reason;
  std::string refusal_category;  // may be empty
  std::string content;           // the raw array, for AddAssistant()
  std::vector<ToolCall> calls;
  Usage usage;
};

// nullopt: no message that we can read. Unknown fields and blocks are passed over.
std::optional<Reply> ParseReply(std::string_view body);

struct ApiError {
  int status = 0;
  std::string type;     // "rate_limit_error"; empty when the body is not the API's
  std::string code;     // error.details.error_code
  std::string message;  // the API's words, cut, without control characters; may quote the request
  std::string request_id;  // for the log
};
ApiError ParseError(const net::Response& response);

bool TakesEffort(std::string_view model);

}  // namespace mend::plan::claude
