// What this process is at: whoever ends with it is to blame, or what is done to him.
#pragma once

#include <cstdint>

namespace mend::apply {

// From its making to its end, this process judges one waiting row, or runs the ALTER of one patch: what user code does then, it
// does for that. Known to the process alone, and until it is gone: nothing need be written before. One at a time; an end that
// runs no destructor leaves it as it was.
class AtWork {
 public:
  enum class On : uint8_t { Nothing, Row, Patch };

  AtWork(On what, int64_t id) {
    on_ = what;
    id_ = id;
  }
  ~AtWork() { on_ = On::Nothing; }
  AtWork(const AtWork&) = delete;
  AtWork& operator=(const AtWork&) = delete;

  static On on() { return on_; }
  static int64_t id() { return id_; }  // of a row in the queue, or of a patch

 private:
  inline static On on_ = On::Nothing;
  inline static int64_t id_ = 0;
};

}  // namespace mend::apply
