// Waiting rows in the runs in which they are replayed.
#pragma once

#include <deque>
#include <vector>

#include "server/queue/queue_reader.h"

namespace mend::queue {

// Rows of one submitter and one context, in a batch that somebody else holds.
using ReplayGroup = std::vector<const QueuedRow*>;

// The runs of a batch; the rows of a submitter keep their order. Rows with which the worker went
// down before stand alone.
std::deque<ReplayGroup> ByIdentity(const QueueBatch& batch);

ReplayGroup PointersTo(const std::vector<QueuedRow>& rows);

std::vector<int64_t> IdsOf(const ReplayGroup& run);

// Reads a window run by run, each batch in a transaction of its own: outside of any.
class ReplayGroupReader {
 public:
  explicit ReplayGroupReader(QueueReader reader) : reader_(std::move(reader)) {}

  // Goes on to the next run, which is good until then; nullptr at the end.
  const ReplayGroup* Next();
  // The run that Next() will give; nullptr where there is none, or where two batches at a time
  // would be too large.
  const ReplayGroup* Ahead();
  QueueReader& reader() { return reader_; }

 private:
  void Read();

  QueueReader reader_;
  QueueBatch batches_[2];
  int at_ = 0;  // the batch that was read last
  bool at_end_ = false;
  std::deque<ReplayGroup> runs_;
  ReplayGroup current_;
};

}  // namespace mend::queue
