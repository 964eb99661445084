// What the ways of applying a patch share: a planned or approved one (apply.cpp, approved.cpp), and
// one in steps (widen_step.cpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/apply/prove.h"
#include "server/heal/round_state.h"

namespace mend::heal {

// The undecided drift of the table that a patch covers.
drift::DriftSet CoveredBy(const RoundState& round, const table::Target& target,
                          const plan::Patch& patch);
void DecideAll(RoundState* round, const drift::DriftSet& drifts, queue::RowOutcome::Kind to,
               const std::string& reason, int64_t patch);
// A patch that was approved waits for a person again.
void PutBack(RoundState* round, const apply::PatchRecord& record, const drift::DriftSet& covered,
             const std::string& reason);
// The same patch without some actions, also in mend.patches; nullopt when nothing is left of it.
std::optional<apply::PatchRecord> Without(const table::Target& target,
                                          const apply::PatchRecord& record,
                                          const std::vector<bool>& without);
// The same, with the proof and what it covers made to match.
std::optional<apply::PatchRecord> TrimPatch(RoundState* round, const apply::PatchRecord& record,
                                            const std::vector<bool>& without, apply::Proof* proof,
                                            drift::DriftSet* covered);
// The patch has failed. `message`: what PostgreSQL said, for those who may see payloads.
void FailPatch(RoundState* round, const apply::PatchRecord& record, const drift::DriftSet& covered,
               const std::string& reason,
               queue::RowOutcome::Kind to = queue::RowOutcome::Kind::DeadLetter,
               const std::string& message = "");
// Whether the patch must wait until the lock on the table is tried for again; decides what it
// covers if so.
bool WaitsForLock(RoundState* round, const apply::PatchRecord& record,
                  const drift::DriftSet& covered);
// What an applied patch means for the round.
void TakeApplied(RoundState* round, const apply::PatchRecord& record,
                 const drift::DriftSet& covered, const queue::ReplayCounts& counts);

// A patch that is applied online: begun, or swapped when it has come so far. Its rows wait until
// then.
void ApplyOnline(RoundState* round, const apply::PatchRecord& record,
                 const drift::DriftSet& covered);

}  // namespace mend::heal
