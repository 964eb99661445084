// Tracks the row or patch being processed, so that a worker's death can be attributed.
#pragma once

#include <cstdint>
#include <optional>

#include "server/pg/unwinding.h"

namespace mend::apply {

// From its making to its end, this process judges one waiting row, or runs the ALTER of one patch:
// what user code does then, it does for that. Known to the process alone, and until it is gone:
// nothing need be written before. One at a time; an end that runs no destructor leaves it as it
// was.
class ActiveUnit {
 public:
  enum class Kind : uint8_t { Nothing, Row, Patch };

  ActiveUnit(Kind what, int64_t id) {
    kind_ = what;
    id_ = id;
    failed_row_.reset();
  }
  ~ActiveUnit() {
    if (kind_ == Kind::Row && Failed()) {
      failed_row_ = id_;
    }
    kind_ = Kind::Nothing;
  }
  ActiveUnit(const ActiveUnit&) = delete;
  ActiveUnit& operator=(const ActiveUnit&) = delete;

  // Whether an error ends it.
  bool Failed() const { return static_cast<bool>(unwinding_); }

  static Kind kind() { return kind_; }
  static int64_t id() { return id_; }  // of a row in the queue, or of a patch
  // The row whose judging an error has ended, if nothing was begun since.
  static std::optional<int64_t> failed_row() { return failed_row_; }

 private:
  pg::Unwinding unwinding_;
  inline static Kind kind_ = Kind::Nothing;
  inline static int64_t id_ = 0;
  inline static std::optional<int64_t> failed_row_;
};

}  // namespace mend::apply
