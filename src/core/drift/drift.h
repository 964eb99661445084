// The drift of one table: what a planner answers to.
#pragma once

#include <cstdint>
#include <string>
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
  Profile profile;
};

using DriftSet = std::vector<Drift>;

}  // namespace mend::drift
