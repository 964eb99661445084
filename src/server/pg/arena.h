// Many small pieces of memory from few calls to PostgreSQL's.
#pragma once

#include "server/pg/call.h"

namespace mend::pg {

// Hands out memory of the context that is current when it runs short, and never frees: the context
// does. Forget() before that context is reset.
class Arena {
 public:
  // Aligned for any type of PostgreSQL's.
  void* Take(size_t size) {
    size = (size + 7) & ~static_cast<size_t>(7);
    if (size > left_) {
      return Grow(size);
    }
    void* taken = next_;
    next_ += size;
    left_ -= size;
    return taken;
  }
  void Forget() {
    next_ = nullptr;
    left_ = 0;
    block_ = kFirstBlock;
  }

 private:
  static constexpr size_t kFirstBlock = 1024, kLastBlock = 64 * 1024;

  void* Grow(size_t size) {
    if (size > block_ / 4) {
      return Call([&] { return palloc(size); });  // a large piece stands alone
    }
    next_ = static_cast<char*>(Call([&] { return palloc(block_); }));
    left_ = block_;
    block_ = block_ < kLastBlock ? block_ * 2 : block_;
    return Take(size);
  }

  char* next_ = nullptr;
  size_t left_ = 0;
  size_t block_ = kFirstBlock;
};

}  // namespace mend::pg
