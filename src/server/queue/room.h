// Whether there is room for more payloads that do not fit.
#pragma once

#include "server/pg/postgres.h"

namespace mend::queue {

// What a row takes beside its payload, about: names, settings, digests of code.
inline constexpr size_t kBytesBeside = 500;

// Throws 53400 where `bytes` more of a role's would pass mend.max_queue_size, or the role's half of
// it. What other sessions have not committed is not seen; how much there is is counted anew every
// few seconds only, while there is a lot.
void RequireRoom(Oid submitter, size_t bytes);

}  // namespace mend::queue
