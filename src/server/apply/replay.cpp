#include "server/apply/replay.h"

#include <algorithm>
#include <map>
#include <memory>

#include "core/limits/breaker.h"
#include "server/apply/in_flight.h"
#include "server/apply/patches.h"
#include "server/apply/store_waiting.h"
#include "server/apply/submitter.h"
#include "server/citus/managed_table.h"
#include "server/citus/node_errors.h"
#include "server/observe/freshness.h"
#include "server/pg/deadline.h"
#include "server/pg/settings.h"
#include "server/pg/test_point.h"
#include "server/pg/work_transaction.h"
#include "server/queue/queue_table.h"

namespace mend::apply {
namespace {

// Tables whose rows are slow, of which a process remembers the pace.
constexpr size_t kPacesRemembered = 1000;
std::map<Oid, size_t>& Paces() {
  static std::map<Oid, size_t> paces;
  return paces;
}

// How long the rows of one transaction may take, once they were found to be slow.
int64_t SlowBatchMs() { return std::min<int64_t>(limits::kTimeSliceMs, pg::batch_timeout_ms / 4); }

// A run as it was read, and the one whose mark goes with it.
struct AsRead {
  const queue::ReplayGroup& run;
  const queue::ReplayGroup* next_group;
};

bool IsQueuePlain() { return queue::QueueTable(RowExclusiveLock).IsPlain(); }

// One try. With `as_read` the rows are those, and not locked: nullopt where that will not do.
std::optional<queue::ReplayCounts> ReplayOnce(Oid target_oid, const std::vector<int64_t>& ids,
                                              const AsRead* as_read,
                                              const queue::OutcomePolicy& policy,
                                              std::optional<int64_t> patch_id, bool* on_nodes) {
  pg::WorkTransaction transaction;
  std::vector<queue::QueuedRow> locked;
  if (as_read == nullptr) {
    locked = queue::LockRows(ids);
  } else if (!IsQueuePlain()) {
    return std::nullopt;
  }
  const queue::ReplayGroup rows = as_read != nullptr ? as_read->run : queue::PointersTo(locked);
  if (rows.empty()) {
    return queue::ReplayCounts();
  }
  const queue::QueuedRow& first = *rows.front();
  // As INSERT would; but a table that is dropped or renamed while we wait for it is no fault of the
  // rows.
  pg::Call([&] {
    LockRelationOid(target_oid, RowExclusiveLock);
    // From here on it is the table's own code that waits for locks, if any.
    set_config_option("lock_timeout", "0", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
                      false);
  });
  *on_nodes = citus::BindNodes(target_oid, &transaction);
  pg::Deadline deadline(pg::batch_timeout_ms);
  std::shared_ptr<const table::Target> target;
  std::optional<Refusal> refusal;
  if (std::optional<std::string> absent = WhyAbsent(target_oid, first.target_name)) {
    refusal = Refusal{std::string(first.sqlstate), std::move(*absent)};
  } else {
    target = table::FindTarget(target_oid);
    refusal = WhyRefused(first, target_oid, target->enrollment().target_name);
  }
  if (refusal && as_read != nullptr) {
    return std::nullopt;
  }
  if (refusal) {
    queue::ReplayCounts counts;
    for (const queue::QueuedRow* row : rows) {
      drift::Misfit misfit = row->misfit();
      if (refusal->sqlstate == queue::kChangedCode) {
        misfit = {drift::Kind::Constraint, "", "", refusal->sqlstate, refusal->reason, 0};
      }
      queue::MoveToDeadLetters(*row, misfit, refusal->reason, patch_id);
      ++counts.dead;
    }
    transaction.Commit();
    return counts;
  }
  const pg::ForeignCode as_submitter(first.identity(), pg::ForeignCode::Until::Transaction);
  std::optional<queue::ReplayCounts> counts =
      StoreWaiting(*target, rows, as_read == nullptr, policy, patch_id);
  if (!counts) {
    return std::nullopt;
  }
  if (counts->stored > 0) {
    observe::NoteOffered(target_oid, true);
  }
  if (as_read != nullptr && as_read->next_group != nullptr) {
    NoteInFlight(target_oid, queue::IdsOf(*as_read->next_group));
  }
  pg::TestPoint("replayed");
  transaction.CommitFlushed();
  return counts;
}

// The row itself is to blame: its own trigger, deferred constraint or missing privilege.
queue::ReplayCounts Blame(Oid target_oid, int64_t id, const pg::Error& error,
                          const queue::OutcomePolicy& policy, std::optional<int64_t> patch_id) {
  pg::WorkTransaction transaction;
  queue::ReplayCounts counts;
  drift::Misfit misfit{drift::Kind::Constraint, "", "", error.sqlstate(), error.what(), 0};
  for (const queue::QueuedRow& row : queue::LockRows({id})) {
    if (pg::MustRaise(error)) {
      queue::MoveToDeadLetters(
          row, misfit, "the role that offered it lacks a right: " + misfit.message, patch_id);
      ++counts.dead;
      counts.failed += patch_id ? 1 : 0;
    } else {
      queue::RecordOutcome(row, {misfit}, policy, patch_id, &counts);
    }
  }
  if (patch_id && counts.failed > 0) {
    CountRows(*patch_id, 0, counts.failed);
  }
  transaction.Commit();
  return counts;
}

// The row alone takes too long: a loop in a trigger, or a lock that its trigger waits for.
queue::ReplayCounts PutOffAlone(Oid target, int64_t id, std::optional<int64_t> patch_id,
                                Pace* pace) {
  pg::WorkTransaction transaction;
  queue::ReplayCounts counts;
  for (const queue::QueuedRow& row : queue::LockRows({id})) {
    queue::PutOff(row, patch_id, &counts);
  }
  pg::RunPrepared("UPDATE mend.progress SET in_flight = NULL WHERE target = $1",
                  {pg::ObjectId(target)});
  transaction.Commit();
  if (++pace->put_off >= limits::kSlowRowsARound) {
    throw pg::Error(ERRCODE_QUERY_CANCELED,
                    "triggers or constraints of the table took longer than mend.batch_timeout (" +
                        std::to_string(pg::batch_timeout_ms) + " ms) with " +
                        std::to_string(pace->put_off) + " rows: the others wait");
  }
  return counts;
}

queue::ReplayCounts ReplayByHalving(Oid target, const std::vector<int64_t>& ids,
                                    const AsRead* as_read, const queue::OutcomePolicy& policy,
                                    std::optional<int64_t> patch_id, Pace* pace);

// Which row is it that took too long? And if it is all of them, how many go into a batch?
queue::ReplayCounts ReplayRowByRow(Oid target, const std::vector<int64_t>& ids,
                                   const queue::OutcomePolicy& policy,
                                   std::optional<int64_t> patch_id, Pace* pace) {
  queue::ReplayCounts counts;
  int64_t stored_ms = 0, stored = 0;
  for (auto id = ids.begin(); id != ids.end(); ++id) {
    if (pace->between_transactions) {
      pace->between_transactions();
    }
    const int before = pace->put_off;
    const pg::Stopwatch took;
    counts.Add(ReplayByHalving(target, {*id}, nullptr, policy, patch_id, pace));
    if (pace->put_off != before) {
      if (id + 1 != ids.end()) {
        MarkInFlight(target, {id + 1, ids.end()});  // the mark went with the row that was put off
      }
      continue;
    }
    ++stored;
    stored_ms += took.Ms() + 1;
    pace->at_once = static_cast<size_t>(std::max<int64_t>(SlowBatchMs() * stored / stored_ms, 1));
  }
  return counts;
}

queue::ReplayCounts ReplayByHalving(Oid target, const std::vector<int64_t>& ids,
                                    const AsRead* as_read, const queue::OutcomePolicy& policy,
                                    std::optional<int64_t> patch_id, Pace* pace) {
  std::optional<pg::Error> failure;
  const pg::Stopwatch took;
  try {
    std::optional<queue::ReplayCounts> counts;
    const auto replay = [&](const AsRead* rows) {
      return citus::TellNodeFailures([&](bool* on_nodes) {
        return ReplayOnce(target, ids, rows, policy, patch_id, on_nodes);
      });
    };
    if (as_read != nullptr && (counts = replay(as_read))) {
      pace->marked = as_read->next_group != nullptr;
      return *counts;
    }
    return *replay(nullptr);
  } catch (const citus::NodeFailure&) {
    throw;  // no row is to blame
  } catch (const pg::Error& error) {
    if (took.IsTimeout(error, pg::batch_timeout_ms)) {
      failure = error;
    } else if (error.MustPropagate() ||
               (pg::MustRaise(error) && error.sqlerrcode() != ERRCODE_INSUFFICIENT_PRIVILEGE &&
                !pg::IsRowsOwnInReplay(error))) {
      throw;
    }
    failure = error;
  }
  if (failure->sqlerrcode() == ERRCODE_QUERY_CANCELED) {
    return ids.size() == 1 ? PutOffAlone(target, ids.front(), patch_id, pace)
                           : ReplayRowByRow(target, ids, policy, patch_id, pace);
  }
  if (ids.size() == 1) {
    return Blame(target, ids.front(), *failure, policy, patch_id);
  }
  auto middle = ids.begin() + static_cast<std::ptrdiff_t>(ids.size() / 2);
  queue::ReplayCounts counts =
      ReplayByHalving(target, {ids.begin(), middle}, nullptr, policy, patch_id, pace);
  counts.Add(ReplayByHalving(target, {middle, ids.end()}, nullptr, policy, patch_id, pace));
  return counts;
}

}  // namespace

Pace PaceOf(Oid target) {
  Pace pace;
  if (const auto found = Paces().find(target); found != Paces().end()) {
    pace.at_once = found->second;
  }
  return pace;
}

void RememberPace(Oid target, const Pace& pace) {
  if (pace.at_once >= static_cast<size_t>(pg::batch_size)) {
    Paces().erase(target);
  } else if (Paces().size() < kPacesRemembered || Paces().count(target) > 0) {
    Paces()[target] = pace.at_once;
  }
}

queue::ReplayCounts Replay(Oid target, const queue::ReplayGroup& run,
                           const queue::ReplayGroup* next_group, const queue::OutcomePolicy& policy,
                           std::optional<int64_t> patch_id, Pace* pace) {
  const std::vector<int64_t> ids = queue::IdsOf(run);
  if (!pace->marked) {
    MarkInFlight(target, ids);
  }
  pace->marked = false;
  pg::TestPoint("in_flight");
  const AsRead as_read{run, next_group};
  queue::ReplayCounts counts;
  for (size_t first = 0; first < ids.size();) {
    const size_t at_once = pace->at_once;
    const size_t end = first + std::min(at_once, ids.size() - first);
    const bool whole = end - first == ids.size();
    if (first > 0 && pace->between_transactions) {
      pace->between_transactions();
    }
    const pg::Stopwatch took;
    counts.Add(ReplayByHalving(target,
                               {ids.begin() + static_cast<std::ptrdiff_t>(first),
                                ids.begin() + static_cast<std::ptrdiff_t>(end)},
                               whole ? &as_read : nullptr, policy, patch_id, pace));
    if (!whole && end - first == at_once && pace->at_once == at_once &&
        took.Ms() < SlowBatchMs() / 2) {
      pace->at_once *= 2;  // they are quicker now
    }
    first = end;
  }
  DiscardSession();
  return counts;
}

}  // namespace mend::apply
