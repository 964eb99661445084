#include "core/mcp/era.h"

#include "core/base/json_member.h"
#include "core/base/json_writer.h"
#include "core/base/utf8.h"

namespace mend::mcp {
namespace {

constexpr std::string_view kVersionKey = "io.modelcontextprotocol/protocolVersion";
constexpr std::string_view kCapabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
constexpr std::string_view kLegacyVersions[] = {kNewestLegacyVersion, "2025-06-18", "2025-03-26",
                                                "2024-11-05"};

RpcError Unsupported(std::string_view asked) {
  json::Writer data;
  data.Object().Key("supported").Array().String(kModernVersion).Close();
  data.String("requested", base::CutUtf8(asked, 100)).Close();
  return {code::kUnsupportedVersion, "Unsupported protocol version", data.Take()};
}

}  // namespace

bool IsLegacyVersion(std::string_view version) {
  for (const std::string_view known : kLegacyVersions) {
    if (version == known) return true;
  }
  return false;
}

std::string_view NegotiateLegacy(std::string_view asked) {
  for (const std::string_view known : kLegacyVersions) {
    if (asked == known) return known;
  }
  return kNewestLegacyVersion;
}

std::optional<std::string_view> MetaVersion(const Message& message) {
  return json::StringMember(message.meta(), kVersionKey);
}

bool IsModern(const Message& message, std::string_view header) {
  if (json::Member(message.meta(), kVersionKey)) return true;
  if (message.method() == "server/discover") return true;
  return !header.empty() && !IsLegacyVersion(header) && message.method() != "initialize";
}

std::optional<RpcError> CheckModernMeta(const Message& message) {
  if (!message.meta()) return RpcError{code::kInvalidParams, "params._meta is missing", ""};
  const auto version = MetaVersion(message);
  if (!version) {
    return RpcError{code::kInvalidParams, "_meta lacks " + std::string(kVersionKey), ""};
  }
  if (*version != kModernVersion) return Unsupported(*version);
  if (!json::ObjectMember(message.meta(), kCapabilitiesKey)) {
    return RpcError{code::kInvalidParams, "_meta lacks " + std::string(kCapabilitiesKey), ""};
  }
  return std::nullopt;
}

}  // namespace mend::mcp
