// Drift and types in words for a person. Names are quoted, values never appear.
#pragma once

#include <string>
#include <string_view>

#include "core/drift/drift.h"
#include "core/plan/shape.h"

namespace mend::plan {

// "3 rows", "1 row".
std::string Rows(int64_t count);

// `word "name"`, control characters escaped.
std::string Named(std::string_view word, std::string_view name);

// The kinds of values seen, counted when they are several: "objects (1), booleans (2)".
std::string Evidence(const drift::Profile& profile);
// The same without counts: as the part of a reason by which drift is grouped.
std::string Kinds(const drift::Profile& profile);

// The name of a type that the lattice can choose, as format_type() would print it.
std::string TypeText(const Type& type);

}  // namespace mend::plan
