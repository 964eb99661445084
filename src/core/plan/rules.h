// The planner that answers only where the answer is provable.
#pragma once

#include "core/plan/planner.h"

namespace mend::plan {

class Rules final : public Planner {
 public:
  std::string_view name() const override { return "rules"; }
  Plan Propose(const Shape& shape, const drift::DriftSet& drift, const Policy& policy) override;
};

// Whether a column of this type takes this class of values, as far as their profile says.
bool Holds(const Type& type, const drift::Drift& drift);

}  // namespace mend::plan
