#include "server/pg/deadline.h"

namespace mend::pg {

Deadline::Deadline(int ms) : armed_(MyBackendType == B_BG_WORKER) {
  if (armed_) {
    Call([&] { enable_timeout_after(STATEMENT_TIMEOUT, ms); });
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
}

}  // namespace mend::pg
