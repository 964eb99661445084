#include "core/plan/claude/messages.h"

#include <algorithm>
#include <cctype>

#include "core/base/json.h"
#include "core/base/json_writer.h"
#include "core/tools/registry.h"

namespace mend::plan::claude {
namespace {

using json::Writer;

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

void WriteSystem(const Ask& ask, Writer* out) {
  if (!ask.cache) {
    out->String("system", ask.system);
    return;
  }
  out->Key("system").Array().Object().String("type", "text").String("text", ask.system);
  out->Key("cache_control").Object().String("type", "ephemeral").Close();
  out->Close().Close();
}

void WriteTools(bool strict, Writer* out) {
  out->Key("tools").Array();
  for (size_t i = 0; i < tools::kToolCount; ++i) {
    const tools::Tool& tool = tools::ToolAt(i);
    if (!tools::ForPlanner(tool)) continue;
    out->Object().String("name", tool.name).String("description", tool.planner.description);
    if (strict) out->Bool("strict", true);
    out->Raw("input_schema", tool.planner.input_schema).Close();
  }
  out->Close();
  // Current models refuse a forced choice; the system prompt asks for a call, and we check.
  out->Key("tool_choice").Object().String("type", "auto");
  out->Bool("disable_parallel_tool_use", true).Close();
}

}  // namespace

bool TakesEffort(std::string_view model) {
  return !StartsWith(model, "claude-haiku-4-5") && !StartsWith(model, "claude-sonnet-4-5") &&
         !StartsWith(model, "claude-3");
}

void Turns::Add(std::string_view role, std::string_view content) {
  if (!text_.empty()) text_ += ',';
  Writer out;
  out.Object().String("role", role).Raw("content", content).Close();
  text_ += out.text();
}

void Turns::AddUserText(std::string_view text) {
  std::string quoted;
  json::AppendQuoted(&quoted, text);
  Add("user", quoted);
}

void Turns::AddAssistant(std::string_view content) { Add("assistant", content); }

void Turns::AddToolResults(const std::vector<ToolResult>& results) {
  Writer out;
  out.Array();
  for (const ToolResult& result : results) {
    out.Object().String("type", "tool_result").String("tool_use_id", result.id);
    out.String("content", result.text);
    if (result.is_error) out.Bool("is_error", true);
    out.Close();
  }
  out.Close();
  Add("user", out.text());
}

std::string RequestBody(const Wire& wire, const Ask& ask, const Turns& turns, int64_t max_tokens) {
  Writer out;
  out.Object();
  if (!wire.body_version.empty()) out.String("anthropic_version", wire.body_version);
  if (wire.model_in_body) out.String("model", ask.model);
  out.Number("max_tokens", max_tokens);
  WriteSystem(ask, &out);
  WriteTools(wire.strict, &out);
  if (wire.effort && !ask.effort.empty() && TakesEffort(ask.model)) {
    out.Key("output_config").Object().String("effort", ask.effort).Close();
  }
  out.Raw("messages", turns.Json()).Close();
  return out.Take();
}

namespace {

bool IsSameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

// What a gateway is to be told takes the place of what we would say; with a credential of its own
// the request is not signed.
void PutInPlace(const net::Headers& extra, net::Request* request) {
  for (const auto& [name, value] : extra) {
    if (IsSameName(name, "authorization")) request->signature = {};
    request->headers.erase(
        std::remove_if(request->headers.begin(), request->headers.end(),
                       [&name = name](const auto& ours) { return IsSameName(ours.first, name); }),
        request->headers.end());
  }
  request->headers.insert(request->headers.end(), extra.begin(), extra.end());
}

}  // namespace

net::Request MakeRequest(const Endpoint& endpoint, const Credential& credential,
                         std::string_view model, std::string body) {
  net::Request request;
  request.url = UrlOf(endpoint, model);
  request.proxy = endpoint.proxy;
  request.ca_file = endpoint.ca_file;
  switch (credential.kind) {
    case Credential::Kind::ApiKey:
      request.headers.emplace_back("x-api-key", credential.secret);
      break;
    case Credential::Kind::Bearer:
      request.headers.emplace_back("authorization", "Bearer " + credential.secret);
      // Access tokens of Anthropic's own OAuth are told apart by their prefix, and need this.
      if (StartsWith(credential.secret, "sk-ant-oat")) {
        request.headers.emplace_back("anthropic-beta", "oauth-2025-04-20");
      }
      break;
    case Credential::Kind::Aws:
      request.signature = {credential.access_key, credential.secret, credential.session_token,
                           endpoint.region, std::string(SigningService(endpoint))};
      break;
    case Credential::Kind::None: break;
  }
  const Wire wire = WireOf(endpoint);
  if (!wire.header_version.empty()) {
    request.headers.emplace_back("anthropic-version", wire.header_version);
  }
  request.headers.emplace_back("content-type", "application/json");
  request.headers.emplace_back("accept", "application/json");
  request.headers.emplace_back("user-agent", "pg_mend");
  PutInPlace(endpoint.extra, &request);
  request.body = std::move(body);
  return request;
}

Usage& Usage::operator+=(const Usage& other) {
  input_tokens += other.input_tokens;
  output_tokens += other.output_tokens;
  cache_write_5m_tokens += other.cache_write_5m_tokens;
  cache_write_1h_tokens += other.cache_write_1h_tokens;
  cache_read_tokens += other.cache_read_tokens;
  return *this;
}

int64_t Usage::Prompt() const {
  return input_tokens + cache_write_5m_tokens + cache_write_1h_tokens + cache_read_tokens;
}

}  // namespace mend::plan::claude
