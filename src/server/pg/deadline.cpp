#include "server/pg/deadline.h"

#include <algorithm>
#include <csignal>
#include <exception>

namespace mend::pg {
namespace {

constexpr int kLongestGraceMs = 5000;

int limit_ms = 0;
volatile sig_atomic_t ignored = 0;
bool ended_late = false;

// What catches a cancel catches this one not.
void EndProcess() {
  ignored = 1;
  kill(MyProcPid, SIGTERM);
}

TimeoutId Last() {
  static const TimeoutId id = RegisterTimeout(USER_TIMEOUT, EndProcess);
  return id;
}

}  // namespace

Deadline::Deadline(int ms) : armed_(MyBackendType == B_BG_WORKER) {
  if (armed_) {
    limit_ms = ms;
    Call([&] {
      enable_timeout_after(STATEMENT_TIMEOUT, ms);
      enable_timeout_after(Last(), ms + std::min(ms, kLongestGraceMs));
    });
  }
}

Deadline::~Deadline() {
  if (!armed_) {
    return;
  }
  // Fired too late to hit its own work: it must not cancel what comes next.
  if (get_timeout_indicator(STATEMENT_TIMEOUT, true)) {
    QueryCancelPending = false;
  }
  disable_timeout(STATEMENT_TIMEOUT, false);
  disable_timeout(Last(), false);
  ended_late = ignored != 0 && std::uncaught_exceptions() == 0;
}

bool Deadline::EndedLate() { return ended_late; }

int Deadline::Ignored() { return ignored != 0 ? limit_ms : 0; }

}  // namespace mend::pg
