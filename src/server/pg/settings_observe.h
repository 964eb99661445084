// The settings of what is told, and to whom: read them through these variables.
#pragma once

#include "server/pg/postgres.h"

namespace mend::pg {

enum class WebhookFormat { Slack = 0, Json = 1, Text = 2 };

extern char* webhook_url;         // empty: nowhere
extern char* webhook_alert_url;   // for warning and critical; empty: webhook_url
extern int webhook_format;        // a WebhookFormat
extern int webhook_severity;      // the least that is posted; read by mend.note_news() by its name
extern char* lineage_url;         // empty: nowhere
extern char* lineage_namespace;   // read by mend.lineage_namespace()
extern int minutes_per_incident;  // read by mend.minutes_per_incident()
extern int message_window_s;      // read by mend.message_window()
extern char* report_url;          // read by mend.webhook_body()

// The word for it in mend.webhook_format.
const char* Name(WebhookFormat format);

// Whether it has the form of a URL, or is empty; a check hook. What may be reached is looked at
// when it is.
bool CheckUrl(char** value, void** extra, GucSource source);

void DefineObserveSettings();

}  // namespace mend::pg
