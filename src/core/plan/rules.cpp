#include "core/plan/rules.h"

#include <algorithm>
#include <unordered_map>

#include "core/base/invisible.h"
#include "core/plan/identifier.h"
#include "core/plan/lattice.h"
#include "core/plan/reading_rule.h"
#include "core/plan/wording.h"

namespace mend::plan {
namespace {

using drift::Drift;
using drift::DriftSet;
using drift::Kind;

constexpr int kMaxAttributes = 1600;  // PostgreSQL's own limit, dropped columns included

const std::string* ReasonFor(const std::vector<std::pair<std::string, std::string>>& held,
                             const std::string& name) {
  for (const auto& [holds, reason] : held) {
    if (holds == name) return &reason;
  }
  return nullptr;
}

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

// One proposal in the making.
class Proposal {
 public:
  Proposal(const Shape& shape, const DriftSet& drift, const Policy& policy)
      : shape_(shape), drift_(drift), policy_(policy) {}

  Plan Make() {
    for (size_t i = 0; i < drift_.size(); ++i) Take(i);
    for (const std::vector<size_t>& fields : OneColumnEach(fresh_)) PlanNewColumn(fields);
    for (const Group& group : groups_) PlanColumn(group);
    SuggestNotAllowed();
    SuggestEnvelope();
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
  bool IsPlannedBeside(const Drift& drift) const {
    return std::any_of(drift_.begin(), drift_.end(), [&](const Drift& other) {
      return other.field == drift.field && other.kind == drift.kind && other.cause != drift.cause &&
             drift.kind == Kind::NewField;
    });
  }

  Group& GroupOf(const Column* column) {
    for (Group& group : groups_) {
      if (group.column == column) return group;
    }
    return groups_.emplace_back(Group{column, {}});
  }

  // New fields that are spelled as one name in some way are one column: so they are if they come
  // one after another.
  std::vector<std::vector<size_t>> OneColumnEach(const std::vector<size_t>& fields) const {
    std::vector<std::vector<size_t>> columns;
    std::unordered_map<std::string, size_t> by_spelling;
    for (size_t i : fields) {
      size_t column = columns.size();
      const std::vector<std::string> spellings = TellingSpellings(drift_[i].field);
      for (const std::string& spelling : spellings) {
        const auto known = by_spelling.find(spelling);
        if (known != by_spelling.end() && IsName(spelling)) {
          column = std::min(column, known->second);
        }
      }
      if (column == columns.size()) columns.emplace_back();
      columns[column].push_back(i);
      for (const std::string& spelling : spellings) by_spelling.emplace(spelling, column);
    }
    return columns;
  }

  // The ways to write a new field's name that tell it from others. What is cut tells nothing.
  static std::vector<std::string> TellingSpellings(const std::string& field) {
    std::vector<std::string> spellings = Spellings(field);
    spellings.push_back(Normalise(field));
    spellings.erase(std::remove_if(spellings.begin(), spellings.end() - 1,
                                   [](const std::string& spelling) {
                                     return spelling.size() >= kMaxIdentifierBytes;
                                   }),
                    spellings.end() - 1);
    return spellings;
  }

  static bool IsName(const std::string& spelling) {
    return spelling.find_first_not_of('_') != std::string::npos;
  }

  void PlanNewColumn(const std::vector<size_t>& fields) {
    drift::Profile seen;
    size_t first = fields.front();  // it gives the name: best the field that bears it
    for (size_t i : fields) {
      seen.Merge(drift_[i].profile);
      if (drift_[i].field == Normalise(drift_[i].field)) first = i;
    }
    const Drift& drift = drift_[first];
    const std::string field = Named("field", drift.field);
    const auto leave = [&](Why why, const std::string& reason) {
      for (size_t i : fields) Leave(i, why, reason);
    };
    std::optional<Type> type = TypeForNew(seen, drift.field);
    const std::string name = ColumnNameFor(
        drift.field, [&](const std::string& taken) { return IsTaken(taken, fields); });
    const Hint* hint = HintFor(policy_.hints, name);
    const bool brings = seen.rows() > 0;
    const bool hinted = hint != nullptr && brings && policy_.unfit_hints.count(name) == 0;
    if (hinted) type = hint->type;
    if (!type) {
      return leave(brings ? Why::NoType : Why::NoValue,
                   field + (brings ? " brings a number past what numeric can hold"
                                   : " has brought no value yet, only null or empty arrays"));
    }
    if (const std::string reason = WhyNoRoom(); !reason.empty()) {
      return leave(Why::NoRoom, field + " needs a column, and " + reason);
    }
    if (const std::string* reason = ReasonFor(policy_.held_columns, name)) {
      leave(WhyHeld(name), Named("column", name) + " is left alone: " + *reason);
      if (policy_.dropped.count(name) > 0) {
        for (size_t i : fields) SuggestAgainOrIgnore(i, name, *reason);
      }
      return;
    }
    if (!IsPrintable(name) || base::HasInvisible(drift.field)) {
      return leave(Why::NoRule,
                   field + " has characters that cannot be printed: name a column for it");
    }
    const bool may_add = policy_.allow.count(ActionKind::AddColumn) > 0;
    // Without a recorded mapping, only a field that is spelled as the column finds it.
    const bool may_map = policy_.allow.count(ActionKind::MapField) > 0;
    const auto needs_map = [&](size_t i) {
      const std::string& from = drift_[i].field;
      return name != from && (may_map || !MeanTheSame(name, from));
    };
    const bool lacks_map = !may_map && std::any_of(fields.begin(), fields.end(), needs_map);
    const bool asked = asks_for_all_ || !may_add || lacks_map;
    if (!may_add) {
      leave(Why::NotAllowed,
            field + " needs a column, and add_column is not allowed for this table");
    } else if (lacks_map) {
      leave(Why::NotAllowed, field + " needs a mapping to " + Named("column", name) +
                                 ", and map_field is not allowed for this table");
    }
    Patch* patch = asked ? &not_allowed_.patch : &plan_.patch;
    Act(patch, {ActionKind::AddColumn, name, *type, std::nullopt, false},
        "add " + Named("column", name) + " " + (hinted ? hint->type_text : TypeText(*type)) +
            " for new " + field + " (" + Evidence(seen) + HintSays(hint, hinted) + ")");
    for (size_t i : fields) {
      if (asked) not_allowed_.drift.push_back(i);
      if (needs_map(i)) patch->field_map.push_back({drift_[i].field, name});
    }
    ++added_;
  }

  static std::string HintSays(const Hint* hint, bool followed) {
    if (hint == nullptr) return {};
    const std::string named = Named("hint", hint->pattern);
    return followed ? ", by " + named
                    : ", not all of which type " + hint->type_text + " of " + named + " takes";
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
  bool IsTaken(const std::string& name, const std::vector<size_t>& fields) const {
    for (size_t i = 0; i < drift_.size(); ++i) {
      if (drift_[i].kind == Kind::NewField && drift_[i].field == name &&
          std::none_of(fields.begin(), fields.end(),
                       [&](size_t field) { return drift_[field].field == name; })) {
        return true;
      }
    }
    for (const Column& column : shape_.columns) {
      if (column.name == name || MeanTheSame(column.name, name)) return true;
    }
    for (const Patch* patch : {&plan_.patch, &not_allowed_.patch}) {
      for (const Action& action : patch->actions) {
        if (action.kind == ActionKind::AddColumn && action.column == name) return true;
      }
    }
    return false;
  }

  // What is provable by itself is planned even if another class of the column's values is not.
  void PlanColumn(const Group& group) {
    const Column& column = *group.column;
    if (PlanOwn(group) || PlanEmpty(group)) return;
    drift::Profile merged;
    std::vector<size_t> provable, left, absurd;
    for (size_t i : group.drift) {
      const Drift& drift = drift_[i];
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

  void PlanProvable(const Column& column, const drift::Profile& merged,
                    const std::vector<size_t>& provable, std::vector<size_t> left) {
    const std::optional<Type> type = WidenFor(column.type, merged);
    if (!type) left.insert(left.end(), provable.begin(), provable.end());
    SuggestOtherType(column, left);
    if (provable.empty() || !type) return;

    std::string obstacle;
    const Why why = WhyNotWiden(column, &obstacle);
    Action action{ActionKind::WidenType, column.name, *type, std::nullopt, false};
    if (obstacle.empty() && !column.MayBecome(*type)) {
      obstacle = Named("column", column.name) + " is an identity column: it takes integers only";
    } else if (obstacle.empty()) {
      return Act(&plan_.patch, std::move(action),
                 "widen " + Named("column", column.name) + " from " + column.type_text + " to " +
                     TypeText(*type) + " (" + Evidence(merged) + ")");
    } else if (why == Why::NotAllowed && !IsRejected(column.name, ActionKind::WidenType)) {
      Suggest(action, provable);
    }
    for (size_t i : provable) Leave(i, why, obstacle);
  }

  // Another family holds what the column's own does not: text what is scalar, jsonb all else.
  void SuggestOtherType(const Column& column, const std::vector<size_t>& left) {
    if (left.empty()) return;
    std::vector<size_t> read;
    const std::optional<Action> reading = ReadingOf(column, left, &read);
    // What is done unasked is no matter for the other question.
    std::vector<size_t> open = left;
    if (reading && policy_.allow.count(ActionKind::ReadAs) > 0) {
      open.erase(std::remove_if(open.begin(), open.end(),
                                [&](size_t i) {
                                  return std::find(read.begin(), read.end(), i) != read.end();
                                }),
                 open.end());
    }
    drift::Profile seen;
    for (size_t i : open) seen.Merge(drift_[i].profile);
    const bool nested = seen.objects() > 0 || seen.arrays() > 0;
    const Type type{nested ? type_oid::kJsonb : type_oid::kText, -1};
    const Widening wanted = nested ? Widening::ToJsonb : Widening::ToText;
    const ActionKind kind =
        ChangesFamily(column.type, type) ? ActionKind::ChangeType : ActionKind::WidenType;
    const std::string* rejected = IsRejected(column.name, kind);
    std::string obstacle =
        rejected != nullptr ? Named("column", column.name) + " is left alone: " + *rejected : "";
    Why why = rejected != nullptr ? Why::Held : Why::NoType;
    if (rejected == nullptr && WhyNotWiden(column, &obstacle) == Why::Held && !obstacle.empty()) {
      why = Why::Held;
    }
    for (size_t i : left) {
      Leave(i, why,
            why == Why::Held ? obstacle
                             : Describe(column, drift_[i]) + ": no lossless type holds both");
    }
    const bool holds_all = seen.rows() > 0 && why != Why::Held && column.type_locked_by.empty() &&
                           column.generated == Generated::No &&
                           Judge(column.type, type) == wanted &&
                           (kind != ActionKind::ChangeType || column.family_locked_by.empty());
    if (holds_all) {
      Suggest({kind, column.name, type, std::nullopt, false}, open,
              column.type.oid == type_oid::kBpchar ? "blanks at the end of its values would count"
                                                   : "");
    }
    if (reading) {
      const bool asked = policy_.allow.count(ActionKind::ReadAs) == 0;
      Suggest(*reading, read);
      plan_.suggestions.back().alternative = holds_all && asked;
    }
  }

  // How the values of these classes are to be read, as far as it is known; `read` are those that
  // are explained.
  std::optional<Action> ReadingOf(const Column& column, const std::vector<size_t>& classes,
                                  std::vector<size_t>* read) const {
    if (IsRejected(column.name, ActionKind::ReadAs) != nullptr) return std::nullopt;
    reading::Readings readings;
    for (size_t i : classes) {
      const std::optional<reading::Reading> one = ReadingFor(column, drift_[i]);
      // Two classes of one kind of words would need one list.
      const bool is_other =
          one && one->kind != reading::Kind::NullIf &&
          std::any_of(readings.begin(), readings.end(), [&](const reading::Reading& held) {
            return held.kind == one->kind && !(held == *one);
          });
      if (!one || is_other) continue;
      readings = reading::Joined(std::move(readings), {*one});
      read->push_back(i);
    }
    if (readings.empty()) return std::nullopt;
    Action action{ActionKind::ReadAs, column.name, {}, std::nullopt, false};
    action.reading = reading::Print(readings);
    return action;
  }

  // A single row that would have the whole table rewritten for a number which is hardly one.
  bool IsAbsurd(const Column& column, const Drift& drift) const {
    constexpr int kFarMoreDigits = 40;
    const auto own = policy_.own.find(column.name);
    const bool held_such =
        own != policy_.own.end() &&
        std::max(own->second.max_integer_digits(), own->second.max_scale()) > kFarMoreDigits;
    return drift.row_count == 1 && column.type.oid != type_oid::kNumeric &&
           column.type.oid != type_oid::kText && column.type.oid != type_oid::kJsonb &&
           !held_such && drift.profile.objects() == 0 && drift.profile.arrays() == 0 &&
           std::max(drift.profile.max_integer_digits(), drift.profile.max_scale()) > kFarMoreDigits;
  }

  // Waits for a person, unless what is planned for other values holds it anyway.
  void LeaveAbsurd(const Column& column, const std::vector<size_t>& absurd) {
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
    const Why why = WhyNotWiden(column, &obstacle);
    const Action action{ActionKind::WidenType, column.name, *type, std::nullopt, false};
    if (obstacle.empty() && !column.MayBecome(*type)) {
      obstacle = Named("column", column.name) + " is an identity column: it takes integers only";
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
  Type PlannedType(const Column& column) const {
    for (const Action& action : plan_.patch.actions) {
      if (ChangesType(action.kind) && action.column == column.name) return action.type;
    }
    return column.type;
  }

  void Suggest(Action action, std::vector<size_t> drift, std::string ask = {}) {
    Suggestion& suggestion = plan_.suggestions.emplace_back();
    suggestion.patch.rationale = action.why = Says(action) + Because(action.column, drift);
    suggestion.patch.actions.push_back(std::move(action));
    suggestion.drift = std::move(drift);
    suggestion.ask = std::move(ask);
  }

  std::string Says(const Action& action) const {
    const Column* column = shape_.Find(action.column);
    const std::string name = Named("column", action.column);
    switch (action.kind) {
      case ActionKind::AddColumn: return "add " + name + " " + TypeText(action.type);
      case ActionKind::DropNotNull: return "let " + name + " be null";
      case ActionKind::ReadAs: return "read " + name + " by " + action.reading;
      default: break;
    }
    return "change " + name + " from " + (column != nullptr ? column->type_text : "") + " to " +
           TypeText(action.type);
  }

  // What is wrong with the values, each cause once.
  std::string Because(const std::string& column, const std::vector<size_t>& drift) const {
    const Column* of = shape_.Find(column);
    std::vector<std::string> phrases;
    for (size_t i : drift) {
      std::string phrase = drift_[i].cause == drift::Cause::Unspecified
                               ? "payloads bring " + Kinds(drift_[i].profile)
                               : drift::Phrase(drift_[i].cause, of != nullptr ? of->type_text : "");
      if (std::find(phrases.begin(), phrases.end(), phrase) == phrases.end()) {
        phrases.push_back(std::move(phrase));
      }
    }
    std::string out;
    for (const std::string& phrase : phrases) out += (out.empty() ? " (" : "; ") + phrase;
    return out.empty() ? out : out + ")";
  }

  const std::string* IsRejected(const std::string& column, ActionKind kind) const {
    const auto found = policy_.rejected.find({column, kind});
    return found == policy_.rejected.end() ? nullptr : &found->second;
  }

  // What a required column lacks is lossless to leave out, but whoever reads it would meet nulls.
  void PlanMissing(size_t i) {
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

  // What only the enrolment stands in the way of, as one question.
  void SuggestNotAllowed() {
    if (!not_allowed_.patch.empty()) plan_.suggestions.push_back(std::move(not_allowed_));
    not_allowed_ = Suggestion();
  }

  // Payloads that share no key with the table: their keys become columns only with somebody's word.
  void SuggestEnvelope() {
    if (envelope_.empty()) return;
    const size_t left = plan_.unplanned.size();
    asks_for_all_ = true;
    std::vector<size_t> fresh;
    for (size_t i : envelope_) {
      if (drift_[i].kind == Kind::NewField) fresh.push_back(i);
    }
    for (const std::vector<size_t>& fields : OneColumnEach(fresh)) PlanNewColumn(fields);
    for (size_t i : envelope_) {
      if (const Column* column = shape_.Find(drift_[i].column);
          drift_[i].kind != Kind::NewField && column != nullptr && column->not_null) {
        Act(&not_allowed_.patch, {ActionKind::DropNotNull, column->name, {}, std::nullopt, false},
            "let " + Named("column", column->name) + " be null");
      }
    }
    asks_for_all_ = false;
    plan_.unplanned.resize(left);
    not_allowed_.drift = envelope_;
    not_allowed_.asked_anyway = true;
    not_allowed_.ask =
        "no key of the payloads is a column of the table: where they are envelopes, tell "
        "mend.configure() at which place the record is";
    SuggestNotAllowed();
  }

  const Rename* RenameOf(const Drift& drift) const {
    for (const Rename& rename : policy_.renames) {
      if (drift.kind == Kind::NewField
              ? rename.field == drift.field
              : drift.kind == Kind::MissingRequired && rename.column == drift.column) {
        return &rename;
      }
    }
    return nullptr;
  }

  void SuggestRename(size_t i, const Rename& rename) {
    const std::string field = Named("field", rename.field), column = Named("column", rename.column);
    Suggestion mapped;
    mapped.drift = {i};
    for (size_t j = 0; j < drift_.size(); ++j) {
      if (drift_[j].kind == Kind::MissingRequired && drift_[j].column == rename.column) {
        mapped.drift.push_back(j);
      }
    }
    mapped.ask = "rows that bring " + field + " lack " + column + ", and the names are alike";
    mapped.patch.field_map.push_back({rename.field, rename.column});
    mapped.patch.rationale = "store " + field + " in " + column;
    Suggestion apart = mapped;
    plan_.suggestions.push_back(std::move(mapped));

    apart.alternative = true;
    apart.patch = Patch();
    if (!AddFor(i, rename.field, &apart.patch)) return;
    if (rename.required) {
      Act(&apart.patch, {ActionKind::DropNotNull, rename.column, {}, std::nullopt, false},
          "let " + column + " be null");
    }
    plan_.suggestions.push_back(std::move(apart));
  }

  // A column for a field, which then finds it whatever was recorded of it.
  bool AddFor(size_t i, const std::string& wanted, Patch* patch) {
    std::optional<Type> type = TypeForNew(drift_[i].profile, wanted);
    const std::string name =
        ColumnNameFor(wanted, [&](const std::string& taken) { return IsTaken(taken, {i}); });
    const Hint* hint = HintFor(policy_.hints, name);
    const bool hinted = type && hint != nullptr && policy_.unfit_hints.count(name) == 0;
    if (hinted) type = hint->type;
    if (!type || !WhyNoRoom().empty() || !IsPrintable(name) ||
        base::HasInvisible(drift_[i].field)) {
      return false;
    }
    Act(patch, {ActionKind::AddColumn, name, *type, std::nullopt, false},
        "add " + Named("column", name) + " " + (hinted ? hint->type_text : TypeText(*type)) +
            " for " + Named("field", drift_[i].field));
    patch->field_map.push_back({drift_[i].field, name});
    return true;
  }

  // A field whose column a person took back goes on coming: to have it again, or to ignore it.
  void SuggestAgainOrIgnore(size_t i, const std::string& column, const std::string& reason) {
    const Drift& drift = drift_[i];
    if (drift.kind != Kind::NewField || base::HasInvisible(drift.field)) return;
    Suggestion again, ignored;
    again.drift = ignored.drift = {i};
    again.ask = ignored.ask = Named("field", drift.field) + " still comes, and " + reason;
    const bool adds = AddFor(i, column, &again.patch);
    if (adds) plan_.suggestions.push_back(std::move(again));
    ignored.alternative = adds;
    ignored.patch.field_map.push_back({drift.field, std::nullopt});
    ignored.patch.rationale = "ignore " + Named("field", drift.field);
    plan_.suggestions.push_back(std::move(ignored));
  }

  // The type of a column that rules have added was a guess: it becomes what they would have chosen
  // had they seen all values at once.
  bool PlanOwn(const Group& group) {
    const Column& column = *group.column;
    const auto own = policy_.own.find(column.name);
    if (own == policy_.own.end()) return false;
    drift::Profile all = own->second;
    const Group telling = WithoutAbsurd(group);
    for (size_t i : telling.drift) all.Merge(drift_[i].profile);
    if (telling.drift.empty() ||
        (!ChangeTo(telling, Generalise(column.type, all, column.name), all, false) &&
         !PlanDigits(telling, all))) {
      return false;
    }
    LeaveAbsurd(column, AbsurdOf(group));
    return true;
  }

  // Text of numbers that came before the first number: such a column is what it would have been.
  bool PlanDigits(const Group& group, const drift::Profile& all) {
    const Column& column = *group.column;
    const auto stored = policy_.digits.find(column.name);
    const std::optional<Type> type = TypeForNew(all, column.name);
    if (stored == policy_.digits.end() || !type) return false;
    if (type->oid == type_oid::kInt8 && stored->second.integers) {
      return ChangeTo(group, *type, all, true);
    }
    if (type->oid != type_oid::kInt8 && type->oid != type_oid::kNumeric) return false;
    if (stored->second.numbers) return ChangeTo(group, {type_oid::kNumeric, -1}, all, true);
    // Other text has come since, but for words for nothing alone.
    return all.strings() > all.words_for_none() &&
           ChangeTo(group, {type_oid::kJsonb, -1}, all, false);
  }

  // Values that stand for nothing do not speak for the type of an empty column.
  static bool IsOfNothing(const Drift& drift) {
    return drift.cause == drift::Cause::EmptyText || drift.cause == drift::Cause::WordForNone ||
           drift.profile.words_for_none() == drift.profile.rows();
  }

  // A column without a value keeps its type where that, or a wider one, holds what comes.
  bool PlanEmpty(const Group& group) {
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

  std::vector<size_t> AbsurdOf(const Group& group) const {
    std::vector<size_t> absurd;
    for (size_t i : group.drift) {
      if (IsAbsurd(*group.column, drift_[i])) absurd.push_back(i);
    }
    return absurd;
  }
  Group WithoutAbsurd(const Group& group) const {
    Group rest{group.column, {}};
    for (size_t i : group.drift) {
      if (!IsAbsurd(*group.column, drift_[i])) rest.drift.push_back(i);
    }
    return rest;
  }

  // Whether the column was planned.
  bool ChangeTo(const Group& group, const Type& type, const drift::Profile& seen, bool if_empty) {
    const Column& column = *group.column;
    std::string obstacle;
    WhyNotWiden(column, &obstacle);
    if (type == column.type || !obstacle.empty() || !column.MayBecome(type)) return false;
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

  // Why a column is held: by a person, or by its cool-down alone.
  Why WhyHeld(const std::string& column) const {
    return policy_.cooling.count(column) > 0 ? Why::Cooling : Why::Held;
  }

  // `obstacle` stays empty where nothing is in the way.
  Why WhyNotWiden(const Column& column, std::string* obstacle) const {
    const std::string name = Named("column", column.name);
    if (const std::string* reason = ReasonFor(policy_.held_columns, column.name)) {
      *obstacle = name + " is left alone: " + *reason;
      return WhyHeld(column.name);
    }
    if (policy_.allow.count(ActionKind::WidenType) == 0) {
      *obstacle = name + " needs a wider type, and widen_type is not allowed for this table";
      return Why::NotAllowed;
    }
    if (!column.type_locked_by.empty()) {
      *obstacle = "the type of " + name + " cannot be changed: " + column.type_locked_by;
    } else if (column.generated == Generated::Computed) {
      *obstacle = name + " is computed by the database";
    }
    return Why::Locked;
  }

  static std::string Describe(const Column& column, const drift::Profile& profile) {
    return Named("column", column.name) + " is " + column.type_text + ", and payloads bring " +
           Kinds(profile);
  }
  static std::string Describe(const Column& column, const Drift& drift) {
    if (drift.cause == drift::Cause::Unspecified) {
      return Describe(column, drift.profile);
    }
    return Named("column", column.name) + " is " + column.type_text +
           ", and a value does not fit: " + drift::Phrase(drift.cause, column.type_text);
  }

  static void Act(Patch* patch, Action action, const std::string& why) {
    action.why = why;
    patch->actions.push_back(std::move(action));
    if (!patch->rationale.empty()) patch->rationale += "; ";
    patch->rationale += why;
  }

  void Leave(size_t i, Why why, std::string reason) {
    plan_.unplanned.push_back({i, std::move(reason), why});
  }

  const Shape& shape_;
  const DriftSet& drift_;
  const Policy& policy_;
  Plan plan_;
  std::vector<Group> groups_;
  std::vector<size_t> fresh_;     // new fields that ask for columns
  std::vector<size_t> envelope_;  // of payloads that share no key with the table
  Suggestion not_allowed_;        // new columns that the enrolment does not allow
  bool asks_for_all_ = false;     // new columns are planned as a suggestion
  int added_ = 0;
};

}  // namespace

bool Holds(const Type& type, const drift::Drift& drift) {
  if (type.oid == type_oid::kJsonb) return true;
  if (type.oid == type_oid::kText) {
    return drift.profile.objects() == 0 && drift.profile.arrays() == 0;
  }
  return (drift::MayFitWiderType(drift.cause) || drift.cause == drift::Cause::NotTextSoFar) &&
         WidenFor(type, drift.profile) == type;
}

Plan Rules::Propose(const Shape& shape, const DriftSet& drift, const Policy& policy) {
  return Proposal(shape, drift, policy).Make();
}

}  // namespace mend::plan
