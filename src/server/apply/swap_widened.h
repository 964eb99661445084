// The end of a widening: the second column takes the place of the first.
#pragma once

#include <functional>

#include "server/apply/patches.h"
#include "server/apply/widening.h"

namespace mend::apply {

// The swap and the patch's books, in a transaction of its own, under a short lock. False: not now,
// or not any more; mend.widenings has why.
bool SwapWidened(const PatchRecord& record, const Widening& widening,
                 const std::function<void()>& before_commit);

// The same of a column that got its former type back: the patch is reverted.
bool SwapNarrowed(const Widening& widening);

}  // namespace mend::apply
