#include "core/limits/breaker.h"

namespace mend::limits {

namespace {

int64_t Doubled(int64_t first, int64_t longest, int attempt) {
  int64_t wait = first;
  for (int i = 1; i < attempt && wait < longest; ++i) wait *= 2;
  return wait < longest ? wait : longest;
}

}  // namespace

int64_t BackoffMs(int attempt) { return Doubled(1000, 300000, attempt); }

int64_t BreakerPauseMs(int tries) { return Doubled(60 * 1000, 24 * 3600 * 1000, tries); }

}  // namespace mend::limits
