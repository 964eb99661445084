// mend.calls: every request to a model, what it cost, and what may still be spent.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/plan/claude/conversation.h"
#include "core/plan/claude/price.h"
#include "server/pg/call.h"

namespace mend::claude {

// The price of a model, or of the model that its dated name is a version of.
std::optional<plan::claude::Price> PriceOf(const std::string& model);

// Why a table may not ask a model now, and for how long.
struct Shortage {
  const char* kind = "budget";  // of mend.holds
  std::string reason;
  bool of_database = true;  // else of the table alone
  int64_t ms = 0;           // until it ends by itself
};
// What calls_per_hour and daily_budget_usd leave, and whether the model has a price to count with:
// one that has none is asked only while requests are. Needs a transaction.
std::optional<Shortage> FindShortage(const std::string& target_name, const std::string& model);

// Books a request that is about to be sent, so that one that kills its worker counts too; returns
// its id.
int64_t BookCall(const std::string& target_name, const std::string& model);
// Books what came of it; returns the cost in nano-dollars.
int64_t BookOutcome(int64_t id, const plan::claude::Call& call);
// Says which patch these calls went into.
void BookPatch(const std::vector<int64_t>& ids, int64_t patch_id);

}  // namespace mend::claude
