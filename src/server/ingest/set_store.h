// Storing rows through the executor, many in one statement.
#pragma once

#include "server/ingest/store.h"

namespace mend::ingest {

// Store() as INSERT ... SELECT of all rows that bring the same columns: triggers of the statement run once for them. False,
// with nothing done, for relations where only INSERT ... VALUES of one row means what it says: those with rules, views, those
// whose INSERT somebody else plans, and under ON CONFLICT DO UPDATE, which takes no key twice in a statement.
bool StoreAsSet(const Target& target, std::vector<Row>* rows, bool replay, Results* results);

// Runs one row's own INSERT. Needs an SPI connection.
void InsertRow(const Target& target, Row* row);

}  // namespace mend::ingest
