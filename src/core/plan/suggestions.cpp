#include <algorithm>

#include "core/base/invisible.h"
#include "core/plan/lattice.h"
#include "core/plan/online.h"
#include "core/plan/proposal.h"
#include "core/plan/reading_rule.h"
#include "core/plan/wording.h"

namespace mend::plan {

using drift::Kind;

// Another family holds what the column's own does not: text what is scalar, jsonb all else.
void Proposal::SuggestOtherType(const Column& column, const std::vector<size_t>& left) {
  if (left.empty()) return;
  std::vector<size_t> read;
  const std::optional<Action> reading = ReadingOf(column, left, &read);
  // What is done unasked is no matter for the other question.
  std::vector<size_t> open = left;
  if (reading && policy_.allow.count(ActionKind::ReadAs) > 0) {
    open.erase(std::remove_if(
                   open.begin(), open.end(),
                   [&](size_t i) { return std::find(read.begin(), read.end(), i) != read.end(); }),
               open.end());
  }
  drift::Profile seen;
  for (size_t i : open) seen.Merge(drift_[i].profile);
  const bool has_no_text = Judge(column.type, {type_oid::kText, -1}) == Widening::Refused &&
                           Judge(column.type, {type_oid::kJsonb, -1}) == Widening::ToJsonb;
  const bool nested = seen.objects() > 0 || seen.arrays() > 0 || has_no_text;
  const Type type{nested ? type_oid::kJsonb : type_oid::kText, -1};
  const Widening wanted = nested ? Widening::ToJsonb : Widening::ToText;
  const ActionKind kind =
      ChangesFamily(column.type, type) ? ActionKind::ChangeType : ActionKind::WidenType;
  const std::string* rejected = IsRejected(column.name, kind);
  std::string obstacle =
      rejected != nullptr ? Named("column", column.name) + " is left alone: " + *rejected : "";
  Why why = rejected != nullptr ? Why::Held : Why::NoType;
  if (rejected == nullptr && WhyNotWiden(column, type, &obstacle) == Why::Held &&
      !obstacle.empty()) {
    why = Why::Held;
  }
  for (size_t i : left) {
    Leave(i, why,
          why == Why::Held ? obstacle
                           : Describe(column, drift_[i]) + ": no lossless type holds both");
  }
  const bool holds_all = seen.rows() > 0 && why != Why::Held && LockOf(column, type).empty() &&
                         column.generated == Generated::No && Judge(column.type, type) == wanted &&
                         (kind != ActionKind::ChangeType || column.family_locked_by.empty());
  if (holds_all) {
    Suggest(
        {kind, column.name, type, std::nullopt, false}, open,
        column.type.oid == type_oid::kBpchar ? "blanks at the end of its values would count" : "");
  }
  if (reading) {
    const bool asked = policy_.allow.count(ActionKind::ReadAs) == 0;
    Suggest(*reading, read);
    plan_.suggestions.back().alternative = holds_all && asked;
  }
}

// How the values of these classes are to be read, as far as it is known; `read` are those that
// are explained.
std::optional<Action> Proposal::ReadingOf(const Column& column, const std::vector<size_t>& classes,
                                          std::vector<size_t>* read) const {
  if (IsRejected(column.name, ActionKind::ReadAs) != nullptr) return std::nullopt;
  reading::Readings readings;
  for (size_t i : classes) {
    const reading::Readings more = ReadingFor(column, drift_[i], policy_.clocks);
    // Two classes of one kind of words would need one list.
    const bool is_other = std::any_of(more.begin(), more.end(), [&](const reading::Reading& one) {
      return one.kind != reading::Kind::NullIf &&
             std::any_of(readings.begin(), readings.end(), [&](const reading::Reading& held) {
               return held.kind == one.kind && !(held == one);
             });
    });
    if (more.empty() || is_other) continue;
    readings = reading::Joined(std::move(readings), more);
    read->push_back(i);
  }
  if (readings.empty()) return std::nullopt;
  Action action{ActionKind::ReadAs, column.name, {}, std::nullopt, false};
  action.reading = reading::Print(readings);
  return action;
}

// Exactly the labels that wait, of all columns of the enum. What rejects one of them rejects all.
void Proposal::SuggestLabels(uint32_t type, const std::vector<size_t>& drift) {
  Action action{ActionKind::AddEnumValue, "", {type, -1}, std::nullopt, false};
  for (const Column& column : shape_.columns) {
    if (column.type.oid != type) continue;
    if (action.column.empty()) action.column = column.name;
    const auto waiting = policy_.labels.find(column.name);
    if (waiting == policy_.labels.end()) continue;
    for (const std::string& label : waiting->second) {
      auto& labels = action.labels;
      if (std::find(labels.begin(), labels.end(), label) == labels.end()) labels.push_back(label);
    }
  }
  const std::string* rejected = IsRejected(action.column, ActionKind::AddEnumValue);
  for (size_t i : drift) {
    Leave(i, rejected != nullptr ? Why::Held : Why::NoType,
          rejected != nullptr ? Named("column", action.column) + " is left alone: " + *rejected
                              : Describe(*shape_.Find(drift_[i].column), drift_[i]));
  }
  if (rejected == nullptr) Suggest(std::move(action), drift);
}

void Proposal::Suggest(Action action, std::vector<size_t> drift, std::string ask) {
  Suggestion& suggestion = plan_.suggestions.emplace_back();
  suggestion.patch.rationale = action.why = Says(action) + Because(action.column, drift);
  suggestion.patch.actions.push_back(std::move(action));
  suggestion.drift = std::move(drift);
  suggestion.ask = std::move(ask);
}

std::string Proposal::Says(const Action& action) const {
  const Column* column = shape_.Find(action.column);
  const std::string name = Named("column", action.column);
  switch (action.kind) {
    case ActionKind::AddColumn: return "add " + name + " " + TypeText(action.type);
    case ActionKind::DropNotNull: return "let " + name + " be null";
    case ActionKind::ReadAs: return "read " + name + " by " + action.reading;
    case ActionKind::AddEnumValue:
      return "add " + std::to_string(action.labels.size()) +
             (action.labels.size() == 1 ? " label" : " labels") + " to enum " +
             (column != nullptr ? column->type_text : "") + ", which cannot be taken back";
    default: break;
  }
  return "change " + name + " from " + (column != nullptr ? column->type_text : "") + " to " +
         TypeText(action.type);
}

// What is wrong with the values, each cause once.
std::string Proposal::Because(const std::string& column, const std::vector<size_t>& drift) const {
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

// What only the enrolment stands in the way of, as one question.
void Proposal::SuggestNotAllowed() {
  if (!not_allowed_.patch.empty()) plan_.suggestions.push_back(std::move(not_allowed_));
  not_allowed_ = Suggestion();
}

// Payloads that share no key with the table: their keys become columns only with somebody's word.
void Proposal::SuggestEnvelope() {
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

void Proposal::SuggestRename(size_t i, const Rename& rename) {
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

// A field whose column a person took back goes on coming: to have it again, or to ignore it.
void Proposal::SuggestAgainOrIgnore(size_t i, const std::string& column,
                                    const std::string& reason) {
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

}  // namespace mend::plan
