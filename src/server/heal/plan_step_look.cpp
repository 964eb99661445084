// What rules must know of the stored rows and of those that wait.
#include <algorithm>
#include <set>

#include "server/apply/empty_column.h"
#include "server/guard/render.h"
#include "server/heal/plan_step.h"
#include "server/queue/queue_reader.h"

namespace mend::heal {
namespace {

// Where the enrolment says that it is.
json::Value RecordOf(const table::Target& target, const json::Document& payload) {
  return target.enrollment().at.Find(payload.root()).value;
}

}  // namespace

// The labels that waiting rows bring for enums which may be given some: those of a question that
// waits already, and those of the rows that are new since. None for an enum that is given too many:
// it is none.
std::map<std::string, std::vector<std::string>> PlanStep::FindLabels(
    const drift::DriftSet& drifts, const std::vector<apply::PatchRecord>& proposed) const {
  std::map<std::string, std::vector<std::string>> labels;
  std::map<std::string, const plan::Column*> columns;  // by field
  for (const drift::Drift& drift : drifts) {
    const plan::Column* column = shape_.Find(drift.column);
    if (drift.cause == drift::Cause::NotALabel && column != nullptr &&
        !guard::WhyNoLabels(shape_.relid, column->type.oid)) {
      columns[drift.field] = column;
    }
  }
  if (columns.empty()) {
    return labels;
  }
  bool all_asked = true;
  for (const auto& [field, column] : columns) {
    bool asked = false;
    for (const apply::PatchRecord& record : proposed) {
      if (record.planner == "rules" && plan::AddsLabels(record.patch.actions) &&
          record.patch.actions.front().type.oid == column->type.oid) {
        labels[column->name] = record.patch.actions.front().labels;
        asked = true;
      }
    }
    all_asked = all_asked && asked;
  }
  if (!all_asked || round_.folded > 0) {
    ReadLabels(columns, all_asked ? round_.window : queue::Window(), &labels);
  }
  constexpr size_t kMostLabels = 50;
  for (auto one = labels.begin(); one != labels.end();) {
    one = one->second.size() > kMostLabels ? labels.erase(one) : std::next(one);
  }
  return labels;
}

void PlanStep::ReadLabels(const std::map<std::string, const plan::Column*>& columns,
                          const queue::Window& window,
                          std::map<std::string, std::vector<std::string>>* labels) const {
  constexpr size_t kEnough = 1000;
  queue::QueueReader reader(round_.target, window);
  json::Document payload;
  for (queue::QueueBatch batch; reader.Next(&batch);) {
    for (const queue::QueuedRow& row : batch.rows) {
      const json::Value record =
          payload.Parse(row.payload) ? json::Value() : RecordOf(*target_, payload);
      if (!record || record.kind() != json::Kind::Object) {
        continue;
      }
      for (json::Value key = record.First(); key; key = record.After(key)) {
        const auto found = columns.find(std::string(key.text()));
        const json::Value value = record.ValueOf(key);
        if (found == columns.end() || value.kind() != json::Kind::String) {
          continue;
        }
        std::vector<std::string>& of = (*labels)[found->second->name];
        const std::string label(value.text());
        if (of.size() < kEnough && guard::MayBeLabel(found->second->type.oid, label) &&
            std::find(of.begin(), of.end(), label) == of.end()) {
          of.push_back(label);
        }
      }
    }
  }
}

// Whose renames the rows bear out: those that bring the field lack the column, and where it is
// required no other row does; where it is not, no row has it any more, and rows of the table have.
std::vector<plan::Rename> PlanStep::FindRenames(const drift::DriftSet& drifts) const {
  std::vector<plan::Rename> renames = plan::RenameCandidates(shape_, drifts);
  if (renames.empty()) {
    return renames;
  }
  constexpr size_t kRowsLookedAt = 1000;
  std::vector<bool> shown(renames.size()), refuted(renames.size());
  queue::QueueReader reader(round_.target, queue::Window(), 0, round_.before_batch);
  size_t looked_at = 0;
  json::Document payload;
  for (queue::QueueBatch batch; looked_at < kRowsLookedAt && reader.Next(&batch);) {
    for (const queue::QueuedRow& row : batch.rows) {
      if (++looked_at > kRowsLookedAt || payload.Parse(row.payload)) {
        continue;
      }
      const json::Value record = RecordOf(*target_, payload);
      if (!record || record.kind() != json::Kind::Object) {
        continue;
      }
      for (size_t i = 0; i < renames.size(); ++i) {
        const auto [field, column] = BroughtBy(record, renames[i]);
        shown[i] = shown[i] || (field && !column);
        refuted[i] = refuted[i] || (renames[i].required ? field == column : column);
      }
    }
  }
  std::vector<plan::Rename> kept;
  for (size_t i = 0; i < renames.size(); ++i) {
    if (shown[i] && !refuted[i] &&
        (renames[i].required || !apply::HoldsNoValue(shape_, renames[i].column))) {
      kept.push_back(std::move(renames[i]));
    }
  }
  return kept;
}

// Whether a payload brings a value for the field, and one for the column.
std::pair<bool, bool> PlanStep::BroughtBy(json::Value record, const plan::Rename& rename) const {
  bool field = false, column = false;
  for (json::Value key = record.First(); key; key = record.After(key)) {
    if (record.ValueOf(key).kind() == json::Kind::Null) {
      continue;
    }
    const table::Resolution meant = target_->Resolve(key.text());
    field = field || key.text() == rename.field;
    column = column || (meant.kind == table::Resolution::Kind::Column &&
                        shape_.columns[static_cast<size_t>(meant.column)].name == rename.column);
  }
  return {field, column};
}

// Looks what text is stored in own columns for whose numbers or booleans no type was found; whether
// there are any.
bool PlanStep::LookAtTexts(const drift::DriftSet& drifts, const plan::Plan& plan,
                           plan::Policy* policy) const {
  if (shape_.total_bytes > MaxRewrittenBytes()) {
    return false;
  }
  for (const plan::Unplanned& unplanned : plan.unplanned) {
    const drift::Drift& drift = drifts[unplanned.drift];
    const plan::Column* column = shape_.Find(drift.column);
    if (unplanned.why != plan::Why::NoType || drift.cause != drift::Cause::NotTextSoFar ||
        column == nullptr || policy->texts.count(column->name) > 0) {
      continue;
    }
    plan::Policy::Texts& texts = policy->texts[column->name];
    texts.booleans = apply::HoldsOnlyTextOf(plan::type_oid::kBool, shape_, column->name);
    texts.integers = apply::HoldsOnlyTextOf(plan::type_oid::kInt8, shape_, column->name);
    texts.numbers =
        texts.integers || apply::HoldsOnlyTextOf(plan::type_oid::kNumeric, shape_, column->name);
  }
  return !policy->texts.empty();
}

// Looks whether columns for whose drift no type was found hold no value; whether there are any.
// Changing the type of a larger table than mend.max_rewrite_size needs a person anyway.
bool PlanStep::FindEmptyColumns(const drift::DriftSet& drifts, const plan::Plan& plan,
                                plan::Policy* policy) const {
  if (shape_.total_bytes > MaxRewrittenBytes()) {
    return false;
  }
  std::set<std::string> looked_at;
  for (const plan::Unplanned& unplanned : plan.unplanned) {
    const std::string& name = drifts[unplanned.drift].column;
    const plan::Column* column = shape_.Find(name);
    if (unplanned.why == plan::Why::NoType && column != nullptr && !column->own &&
        column->generated == plan::Generated::No && !column->has_default && !column->not_null &&
        looked_at.insert(name).second && apply::HoldsOnlyNulls(shape_, name)) {
      policy->empty.insert(name);
    }
  }
  return !policy->empty.empty();
}

bool PlanStep::FindUnfitHints(const plan::Plan& plan, plan::Policy* policy) const {
  plan::Patch hinted;
  const auto take = [&](const plan::Patch& patch) {
    for (const plan::Action& action : patch.actions) {
      if (action.kind == plan::ActionKind::AddColumn &&
          plan::HintFor(policy->hints, action.column) != nullptr) {
        hinted.actions.push_back(action);
      }
    }
    hinted.field_map.insert(hinted.field_map.end(), patch.field_map.begin(), patch.field_map.end());
  };
  take(plan.patch);
  for (const plan::Suggestion& suggestion : plan.suggestions) {
    take(suggestion.patch);
  }
  if (hinted.actions.empty()) {
    return false;
  }
  policy->unfit_hints = ProveOnQueue(hinted).unfit;
  return !policy->unfit_hints.empty();
}

}  // namespace mend::heal
