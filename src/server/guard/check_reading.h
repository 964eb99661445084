// Whether readings can be of use to a column.
#pragma once

#include <optional>
#include <string>

#include "core/plan/shape.h"
#include "server/pg/error.h"

namespace mend::guard {

// What is wrong with a text of readings for a column of the table: 22023 where it is none, or names
// a time zone that the server does not know, 42804 where one is of no use to the type, 42703 where
// there is no such column. nullopt: nothing.
std::optional<pg::Error> WhyNotReading(const plan::Shape& shape, const std::string& column,
                                       const std::string& text);

}  // namespace mend::guard
