#include "server/apply/prove.h"

#include <algorithm>

#include "server/apply/prover.h"
#include "server/pg/deadline.h"
#include "server/pg/memory.h"
#include "server/pg/settings.h"

namespace mend::apply {

bool Proof::Helps() const {
  return std::find(action_helps.begin(), action_helps.end(), true) != action_helps.end() ||
         std::find(mapping_helps.begin(), mapping_helps.end(), true) != mapping_helps.end();
}

bool Proof::Relieves() const {
  return std::find(action_relieves.begin(), action_relieves.end(), true) != action_relieves.end() ||
         std::find(mapping_relieves.begin(), mapping_relieves.end(), true) !=
             mapping_relieves.end();
}

Proof Prove(const table::Target& target, const plan::Patch& patch, Evidence evidence,
            std::vector<int64_t>* healed_ids, const queue::BeforeBatch& before_batch) {
  Prover prover(target, patch);
  const Oid relid = target.shape().relid;
  queue::QueueReader reader = evidence == Evidence::Queue
                                  ? queue::QueueReader(relid, queue::Window(), 0, before_batch)
                                  : queue::QueueReader::OfDeadLetters(relid, before_batch);
  pg::Context scratch("pg_mend proof");
  for (queue::QueueBatch batch;;) {
    prover.LeaveIdentity();
    scratch.Reset();
    const pg::Deadline deadline(pg::batch_timeout_ms);  // domains bring user code
    pg::Switch into(scratch.get());
    if (!reader.Next(&batch)) {
      if (evidence == Evidence::Queue && !target.enrollment().rescue.empty()) {
        prover.AddRescuedSamples();
      }
      return prover.Finish();
    }
    for (const queue::QueuedRow& row : batch.rows) {
      pg::CheckInterrupts();
      int64_t before = prover.healed();
      prover.Add(row);
      if (healed_ids != nullptr && prover.healed() > before) {
        healed_ids->push_back(row.id);
      }
    }
  }
}

plan::Patch Helpful(const plan::Patch& patch, const Proof& proof, bool sampled) {
  plan::Patch helpful;
  helpful.rationale = patch.rationale;
  for (size_t i = 0; i < patch.actions.size(); ++i) {
    bool shown = proof.action_helps_rescued[i] ||
                 std::any_of(proof.sample.begin(), proof.sample.end(),
                             [&](const SampleRow& row) { return row.needs[i]; });
    if (proof.action_helps[i] && (shown || !sampled)) {
      helpful.actions.push_back(patch.actions[i]);
    }
  }
  for (size_t i = 0; i < patch.field_map.size(); ++i) {
    const plan::FieldMapping& mapping = patch.field_map[i];
    bool to_dropped =
        std::any_of(patch.actions.begin(), patch.actions.end(),
                    [&](const plan::Action& action) { return action.column == mapping.column; }) &&
        std::none_of(helpful.actions.begin(), helpful.actions.end(),
                     [&](const plan::Action& action) { return action.column == mapping.column; });
    if (proof.mapping_helps[i] && !to_dropped) {
      helpful.field_map.push_back(mapping);
    }
  }
  return helpful;
}

bool Covers(const plan::Patch& patch, const table::Target& patched, const drift::Drift& drift) {
  for (const plan::FieldMapping& mapping : patch.field_map) {
    // A column that a field is mapped to has its value from there.
    if (mapping.field == drift.field ||
        (drift.kind == drift::Kind::MissingRequired && mapping.column == drift.column)) {
      return true;
    }
  }
  const std::string goes_to = ColumnUnder(patch, patched, drift.field, drift.column);
  return std::any_of(patch.actions.begin(), patch.actions.end(), [&](const plan::Action& action) {
    return plan::Answers(action.kind, drift.kind) && IsAbout(action, patched, goes_to, drift.cause);
  });
}

}  // namespace mend::apply
