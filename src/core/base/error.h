// What went wrong, as a value: for outcomes a caller is expected to handle.
#pragma once

#include <string>

namespace mend::base {

struct Error {
  std::string sqlstate;  // five characters, as PostgreSQL reports it
  std::string message;   // one sentence for a person, without a trailing full stop
  std::string hint;      // what to do about it; may be empty
};

}  // namespace mend::base
