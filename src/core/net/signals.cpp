#include "core/net/signals.h"

#include <time.h>

#include <initializer_list>

namespace mend::net {
namespace {

bool IsPipePending() noexcept {
  sigset_t pending;
  return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

}  // namespace

SignalBlock::SignalBlock() noexcept {
  pipe_pending_ = IsPipePending();
  sigset_t all;
  sigfillset(&all);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) {
    sigdelset(&all, fault);
  }
  blocked_ = pthread_sigmask(SIG_BLOCK, &all, &before_) == 0;
}

SignalBlock::~SignalBlock() {
  if (!blocked_) return;
  if (!pipe_pending_ && IsPipePending()) {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    const timespec now = {0, 0};
    sigtimedwait(&pipe, nullptr, &now);
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace mend::net
