// What the entries share that record something about one column.
#pragma once

#include <string>

#include "server/pg/call.h"

namespace mend::api {

// Throws unless payloads can give the column a value.
void RequireSettableColumn(Oid target, const std::string& column);

// Asks for a heal round of the table at commit.
void RequestRound(Oid target);

}  // namespace mend::api
