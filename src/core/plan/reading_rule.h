// Which reading the values of one class of drift ask for.
#pragma once

#include <optional>

#include "core/drift/drift.h"
#include "core/plan/shape.h"
#include "core/reading/reading.h"

namespace mend::plan {

// The one reading that explains all values of the drift for its column; nullopt where there is
// none, or more than one with another meaning.
std::optional<reading::Reading> ReadingFor(const Column& column, const drift::Drift& drift);

}  // namespace mend::plan
