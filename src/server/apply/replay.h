// Putting waiting rows into their table: as their submitter, exactly once.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "server/queue/replay_groups.h"
#include "server/queue/row_outcome.h"
#include "server/table/target.h"

namespace mend::apply {

// How the replay of a round gets on with the table's own code.
struct Pace {
  // Rows that go into one transaction: so many as are stored within a time slice, once they were
  // found to be slow. The worker remembers it from round to round.
  size_t at_once = SIZE_MAX;
  std::function<void()> between_transactions;  // may throw: what is committed stays
  int put_off = 0;                             // rows that took too long alone
  bool marked = false;  // whether the mark of the next run was committed with the last one
};

// What the last round of the table has found, in this process.
Pace PaceOf(Oid target);
void RememberPace(Oid target, const Pace& pace);

// Replays a run in a transaction of its own (outside of any), with a crash marker committed first
// and the session discarded after. The rows are stored as they were read, and the transaction is
// done again, with the rows locked and read anew, where one has changed since. Its commit brings
// the marker of the run `next_group`, unless null, which must be the next to be replayed. An error
// at commit (a deferred constraint) or for lack of privilege is traced to its rows by halving. What
// takes longer than mend.batch_timeout is rolled back and stored row by row, and a row that takes
// longer alone is put off: tried again after a pause, and a dead letter in the end. Throws errors
// that say nothing about the rows, and 57014 when several rows in a round took too long: the table
// must rest.
queue::ReplayCounts Replay(Oid target, const queue::ReplayGroup& run,
                           const queue::ReplayGroup* next_group, const queue::OutcomePolicy& policy,
                           std::optional<int64_t> patch_id, Pace* pace);

}  // namespace mend::apply
