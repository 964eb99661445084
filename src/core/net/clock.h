// Time and pauses, so that tests need neither.
#pragma once

#include <cstdint>

#include "core/net/transport.h"

namespace mend::net {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t NowMs() = 0;  // since 1970, UTC
  // False when the pulse cancelled it.
  virtual bool Sleep(int64_t ms, const Pulse& pulse) = 0;
  virtual double Random() = 0;  // [0, 1)
};

// The machine's own. Sleeps in slices of kPulseMs.
class SystemClock final : public Clock {
 public:
  int64_t NowMs() override;
  bool Sleep(int64_t ms, const Pulse& pulse) override;
  double Random() override;
};

}  // namespace mend::net
