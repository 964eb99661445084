// Widening a column of a large table without a long lock: a second column, kept in step by a
// trigger and filled in batches, takes the place of the first. Every step is a committed state in
// mend.widenings: whoever comes by goes on from it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "server/apply/patches.h"
#include "server/apply/widening.h"

namespace mend::apply {

// Why a patch cannot be applied so, by the name of what stands in the way; empty: it can. Of its
// actions those are looked at that rewrite the table: one at most.
std::string WhyNotOnline(const table::Target& target, const plan::Patch& patch);

// The same of a column that gets a former, narrower type back; and what ALTER TABLE would have to
// change beside the table.
std::string WhyNotNarrowed(const table::Target& target, const std::string& column,
                           const plan::Type& to);
std::string WhyNarrowedOnlineOnly(const table::Target& target, const std::string& column);

// Why ALTER TABLE is no way to apply a patch, and online is one; empty: it is a way.
std::string WhyOnlineOnly(const table::Target& target, const plan::Patch& patch);

// The action that is done so; nullptr: none needs it.
const plan::Action* RewritingAction(const plan::Shape& shape, const plan::Patch& patch);

struct WideningHost {
  // Between batches, outside of any transaction; may throw.
  std::function<void()> between_batches;
  std::function<void(const std::string&)> show;
};

// Goes on with the widening of the table, if one is due, for at most `for_ms` or one long statement
// (an index, a look at all rows), outside of any transaction; up to the swap. Errors of the table's
// are put down in mend.widenings.
void Widen(Oid target, const WideningHost& host, int for_ms);

}  // namespace mend::apply
