// Values that a payload brings for stored generated columns.
#pragma once

#include <string>
#include <vector>

#include "core/drift/kind.h"
#include "server/table/row.h"
#include "server/table/target.h"

namespace mend::store {

struct Computed {
  int column;  // index into shape.columns
  std::string field;
  Datum value;
  bool null;
  uint32_t token;
};

// Computes the columns as INSERT would for `row`, and appends a misfit for each value unlike its
// own. What a volatile default or a BEFORE trigger would put in cannot be known here: a column that
// depends on such a default never equals. Where its expression fails, INSERT will say so.
void CheckComputed(const table::Target& target, const table::Row& row,
                   const std::vector<Computed>& computed, std::vector<drift::Misfit>* misfits);

}  // namespace mend::store
