// Rows that others are making.
#pragma once

#include "server/table/row.h"
#include "server/table/target.h"

namespace mend::store {

// Whether there is a row with the primary key of this one after all: waits for a transaction that
// makes one, as INSERT would. False of partitioned tables, and of those on nodes of Citus, where it
// cannot be known.
bool AwaitKey(const table::Target& target, const table::Row& row);

}  // namespace mend::store
