// What a proposal of Claude's is worth: scope, guard and proof.
#pragma once

#include <string>

#include "core/tools/input.h"
#include "server/claude/question.h"

namespace mend::claude {

struct Judgement {
  bool accepted = false;
  // Nothing waits any more, or the table has changed since: the question is moot, and the answer
  // with it.
  bool moot = false;
  std::string reason;  // why not; quotes names and the proposal, never a value
  plan::Patch patch;   // accepted: as read by the guard
};

// Needs a transaction. A proposal passes when it touches nothing but the drift it was asked about,
// the guard lets it through, and together with what rules have some waiting row fits thanks to it.
Judgement Judge(const Question& question, const tools::PatchInput& proposal,
                const queue::BeforeBatch& before_batch = nullptr);

// The answer with what rules have for the rest of the drift: one patch, one lock, one rewrite.
// Where both speak of a column or a field, the answer counts.
plan::Patch Merge(const plan::Patch& answer, const plan::Patch& provable);

// Whether an action or mapping of the answer is left in a patch that was merged and then trimmed.
bool HoldsAnyOf(const plan::Patch& patch, const plan::Patch& answer);

// The proposal as the guard reads it for this table; an Error's message says what does not pass. An
// unqualified table name is looked for in the table's own schema first.
base::Result<plan::Patch> ReadProposal(const table::Target& target,
                                       const tools::PatchInput& proposal);

}  // namespace mend::claude
