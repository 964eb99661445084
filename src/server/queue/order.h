// The order of payloads for one row: one waits behind the older ones that wait.
#pragma once

#include <optional>
#include <set>

#include "core/drift/kind.h"
#include "server/queue/queue_reader.h"
#include "server/queue/replay_groups.h"

namespace mend::queue {

// Whether a payload of a table waits whose row has this key, or, without one, any key: what is
// committed by now, and what this transaction has queued.
bool AnyWaits(Oid target, std::optional<int64_t> key);

// Of a payload that waits for nothing but an older one.
drift::Misfit MisfitBehind();

// The rows of a run that stand behind rows which are not in it, by id.
std::set<int64_t> BehindOthers(Oid target, const ReplayGroup& run);

}  // namespace mend::queue
