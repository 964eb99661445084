#include "core/net/clock.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

namespace mend::net {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

int64_t SystemClock::NowMs() {
  return duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool SystemClock::Sleep(int64_t ms, const Pulse& pulse) {
  const auto until = std::chrono::steady_clock::now() + milliseconds(ms);
  while (true) {
    if (!pulse()) return false;
    const auto left = duration_cast<milliseconds>(until - std::chrono::steady_clock::now()).count();
    if (left <= 0) return true;
    std::this_thread::sleep_for(milliseconds(std::min<int64_t>(left, kPulseMs)));
  }
}

double SystemClock::Random() {
  std::random_device device;
  return device() / (static_cast<double>(std::random_device::max()) + 1);
}

}  // namespace mend::net
