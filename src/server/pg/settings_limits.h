// The settings that bound what one role may cause.
#pragma once

namespace mend::pg {

extern int max_queue_mb;        // of all payloads that wait or are dead letters; 0: no limit
extern int proposals_per_hour;  // of one role, by mend.propose; 0: no limit

void DefineLimitSettings();

}  // namespace mend::pg
