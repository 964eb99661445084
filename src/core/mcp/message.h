// One JSON-RPC message as a client sent it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/json.h"

namespace mend::mcp {

// JSON-RPC's codes, and MCP's own.
namespace code {
inline constexpr int kParse = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kUnknownMethod = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kInternal = -32603;
inline constexpr int kLegacyNotFound = -32002;
inline constexpr int kHeaderMismatch = -32020;
inline constexpr int kUnsupportedVersion = -32022;
}  // namespace code

// Far more than the largest patch that is taken.
inline constexpr size_t kMaxMessageBytes = 1 << 20;

enum class Kind {
  Request,
  Notification,
  Response,  // we ask nothing, so nobody answers us: ignored
  Invalid,   // `fault` says why
};

class Message {
 public:
  // Takes the text over. Never fails: what is no message is Invalid.
  explicit Message(std::string text);
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  Kind kind() const { return kind_; }
  // JSON text of the id, string or integer; empty when there is none that could be echoed.
  const std::string& id() const { return id_; }
  std::string_view method() const { return method_; }
  json::Value params() const { return params_; }  // an object, or nothing
  // params._meta, an object; or nothing.
  json::Value meta() const;

  int fault_code() const { return fault_code_; }
  const std::string& fault() const { return fault_; }

 private:
  void Read();
  void Refuse(int fault_code, std::string why);

  std::string text_;
  json::Document document_;
  Kind kind_ = Kind::Invalid;
  std::string id_;
  std::string_view method_;
  json::Value params_;
  int fault_code_ = 0;
  std::string fault_;
};

// {"jsonrpc":"2.0","id":...,"result":...}; `result` is JSON.
std::string ResultReply(const std::string& id, std::string_view result);
// The id is left out when it is empty, and so is `data` (JSON).
std::string ErrorReply(const std::string& id, int code, std::string_view message,
                       std::string_view data = {});

}  // namespace mend::mcp
