// JSON Schema, as much of it as our own schemas use: what a tool is called with is checked by the
// very schema that is shown to clients.
#pragma once

#include <string>

#include "core/base/json.h"

namespace mend::mcp {

// Why `value` does not satisfy `schema`, in one sentence that names the place and never quotes the
// value; empty when it does. Keywords: type, enum, anyOf, properties, required,
// additionalProperties false, items, minimum, maximum, minLength, maxLength, minItems, maxItems.
// A member that stands twice in an object is refused. Integers are canonical and within int64.
std::string WhyNotValid(json::Value schema, json::Value value);

}  // namespace mend::mcp
