#include "server/queue/replay_groups.h"

#include <map>

#include "server/pg/work_transaction.h"

namespace mend::queue {
namespace {

// Rows of one batch mostly share the very copy.
bool Same(std::string_view one, std::string_view other) {
  return (one.data() == other.data() && one.size() == other.size()) || one == other;
}

bool SameIdentity(const QueuedRow& one, const QueuedRow& other) {
  return one.submitter == other.submitter && one.session_submitter == other.session_submitter &&
         Same(one.submitted_by, other.submitted_by) &&
         Same(one.session_submitted_by, other.session_submitted_by) &&
         Same(one.target_name, other.target_name) && Same(one.context, other.context) &&
         Same(one.code, other.code);
}

}  // namespace

std::deque<ReplayGroup> ByIdentity(const QueueBatch& batch) {
  std::deque<ReplayGroup> runs;
  std::map<Oid, size_t> open;       // by submitter: its last run, so that its rows keep their order
  std::map<int64_t, size_t> keyed;  // by key: the last run that has it, whoever's that is
  for (const QueuedRow& row : batch.rows) {
    if (row.crashes > 0) {
      open.erase(row.submitter);
      if (row.key) {
        keyed[*row.key] = runs.size();
      }
      runs.push_back({&row});
      continue;
    }
    const auto last = open.find(row.submitter);
    const auto older = row.key ? keyed.find(*row.key) : keyed.end();
    if (last != open.end() && (older == keyed.end() || older->second <= last->second) &&
        SameIdentity(*runs[last->second].back(), row)) {
      runs[last->second].push_back(&row);
    } else {
      open[row.submitter] = runs.size();
      runs.push_back({&row});
    }
    if (row.key) {
      keyed[*row.key] = open[row.submitter];
    }
  }
  return runs;
}

ReplayGroup PointersTo(const std::vector<QueuedRow>& rows) {
  ReplayGroup group;
  group.reserve(rows.size());
  for (const QueuedRow& row : rows) {
    group.push_back(&row);
  }
  return group;
}

std::vector<int64_t> IdsOf(const ReplayGroup& run) {
  std::vector<int64_t> ids;
  ids.reserve(run.size());
  for (const QueuedRow* row : run) {
    ids.push_back(row->id);
  }
  return ids;
}

void ReplayGroupReader::Read() {
  at_ = 1 - at_;
  pg::WorkTransaction transaction;
  at_end_ = !reader_.Next(&batches_[at_]);
  transaction.Commit();
  runs_ = ByIdentity(batches_[at_]);
}

const ReplayGroup* ReplayGroupReader::Next() {
  if (runs_.empty() && !at_end_) {
    Read();
  }
  if (runs_.empty()) {
    return nullptr;
  }
  current_ = std::move(runs_.front());
  runs_.pop_front();
  return &current_;
}

const ReplayGroup* ReplayGroupReader::Ahead() {
  if (runs_.empty() && !at_end_ && batches_[at_].bytes <= QueueReader::kBatchBytes / 2) {
    Read();  // the other batch, of which no run is left
  }
  return runs_.empty() ? nullptr : &runs_.front();
}

}  // namespace mend::queue
