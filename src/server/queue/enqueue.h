// Rows that did not fit: to the queue, or to the dead letters.
#pragma once

#include <string_view>
#include <vector>

#include "core/drift/kind.h"
#include "server/table/target.h"

namespace mend::queue {

struct Rejected {
  std::string_view payload;            // original bytes
  std::vector<drift::Misfit> misfits;  // at least one, in payload order; the first is the culprit
  std::optional<int64_t> key{};        // of its row, where the order of payloads for one is kept
  bool overtaken = false;              // a later payload for that row is stored
};

struct EnqueueCounts {
  int64_t queued = 0;
  int64_t dead_lettered = 0;
};

// The settings of this session that INSERT depends on, as a JSON object.
std::string SessionSettings(const table::Enrollment& enrollment);

// Appends the rows in the caller's transaction, as the extension's owner, with the session context
// that INSERT depends on. Touches no shared row. The caller asks for a worker when any was queued.
EnqueueCounts Enqueue(const table::Target& target, const std::vector<Rejected>& rows);

}  // namespace mend::queue
