// The mark that says which rows are being touched.
#pragma once

#include <vector>

#include "server/pg/call.h"

namespace mend::apply {

// Commits a mark that says which rows are about to be touched: when the worker dies with them, or
// the server, the next round finds it. Outside of any transaction.
void MarkInFlight(Oid target, const std::vector<int64_t>& ids);
// The same mark in the open transaction, which the caller commits before he touches a row.
void NoteInFlight(Oid target, const std::vector<int64_t>& ids);

}  // namespace mend::apply
