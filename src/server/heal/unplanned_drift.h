// What rules leave of a table's drift, under which terms, and what of it Claude is to be asked
// about.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/apply/patches.h"
#include "server/claude/question.h"

namespace mend::heal {

// What the enrolment and the table's past permit.
struct Terms {
  plan::Policy policy;
  struct Cooling {
    std::string reason;
    int64_t pause_ms;
  };
  std::map<std::string, Cooling> cooling;  // columns that must wait
};
// Needs a transaction.
Terms LoadTerms(const table::Target& target, const plan::Shape& shape);

// What rules have for the drift: a patch, and reasons for the rest. Where `rules` is no planner,
// reasons alone.
plan::Plan AskRules(const plan::Shape& shape, const drift::DriftSet& drifts,
                    const plan::Policy& policy);

// Drift without a rule's answer.
struct UnplannedDrift {
  size_t drift = 0;  // index into the drift that was planned
  std::string reason;
  enum class Status : uint8_t {
    Open,      // another planner may answer
    Cooling,   // its column's cool-down alone holds it back, for `pause_ms`
    Proposed,  // `patch` covers it, and waits for a decision
    Held,      // a person took it back
  } status = Status::Open;
  int64_t pause_ms = 0;
  int64_t patch = 0;
  bool suggested = false;  // Proposed, by rules: Claude may have something better
  bool provable = false;   // Open, and rules answer if nobody before them does
};
// `proposed` are the patches that wait for a decision.
std::vector<UnplannedDrift> FindUnplannedDrift(const table::Target& target, const Terms& terms,
                                               const drift::DriftSet& drifts,
                                               const plan::Plan& plan,
                                               const std::vector<apply::PatchRecord>& proposed);

// The question to put about what is open, without what only the payloads tell; nullopt: there is
// none.
std::optional<claude::Question> MakeQuestion(const table::Target& target, const plan::Shape& shape,
                                             const Terms& terms, const drift::DriftSet& drifts,
                                             const plan::Plan& plan,
                                             const std::vector<UnplannedDrift>& unplanned);

// The body of the request that Claude would be sent about the table now; nullopt: it would not be
// asked. Drift of dead letters counts when there is no other. Needs a transaction.
std::optional<std::string> PreviewPrompt(Oid target);

}  // namespace mend::heal
