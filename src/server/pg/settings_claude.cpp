#include "server/pg/settings_claude.h"

#include <climits>

#include "server/pg/http.h"
#include "server/pg/postgres.h"
#include "server/pg/settings_observe.h"

namespace mend::pg {

int provider = 0;
char* model = nullptr;
char* escalation_model = nullptr;
char* api_url = nullptr;
char* api_key_file = nullptr;
char* api_token_file = nullptr;
char* api_headers_file = nullptr;
char* aws_credentials_file = nullptr;
char* aws_metadata_url = nullptr;
char* proxy = nullptr;
char* ca_file = nullptr;
int request_timeout_ms = 120000;
int max_turns = 4;
int calls_per_hour = 60;
double daily_budget_usd = 1;
int keep_prompts = kKeepDigest;

namespace {

// In the order of plan::claude::Provider.
const config_enum_entry kProviders[] = {{"anthropic", 0, false},
                                        {"bedrock", 1, false},
                                        {"vertex", 2, false},
                                        {"foundry", 3, false},
                                        {nullptr, 0, false}};

const config_enum_entry kKeepPrompts[] = {{"off", kKeepOff, false},
                                          {"digest", kKeepDigest, false},
                                          {"full", kKeepFull, false},
                                          {nullptr, 0, false}};

struct StringSetting {
  const char* name;
  const char* description;
  char** variable;
  const char* boot;
  int flags;
};

constexpr StringSetting kStringSettings[] = {
    {"mend.model",
     "The Claude model that is asked for what rules cannot prove, as the provider calls it.",
     &model, "claude-haiku-5-5", 0},
    {"mend.escalation_model",
     "The Claude model that is asked once when the first one's patches are refused or prove "
     "nothing; empty: none is.",
     &escalation_model, "claude-opus-5-5", 0},
    {"mend.api_url",
     "Where the provider's API is: https, or http on this machine. Anthropic: without /v1; "
     "Bedrock: an address that ends in "
     "/anthropic takes the Messages form, others InvokeModel; Vertex AI: up to "
     "/projects/PROJECT/locations/REGION; Foundry: "
     "up to /anthropic. Empty: what the provider's own environment variables say, else Anthropic's "
     "address.",
     &api_url, "", GUC_SUPERUSER_ONLY},
    {"mend.api_key_file",
     "A file with the key, that only the server's user can read; read anew for each request. "
     "Empty: the provider's own "
     "environment variable.",
     &api_key_file, "", GUC_SUPERUSER_ONLY},
    {"mend.api_token_file",
     "A file with a bearer token that somebody else refreshes (OAuth, Entra, Google), that only "
     "the server's user can read; "
     "read anew for each request, and used before mend.api_key_file.",
     &api_token_file, "", GUC_SUPERUSER_ONLY},
    {"mend.api_headers_file",
     "A file with further headers of each request, one \"Name: value\" a line, for a gateway; as "
     "secret as a key.",
     &api_headers_file, "", GUC_SUPERUSER_ONLY},
    {"mend.aws_credentials_file",
     "A credentials file of AWS, that only the server's user can read; its profile is AWS_PROFILE "
     "of the server's "
     "environment, else \"default\". Empty: AWS_SHARED_CREDENTIALS_FILE.",
     &aws_credentials_file, "", GUC_SUPERUSER_ONLY},
    {"mend.aws_metadata_url",
     "The instance metadata service that is asked for AWS credentials when no other source has any "
     "(version 2 only), such as "
     "http://169.254.169.254; empty: it is not asked.",
     &aws_metadata_url, "", GUC_SUPERUSER_ONLY},
    {"mend.proxy",
     "The proxy by which the API is reached; empty: that of the server's environment.", &proxy, "",
     GUC_SUPERUSER_ONLY},
    {"mend.ca_file", "The certificates that the API's is checked with (PEM); empty: the system's.",
     &ca_file, "", GUC_SUPERUSER_ONLY},
};

struct IntSetting {
  const char* name;
  const char* description;
  int* variable;
  int boot;
  int low;
  int high;
  int flags;
};

constexpr IntSetting kIntSettings[] = {
    {"mend.request_timeout", "How long one request to the API may take.", &request_timeout_ms,
     120000, 1000, INT_MAX, GUC_UNIT_MS},
    {"mend.max_turns", "Answers that a model may give to one question, refused ones included.",
     &max_turns, 4, 1, 20, 0},
    {"mend.calls_per_hour",
     "Requests to the API in an hour, of all tables of the database; where several are enrolled, "
     "one table has half of it. 0 "
     "asks nothing, -1 is no limit.",
     &calls_per_hour, 60, -1, INT_MAX, 0},
};

}  // namespace

void DefineClaudeSettings() {
  if (!kHasNetwork) {
    for (const StringSetting& setting : kStringSettings) {
      *setting.variable = const_cast<char*>(setting.boot);
    }
    return;
  }
  DefineCustomEnumVariable("mend.provider", "Where Claude is reached.", nullptr, &provider, 0,
                           kProviders, PGC_SUSET, 0, nullptr, nullptr, nullptr);
  for (const StringSetting& setting : kStringSettings) {
    DefineCustomStringVariable(
        setting.name, setting.description, nullptr, setting.variable, setting.boot, PGC_SUSET,
        setting.flags,
        setting.variable == &api_url || setting.variable == &aws_metadata_url ? CheckUrl : nullptr,
        nullptr, nullptr);
  }
  for (const IntSetting& setting : kIntSettings) {
    DefineCustomIntVariable(setting.name, setting.description, nullptr, setting.variable,
                            setting.boot, setting.low, setting.high, PGC_SUSET, setting.flags,
                            nullptr, nullptr, nullptr);
  }
  DefineCustomRealVariable("mend.daily_budget_usd",
                           "US dollars a day (UTC) that requests to the API may cost, of all "
                           "tables of the database; where several are enrolled, "
                           "one table has half of it. 0 asks nothing, -1 is no limit. A model "
                           "without a price is counted in requests alone.",
                           nullptr, &daily_budget_usd, 1, -1, 1e9, PGC_SUSET, 0, nullptr, nullptr,
                           nullptr);
  DefineCustomEnumVariable("mend.keep_prompts",
                           "What mend.prompts keeps of each request to a model: nothing, its "
                           "SHA-256, or its bytes as well.",
                           nullptr, &keep_prompts, kKeepDigest, kKeepPrompts, PGC_SUSET, 0, nullptr,
                           nullptr, nullptr);
}

}  // namespace mend::pg
