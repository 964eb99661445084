#include "core/plan/rules.h"

#include <algorithm>

#include "core/plan/lattice.h"
#include "core/plan/proposal.h"
#include "core/plan/wording.h"

namespace mend::plan {
namespace {

using drift::Drift;
using drift::Kind;

// Why a kind of drift is never answered by a rule.
std::string WhyNoRule(const Drift& drift) {
  const std::string column = Named("column", drift.column);
  switch (drift.kind) {
    case Kind::MissingRequired:
      return column +
             " must not be null, and payloads lack it or bring null: whether it gets a default or "
             "may be null is a decision";
    case Kind::Generated:
      return column + " is computed by the database, and payloads bring another value for it";
    case Kind::NoPartition: return "no partition takes the rows: a partition must be added";
    case Kind::Constraint:
      return "a constraint, policy or trigger refuses the rows: a change of the table's columns "
             "cannot help";
    case Kind::Ambiguous: return "two keys of one payload mean " + column;
    case Kind::Malformed: return "the payloads are not JSON objects that can be stored";
    case Kind::Behind: return "the rows wait for an older payload of the same key";
    default: return "no rule answers this kind of drift";
  }
}

}  // namespace

const std::string* ReasonFor(const std::vector<std::pair<std::string, std::string>>& held,
                             const std::string& name) {
  for (const auto& [holds, reason] : held) {
    if (holds == name) return &reason;
  }
  return nullptr;
}

Plan Proposal::Make() {
  for (size_t i = 0; i < drift_.size(); ++i) Take(i);
  for (const std::vector<size_t>& fields : OneColumnEach(fresh_)) PlanNewColumn(fields);
  for (const Group& group : groups_) PlanColumn(group);
  for (const auto& [type, drift] : labelled_) SuggestLabels(type, drift);
  SuggestNotAllowed();
  SuggestEnvelope();
  std::sort(plan_.unplanned.begin(), plan_.unplanned.end(),
            [](const Unplanned& a, const Unplanned& b) { return a.drift < b.drift; });
  return std::move(plan_);
}

void Proposal::Take(size_t i) {
  const Drift& drift = drift_[i];
  if (const std::string* reason = ReasonFor(policy_.held_fields, drift.field)) {
    Leave(i, Why::Held, Named("field", drift.field) + " is left alone: " + *reason);
    const auto taken_back = policy_.taken_back.find(drift.field);
    if (taken_back != policy_.taken_back.end()) {
      SuggestAgainOrIgnore(i, taken_back->second, *reason);
    }
  } else if (drift.cause == drift::Cause::SharesNoKey && !IsPlannedBeside(drift)) {
    Leave(i, Why::NoRule,
          "no key of the payloads is a column of the table: " + Named("field", drift.field) +
              (drift.kind == Kind::NewField ? " may be a part of an envelope"
                                            : " may be inside an envelope"));
    envelope_.push_back(i);
  } else if (const Rename* rename = RenameOf(drift)) {
    Leave(i, Why::NoRule,
          Named("field", rename->field) + " may be " + Named("column", rename->column) +
              " under a new name");
    if (drift.kind == Kind::NewField) SuggestRename(i, *rename);
  } else if (drift.cause == drift::Cause::SharesNoKey) {
    return;
  } else if (drift.kind == Kind::NewField) {
    fresh_.push_back(i);
  } else if (drift.kind == Kind::MissingRequired) {
    PlanMissing(i);
  } else if (!drift::IsAboutType(drift.kind)) {
    Leave(i, Why::NoRule, WhyNoRule(drift));
  } else if (const Column* column = shape_.Find(drift.column)) {
    GroupOf(column).drift.push_back(i);
  } else {
    Leave(i, Why::Gone, Named("column", drift.column) + " does not exist any more");
  }
}

// What payloads of the table bring, too, is no part of an envelope: one answer does for both.
bool Proposal::IsPlannedBeside(const Drift& drift) const {
  return std::any_of(drift_.begin(), drift_.end(), [&](const Drift& other) {
    return other.field == drift.field && other.kind == drift.kind && other.cause != drift.cause &&
           drift.kind == Kind::NewField;
  });
}

Proposal::Group& Proposal::GroupOf(const Column* column) {
  for (Group& group : groups_) {
    if (group.column == column) return group;
  }
  return groups_.emplace_back(Group{column, {}});
}

const Rename* Proposal::RenameOf(const Drift& drift) const {
  for (const Rename& rename : policy_.renames) {
    if (drift.kind == Kind::NewField
            ? rename.field == drift.field
            : drift.kind == Kind::MissingRequired && rename.column == drift.column) {
      return &rename;
    }
  }
  return nullptr;
}

// What a required column lacks is lossless to leave out, but whoever reads it would meet nulls.
void Proposal::PlanMissing(size_t i) {
  const Column* column = shape_.Find(drift_[i].column);
  if (column == nullptr || !column->not_null || column->generated != Generated::No) {
    return Leave(i, Why::NoRule, WhyNoRule(drift_[i]));
  }
  const std::string* held = IsRejected(column->name, ActionKind::DropNotNull);
  if (held != nullptr) {
    return Leave(i, Why::Held, Named("column", column->name) + " is left alone: " + *held);
  }
  Leave(i, Why::NoRule, WhyNoRule(drift_[i]));
  Suggest({ActionKind::DropNotNull, column->name, {}, std::nullopt, false}, {i});
}

// Why a column is held: by a person, or by its cool-down alone.
Why Proposal::WhyHeld(const std::string& column) const {
  return policy_.cooling.count(column) > 0 ? Why::Cooling : Why::Held;
}

const std::string* Proposal::IsRejected(const std::string& column, ActionKind kind) const {
  const auto found = policy_.rejected.find({column, kind});
  return found == policy_.rejected.end() ? nullptr : &found->second;
}

void Proposal::Act(Patch* patch, Action action, const std::string& why) {
  action.why = why;
  patch->actions.push_back(std::move(action));
  if (!patch->rationale.empty()) patch->rationale += "; ";
  patch->rationale += why;
}

void Proposal::Leave(size_t i, Why why, std::string reason) {
  plan_.unplanned.push_back({i, std::move(reason), why});
}

bool Holds(const Type& type, const drift::Drift& drift) {
  if (type.oid == type_oid::kJsonb) return true;
  if (type.oid == type_oid::kText) {
    return drift.profile.objects() == 0 && drift.profile.arrays() == 0;
  }
  return (drift::MayFitWiderType(drift.cause) || drift.cause == drift::Cause::NotTextSoFar) &&
         WidenFor(type, drift.profile) == type;
}

Plan Rules::Propose(const Shape& shape, const drift::DriftSet& drift, const Policy& policy) {
  return Proposal(shape, drift, policy).Make();
}

}  // namespace mend::plan
