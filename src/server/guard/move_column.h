// What no statement carries from one column of a table to another, or none that the healer may run.
#pragma once

#include <string>

#include "server/pg/call.h"

namespace mend::guard {

// In the catalogs, of two columns of one table that the caller has locked: privileges are copied,
// with whoever granted them, an identity goes over with its sequence, which stays the same one, and
// the lists of columns of publications have the other one.
void MoveColumn(Oid relid, int16_t from, int16_t to);

// Gives an index of the schema another name. A role that is lent the table may not: it has no right
// to create in the schema.
void RenameIndex(Oid schema, const std::string& from, const std::string& to);
// The same of extended statistics.
void RenameStatistics(Oid schema, const std::string& from, const std::string& to);

}  // namespace mend::guard
