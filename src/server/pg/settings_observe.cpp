// The settings of what is told, and to whom.
#include "server/pg/settings_observe.h"

#include <algorithm>
#include <string_view>

#include "server/pg/http.h"
#include "server/pg/postgres.h"

namespace mend::pg {

char* webhook_url = nullptr;
char* webhook_alert_url = nullptr;
int webhook_format = static_cast<int>(WebhookFormat::Slack);
int webhook_severity = 0;
char* lineage_url = nullptr;
char* lineage_namespace = nullptr;
int minutes_per_incident = 30;
int message_window_s = 60;
char* report_url = nullptr;

namespace {

const config_enum_entry kFormats[] = {{"slack", static_cast<int>(WebhookFormat::Slack), false},
                                      {"json", static_cast<int>(WebhookFormat::Json), false},
                                      {"text", static_cast<int>(WebhookFormat::Text), false},
                                      {nullptr, 0, false}};
const config_enum_entry kSeverities[] = {{"info", 0, false},
                                         {"notice", 1, false},
                                         {"warning", 2, false},
                                         {"critical", 3, false},
                                         {nullptr, 0, false}};

}  // namespace

bool CheckUrl(char** value, void**, GucSource) {
  const std::string_view url = *value;
  const size_t scheme = url.rfind("https://", 0) == 0 ? 8 : url.rfind("http://", 0) == 0 ? 7 : 0;
  const bool plain = std::none_of(url.begin(), url.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 0x7f;
  });
  if (!url.empty() && (scheme == 0 || url.size() == scheme || url[scheme] == '/' || !plain)) {
    GUC_check_errdetail("A URL begins with https:// or http:// and a host, and has no blanks.");
    return false;
  }
  return true;
}

namespace {

void DefineText(const char* name, const char* description, char** variable, int flags) {
  DefineCustomStringVariable(name, description, nullptr, variable, "", PGC_SUSET, flags,
                             variable == &lineage_namespace ? nullptr : CheckUrl, nullptr, nullptr);
}

void DefineUrls() {
  // The address of a webhook is its password.
  DefineText("mend.webhook_url",
             "Where messages are posted to: https, or http on this machine. Empty: nowhere.",
             &webhook_url, GUC_SUPERUSER_ONLY);
  DefineText("mend.webhook_alert_url",
             "Where messages of severity warning and critical are posted to instead. Empty: "
             "mend.webhook_url.",
             &webhook_alert_url, GUC_SUPERUSER_ONLY);
  DefineText(
      "mend.lineage_url",
      "Where OpenLineage events are posted to: https, or http on this machine. Empty: nowhere.",
      &lineage_url, GUC_SUPERUSER_ONLY);
}

}  // namespace

const char* Name(WebhookFormat format) { return kFormats[static_cast<int>(format)].name; }

void DefineObserveSettings() {
  if (kHasNetwork) {
    DefineUrls();
  }
  DefineCustomEnumVariable("mend.webhook_format",
                           "How messages are written: for Slack and its kin, as JSON with all "
                           "particulars, or as plain text.",
                           nullptr, &webhook_format, webhook_format, kFormats, PGC_SUSET, 0,
                           nullptr, nullptr, nullptr);
  DefineCustomEnumVariable(
      "mend.webhook_severity",
      "The least severity that is posted; notice leaves out patches that only add columns.",
      nullptr, &webhook_severity, webhook_severity, kSeverities, PGC_SUSET, 0, nullptr, nullptr,
      nullptr);
  DefineText("mend.lineage_namespace",
             "The OpenLineage namespace of jobs and tables. Empty: postgres://cluster_name:port.",
             &lineage_namespace, 0);
  DefineCustomIntVariable(
      "mend.message_window",
      "Messages about events of the same kind within this time are posted as one, the first at "
      "once. 0: each by itself.",
      nullptr, &message_window_s, message_window_s, 0, 86400, PGC_SUSET, GUC_UNIT_S, nullptr,
      nullptr, nullptr);
  DefineText("mend.report_url",
             "Where mend.report_html() is to be seen: a link at the end of each message. Empty: "
             "none.",
             &report_url, 0);
  DefineCustomIntVariable(
      "mend.minutes_per_incident",
      "Minutes that an incident costs an engineer, by assumption: for mend.savings.", nullptr,
      &minutes_per_incident, minutes_per_incident, 0, INT_MAX, PGC_SUSET, 0, nullptr, nullptr,
      nullptr);
}

}  // namespace mend::pg
