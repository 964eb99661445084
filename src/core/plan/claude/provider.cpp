#include "core/plan/claude/provider.h"

#include <algorithm>
#include <cctype>
#include <iterator>

namespace mend::plan::claude {
namespace {

struct Known {
  std::string_view name;
  std::string_view title;
};

// In the order of Provider.
constexpr Known kProviders[] = {
    {"anthropic", "the Anthropic API"},
    {"bedrock", "Amazon Bedrock"},
    {"vertex", "Vertex AI"},
    {"foundry", "Microsoft Foundry"},
};
static_assert(std::size(kProviders) == static_cast<size_t>(Provider::Foundry) + 1);

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

bool IsDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

// One segment of a path: what the official SDKs leave as it is, and %XX for the rest.
std::string Segment(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-._~!$&'()*+,=:@";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && (std::isalnum(byte) != 0 || kPlain.find(c) != std::string_view::npos)) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

// Bedrock's newer endpoint takes the Messages form under a path that ends in /anthropic.
bool IsMantle(const Endpoint& endpoint) { return EndsWith(endpoint.base, "/anthropic"); }

// The label behind "bedrock-runtime" or "bedrock-mantle" in a host name of AWS, private ones
// included (vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com); empty elsewhere.
std::string RegionOfHost(std::string_view host) {
  if (!EndsWith(host, ".amazonaws.com") && !EndsWith(host, ".amazonaws.com.cn") &&
      !EndsWith(host, ".api.aws")) {
    return {};
  }
  for (const std::string_view service :
       {"bedrock-runtime", "bedrock-mantle", "bedrock-runtime-fips"}) {
    const std::string label = std::string(service) + ".";
    size_t at = StartsWith(host, label) ? 0 : host.find("." + label);
    if (at == std::string_view::npos) continue;
    at += label.size() + (at == 0 && StartsWith(host, label) ? 0 : 1);
    return std::string(host.substr(at, host.find('.', at) - at));
  }
  return {};
}

std::string VertexHost(const std::string& region) {
  if (region == "global") return "aiplatform.googleapis.com";
  if (region == "us" || region == "eu") return "aiplatform." + region + ".rep.googleapis.com";
  return region + "-aiplatform.googleapis.com";
}

base::Error Missing(std::string message, std::string hint) {
  return {"55000", std::move(message), std::move(hint)};
}

base::Result<std::string> BedrockBase(const Place& place) {
  if (place.region.empty()) {
    return Missing("no region is known for Amazon Bedrock",
                   "Set mend.api_url, or AWS_REGION in the server's environment.");
  }
  return "https://bedrock-runtime." + place.region + ".amazonaws.com";
}

base::Result<std::string> VertexBase(const Place& place) {
  if (place.region.empty() || place.project.empty()) {
    return Missing("no project and region are known for Vertex AI",
                   "Set mend.api_url up to /projects/PROJECT/locations/REGION, or "
                   "ANTHROPIC_VERTEX_PROJECT_ID and CLOUD_ML_REGION in the server's environment.");
  }
  return "https://" + VertexHost(place.region) + "/v1/projects/" + Segment(place.project) +
         "/locations/" + Segment(place.region);
}

base::Result<std::string> FoundryBase(const Place& place) {
  if (place.resource.empty()) {
    return Missing("no resource is known for Microsoft Foundry",
                   "Set mend.api_url (https://RESOURCE.services.ai.azure.com/anthropic), or "
                   "ANTHROPIC_FOUNDRY_RESOURCE in the server's environment.");
  }
  return "https://" + Segment(place.resource) + ".services.ai.azure.com/anthropic";
}

base::Result<std::string> BaseOf(Provider provider, const Place& place) {
  if (!place.url.empty()) return place.url;
  switch (provider) {
    case Provider::Anthropic: break;
    case Provider::Bedrock: return BedrockBase(place);
    case Provider::Vertex: return VertexBase(place);
    case Provider::Foundry: return FoundryBase(place);
  }
  return std::string("https://api.anthropic.com");
}

// "-v1:0", "-v2", as Bedrock ends its names.
std::string_view WithoutRevision(std::string_view model) {
  const size_t v = model.rfind("-v");
  if (v == std::string_view::npos) return model;
  std::string_view rest = model.substr(v + 2);
  const size_t colon = rest.find(':');
  const bool is_revision = IsDigits(rest.substr(0, colon)) &&
                           (colon == std::string_view::npos || IsDigits(rest.substr(colon + 1)));
  return is_revision ? model.substr(0, v) : model;
}

}  // namespace

std::string_view Name(Provider provider) { return kProviders[static_cast<size_t>(provider)].name; }

std::string_view Title(Provider provider) {
  return kProviders[static_cast<size_t>(provider)].title;
}

Wire WireOf(const Endpoint& endpoint) {
  switch (endpoint.provider) {
    case Provider::Anthropic: return {"", "2026-10-21", true, true, true};
    case Provider::Bedrock:
      if (IsMantle(endpoint)) return {"", "2023-06-01", true, false, false};
      return {"bedrock-2023-05-31", "", false, true, false};
    case Provider::Vertex: return {"vertex-2023-10-16", "", false, false, false};
    case Provider::Foundry: return {"", "2023-06-01", true, false, false};
  }
  return {};
}

std::string UrlOf(const Endpoint& endpoint, std::string_view model) {
  if (WireOf(endpoint).model_in_body) return endpoint.base + "/v1/messages";
  if (endpoint.provider == Provider::Bedrock) {
    return endpoint.base + "/model/" + Segment(model) + "/invoke";
  }
  return endpoint.base + "/publishers/anthropic/models/" + Segment(model) + ":rawPredict";
}

std::string RegionOfModel(std::string_view model) {
  if (!StartsWith(model, "arn:")) return {};
  for (int colons = 0; colons < 3; ++colons) {
    const size_t colon = model.find(':');
    if (colon == std::string_view::npos) return {};
    model.remove_prefix(colon + 1);
  }
  return std::string(model.substr(0, model.find(':')));
}

std::string_view SigningService(const Endpoint& endpoint) {
  return IsMantle(endpoint) ? "bedrock-mantle" : "bedrock";
}

std::string HostOf(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  std::string_view host = url.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  if (const size_t at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
  if (!host.empty() && host.front() == '[') return std::string(host.substr(0, host.find(']') + 1));
  return std::string(host.substr(0, host.find(':')));
}

base::Result<Endpoint> FindEndpoint(Provider provider, const Place& place) {
  base::Result<std::string> base = BaseOf(provider, place);
  if (!base) return base.error();
  Endpoint endpoint;
  endpoint.provider = provider;
  endpoint.base = std::move(*base);
  if (!endpoint.base.empty() && endpoint.base.back() == '/') endpoint.base.pop_back();
  if (provider == Provider::Bedrock) {
    endpoint.region = RegionOfHost(HostOf(endpoint.base));
    if (endpoint.region.empty()) endpoint.region = place.region;
  }
  if (provider == Provider::Vertex && endpoint.base.find("/locations/") == std::string::npos) {
    return Missing("mend.api_url does not say which project and region of Vertex AI are meant",
                   "It ends in /projects/PROJECT/locations/REGION.");
  }
  return endpoint;
}

std::string PriceName(std::string_view model) {
  if (StartsWith(model, "arn:")) {
    const size_t slash = model.rfind('/');
    if (slash != std::string_view::npos) model.remove_prefix(slash + 1);
  }
  if (const size_t at = model.find("anthropic."); at != std::string_view::npos) {
    const std::string_view before = model.substr(0, at);
    if (before.empty() || (before.back() == '.' && before.find('.') == before.size() - 1)) {
      model = WithoutRevision(model.substr(at + std::string_view("anthropic.").size()));
    }
  }
  std::string name(model);
  if (const size_t at = name.find('@'); at != std::string::npos) {
    name = IsDigits(std::string_view(name).substr(at + 1))
               ? name.substr(0, at) + "-" + name.substr(at + 1)
               : name.substr(0, at);
  }
  return name;
}

}  // namespace mend::plan::claude
