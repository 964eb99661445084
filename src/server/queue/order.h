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

// Whether any dead letter of a table has a key.
bool AnyDead(Oid target);

// Marks the dead letters of these keys, of a row that was just stored: put over it they would bring
// an older payload back. With `ids`, those of the queued rows that were stored, only letters that
// are older than these.
void MarkOvertaken(Oid target, const std::vector<int64_t>& keys,
                   const std::vector<int64_t>& ids = {});

}  // namespace mend::queue
