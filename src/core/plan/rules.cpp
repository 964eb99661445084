#include "core/plan/rules.h"

#include <algorithm>

#include "core/plan/identifier.h"
#include "core/plan/lattice.h"
#include "core/plan/wording.h"

namespace mend::plan {
namespace {

using drift::Drift;
using drift::DriftSet;
using drift::Kind;

constexpr int kMaxAttributes = 1600;  // PostgreSQL's own limit, dropped columns included

bool IsAboutType(Kind kind) {
  return kind == Kind::TypeConflict || kind == Kind::OutOfRange || kind == Kind::TooLong ||
         kind == Kind::Lossy;
}

const std::string* ReasonFor(const std::vector<std::pair<std::string, std::string>>& held,
                             const std::string& name) {
  for (const auto& [holds, reason] : held) {
    if (holds == name) return &reason;
  }
  return nullptr;
}

// Why a kind of drift is never answered by a rule.
std::string WhyNoRule(const Drift& drift) {
  const std::string rows = Rows(drift.row_count);
  switch (drift.kind) {
    case Kind::MissingRequired:
      return Named("column", drift.column) + " must not be null, and " + rows +
             " lack it or bring null: whether it gets a default or may be null is a decision";
    case Kind::Generated:
      return Named("column", drift.column) + " is computed by the database, and " + rows +
             " bring another value for it";
    case Kind::NoPartition: return "no partition takes " + rows + ": a partition must be added";
    case Kind::Constraint:
      return "a constraint, policy or trigger refuses " + rows +
             ": a change of the table's columns cannot help";
    case Kind::Ambiguous:
      return "two keys of one payload mean " + Named("column", drift.column) + " in " + rows;
    case Kind::Malformed: return rows + " are not JSON objects that can be stored";
    default: return "no rule answers this kind of drift";
  }
}

// One proposal in the making.
class Proposal {
 public:
  Proposal(const Shape& shape, const DriftSet& drift, const Policy& policy)
      : shape_(shape), drift_(drift), policy_(policy) {}

  Plan Make() {
    for (size_t i = 0; i < drift_.size(); ++i) Take(i);
    for (const Group& group : groups_) PlanColumn(group);
    std::sort(plan_.unplanned.begin(), plan_.unplanned.end(),
              [](const Unplanned& a, const Unplanned& b) { return a.drift < b.drift; });
    return std::move(plan_);
  }

 private:
  // The drift of one existing column that concerns its type.
  struct Group {
    const Column* column;
    std::vector<size_t> drift;
  };

  void Take(size_t i) {
    const Drift& drift = drift_[i];
    if (const std::string* reason = ReasonFor(policy_.held_fields, drift.field)) {
      Leave(i, Named("field", drift.field) + " is left alone: " + *reason);
    } else if (drift.kind == Kind::NewField) {
      PlanNewField(i);
    } else if (!IsAboutType(drift.kind)) {
      Leave(i, WhyNoRule(drift));
    } else if (const Column* column = shape_.Find(drift.column)) {
      GroupOf(column).drift.push_back(i);
    } else {
      Leave(i, Named("column", drift.column) + " does not exist any more");
    }
  }

  Group& GroupOf(const Column* column) {
    for (Group& group : groups_) {
      if (group.column == column) return group;
    }
    return groups_.emplace_back(Group{column, {}});
  }

  void PlanNewField(size_t i) {
    const Drift& drift = drift_[i];
    const std::string field = Named("field", drift.field);
    const std::optional<Type> type = TypeForNew(drift.profile);
    if (!type) {
      const bool seen = drift.profile.rows() > 0;
      return Leave(i, field + (seen ? " brings a number past what numeric can hold"
                                    : " has brought no value yet, only null or empty arrays"));
    }
    if (policy_.allow.count(ActionKind::AddColumn) == 0) {
      return Leave(i, field + " needs a column, and add_column is not allowed for this table");
    }
    if (const std::string reason = WhyNoRoom(); !reason.empty()) {
      return Leave(i, field + " needs a column, and " + reason);
    }
    const std::string name = ColumnNameFor(
        drift.field, [&](const std::string& taken) { return IsTaken(taken, drift.field); });
    if (const std::string* reason = ReasonFor(policy_.held_columns, name)) {
      return Leave(i, Named("column", name) + " is left alone: " + *reason);
    }
    if (!IsPrintable(name)) {
      return Leave(i, field + " has characters that cannot be printed: name a column for it");
    }
    // Without a recorded mapping, only a field whose normal form is the column finds it.
    const bool may_map = policy_.allow.count(ActionKind::MapField) > 0;
    if (!may_map && name != Normalise(drift.field)) {
      return Leave(i, field + " needs a mapping to " + Named("column", name) +
                          ", and map_field is not allowed for this table");
    }
    Act({ActionKind::AddColumn, name, *type, std::nullopt, false},
        "add " + Named("column", name) + " " + TypeText(*type) + " for new " + field + " (" +
            Evidence(drift.profile) + ")");
    if (may_map && name != drift.field) plan_.patch.field_map.push_back({drift.field, name});
    ++added_;
  }

  std::string WhyNoRoom() const {
    if (static_cast<int>(shape_.columns.size()) + added_ >= policy_.max_columns) {
      return "the table has reached its limit of " + std::to_string(policy_.max_columns) +
             " columns";
    }
    if (shape_.max_attnum + added_ >= kMaxAttributes) {
      return "the table has used up PostgreSQL's " + std::to_string(kMaxAttributes) +
             " columns, dropped ones included";
    }
    return {};
  }

  // A name that an existing or a planned column has, or would be found under, or that another new
  // field bears.
  bool IsTaken(const std::string& name, const std::string& field) const {
    for (const Drift& other : drift_) {
      if (other.kind == Kind::NewField && other.field == name && other.field != field) return true;
    }
    for (const Column& column : shape_.columns) {
      if (column.name == name || Normalise(column.name) == name) return true;
    }
    for (const Action& action : plan_.patch.actions) {
      if (action.kind == ActionKind::AddColumn && action.column == name) return true;
    }
    return false;
  }

  void PlanColumn(const Group& group) {
    const Column& column = *group.column;
    // What is provable by itself is planned even if other drift of the column is not.
    drift::Profile merged;
    std::vector<size_t> provable;
    for (size_t i : group.drift) {
      const std::optional<Type> type = WidenFor(column.type, drift_[i].profile);
      if (!type) {
        Leave(i, Describe(column, drift_[i].profile) + ": no lossless type holds both");
      } else if (*type == column.type) {
        Leave(i, Describe(column, drift_[i].profile) +
                     ": the type holds such values, so widening it cannot help");
      } else {
        merged.Merge(drift_[i].profile);
        provable.push_back(i);
      }
    }
    if (provable.empty()) return;

    const std::optional<Type> type = WidenFor(column.type, merged);
    const std::string obstacle =
        type ? WhyNotWiden(column) : Describe(column, merged) + ": no lossless type holds all";
    if (obstacle.empty()) {
      return Act({ActionKind::WidenType, column.name, *type, std::nullopt, false},
                 "widen " + Named("column", column.name) + " from " + column.type_text + " to " +
                     TypeText(*type) + " (" + Evidence(merged) + ")");
    }
    for (size_t i : provable) Leave(i, obstacle);
  }

  std::string WhyNotWiden(const Column& column) const {
    const std::string name = Named("column", column.name);
    if (const std::string* reason = ReasonFor(policy_.held_columns, column.name)) {
      return name + " is left alone: " + *reason;
    }
    if (policy_.allow.count(ActionKind::WidenType) == 0) {
      return name + " needs a wider type, and widen_type is not allowed for this table";
    }
    if (!column.type_locked_by.empty()) {
      return "the type of " + name + " cannot be changed: " + column.type_locked_by;
    }
    if (column.generated == Generated::Computed) return name + " is computed by the database";
    if (column.generated != Generated::No) {
      return name + " is an identity column: its sequence would have to change with it";
    }
    return {};
  }

  static std::string Describe(const Column& column, const drift::Profile& profile) {
    return Named("column", column.name) + " is " + column.type_text + ", and " +
           Rows(profile.rows()) + (profile.rows() == 1 ? " brings " : " bring ") +
           Evidence(profile);
  }

  void Act(Action action, const std::string& why) {
    plan_.patch.actions.push_back(std::move(action));
    if (!plan_.patch.rationale.empty()) plan_.patch.rationale += "; ";
    plan_.patch.rationale += why;
  }

  void Leave(size_t i, std::string reason) { plan_.unplanned.push_back({i, std::move(reason)}); }

  const Shape& shape_;
  const DriftSet& drift_;
  const Policy& policy_;
  Plan plan_;
  std::vector<Group> groups_;
  int added_ = 0;
};

}  // namespace

Plan Rules::Propose(const Shape& shape, const DriftSet& drift, const Policy& policy) {
  return Proposal(shape, drift, policy).Make();
}

}  // namespace mend::plan
