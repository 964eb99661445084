// The two eras of the protocol: the legacy one opens with `initialize`; the modern one has no
// handshake, and every request says its version. Both may be mixed in one process.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/mcp/message.h"

namespace mend::mcp {

inline constexpr std::string_view kModernVersion = "2026-07-28";
inline constexpr std::string_view kNewestLegacyVersion = "2025-11-25";

// Versions that open with `initialize`.
bool IsLegacyVersion(std::string_view version);

// The version to answer `initialize` with: the one asked for when it is known, else our newest.
std::string_view NegotiateLegacy(std::string_view asked);

// The version that a request's _meta names; nullopt when it names none (or not as a string).
std::optional<std::string_view> MetaVersion(const Message& message);

// `header`: the HTTP header MCP-Protocol-Version, empty when there is none (or no HTTP).
bool IsModern(const Message& message, std::string_view header = {});

struct RpcError {
  int code = 0;
  std::string message;
  std::string data;  // JSON; may be empty
};

// What is wrong with a modern request's _meta; nullopt: nothing.
std::optional<RpcError> CheckModernMeta(const Message& message);

}  // namespace mend::mcp
