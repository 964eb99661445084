// Writes evaluated rows as INSERT would, and says of each what became of it.
#pragma once

#include <optional>
#include <vector>

#include "core/drift/kind.h"
#include "server/ingest/evaluate.h"

namespace mend::ingest {

using Results = std::vector<std::optional<drift::Misfit>>;

// Stores `rows` in order as the current user with INSERT's own semantics. Result i is nullopt when
// row i was stored (or ignored by on_conflict), else why not. A failing batch is bisected: good rows
// are stored whatever their neighbours do; each row's effects are all or nothing. Errors that say
// nothing about the row (serialization, deadlock, cancel, resources, lack of privilege) are thrown.
// `replay`: false honours on_conflict = raise by throwing 23505; true takes IsRowsOwnInReplay as misfits.
Results Store(const Target& target, std::vector<Row>* rows, bool replay);

// Whether the rows' errors say nothing about the row, so that the caller must be told.
bool MustRaise(const pg::Error& error);

// Of these, errors that are one row's own when it is replayed: an internal error of its trigger, for one. There
// is no caller to be told, and the rows behind it must not wait for ever.
bool IsRowsOwnInReplay(const pg::Error& error);

}  // namespace mend::ingest
