// Names as the catalogs have them.
#pragma once

#include <string>

#include "server/pg/call.h"

namespace mend::pg {

// Schema-qualified, each part quoted where it needs to be; empty when the relation does not exist.
std::string QualifiedName(Oid relid);

// An identifier as SQL text, quoted when it must be.
std::string QuoteIdentifier(const std::string& name);

// A role's name, empty when it does not exist; and back, InvalidOid when it does not.
std::string RoleName(Oid role);
// InvalidOid when the relation is gone.
Oid OwnerOf(Oid relid);
Oid OwnerOfType(Oid type);
Oid RoleByName(const std::string& name);

}  // namespace mend::pg
