#include <algorithm>

#include "core/base/number.h"
#include "core/plan/lattice.h"
#include "core/plan/online.h"
#include "core/plan/proposal.h"
#include "core/plan/rules.h"
#include "core/plan/wording.h"

namespace mend::plan {

// What is provable by itself is planned even if another class of the column's values is not.
void Proposal::PlanColumn(const Group& group) {
  const Column& column = *group.column;
  if (PlanOwn(group) || PlanEmpty(group)) return;
  drift::Profile merged;
  std::vector<size_t> provable, left, absurd;
  for (size_t i : group.drift) {
    const Drift& drift = drift_[i];
    if (drift.cause == drift::Cause::NotALabel && policy_.labels.count(column.name) > 0) {
      labelled_[column.type.oid].push_back(i);
      continue;
    }
    const std::optional<Type> type =
        drift::MayFitWiderType(drift.cause) ? WidenFor(column.type, drift.profile) : std::nullopt;
    if (!type) {
      left.push_back(i);
    } else if (*type == column.type) {
      Leave(i, Why::TypeHolds,
            Describe(column, drift) + ": the type holds such values, so widening it cannot help");
    } else if (IsAbsurd(column, drift)) {
      absurd.push_back(i);
    } else {
      merged.Merge(drift.profile);
      provable.push_back(i);
    }
  }
  PlanProvable(column, merged, provable, std::move(left));
  LeaveAbsurd(column, absurd);
}

void Proposal::PlanProvable(const Column& column, const drift::Profile& merged,
                            const std::vector<size_t>& provable, std::vector<size_t> left) {
  const std::optional<Type> type = WidenFor(column.type, merged);
  if (!type) left.insert(left.end(), provable.begin(), provable.end());
  SuggestOtherType(column, left);
  if (provable.empty() || !type) return;

  std::string obstacle;
  const Why why = WhyNotWiden(column, *type, &obstacle);
  Action action{ActionKind::WidenType, column.name, *type, std::nullopt, false};
  if (const std::string other = column.WhyNotBecome(*type); obstacle.empty() && !other.empty()) {
    obstacle = Named("column", column.name) + " " + other;
  } else if (const std::string only = WhyOnlineOnly(column, *type);
             obstacle.empty() && !only.empty() && !policy_.online) {
    obstacle = only;
    Suggest(action, provable, only + ": it can be applied online");
  } else if (obstacle.empty()) {
    return Act(&plan_.patch, std::move(action),
               "widen " + Named("column", column.name) + " from " + column.type_text + " to " +
                   TypeText(*type) + " (" + Evidence(merged) + ")");
  } else if (why == Why::NotAllowed && !IsRejected(column.name, ActionKind::WidenType)) {
    Suggest(action, provable);
  }
  for (size_t i : provable) Leave(i, why, obstacle);
}

// A single row that would decide the type of a new column for all others.
bool Proposal::IsAbsurd(const Drift& drift) {
  return drift.cause == drift::Cause::ManyDigits && drift.row_count == 1;
}

// A single row that would have the whole table rewritten for a number which is hardly one.
bool Proposal::IsAbsurd(const Column& column, const Drift& drift) const {
  const auto own = policy_.own.find(column.name);
  const bool held_such =
      own != policy_.own.end() &&
      std::max(own->second.max_integer_digits(), own->second.max_scale()) > base::kManyDigits;
  return drift.row_count == 1 && column.type.oid != type_oid::kNumeric &&
         column.type.oid != type_oid::kText && column.type.oid != type_oid::kJsonb && !held_such &&
         drift.profile.objects() == 0 && drift.profile.arrays() == 0 &&
         std::max(drift.profile.max_integer_digits(), drift.profile.max_scale()) >
             base::kManyDigits;
}

// Waits for a person, unless what is planned for other values holds it anyway.
void Proposal::LeaveAbsurd(const Column& column, const std::vector<size_t>& absurd) {
  std::vector<size_t> left;
  drift::Profile merged;
  for (size_t i : absurd) {
    if (!Holds(PlannedType(column), drift_[i])) {
      left.push_back(i);
      merged.Merge(drift_[i].profile);
    }
  }
  if (left.empty()) return;
  const std::optional<Type> type = WidenFor(column.type, merged);
  if (!type) return SuggestOtherType(column, left);
  std::string obstacle;
  const Why why = WhyNotWiden(column, *type, &obstacle);
  const Action action{ActionKind::WidenType, column.name, *type, std::nullopt, false};
  if (const std::string other = column.WhyNotBecome(*type); obstacle.empty() && !other.empty()) {
    obstacle = Named("column", column.name) + " " + other;
  } else if (obstacle.empty()) {
    obstacle = Describe(column, merged) + ": far more digits than the column ever held";
    Suggest(action, left,
            "a single row asks for it, with far more digits than the column can hold");
  } else if (why == Why::NotAllowed && !IsRejected(column.name, ActionKind::WidenType)) {
    Suggest(action, left);
  }
  for (size_t i : left) Leave(i, why, obstacle);
}

// The type that a column has once the patch is applied.
Type Proposal::PlannedType(const Column& column) const {
  for (const Action& action : plan_.patch.actions) {
    if (ChangesType(action.kind) && action.column == column.name) return action.type;
  }
  return column.type;
}

// The type of a column that rules have added was a guess: it becomes what they would have chosen
// had they seen all values at once.
bool Proposal::PlanOwn(const Group& group) {
  const Column& column = *group.column;
  const auto own = policy_.own.find(column.name);
  if (own == policy_.own.end()) return false;
  drift::Profile all = own->second;
  const Group telling = WithoutAbsurd(group);
  for (size_t i : telling.drift) all.Merge(drift_[i].profile);
  if (telling.drift.empty() ||
      (!ChangeTo(telling, Generalise(column.type, all, column.name), all, false) &&
       !PlanTextOfOthers(telling, all))) {
    return false;
  }
  LeaveAbsurd(column, AbsurdOf(group));
  return true;
}

// Text of numbers, or of true and false, that came before the first number or boolean: such a
// column is what it would have been.
bool Proposal::PlanTextOfOthers(const Group& group, const drift::Profile& all) {
  const Column& column = *group.column;
  const auto stored = policy_.texts.find(column.name);
  const std::optional<Type> type = TypeForNew(all, column.name);
  if (stored == policy_.texts.end() || !type) return false;
  const bool boolean = type->oid == type_oid::kBool;
  if ((type->oid == type_oid::kInt8 && stored->second.integers) ||
      (boolean && stored->second.booleans)) {
    return ChangeTo(group, *type, all, true);
  }
  if (!boolean && type->oid != type_oid::kInt8 && type->oid != type_oid::kNumeric) return false;
  if (!boolean && stored->second.numbers) {
    return ChangeTo(group, {type_oid::kNumeric, -1}, all, true);
  }
  // Other text has come since, but for words for nothing alone.
  return all.strings() > all.words_for_none() &&
         ChangeTo(group, {type_oid::kJsonb, -1}, all, false);
}

// Values that stand for nothing do not speak for the type of an empty column.
bool Proposal::IsOfNothing(const Drift& drift) {
  return drift.cause == drift::Cause::EmptyText || drift.cause == drift::Cause::WordForNone ||
         drift.profile.words_for_none() == drift.profile.rows();
}

// A column without a value keeps its type where that, or a wider one, holds what comes.
bool Proposal::PlanEmpty(const Group& group) {
  const Column& column = *group.column;
  if (policy_.empty.count(column.name) == 0) return false;
  drift::Profile all;
  const Group telling = WithoutAbsurd(group);
  for (size_t i : telling.drift) {
    const Drift& drift = drift_[i];
    if (drift::MayFitWiderType(drift.cause) && WidenFor(column.type, drift.profile)) return false;
    if (!IsOfNothing(drift)) all.Merge(drift.profile);
  }
  const std::optional<Type> type = TypeForNew(all, column.name);
  if (!type || !ChangeTo(telling, *type, all, true)) return false;
  LeaveAbsurd(column, AbsurdOf(group));
  return true;
}

std::vector<size_t> Proposal::AbsurdOf(const Group& group) const {
  std::vector<size_t> absurd;
  for (size_t i : group.drift) {
    if (IsAbsurd(*group.column, drift_[i])) absurd.push_back(i);
  }
  return absurd;
}

Proposal::Group Proposal::WithoutAbsurd(const Group& group) const {
  Group rest{group.column, {}};
  for (size_t i : group.drift) {
    if (!IsAbsurd(*group.column, drift_[i])) rest.drift.push_back(i);
  }
  return rest;
}

// Whether the column was planned.
bool Proposal::ChangeTo(const Group& group, const Type& type, const drift::Profile& seen,
                        bool if_empty) {
  const Column& column = *group.column;
  std::string obstacle;
  WhyNotWiden(column, type, &obstacle);
  if (type == column.type || !obstacle.empty() || !column.WhyNotBecome(type).empty()) return false;
  if (ChangesFamily(column.type, type) && !column.family_locked_by.empty()) return false;
  const ActionKind kind =
      ChangesFamily(column.type, type) ? ActionKind::ChangeType : ActionKind::WidenType;
  Action action{kind, column.name, type, std::nullopt, false};
  action.only_if_empty = if_empty;
  Act(&plan_.patch, std::move(action),
      "change " + Named("column", column.name) + " from " + column.type_text + " to " +
          TypeText(type) + " (" + Evidence(seen) + ")");
  std::vector<size_t> left;
  for (size_t i : group.drift) {
    if (!Holds(type, drift_[i])) left.push_back(i);
  }
  SuggestOtherType(column, left);
  return true;
}

// `obstacle` stays empty where nothing is in the way.
Why Proposal::WhyNotWiden(const Column& column, const Type& type, std::string* obstacle) const {
  const std::string name = Named("column", column.name);
  if (const std::string* reason = ReasonFor(policy_.held_columns, column.name)) {
    *obstacle = name + " is left alone: " + *reason;
    return WhyHeld(column.name);
  }
  if (policy_.allow.count(ActionKind::WidenType) == 0) {
    *obstacle = name + " needs a wider type, and widen_type is not allowed for this table";
    return Why::NotAllowed;
  }
  if (const std::string lock = LockOf(column, type); !lock.empty()) {
    *obstacle = "the type of " + name + " cannot be changed: " + lock;
  } else if (column.generated == Generated::Computed) {
    *obstacle = name + " is computed by the database";
  }
  return Why::Locked;
}

std::string Proposal::Describe(const Column& column, const drift::Profile& profile) {
  return Named("column", column.name) + " is " + column.type_text + ", and payloads bring " +
         Kinds(profile);
}

std::string Proposal::Describe(const Column& column, const Drift& drift) {
  if (drift.cause == drift::Cause::Unspecified) {
    return Describe(column, drift.profile);
  }
  return Named("column", column.name) + " is " + column.type_text +
         ", and a value does not fit: " + drift::Phrase(drift.cause, column.type_text);
}

}  // namespace mend::plan
