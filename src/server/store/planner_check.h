// Whether an INSERT is still an INSERT once it is planned.
#pragma once

#include "server/pg/call.h"

namespace mend::store {

// Where somebody has hooked the planner: whether it still makes a plain INSERT into this relation
// of an INSERT into it. An extension that distributes tables, such as Citus, makes something else,
// and a direct write would be lost. Asked once a transaction for the table used last. True where
// nobody has hooked it.
bool PlannerAgreesNow(Relation relation);

}  // namespace mend::store
