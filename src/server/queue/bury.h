// Rows of the queue that nothing will heal become dead letters, all those of a table at once.
#pragma once

#include <string>
#include <string_view>

#include "server/pg/postgres.h"

namespace mend::queue {

// Moves the queued rows of `target` to mend.dead_letters, or those of them alone that were offered
// for `name` unless it is empty. Returns how many.
int64_t BuryRows(Oid target, std::string_view reason, std::string_view name = {});

}  // namespace mend::queue
