// The back-fill: rows that were there before the trigger get the value of the second column.
#pragma once

#include "server/table/widening.h"

namespace mend::apply {

struct CopiedRows {
  int64_t copied = 0;
  int64_t passed_over = 0;  // somebody has them locked, or is changing them
  int64_t unfit = 0;        // the narrower type does not hold their value
};

// Writes the second column of rows in some blocks of a heap table, where it has no value and the
// first one has: as UPDATE would, but for triggers and for checks and rules that the rows are
// held to anyway. Index entries are made as the current user. Waits for nobody.
CopiedRows CopyBlocks(Oid relid, const table::ColumnCopy& copy, int64_t first, int64_t end);

// Blocks that the table has now.
int64_t BlocksOf(Oid relid);

}  // namespace mend::apply
