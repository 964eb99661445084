// Writes evaluated rows as INSERT would, and says of each what became of it.
#pragma once

#include <optional>
#include <vector>

#include "core/drift/kind.h"
#include "server/table/row.h"
#include "server/table/target.h"

namespace mend::store {

using Results = std::vector<std::optional<drift::Misfit>>;

// Stores `rows` in order as the current user with INSERT's own semantics. Result i is nullopt when
// row i was stored (or ignored by on_conflict), else why not. A failing batch is bisected: good
// rows are stored whatever their neighbours do; each row's effects are all or nothing. Errors that
// say nothing about the row (serialization, deadlock, cancel, resources, lack of privilege) are
// thrown. `replay`: false honours on_conflict = raise by throwing 23505; true takes
// IsRowsOwnInReplay as misfits.
Results Store(const table::Target& target, std::vector<table::Row>* rows, bool replay);

}  // namespace mend::store
