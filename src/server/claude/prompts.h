// mend.prompts: what left the database for a model, as a ledger.
#pragma once

#include <string>

#include "core/plan/claude/prompt.h"
#include "core/plan/claude/provider.h"
#include "server/pg/call.h"

namespace mend::claude {

// What a request is about.
struct PromptSubject {
  Oid target;
  std::string target_name;
  plan::claude::Share share;
};

// Records a request that is about to be sent, as mend.keep_prompts says, with an event that seals
// its digest. `call` is its row in mend.calls. Needs a transaction.
void KeepPrompt(int64_t call, const PromptSubject& subject, const std::string& model,
                const plan::claude::Endpoint& endpoint, const std::string& body);

}  // namespace mend::claude
