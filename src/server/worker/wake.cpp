#include "server/worker/wake.h"

namespace mend::worker {
void WakeAtCommit() {}
}  // namespace mend::worker
