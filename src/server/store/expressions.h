// What an expression of a table may do while a row is stored.
#pragma once

#include "server/pg/call.h"

namespace mend::store {

// Whether evaluating the expression cannot raise an error that says something about a row:
// constants, columns, built-in comparisons and the like. Of everything else, false: it may.
bool CannotFail(Node* expression);

// Whether a row may be stored later than the expression is evaluated for the next: nothing in it
// can look at the table. Volatile functions can, but for sequences, clocks and random numbers.
bool LooksAtNoTable(Node* expression);

}  // namespace mend::store
