// The lossless widening lattice (sources: Iceberg's type promotion, measured on PostgreSQL 15).
#pragma once

#include <optional>
#include <string_view>

#include "core/drift/profile.h"
#include "core/plan/shape.h"

namespace mend::plan {

// How a change of type keeps the old values.
enum class Widening : uint8_t {
  Refused,   // could lose or change a value
  Lossless,  // every old value keeps equality; rules may choose it
  ToText,    // a scalar to text: every old value keeps its text
  ToJsonb,   // a scalar to jsonb: every old value keeps what JSON says of it
};

Widening Judge(const Type& from, const Type& to);

// Whether readers of the column would meet another kind of value: numbers, text, times, and each
// other type for itself are families. What Judge() calls lossless stays in its family.
bool ChangesFamily(const Type& from, const Type& to);

// Whether PostgreSQL rewrites the table for it (else only the catalogs change).
bool Rewrites(const Type& from, const Type& to);

// The least type that is `from` or a lossless widening of it, and holds every value that `profile`
// has seen. nullopt where none is provable.
std::optional<Type> WidenFor(const Type& from, const drift::Profile& profile);

// The type for a new column by the evidence of all its values: boolean, bigint, numeric,
// timestamptz when all carry an offset, jsonb for nested or mixed kinds, else text. The text of a
// number speaks for a number beside numbers, and a word for nothing for nothing. A time needs a
// name that says so, whatever the number of values: the type does not depend on how many came at
// once; and no digits that timestamptz would drop. nullopt when nulls and empty arrays are all
// there is.
std::optional<Type> TypeForNew(const drift::Profile& profile, std::string_view name = {});

// The type that a column which was added by evidence is to have now that `profile`, which includes
// that evidence, was seen; its own when it need not or cannot change without changing a value.
Type Generalise(const Type& from, const drift::Profile& profile, std::string_view name);

// Whether a name says that it is a point in time: created_at, birthDate, timestamp.
bool NamesTime(std::string_view name);

// Array types of the listed element types, both ways; 0 when not listed.
uint32_t ElementType(uint32_t array_oid);
uint32_t ArrayType(uint32_t element_oid);

}  // namespace mend::plan
