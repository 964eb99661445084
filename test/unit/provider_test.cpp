// Where Claude may be reached: addresses, bodies, credentials and errors, and each provider's
// stand-in over real HTTP.
#include "core/plan/claude/provider.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include <fstream>

#include "claude_case.h"
#include "core/net/curl.h"
#include "core/plan/claude/aws.h"
#include "core/plan/claude/exchange.h"
#include "stand_in.h"

namespace mend::test {
namespace {

using namespace plan::claude;

Endpoint Found(Provider provider, const Place& place) {
  const base::Result<Endpoint> found = FindEndpoint(provider, place);
  EXPECT_TRUE(found) << (found ? "" : found.error().message);
  return found ? *found : Endpoint();
}

TEST(ProviderTest, AddressesByWhatIsKnown) {
  EXPECT_EQ(UrlOf(Found(Provider::Anthropic, {}), "m"), "https://api.anthropic.com/v1/messages");
  EXPECT_EQ(
      UrlOf(Found(Provider::Bedrock, {"", "eu-west-1", "", ""}), "eu.anthropic.claude-haiku-5-5"),
      "https://bedrock-runtime.eu-west-1.amazonaws.com/model/eu.anthropic.claude-haiku-5-5/invoke");
  EXPECT_EQ(UrlOf(Found(Provider::Bedrock,
                        {"https://bedrock-mantle.us-east-1.api.aws/anthropic", "", "", ""}),
                  "m"),
            "https://bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages");
  EXPECT_EQ(UrlOf(Found(Provider::Vertex, {"", "global", "proj", ""}), "claude-haiku-4-5@20251001"),
            "https://aiplatform.googleapis.com/v1/projects/proj/locations/global/publishers/"
            "anthropic/models/"
            "claude-haiku-4-5@20251001:rawPredict");
  EXPECT_EQ(UrlOf(Found(Provider::Vertex, {"", "eu", "p", ""}), "m").substr(0, 44),
            "https://aiplatform.eu.rep.googleapis.com/v1/");
  EXPECT_EQ(UrlOf(Found(Provider::Foundry, {"", "", "", "res"}), "m"),
            "https://res.services.ai.azure.com/anthropic/v1/messages");
  EXPECT_FALSE(FindEndpoint(Provider::Bedrock, {}));
  EXPECT_FALSE(FindEndpoint(Provider::Vertex, {"", "global", "", ""}));
  EXPECT_FALSE(
      FindEndpoint(Provider::Vertex, {"https://aiplatform.googleapis.com/v1", "global", "p", ""}));
  EXPECT_FALSE(FindEndpoint(Provider::Foundry, {}));
}

TEST(ProviderTest, AModelStaysInItsSegment) {
  const Endpoint vertex = Found(Provider::Vertex, {"", "us-east5", "p", ""});
  EXPECT_NE(UrlOf(vertex, "../x;y?z#").find("models/..%2Fx%3By%3Fz%23:rawPredict"),
            std::string::npos);
  const Endpoint bedrock = Found(Provider::Bedrock, {"", "us-east-1", "", ""});
  EXPECT_NE(
      UrlOf(bedrock, "arn:aws:bedrock:us-east-1:1:inference-profile/x").find("profile%2Fx/invoke"),
      std::string::npos);
}

TEST(ProviderTest, TheRegionOfAHostIsSigned) {
  const auto region = [](const std::string& url, const std::string& fallback) {
    return Found(Provider::Bedrock, {url, fallback, "", ""}).region;
  };
  EXPECT_EQ(region("https://bedrock-runtime.eu-central-1.amazonaws.com", "us-east-1"),
            "eu-central-1");
  EXPECT_EQ(region("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", ""),
            "us-gov-west-1");
  EXPECT_EQ(region("https://vpce-1.bedrock-runtime.eu-west-3.vpce.amazonaws.com", ""), "eu-west-3");
  EXPECT_EQ(region("https://bedrock-mantle.us-east-1.api.aws/anthropic", ""), "us-east-1");
  EXPECT_EQ(region("https://bedrock-runtime.evil.example", "us-east-1"), "us-east-1");
}

TEST(ProviderTest, AnArnHasARegion) {
  EXPECT_EQ(RegionOfModel("arn:aws:bedrock:eu-west-3:1:inference-profile/eu.anthropic.claude-x"),
            "eu-west-3");
  EXPECT_EQ(RegionOfModel("arn:aws-us-gov:bedrock:us-gov-west-1:1:x"), "us-gov-west-1");
  EXPECT_EQ(RegionOfModel("anthropic.claude-haiku-4-5-20251001-v1:0"), "");
  EXPECT_EQ(RegionOfModel("arn:aws:bedrock"), "");
  EXPECT_EQ(RegionOfModel("arn:aws:bedrock::1:x"), "");
}

TEST(ProviderTest, HeadersOfAGatewayTakeThePlaceOfOurs) {
  Endpoint endpoint = Found(Provider::Bedrock, {"https://gateway.example", "us-east-1", "", ""});
  Credential credential = {Credential::Kind::Aws, "secret", "AKID"};
  EXPECT_EQ(MakeRequest(endpoint, credential, "m", "{}").signature.access_key, "AKID");
  endpoint.extra = {{"X-Team", "data"}};
  EXPECT_EQ(MakeRequest(endpoint, credential, "m", "{}").signature.access_key, "AKID");
  endpoint.extra = {{"Authorization", "Bearer theirs"}};
  EXPECT_EQ(MakeRequest(endpoint, credential, "m", "{}").signature.access_key, "");
  const auto values = [](const net::Request& request, const std::string& wanted) {
    std::string found;
    for (const auto& [name, value] : request.headers) {
      if (name.size() == wanted.size() && strcasecmp(name.c_str(), wanted.c_str()) == 0) {
        found += value + ";";
      }
    }
    return found;
  };
  endpoint = Found(Provider::Anthropic, {"https://gateway.example", "", "", ""});
  credential = {Credential::Kind::ApiKey, "ours"};
  EXPECT_EQ(values(MakeRequest(endpoint, credential, "m", "{}"), "x-api-key"), "ours;");
  endpoint.extra = {{"X-Api-Key", "theirs"}, {"User-Agent", "gateway"}};
  EXPECT_EQ(values(MakeRequest(endpoint, credential, "m", "{}"), "x-api-key"), "theirs;");
  EXPECT_EQ(values(MakeRequest(endpoint, credential, "m", "{}"), "user-agent"), "gateway;");
}

TEST(ProviderTest, PriceNamesDropWhatPlatformsAdd) {
  EXPECT_EQ(PriceName("eu.anthropic.claude-haiku-5-5"), "claude-haiku-5-5");
  EXPECT_EQ(PriceName("global.anthropic.claude-opus-4-6-v1"), "claude-opus-4-6");
  EXPECT_EQ(PriceName("anthropic.claude-haiku-4-5-20251001-v1:0"), "claude-haiku-4-5-20251001");
  EXPECT_EQ(PriceName("claude-haiku-4-5@20251001"), "claude-haiku-4-5-20251001");
  EXPECT_EQ(PriceName("claude-sonnet-5-5@default"), "claude-sonnet-5-5");
  EXPECT_EQ(
      PriceName("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-sonnet-5-5"),
      "claude-sonnet-5-5");
  EXPECT_EQ(PriceName("claude-haiku-5-5"), "claude-haiku-5-5");
  EXPECT_EQ(PriceName("my-deployment"), "my-deployment");
  EXPECT_EQ(PriceName("a.b.anthropic.x"), "a.b.anthropic.x");
}

TEST(ProviderTest, HostsWithoutTheRest) {
  EXPECT_EQ(HostOf("https://u:p@h.example:8443/x?y"), "h.example");
  EXPECT_EQ(HostOf("http://[::1]:80/"), "[::1]");
  EXPECT_EQ(HostOf("nonsense"), "");
}

TEST(AwsTest, CredentialsFiles) {
  const std::string text =
      "# keys\n[default]\naws_access_key_id = AK1\naws_secret_access_key=s/1+\n\n[ other "
      "]\naws_access_key_id=AK2\r\n"
      "aws_secret_access_key=s2\r\naws_session_token = t==\r\n[broken]\naws_access_key_id=AK3\n";
  ASSERT_TRUE(ReadCredentialsFile(text, "default"));
  EXPECT_EQ(ReadCredentialsFile(text, "default")->secret_key, "s/1+");
  EXPECT_EQ(ReadCredentialsFile(text, "other")->session_token, "t==");
  EXPECT_FALSE(ReadCredentialsFile(text, "broken"));
  EXPECT_FALSE(ReadCredentialsFile(text, "missing"));
  EXPECT_EQ(ReadCredentialsFile(text, "broken").error().message.find("AK3"), std::string::npos);
  EXPECT_FALSE(ReadCredentialsFile("[default]\naws_access_key_id=a b\naws_secret_access_key=c\n",
                                   "default"));
}

TEST(AwsTest, MetadataAnswers) {
  const auto keys = ReadMetadataKeys(
      R"({"AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2026-11-29T17:00:00Z"})");
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->expires_at_ms, 1795971600000);
  EXPECT_FALSE(ReadMetadataKeys("<html>"));
  EXPECT_FALSE(ReadMetadataKeys(R"({"AccessKeyId":"A","SecretAccessKey":"S\nX: y"})"));
  EXPECT_FALSE(
      ReadMetadataKeys(R"({"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"soon"})"));
  EXPECT_EQ(ParseTimestamp("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(ParseTimestamp("2024-02-29T12:00:00.123Z"), 1709208000000);
  EXPECT_EQ(ParseTimestamp("2024-13-01T00:00:00Z"), std::nullopt);
}

// What differs by provider: how it is reached in a test.
struct Way {
  const char* name;  // of the stand-in
  Provider provider;
  const char* path;   // behind the stand-in's address
  const char* model;  // what claude-haiku-5-5 is called there
  const char* other;  // and claude-opus-5-5
  Credential::Kind kind;
};

void PrintTo(const Way& way, std::ostream* out) {
  *out << way.name << " " << static_cast<int>(way.kind);
}

class ProviderStandInTest : public testing::TestWithParam<Way> {
 protected:
  ProviderStandInTest() {
    char name[] = "/tmp/mend_provider.XXXXXX";
    directory_ = mkdtemp(name);
    Write("keys", "test-key\n");
    Write("aws", "AKIDOLD old/secret+ old-token\nAKIDNEW new/secret+ new-token\n");
    orders_.AddAmount();
    world_.clock = &clock_;
    world_.pulse = [] { return true; };
    world_.gate = [](const std::string&) { return std::string(); };
    world_.record = [this](const Call& call) { calls_.push_back(call); };
    world_.judge = [this](const std::string&, const tools::PatchInput&) {
      return Verdict{++judged_ > refusals_, "no"};
    };
    world_.transport = &curl_;
  }
  ~ProviderStandInTest() override {
    for (const char* file : {"keys", "aws"}) unlink((directory_ + "/" + file).c_str());
    rmdir(directory_.c_str());
  }

  void Write(const std::string& file, const std::string& text) {
    std::ofstream(directory_ + "/" + file) << text;
  }

  Credential Good() const {
    const Way& way = GetParam();
    if (way.kind == Credential::Kind::Aws) {
      return AwsKeys{"AKIDNEW", "new/secret+", "new-token", std::nullopt}.AsCredential();
    }
    Credential credential;
    credential.kind = way.kind;
    credential.secret = "test-key";
    return credential;
  }

  Result Play(const std::vector<std::string>& script) {
    const Way& way = GetParam();
    stand_in_ = std::make_unique<StandIn>(
        script, std::vector<std::string>{"--provider", way.name, "--keys", directory_ + "/keys",
                                         "--aws-keys", directory_ + "/aws", "--deployment",
                                         "planner=claude-haiku-5-5"});
    settings_.endpoint = Found(way.provider, {stand_in_->base() + way.path, "us-east-1", "p", ""});
    if (settings_.credential.kind == Credential::Kind::ApiKey &&
        settings_.credential.secret.empty()) {
      settings_.credential = Good();
    }
    settings_.model = way.model;
    settings_.escalation_model = way.other;
    settings_.request_timeout_ms = 5000;
    return Converse(settings_, orders_.input, world_);
  }

  std::string directory_;
  std::unique_ptr<StandIn> stand_in_;
  net::CurlTransport curl_;
  net::SystemClock clock_;
  Settings settings_;
  World world_;
  Orders orders_;
  std::vector<Call> calls_;
  size_t judged_ = 0, refusals_ = 0;
};

TEST_P(ProviderStandInTest, APatchIsAccepted) {
  std::string sent;
  world_.sending = [&](const std::string&, const std::string& body) { sent = body; };
  const Result result = Play({});
  EXPECT_EQ(result.end, End::Accepted) << result.reason;
  EXPECT_EQ(stand_in_->Bodies()[0], FirstRequest(settings_, orders_.input));
  EXPECT_EQ(sent, stand_in_->Bodies()[0]);
}

TEST_P(ProviderStandInTest, ToolTurnsAndTheOtherModelWorkToo) {
  refusals_ = 4;
  const std::string ddl = "ddl:ALTER TABLE public.orders ALTER COLUMN amount TYPE text";
  const Result result = Play({ddl, ddl, ddl, ddl});
  EXPECT_EQ(result.end, End::Accepted) << result.reason;
  EXPECT_EQ(result.model, GetParam().other);
  EXPECT_EQ(result.refused.size(), 4u);
}

TEST_P(ProviderStandInTest, ErrorsAreToldInWordsOfTheProvider) {
  Result limited = Play({"429", "429", "429"});
  EXPECT_EQ(limited.end, End::RateLimited) << limited.reason;
  EXPECT_NE(limited.reason.find(Title(GetParam().provider)), std::string::npos) << limited.reason;
  EXPECT_NE(limited.reason.find("rate limit"), std::string::npos) << limited.reason;
  EXPECT_EQ(calls_.size(), 3u);
  EXPECT_EQ(Play({"503", "503", "503"}).end, End::Overloaded);
}

TEST_P(ProviderStandInTest, AWrongCredentialIsRefused) {
  settings_.credential = Good();
  settings_.credential.secret += "x";
  const Result result = Play({});
  EXPECT_EQ(result.end, End::KeyRefused) << result.reason;
  EXPECT_EQ(result.reason.find(settings_.credential.secret), std::string::npos);
  EXPECT_EQ(calls_.size(), 1u);
}

TEST_P(ProviderStandInTest, ACredentialThatWasRotatedIsTakenUpOnce) {
  int asked = 0;
  world_.credential = [&](bool refused) -> base::Result<Credential> {
    ++asked;
    Credential credential = Good();
    if (!refused) {
      credential.secret = "stale";
      if (credential.kind == Credential::Kind::Aws) credential.access_key = "AKIDGONE";
    }
    return credential;
  };
  const Result result = Play({});
  EXPECT_EQ(result.end, End::Accepted) << result.reason;
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(calls_.size(), 2u);
}

TEST_P(ProviderStandInTest, ACredentialThatIsNotToBeHadIsNoRequest) {
  world_.credential = [](bool) -> base::Result<Credential> {
    return base::Error{"28000", "the machine has no role for AWS", ""};
  };
  const Result result = Play({});
  EXPECT_EQ(result.end, End::KeyRefused);
  EXPECT_EQ(result.reason, "the machine has no role for AWS");
  EXPECT_TRUE(calls_.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Ways, ProviderStandInTest,
    testing::Values(
        Way{"bedrock", Provider::Bedrock, "", "eu.anthropic.claude-haiku-5-5",
            "anthropic.claude-opus-5-5-v1:0", Credential::Kind::Aws},
        Way{"bedrock", Provider::Bedrock, "",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-haiku-5-5",
            "anthropic.claude-opus-5-5", Credential::Kind::Bearer},
        Way{"mantle", Provider::Bedrock, "/anthropic", "anthropic.claude-haiku-5-5",
            "anthropic.claude-opus-5-5", Credential::Kind::Aws},
        Way{"mantle", Provider::Bedrock, "/anthropic", "anthropic.claude-haiku-5-5",
            "anthropic.claude-opus-5-5", Credential::Kind::Bearer},
        Way{"vertex", Provider::Vertex, "/v1/projects/p/locations/us-east5",
            "claude-haiku-5-5@20261007", "claude-opus-5-5", Credential::Kind::Bearer},
        Way{"foundry", Provider::Foundry, "/anthropic", "planner", "claude-opus-5-5",
            Credential::Kind::ApiKey},
        Way{"foundry", Provider::Foundry, "/anthropic", "planner", "claude-opus-5-5",
            Credential::Kind::Bearer}));

}  // namespace
}  // namespace mend::test
