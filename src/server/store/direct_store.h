// Storing rows of a plain heap table without the executor.
#pragma once

#include "server/store/store.h"

namespace mend::store {

// Store() for what needs no executor. False, with nothing done, where the table or the rows need
// one.
bool StoreDirectly(const table::Target& target, std::vector<table::Row>* rows, bool replay,
                   Results* results);

}  // namespace mend::store
