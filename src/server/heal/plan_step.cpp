#include "server/heal/plan_step.h"

#include <algorithm>

#include "core/plan/fingerprint.h"
#include "server/apply/proof_in_turns.h"
#include "server/apply/speculative_proof.h"
#include "server/claude/judge.h"
#include "server/guard/render.h"
#include "server/observe/events.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"

namespace mend::heal {
namespace {

constexpr int64_t kRowsOfLongProof = 256;

}  // namespace

// An answer of Claude's is paid for, and lost with the round: it is not called off any more.
apply::Proof PlanStep::ProveOnQueue(const plan::Patch& patch) const {
  if (has_answer_) {
    return apply::Prove(*target_, patch, apply::Evidence::Queue, nullptr, round_.before_batch);
  }
  return apply::ProveInTurns(target_, patch, [this] { CheckTableTurn(&round_); });
}

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
      round_.drift_ends.push_back({drift.id,
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
  has_answer_ = answer.has_value();
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
  terms.policy.labels = FindLabels(drifts, proposed);
  plan::Plan plan = AskRules(shape_, drifts, terms.policy);
  const bool looked = LookAtTexts(drifts, plan, &terms.policy);
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
  if (!planned) {
    planned = TakeDeferredLabels(plan);
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
  if (LookAtTexts(drifts, plan, &policy)) {
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
  planned.proof = speculated ? std::move(*speculated) : ProveOnQueue(patch);
  planned.patch =
      apply::Helpful(patch, planned.proof, target_->enrollment().mode == table::Mode::Auto);
  const plan::Patch useful = apply::Helpful(patch, planned.proof, false);
  LeaveForNextPatch(drifts, useful, planned.patch);
  GiveUpUnstorable(drifts, patch, useful, planned.proof);
  if (planned.patch.empty()) {
    return std::nullopt;
  }
  if (planned.patch.actions.size() != patch.actions.size()) {
    planned.proof = ProveOnQueue(planned.patch);
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
  apply::NoteLabels(planned.patch, &planned.record);
  planned.record.inverse_ddl = guard::RenderInverse(shape_, planned.patch.actions);
  planned.record.field_map = planned.patch.field_map;
  planned.record.evidence =
      apply::EvidenceJson(planned.patch, *target_, planned.covered, planned.proof);
  planned.record.rewrites = apply::RewritesTable(shape_, planned.patch);
  planned.record.proposed_by = observe::kWorker;
  return planned;
}

}  // namespace mend::heal
