// How long Claude is not asked again after a conversation that brought no answer.
#pragma once

#include <cstdint>
#include <optional>

#include "core/plan/claude/conversation.h"

namespace mend::plan::claude {

// Milliseconds. `failures` counts those in a row, this one included. What the API asks for is
// heeded, up to a day. What only a person can mend (a key, a spend limit, a refused request) is
// tried again less often than what passes by itself. Only for ends after which rows wait.
int64_t HoldMs(End end, int failures, std::optional<int64_t> asked_ms);

// Whether it stands between us and the API for every table, or for the one that was asked about.
bool ConcernsAllTables(End end);

}  // namespace mend::plan::claude
