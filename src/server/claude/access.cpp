#include "server/claude/access.h"

#include <algorithm>
#include <cctype>

#include "core/base/hash.h"
#include "server/claude/credentials.h"
#include "server/claude/secret_file.h"
#include "server/pg/http.h"
#include "server/pg/settings_claude.h"

namespace mend::claude {
namespace {

using plan::claude::Provider;

constexpr size_t kMaxHeaderFileBytes = 16384;

// A variable that each provider's SDK knows, for the address.
const char* UrlVariable(Provider provider) {
  switch (provider) {
    case Provider::Anthropic: return "ANTHROPIC_BASE_URL";
    case Provider::Bedrock: return "ANTHROPIC_BEDROCK_BASE_URL";
    case Provider::Vertex: return "ANTHROPIC_VERTEX_BASE_URL";
    case Provider::Foundry: return "ANTHROPIC_FOUNDRY_BASE_URL";
  }
  return "";
}

std::string FirstOf(const std::string& first, const char* name) {
  return first.empty() ? Environment(name) : first;
}

plan::claude::Place FindPlace(Provider provider) {
  plan::claude::Place place;
  place.url = FirstOf(pg::api_url, UrlVariable(provider));
  if (provider == Provider::Bedrock) {
    place.region = FirstOf(Environment("AWS_REGION"), "AWS_DEFAULT_REGION");
  } else if (provider == Provider::Vertex) {
    place.region = Environment("CLOUD_ML_REGION");
    place.project = Environment("ANTHROPIC_VERTEX_PROJECT_ID");
  } else if (provider == Provider::Foundry) {
    place.resource = Environment("ANTHROPIC_FOUNDRY_RESOURCE");
  }
  return place;
}

bool IsHeaderName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
}

// What would change how the message is framed.
bool IsFraming(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const char* framing : {"content-length", "content-type", "transfer-encoding", "connection",
                              "host", "expect", "upgrade", "te", "trailer"}) {
    if (name == framing) {
      return true;
    }
  }
  return false;
}

// Lines "Name: value". The fault names the line, and quotes nothing of it.
std::string ReadHeaders(const std::string& text, net::Headers* headers) {
  size_t line_number = 0;
  for (size_t at = 0; at < text.size();) {
    ++line_number;
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) {
      line.pop_back();
    }
    if (line.empty()) {
      continue;
    }
    const size_t colon = line.find(':');
    std::string name = line.substr(0, colon);
    const size_t value =
        colon == std::string::npos ? std::string::npos : line.find_first_not_of(" \t", colon + 1);
    if (value == std::string::npos || !IsHeaderName(name)) {
      return "line " + std::to_string(line_number) + " is no header";
    }
    const bool printable = std::all_of(line.begin() + static_cast<std::ptrdiff_t>(value),
                                       line.end(), [](char c) { return c >= ' ' && c < 0x7F; });
    if (!printable || IsFraming(name)) {
      return "line " + std::to_string(line_number) + " is a header that may not be given";
    }
    headers->emplace_back(std::move(name), line.substr(value));
  }
  return {};
}

std::string LoadHeaders(net::Headers* headers, std::string* mark) {
  if (*pg::api_headers_file == '\0') {
    return {};
  }
  std::string text, fault;
  if (ReadSecretFile(pg::api_headers_file, kMaxHeaderFileBytes, &text, mark, &fault)) {
    fault = ReadHeaders(text, headers);
  }
  return fault.empty() ? "" : "mend.api_headers_file cannot be used: " + fault;
}

}  // namespace

Access LoadAccess() {
  Access access;
  if (!pg::kHasNetwork) {
    return access;
  }
  const auto provider = static_cast<Provider>(pg::provider);
  const Configured configured = LookAtCredential(provider);
  access.fault = configured.fault;
  net::Headers headers;
  std::string headers_mark;
  if (const std::string fault = LoadHeaders(&headers, &headers_mark); access.fault.empty()) {
    access.fault = fault;
  }
  base::Result<plan::claude::Endpoint> endpoint =
      plan::claude::FindEndpoint(provider, FindPlace(provider));
  if (endpoint) {
    access.endpoint = std::move(*endpoint);
    if (access.endpoint.region.empty()) {
      access.endpoint.region = plan::claude::RegionOfModel(pg::model);
    }
    if (configured.signs && access.endpoint.region.empty() && access.fault.empty()) {
      access.fault =
          "no region is known for the signature: neither the host of mend.api_url, nor AWS_REGION "
          "in the server's environment, nor an ARN as mend.model says it";
    }
  } else {
    access.endpoint.provider = provider;
    access.fault = access.fault.empty() ? endpoint.error().message : access.fault;
  }
  access.endpoint.extra = std::move(headers);
  access.endpoint.proxy = pg::proxy;
  access.endpoint.ca_file = pg::ca_file;
  if (configured.any) {
    access.state = access.fault.empty() ? Access::State::Ready : Access::State::Unusable;
  }
  access.config = base::Hash()
                      .Add(Name(provider))
                      .Add(access.endpoint.base)
                      .Add(pg::api_key_file)
                      .Add(pg::api_token_file)
                      .Add(configured.mark)
                      .Add(headers_mark)
                      .Add(pg::proxy)
                      .Add(pg::ca_file)
                      .Add(pg::model)
                      .Add(pg::escalation_model)
                      .Hex();
  return access;
}

}  // namespace mend::claude
