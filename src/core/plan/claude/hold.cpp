#include "core/plan/claude/hold.h"

#include <algorithm>

namespace mend::plan::claude {
namespace {

constexpr int64_t kMinute = 60'000;
constexpr int64_t kDay = 24 * 60 * kMinute;

int64_t Doubled(int64_t first, int times, int64_t longest) {
  int64_t wait = first;
  for (int i = 0; i < times && wait < longest; ++i) wait *= 2;
  return std::min(wait, longest);
}

}  // namespace

int64_t HoldMs(End end, int failures, std::optional<int64_t> asked_ms) {
  const bool for_a_person =
      end == End::KeyRefused || end == End::SpendLimit || end == End::BadRequest;
  const int64_t own = for_a_person ? Doubled(5 * kMinute, failures - 1, 60 * kMinute)
                                   : Doubled(kMinute / 4, failures - 1, 15 * kMinute);
  return std::max(own, std::min(asked_ms.value_or(0), kDay));
}

bool ConcernsAllTables(End end) { return end != End::BadRequest; }

}  // namespace mend::plan::claude
