// One payload against one target: a row of Datums, or every misfit.
#pragma once

#include <vector>

#include "core/base/json.h"
#include "core/drift/kind.h"
#include "server/ingest/target.h"

namespace mend::ingest {

// The values of one row, for the columns that the payload names.
struct Row {
  std::vector<int> columns;  // indexes into shape.columns, ascending
  std::vector<Datum> values;
  std::vector<bool> nulls;
  void Clear();
};

// Converts without storing. Appends every misfit; with none, `row` is ready to be stored. Datums are
// allocated in CurrentMemoryContext. Never raises for what the payload says; throws pg::Error on
// cancel and the like. Works for shapes that exist only as values (Patched): a proof takes no lock.
// A payload that is no object is one Malformed misfit.
void Evaluate(const Target& target, const json::Document& payload, Row* row, std::vector<drift::Misfit>* misfits);

// A jsonb value as a tape. Strings and numbers point into memory of CurrentMemoryContext.
bool TapeFromContainer(JsonbContainer* container, json::Document* document);

}  // namespace mend::ingest
