#include "server/heal/unplanned_drift.h"

#include <algorithm>
#include <set>

#include "core/plan/rules.h"
#include "server/apply/drifts.h"
#include "server/apply/patches.h"
#include "server/claude/access.h"
#include "server/guard/dependencies.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"

namespace mend::heal {
namespace {

// What a person took back is not done again by itself.
void HoldColumns(const table::Target& target, const plan::Shape& shape, plan::Policy* policy) {
  bool any_held = false;
  for (const table::FieldRecord& field : target.fields()) {
    if (!field.held.empty()) {
      policy->held_fields.emplace_back(field.field, field.held);
      any_held = true;
    } else if (field.column && shape.Find(*field.column) == nullptr) {
      policy->held_fields.emplace_back(
          field.field, "its column \"" + *field.column + "\" was dropped by a person");
      policy->taken_back[field.field] = *field.column;
    }
  }
  if (any_held) {
    const pg::Rows reverted = pg::RunPrepared(
        "SELECT f.field, coalesce(p.field_map ->> f.field, f.field) FROM mend.fields f JOIN "
        "mend.patches p ON p.id = f.patch_id WHERE f.target = $1 AND f.held IS NOT NULL AND "
        "p.state = 'reverted'",
        {pg::ObjectId(target.shape().relid)});
    for (size_t i = 0; i < reverted.size(); ++i) {
      policy->taken_back[reverted.text(i, 0)] = reverted.text(i, 1);
    }
  }
  pg::Rows held = pg::RunPrepared(
      "SELECT a ->> 'column', 'patch ' || p.id || ' was ' || p.state || coalesce(' by ' || "
      "p.decided_by, '') || "
      "coalesce(': ' || p.reason, ''), a ->> 'kind' = 'add_column', p.state = 'applied', p.state = "
      "'reverted' "
      "FROM "
      "(SELECT DISTINCT ON (a ->> 'column') p.*, a "
      "FROM mend.patches p, jsonb_array_elements(p.evidence -> 'actions') a WHERE p.target = $1 "
      "AND p.state IN ('rejected', 'reverted', 'applied') AND NOT p.evidence ? 'unenrolled' "
      // Of these the action alone is held, below.
      "AND a ->> 'kind' NOT IN ('drop_not_null', 'set_default', 'read_as', 'add_enum_value') "
      "AND NOT (p.state = 'rejected' AND a ->> 'kind' = 'change_type') "
      "ORDER BY a ->> 'column', coalesce(p.decided_at, p.created_at) DESC, p.id DESC) p",
      {pg::ObjectId(target.shape().relid)});
  for (size_t i = 0; i < held.size(); ++i) {
    bool adds = held.boolean(i, 2), applied = held.boolean(i, 3),
         there = shape.Find(held.text(i, 0)) != nullptr;
    if (applied && adds && !there) {
      policy->held_columns.emplace_back(held.text(i, 0), "a person has dropped or renamed it");
      policy->dropped.insert(held.text(i, 0));
    } else if (!applied &&
               !(adds && there)) {  // what was not to be added, and is there, a person has added
      policy->held_columns.emplace_back(held.text(i, 0), held.text(i, 1));
      if (adds && held.boolean(i, 4)) {
        policy->dropped.insert(held.text(i, 0));
      }
    }
  }
}

// What a person did not want of a column keeps no other answer from it.
void RejectActions(const table::Target& target, plan::Policy* policy) {
  const pg::Rows latest = pg::RunPrepared(
      "SELECT a ->> 'column', a ->> 'kind', 'patch ' || p.id || ' was ' || p.state || coalesce(' "
      "by ' || p.decided_by, '') || coalesce(': ' || p.reason, ''), p.state = 'applied' FROM "
      "(SELECT DISTINCT ON (a ->> 'column', a ->> 'kind') p.*, a FROM mend.patches p, "
      "jsonb_array_elements(p.evidence -> 'actions') a WHERE p.target = $1 AND (p.state IN "
      "('rejected', 'applied') OR p.state = 'reverted' AND a ->> 'kind' <> 'change_type') AND a "
      "->> 'kind' IN ('change_type', 'drop_not_null', 'set_default', 'read_as', 'add_enum_value') "
      "AND NOT p.evidence "
      "? "
      "'unenrolled' ORDER BY a ->> 'column', a ->> 'kind', coalesce(p.decided_at, p.created_at) "
      "DESC, p.id DESC) p",
      {pg::ObjectId(target.shape().relid)});
  for (size_t i = 0; i < latest.size(); ++i) {
    const std::optional<plan::ActionKind> kind = plan::ActionKindFromName(latest.text(i, 1));
    if (kind && !latest.boolean(i, 3)) {
      policy->rejected[{latest.text(i, 0), *kind}] = latest.text(i, 2);
    }
  }
}

void CoolColumns(const table::Target& target, Terms* terms) {
  if (pg::column_cooldown_s == 0) {
    return;
  }
  pg::Rows rows = pg::RunPrepared(
      "SELECT a ->> 'column', (extract(epoch FROM max(w.at) + $2 * interval '1 second' - "
      "clock_timestamp()) * 1000)::bigint, bool_and(p.state = 'failed') "
      "FROM mend.patches p, jsonb_array_elements(p.evidence -> 'actions') a, "
      "LATERAL (SELECT coalesce(p.applied_at, p.created_at)) w (at) WHERE p.target = $1 "
      // A rewrite in vain has taken the lock, too, and a sender can have it for a row that is
      // stored already. (A person's is his own affair.)
      "AND (p.state = 'applied' OR p.state = 'failed' AND p.rewrites_table AND p.planner NOT IN "
      "('person', 'agent') AND p.created_at > coalesce((SELECT g.breaker_reset FROM mend.progress "
      "g "
      "WHERE g.target = $1), '-infinity')) AND a ->> 'kind' NOT IN ('add_column', 'read_as', "
      "'add_enum_value') "
      "AND w.at > clock_timestamp() - $2 * interval '1 second' GROUP BY 1",
      {pg::ObjectId(target.shape().relid), pg::Int8(static_cast<int64_t>(pg::column_cooldown_s))});
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string name = rows.text(i, 0);
    const bool in_vain = rows.boolean(i, 2);
    const plan::Column* column = target.shape().Find(name);
    if (!in_vain && column != nullptr && column->own) {
      continue;  // its type has few steps to go
    }
    const auto& held = terms->policy.held_columns;
    if (std::none_of(held.begin(), held.end(),
                     [&](const auto& one) { return one.first == name; })) {
      terms->policy.cooling.insert(name);
    }
    std::string reason =
        in_vain ? "a change of column \"" + name +
                      "\" rewrote the table in vain less than mend.column_cooldown ago"
                : "column \"" + name + "\" was changed less than mend.column_cooldown ago";
    terms->cooling[name] = {reason, std::max<int64_t>(rows.int8(i, 1), 1000)};
    terms->policy.held_columns.emplace_back(name, reason);
  }
}

// Where all readings of the table that name a zone name the same, it is that of its other clocks.
plan::Clocks ClocksOf(const table::Target& target) {
  plan::Clocks clocks;
  clocks.naive = target.enrollment().naive_zone.has_value();
  std::set<std::string> zones;
  for (const table::FieldRecord& field : target.fields()) {
    const base::Result<reading::Readings> readings = reading::Parse(field.reading);
    if (field.reading.empty() || !readings) {
      continue;
    }
    for (const reading::Reading& reading : *readings) {
      if (reading.kind == reading::Kind::TimeZone) {
        zones.insert(reading.words.front());
      }
    }
  }
  if (zones.size() == 1) {
    clocks.zone = *zones.begin();
  }
  return clocks;
}

bool Held(const plan::Policy& policy, const drift::Drift& drift) {
  const auto names = [](const auto& held, const std::string& name) {
    return std::any_of(held.begin(), held.end(),
                       [&](const auto& one) { return one.first == name; });
  };
  return names(policy.held_fields, drift.field) || names(policy.held_columns, drift.column) ||
         std::any_of(policy.rejected.begin(), policy.rejected.end(), [&](const auto& one) {
           return one.first.first == drift.column && plan::Answers(one.first.second, drift.kind);
         });
}

// The drift that mend.retry() would bring back, newest first; a column that has gone since is no
// matter.
drift::DriftSet BuriedDrift(Oid target) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT DISTINCT ON (d.field, d.kind, d.cause) " MEND_DRIFT_COLUMNS
      " "
      "FROM mend.drifts d WHERE d.target = $1 AND d.state = 'dead_lettered' AND EXISTS (SELECT "
      "FROM mend.dead_letters l "
      "WHERE l.target = $1 AND d.field = ANY (l.fields)) ORDER BY d.field, d.kind, "
      "d.cause, d.id DESC",
      {pg::ObjectId(target)});
  drift::DriftSet drifts;
  for (size_t i = 0; i < rows.size(); ++i) {
    drift::Drift drift = apply::ReadDrift(rows, i);
    if (!drift::IsFinal(drift.kind) && drift.kind != drift::Kind::NoPartition) {
      drifts.push_back(std::move(drift));
    }
  }
  return drifts;
}

// Whether a patch has all labels that wait for an enum.
bool HasLabels(const plan::Action& action, const std::vector<std::string>& labels) {
  return std::all_of(labels.begin(), labels.end(), [&](const std::string& label) {
    return std::find(action.labels.begin(), action.labels.end(), label) != action.labels.end();
  });
}

// Whether the type that a patch gives to the drift's column takes the values.
bool MakesFit(const plan::Patch& patch, const drift::Drift& drift, const plan::Policy& policy) {
  const auto labels = policy.labels.find(drift.column);
  if (plan::AddsLabels(patch.actions)) {
    return labels != policy.labels.end() && HasLabels(patch.actions.front(), labels->second);
  }
  return !drift::IsAboutType(drift.kind) ||
         std::none_of(patch.actions.begin(), patch.actions.end(), [&](const plan::Action& action) {
           return action.column == drift.column && plan::ChangesType(action.kind) &&
                  !plan::Holds(action.type, drift);
         });
}

// Whether a patch is the question what payloads are that share no key with the table.
bool IsAboutEnvelope(const table::Target& target, const apply::PatchRecord& record,
                     const drift::DriftSet& drifts) {
  const table::Target patched = table::Patched(target, record.patch);
  return std::any_of(drifts.begin(), drifts.end(), [&](const drift::Drift& drift) {
    return drift.cause == drift::Cause::SharesNoKey && drift.kind == drift::Kind::NewField &&
           apply::Covers(record.patch, patched, drift);
  });
}

// Where Claude comes first, it is asked about what rules could answer too.
void AddProvable(const drift::DriftSet& drifts, const plan::Plan& plan,
                 std::vector<UnplannedDrift>* unplanned) {
  for (size_t i = 0; i < drifts.size(); ++i) {
    const bool left = std::any_of(plan.unplanned.begin(), plan.unplanned.end(),
                                  [&](const plan::Unplanned& one) { return one.drift == i; });
    if (!left) {
      UnplannedDrift& unplanned_drift = unplanned->emplace_back();
      unplanned_drift.drift = i;
      unplanned_drift.provable = true;
    }
  }
}

void ReadOwnColumns(const plan::Shape& shape, plan::Policy* policy) {
  if (std::none_of(shape.columns.begin(), shape.columns.end(),
                   [](const plan::Column& column) { return column.own; })) {
    return;
  }
  const pg::Rows rows =
      pg::RunPrepared("SELECT column_name, profile::text FROM mend.own_columns WHERE target = $1",
                      {pg::ObjectId(shape.relid)});
  for (size_t i = 0; i < rows.size(); ++i) {
    const plan::Column* column = shape.Find(rows.text(i, 0));
    const std::optional<drift::Profile> profile = drift::Profile::FromJson(rows.text(i, 1));
    if (column != nullptr && column->own && profile) {
      policy->own.emplace(column->name, *profile);
    }
  }
}

}  // namespace

Terms LoadTerms(const table::Target& target, const plan::Shape& shape) {
  Terms terms;
  terms.policy.allow = target.enrollment().allow;
  terms.policy.online = target.enrollment().online;
  terms.policy.hints = target.enrollment().hints;
  terms.policy.max_columns = pg::max_columns;
  HoldColumns(target, shape, &terms.policy);
  RejectActions(target, &terms.policy);
  CoolColumns(target, &terms);
  ReadOwnColumns(shape, &terms.policy);
  terms.policy.clocks = ClocksOf(target);
  return terms;
}

plan::Plan AskRules(const plan::Shape& shape, const drift::DriftSet& drifts,
                    const plan::Policy& policy) {
  if (pg::PlannerEnabled("rules")) {
    return plan::Rules().Propose(shape, drifts, policy);
  }
  plan::Plan plan;
  for (size_t i = 0; i < drifts.size(); ++i) {
    plan.unplanned.push_back({i,
                              pg::PlannerEnabled("claude")
                                  ? "rules are not asked (mend.planners)"
                                  : "mend.planners names no planner that could answer",
                              plan::Why::NoRule});
  }
  return plan;
}

std::vector<UnplannedDrift> FindUnplannedDrift(const table::Target& target, const Terms& terms,
                                               const drift::DriftSet& drifts,
                                               const plan::Plan& plan,
                                               const std::vector<apply::PatchRecord>& proposed) {
  std::vector<UnplannedDrift> unplanned;
  for (const plan::Unplanned& given : plan.unplanned) {
    const drift::Drift& drift = drifts[given.drift];
    UnplannedDrift& unplanned_drift = unplanned.emplace_back();
    unplanned_drift.drift = given.drift;
    unplanned_drift.reason = given.reason;
    const auto cooling = terms.cooling.find(drift.column);
    // Only what the cool-down alone holds back waits for its end.
    if (cooling != terms.cooling.end() &&
        (given.why == plan::Why::Cooling || !pg::PlannerEnabled("rules"))) {
      unplanned_drift.status = UnplannedDrift::Status::Cooling;
      unplanned_drift.reason = cooling->second.reason;
      unplanned_drift.pause_ms = cooling->second.pause_ms;
      continue;
    }
    const auto waits =
        std::find_if(proposed.begin(), proposed.end(), [&](const apply::PatchRecord& record) {
          if (drift.cause == drift::Cause::SharesNoKey && record.planner == "rules" &&
              IsAboutEnvelope(target, record, drifts)) {
            return true;
          }
          return apply::Covers(record.patch, table::Patched(target, record.patch), drift) &&
                 (record.planner != "rules" || MakesFit(record.patch, drift, terms.policy));
        });
    if (waits != proposed.end()) {
      unplanned_drift.status = UnplannedDrift::Status::Proposed;
      unplanned_drift.reason = waits->put_back.value_or("");
      unplanned_drift.patch = waits->id;
      unplanned_drift.suggested = waits->planner == "rules" && !waits->put_back;
    } else if (Held(terms.policy, drift) || given.why == plan::Why::Held) {
      unplanned_drift.status = UnplannedDrift::Status::Held;
    }
  }
  if (pg::PlannerPrecedes("claude", "rules")) {
    AddProvable(drifts, plan, &unplanned);
  }
  return unplanned;
}

std::optional<claude::Question> MakeQuestion(const table::Target& target, const plan::Shape& shape,
                                             const Terms& terms, const drift::DriftSet& drifts,
                                             const plan::Plan& plan,
                                             const std::vector<UnplannedDrift>& unplanned) {
  std::vector<plan::Unplanned> open;
  for (const UnplannedDrift& unplanned_drift : unplanned) {
    // What rules suggest is no answer of Claude's.
    if (unplanned_drift.status == UnplannedDrift::Status::Open || unplanned_drift.suggested) {
      open.push_back({unplanned_drift.drift, unplanned_drift.reason, plan::Why::NoRule});
    }
  }
  if (open.empty()) {
    return std::nullopt;
  }
  claude::Question question;
  question.target = shape.relid;
  question.target_name = target.enrollment().target_name;
  question.shape = shape;
  question.policy = terms.policy;
  question.drift = claude::DriftToAsk(drifts, open);
  question.provable = plan.patch;
  return question;
}

std::optional<std::string> PreviewPrompt(Oid relid) {
  const std::shared_ptr<const table::Target> target = table::FindTarget(relid);
  plan::Shape shape = target->shape();
  guard::ExplainTypeLocks(&shape);
  drift::DriftSet drifts;
  const apply::DriftStore book(relid);
  for (const drift::Drift& drift : book.drifts()) {
    if (!drift::IsFinal(drift.kind) && drift.kind != drift::Kind::NoPartition) {
      drifts.push_back(drift);
    }
  }
  const bool buried = drifts.empty();
  if (buried) {
    drifts = BuriedDrift(relid);
  }
  const Terms terms = LoadTerms(*target, shape);
  const plan::Plan plan = AskRules(shape, drifts, terms.policy);
  std::optional<claude::Question> question = MakeQuestion(
      *target, shape, terms, drifts, plan,
      FindUnplannedDrift(*target, terms, drifts, plan, apply::LoadPatches(*target, "proposed")));
  if (!question || !pg::PlannerEnabled("claude")) {
    return std::nullopt;
  }
  claude::ReadShare(&*question);
  question->fingerprint = claude::Fingerprint(*question);
  claude::ReadEvidence(&*question, buried ? apply::Evidence::DeadLetters : apply::Evidence::Queue);
  return plan::claude::FirstRequest(claude::SettingsFor(claude::LoadAccess().endpoint),
                                    question->AsCase());
}

}  // namespace mend::heal
