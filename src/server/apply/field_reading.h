// What mend.fields says of how values are read.
#pragma once

#include <string>

#include "server/table/target.h"

namespace mend::apply {

// Of a column, whatever key brings its values; empty: plainly.
std::string ReadingOf(const table::Target& target, const std::string& column);

// An empty reading: plainly again.
void SetReading(const table::Target& target, const std::string& column, const std::string& reading);

}  // namespace mend::apply
