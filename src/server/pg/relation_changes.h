// Being told when a relation changes.
#pragma once

#include "server/pg/call.h"

namespace mend::pg {

// From now on calls `listener` with each relation that PostgreSQL's relation cache forgets
// (InvalidOid: all). PostgreSQL has room for ten such callbacks of all extensions together, of
// which Citus takes five: all listeners here share one. A listener must neither allocate nor raise.
void ListenToRelations(void (*listener)(Oid relid));

}  // namespace mend::pg
