// What this process is at: whoever ends with it is to blame, or what is done to him.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>

namespace mend::apply {

// From its making to its end, this process judges one waiting row, or runs the ALTER of one patch: what user code does then, it
// does for that. Known to the process alone, and until it is gone: nothing need be written before. One at a time; an end that
// runs no destructor leaves it as it was.
class AtWork {
 public:
  enum class On : uint8_t { Nothing, Row, Patch };

  AtWork(On what, int64_t id) : exceptions_(std::uncaught_exceptions()) {
    on_ = what;
    id_ = id;
    failed_row_.reset();
  }
  ~AtWork() {
    if (on_ == On::Row && Failed()) {
      failed_row_ = id_;
    }
    on_ = On::Nothing;
  }
  AtWork(const AtWork&) = delete;
  AtWork& operator=(const AtWork&) = delete;

  // Whether an error ends it.
  bool Failed() const { return std::uncaught_exceptions() > exceptions_; }

  static On on() { return on_; }
  static int64_t id() { return id_; }  // of a row in the queue, or of a patch
  // The row whose judging an error has ended, if nothing was begun since.
  static std::optional<int64_t> failed_row() { return failed_row_; }

 private:
  int exceptions_;
  inline static On on_ = On::Nothing;
  inline static int64_t id_ = 0;
  inline static std::optional<int64_t> failed_row_;
};

}  // namespace mend::apply
