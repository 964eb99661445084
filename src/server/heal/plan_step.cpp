#include "server/heal/plan_step.h"

#include <algorithm>

#include "core/plan/fingerprint.h"
#include "core/plan/wording.h"
#include "server/apply/speculative_proof.h"
#include "server/claude/judge.h"
#include "server/guard/render.h"
#include "server/observe/events.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"

namespace mend::heal {
namespace {

constexpr int64_t kRowsOfLongProof = 256;

}  // namespace

// Drift that is open and not decided in this round already. What only waits (for a foreign key's
// target, a partition) is no matter for a planner.
drift::DriftSet PlanStep::ToPlan() {
  apply::DriftBook book(round_.target);
  drift::DriftSet drifts;
  for (const drift::Drift& drift : book.drifts()) {
    most_rows_ = std::max(most_rows_, drift.row_count);
    if (round_.Decided(drift)) {
      continue;
    }
    if (drift.kind == drift::Kind::NoPartition || drift::IsFinal(drift.kind)) {
      round_.settlements.push_back({drift.id, drift.field, drift.kind, "waiting", "its rows are tried again by themselves", {}});
      round_.Show("waiting", drift.kind == drift::Kind::NoPartition
                                 ? "no partition takes some rows: a person must add one"
                                 : "rows wait for the row they refer to");
      continue;
    }
    drifts.push_back(drift);
  }
  return drifts;
}

// Drift that no rule answers and that Claude is not asked about.
void PlanStep::SettleLeftover(const drift::Drift& drift, const Leftover& leftover) {
  const std::string id = std::to_string(leftover.patch);
  const std::string why = leftover.reason.empty() ? "" : ": " + leftover.reason;
  switch (leftover.why) {
    case Leftover::Why::Cooling:
      round_.Decide(drift, queue::Fate::To::Wait, leftover.reason);
      round_.Show("waiting", leftover.reason);
      return round_.PauseFor(leftover.pause_ms);
    case Leftover::Why::Proposed:
      round_.Decide(drift, queue::Fate::To::Wait, "patch " + id + " waits for a decision" + why, leftover.patch);
      return round_.Show("review", "patch " + id + " waits for mend.approve(" + id + ")" + why);
    case Leftover::Why::Held:
      return round_.Decide(drift, queue::Fate::To::DeadLetter, leftover.reason);
    case Leftover::Why::Open:
      return;
  }
}

// A patch of Claude's that waits for a decision holds what rules have, too: not to be proposed a second time. So does one that
// was put before a person because it could not be applied: not to be tried again for every row that arrives.
void PlanStep::LeaveToReview(drift::DriftSet* drifts, const std::vector<apply::PatchRecord>& proposed) {
  for (const apply::PatchRecord& record : proposed) {
    if (record.planner != "claude" && !record.put_back) {
      continue;
    }
    const table::Target patched = table::Patched(*target_, record.patch);
    Leftover leftover;
    leftover.why = Leftover::Why::Proposed;
    leftover.patch = record.id;
    leftover.reason = record.put_back.value_or("");
    drifts->erase(std::remove_if(drifts->begin(), drifts->end(),
                                 [&](const drift::Drift& drift) {
                                   const bool covers = apply::Covers(record.patch, patched, drift.field, drift.column);
                                   if (covers) {
                                     SettleLeftover(drift, leftover);
                                   }
                                   return covers;
                                 }),
                  drifts->end());
  }
}

void PlanStep::BuryOpen(const std::vector<Leftover>& leftovers, const drift::DriftSet& drifts, const std::string& why) {
  for (const Leftover& leftover : leftovers) {
    if (leftover.why == Leftover::Why::Open && !leftover.provable) {
      round_.Decide(drifts[leftover.drift], queue::Fate::To::DeadLetter, leftover.reason + "; " + why);
    }
  }
}

// What the answer means for the drift that rules left; a patch is merged into `plan`.
void PlanStep::TakeAnswer(const claude::Answer& answer, const std::vector<Leftover>& leftovers,
                          const drift::DriftSet& drifts, plan::Plan* plan) {
  using To = claude::Answer::To;
  if (answer.to == To::Patch) {
    base::Result<plan::Patch> patch = claude::ReadProposal(*target_, answer.patch);
    if (patch) {
      patch->rationale = answer.patch.rationale;
      answered_ = *patch;
      plan->patch = claude::Merge(*patch, plan->patch);
      return;  // what it leaves is met by the rows that still do not fit, and planned in another round
    }
  }
  if (answer.to == To::Again || answer.to == To::Patch) {
    round_.again = true;
    return;
  }
  for (const Leftover& leftover : leftovers) {
    const drift::Drift& drift = drifts[leftover.drift];
    if (leftover.why != Leftover::Why::Open || leftover.provable) {
      continue;
    }
    if (answer.to == To::Wait) {
      round_.Decide(drift, queue::Fate::To::Wait, leftover.reason + "; " + answer.reason);
    } else if (answer.Concerns(drift)) {
      round_.Decide(drift, queue::Fate::To::DeadLetter, leftover.reason + "; " + answer.reason);
    } else {
      round_.again = true;
    }
  }
  if (answer.to == To::Wait) {
    round_.Show(answer.breaker ? "breaker" : "waiting", answer.reason);
    round_.PauseFor(answer.pause_ms);
  }
}

std::optional<Planned> PlanStep::Run(const claude::Access& access, std::optional<claude::Answer> answer,
                                     std::optional<claude::Question>* question) {
  // The breaker is asked once a round: what it holds back is decided then.
  drift::DriftSet drifts = answer ? ToPlan() : Admitted(&round_, shape_, ToPlan());
  if (drifts.empty()) {
    return std::nullopt;
  }
  if (std::any_of(drifts.begin(), drifts.end(), [](const auto& drift) { return drift.kind != drift::Kind::NewField; })) {
    ExplainTypeLocks();
  }
  std::vector<apply::PatchRecord> proposed;
  if (round_.patches_wait) {
    proposed = apply::LoadPatches(*target_, "proposed");
  }
  LeaveToReview(&drifts, proposed);
  const Terms terms = LoadTerms(*target_, shape_);
  plan::Plan plan = AskRules(shape_, drifts, terms.policy);
  const std::vector<Leftover> leftovers = FindLeftovers(*target_, terms, drifts, plan, proposed);
  for (const Leftover& leftover : leftovers) {
    SettleLeftover(drifts[leftover.drift], leftover);
  }
  if (!leftovers.empty()) {
    ExplainTypeLocks();
  }
  if (!pg::PlannerEnabled("claude")) {
    BuryOpen(leftovers, drifts, "no other planner is configured");
  } else if (access.state == claude::Access::State::Absent) {
    BuryOpen(leftovers, drifts, "Claude is not asked: no key is configured");
  } else if (std::optional<claude::Question> open = MakeQuestion(*target_, shape_, terms, drifts, plan, leftovers)) {
    if (!answer) {
      answer = claude::Consider(&*open, access);
    }
    if (!answer) {
      *question = std::move(open);
      return std::nullopt;
    }
    TakeAnswer(*answer, leftovers, drifts, &plan);
  }
  if (plan.patch.empty() || WaitsAlready(drifts, plan.patch)) {
    return std::nullopt;
  }
  return Prepare(drifts, plan.patch, answer);
}

// What is of use but has no row in the sample is for the patch after this one: its rows wait as they are.
void PlanStep::LeaveForNextPatch(const drift::DriftSet& drifts, const plan::Patch& useful, const plan::Patch& now) {
  if (now.actions.size() == useful.actions.size()) {
    return;
  }
  round_.again = true;
  table::Target after_all = table::Patched(*target_, useful), after_this = table::Patched(*target_, now);
  for (const drift::Drift& drift : drifts) {
    if (!round_.Decided(drift) && apply::Covers(useful, after_all, drift.field, drift.column) &&
        !apply::Covers(now, after_this, drift.field, drift.column)) {
      round_.Decide(drift, queue::Fate::To::Wait, "the next patch is for it");
    }
  }
}

void PlanStep::ExplainTypeLocks() {
  if (!type_locks_explained_) {
    guard::ExplainTypeLocks(&shape_);
    type_locks_explained_ = true;
  }
}

// Trims the patch to what helps, and makes it ready to be recorded.
std::optional<Planned> PlanStep::Prepare(const drift::DriftSet& drifts, const plan::Patch& patch,
                                         const std::optional<claude::Answer>& answer) {
  // A proof of many rows takes long, and is to hold no lock of the round's beginning meanwhile.
  if (most_rows_ > kRowsOfLongProof) {
    round_.shared->CommitUnflushed();
    round_.shared->Join();
  }
  Planned planned;
  std::optional<apply::Proof> guessed = round_.guess ? round_.guess->Of(*target_, patch) : std::nullopt;
  planned.proof = guessed ? std::move(*guessed) : apply::Prove(*target_, patch, apply::Evidence::Queue);
  planned.patch = apply::Helpful(patch, planned.proof, target_->enrollment().mode == table::Mode::Auto);
  LeaveForNextPatch(drifts, apply::Helpful(patch, planned.proof, false), planned.patch);
  if (planned.patch.empty()) {
    return std::nullopt;
  }
  if (planned.patch.actions.size() != patch.actions.size()) {
    planned.proof = apply::Prove(*target_, planned.patch, apply::Evidence::Queue);
  }
  planned.covered = CoveredBy(planned.patch, drifts);
  planned.record.planner = "rules";
  planned.record.proposed_ddl = guard::Render(shape_, patch.actions);
  planned.record.fingerprint = plan::DriftFingerprint(shape_, drifts);
  planned.record.rationale = patch.rationale;
  if (answer && answered_ && claude::HoldsAnyOf(planned.patch, *answered_)) {
    planned.answer = answer;
    planned.record.planner = "claude";
    planned.record.proposed_ddl = answer->patch.ddl;
    planned.record.fingerprint = answer->fingerprint;
    claude::Credit(*answer, &planned.record);
  }
  planned.record.ddl = guard::Render(shape_, planned.patch.actions);
  planned.record.inverse_ddl = guard::RenderInverse(shape_, planned.patch.actions);
  planned.record.field_map = planned.patch.field_map;
  planned.record.evidence = apply::EvidenceJson(planned.patch, *target_, planned.covered, planned.proof);
  planned.record.rewrites = apply::RewritesTable(shape_, planned.patch);
  planned.record.proposed_by = observe::kWorker;
  return planned;
}

std::string PlanStep::WhyReview(const Planned& planned) {
  for (const plan::FieldMapping& mapping : planned.patch.field_map) {
    if (!mapping.column) {
      return "it ignores " + plan::Named("field", mapping.field) + ": what the field brings would not be kept";
    }
  }
  if (target_->enrollment().mode == table::Mode::Review) {
    return "the table is in review mode";
  }
  if (!target_->enrollment().allow_published && !planned.patch.actions.empty()) {
    if (!publications_) {
      publications_ = guard::PublicationsOf(round_.target);
    }
    if (!publications_->empty()) {
      return "the table is in publication " + publications_->front() + ": a new shape may stop its subscribers";
    }
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
        "WITH superseded AS (SELECT id FROM mend.patches WHERE target = $1 AND state = 'proposed' AND planner = 'rules' "
        "AND decided_at IS NULL AND id <> $2 FOR UPDATE SKIP LOCKED) "
        "UPDATE mend.patches p SET state = 'refused', reason = 'superseded by patch ' || $2 FROM superseded s "
        "WHERE p.id = s.id",
        {pg::ObjectId(round_.target), pg::Int8(id)});
    if (planned.answer) {
      claude::BookAnswer(*planned.answer, id);
    }
    observe::Record("patch_proposed", round_.target_name, id, "{}", observe::kWorker);
  }
  AwaitDecision(planned.covered, id, why);
}

drift::DriftSet PlanStep::CoveredBy(const plan::Patch& patch, const drift::DriftSet& drifts) const {
  table::Target patched = table::Patched(*target_, patch);
  drift::DriftSet covered;
  for (const drift::Drift& drift : drifts) {
    if (!round_.Decided(drift) && apply::Covers(patch, patched, drift.field, drift.column)) {
      covered.push_back(drift);
    }
  }
  return covered;
}

void PlanStep::AwaitDecision(const drift::DriftSet& covered, int64_t id, const std::string& why) {
  std::string name = std::to_string(id);
  for (const drift::Drift& drift : covered) {
    round_.Decide(drift, queue::Fate::To::Wait, "patch " + name + " waits for a decision: " + why, id);
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
  AwaitDecision(CoveredBy(patch, drifts), same.int8(0, 0), why);
  return true;
}

}  // namespace mend::heal
