#include "server/pg/latch.h"

namespace mend::pg {

bool Nap(long ms) {
  return Call([&] {
    int events =
        WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
    return (events & WL_LATCH_SET) != 0;
  });
}

void Sleep(long ms) {
  Call([&] { WaitLatch(nullptr, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION); });
}

}  // namespace mend::pg
