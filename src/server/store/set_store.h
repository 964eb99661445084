// Storing rows through the executor, many in one statement.
#pragma once

#include "server/store/store.h"

namespace mend::store {

// Store() as INSERT ... SELECT of all rows that bring the same columns: triggers of the statement
// run once for them. False, with nothing done, for relations where only INSERT ... VALUES of one
// row means what it says: those with rules, views, those whose INSERT somebody else plans, and
// under ON CONFLICT DO UPDATE, which takes no key twice in a statement.
bool StoreAsSet(const table::Target& target, std::vector<table::Row>* rows, bool replay,
                Results* results);

// The rows' columns as c1, c2 ..., and rows that bring them, as a statement is to read them.
TupleDesc DescribeRows(const table::Target& target, const std::vector<int>& columns);
Tuplestorestate* Collect(TupleDesc row, table::Row** rows, size_t count);

// Runs one row's own INSERT. Needs an SPI connection.
void InsertRow(const table::Target& target, table::Row* row);

}  // namespace mend::store
