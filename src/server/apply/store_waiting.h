// Storing waiting rows in the open transaction, and what becomes of each.
#pragma once

#include <optional>
#include <vector>

#include "server/queue/replay_groups.h"
#include "server/queue/row_outcome.h"
#include "server/table/target.h"

namespace mend::apply {

// Stores what fits, takes it from the queue, and records what becomes of the rest. All rows have
// one submitter, whom the caller has become. Rows are `locked`, or else as they were read: then
// nullopt where one is not any more, and all must be rolled back.
std::optional<queue::ReplayCounts> StoreWaiting(const table::Target& target,
                                                const queue::ReplayGroup& rows, bool locked,
                                                const queue::OutcomePolicy& policy,
                                                std::optional<int64_t> patch_id);

// In the open transaction, as the current user: stores what fits, and writes the books (as the
// extension's owner, for a moment). All rows have one submitter and one context, and are locked.
// `patch_id` is credited. The caller has become the submitter and stays so until after the commit:
// deferred triggers run user code then.
queue::ReplayCounts ReplayHere(const table::Target& target,
                               const std::vector<queue::QueuedRow>& rows,
                               const queue::OutcomePolicy& policy, std::optional<int64_t> patch_id);

}  // namespace mend::apply
