// New fields that may be a column under a new name, by what both are called and hold.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/drift/drift.h"
#include "core/plan/shape.h"

namespace mend::plan {

struct Rename {
  std::string field;
  std::string column;
  bool required = false;  // the column must have a value, and rows lack it
};

// Pairs of a new field and a column that rows may lack for it: their names are alike, the column's
// type holds the field's values as values of its own kind, and neither is a candidate for another.
// Whether the same rows bring the one and lack the other is for the caller to find out.
std::vector<Rename> RenameCandidates(const Shape& shape, const drift::DriftSet& drift);

// Whether one name may be another way to call the same thing: spelled almost alike, abbreviated
// (`qty`, `quantity`), or with words added (`total`, `order_total`; `plainly`: only words that say
// what a value is, as in `email_address`). Not where numbers differ.
bool NamesAreAlike(std::string_view one, std::string_view other, bool plainly = false);

}  // namespace mend::plan
