// The drift of one table, by class of values: what a planner answers to.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "core/drift/kind.h"
#include "core/drift/profile.h"

namespace mend::drift {

struct Drift {
  int64_t id = 0;      // mend.drifts.id
  std::string field;   // empty for drift that names no field
  std::string column;  // empty for a new field
  Kind kind = Kind::NewField;
  int64_t row_count = 0;
  int64_t rescued = 0;  // of these, rows that are stored with the value in the rescue column
  Profile profile;
  Cause cause = Cause::Unspecified;
};

// The values of one field that do not fit for one cause are a class: planned, decided on and
// counted by itself.
using Class = std::tuple<std::string, Kind, Cause>;
inline Class ClassOf(const Drift& drift) { return {drift.field, drift.kind, drift.cause}; }
inline Class ClassOf(const Misfit& misfit) { return {misfit.field, misfit.kind, misfit.cause}; }

using DriftSet = std::vector<Drift>;

}  // namespace mend::drift
