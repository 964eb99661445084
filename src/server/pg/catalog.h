// What the catalogs say of a table, as values.
#pragma once

#include <optional>
#include <string>

#include "core/plan/shape.h"
#include "server/pg/call.h"

namespace mend::pg {

// The shape of a relation as of the current command. type_locked_by is left empty: see
// guard::ExplainTypeLocks. nullopt when the relation does not exist. Takes no lock of its own
// beyond the catalogs': lock the relation first where it must not change.
std::optional<plan::Shape> LoadShape(Oid relid);

// Schema-qualified, each part quoted where it needs to be; empty when the relation does not exist.
std::string QualifiedName(Oid relid);

// An identifier as SQL text, quoted when it must be.
std::string QuoteIdentifier(const std::string& name);

// A role's name, empty when it does not exist; and back, InvalidOid when it does not.
std::string RoleName(Oid role);
Oid RoleByName(const std::string& name);

// OID of the extension pg_mend, InvalidOid when it is not installed (any more).
Oid ExtensionOid();

}  // namespace mend::pg
