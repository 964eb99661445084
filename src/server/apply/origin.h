// Where a column comes from, as its comment.
#pragma once

#include <cstdint>

#include "server/pg/call.h"

namespace mend::apply {

// The patch was applied, or reverted, in this transaction, and the books say so already: the
// columns that it adds or changes carry a comment that names the patches behind them, with dates,
// and nothing else. A comment that is not ours (somebody set, changed or removed it) is left alone.
// The caller holds ACCESS EXCLUSIVE on the table. Written to the catalog directly: there is no
// statement that user code could hook into, and the healer has given the table back.
void NoteOrigins(Oid relid, int64_t patch_id);

}  // namespace mend::apply
