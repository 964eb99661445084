// When rows were last offered to and last stored in a table, in shared memory: ingest touches no
// row and no lock for it. Known to a tenth of a second, since the server started, for the tables
// that were used last; made by whoever comes first, so that no preloading is needed.
#pragma once

#include "server/pg/call.h"

namespace mend::observe {

// The current transaction (there must be one) has offered rows to `target`; `stored`: at least one
// is in the table. Counts when it commits (or is prepared). Without room in shared memory nothing
// is noted.
void NoteOffered(Oid target, bool stored);

// So many payloads of the current transaction were older than the rows that are stored.
void NoteIgnored(Oid target, int64_t count);

// So many rows of it are stored with a value that a reading has made.
void NoteRead(Oid target, int64_t count);

struct LastSeen {
  TimestampTz offered = 0;  // 0: not known
  TimestampTz stored = 0;
  int64_t ignored = 0;  // payloads that were older than the stored row
  int64_t read = 0;     // rows with a value that a reading has made
};
LastSeen LastSeenOf(Oid target);

}  // namespace mend::observe
