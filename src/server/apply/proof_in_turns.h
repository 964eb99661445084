// Proofs of waiting rows that may be called off, and go on where they were.
#pragma once

#include <functional>
#include <memory>

#include "server/apply/prove.h"

namespace mend::apply {

// Prove() on the queue. Calls `between` outside of anybody's code, between two batches and at least
// about once a second: what that throws, if it is no pg::Error, calls the proof off, and the next
// call for the same patch and table in this process goes on with it. Code of a table that takes
// long with each row holds no worker so, and its rows are judged once in the end.
Proof ProveInTurns(const std::shared_ptr<const table::Target>& target, const plan::Patch& patch,
                   const std::function<void()>& between);

// Before a patch is applied, and when a round for the table has come to its end or to an error:
// what waits is other rows then, or knows more of why.
void ForgetProofs(Oid target);

}  // namespace mend::apply
