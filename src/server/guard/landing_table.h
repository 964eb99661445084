// Which relations can be landing tables, and who may enrol them.
#pragma once

#include "server/pg/call.h"

namespace mend::guard {

// Throws unless `relid` is a plain or partitioned table that pg_mend can heal: no view, sequence,
// index, foreign or temporary table, partition, typed table, catalog, or table of pg_mend's own.
void RequireLandingTable(Oid relid);

// Whether the current user is in mend_admin (superusers are); RequireAdmin throws 42501 unless.
bool IsAdmin();
void RequireAdmin();

// Throws 42501 unless the current user owns the relation (superusers and members of its owner do).
void RequireOwner(Oid relid);

}  // namespace mend::guard
