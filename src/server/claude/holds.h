// mend.holds: why Claude is not asked now. Survives restarts; ends by itself.
#pragma once

#include <optional>
#include <string>

#include "core/plan/claude/conversation.h"
#include "server/claude/calls.h"

namespace mend::claude {

struct Hold {
  std::string reason;    // for mend.status
  int64_t ms = 0;        // until it is tried again
  bool breaker = false;  // a spent budget, and no trouble with the API
};

// All of these need a transaction.

// Why `target` may not ask now, if it may not. A hold that was met with other settings than
// `config`, or whose time has come, stands in nobody's way.
std::optional<Hold> FindHold(Oid target, const std::string& config);

// The API gave no answer: holds the table, or all of them, a while longer each time; with an event
// the first time.
Hold HoldOff(Oid target, const std::string& target_name, const std::string& config,
             const plan::claude::Result& result, int64_t now_ms);
// The key is there, and cannot be used.
Hold HoldForKeyFile(const std::string& config, const std::string& fault);
// A budget is spent, or a price is missing: the breaker opens, with an event.
Hold OpenBreaker(Oid target, const std::string& target_name, const std::string& config,
                 const Shortage& shortage);

// The way is free again: what held this table, or all, is taken away, with an event. `answered`:
// the API has answered; else only what is no matter of the API is.
void EndHolds(Oid target, const std::string& target_name, bool answered);

}  // namespace mend::claude
