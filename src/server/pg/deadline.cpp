#include "server/pg/deadline.h"

#include <algorithm>
#include <csignal>
#include <exception>

namespace mend::pg {
namespace {

constexpr int kLongestGraceMs = 5000;

int limit_ms = 0;
TimestampTz armed_at = 0;
volatile sig_atomic_t ignored = 0;
bool running = false;
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

void Arm() {
  armed_at = GetCurrentTimestamp();
  enable_timeout_after(STATEMENT_TIMEOUT, limit_ms);
  enable_timeout_after(Last(), limit_ms + std::min(limit_ms, kLongestGraceMs));
}

// Fired too late to hit its own work: it must not cancel what comes next.
void TakeBackCancel() {
  if (get_timeout_indicator(STATEMENT_TIMEOUT, true)) {
    QueryCancelPending = false;
  }
}

}  // namespace

Deadline::Deadline(int ms) : armed_(MyBackendType == B_BG_WORKER) {
  if (armed_) {
    limit_ms = ms;
    Call(Arm);
    running = true;
  }
}

Deadline::~Deadline() {
  if (!armed_) {
    return;
  }
  running = false;
  TakeBackCancel();
  disable_timeout(STATEMENT_TIMEOUT, false);
  disable_timeout(Last(), false);
  ended_late = ignored != 0 && std::uncaught_exceptions() == 0;
}

void Deadline::Restart() {
  if (running && ignored == 0) {
    TakeBackCancel();
    Call(Arm);
  }
}

bool Deadline::IsTimeout(const Error& error) {
  return error.sqlerrcode() == ERRCODE_QUERY_CANCELED &&
         TimestampDifferenceExceeds(armed_at, GetCurrentTimestamp(), limit_ms);
}

bool Deadline::EndedLate() { return ended_late; }

int Deadline::Ignored() { return ignored != 0 ? limit_ms : 0; }

}  // namespace mend::pg
