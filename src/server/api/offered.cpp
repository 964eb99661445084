#include "server/api/offered.h"

#include "server/observe/freshness.h"
#include "server/table/target.h"
#include "server/worker/wake.h"

namespace mend::api {

void NoteOffered(Oid target, const ingest::Counts& counts) {
  observe::NoteOffered(target, counts.inserted > 0);
  worker::WakeIfNobodyLooks();
  // A paused table is left alone; whoever ends the pause wakes the worker.
  if ((counts.queued > 0 || counts.has_news) &&
      table::FindTarget(target)->enrollment().mode != table::Mode::Paused) {
    worker::WakeAtCommit(target);
  }
}

}  // namespace mend::api
