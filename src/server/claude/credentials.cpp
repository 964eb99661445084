#include "server/claude/credentials.h"

#include <cstdlib>
#include <optional>
#include <string_view>

#include "core/net/clock.h"
#include "core/plan/claude/aws.h"
#include "server/claude/secret_file.h"
#include "server/pg/call.h"
#include "server/pg/http.h"
#include "server/pg/settings_claude.h"

namespace mend::claude {
namespace {

using plan::claude::AwsKeys;
using plan::claude::Credential;
using plan::claude::Provider;

constexpr size_t kMaxFileBytes = 65536;
constexpr int64_t kMetadataTimeoutMs = 5000;
constexpr int64_t kRenewBeforeMs = 5 * 60'000;  // as the SDKs of AWS do
constexpr char kContainerHost[] = "http://169.254.170.2";

base::Error Fault(std::string message) { return {"28000", std::move(message), ""}; }

// A secret in a file that a setting names.
base::Result<Credential> FromFile(const char* setting, const char* path, Credential::Kind kind,
                                  std::string* mark) {
  Credential credential;
  credential.kind = kind;
  std::string fault;
  if (!ReadKeyFile(path, &credential.secret, mark, &fault)) {
    return Fault(std::string(setting) + " cannot be used: " + fault);
  }
  return credential;
}

base::Result<Credential> FromEnvironment(const char* name, Credential::Kind kind) {
  Credential credential;
  credential.kind = kind;
  credential.secret = Environment(name);
  if (!IsPrintable(credential.secret)) {
    return Fault("the key in the server's environment holds characters that no key has");
  }
  return credential;
}

// Keys of AWS that stand somewhere on this machine.
struct AwsSource {
  enum class Kind : uint8_t { None, Environment, File, Container, Instance } kind = Kind::None;
  std::string file;  // File
  std::string url;   // Container, Instance
};

AwsSource FindAwsSource() {
  if (!Environment("AWS_ACCESS_KEY_ID").empty() && !Environment("AWS_SECRET_ACCESS_KEY").empty()) {
    return {AwsSource::Kind::Environment, {}, {}};
  }
  std::string file = pg::aws_credentials_file;
  if (file.empty()) {
    file = Environment("AWS_SHARED_CREDENTIALS_FILE");
  }
  if (!file.empty()) {
    return {AwsSource::Kind::File, file, {}};
  }
  if (const std::string full = Environment("AWS_CONTAINER_CREDENTIALS_FULL_URI"); !full.empty()) {
    return {AwsSource::Kind::Container, {}, full};
  }
  if (const std::string relative = Environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
      !relative.empty()) {
    return {AwsSource::Kind::Container, {}, kContainerHost + relative};
  }
  if (*pg::aws_metadata_url != '\0') {
    std::string url = pg::aws_metadata_url;
    if (url.back() == '/') {
      url.pop_back();
    }
    return {AwsSource::Kind::Instance, {}, url};
  }
  return {};
}

base::Result<Credential> AwsFromEnvironment() {
  AwsKeys keys{Environment("AWS_ACCESS_KEY_ID"), Environment("AWS_SECRET_ACCESS_KEY"),
               Environment("AWS_SESSION_TOKEN"), std::nullopt};
  if (!IsPrintable(keys.access_key) || !IsPrintable(keys.secret_key) ||
      !IsPrintable(keys.session_token)) {
    return Fault("the AWS keys in the server's environment hold characters that no key has");
  }
  return keys.AsCredential();
}

base::Result<Credential> AwsFromFile(const std::string& path, std::string* mark) {
  std::string text, fault;
  if (!ReadSecretFile(path.c_str(), kMaxFileBytes, &text, mark, &fault)) {
    return Fault("the AWS credentials file cannot be used: " + fault);
  }
  std::string profile = Environment("AWS_PROFILE");
  if (profile.empty()) {
    profile = "default";
  }
  base::Result<AwsKeys> keys = plan::claude::ReadCredentialsFile(text, profile);
  if (!keys) {
    return keys.error();
  }
  return keys->AsCredential();
}

base::Result<std::string> AskMetadata(const char* method, const std::string& url,
                                      net::Headers headers, const net::Pulse& pulse) {
  net::Request request;
  request.method = method;
  request.url = url;
  request.headers = std::move(headers);
  request.connect_timeout_ms = request.total_timeout_ms = kMetadataTimeoutMs;
  request.max_response_bytes = kMaxFileBytes;
  request.link_local = true;
  const net::Outcome outcome = pg::HttpTransport().Send(request, pulse);
  if (const auto* failure = std::get_if<net::Failure>(&outcome)) {
    return Fault("the metadata service for AWS credentials cannot be reached: " + failure->message);
  }
  const net::Response& response = std::get<net::Response>(outcome);
  if (response.status != 200) {
    return Fault("the metadata service for AWS credentials answers with HTTP " +
                 std::to_string(response.status));
  }
  return response.body;
}

// The service of a container (ECS, EKS Pod Identity).
base::Result<std::string> AskContainer(const std::string& url, const net::Pulse& pulse) {
  net::Headers headers;
  std::string token = Environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const std::string file = Environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
      !file.empty()) {
    std::string mark, fault;
    if (!ReadKeyFile(file.c_str(), &token, &mark, &fault)) {
      return Fault("the token for AWS container credentials cannot be used: " + fault);
    }
  }
  if (!token.empty()) {
    headers.emplace_back("authorization", token);
  }
  return AskMetadata("GET", url, std::move(headers), pulse);
}

// The instance metadata service, version 2 only: a session token first.
base::Result<std::string> AskInstance(const std::string& url, const net::Pulse& pulse) {
  base::Result<std::string> token = AskMetadata(
      "PUT", url + "/latest/api/token", {{"x-aws-ec2-metadata-token-ttl-seconds", "300"}}, pulse);
  if (!token) {
    return token;
  }
  if (token->empty() || !IsPrintable(*token)) {
    return Fault("the metadata service for AWS credentials gives no session token");
  }
  const net::Headers session = {{"x-aws-ec2-metadata-token", *token}};
  const std::string roles = url + "/latest/meta-data/iam/security-credentials/";
  base::Result<std::string> role = AskMetadata("GET", roles, session, pulse);
  if (!role) {
    return role;
  }
  const std::string name = role->substr(0, role->find_first_of("\r\n"));
  if (name.empty() || !IsPrintable(name) || name.find('/') != std::string::npos) {
    return Fault("the machine has no role for AWS");
  }
  return AskMetadata("GET", roles + name, session, pulse);
}

// What a metadata service gave last, by its URL.
struct Lent {
  std::string url;
  AwsKeys keys;
};
std::optional<Lent>& LastLent() {
  static std::optional<Lent>& lent = *new std::optional<Lent>();
  return lent;
}

base::Result<Credential> AwsFromMetadata(const AwsSource& source, bool refused,
                                         const net::Pulse& pulse) {
  std::optional<Lent>& lent = LastLent();
  const int64_t now = net::SystemClock().NowMs();
  if (lent && !refused && lent->url == source.url &&
      (!lent->keys.expires_at_ms || *lent->keys.expires_at_ms - kRenewBeforeMs > now)) {
    return lent->keys.AsCredential();
  }
  lent.reset();
  const base::Result<std::string> answer = source.kind == AwsSource::Kind::Container
                                               ? AskContainer(source.url, pulse)
                                               : AskInstance(source.url, pulse);
  if (!answer) {
    return answer.error();
  }
  base::Result<AwsKeys> keys = plan::claude::ReadMetadataKeys(*answer);
  if (!keys) {
    return keys.error();
  }
  lent = Lent{source.url, *keys};
  return keys->AsCredential();
}

// What a request may carry without a network being asked: nullopt where nothing is configured, or a
// metadata service is.
std::optional<base::Result<Credential>> LocalCredential(Provider provider, std::string* mark) {
  const bool bears = provider == Provider::Bedrock || provider == Provider::Vertex;
  const auto kind = bears ? Credential::Kind::Bearer : Credential::Kind::ApiKey;
  if (*pg::api_token_file != '\0') {
    return FromFile("mend.api_token_file", pg::api_token_file, Credential::Kind::Bearer, mark);
  }
  if (*pg::api_key_file != '\0') {
    return FromFile("mend.api_key_file", pg::api_key_file, kind, mark);
  }
  *mark = std::to_string(PgStartTime);  // an environment changes with the server alone
  struct Variable {
    Provider provider;
    const char* name;
    Credential::Kind kind;
  };
  constexpr Variable kVariables[] = {
      {Provider::Anthropic, "ANTHROPIC_API_KEY", Credential::Kind::ApiKey},
      {Provider::Anthropic, "ANTHROPIC_AUTH_TOKEN", Credential::Kind::Bearer},
      {Provider::Bedrock, "AWS_BEARER_TOKEN_BEDROCK", Credential::Kind::Bearer},
      {Provider::Foundry, "ANTHROPIC_FOUNDRY_API_KEY", Credential::Kind::ApiKey},
  };
  for (const Variable& variable : kVariables) {
    if (variable.provider == provider && !Environment(variable.name).empty()) {
      return FromEnvironment(variable.name, variable.kind);
    }
  }
  if (provider == Provider::Bedrock) {
    const AwsSource source = FindAwsSource();
    if (source.kind == AwsSource::Kind::Environment) {
      return AwsFromEnvironment();
    }
    if (source.kind == AwsSource::Kind::File) {
      return AwsFromFile(source.file, mark);
    }
  }
  return std::nullopt;
}

bool HasMetadata(Provider provider) {
  return provider == Provider::Bedrock && FindAwsSource().kind != AwsSource::Kind::None;
}

// A gateway that knows us by headers of its own needs nothing else.
Credential NoCredential() {
  Credential credential;
  credential.kind = Credential::Kind::None;
  return credential;
}

}  // namespace

std::string Environment(const char* name) {
  const char* value = getenv(name);
  std::string_view text = value != nullptr ? value : "";
  const char* blanks = " \t\r\n";
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return std::string(text.substr(first, text.find_last_not_of(blanks) - first + 1));
}

Configured LookAtCredential(Provider provider) {
  Configured out;
  const std::optional<base::Result<Credential>> local = LocalCredential(provider, &out.mark);
  out.any = local || HasMetadata(provider) || *pg::api_headers_file != '\0';
  if (local && !local->ok()) {
    out.fault = local->error().message;
  }
  out.signs =
      local ? local->ok() && (*local)->kind == Credential::Kind::Aws : HasMetadata(provider);
  return out;
}

base::Result<Credential> TakeCredential(Provider provider, bool refused, const net::Pulse& pulse) {
  std::string mark;
  if (std::optional<base::Result<Credential>> local = LocalCredential(provider, &mark)) {
    return std::move(*local);
  }
  if (HasMetadata(provider)) {
    return AwsFromMetadata(FindAwsSource(), refused, pulse);
  }
  return NoCredential();
}

}  // namespace mend::claude
