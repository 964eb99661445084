#include <algorithm>
#include <unordered_map>

#include "core/base/invisible.h"
#include "core/plan/identifier.h"
#include "core/plan/lattice.h"
#include "core/plan/proposal.h"
#include "core/plan/wording.h"

namespace mend::plan {
namespace {

using drift::Kind;

constexpr int kMaxAttributes = 1600;  // PostgreSQL's own limit, dropped columns included

}  // namespace

// The ways to write a new field's name that tell it from others. What is cut tells nothing.
std::vector<std::string> Proposal::TellingSpellings(const std::string& field) {
  std::vector<std::string> spellings = Spellings(field);
  spellings.push_back(Normalise(field));
  spellings.erase(std::remove_if(spellings.begin(), spellings.end() - 1,
                                 [](const std::string& spelling) {
                                   return spelling.size() >= kMaxIdentifierBytes;
                                 }),
                  spellings.end() - 1);
  return spellings;
}

bool Proposal::IsName(const std::string& spelling) {
  return spelling.find_first_not_of('_') != std::string::npos;
}

// New fields that are spelled as one name in some way are one column: so they are if they come
// one after another.
std::vector<std::vector<size_t>> Proposal::OneColumnEach(const std::vector<size_t>& fields) const {
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

void Proposal::PlanNewColumn(const std::vector<size_t>& fields) {
  drift::Profile seen, absurd;
  size_t first = fields.front();  // it gives the name: best the field that bears it
  for (size_t i : fields) {
    (IsAbsurd(drift_[i]) ? absurd : seen).Merge(drift_[i].profile);
    if (drift_[i].field == Normalise(drift_[i].field)) first = i;
  }
  const Drift& drift = drift_[first];
  const std::string field = Named("field", drift.field);
  const auto leave = [&](Why why, const std::string& reason) {
    for (size_t i : fields) Leave(i, why, reason);
  };
  const bool all_absurd = seen.rows() == 0 && absurd.rows() > 0;
  if (all_absurd) seen = absurd;
  std::optional<Type> type = TypeForNew(seen, drift.field);
  const std::string name =
      ColumnNameFor(drift.field, [&](const std::string& taken) { return IsTaken(taken, fields); });
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
  const bool absurd_alone = all_absurd && !hinted && !asked;
  if (!may_add) {
    leave(Why::NotAllowed, field + " needs a column, and add_column is not allowed for this table");
  } else if (lacks_map) {
    leave(Why::NotAllowed, field + " needs a mapping to " + Named("column", name) +
                               ", and map_field is not allowed for this table");
  }
  Suggestion alone;
  Patch* patch = absurd_alone ? &alone.patch : asked ? &not_allowed_.patch : &plan_.patch;
  Act(patch, {ActionKind::AddColumn, name, *type, std::nullopt, false},
      "add " + Named("column", name) + " " + (hinted ? hint->type_text : TypeText(*type)) +
          " for new " + field + " (" + Evidence(seen) + HintSays(hint, hinted) + ")");
  for (size_t i : fields) {
    if (asked) not_allowed_.drift.push_back(i);
    if (needs_map(i)) patch->field_map.push_back({drift_[i].field, name});
  }
  if (absurd_alone) {
    leave(Why::NoRule,
          field + " is brought by a single row, with far more digits than numbers have");
    alone.drift = fields;
    alone.ask = "a single row asks for it, with far more digits than numbers have";
    plan_.suggestions.push_back(std::move(alone));
  }
  ++added_;
}

std::string Proposal::HintSays(const Hint* hint, bool followed) {
  if (hint == nullptr) return {};
  const std::string named = Named("hint", hint->pattern);
  return followed ? ", by " + named
                  : ", not all of which type " + hint->type_text + " of " + named + " takes";
}

std::string Proposal::WhyNoRoom() const {
  if (static_cast<int>(shape_.columns.size()) + added_ >= policy_.max_columns) {
    return "the table has reached its limit of " + std::to_string(policy_.max_columns) + " columns";
  }
  if (shape_.max_attnum + added_ >= kMaxAttributes) {
    return "the table has used up PostgreSQL's " + std::to_string(kMaxAttributes) +
           " columns, dropped ones included";
  }
  return {};
}

// A name that an existing or a planned column has, or would be found under, or that another new
// field bears.
bool Proposal::IsTaken(const std::string& name, const std::vector<size_t>& fields) const {
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

// A column for a field, which then finds it whatever was recorded of it.
bool Proposal::AddFor(size_t i, const std::string& wanted, Patch* patch) {
  std::optional<Type> type = TypeForNew(drift_[i].profile, wanted);
  const std::string name =
      ColumnNameFor(wanted, [&](const std::string& taken) { return IsTaken(taken, {i}); });
  const Hint* hint = HintFor(policy_.hints, name);
  const bool hinted = type && hint != nullptr && policy_.unfit_hints.count(name) == 0;
  if (hinted) type = hint->type;
  if (!type || !WhyNoRoom().empty() || !IsPrintable(name) || base::HasInvisible(drift_[i].field)) {
    return false;
  }
  Act(patch, {ActionKind::AddColumn, name, *type, std::nullopt, false},
      "add " + Named("column", name) + " " + (hinted ? hint->type_text : TypeText(*type)) +
          " for " + Named("field", drift_[i].field));
  patch->field_map.push_back({drift_[i].field, name});
  return true;
}

}  // namespace mend::plan
