// What of a plan's suggestions is done, asked or left.
#include <algorithm>
#include <map>

#include "core/plan/fingerprint.h"
#include "server/guard/render.h"
#include "server/heal/plan_step.h"
#include "server/observe/events.h"

namespace mend::heal {
namespace {

void Append(plan::Patch* patch, const plan::Patch& more) {
  patch->actions.insert(patch->actions.end(), more.actions.begin(), more.actions.end());
  patch->field_map.insert(patch->field_map.end(), more.field_map.begin(), more.field_map.end());
  patch->rationale += (patch->rationale.empty() ? "" : "; ") + more.rationale;
}

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

// What the enrolment allows is done without asking. Labels stand in their patch alone.
void PlanStep::TakeAllowed(const drift::DriftSet& drifts, plan::Plan* plan) {
  for (const plan::Suggestion& suggestion : plan->suggestions) {
    const bool fits_in = plan->patch.empty() || (!plan::AddsLabels(plan->patch.actions) &&
                                                 !plan::AddsLabels(suggestion.patch.actions));
    if (fits_in && suggestion.ask.empty() && WhyNotAllowed(suggestion.patch, true).empty() &&
        !OpenOf(suggestion, drifts).empty()) {
      taken_.insert(&suggestion);
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
    if (one.drifts.empty() || taken_.count(&suggestion) > 0) {
      continue;
    }
    const bool allowed = suggestion.ask.empty() && WhyNotAllowed(suggestion.patch, true).empty();
    if (ChangesSameType(suggestion.patch, plan->patch) ||
        (allowed && !is_reviewed && !awaits_claude_)) {
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

// Labels that are allowed, and without which no row shows what else is planned: first, by
// themselves.
std::optional<Planned> PlanStep::TakeDeferredLabels(const plan::Plan& plan) {
  for (auto one = deferred_.begin(); one != deferred_.end(); ++one) {
    const plan::Suggestion& suggestion = *one->suggestion;
    if (!plan::AddsLabels(suggestion.patch.actions) || !suggestion.ask.empty() ||
        !WhyNotAllowed(suggestion.patch, true).empty()) {
      continue;
    }
    plan::Patch both = plan.patch;
    Append(&both, suggestion.patch);
    const apply::Proof proof = apply::Prove(*target_, both, apply::Evidence::Queue);
    if (!proof.action_helps.back() && !proof.action_helps_rescued.back()) {
      continue;
    }
    for (const drift::Drift& drift : one->drifts) {
      round_.Reopen(drift);
    }
    Planned planned = MakeRecord(suggestion, one->drifts, proof);
    planned.proof.shape = proof.shape;
    deferred_.erase(one);
    round_.again_if_applied = true;
    return planned;
  }
  return std::nullopt;
}

// What is suggested for a column whose type is changed now is asked against its new type; or at
// once, where no row shows that change.
void PlanStep::AskDeferred(const drift::DriftSet& drifts, const plan::Plan& plan,
                           const std::optional<Planned>& planned) {
  plan::Patch all = planned ? planned->patch : plan::Patch();
  std::vector<OpenSuggestion> open;
  for (OpenSuggestion& one : deferred_) {
    const plan::Suggestion& suggestion = *one.suggestion;
    const bool allowed = suggestion.ask.empty() && WhyNotAllowed(suggestion.patch, true).empty();
    if (planned && (allowed || ChangesSameType(suggestion.patch, planned->patch))) {
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
  const apply::Proof proof = ProveOnQueue(all);
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
  apply::NoteLabels(suggestion.patch, &planned.record);
  planned.record.inverse_ddl = guard::RenderInverse(shape_, suggestion.patch.actions);
  planned.record.field_map = suggestion.patch.field_map;
  planned.record.evidence =
      apply::EvidenceJson(planned.patch, *target_, planned.covered, planned.proof);
  planned.record.rewrites = apply::RewritesTable(shape_, planned.patch);
  planned.record.proposed_by = observe::kWorker;
  planned.record.reason =
      suggestion.ask.empty() ? WhyNotAllowed(suggestion.patch, true) : suggestion.ask;
  if (planned.record.reason.empty()) {
    planned.record.reason = WhyReview(planned);
  }
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

}  // namespace mend::heal
