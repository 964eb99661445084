// Storing rows in a table that Citus manages.
#pragma once

#include "server/store/store.h"

namespace mend::store {

// Store() in as few statements as Citus takes: it routes a set of rows at once, from a function. A
// set in which a key is there already is written again past such keys, and what does not come back
// is the duplicate. False, with nothing done, under ON CONFLICT DO UPDATE, which takes no key twice
// in a statement, and for one row.
bool StoreOnNodes(const table::Target& target, std::vector<table::Row>* rows, bool replay,
                  Results* results);

}  // namespace mend::store
