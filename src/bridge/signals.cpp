#include "bridge/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace mend::bridge {
namespace {

volatile sig_atomic_t stop_asked = 0;
int stop_pipe[2] = {-1, -1};

void Stop(int) {
  const int saved = errno;
  stop_asked = 1;
  [[maybe_unused]] const ssize_t unused = write(stop_pipe[1], "x", 1);
  errno = saved;
}

}  // namespace

void CatchSignals() {
  if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
    std::perror("mend-mcp");
    std::exit(1);
  }
  struct sigaction action = {};
  action.sa_handler = Stop;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

bool StopAsked() { return stop_asked != 0; }
int StopDescriptor() { return stop_pipe[0]; }

}  // namespace mend::bridge
