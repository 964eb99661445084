// Whether an exception is on its way out.
#pragma once

#include <exception>

namespace mend::pg {

// A member of what must be closed, but not while an error unwinds: then PostgreSQL closes it itself
// when it rolls back, and closing it here would be too early or once too often.
class Unwinding {
 public:
  // True in the destructor of its owner where an exception has been thrown since this was made.
  explicit operator bool() const { return std::uncaught_exceptions() > before_; }

 private:
  int before_ = std::uncaught_exceptions();
};

}  // namespace mend::pg
