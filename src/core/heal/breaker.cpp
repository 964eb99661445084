#include "core/heal/breaker.h"

namespace mend::heal {

int64_t BackoffMs(int attempt) {
  constexpr int64_t kFirst = 1000;
  constexpr int64_t kLongest = 300000;
  int64_t wait = kFirst;
  for (int i = 1; i < attempt && wait < kLongest; ++i) wait *= 2;
  return wait < kLongest ? wait : kLongest;
}

}  // namespace mend::heal
