// Where Claude may be reached, and what differs there: address, headers, body, features, errors.
// Facts and their sources: doc/providers.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/net/transport.h"

namespace mend::plan::claude {

enum class Provider : uint8_t { Anthropic, Bedrock, Vertex, Foundry };

std::string_view Name(Provider provider);
// For a person: "the Anthropic API", "Amazon Bedrock", ...
std::string_view Title(Provider provider);

// The form of requests that an address takes.
struct Wire {
  // In the body as anthropic_version; empty: in the header anthropic-version instead.
  std::string_view body_version;
  std::string_view header_version;
  bool model_in_body = true;  // else in the path
  bool strict = true;         // tools[].strict may be asked for
  bool effort = true;         // output_config.effort may be asked for
};

// Where requests go, and how.
struct Endpoint {
  Provider provider = Provider::Anthropic;
  std::string base;     // without a trailing slash
  std::string region;   // Bedrock: what signatures are for; may be empty where none is made
  net::Headers extra;   // headers for a gateway; secret
  std::string proxy;    // empty: the environment's
  std::string ca_file;  // empty: the system's
};

Wire WireOf(const Endpoint& endpoint);
// The URL that a model is asked at.
std::string UrlOf(const Endpoint& endpoint, std::string_view model);
// The region in an ARN; empty where a model has another name.
std::string RegionOfModel(std::string_view model);
// The AWS service that signatures for the address are for.
std::string_view SigningService(const Endpoint& endpoint);
// The host of a URL, without user, password and port; empty where there is none.
std::string HostOf(std::string_view url);

// What the environment or a person says of the place; all may be empty.
struct Place {
  std::string url;       // mend.api_url, or the provider's own variable
  std::string region;    // AWS_REGION, CLOUD_ML_REGION
  std::string project;   // ANTHROPIC_VERTEX_PROJECT_ID
  std::string resource;  // ANTHROPIC_FOUNDRY_RESOURCE
};
// The endpoint of a place; the error says what is missing, for a person.
base::Result<Endpoint> FindEndpoint(Provider provider, const Place& place);

// The name under which mend.model_prices knows a model: without what cloud platforms put before and
// behind it.
//   eu.anthropic.claude-haiku-5-5, global.anthropic.claude-opus-4-6-v1,
//   anthropic.claude-haiku-4-5-20251001-v1:0, claude-haiku-4-5@20251001,
//   arn:aws:bedrock:...:inference-profile/us.anthropic.claude-sonnet-5-5
// A name of a person's choice (a deployment) stays as it is, and needs a row of its own.
std::string PriceName(std::string_view model);

}  // namespace mend::plan::claude
