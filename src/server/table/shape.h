// What the catalogs say of a table, as values.
#pragma once

#include <optional>

#include "core/plan/shape.h"
#include "server/pg/postgres.h"

namespace mend::table {

// The shape of a relation as of the current command. type_locked_by is left empty: see
// guard::ExplainTypeLocks. nullopt when the relation does not exist. Takes no lock of its own
// beyond the catalogs': lock the relation first where it must not change.
std::optional<plan::Shape> LoadShape(Oid relid);

}  // namespace mend::table
