// One proposal of rules in the making: what its parts have in common.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/plan/planner.h"

namespace mend::plan {

class Proposal {
 public:
  Proposal(const Shape& shape, const drift::DriftSet& drift, const Policy& policy)
      : shape_(shape), drift_(drift), policy_(policy) {}

  Plan Make();

 private:
  using Drift = drift::Drift;

  // The drift of one existing column that concerns its type.
  struct Group {
    const Column* column;
    std::vector<size_t> drift;
  };

  void Take(size_t i);
  bool IsPlannedBeside(const Drift& drift) const;
  Group& GroupOf(const Column* column);
  const Rename* RenameOf(const Drift& drift) const;
  void PlanMissing(size_t i);
  Why WhyHeld(const std::string& column) const;
  const std::string* IsRejected(const std::string& column, ActionKind kind) const;
  static void Act(Patch* patch, Action action, const std::string& why);
  void Leave(size_t i, Why why, std::string reason);

  // new_columns.cpp: fields that no column takes
  static std::vector<std::string> TellingSpellings(const std::string& field);
  static bool IsName(const std::string& spelling);
  std::vector<std::vector<size_t>> OneColumnEach(const std::vector<size_t>& fields) const;
  void PlanNewColumn(const std::vector<size_t>& fields);
  static std::string HintSays(const Hint* hint, bool followed);
  std::string WhyNoRoom() const;
  bool IsTaken(const std::string& name, const std::vector<size_t>& fields) const;
  bool AddFor(size_t i, const std::string& wanted, Patch* patch);

  // column_types.cpp: values that do not fit their column
  void PlanColumn(const Group& group);
  void PlanProvable(const Column& column, const drift::Profile& merged,
                    const std::vector<size_t>& provable, std::vector<size_t> left);
  static bool IsAbsurd(const drift::Drift& drift);
  bool IsAbsurd(const Column& column, const Drift& drift) const;
  void LeaveAbsurd(const Column& column, const std::vector<size_t>& absurd);
  Type PlannedType(const Column& column) const;
  bool PlanOwn(const Group& group);
  bool PlanTextOfOthers(const Group& group, const drift::Profile& all);
  static bool IsOfNothing(const Drift& drift);
  bool PlanEmpty(const Group& group);
  std::vector<size_t> AbsurdOf(const Group& group) const;
  Group WithoutAbsurd(const Group& group) const;
  bool ChangeTo(const Group& group, const Type& type, const drift::Profile& seen, bool if_empty);
  Why WhyNotWiden(const Column& column, const Type& type, std::string* obstacle) const;
  static std::string Describe(const Column& column, const drift::Profile& profile);
  static std::string Describe(const Column& column, const Drift& drift);

  // suggestions.cpp: what is asked
  void SuggestOtherType(const Column& column, const std::vector<size_t>& left);
  std::optional<Action> ReadingOf(const Column& column, const std::vector<size_t>& classes,
                                  std::vector<size_t>* read) const;
  void SuggestLabels(uint32_t type, const std::vector<size_t>& drift);
  void Suggest(Action action, std::vector<size_t> drift, std::string ask = {});
  std::string Says(const Action& action) const;
  std::string Because(const std::string& column, const std::vector<size_t>& drift) const;
  void SuggestNotAllowed();
  void SuggestEnvelope();
  void SuggestRename(size_t i, const Rename& rename);
  void SuggestAgainOrIgnore(size_t i, const std::string& column, const std::string& reason);

  const Shape& shape_;
  const drift::DriftSet& drift_;
  const Policy& policy_;
  Plan plan_;
  std::vector<Group> groups_;
  std::map<uint32_t, std::vector<size_t>> labelled_;  // drift that new labels are for, by enum
  std::vector<size_t> fresh_;                         // new fields that ask for columns
  std::vector<size_t> envelope_;  // of payloads that share no key with the table
  Suggestion not_allowed_;        // new columns that the enrolment does not allow
  bool asks_for_all_ = false;     // new columns are planned as a suggestion
  int added_ = 0;
};

// The reason that holds a name back, or null.
const std::string* ReasonFor(const std::vector<std::pair<std::string, std::string>>& held,
                             const std::string& name);

}  // namespace mend::plan
