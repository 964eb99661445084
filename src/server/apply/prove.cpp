#include "server/apply/prove.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "core/plan/fingerprint.h"
#include "server/apply/evaluate_row.h"
#include "server/apply/patches.h"
#include "server/apply/speculative_proof.h"
#include "server/apply/stored_keys.h"
#include "server/pg/catalog.h"
#include "server/pg/deadline.h"
#include "server/pg/memory.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"

namespace mend::apply {
namespace {

constexpr size_t kSampleRows = 64;
constexpr size_t kSampleBytes = 16 * 1024 * 1024;
constexpr size_t kSubmitters = 16;
constexpr size_t kMostLookups = 10000;

// What one submitter's rows show of the patch.
struct Coverage {
  std::vector<SampleRow> rows;
  std::vector<bool> actions;
  size_t bytes = 0;
  bool may_insert = false;  // into every column, also a new one
};

// The column that a field's values go to under the patch; empty when to none.
std::string ColumnUnder(const plan::Patch& patch, const table::Target& patched,
                        const std::string& field, const std::string& column) {
  for (const plan::FieldMapping& mapping : patch.field_map) {
    if (mapping.field == field) {
      return mapping.column.value_or("");
    }
  }
  if (!column.empty()) {
    return column;
  }
  table::Resolution resolution = patched.Resolve(field);
  return resolution.kind == table::Resolution::Kind::Column
             ? patched.shape().columns[static_cast<size_t>(resolution.column)].name
             : "";
}

// By index into the columns of the target: whether the patch changes the column, or which field
// means it.
std::vector<char> Touched(const table::Target& target, const plan::Patch& patch) {
  std::vector<char> touched;
  for (const plan::Column& column : target.shape().columns) {
    touched.push_back(
        std::any_of(patch.actions.begin(), patch.actions.end(),
                    [&](const plan::Action& action) { return action.column == column.name; }) ||
        std::any_of(
            patch.field_map.begin(), patch.field_map.end(),
            [&](const plan::FieldMapping& mapping) { return mapping.column == column.name; }));
  }
  for (const plan::FieldMapping& mapping : patch.field_map) {
    const table::Resolution before = target.Resolve(mapping.field);
    if (before.kind == table::Resolution::Kind::Column) {
      touched[static_cast<size_t>(before.column)] = 1;
    }
  }
  return touched;
}

}  // namespace

class Prover {
 public:
  Prover(const table::Target& target, const plan::Patch& patch)
      : target_(target), patched_(table::Patched(target, patch)), patch_(patch) {
    proof_.action_helps.resize(patch.actions.size());
    proof_.mapping_helps.resize(patch.field_map.size());
    proof_.action_helps_rescued.resize(patch.actions.size());
    proof_.action_relieves.resize(patch.actions.size());
    proof_.mapping_relieves.resize(patch.field_map.size());
    proof_.shape = plan::ShapeFingerprint(target.shape());
    touched_ = Touched(target, patch);
    if (RewritesTable(target.shape(), patch)) {
      stored_keys_.emplace(target, touched_);
    }
  }

  // Gives the row's misfits in the target as it is; their tokens are of payload().
  const std::vector<drift::Misfit>& Add(const queue::QueuedRow& row) {
    const std::vector<drift::Misfit>& left = patched_evaluator_.Evaluate(row);
    bool fits = left.empty();
    const std::vector<drift::Misfit>& misfits =
        evaluator_.EvaluateAfter(patched_evaluator_, row, touched_);
    if (misfits.empty()) {
      return misfits;
    }
    ++proof_.tried;
    if (!fits) {
      for (const drift::Misfit& misfit : left) {
        NoteUnfit(misfit);
        const drift::Class key = drift::ClassOf(misfit);
        if (proof_.remains.size() < Proof::kMaxRemains || proof_.remains.count(key) > 0) {
          ++proof_.remains[key];
        }
      }
      CreditRelief(misfits, left);
      return misfits;
    }
    if (IsRefusedByKeys()) {
      return misfits;
    }
    if (++proof_.healed == 1) {
      proof_.submitter = row.submitter;
    } else if (proof_.submitter != row.submitter) {
      proof_.submitter.reset();
    }
    std::vector<bool> needed(patch_.actions.size());
    for (const drift::Misfit& misfit : misfits) {
      Credit(misfit, &needed);
    }
    CreditUnseen(&needed);
    Sample(row, needed);
    return misfits;
  }
  const json::Document& payload() const { return patched_evaluator_.payload(); }

  // An object of one field, whose value is rescued: stored already, it is no row to replay.
  void AddRescued(const queue::QueuedRow& row) {
    for (const drift::Misfit& misfit : patched_evaluator_.Evaluate(row)) {
      if (misfit.field == row.field && misfit.kind != drift::Kind::MissingRequired) {
        NoteUnfit(misfit);
        return;
      }
    }
    for (const drift::Misfit& misfit : evaluator_.Evaluate(row)) {
      if (misfit.field == row.field && misfit.kind != drift::Kind::MissingRequired) {
        CreditRescued(misfit);
      }
    }
  }
  // The same of rescued values of which none is at hand.
  void CreditRescued(const drift::Misfit& misfit) { Credit(misfit, &proof_.action_helps_rescued); }

  Proof Finish() {
    const Coverage* best = nullptr;
    for (const auto& [submitter, coverage] : coverage_) {
      if (best == nullptr || std::pair(coverage.may_insert, Covered(coverage)) >
                                 std::pair(best->may_insert, Covered(*best))) {
        best = &coverage;
      }
    }
    for (auto& [submitter, coverage] : coverage_) {
      LeaveRescued(&coverage.rows);
    }
    LeaveRescued(&suspect_);
    proof_.sample = best != nullptr ? best->rows : suspect_;
    for (const auto& [submitter, coverage] : coverage_) {
      if (&coverage != best) {
        proof_.others.push_back(coverage.rows);
      }
    }
    return std::move(proof_);
  }

  int64_t healed() const { return proof_.healed; }
  // Before the memory context is reset that was current when rows were added.
  void ForgetMemory() {
    evaluator_.ForgetMemory();
    patched_evaluator_.ForgetMemory();
  }
  // Before the transaction ends.
  void LeaveIdentity() {
    ForgetMemory();
    context_.Leave();
  }

 private:
  // That rows of the queue fail for another reason refutes no action that rescued values need.
  void LeaveRescued(std::vector<SampleRow>* rows) const {
    for (SampleRow& row : *rows) {
      for (size_t i = 0; i < row.needs.size(); ++i) {
        row.needs[i] = row.needs[i] && !proof_.action_helps_rescued[i];
      }
    }
  }

  static long Covered(const Coverage& coverage) {
    return std::count(coverage.actions.begin(), coverage.actions.end(), true);
  }

  // Whether the table would be rewritten for a row that cannot be stored. Once enough rows were
  // found that can be, no more are looked for.
  bool IsRefusedByKeys() {
    if (!stored_keys_ || storable_ >= kSampleRows || looked_up_ >= kMostLookups) {
      return false;
    }
    ++looked_up_;
    context_.Leave();
    const StoredKeys::Verdict verdict = stored_keys_->Judge(patched_evaluator_.record());
    storable_ += verdict == StoredKeys::Verdict::Storable ? 1 : 0;
    proof_.taken += verdict == StoredKeys::Verdict::Taken ? 1 : 0;
    proof_.unfounded += verdict == StoredKeys::Verdict::Unfounded ? 1 : 0;
    return verdict != StoredKeys::Verdict::Storable;
  }

  void NoteUnfit(const drift::Misfit& misfit) {
    if (std::any_of(patch_.actions.begin(), patch_.actions.end(), [&](const plan::Action& action) {
          return action.kind == plan::ActionKind::AddColumn && action.column == misfit.column;
        })) {
      proof_.unfit.insert(misfit.column);
    }
  }

  // The action or mapping that a misfit of a healed row needed.
  void Credit(const drift::Misfit& misfit, std::vector<bool>* needed) {
    if (!knows_credit_ || misfit.field != credited_.field || misfit.column != credited_.column ||
        misfit.kind != credited_.kind) {
      FindCredit(misfit);
    }
    for (size_t action : credited_actions_) {
      (*needed)[action] = true;
    }
  }

  void FindCredit(const drift::Misfit& misfit) {
    knows_credit_ = true;
    credited_ = misfit;
    credited_actions_ = ActionsFor(misfit);
    for (size_t action : credited_actions_) {
      proof_.action_helps[action] = true;
    }
    for (size_t mapping : MappingsFor(misfit)) {
      proof_.mapping_helps[mapping] = true;
    }
  }

  std::vector<size_t> ActionsFor(const drift::Misfit& misfit) const {
    std::vector<size_t> actions;
    const std::string column = ColumnUnder(patch_, patched_, misfit.field, misfit.column);
    for (size_t i = 0; i < patch_.actions.size(); ++i) {
      if (patch_.actions[i].column == column &&
          plan::Answers(patch_.actions[i].kind, misfit.kind)) {
        actions.push_back(i);
      }
    }
    return actions;
  }

  std::vector<size_t> MappingsFor(const drift::Misfit& misfit) const {
    std::vector<size_t> mappings;
    for (size_t i = 0; i < patch_.field_map.size(); ++i) {
      if (patch_.field_map[i].field == misfit.field) {
        mappings.push_back(i);
      }
    }
    return mappings;
  }

  // What is no misfit of a row any more that has others left.
  void CreditRelief(const std::vector<drift::Misfit>& misfits,
                    const std::vector<drift::Misfit>& left) {
    for (const drift::Misfit& misfit : misfits) {
      const bool remains = std::any_of(left.begin(), left.end(), [&](const drift::Misfit& other) {
        return drift::ClassOf(other) == drift::ClassOf(misfit);
      });
      if (remains) {
        continue;
      }
      for (size_t action : ActionsFor(misfit)) {
        proof_.action_relieves[action] = true;
      }
      for (size_t mapping : MappingsFor(misfit)) {
        proof_.mapping_relieves[mapping] = true;
      }
    }
  }

  // What a required column lacks, where a BEFORE trigger might fill it in, is no misfit before the
  // row is stored: an action for such a column counts as needed by a row that leaves it empty.
  void CreditUnseen(std::vector<bool>* needed) {
    for (size_t i = 0; target_.shape().has_before_insert && i < patch_.actions.size(); ++i) {
      const plan::Action& action = patch_.actions[i];
      const bool sets_default = action.kind == plan::ActionKind::SetDefault;
      const plan::Column* column = target_.shape().Find(action.column);
      if ((sets_default || action.kind == plan::ActionKind::DropNotNull) && column != nullptr &&
          column->not_null && !patched_evaluator_.Brings(action.column, sets_default)) {
        proof_.action_helps[i] = true;
        (*needed)[i] = true;
      }
    }
  }

  // Keeps the row when its submitter has room, or when it shows an action not yet shown. A row with
  // which the worker went down is tried alone, and only when there is no other.
  void Sample(const queue::QueuedRow& row, const std::vector<bool>& needed) {
    if (row.crashes > 0) {
      if (suspect_.empty()) {
        suspect_.push_back({row.id, needed});
      }
      return;
    }
    if (coverage_.size() >= kSubmitters && coverage_.count(row.submitter) == 0) {
      return;
    }
    auto [found, added] = coverage_.try_emplace(row.submitter);
    Coverage& coverage = found->second;
    if (added) {
      coverage.may_insert = MayInsert(row.submitter, target_.shape().relid);
    }
    coverage.actions.resize(needed.size());
    bool news = false;
    for (size_t i = 0; i < needed.size(); ++i) {
      news = news || (needed[i] && !coverage.actions[i]);
    }
    const bool has_room = coverage.rows.size() < kSampleRows / 2 &&
                          coverage.bytes + row.payload.size() <= kSampleBytes;
    if (has_room || (news && coverage.rows.size() < kSampleRows)) {
      coverage.bytes += row.payload.size();
      coverage.rows.push_back({row.id, needed});
      for (size_t i = 0; i < needed.size(); ++i) {
        coverage.actions[i] = coverage.actions[i] || needed[i];
      }
    }
  }

  const table::Target& target_;
  table::Target patched_;
  const plan::Patch& patch_;
  std::vector<char> touched_;
  std::optional<StoredKeys> stored_keys_;  // of a patch that rewrites the table
  size_t looked_up_ = 0, storable_ = 0;
  RowContext context_;
  RowEvaluator evaluator_{target_, &context_};
  RowEvaluator patched_evaluator_{patched_, &context_};
  std::map<Oid, Coverage> coverage_;
  std::vector<SampleRow> suspect_;
  Proof proof_;
  // The last misfit that credit was found for, which mostly comes again, and the actions that had
  // it.
  bool knows_credit_ = false;
  drift::Misfit credited_{};
  std::vector<size_t> credited_actions_;
};

bool Proof::Helps() const {
  return std::find(action_helps.begin(), action_helps.end(), true) != action_helps.end() ||
         std::find(mapping_helps.begin(), mapping_helps.end(), true) != mapping_helps.end();
}

bool Proof::Relieves() const {
  return std::find(action_relieves.begin(), action_relieves.end(), true) != action_relieves.end() ||
         std::find(mapping_relieves.begin(), mapping_relieves.end(), true) !=
             mapping_relieves.end();
}

namespace {

// Values that are rescued are judged as they will be when they are moved: as the table's owner.
void ProveRescued(const table::Target& target, Prover* prover) {
  const pg::Rows drifts = pg::RunPrepared(
      "SELECT d.field, d.column_name, d.kind, s.payload FROM mend.drifts d LEFT JOIN "
      "mend.rescue_samples s ON s.target = d.target AND s.field = d.field AND s.kind = d.kind "
      "WHERE d.target = $1 AND d.rescued > 0 AND d.state <> 'healed'",
      {pg::ObjectId(target.shape().relid)});
  if (drifts.empty()) {
    return;
  }
  const Oid owner = pg::OwnerOf(target.shape().relid);
  const std::string name = pg::RoleName(owner);
  for (size_t i = 0; i < drifts.size(); ++i) {
    pg::CheckInterrupts();
    if (drifts.IsNull(i, 3)) {
      drift::Misfit misfit;
      misfit.field = drifts.text(i, 0);
      misfit.column = drifts.text(i, 1);
      prover->CreditRescued(misfit);
      continue;
    }
    queue::QueuedRow row;
    row.target_name = target.enrollment().target_name;
    row.payload = drifts.text(i, 3);
    row.field = drifts.text(i, 0);
    row.submitter = owner;
    row.submitted_by = name;
    row.session_submitter = owner;
    row.session_submitted_by = name;
    row.is_record = true;
    prover->AddRescued(row);
  }
}

}  // namespace

Proof Prove(const table::Target& target, const plan::Patch& patch, Evidence evidence,
            std::vector<int64_t>* healed_ids) {
  Prover prover(target, patch);
  queue::QueueReader reader = evidence == Evidence::Queue
                                  ? queue::QueueReader(target.shape().relid, queue::Window())
                                  : queue::QueueReader::OfDeadLetters(target.shape().relid);
  pg::Context scratch("pg_mend proof");
  for (queue::QueueBatch batch;;) {
    prover.LeaveIdentity();
    scratch.Reset();
    const pg::Deadline deadline(pg::batch_timeout_ms);  // domains bring user code
    pg::Switch into(scratch.get());
    if (!reader.Next(&batch)) {
      if (evidence == Evidence::Queue && !target.enrollment().rescue.empty()) {
        ProveRescued(target, &prover);
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

SpeculativeProof::SpeculativeProof(std::shared_ptr<const table::Target> target, plan::Patch patch)
    : target_(std::move(target)),
      patch_(std::move(patch)),
      prover_(std::make_unique<Prover>(*target_, patch_)) {}

SpeculativeProof::~SpeculativeProof() = default;

const std::vector<drift::Misfit>& SpeculativeProof::Add(const queue::QueuedRow& row) {
  return prover_->Add(row);
}
const json::Document& SpeculativeProof::payload() const { return prover_->payload(); }
void SpeculativeProof::LeaveIdentity() { prover_->LeaveIdentity(); }

std::optional<Proof> SpeculativeProof::Of(const table::Target& target, const plan::Patch& patch) {
  const auto same_action = [](const plan::Action& one, const plan::Action& other) {
    return std::tie(one.kind, one.column, one.type, one.default_literal, one.if_not_exists) ==
           std::tie(other.kind, other.column, other.type, other.default_literal,
                    other.if_not_exists);
  };
  const auto same_mapping = [](const plan::FieldMapping& one, const plan::FieldMapping& other) {
    return std::tie(one.field, one.column) == std::tie(other.field, other.column);
  };
  if (prover_ == nullptr || &target != target_.get() ||
      !std::equal(patch.actions.begin(), patch.actions.end(), patch_.actions.begin(),
                  patch_.actions.end(), same_action) ||
      !std::equal(patch.field_map.begin(), patch.field_map.end(), patch_.field_map.begin(),
                  patch_.field_map.end(), same_mapping)) {
    return std::nullopt;
  }
  if (!target.enrollment().rescue.empty()) {
    ProveRescued(target, prover_.get());
  }
  Proof proof = prover_->Finish();
  prover_.reset();
  return proof;
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
    return action.column == goes_to && plan::Answers(action.kind, drift.kind);
  });
}

}  // namespace mend::apply
