// Which reading the values of one class of drift ask for.
#pragma once

#include <string>

#include "core/drift/drift.h"
#include "core/plan/shape.h"
#include "core/reading/reading.h"

namespace mend::plan {

// How clocks without an offset are understood: by the enrolment, or as the one zone that readings
// of the table name. Neither: not at all.
struct Clocks {
  bool naive = false;
  std::string zone;
};

// The one reading that explains all values of the drift for its column, with the zone behind it
// where its times need one; none where there is no such reading, or more than one with another
// meaning.
reading::Readings ReadingFor(const Column& column, const drift::Drift& drift,
                             const Clocks& clocks = {});

}  // namespace mend::plan
