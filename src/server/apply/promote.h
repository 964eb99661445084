// Moving rescued values to their columns, in short transactions, as the table's owner.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "server/table/target.h"

namespace mend::apply {

// In the open transaction: rescued values of the table are to be looked at, from its beginning on.
void RequestPromotion(const table::Target& target, std::optional<int64_t> patch_id);

// Asks for one where rescued values may fit by now: the columns, mappings or terms have changed
// since the last one, or a field that is on record has got a column. In the open transaction.
// Whether rescued values are on record that have still to be moved.
bool WatchRescued(const table::Target& target);

struct PromotionHost {
  // Between batches, outside of any transaction; may throw.
  std::function<void()> between_batches;
  std::function<void(const std::string&)> show;
};

// Goes on with what is wanted for at most `for_ms`, or a little longer, outside of any transaction.
// What was done stays done, and the next call goes on behind it. Rows that others have locked are
// passed over, and come later. Throws errors that say nothing about a row.
void PromoteRescued(Oid target, const PromotionHost& host, int for_ms);

}  // namespace mend::apply
