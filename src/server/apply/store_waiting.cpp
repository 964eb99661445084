#include "server/apply/store_waiting.h"

#include <algorithm>
#include <memory>
#include <set>
#include <unordered_set>

#include "server/apply/patches.h"
#include "server/ingest/evaluate.h"
#include "server/ingest/evaluation_buffers.h"
#include "server/pg/test_point.h"
#include "server/queue/order.h"
#include "server/queue/queue_table.h"
#include "server/queue/rescues.h"
#include "server/store/store.h"

namespace mend::apply {
namespace {

constexpr size_t kRowsAtOnce = 250;

struct Outcome {
  const queue::QueuedRow* row = nullptr;
  std::vector<drift::Misfit> misfits;  // empty: stored
};

// Keeps rows of one key in their order: what stands behind a row that goes on waiting waits, too.
class Order {
 public:
  Order(const table::Target& target, const queue::ReplayGroup& rows,
        const queue::OutcomePolicy& policy, std::optional<int64_t> patch_id)
      : behind_others_(queue::BehindOthers(target.shape().relid, rows)),
        policy_(policy),
        patch_id_(patch_id) {}

  bool IsBehind(const queue::QueuedRow& row) const {
    return row.key && (waiting_.count(*row.key) > 0 || behind_others_.count(row.id) > 0);
  }
  void Note(const Outcome& outcome) {
    if (outcome.row->key && !outcome.misfits.empty() &&
        policy_.For(outcome.misfits, *outcome.row, patch_id_).kind !=
            queue::RowOutcome::Kind::DeadLetter) {
      waiting_.insert(*outcome.row->key);
    }
  }

 private:
  std::set<int64_t> behind_others_;
  std::unordered_set<int64_t> waiting_;
  const queue::OutcomePolicy& policy_;
  std::optional<int64_t> patch_id_;
};

// Evaluates some of the rows, and stores those that fit: as one batch, but that what the table
// makes of a row must be known before the next of its key.
void StoreSome(const table::Target& target, const queue::ReplayGroup& rows, size_t first,
               size_t end, ingest::EvaluationBuffers* buffers, Order* order,
               std::vector<Outcome>* outcomes_of_all, queue::RescueTally* rescued) {
  const bool rescues = !target.enrollment().rescue.empty() && queue::MayRescueFor(target);
  std::vector<Outcome>& outcomes = *outcomes_of_all;
  std::vector<table::Row> fitting;
  std::vector<size_t> positions;
  std::unordered_set<int64_t> keys;
  fitting.reserve(end - first);
  positions.reserve(end - first);
  const auto store = [&] {
    std::vector<std::optional<drift::Misfit>> results = store::Store(target, &fitting, true);
    for (size_t i = 0; i < results.size(); ++i) {
      std::vector<drift::Misfit>& misfits = outcomes[positions[i]].misfits;
      if (!results[i]) {
        rescued->CountStored(fitting[i]);
      } else if (!fitting[i].rescued.empty()) {
        // A constraint may have looked at what was rescued: the row is as any other with its
        // misfits.
        table::Row row;
        buffers->evaluator.Rescue(false);
        if (!buffers->document.Parse(rows[positions[i]]->payload)) {
          buffers->evaluator.Evaluate(buffers->document.root(), &row, &misfits);
        }
      }
      if (results[i]) {
        if (misfits.empty()) {
          misfits.push_back(*results[i]);
        }
        order->Note(outcomes[positions[i]]);
      }
      ingest::GiveBackRow(std::move(fitting[i]));
    }
    fitting.clear();
    positions.clear();
    keys.clear();
  };
  for (size_t i = first; i < end; ++i) {
    pg::CheckInterrupts();
    outcomes[i].row = rows[i];
    if (rows[i]->key && keys.count(*rows[i]->key) > 0) {
      store();
    }
    if (order->IsBehind(*rows[i])) {
      outcomes[i].misfits.push_back(queue::MisfitBehind());
      continue;
    }
    if (auto failure = buffers->document.Parse(rows[i]->payload)) {
      outcomes[i].misfits.push_back({drift::Kind::Malformed, "", "", "22P02", failure->message, 0});
      continue;
    }
    table::Row converted = ingest::TakeSpareRow();
    buffers->evaluator.Rescue(rescues);
    buffers->evaluator.Evaluate(buffers->document.root(), &converted, &outcomes[i].misfits);
    if (!outcomes[i].misfits.empty()) {
      order->Note(outcomes[i]);
      continue;
    }
    for (const ingest::RescuedField& field : buffers->evaluator.rescued()) {
      const std::string_view column =
          field.column < 0 ? std::string_view()
                           : target.shape().columns[static_cast<size_t>(field.column)].name;
      converted.rescued.push_back(
          rescued->Add(target, {field.field, column, field.kind, field.cause, field.value}));
    }
    fitting.push_back(std::move(converted));
    positions.push_back(i);
    if (rows[i]->key) {
      keys.insert(*rows[i]->key);
    }
  }
  store();
}

// Evaluates and stores all rows, few enough at a time to be in the processor's cache still when
// they are stored. Triggers of the statement want all at once.
std::vector<Outcome> StoreRows(const table::Target& target, const queue::ReplayGroup& rows,
                               const queue::OutcomePolicy& policy,
                               std::optional<int64_t> patch_id) {
  const size_t at_once = target.shape().has_statement_trigger ? rows.size() : kRowsAtOnce;
  std::vector<Outcome> outcomes(rows.size());
  Order order(target, rows, policy, patch_id);
  std::unique_ptr<ingest::EvaluationBuffers> buffers = ingest::BufferCacheOf(target).Lend(target);
  pg::Context memory("pg_mend replayed rows");
  queue::RescueTally rescued;
  for (size_t first = 0; first < rows.size(); first += at_once) {
    pg::Switch into(memory.get());
    StoreSome(target, rows, first, std::min(first + at_once, rows.size()), buffers.get(), &order,
              &outcomes, &rescued);
    buffers->evaluator.ForgetMemory();
    memory.Reset();
  }
  ingest::BufferCacheOf(target).GiveBack(std::move(buffers));
  rescued.LeaveTo(table::FindTarget(target.shape().relid));
  return outcomes;
}

// Removes what was stored from the queue. Rows are locked, or else as they were read: then false
// where one is not any more, or where a row whose outcome is to be written is not to be had.
bool Dequeue(const std::vector<Outcome>& outcomes, const std::vector<int64_t>& stored,
             bool locked) {
  if (locked) {
    pg::RunPrepared("DELETE FROM mend.queue WHERE id = ANY ($1)", {pg::Int8Array(stored)});
    return true;
  }
  queue::ReplayGroup done;
  std::vector<int64_t> kept;
  for (const Outcome& outcome : outcomes) {
    if (outcome.misfits.empty()) {
      done.push_back(outcome.row);
    } else {
      kept.push_back(outcome.row->id);
    }
  }
  return (kept.empty() || queue::LockUnlessBusy(kept)) &&
         queue::QueueTable(RowExclusiveLock).DeleteInPlace(done);
}

// Dead letters that are older than what was stored, for the same rows.
void MarkOvertaken(const table::Target& target, const std::vector<Outcome>& outcomes) {
  std::vector<int64_t> keys, ids;
  for (const Outcome& outcome : outcomes) {
    if (outcome.misfits.empty() && outcome.row->key) {
      keys.push_back(*outcome.row->key);
      ids.push_back(outcome.row->id);
    }
  }
  if (!keys.empty() && !target.enrollment().newer_by && queue::AnyDead(target.shape().relid)) {
    queue::MarkOvertaken(target.shape().relid, keys, ids);
  }
}

}  // namespace

std::optional<queue::ReplayCounts> StoreWaiting(const table::Target& target,
                                                const queue::ReplayGroup& rows, bool locked,
                                                const queue::OutcomePolicy& policy,
                                                std::optional<int64_t> patch_id) {
  queue::ReplayCounts counts;
  std::vector<Outcome> outcomes = StoreRows(target, rows, policy, patch_id);
  pg::TestPoint("storing");
  for (const Outcome& outcome : outcomes) {
    if (outcome.misfits.empty()) {
      counts.stored_ids.push_back(outcome.row->id);
    }
  }
  if (!Dequeue(outcomes, counts.stored_ids, locked)) {
    return std::nullopt;
  }
  for (const Outcome& outcome : outcomes) {
    if (!outcome.misfits.empty()) {
      queue::RecordOutcome(*outcome.row, outcome.misfits, policy, patch_id, &counts);
    }
  }
  MarkOvertaken(target, outcomes);
  counts.stored = static_cast<int64_t>(counts.stored_ids.size());
  if (patch_id && counts.stored + counts.failed > 0) {
    CountRows(*patch_id, counts.stored, counts.failed);
  }
  return counts;
}

queue::ReplayCounts ReplayHere(const table::Target& target,
                               const std::vector<queue::QueuedRow>& rows,
                               const queue::OutcomePolicy& policy,
                               std::optional<int64_t> patch_id) {
  return *StoreWaiting(target, queue::PointersTo(rows), true, policy, patch_id);
}

}  // namespace mend::apply
