#include "server/heal/plan_step.h"

#include <algorithm>
#include <set>

#include "core/plan/fingerprint.h"
#include "core/plan/lattice.h"
#include "core/plan/wording.h"
#include "server/apply/empty_column.h"
#include "server/apply/speculative_proof.h"
#include "server/citus/managed_table.h"
#include "server/citus/shards.h"
#include "server/claude/judge.h"
#include "server/guard/render.h"
#include "server/observe/events.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"

namespace mend::heal {
namespace {

constexpr int64_t kRowsOfLongProof = 256;

void Append(plan::Patch* patch, const plan::Patch& more) {
  patch->actions.insert(patch->actions.end(), more.actions.begin(), more.actions.end());
  patch->field_map.insert(patch->field_map.end(), more.field_map.begin(), more.field_map.end());
  patch->rationale += (patch->rationale.empty() ? "" : "; ") + more.rationale;
}

std::vector<std::string> ColumnsOf(const plan::Patch& patch) {
  std::vector<std::string> columns;
  for (const plan::Action& action : patch.actions) {
    columns.push_back(action.column);
  }
  return columns;
}

}  // namespace

// Drift that is open and not decided in this round already. What only waits (for a foreign key's
// target, a partition) is no matter for a planner.
drift::DriftSet PlanStep::ToPlan() {
  apply::DriftStore book(round_.target);
  drift::DriftSet drifts;
  for (const drift::Drift& drift : book.drifts()) {
    most_rows_ = std::max(most_rows_, drift.row_count);
    // What has a column by now, or is ignored, is about to be moved.
    if (round_.Decided(drift) ||
        (drift.kind == drift::Kind::NewField && drift.rescued > 0 &&
         drift.rescued == drift.row_count &&
         target_->Resolve(drift.field).kind != table::Resolution::Kind::Unknown)) {
      continue;
    }
    if (drift.kind == drift::Kind::NoPartition || drift::IsFinal(drift.kind)) {
      round_.settlements.push_back({drift.id,
                                    drift::ClassOf(drift),
                                    "waiting",
                                    "its rows are tried again by themselves",
                                    {}});
      round_.EscalateState("waiting", drift.kind == drift::Kind::NoPartition
                                          ? "no partition takes some rows: a person must add one"
                                          : "rows wait for the row they refer to");
      continue;
    }
    drifts.push_back(drift);
  }
  return drifts;
}

// Drift that no rule answers and that Claude is not asked about.
void PlanStep::SettleLeftover(const drift::Drift& drift, const UnplannedDrift& unplanned_drift) {
  const std::string id = std::to_string(unplanned_drift.patch);
  const std::string why = unplanned_drift.reason.empty() ? "" : ": " + unplanned_drift.reason;
  switch (unplanned_drift.status) {
    case UnplannedDrift::Status::Cooling:
      round_.Decide(drift, queue::RowOutcome::Kind::Wait, unplanned_drift.reason);
      round_.EscalateState("waiting", unplanned_drift.reason);
      return round_.PauseFor(unplanned_drift.pause_ms);
    case UnplannedDrift::Status::Proposed:
      round_.Decide(drift, queue::RowOutcome::Kind::Wait,
                    "patch " + id + " waits for a decision" + why, unplanned_drift.patch);
      return round_.EscalateState("review",
                                  "patch " + id + " waits for mend.approve(" + id + ")" + why);
    case UnplannedDrift::Status::Held:
      return round_.Decide(drift, queue::RowOutcome::Kind::DeadLetter, unplanned_drift.reason);
    case UnplannedDrift::Status::Open: return;
  }
}

// A patch of Claude's that waits for a decision holds what rules have, too: not to be proposed a
// second time. So does one that was put before a person because it could not be applied: not to be
// tried again for every row that arrives.
void PlanStep::LeaveToReview(drift::DriftSet* drifts,
                             const std::vector<apply::PatchRecord>& proposed) {
  for (const apply::PatchRecord& record : proposed) {
    if (record.planner != "claude" && !record.put_back) {
      continue;
    }
    const table::Target patched = table::Patched(*target_, record.patch);
    UnplannedDrift unplanned_drift;
    unplanned_drift.status = UnplannedDrift::Status::Proposed;
    unplanned_drift.patch = record.id;
    unplanned_drift.reason = record.put_back.value_or("");
    drifts->erase(std::remove_if(drifts->begin(), drifts->end(),
                                 [&](const drift::Drift& drift) {
                                   const bool covers = apply::Covers(record.patch, patched,
                                                                     drift.field, drift.column);
                                   if (covers) {
                                     SettleLeftover(drift, unplanned_drift);
                                   }
                                   return covers;
                                 }),
                  drifts->end());
  }
}

void PlanStep::BuryOpen(const std::vector<UnplannedDrift>& unplanned, const drift::DriftSet& drifts,
                        const plan::Plan& plan, const std::string& why) {
  for (const UnplannedDrift& unplanned_drift : unplanned) {
    if (unplanned_drift.status == UnplannedDrift::Status::Open && !unplanned_drift.provable &&
        !IsSuggested(plan, unplanned_drift.drift)) {
      round_.Decide(drifts[unplanned_drift.drift], queue::RowOutcome::Kind::DeadLetter,
                    unplanned_drift.reason + "; " + why);
    }
  }
}

// What the answer means for the drift that rules left; a patch is merged into `plan`.
void PlanStep::TakeAnswer(const claude::Answer& answer,
                          const std::vector<UnplannedDrift>& unplanned,
                          const drift::DriftSet& drifts, plan::Plan* plan) {
  using Kind = claude::Answer::Kind;
  if (answer.kind == Kind::Patch) {
    base::Result<plan::Patch> patch = claude::ReadProposal(*target_, answer.patch);
    if (patch) {
      patch->rationale = answer.patch.rationale;
      answered_ = *patch;
      plan->patch = claude::Merge(*patch, plan->patch);
      return;  // what it leaves is met by the rows that still do not fit, and planned in another
               // round
    }
  }
  if (answer.kind == Kind::Again || answer.kind == Kind::Patch) {
    round_.again = true;
    return;
  }
  for (const UnplannedDrift& unplanned_drift : unplanned) {
    const drift::Drift& drift = drifts[unplanned_drift.drift];
    if (unplanned_drift.status != UnplannedDrift::Status::Open || unplanned_drift.provable) {
      continue;
    }
    if (answer.kind == Kind::Wait) {
      round_.Decide(drift, queue::RowOutcome::Kind::Wait,
                    unplanned_drift.reason + "; " + answer.reason);
    } else if (answer.Concerns(drift) && IsSuggested(*plan, unplanned_drift.drift)) {
      continue;  // nobody has anything better
    } else if (answer.Concerns(drift)) {
      round_.Decide(drift, queue::RowOutcome::Kind::DeadLetter,
                    unplanned_drift.reason + "; " + answer.reason);
    } else {
      round_.again = true;
    }
  }
  if (answer.kind == Kind::Wait) {
    round_.EscalateState(answer.breaker ? "breaker" : "waiting", answer.reason);
    round_.PauseFor(answer.pause_ms);
  }
}

std::optional<Planned> PlanStep::Run(const claude::Access& access,
                                     std::optional<claude::Answer> answer,
                                     std::optional<claude::Question>* question) {
  // The breaker is asked once a round: what it holds back is decided then.
  drift::DriftSet drifts = answer ? ToPlan() : Admitted(&round_, shape_, ToPlan());
  if (drifts.empty()) {
    return std::nullopt;
  }
  if (std::any_of(drifts.begin(), drifts.end(),
                  [](const auto& drift) { return drift.kind != drift::Kind::NewField; })) {
    ExplainTypeLocks();
  }
  if (TakeAsGiven(drifts)) {
    return std::nullopt;
  }
  std::vector<apply::PatchRecord> proposed;
  if (round_.patches_wait) {
    proposed = apply::LoadPatches(*target_, "proposed");
  }
  LeaveToReview(&drifts, proposed);
  Terms terms = LoadTerms(*target_, shape_);
  plan::Plan plan = AskRules(shape_, drifts, terms.policy);
  const bool looked = LookAtDigits(drifts, plan, &terms.policy);
  if (FindEmptyColumns(drifts, plan, &terms.policy) || looked) {
    plan = AskRules(shape_, drifts, terms.policy);
  }
  if (FindUnfitHints(plan, &terms.policy)) {
    plan = AskRules(shape_, drifts, terms.policy);
  }
  const std::vector<UnplannedDrift> unplanned =
      FindUnplannedDrift(*target_, terms, drifts, plan, proposed);
  for (const UnplannedDrift& unplanned_drift : unplanned) {
    SettleLeftover(drifts[unplanned_drift.drift], unplanned_drift);
  }
  if (!unplanned.empty()) {
    ExplainTypeLocks();
  }
  if (!pg::PlannerEnabled("claude")) {
    BuryOpen(unplanned, drifts, plan, "no other planner is configured");
  } else if (access.state == claude::Access::State::Absent) {
    BuryOpen(unplanned, drifts, plan, "Claude is not asked: no key is configured");
  } else if (std::optional<claude::Question> open =
                 MakeQuestion(*target_, shape_, terms, drifts, plan, unplanned)) {
    if (!answer) {
      answer = claude::Consider(&*open, access);
    }
    if (!answer) {
      *question = std::move(open);
      return std::nullopt;
    }
    TakeAnswer(*answer, unplanned, drifts, &plan);
  }
  if (!answer || answer->kind == claude::Answer::Kind::DeadLetter) {
    ProposeSuggestions(drifts, plan);
  }
  if (plan.patch.empty() || WaitsAlready(drifts, plan.patch)) {
    return std::nullopt;
  }
  return Prepare(drifts, plan.patch, answer);
}

// Whether a value fits, but for what its column has been made from.
static bool IsGuess(drift::Cause cause) {
  return cause == drift::Cause::NotTextSoFar || cause == drift::Cause::NotIntegerSoFar;
}

// A column whose guessed type cannot become another, since something holds it as it is, takes what
// its type takes from now on. Whether there was one: the rows are then judged anew.
bool PlanStep::TakeAsGiven(const drift::DriftSet& drifts) {
  if (std::none_of(drifts.begin(), drifts.end(),
                   [](const drift::Drift& drift) { return IsGuess(drift.cause); })) {
    return false;
  }
  plan::Policy policy = LoadTerms(*target_, shape_).policy;
  plan::Plan plan = AskRules(shape_, drifts, policy);
  if (LookAtDigits(drifts, plan, &policy)) {
    plan = AskRules(shape_, drifts, policy);
  }
  std::vector<std::string> columns;
  for (const plan::Unplanned& unplanned : plan.unplanned) {
    const drift::Drift& drift = drifts[unplanned.drift];
    if (IsGuess(drift.cause) && unplanned.why != plan::Why::Cooling) {
      columns.push_back(drift.column);
    }
  }
  if (columns.empty()) {
    return false;
  }
  pg::RunPrepared(
      "DELETE FROM mend.own_columns WHERE target = $1 AND column_name = ANY ($2::name[])",
      {pg::ObjectId(round_.target), pg::TextArray(columns)});
  round_.replay_all = true;
  round_.again = true;
  return true;
}

bool PlanStep::IsSuggested(const plan::Plan& plan, size_t drift) const {
  return std::any_of(plan.suggestions.begin(), plan.suggestions.end(),
                     [&](const plan::Suggestion& suggestion) {
                       return std::find(suggestion.drift.begin(), suggestion.drift.end(), drift) !=
                              suggestion.drift.end();
                     });
}

void PlanStep::ProposeSuggestions(const drift::DriftSet& drifts, const plan::Plan& plan) {
  for (const plan::Suggestion& suggestion : plan.suggestions) {
    const drift::DriftSet open = OpenOf(suggestion, drifts);
    if (!open.empty()) {
      ProposeBeside(plan.patch, suggestion, open);
    }
  }
  for (const plan::Unplanned& unplanned : plan.unplanned) {
    const drift::Drift& drift = drifts[unplanned.drift];
    if (IsSuggested(plan, unplanned.drift) && !round_.Decided(drift)) {
      round_.Decide(drift, queue::RowOutcome::Kind::DeadLetter,
                    unplanned.reason + "; no patch could be proposed that would help");
    }
  }
}

drift::DriftSet PlanStep::OpenOf(const plan::Suggestion& suggestion,
                                 const drift::DriftSet& drifts) const {
  drift::DriftSet open;
  for (size_t i : suggestion.drift) {
    if (!round_.Decided(drifts[i])) {
      open.push_back(drifts[i]);
    }
  }
  return open;
}

// Proposes the suggestion if a row fits thanks to it once `done` is done.
void PlanStep::ProposeBeside(const plan::Patch& done, const plan::Suggestion& suggestion,
                             const drift::DriftSet& open) {
  plan::Patch both = done;
  Append(&both, suggestion.patch);
  Planned planned;
  planned.proof = apply::Prove(*target_, both, apply::Evidence::Queue);
  bool helps = false;
  for (size_t i = done.actions.size(); i < both.actions.size(); ++i) {
    helps = helps || planned.proof.action_helps[i];
  }
  if (!helps) {
    return;
  }
  planned.patch = suggestion.patch;
  planned.covered = open;
  planned.record.planner = "rules";
  planned.record.fingerprint = plan::DriftFingerprint(shape_, open);
  planned.record.rationale = suggestion.patch.rationale;
  planned.record.proposed_ddl = planned.record.ddl =
      guard::Render(shape_, suggestion.patch.actions);
  planned.record.inverse_ddl = guard::RenderInverse(shape_, suggestion.patch.actions);
  planned.record.field_map = suggestion.patch.field_map;
  planned.proof.healed = 0;
  for (const drift::Drift& drift : open) {
    planned.proof.healed = std::max(planned.proof.healed, drift.row_count);
  }
  planned.record.evidence =
      apply::EvidenceJson(planned.patch, *target_, planned.covered, planned.proof);
  planned.record.rewrites = apply::RewritesTable(shape_, planned.patch);
  planned.record.proposed_by = observe::kWorker;
  Propose(planned, suggestion.ask);
}

// Looks what text is stored in own columns for whose numbers no type was found; whether there are
// any.
bool PlanStep::LookAtDigits(const drift::DriftSet& drifts, const plan::Plan& plan,
                            plan::Policy* policy) const {
  if (shape_.total_bytes > static_cast<int64_t>(pg::max_rewrite_mb) * 1024 * 1024) {
    return false;
  }
  for (const plan::Unplanned& unplanned : plan.unplanned) {
    const drift::Drift& drift = drifts[unplanned.drift];
    const plan::Column* column = shape_.Find(drift.column);
    if (unplanned.why != plan::Why::NoType || drift.cause != drift::Cause::NotTextSoFar ||
        column == nullptr || policy->digits.count(column->name) > 0) {
      continue;
    }
    plan::Policy::Digits& digits = policy->digits[column->name];
    digits.integers = apply::HoldsOnlyDigits(shape_, column->name, false);
    digits.numbers = digits.integers || apply::HoldsOnlyDigits(shape_, column->name, true);
  }
  return !policy->digits.empty();
}

// Looks whether columns for whose drift no type was found hold no value; whether there are any.
// Changing the type of a larger table than mend.max_rewrite_size needs a person anyway.
bool PlanStep::FindEmptyColumns(const drift::DriftSet& drifts, const plan::Plan& plan,
                                plan::Policy* policy) const {
  if (shape_.total_bytes > static_cast<int64_t>(pg::max_rewrite_mb) * 1024 * 1024) {
    return false;
  }
  std::set<std::string> looked_at;
  for (const plan::Unplanned& unplanned : plan.unplanned) {
    const std::string& name = drifts[unplanned.drift].column;
    const plan::Column* column = shape_.Find(name);
    if (unplanned.why == plan::Why::NoType && column != nullptr && !column->own &&
        column->generated == plan::Generated::No && !column->has_default && !column->not_null &&
        looked_at.insert(name).second && apply::HoldsOnlyNulls(shape_, name)) {
      policy->empty.insert(name);
    }
  }
  return !policy->empty.empty();
}

bool PlanStep::FindUnfitHints(const plan::Plan& plan, plan::Policy* policy) const {
  plan::Patch hinted;
  const auto take = [&](const plan::Patch& patch) {
    for (const plan::Action& action : patch.actions) {
      if (action.kind == plan::ActionKind::AddColumn &&
          plan::HintFor(policy->hints, action.column) != nullptr) {
        hinted.actions.push_back(action);
      }
    }
    hinted.field_map.insert(hinted.field_map.end(), patch.field_map.begin(), patch.field_map.end());
  };
  take(plan.patch);
  for (const plan::Suggestion& suggestion : plan.suggestions) {
    take(suggestion.patch);
  }
  if (hinted.actions.empty()) {
    return false;
  }
  policy->unfit_hints = apply::Prove(*target_, hinted, apply::Evidence::Queue).unfit;
  return !policy->unfit_hints.empty();
}

// What is of use but has no row in the sample is for the patch after this one: its rows wait as
// they are.
void PlanStep::LeaveForNextPatch(const drift::DriftSet& drifts, const plan::Patch& useful,
                                 const plan::Patch& now) {
  if (now.actions.size() == useful.actions.size()) {
    return;
  }
  round_.again = true;
  table::Target after_all = table::Patched(*target_, useful),
                after_this = table::Patched(*target_, now);
  for (const drift::Drift& drift : drifts) {
    if (!round_.Decided(drift) && apply::Covers(useful, after_all, drift.field, drift.column) &&
        !apply::Covers(now, after_this, drift.field, drift.column)) {
      round_.Decide(drift, queue::RowOutcome::Kind::Wait, "the next patch is for it");
    }
  }
}

// The table is not rewritten for rows whose keys stand against them.
void PlanStep::GiveUpUnstorable(const drift::DriftSet& drifts, const plan::Patch& patch,
                                const plan::Patch& useful, const apply::Proof& proof) {
  if (proof.taken == 0 && proof.unfounded == 0) {
    return;
  }
  table::Target after_all = table::Patched(*target_, patch),
                after_useful = table::Patched(*target_, useful);
  for (const drift::Drift& drift : drifts) {
    if (!round_.Decided(drift) && apply::Covers(patch, after_all, drift.field, drift.column) &&
        !apply::Covers(useful, after_useful, drift.field, drift.column)) {
      round_.Decide(drift,
                    proof.unfounded > 0 ? queue::RowOutcome::Kind::BackOff
                                        : queue::RowOutcome::Kind::DeadLetter,
                    proof.unfounded > 0
                        ? "the table is not rewritten for it: the row it refers to is not there"
                        : "the table is not rewritten for it: its key is stored already");
    }
  }
}

void PlanStep::ExplainTypeLocks() {
  if (!type_locks_explained_) {
    guard::ExplainTypeLocks(&shape_);
    type_locks_explained_ = true;
  }
}

// Trims the patch to what helps, and makes it ready to be recorded.
std::optional<Planned> PlanStep::Prepare(const drift::DriftSet& drifts, const plan::Patch& patch,
                                         const std::optional<claude::Answer>& answer) {
  // A proof of many rows takes long, and is to hold no lock of the round's beginning meanwhile.
  if (most_rows_ > kRowsOfLongProof) {
    round_.shared->CommitUnflushed();
    round_.shared->Join();
  }
  Planned planned;
  std::optional<apply::Proof> speculated =
      round_.speculative_proof ? round_.speculative_proof->Of(*target_, patch) : std::nullopt;
  planned.proof =
      speculated ? std::move(*speculated) : apply::Prove(*target_, patch, apply::Evidence::Queue);
  planned.patch =
      apply::Helpful(patch, planned.proof, target_->enrollment().mode == table::Mode::Auto);
  const plan::Patch useful = apply::Helpful(patch, planned.proof, false);
  LeaveForNextPatch(drifts, useful, planned.patch);
  GiveUpUnstorable(drifts, patch, useful, planned.proof);
  if (planned.patch.empty()) {
    return std::nullopt;
  }
  if (planned.patch.actions.size() != patch.actions.size()) {
    planned.proof = apply::Prove(*target_, planned.patch, apply::Evidence::Queue);
  }
  planned.covered = CoveredBy(planned.patch, drifts);
  planned.record.planner = "rules";
  planned.record.proposed_ddl = guard::Render(shape_, patch.actions);
  planned.record.fingerprint = plan::DriftFingerprint(shape_, drifts);
  planned.record.rationale = patch.rationale;
  if (answer && answered_ && claude::HoldsAnyOf(planned.patch, *answered_)) {
    planned.answer = answer;
    planned.record.planner = "claude";
    planned.record.proposed_ddl = answer->patch.ddl;
    planned.record.fingerprint = answer->fingerprint;
    claude::Credit(*answer, &planned.record);
  }
  planned.record.ddl = guard::Render(shape_, planned.patch.actions);
  planned.record.inverse_ddl = guard::RenderInverse(shape_, planned.patch.actions);
  planned.record.field_map = planned.patch.field_map;
  planned.record.evidence =
      apply::EvidenceJson(planned.patch, *target_, planned.covered, planned.proof);
  planned.record.rewrites = apply::RewritesTable(shape_, planned.patch);
  planned.record.proposed_by = observe::kWorker;
  return planned;
}

// What rules may do unasked to columns that they have made, and to those without a value, is
// theirs.
std::string PlanStep::WhyNotAllowed(const plan::Patch& patch) const {
  const std::set<plan::ActionKind>& allow = target_->enrollment().allow;
  for (const plan::Action& action : patch.actions) {
    const plan::Column* column = shape_.Find(action.column);
    if (column == nullptr || allow.count(action.kind) > 0) {
      continue;
    }
    const std::string name = plan::Named("column", action.column);
    const bool guessed =
        column->own && plan::Judge(column->type, action.type) != plan::Widening::ToText;
    if (action.kind == plan::ActionKind::ChangeType && !action.only_if_empty && !guessed &&
        !apply::HoldsNoValue(shape_, action.column)) {
      return "it changes " + name + " from " + column->type_text + " to " +
             plan::TypeText(action.type) + ", and change_type is not allowed for this table";
    }
  }
  return "";
}

std::string PlanStep::WhyReview(const Planned& planned) {
  for (const plan::FieldMapping& mapping : planned.patch.field_map) {
    if (!mapping.column) {
      return "it ignores " + plan::Named("field", mapping.field) +
             ": what the field brings would not be kept";
    }
  }
  if (std::string why = WhyNotAllowed(planned.patch); !why.empty()) {
    return why;
  }
  if (target_->enrollment().mode == table::Mode::Review) {
    return "the table is in review mode";
  }
  if (!target_->enrollment().allow_published && !planned.patch.actions.empty()) {
    if (!publications_) {
      publications_ = guard::PublicationsOf(round_.target);
    }
    if (!publications_->empty()) {
      return "the table is in publication " + publications_->front() +
             ": a new shape may stop its subscribers";
    }
  }
  int64_t limit = static_cast<int64_t>(pg::max_rewrite_mb) * 1024 * 1024;
  // The table that Citus shows is empty: its rows are in shards.
  const int64_t bytes = planned.record.rewrites && citus::Manages(shape_.relid)
                            ? citus::BytesOnNodes(shape_.relid)
                            : shape_.total_bytes;
  if (planned.record.rewrites && bytes > limit) {
    return "it rewrites the table, which has " + std::to_string(bytes / 1024 / 1024) +
           " MB: more than mend.max_rewrite_size";
  }
  return "";
}

void PlanStep::Propose(const Planned& planned, const std::string& why) {
  pg::Rows same = pg::RunPrepared(
      "SELECT id FROM mend.patches WHERE target = $1 AND state = 'proposed' AND coalesce(ddl, '') "
      "= $2 "
      "AND field_map = $3::jsonb",
      {pg::ObjectId(round_.target), pg::Text(planned.record.ddl),
       pg::Text(apply::FieldMapToJson(planned.record.field_map))});
  int64_t id = 0;
  if (!same.empty()) {
    id = same.int8(0, 0);
    pg::RunPrepared(
        "UPDATE mend.patches SET evidence = $2::jsonb WHERE id IN "
        "(SELECT id FROM mend.patches WHERE id = $1 FOR UPDATE SKIP LOCKED)",
        {pg::Int8(id), pg::Text(planned.record.evidence)});
  } else {
    apply::NewPatch record = planned.record;
    record.state = "proposed";
    record.reason = why;
    id = apply::InsertPatch(*target_, record);
    pg::RunPrepared(
        "WITH superseded AS (SELECT id FROM mend.patches WHERE target = $1 AND state = 'proposed' "
        "AND planner = 'rules' "
        "AND decided_at IS NULL AND id <> $2 AND EXISTS (SELECT FROM jsonb_array_elements(evidence "
        "-> 'actions') a WHERE a ->> 'column' = ANY ($3)) FOR UPDATE SKIP LOCKED) "
        "UPDATE mend.patches p SET state = 'superseded', reason = 'superseded by patch ' || $2 "
        "FROM "
        "superseded s "
        "WHERE p.id = s.id",
        {pg::ObjectId(round_.target), pg::Int8(id), pg::TextArray(ColumnsOf(planned.patch))});
    if (planned.answer) {
      claude::BookAnswer(*planned.answer, id);
    }
    observe::Record("patch_proposed", round_.target_name, id, "{}", observe::kWorker);
  }
  AwaitDecision(planned.covered, id, why);
}

drift::DriftSet PlanStep::CoveredBy(const plan::Patch& patch, const drift::DriftSet& drifts) const {
  table::Target patched = table::Patched(*target_, patch);
  drift::DriftSet covered;
  for (const drift::Drift& drift : drifts) {
    if (!round_.Decided(drift) && apply::Covers(patch, patched, drift.field, drift.column)) {
      covered.push_back(drift);
    }
  }
  return covered;
}

void PlanStep::AwaitDecision(const drift::DriftSet& covered, int64_t id, const std::string& why) {
  std::string name = std::to_string(id);
  for (const drift::Drift& drift : covered) {
    round_.Decide(drift, queue::RowOutcome::Kind::Wait,
                  "patch " + name + " waits for a decision: " + why, id);
  }
  round_.EscalateState("review", "patch " + name + " waits for mend.approve(" + name + "): " + why);
}

bool PlanStep::WaitsAlready(const drift::DriftSet& drifts, const plan::Patch& patch) {
  Planned glance;
  glance.patch = patch;
  glance.record.rewrites = apply::RewritesTable(shape_, patch);
  std::string why = WhyReview(glance);
  if (why.empty()) {
    return false;
  }
  int64_t rows = 0;
  for (const drift::Drift& drift : drifts) {
    rows = std::max(rows, drift.row_count - drift.rescued);
  }
  pg::Rows same = pg::RunPrepared(
      "SELECT id FROM mend.patches WHERE target = $1 AND state = 'proposed' AND proposed_by = "
      "'pg_mend' "
      "AND proposed_ddl = $2 AND field_map = $3::jsonb AND (evidence #>> "
      "'{proof,rows_tried}')::bigint * 2 >= $4",
      {pg::ObjectId(round_.target), pg::Text(guard::Render(shape_, patch.actions)),
       pg::Text(apply::FieldMapToJson(patch.field_map)), pg::Int8(rows)});
  if (same.empty()) {
    return false;
  }
  AwaitDecision(CoveredBy(patch, drifts), same.int8(0, 0), why);
  return true;
}

}  // namespace mend::heal
