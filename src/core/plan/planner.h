// A planner proposes one patch for a table from its shape and its drift.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/drift/drift.h"
#include "core/plan/patch.h"
#include "core/plan/shape.h"

namespace mend::plan {

// What the enrolment and the table's history permit.
struct Policy {
  std::set<ActionKind> allow;
  int max_columns = 400;
  // Fields whose column a person dropped, or whose patch a person reverted or rejected, with that
  // reason: never touched again by themselves.
  std::vector<std::pair<std::string, std::string>> held_fields;
  // Columns not to be altered, with the reason (a revert, a rejection).
  std::vector<std::pair<std::string, std::string>> held_columns;
};

// Drift that the planner leaves, and why, in plain words for a person.
struct Unplanned {
  size_t drift = 0;  // index into the DriftSet
  std::string reason;
};

struct Plan {
  Patch patch;  // empty when nothing is provable
  std::vector<Unplanned> unplanned;
};

class Planner {
 public:
  virtual ~Planner() = default;
  virtual std::string_view name() const = 0;
  virtual Plan Propose(const Shape& shape, const drift::DriftSet& drift, const Policy& policy) = 0;
};

}  // namespace mend::plan
