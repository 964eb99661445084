#include "server/ingest/progress.h"

namespace mend::ingest {

Progress::Progress(Oid target, size_t total_bytes) : target_(target), total_(total_bytes) {
  shown_ = total_bytes >= kShowFrom && MyBEEntry != nullptr &&
           MyBEEntry->st_progress_command == PROGRESS_COMMAND_INVALID;
  if (shown_) {
    Show(0, {});
  }
}

void Progress::Show(size_t bytes, const Counts& counts) {
  // A batch whose subtransaction was rolled back has ended the report.
  if (MyBEEntry->st_progress_command == PROGRESS_COMMAND_INVALID) {
    pgstat_progress_start_command(PROGRESS_COMMAND_COPY, target_);
  }
  const int index[] = {PROGRESS_COPY_COMMAND,          PROGRESS_COPY_TYPE,
                       PROGRESS_COPY_BYTES_TOTAL,      PROGRESS_COPY_BYTES_PROCESSED,
                       PROGRESS_COPY_TUPLES_PROCESSED, PROGRESS_COPY_TUPLES_EXCLUDED};
  const int64 values[] = {PROGRESS_COPY_COMMAND_FROM,
                          PROGRESS_COPY_TYPE_CALLBACK,
                          static_cast<int64>(total_),
                          static_cast<int64>(bytes),
                          counts.inserted,
                          counts.queued + counts.dead_lettered};
  pgstat_progress_update_multi_param(6, index, values);
  reported_ = bytes;
}

void Progress::End() {
  if (shown_) {
    pgstat_progress_end_command();
  }
}

}  // namespace mend::ingest
