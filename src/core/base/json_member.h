// Members of an object by name, with their kind checked: for JSON that somebody else wrote.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/json.h"

namespace mend::json {

// The first member of that name; false when `object` is no object (or nothing), or has none.
Value Member(Value object, std::string_view name);

// The same, when it is of the kind asked for. Views are valid as long as the Value.
std::optional<std::string_view> StringMember(Value object, std::string_view name);
Value ObjectMember(Value object, std::string_view name);
Value ArrayMember(Value object, std::string_view name);
// An integer written without point, exponent or leading zero.
std::optional<int64_t> IntegerMember(Value object, std::string_view name);

}  // namespace mend::json
