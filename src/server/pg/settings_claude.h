// The settings of the claude planner, all PGC_SUSET; a build without a network has none of them.
// Strings are never null; empty is unset.
#pragma once

namespace mend::pg {

extern int provider;  // a plan::claude::Provider
extern char* model;
extern char* escalation_model;
extern char* api_url;
extern char* api_key_file;
extern char* api_token_file;
extern char* api_headers_file;
extern char* aws_credentials_file;
extern char* aws_metadata_url;
extern char* proxy;
extern char* ca_file;
extern int request_timeout_ms;   // of one HTTP request
extern int max_turns;            // answers asked of the first model
extern int calls_per_hour;       // a database; -1: no limit
extern double daily_budget_usd;  // a database; -1: no limit

// What mend.prompts keeps of each request.
enum KeepPrompts { kKeepOff, kKeepDigest, kKeepFull };
extern int keep_prompts;

void DefineClaudeSettings();

}  // namespace mend::pg
