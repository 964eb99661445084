#include "core/mcp/http.h"

#include <algorithm>
#include <cctype>

#include "core/base/base64.h"
#include "core/base/json_member.h"

namespace mend::mcp {
namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

HttpReply Refusal(int status, std::string_view why, int error_code = code::kInvalidRequest) {
  return {status, ErrorReply("", error_code, why)};
}

// The name of "name", "name:port" or "[address]:port"; empty when it is none of these.
std::string HostName(std::string_view authority) {
  size_t end = authority.find(':');
  if (!authority.empty() && authority.front() == '[') {
    end = authority.find(']');
    if (end == std::string_view::npos) return {};
    ++end;
  }
  const std::string_view name = authority.substr(0, end);
  std::string_view port = end < authority.size() ? authority.substr(end) : std::string_view();
  if (!port.empty()) {
    port.remove_prefix(1);
    if (authority[end] != ':' || port.empty() || port.size() > 5 ||
        !std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      return {};
    }
  }
  return Lower(name);
}

// A page that a browser has loaded from elsewhere reaches loopback as well: by another name, whose
// address was changed under it, or in its own name.
bool IsOurName(const HttpPolicy& policy, std::string_view authority) {
  const std::string name = HostName(authority);
  if (name == "127.0.0.1" || name == "localhost" || name == "[::1]") return true;
  return !name.empty() &&
         std::find(policy.hosts.begin(), policy.hosts.end(), name) != policy.hosts.end();
}

bool IsOurOrigin(const HttpPolicy& policy, std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.substr(0, scheme.size()) == scheme) {
      return IsOurName(policy, origin.substr(scheme.size()));
    }
  }
  return false;
}

// In a time that does not depend on where they differ.
bool SameSecret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^
                  static_cast<unsigned char>(b[b.empty() ? 0 : i % b.size()]);
  }
  return difference == 0;
}

bool ShowsToken(const HttpPolicy& policy, const HttpHeaders& headers) {
  if (policy.token.empty()) return true;
  const std::string_view given =
      headers.authorization ? Trim(*headers.authorization) : std::string_view();
  constexpr std::string_view kScheme = "bearer ";
  return Lower(given.substr(0, kScheme.size())) == kScheme &&
         SameSecret(policy.token, Trim(given.substr(kScheme.size())));
}

bool IsJson(const HttpHeaders& headers) {
  if (!headers.content_type) return false;
  const std::string_view type = *headers.content_type;
  return Lower(Trim(type.substr(0, type.find(';')))) == "application/json";
}

bool TakesJson(const HttpHeaders& headers) {
  if (!headers.accept) return true;
  const std::string accept = Lower(*headers.accept);
  for (const char* type : {"application/json", "application/*", "*/*"}) {
    if (accept.find(type) != std::string::npos) return true;
  }
  return false;
}

// The member of params that Mcp-Name repeats; empty: the method has none.
std::string_view NamedBy(std::string_view method) {
  if (method == "tools/call" || method == "prompts/get") return "name";
  return method == "resources/read" ? "uri" : "";
}

std::string DecodeHeader(std::string_view value) {
  value = Trim(value);
  constexpr std::string_view kOpen = "=?base64?", kClose = "?=";
  if (value.size() < kOpen.size() + kClose.size() ||
      Lower(value.substr(0, kOpen.size())) != kOpen ||
      value.substr(value.size() - kClose.size()) != kClose) {
    return std::string(value);
  }
  value.remove_prefix(kOpen.size());
  value.remove_suffix(kClose.size());
  return base::DecodeBase64(value).value_or("");
}

bool Repeats(const std::optional<std::string>& header, std::string_view value) {
  return header && DecodeHeader(*header) == value;
}

// Proxies route by the headers: a modern request must say the same in both places.
std::optional<std::string> HeaderMismatch(const Message& message, const HttpHeaders& headers) {
  if (!Repeats(headers.protocol_version, MetaVersion(message).value_or(""))) {
    return "MCP-Protocol-Version must repeat the version in _meta";
  }
  if (!Repeats(headers.mcp_method, message.method())) return "Mcp-Method must repeat method";
  const std::string_view member = NamedBy(message.method());
  if (member.empty()) return std::nullopt;
  const auto name = json::StringMember(message.params(), member);
  // What is no string is for the method to complain of.
  if (name && !Repeats(headers.mcp_name, *name))
    return "Mcp-Name must repeat params." + std::string(member);
  return std::nullopt;
}

int StatusOf(const Message& message, const Answer& answer) {
  if (message.kind() == Kind::Invalid) return 400;
  if (!answer.modern || answer.error_code == 0) return 200;
  if (answer.error_code == code::kUnknownMethod) return 404;
  return CheckModernMeta(message) ? 400 : 200;
}

}  // namespace

std::optional<HttpReply> RefuseHttp(const HttpPolicy& policy, std::string_view method,
                                    std::string_view path, const HttpHeaders& headers) {
  if (!headers.host || !IsOurName(policy, Trim(*headers.host)))
    return Refusal(403, "Host is not allowed");
  if (headers.origin && !IsOurOrigin(policy, Trim(*headers.origin)))
    return Refusal(403, "Origin is not allowed");
  if (!ShowsToken(policy, headers)) return Refusal(401, "A bearer token is needed");
  if (path != kHttpPath) return Refusal(404, "There is only /mcp");
  if (method != "POST") return Refusal(405, "There are no streams and no sessions: POST");
  if (!IsJson(headers)) return Refusal(415, "Content-Type must be application/json");
  if (!TakesJson(headers)) return Refusal(406, "Answers are application/json");
  return std::nullopt;
}

HttpReply TooLarge() {
  return Refusal(413, "A message may have " + std::to_string(kMaxMessageBytes) + " bytes at most");
}

HttpReply AnswerHttp(const Server& server, const HttpHeaders& headers, std::string body) {
  const Message message(std::move(body));
  const std::string version(
      Trim(headers.protocol_version ? std::string_view(*headers.protocol_version) : ""));
  if (message.kind() == Kind::Request && IsModern(message, version) && MetaVersion(message)) {
    if (auto why = HeaderMismatch(message, headers)) {
      return {400, ErrorReply(message.id(), code::kHeaderMismatch, *why)};
    }
  }
  const Answer answer = server.Handle(message, version);
  if (answer.text.empty()) return {202, ""};
  return {StatusOf(message, answer), answer.text};
}

}  // namespace mend::mcp
