// Storing rows of a plain heap table without the executor.
#pragma once

#include "server/ingest/store.h"

namespace mend::ingest {

// Store() for what needs no executor. False, with nothing done, where the table or the rows need one.
bool StoreDirectly(const Target& target, std::vector<Row>* rows, bool replay, Results* results);

}  // namespace mend::ingest
