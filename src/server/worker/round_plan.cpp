#include <algorithm>
#include <map>

#include "core/plan/fingerprint.h"
#include "core/plan/identifier.h"
#include "core/plan/rules.h"
#include "server/apply/prove.h"
#include "server/guard/check.h"
#include "server/guard/dependencies.h"
#include "server/guard/render.h"
#include "server/observe/events.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/pg/test_point.h"
#include "server/pg/work_transaction.h"
#include "server/worker/round_state.h"

namespace mend::worker {
namespace {

// A patch ready to be recorded.
struct Planned {
  apply::NewPatch record;
  plan::Patch patch;
  apply::Proof proof;
  drift::DriftSet covered;
};

class PlanStep {
 public:
  explicit PlanStep(RoundState* round) : round_(*round), target_(ingest::FindTarget(round->target)) {
    shape_ = target_->shape();
    guard::ExplainTypeLocks(&shape_);
  }

  // Plans all open drift; nullopt when nothing is left to apply or propose.
  std::optional<Planned> Run();
  // Why the patch must wait for a person, or empty.
  std::string WhyReview(const Planned& planned) const;
  // Puts it before a person, unless the same patch waits already.
  void Propose(const Planned& planned, const std::string& why);
  // Whether the same patch waits for a person already, proved on half of the rows that there are by now or more: a proof
  // reads the whole queue, and is not repeated for every row that arrives. Decides what it covers if so.
  bool WaitsAlready(const drift::DriftSet& drifts, const plan::Patch& patch);

 private:
  drift::DriftSet ToPlan();
  void MakePolicy();
  bool Held(const drift::Drift& drift) const;
  void HoldColumns();
  void CoolColumns();
  void LeaveForNextPatch(const drift::DriftSet& drifts, const plan::Patch& useful, const plan::Patch& now);
  void AwaitDecision(const drift::DriftSet& covered, int64_t id, const std::string& why);
  void SettleUnplanned(const drift::DriftSet& drifts, const plan::Plan& plan);

  RoundState& round_;
  std::shared_ptr<const ingest::Target> target_;
  plan::Shape shape_;
  plan::Policy policy_;
  struct Cooling {
    std::string reason;
    int64_t pause_ms;
  };
  std::map<std::string, Cooling> cooling_;  // columns that must wait
};

// Drift that is open and not decided in this round already. What only waits (for a foreign key's
// target, a partition) is no matter for a planner.
drift::DriftSet PlanStep::ToPlan() {
  apply::DriftBook book(round_.target);
  drift::DriftSet drifts;
  for (const drift::Drift& drift : book.drifts()) {
    if (round_.Decided(drift)) {
      continue;
    }
    if (drift.kind == drift::Kind::NoPartition || drift::IsFinal(drift.kind)) {
      round_.settlements.push_back({drift.field, drift.kind, "waiting", "its rows are tried again by themselves", {}});
      round_.Show("waiting", drift.kind == drift::Kind::NoPartition
                                 ? "no partition takes some rows: a person must add one"
                                 : "rows wait for the row they refer to");
      continue;
    }
    drifts.push_back(drift);
  }
  return drifts;
}

// What a person took back is not done again by itself.
void PlanStep::HoldColumns() {
  for (const ingest::FieldRecord& field : target_->fields()) {
    if (!field.held.empty()) {
      policy_.held_fields.emplace_back(field.field, field.held);
    } else if (field.column && shape_.Find(*field.column) == nullptr) {
      policy_.held_fields.emplace_back(field.field, "its column \"" + *field.column + "\" was dropped by a person");
    }
  }
  pg::Rows held = pg::KeepBooks(
      "SELECT a ->> 'column', 'patch ' || p.id || ' was ' || p.state || coalesce(' by ' || p.decided_by, '') || "
      "coalesce(': ' || p.reason, ''), a ->> 'kind' = 'add_column', p.state = 'applied' FROM (SELECT DISTINCT ON (a ->> 'column') p.*, a "
      "FROM mend.patches p, jsonb_array_elements(p.evidence -> 'actions') a WHERE p.target = $1 "
      "AND p.state IN ('rejected', 'reverted', 'applied') AND p.reason IS DISTINCT FROM 'the table was unenrolled' "
      "ORDER BY a ->> 'column', coalesce(p.decided_at, p.created_at) DESC, p.id DESC) p",
      {pg::ObjectId(round_.target)});
  for (size_t i = 0; i < held.size(); ++i) {
    bool adds = held.boolean(i, 2), applied = held.boolean(i, 3), there = shape_.Find(held.text(i, 0)) != nullptr;
    if (applied && adds && !there) {
      policy_.held_columns.emplace_back(held.text(i, 0), "a person has dropped or renamed it");
    } else if (!applied && !(adds && there)) {  // what was not to be added, and is there, a person has added
      policy_.held_columns.emplace_back(held.text(i, 0), held.text(i, 1));
    }
  }
}

void PlanStep::CoolColumns() {
  if (pg::column_cooldown_s == 0) {
    return;
  }
  pg::Rows rows = pg::KeepBooks(
      "SELECT a ->> 'column', (extract(epoch FROM max(p.applied_at) + $2 * interval '1 second' - clock_timestamp()) "
      "* 1000)::bigint FROM mend.patches p, jsonb_array_elements(p.evidence -> 'actions') a WHERE p.target = $1 "
      "AND p.state = 'applied' AND a ->> 'kind' <> 'add_column' "
      "AND p.applied_at > clock_timestamp() - $2 * interval '1 second' GROUP BY 1",
      {pg::ObjectId(round_.target), pg::Int8(static_cast<int64_t>(pg::column_cooldown_s))});
  for (size_t i = 0; i < rows.size(); ++i) {
    std::string reason = "column \"" + rows.text(i, 0) + "\" was changed less than mend.column_cooldown ago";
    cooling_[rows.text(i, 0)] = {reason, std::max<int64_t>(rows.int8(i, 1), 1000)};
    policy_.held_columns.emplace_back(rows.text(i, 0), reason);
  }
}

void PlanStep::MakePolicy() {
  policy_.allow = target_->enrollment().allow;
  policy_.max_columns = pg::max_columns;
  HoldColumns();
  CoolColumns();
}

bool PlanStep::Held(const drift::Drift& drift) const {
  auto names = [](const auto& held, const std::string& name) {
    return std::any_of(held.begin(), held.end(), [&](const auto& one) { return one.first == name; });
  };
  return names(policy_.held_fields, drift.field) || names(policy_.held_columns, drift.column);
}

// Drift that no planner answers: for a person, unless a patch that covers it waits for a decision, or
// its column cools down.
void PlanStep::SettleUnplanned(const drift::DriftSet& drifts, const plan::Plan& plan) {
  std::vector<apply::PatchRecord> proposed = apply::LoadPatches(*target_, "proposed");
  for (const plan::Unplanned& unplanned : plan.unplanned) {
    const drift::Drift& drift = drifts[unplanned.drift];
    auto cooling = cooling_.find(drift.column);
    // Only what the cool-down alone holds back waits for its end.
    if (cooling != cooling_.end() && unplanned.reason.find(cooling->second.reason) != std::string::npos) {
      round_.Decide(drift, apply::Fate::To::Wait, cooling->second.reason);
      round_.Show("waiting", cooling->second.reason);
      round_.PauseFor(cooling->second.pause_ms);
      continue;
    }
    auto waits = std::find_if(proposed.begin(), proposed.end(), [&](const apply::PatchRecord& record) {
      return apply::Covers(record.patch, ingest::Patched(*target_, record.patch), drift.field, drift.column);
    });
    if (waits != proposed.end()) {
      std::string id = std::to_string(waits->id);
      round_.Decide(drift, apply::Fate::To::Wait, "patch " + id + " waits for a decision", waits->id);
      round_.Show("review", "patch " + id + " waits for mend.approve(" + id + ")");
      continue;
    }
    bool held = Held(drift) || unplanned.reason.find(" is left alone: ") != std::string::npos;
    round_.Decide(drift, apply::Fate::To::DeadLetter,
                  unplanned.reason + (held ? "" : "; no other planner is configured"));
  }
}

// What is of use but has no row in the sample is for the patch after this one: its rows wait as they are.
void PlanStep::LeaveForNextPatch(const drift::DriftSet& drifts, const plan::Patch& useful, const plan::Patch& now) {
  if (now.actions.size() == useful.actions.size()) {
    return;
  }
  round_.again = true;
  ingest::Target after_all = ingest::Patched(*target_, useful), after_this = ingest::Patched(*target_, now);
  for (const drift::Drift& drift : drifts) {
    if (!round_.Decided(drift) && apply::Covers(useful, after_all, drift.field, drift.column) &&
        !apply::Covers(now, after_this, drift.field, drift.column)) {
      round_.Decide(drift, apply::Fate::To::Wait, "the next patch is for it");
    }
  }
}

std::optional<Planned> PlanStep::Run() {
  drift::DriftSet drifts = Admitted(&round_, shape_, ToPlan());
  if (drifts.empty()) {
    return std::nullopt;
  }
  MakePolicy();
  plan::Plan plan;
  if (pg::PlannerEnabled("rules")) {
    plan = plan::Rules().Propose(shape_, drifts, policy_);
  } else {
    for (size_t i = 0; i < drifts.size(); ++i) {
      plan.unplanned.push_back({i, "mend.planners names no planner that could answer"});
    }
  }
  SettleUnplanned(drifts, plan);
  if (plan.patch.empty() || WaitsAlready(drifts, plan.patch)) {
    return std::nullopt;
  }
  Planned planned;
  planned.record.proposed_ddl = guard::Render(shape_, plan.patch.actions);
  planned.proof = apply::Prove(*target_, plan.patch, apply::Evidence::Queue);
  planned.patch = apply::Helpful(plan.patch, planned.proof, target_->enrollment().mode == ingest::Mode::Auto);
  LeaveForNextPatch(drifts, apply::Helpful(plan.patch, planned.proof, false), planned.patch);
  if (planned.patch.empty()) {
    return std::nullopt;
  }
  if (planned.patch.actions.size() != plan.patch.actions.size()) {
    planned.proof = apply::Prove(*target_, planned.patch, apply::Evidence::Queue);
  }
  ingest::Target patched = ingest::Patched(*target_, planned.patch);
  for (const drift::Drift& drift : drifts) {
    if (!round_.Decided(drift) && apply::Covers(planned.patch, patched, drift.field, drift.column)) {
      planned.covered.push_back(drift);
    }
  }
  planned.record.planner = "rules";
  planned.record.ddl = guard::Render(shape_, planned.patch.actions);
  planned.record.inverse_ddl = guard::RenderInverse(shape_, planned.patch.actions);
  planned.record.field_map = planned.patch.field_map;
  planned.record.rationale = plan.patch.rationale;
  planned.record.evidence = apply::EvidenceJson(planned.patch, *target_, planned.covered, planned.proof);
  planned.record.fingerprint = plan::DriftFingerprint(shape_, drifts);
  planned.record.rewrites = apply::RewritesTable(shape_, planned.patch);
  planned.record.proposed_by = observe::kWorker;
  return planned;
}

std::string PlanStep::WhyReview(const Planned& planned) const {
  if (target_->enrollment().mode == ingest::Mode::Review) {
    return "the table is in review mode";
  }
  std::vector<std::string> publications = guard::PublicationsOf(round_.target);
  if (!publications.empty() && !target_->enrollment().allow_published && !planned.patch.actions.empty()) {
    return "the table is in publication " + publications.front() + ": a new shape may stop its subscribers";
  }
  int64_t limit = static_cast<int64_t>(pg::max_rewrite_mb) * 1024 * 1024;
  if (planned.record.rewrites && shape_.total_bytes > limit) {
    return "it rewrites the table, which has " + std::to_string(shape_.total_bytes / 1024 / 1024) +
           " MB: more than mend.max_rewrite_size";
  }
  return "";
}

void PlanStep::Propose(const Planned& planned, const std::string& why) {
  pg::Rows same = pg::KeepBooks(
      "SELECT id FROM mend.patches WHERE target = $1 AND state = 'proposed' AND coalesce(ddl, '') = $2 "
      "AND field_map = $3::jsonb",
      {pg::ObjectId(round_.target), pg::Text(planned.record.ddl),
       pg::Text(apply::FieldMapToJson(planned.record.field_map))});
  int64_t id = 0;
  if (!same.empty()) {
    id = same.int8(0, 0);
    pg::KeepBooks("UPDATE mend.patches SET evidence = $2::jsonb WHERE id IN "
                  "(SELECT id FROM mend.patches WHERE id = $1 FOR UPDATE SKIP LOCKED)",
                  {pg::Int8(id), pg::Text(planned.record.evidence)});
  } else {
    apply::NewPatch record = planned.record;
    record.state = "proposed";
    record.reason = why;
    id = apply::InsertPatch(*target_, record);
    pg::KeepBooks(
        "UPDATE mend.patches SET state = 'refused', reason = 'superseded by patch ' || $2 WHERE target = $1 "
        "AND id IN (SELECT id FROM mend.patches WHERE target = $1 AND state = 'proposed' AND planner = 'rules' "
        "AND id <> $2 FOR UPDATE SKIP LOCKED)",
        {pg::ObjectId(round_.target), pg::Int8(id)});
    observe::Record("patch_proposed", round_.target_name, id, "{}", observe::kWorker);
  }
  AwaitDecision(planned.covered, id, why);
}

void PlanStep::AwaitDecision(const drift::DriftSet& covered, int64_t id, const std::string& why) {
  std::string name = std::to_string(id);
  for (const drift::Drift& drift : covered) {
    round_.Decide(drift, apply::Fate::To::Wait, "patch " + name + " waits for a decision: " + why, id);
  }
  round_.Show("review", "patch " + name + " waits for mend.approve(" + name + "): " + why);
}

bool PlanStep::WaitsAlready(const drift::DriftSet& drifts, const plan::Patch& patch) {
  Planned glance;
  glance.patch = patch;
  glance.record.rewrites = apply::RewritesTable(shape_, patch);
  std::string why = WhyReview(glance);
  if (why.empty()) {
    return false;
  }
  int64_t rows = 0;
  for (const drift::Drift& drift : drifts) {
    rows = std::max(rows, drift.row_count);
  }
  pg::Rows same = pg::KeepBooks(
      "SELECT id FROM mend.patches WHERE target = $1 AND state = 'proposed' AND proposed_by = 'pg_mend' "
      "AND proposed_ddl = $2 AND field_map = $3::jsonb AND (evidence #>> '{proof,rows_tried}')::bigint * 2 >= $4",
      {pg::ObjectId(round_.target), pg::Text(guard::Render(shape_, patch.actions)),
       pg::Text(apply::FieldMapToJson(patch.field_map)), pg::Int8(rows)});
  if (same.empty()) {
    return false;
  }
  ingest::Target patched = ingest::Patched(*target_, patch);
  drift::DriftSet covered;
  for (const drift::Drift& drift : drifts) {
    if (!round_.Decided(drift) && apply::Covers(patch, patched, drift.field, drift.column)) {
      covered.push_back(drift);
    }
  }
  AwaitDecision(covered, same.int8(0, 0), why);
  return true;
}

}  // namespace

void PlanAndApply(RoundState* round) {
  apply::PatchRecord record;
  apply::Proof proof;
  {
    pg::WorkTransaction transaction;
    PlanStep step(round);
    std::optional<Planned> planned = step.Run();
    std::string why = planned ? step.WhyReview(*planned) : "";
    if (!planned || !why.empty()) {
      if (planned) {
        step.Propose(*planned, why);
      }
      transaction.Commit();
      return;
    }
    pg::TestPoint("planned");
    planned->record.state = "approved";
    record.id = apply::InsertPatch(*ingest::FindTarget(round->target), planned->record);
    record.planner = planned->record.planner;
    record.ddl = planned->record.ddl;
    record.patch = planned->patch;
    record.rewrites = planned->record.rewrites;
    proof = planned->proof;
    transaction.Commit();
  }
  pg::TestPoint("recorded");
  ApplyRecord(round, std::move(record), proof);
}

}  // namespace mend::worker
