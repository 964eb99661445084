// How far a long load has come, in pg_stat_progress_copy.
#pragma once

#include <cstddef>

#include "server/ingest/offer.h"

namespace mend::ingest {

// Shows a load of many bytes as a COPY FROM of type CALLBACK: bytes read, rows stored, rows kept
// elsewhere (excluded). Shows nothing for a short one, and where the session shows the progress of
// something else. An error's roll back ends it.
class Progress {
 public:
  Progress(Oid target, size_t total_bytes);
  // To be told of every payload.
  void Report(size_t bytes, const Counts& counts) {
    if (shown_ && bytes - reported_ >= kStep) {
      Show(bytes, counts);
    }
  }
  void End();

 private:
  static constexpr size_t kShowFrom = 1024 * 1024, kStep = 256 * 1024;
  void Show(size_t bytes, const Counts& counts);

  Oid target_;
  size_t total_;
  size_t reported_ = 0;
  bool shown_ = false;
};

}  // namespace mend::ingest
