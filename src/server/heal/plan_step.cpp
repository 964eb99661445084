#include "server/heal/plan_step.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/plan/fingerprint.h"
#include "core/plan/lattice.h"
#include "core/plan/wording.h"
#include "server/apply/empty_column.h"
#include "server/apply/speculative_proof.h"
#include "server/apply/widen.h"
#include "server/citus/managed_table.h"
#include "server/citus/shards.h"
#include "server/claude/judge.h"
#include "server/guard/render.h"
#include "server/observe/events.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/queue/queue_reader.h"

namespace mend::heal {
namespace {

constexpr int64_t kRowsOfLongProof = 256;

void Append(plan::Patch* patch, const plan::Patch& more) {
  patch->actions.insert(patch->actions.end(), more.actions.begin(), more.actions.end());
  patch->field_map.insert(patch->field_map.end(), more.field_map.begin(), more.field_map.end());
  patch->rationale += (patch->rationale.empty() ? "" : "; ") + more.rationale;
}

int64_t MaxRewrittenBytes() { return static_cast<int64_t>(pg::max_rewrite_mb) * 1024 * 1024; }

// Whether both change the type of one column.
bool ChangesSameType(const plan::Patch& one, const plan::Patch& other) {
  return std::any_of(one.actions.begin(), one.actions.end(), [&](const plan::Action& action) {
    return plan::ChangesType(action.kind) &&
           std::any_of(other.actions.begin(), other.actions.end(), [&](const plan::Action& twin) {
             return twin.column == action.column && plan::ChangesType(twin.kind);
           });
  });
}

// Takes those changes of a type out of `from` in whose place `in_place` has others.
void DropTypeChanges(const plan::Patch& in_place, plan::Patch* from) {
  auto& actions = from->actions;
  actions.erase(std::remove_if(actions.begin(), actions.end(),
                               [&](const plan::Action& action) {
                                 return ChangesSameType({{action}, {}, {}}, in_place);
                               }),
                actions.end());
  from->rationale.clear();
  for (const plan::Action& action : actions) {
    from->rationale += (from->rationale.empty() ? "" : "; ") + action.why;
  }
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
      return round_.EscalateState(awaits_claude_ ? "waiting" : "review",
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
    // In review nothing is done meanwhile, whoever proposed it: one question is enough.
    const bool of_others =
        record.planner != "rules" && target_->enrollment().mode == table::Mode::Review;
    if (record.planner != "claude" && !record.put_back && !of_others) {
      continue;
    }
    const table::Target patched = table::Patched(*target_, record.patch);
    UnplannedDrift unplanned_drift;
    unplanned_drift.status = UnplannedDrift::Status::Proposed;
    unplanned_drift.patch = record.id;
    unplanned_drift.reason = record.put_back.value_or("");
    drifts->erase(std::remove_if(drifts->begin(), drifts->end(),
                                 [&](const drift::Drift& drift) {
                                   const bool covers = apply::Covers(record.patch, patched, drift);
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
    if (answer.kind == Kind::Wait && !answer.busy && IsSuggested(*plan, unplanned_drift.drift)) {
      continue;  // what can be asked is asked
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
  terms.policy.renames = FindRenames(drifts);
  plan::Plan plan = AskRules(shape_, drifts, terms.policy);
  const bool looked = LookAtDigits(drifts, plan, &terms.policy);
  if (FindEmptyColumns(drifts, plan, &terms.policy) || looked) {
    plan = AskRules(shape_, drifts, terms.policy);
  }
  if (FindUnfitHints(plan, &terms.policy)) {
    plan = AskRules(shape_, drifts, terms.policy);
  }
  SiftSuggestions(&plan);
  const std::vector<UnplannedDrift> unplanned =
      FindUnplannedDrift(*target_, terms, drifts, plan, proposed);
  const bool may_ask =
      pg::PlannerEnabled("claude") && access.state != claude::Access::State::Absent;
  for (const UnplannedDrift& unplanned_drift : unplanned) {
    const bool asked_now = unplanned_drift.status == UnplannedDrift::Status::Held &&
                           IsSuggested(plan, unplanned_drift.drift);
    if (!asked_now && !(unplanned_drift.suggested && may_ask)) {
      SettleLeftover(drifts[unplanned_drift.drift], unplanned_drift);
    }
  }
  if (!unplanned.empty()) {
    ExplainTypeLocks();
  }
  if (!pg::PlannerEnabled("claude")) {
    BuryOpen(unplanned, drifts, plan, "no other planner is configured");
  } else if (!may_ask) {
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
    awaits_claude_ = answer->kind == claude::Answer::Kind::Wait;
    claude_says_ = answer->reason;
    TakeAnswer(*answer, unplanned, drifts, &plan);
  }
  for (const UnplannedDrift& unplanned_drift : unplanned) {
    const drift::Drift& drift = drifts[unplanned_drift.drift];
    const bool is_answered =
        answered_ && apply::Covers(*answered_, table::Patched(*target_, *answered_), drift);
    if (unplanned_drift.suggested && !round_.Decided(drift) && !is_answered) {
      SettleLeftover(drift, unplanned_drift);
    }
  }
  if (!answer || answer->kind == claude::Answer::Kind::DeadLetter ||
      (answer->kind == claude::Answer::Kind::Wait && !answer->busy)) {
    if (!awaits_claude_) {
      TakeAllowed(drifts, &plan);
    }
    ProposeSuggestions(drifts, &plan);
  } else {
    // What Claude was not asked about.
    for (const UnplannedDrift& unplanned_drift : unplanned) {
      const drift::Drift& drift = drifts[unplanned_drift.drift];
      if (unplanned_drift.status == UnplannedDrift::Status::Held && !round_.Decided(drift)) {
        round_.Decide(drift, queue::RowOutcome::Kind::Wait, "the next patch is for it");
      }
    }
  }
  std::optional<Planned> planned;
  if (!plan.patch.empty() && !WaitsAlready(drifts, plan.patch)) {
    planned = Prepare(drifts, plan.patch, answer);
  }
  AskDeferred(drifts, plan, planned);
  return planned;
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

// Leaves out what the guard would refuse.
void PlanStep::SiftSuggestions(plan::Plan* plan) {
  if (!plan->suggestions.empty()) {
    ExplainTypeLocks();
  }
  std::vector<plan::Suggestion> kept;
  bool has_first = false;
  for (plan::Suggestion& suggestion : plan->suggestions) {
    has_first = has_first && suggestion.alternative;
    auto& actions = suggestion.patch.actions;
    if (suggestion.asked_anyway) {
      actions.erase(std::remove_if(actions.begin(), actions.end(),
                                   [&](const plan::Action& action) {
                                     return guard::WhyRefused(shape_, {action}).has_value();
                                   }),
                    actions.end());
    }
    if (suggestion.patch.empty() || guard::WhyRefused(shape_, actions)) {
      continue;
    }
    suggestion.alternative = has_first;
    has_first = true;
    kept.push_back(std::move(suggestion));
  }
  plan->suggestions = std::move(kept);
}

// What the enrolment allows is done without asking.
void PlanStep::TakeAllowed(const drift::DriftSet& drifts, plan::Plan* plan) {
  for (const plan::Suggestion& suggestion : plan->suggestions) {
    if (suggestion.ask.empty() && WhyNotAllowed(suggestion.patch, true).empty() &&
        !OpenOf(suggestion, drifts).empty()) {
      if (ChangesSameType(suggestion.patch, plan->patch)) {
        DropTypeChanges(suggestion.patch, &plan->patch);
      }
      Append(&plan->patch, suggestion.patch);
    }
  }
}

// Of the suggestions that are open, what a person is to be asked: what makes rows fit beside all
// that is done or asked anyway. Drift for which none does is for nobody.
void PlanStep::ProposeSuggestions(const drift::DriftSet& drifts, plan::Plan* plan) {
  const bool is_reviewed = !plan->patch.empty() && WaitsForReview(plan->patch);
  std::vector<OpenSuggestion> open;
  plan::Patch all = plan->patch;
  for (size_t i = 0; i < plan->suggestions.size(); ++i) {
    const plan::Suggestion& suggestion = plan->suggestions[i];
    OpenSuggestion one{&suggestion, OpenOf(suggestion, drifts), 0, 0};
    if (one.drifts.empty() || (!awaits_claude_ && suggestion.ask.empty() &&
                               WhyNotAllowed(suggestion.patch, true).empty())) {
      continue;
    }
    if (ChangesSameType(suggestion.patch, plan->patch)) {
      if (!is_reviewed) {
        for (const drift::Drift& drift : one.drifts) {
          round_.Decide(drift, queue::RowOutcome::Kind::Wait, "the next patch is for it");
        }
        deferred_.push_back(std::move(one));
        continue;
      }
      // One question: what the suggestion makes of the column takes the other values as well.
      AddTypeDrift(suggestion.patch, drifts, &one.drifts);
      DropTypeChanges(suggestion.patch, &plan->patch);
      DropTypeChanges(suggestion.patch, &all);
    }
    if (!suggestion.alternative) {
      one.first_action = all.actions.size();
      one.first_mapping = all.field_map.size();
      Append(&all, suggestion.patch);
    }
    open.push_back(std::move(one));
  }
  if (!open.empty()) {
    ProposeHelpful(open, all);
  }
  BuryUnhelped(drifts, *plan);
}

// What is suggested for a column whose type is changed now is asked against its new type; or at
// once, where no row shows that change.
void PlanStep::AskDeferred(const drift::DriftSet& drifts, const plan::Plan& plan,
                           const std::optional<Planned>& planned) {
  plan::Patch all = planned ? planned->patch : plan::Patch();
  std::vector<OpenSuggestion> open;
  for (OpenSuggestion& one : deferred_) {
    if (planned && ChangesSameType(one.suggestion->patch, planned->patch)) {
      round_.again_if_applied = true;
      continue;
    }
    for (const drift::Drift& drift : one.drifts) {
      round_.Reopen(drift);
    }
    AddTypeDrift(one.suggestion->patch, drifts, &one.drifts);
    one.first_action = all.actions.size();
    one.first_mapping = all.field_map.size();
    Append(&all, one.suggestion->patch);
    open.push_back(std::move(one));
  }
  if (!open.empty()) {
    ProposeHelpful(open, all);
    BuryUnhelped(drifts, plan);
  }
}

void PlanStep::BuryUnhelped(const drift::DriftSet& drifts, const plan::Plan& plan) {
  for (const plan::Unplanned& unplanned : plan.unplanned) {
    const drift::Drift& drift = drifts[unplanned.drift];
    if (IsSuggested(plan, unplanned.drift) && !round_.Decided(drift) &&
        !apply::Covers(plan.patch, table::Patched(*target_, plan.patch), drift)) {
      round_.Decide(drift, queue::RowOutcome::Kind::DeadLetter,
                    unplanned.reason + "; no patch could be proposed that would help");
    }
  }
}

// By one proof of all of them together.
void PlanStep::ProposeHelpful(const std::vector<OpenSuggestion>& open, const plan::Patch& all) {
  const apply::Proof proof = apply::Prove(*target_, all, apply::Evidence::Queue);
  std::vector<int64_t> alternatives;
  for (const OpenSuggestion& one : open) {
    const plan::Patch& patch = one.suggestion->patch;
    bool helps = one.suggestion->alternative && !alternatives.empty();
    if (!one.suggestion->alternative) {
      alternatives.clear();
      for (size_t i = 0; i < patch.actions.size(); ++i) {
        const size_t at = one.first_action + i;
        helps = helps || proof.action_helps[at] || proof.action_helps_rescued[at] ||
                (one.suggestion->asked_anyway && proof.action_relieves[at]);
      }
      for (size_t i = 0; i < patch.field_map.size(); ++i) {
        helps = helps || proof.mapping_helps[one.first_mapping + i];
      }
    }
    if (helps) {
      alternatives.push_back(Propose(MakeRecord(*one.suggestion, one.drifts, proof), alternatives));
    }
  }
}

Planned PlanStep::MakeRecord(const plan::Suggestion& suggestion, const drift::DriftSet& open,
                             const apply::Proof& proof) {
  Planned planned;
  planned.patch = suggestion.patch;
  planned.covered = open;
  planned.proof.tried = proof.tried;
  std::map<std::string, int64_t> rows;  // of one field each has one cause
  for (const drift::Drift& drift : open) {
    rows[drift.field] += drift.row_count;
    planned.proof.healed = std::max(planned.proof.healed, rows[drift.field]);
  }
  planned.record.planner = "rules";
  planned.record.fingerprint = plan::DriftFingerprint(shape_, open);
  planned.record.rationale = suggestion.patch.rationale;
  planned.record.proposed_ddl = planned.record.ddl =
      guard::Render(shape_, suggestion.patch.actions);
  planned.record.inverse_ddl = guard::RenderInverse(shape_, suggestion.patch.actions);
  planned.record.field_map = suggestion.patch.field_map;
  planned.record.evidence =
      apply::EvidenceJson(planned.patch, *target_, planned.covered, planned.proof);
  planned.record.rewrites = apply::RewritesTable(shape_, planned.patch);
  planned.record.proposed_by = observe::kWorker;
  planned.record.reason =
      suggestion.ask.empty() ? WhyNotAllowed(suggestion.patch, true) : suggestion.ask;
  if (!claude_says_.empty()) {
    planned.record.reason += (planned.record.reason.empty() ? "" : "; ") + claude_says_;
  }
  return planned;
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

// The open drift of the types that a patch changes.
void PlanStep::AddTypeDrift(const plan::Patch& patch, const drift::DriftSet& drifts,
                            drift::DriftSet* to) const {
  for (const drift::Drift& drift : drifts) {
    const bool there = std::any_of(to->begin(), to->end(), [&](const drift::Drift& other) {
      return drift::ClassOf(other) == drift::ClassOf(drift);
    });
    const bool changes =
        drift::IsAboutType(drift.kind) &&
        std::any_of(patch.actions.begin(), patch.actions.end(), [&](const plan::Action& action) {
          return action.column == drift.column && plan::ChangesType(action.kind);
        });
    if (changes && !there && !round_.Decided(drift)) {
      to->push_back(drift);
    }
  }
}

// Whose renames the rows bear out: those that bring the field lack the column, and where it is
// required no other row does; where it is not, no row has it any more, and rows of the table have.
std::vector<plan::Rename> PlanStep::FindRenames(const drift::DriftSet& drifts) const {
  std::vector<plan::Rename> renames = plan::RenameCandidates(shape_, drifts);
  if (renames.empty()) {
    return renames;
  }
  constexpr size_t kRowsLookedAt = 1000;
  std::vector<bool> shown(renames.size()), refuted(renames.size());
  queue::QueueReader reader(round_.target, queue::Window());
  size_t looked_at = 0;
  json::Document payload;
  for (queue::QueueBatch batch; looked_at < kRowsLookedAt && reader.Next(&batch);) {
    for (const queue::QueuedRow& row : batch.rows) {
      if (++looked_at > kRowsLookedAt || payload.Parse(row.payload) ||
          payload.root().kind() != json::Kind::Object) {
        continue;
      }
      for (size_t i = 0; i < renames.size(); ++i) {
        const auto [field, column] = BroughtBy(payload.root(), renames[i]);
        shown[i] = shown[i] || (field && !column);
        refuted[i] = refuted[i] || (renames[i].required ? field == column : column);
      }
    }
  }
  std::vector<plan::Rename> kept;
  for (size_t i = 0; i < renames.size(); ++i) {
    if (shown[i] && !refuted[i] &&
        (renames[i].required || !apply::HoldsNoValue(shape_, renames[i].column))) {
      kept.push_back(std::move(renames[i]));
    }
  }
  return kept;
}

// Whether a payload brings a value for the field, and one for the column.
std::pair<bool, bool> PlanStep::BroughtBy(json::Value payload, const plan::Rename& rename) const {
  bool field = false, column = false;
  for (json::Value key = payload.First(); key; key = payload.After(key)) {
    if (payload.ValueOf(key).kind() == json::Kind::Null) {
      continue;
    }
    const table::Resolution meant = target_->Resolve(key.text());
    field = field || key.text() == rename.field;
    column = column || (meant.kind == table::Resolution::Kind::Column &&
                        shape_.columns[static_cast<size_t>(meant.column)].name == rename.column);
  }
  return {field, column};
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
  if (shape_.total_bytes > MaxRewrittenBytes()) {
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
    if (!round_.Decided(drift) && apply::Covers(useful, after_all, drift) &&
        !apply::Covers(now, after_this, drift)) {
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
    if (!round_.Decided(drift) && apply::Covers(patch, after_all, drift) &&
        !apply::Covers(useful, after_useful, drift)) {
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
std::string PlanStep::WhyNotAllowed(const plan::Patch& patch, bool suggested) const {
  const std::set<plan::ActionKind>& allow = target_->enrollment().allow;
  const auto not_allowed = [](plan::ActionKind kind) {
    return std::string(plan::Name(kind)) + " is not allowed for this table";
  };
  if (!patch.field_map.empty() && allow.count(plan::ActionKind::MapField) == 0) {
    return not_allowed(plan::ActionKind::MapField);
  }
  for (const plan::Action& action : patch.actions) {
    if (allow.count(action.kind) > 0) {
      continue;
    }
    const plan::Column* column = shape_.Find(action.column);
    const std::string name = plan::Named("column", action.column);
    if (action.kind == plan::ActionKind::DropNotNull) {
      return "it lets " + name + " be null, and " + not_allowed(action.kind);
    }
    if (action.kind != plan::ActionKind::ChangeType || column == nullptr) {
      return not_allowed(action.kind);
    }
    const bool guessed =
        column->own && plan::Judge(column->type, action.type) != plan::Widening::ToText;
    if (!action.only_if_empty && !guessed &&
        (suggested || !apply::HoldsNoValue(shape_, action.column))) {
      return "it changes " + name + " from " + column->type_text + " to " +
             plan::TypeText(action.type) + ", and " + not_allowed(action.kind);
    }
  }
  return "";
}

bool PlanStep::WaitsForReview(const plan::Patch& patch) {
  Planned glance;
  glance.patch = patch;
  glance.record.rewrites = apply::RewritesTable(shape_, patch);
  return !WhyReview(glance).empty();
}

std::string PlanStep::WhyReview(const Planned& planned) {
  for (const plan::FieldMapping& mapping : planned.patch.field_map) {
    if (!mapping.column) {
      return "it ignores " + plan::Named("field", mapping.field) +
             ": what the field brings would not be kept";
    }
  }
  if (std::string why = WhyNotAllowed(planned.patch, false); !why.empty()) {
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
  const int64_t bytes = RewrittenBytes(planned);
  if (bytes > MaxRewrittenBytes() && !GoesOnline(planned)) {
    return "it rewrites the table, which has " + std::to_string(bytes / 1024 / 1024) +
           " MB: more than mend.max_rewrite_size";
  }
  return "";
}

// 0: nothing is rewritten. The table that Citus shows is empty: its rows are in shards.
int64_t PlanStep::RewrittenBytes(const Planned& planned) const {
  if (!planned.record.rewrites) {
    return 0;
  }
  return citus::Manages(shape_.relid) ? citus::BytesOnNodes(shape_.relid) : shape_.total_bytes;
}

bool PlanStep::GoesOnline(const Planned& planned) const {
  return target_->enrollment().online && RewrittenBytes(planned) > MaxRewrittenBytes() &&
         apply::WhyNotOnline(*target_, planned.patch).empty();
}

int64_t PlanStep::Propose(const Planned& planned, const std::vector<int64_t>& beside) {
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
    id = apply::InsertPatch(*target_, record);
    pg::RunPrepared("SELECT mend.supersede($1, true, $2)", {pg::Int8(id), pg::Int8Array(beside)});
    if (planned.answer) {
      claude::BookAnswer(*planned.answer, id);
    }
    observe::Record("patch_proposed", round_.target_name, id, "{}", observe::kWorker);
  }
  AwaitDecision(planned.covered, id, planned.record.reason);
  return id;
}

drift::DriftSet PlanStep::CoveredBy(const plan::Patch& patch, const drift::DriftSet& drifts) const {
  table::Target patched = table::Patched(*target_, patch);
  drift::DriftSet covered;
  for (const drift::Drift& drift : drifts) {
    if (!round_.Decided(drift) && apply::Covers(patch, patched, drift)) {
      covered.push_back(drift);
    }
  }
  return covered;
}

void PlanStep::AwaitDecision(const drift::DriftSet& covered, int64_t id, const std::string& why) {
  std::string name = std::to_string(id);
  for (const drift::Drift& drift : covered) {
    if (!round_.Decided(drift)) {
      round_.Decide(drift, queue::RowOutcome::Kind::Wait,
                    "patch " + name + " waits for a decision: " + why, id);
    }
  }
  round_.EscalateState(awaits_claude_ ? "waiting" : "review",
                       "patch " + name + " waits for mend.approve(" + name + "): " + why);
}

bool PlanStep::WaitsAlready(const drift::DriftSet& drifts, const plan::Patch& patch) {
  Planned glance;
  glance.patch = patch;
  glance.record.rewrites = apply::RewritesTable(shape_, patch);
  const std::string why = WhyReview(glance);
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
