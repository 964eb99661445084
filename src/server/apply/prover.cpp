#include "server/apply/prover.h"

#include <algorithm>

#include "core/plan/fingerprint.h"
#include "server/apply/patches.h"
#include "server/pg/catalog.h"
#include "server/pg/spi.h"
#include "server/table/code.h"

namespace mend::apply {
namespace {

constexpr size_t kSampleRows = 64;
constexpr size_t kSampleBytes = 16 * 1024 * 1024;
constexpr size_t kSubmitters = 16;
constexpr size_t kMostLookups = 10000;

// By index into the columns of the target: whether the patch changes the column, or which field
// means it.
std::vector<char> Touched(const table::Target& target, const plan::Patch& patch) {
  std::vector<char> touched;
  for (const plan::Column& column : target.shape().columns) {
    touched.push_back(std::any_of(patch.actions.begin(), patch.actions.end(),
                                  [&](const plan::Action& action) {
                                    return action.column == column.name ||
                                           (action.kind == plan::ActionKind::AddEnumValue &&
                                            action.type.oid == column.type.oid);
                                  }) ||
                      std::any_of(patch.field_map.begin(), patch.field_map.end(),
                                  [&](const plan::FieldMapping& mapping) {
                                    return mapping.column == column.name;
                                  }));
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

bool IsAbout(const plan::Action& action, const table::Target& patched, const std::string& column,
             drift::Cause cause) {
  if (action.kind != plan::ActionKind::AddEnumValue) {
    return action.column == column;
  }
  const plan::Column* of = patched.shape().Find(column);
  return of != nullptr && of->type.oid == action.type.oid &&
         (cause == drift::Cause::NotALabel || cause == drift::Cause::Unspecified);
}

Prover::Prover(const table::Target& target, const plan::Patch& patch)
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

const std::vector<drift::Misfit>& Prover::Add(const queue::QueuedRow& row) {
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

void Prover::AddRescued(const queue::QueuedRow& row) {
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

Proof Prover::Finish() {
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

void Prover::LeaveIdentity() {
  evaluator_.ForgetMemory();
  patched_evaluator_.ForgetMemory();
  context_.Leave();
}

void Prover::LeaveRescued(std::vector<SampleRow>* rows) const {
  for (SampleRow& row : *rows) {
    for (size_t i = 0; i < row.needs.size(); ++i) {
      row.needs[i] = row.needs[i] && !proof_.action_helps_rescued[i];
    }
  }
}

long Prover::Covered(const Coverage& coverage) {
  return std::count(coverage.actions.begin(), coverage.actions.end(), true);
}

bool Prover::IsRefusedByKeys() {
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

void Prover::NoteUnfit(const drift::Misfit& misfit) {
  if (std::any_of(patch_.actions.begin(), patch_.actions.end(), [&](const plan::Action& action) {
        return action.kind == plan::ActionKind::AddColumn && action.column == misfit.column;
      })) {
    proof_.unfit.insert(misfit.column);
  }
}

void Prover::Credit(const drift::Misfit& misfit, std::vector<bool>* needed) {
  if (!knows_credit_ || misfit.field != credited_.field || misfit.column != credited_.column ||
      misfit.kind != credited_.kind || misfit.cause != credited_.cause) {
    FindCredit(misfit);
  }
  for (size_t action : credited_actions_) {
    (*needed)[action] = true;
  }
}

void Prover::FindCredit(const drift::Misfit& misfit) {
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

std::vector<size_t> Prover::ActionsFor(const drift::Misfit& misfit) const {
  std::vector<size_t> actions;
  const std::string column = ColumnUnder(patch_, patched_, misfit.field, misfit.column);
  for (size_t i = 0; i < patch_.actions.size(); ++i) {
    if (plan::Answers(patch_.actions[i].kind, misfit.kind) &&
        IsAbout(patch_.actions[i], patched_, column, misfit.cause)) {
      actions.push_back(i);
    }
  }
  return actions;
}

std::vector<size_t> Prover::MappingsFor(const drift::Misfit& misfit) const {
  std::vector<size_t> mappings;
  for (size_t i = 0; i < patch_.field_map.size(); ++i) {
    if (patch_.field_map[i].field == misfit.field) {
      mappings.push_back(i);
    }
  }
  return mappings;
}

void Prover::CreditRelief(const std::vector<drift::Misfit>& misfits,
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

void Prover::CreditUnseen(std::vector<bool>* needed) {
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

void Prover::Sample(const queue::QueuedRow& row, const std::vector<bool>& needed) {
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
  const bool has_room =
      coverage.rows.size() < kSampleRows / 2 && coverage.bytes + row.payload.size() <= kSampleBytes;
  if (has_room || (news && coverage.rows.size() < kSampleRows)) {
    coverage.bytes += row.payload.size();
    coverage.rows.push_back({row.id, needed});
    for (size_t i = 0; i < needed.size(); ++i) {
      coverage.actions[i] = coverage.actions[i] || needed[i];
    }
  }
}

void Prover::AddRescuedSamples() {
  const pg::Rows drifts = pg::RunPrepared(
      "SELECT d.field, d.column_name, d.kind, s.payload FROM mend.drifts d LEFT JOIN "
      "mend.rescue_samples s ON s.target = d.target AND s.field = d.field AND s.kind = d.kind "
      "WHERE d.target = $1 AND d.rescued > 0 AND d.state <> 'healed'",
      {pg::ObjectId(target_.shape().relid)});
  if (drifts.empty()) {
    return;
  }
  const Oid owner = pg::OwnerOf(target_.shape().relid);
  const std::string name = pg::RoleName(owner);
  const bool has_strangers = table::StrangerIn(target_.shape().relid, owner).has_value();
  for (size_t i = 0; i < drifts.size(); ++i) {
    pg::CheckInterrupts();
    if (has_strangers || drifts.IsNull(i, 3)) {
      drift::Misfit misfit;
      misfit.field = drifts.text(i, 0);
      misfit.column = drifts.text(i, 1);
      CreditRescued(misfit);
      continue;
    }
    queue::QueuedRow row;
    row.target_name = target_.enrollment().target_name;
    row.payload = drifts.text(i, 3);
    row.field = drifts.text(i, 0);
    row.submitter = owner;
    row.submitted_by = name;
    row.session_submitter = owner;
    row.session_submitted_by = name;
    row.is_record = true;
    AddRescued(row);
  }
}

}  // namespace mend::apply
