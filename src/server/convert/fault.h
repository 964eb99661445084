// Why a value does not fit a type, and how that is said.
#pragma once

#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/drift/kind.h"
#include "server/convert/type_info.h"

namespace mend::convert {

// Why a value does not fit.
struct Fault {
  drift::Kind kind = drift::Kind::TypeConflict;
  std::string sqlstate;
  std::string message;
  drift::Cause cause = drift::Cause::Unspecified;
  std::string about{};  // as drift::Misfit, and so is the next
  std::string read{};
};

// An error that a type's own code raised for a value, as a fault.
Fault FaultOf(const pg::Error& error);

// `text` between quotes, clipped.
std::string Quote(std::string_view text);
// A value as PostgreSQL would print it in a message, clipped.
std::string Quote(json::Value value);

// What a value is that a type does not take.
drift::Cause CauseOf(TypeClass type_class, json::Value value);

}  // namespace mend::convert
