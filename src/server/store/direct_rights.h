// The range table of a direct write, and the rights that it asks for.
#pragma once

#include "server/pg/call.h"

namespace mend::store {

// The one entry of the executor's range table: the relation.
void InitRangeTable(EState* state, Relation relation);

// Raises unless the current user may insert into these columns (offset as in pg_attribute's
// bitmaps). Asks the executor's own hook too, as audit extensions expect.
void CheckInsertRights(Relation relation, Bitmapset* columns);

}  // namespace mend::store
