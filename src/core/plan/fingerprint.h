// Stable hashes: what was planned for, so that it is recognised when seen again.
#pragma once

#include <string>

#include "core/drift/drift.h"
#include "core/plan/shape.h"

namespace mend::plan {

// Hex digest of the columns' names, types, nullability, defaults and generation; not of OIDs or
// table names, so that the same table in a thousand schemas has one fingerprint.
std::string ShapeFingerprint(const Shape& shape);

// Hex digest of shape and drift (fields, kinds and what the profiles prove, not their counts).
std::string DriftFingerprint(const Shape& shape, const drift::DriftSet& drift);

}  // namespace mend::plan
