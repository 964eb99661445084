// What an ALTER TABLE may do to the table that it is allowed to touch, read anew where it is
// executed: wall 4 trusts no guard.
#pragma once

#include "server/pg/call.h"

namespace mend::guard {

// What the sandbox refuses in it; null: it adds columns of built-in types with constant defaults,
// or changes or takes back what patches bring, and evaluates nothing but casts to built-in types.
// What an old default says that it gives back is its own. Called by hooks of PostgreSQL's: may
// raise its errors, owns nothing.
const char* WhyNotColumnsOnly(const AlterTableStmt* alter);

}  // namespace mend::guard
