// No signal handler runs in a thread that a library starts behind our back.
#pragma once

#include <signal.h>

namespace mend::net {

// Blocks every signal of this thread, and so of threads started meanwhile, for its lifetime; those
// that a fault raises stay as they are. A SIGPIPE raised meanwhile is swallowed: a broken
// connection is an error code.
class SignalBlock {
 public:
  SignalBlock() noexcept;
  ~SignalBlock();
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t before_;
  bool blocked_ = false;
  bool pipe_pending_ = false;  // a SIGPIPE that is not ours
};

}  // namespace mend::net
