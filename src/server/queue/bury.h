// Rows of the queue that nothing will heal become dead letters.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/pg/postgres.h"

namespace mend::queue {

// The rows of one statement where the caller commits in between, so that nobody waits for a long
// queue.
constexpr int64_t kRowsOfBurial = 1000;

// Moves the queued rows of `target` to mend.dead_letters, oldest first, or those of them alone that
// were offered for `name` unless it is empty; at most so many, if told. Without a `reason` each row
// says that the table of its name is not here, or not enrolled. Returns how many it has moved.
int64_t BuryRows(Oid target, const std::optional<std::string>& reason, std::string_view name = {},
                 std::optional<int64_t> at_most = std::nullopt);

}  // namespace mend::queue
