// What one transaction of planning decides about the open drift of a table.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/apply/prove.h"
#include "server/claude/ask.h"
#include "server/guard/dependencies.h"
#include "server/heal/round_state.h"
#include "server/heal/unplanned_drift.h"

namespace mend::heal {

// A larger table is not rewritten without a person.
int64_t MaxRewrittenBytes();

// A patch ready to be recorded.
struct Planned {
  apply::NewPatch record;
  plan::Patch patch;
  apply::Proof proof;
  drift::DriftSet covered;
  std::optional<claude::Answer> answer;  // what it was made of, if not of rules alone
};

class PlanStep {
 public:
  explicit PlanStep(RoundState* round) : round_(*round), target_(table::FindTarget(round->target)) {
    shape_ = target_->shape();
  }

  // Plans all open drift; nullopt when nothing is left to apply or propose. Without an answer of
  // Claude's, and where one is wanted, `question` is what to ask, and nothing is decided that
  // depends on it.
  std::optional<Planned> Run(const claude::Access& access, std::optional<claude::Answer> answer,
                             std::optional<claude::Question>* question);
  // Why the patch must wait for a person, or empty.
  std::string WhyReview(const Planned& planned);
  // Whether it is applied online, unasked: the enrolment lets the worker do so with large tables.
  bool GoesOnline(const Planned& planned) const;
  // Puts it before a person, for the reason that its record has, unless the same patch waits
  // already. What rules have proposed for the same drift is superseded, but for `beside`. Gives its
  // id.
  int64_t Propose(const Planned& planned, const std::vector<int64_t>& beside = {});
  // Whether the same patch waits for a person already, proved on half of the rows that there are by
  // now or more: a proof reads the whole queue, and is not repeated for every row that arrives.
  // Decides what it covers if so.
  bool WaitsAlready(const drift::DriftSet& drifts, const plan::Patch& patch);

 private:
  apply::Proof ProveOnQueue(const plan::Patch& patch) const;
  drift::DriftSet ToPlan();
  int64_t RewrittenBytes(const Planned& planned) const;
  // For whoever may change a type. Reads much of the catalogs, and nothing stands in the way of a
  // new column.
  void GiveUpUnstorable(const drift::DriftSet& drifts, const plan::Patch& patch,
                        const plan::Patch& useful, const apply::Proof& proof);
  void ExplainTypeLocks();
  // What of the open drift the patch answers.
  drift::DriftSet CoveredBy(const plan::Patch& patch, const drift::DriftSet& drifts) const;
  bool IsSuggested(const plan::Plan& plan, size_t drift) const;
  // What of a patch the enrolment does not allow, or empty. What somebody has planned may give
  // another family to a column that holds no value; what rules suggest is asked.
  std::string WhyNotAllowed(const plan::Patch& patch, bool suggested) const;
  bool WaitsForReview(const plan::Patch& patch);
  // A suggestion with the drift that nothing else has decided, and its place in the patch of all.
  struct OpenSuggestion {
    const plan::Suggestion* suggestion;
    drift::DriftSet drifts;
    size_t first_action;
    size_t first_mapping;
  };
  void SiftSuggestions(plan::Plan* plan);
  void TakeAllowed(const drift::DriftSet& drifts, plan::Plan* plan);
  void ProposeSuggestions(const drift::DriftSet& drifts, plan::Plan* plan);
  std::optional<Planned> TakeDeferredLabels(const plan::Plan& plan);
  void AskDeferred(const drift::DriftSet& drifts, const plan::Plan& plan,
                   const std::optional<Planned>& planned);
  // Drift for which no suggestion helps is for nobody.
  void BuryUnhelped(const drift::DriftSet& drifts, const plan::Plan& plan);
  void ProposeHelpful(const std::vector<OpenSuggestion>& open, const plan::Patch& all);
  Planned MakeRecord(const plan::Suggestion& suggestion, const drift::DriftSet& open,
                     const apply::Proof& proof);
  drift::DriftSet OpenOf(const plan::Suggestion& suggestion, const drift::DriftSet& drifts) const;
  void AddTypeDrift(const plan::Patch& patch, const drift::DriftSet& drifts,
                    drift::DriftSet* to) const;
  std::map<std::string, std::vector<std::string>> FindLabels(
      const drift::DriftSet& drifts, const std::vector<apply::PatchRecord>& proposed) const;
  void ReadLabels(const std::map<std::string, const plan::Column*>& columns,
                  const queue::Window& window,
                  std::map<std::string, std::vector<std::string>>* labels) const;
  std::vector<plan::Rename> FindRenames(const drift::DriftSet& drifts) const;
  std::pair<bool, bool> BroughtBy(json::Value record, const plan::Rename& rename) const;
  bool TakeAsGiven(const drift::DriftSet& drifts);
  bool LookAtTexts(const drift::DriftSet& drifts, const plan::Plan& plan,
                   plan::Policy* policy) const;
  bool FindEmptyColumns(const drift::DriftSet& drifts, const plan::Plan& plan,
                        plan::Policy* policy) const;
  // Whether a hinted type refuses a value of its new column: which columns these are is then known.
  bool FindUnfitHints(const plan::Plan& plan, plan::Policy* policy) const;
  void AwaitDecision(const drift::DriftSet& covered, int64_t id, const std::string& why);
  void LeaveForNextPatch(const drift::DriftSet& drifts, const plan::Patch& useful,
                         const plan::Patch& now);
  void SettleLeftover(const drift::Drift& drift, const UnplannedDrift& unplanned_drift);
  void LeaveToReview(drift::DriftSet* drifts, const std::vector<apply::PatchRecord>& proposed);
  void BuryOpen(const std::vector<UnplannedDrift>& unplanned, const drift::DriftSet& drifts,
                const plan::Plan& plan, const std::string& why);
  void TakeAnswer(const claude::Answer& answer, const std::vector<UnplannedDrift>& unplanned,
                  const drift::DriftSet& drifts, plan::Plan* plan);
  std::optional<Planned> Prepare(const drift::DriftSet& drifts, const plan::Patch& patch,
                                 const std::optional<claude::Answer>& answer);

  RoundState& round_;
  std::shared_ptr<const table::Target> target_;
  plan::Shape shape_;
  int64_t most_rows_ = 0;  // that a drift of the table has shown
  bool type_locks_explained_ = false;
  std::optional<std::vector<std::string>> publications_;  // of the table, once asked for
  bool awaits_claude_ = false;  // who cannot be asked now: what is asked of a person comes second
  std::string claude_says_;     // why he has nothing
  bool has_answer_ = false;     // of Claude's
  std::optional<plan::Patch> answered_;      // what Claude proposes, as read here
  std::set<const plan::Suggestion*> taken_;  // into the patch, unasked
  std::vector<OpenSuggestion> deferred_;     // until the type of their column is known
};

}  // namespace mend::heal
