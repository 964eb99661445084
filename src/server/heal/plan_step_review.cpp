// Which patches wait for a person, and how they are put before him.
#include <algorithm>
#include <set>

#include "core/plan/lattice.h"
#include "core/plan/online.h"
#include "core/plan/wording.h"
#include "server/apply/empty_column.h"
#include "server/apply/widen.h"
#include "server/citus/managed_table.h"
#include "server/citus/shards.h"
#include "server/claude/judge.h"
#include "server/guard/render.h"
#include "server/heal/plan_step.h"
#include "server/observe/events.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"

namespace mend::heal {

int64_t MaxRewrittenBytes() { return static_cast<int64_t>(pg::max_rewrite_mb) * 1024 * 1024; }

// What rules may do unasked to columns that they have made, and to those without a value, is
// theirs.
std::string PlanStep::WhyNotAllowed(const plan::Patch& patch, bool suggested) const {
  const std::set<plan::ActionKind>& allow = target_->enrollment().allow;
  const auto not_allowed = [](plan::ActionKind kind) {
    return std::string(plan::Name(kind)) + " is not allowed for this table";
  };
  if (!patch.field_map.empty() && allow.count(plan::ActionKind::MapField) == 0) {
    return not_allowed(plan::ActionKind::MapField);
  }
  for (const plan::Action& action : patch.actions) {
    if (allow.count(action.kind) > 0) {
      continue;
    }
    const plan::Column* column = shape_.Find(action.column);
    const std::string name = plan::Named("column", action.column);
    if (action.kind == plan::ActionKind::DropNotNull) {
      return "it lets " + name + " be null, and " + not_allowed(action.kind);
    }
    if (action.kind != plan::ActionKind::ChangeType || column == nullptr) {
      return not_allowed(action.kind);
    }
    const bool guessed =
        column->own && plan::Judge(column->type, action.type) != plan::Widening::ToText;
    if (!action.only_if_empty && !guessed &&
        (suggested || !apply::HoldsNoValue(shape_, action.column))) {
      return "it changes " + name + " from " + column->type_text + " to " +
             plan::TypeText(action.type) + ", and " + not_allowed(action.kind);
    }
  }
  return "";
}

bool PlanStep::WaitsForReview(const plan::Patch& patch) {
  Planned glance;
  glance.patch = patch;
  glance.record.rewrites = apply::RewritesTable(shape_, patch);
  return !WhyReview(glance).empty();
}

std::string PlanStep::WhyReview(const Planned& planned) {
  for (const plan::FieldMapping& mapping : planned.patch.field_map) {
    if (!mapping.column) {
      return "it ignores " + plan::Named("field", mapping.field) +
             ": what the field brings would not be kept";
    }
  }
  if (std::string why = WhyNotAllowed(planned.patch, false); !why.empty()) {
    return why;
  }
  if (target_->enrollment().mode == table::Mode::Review) {
    return "the table is in review mode";
  }
  if (!target_->enrollment().allow_published && !planned.patch.actions.empty()) {
    if (!publications_) {
      publications_ = guard::PublicationsOf(round_.target);
    }
    if (!publications_->empty()) {
      return "the table is in publication " + publications_->front() +
             ": a new shape may stop its subscribers";
    }
  }
  if (GoesOnline(planned)) {
    return "";
  }
  if (const std::string why = plan::WhyOnlineOnly(shape_, planned.patch); !why.empty()) {
    return why + ": it can be applied online";
  }
  const int64_t bytes = RewrittenBytes(planned);
  if (bytes > MaxRewrittenBytes()) {
    return "it rewrites the table, which has " + std::to_string(bytes / 1024 / 1024) +
           " MB: more than mend.max_rewrite_size";
  }
  return "";
}

// 0: nothing is rewritten. The table that Citus shows is empty: its rows are in shards.
int64_t PlanStep::RewrittenBytes(const Planned& planned) const {
  if (!planned.record.rewrites) {
    return 0;
  }
  return citus::Manages(shape_.relid) ? citus::BytesOnNodes(shape_.relid) : shape_.total_bytes;
}

bool PlanStep::GoesOnline(const Planned& planned) const {
  return target_->enrollment().online &&
         (RewrittenBytes(planned) > MaxRewrittenBytes() ||
          !plan::WhyOnlineOnly(shape_, planned.patch).empty()) &&
         apply::WhyNotOnline(*target_, planned.patch).empty();
}

int64_t PlanStep::Propose(const Planned& planned, const std::vector<int64_t>& beside) {
  pg::Rows same = pg::RunPrepared(
      "SELECT id FROM mend.patches WHERE target = $1 AND state = 'proposed' AND "
      "coalesce(mend.full_ddl(patches), '') "
      "= $2 "
      "AND field_map = $3::jsonb",
      {pg::ObjectId(round_.target), pg::Text(planned.record.ddl),
       pg::Text(apply::FieldMapToJson(planned.record.field_map))});
  int64_t id = 0;
  if (!same.empty()) {
    id = same.int8(0, 0);
    pg::RunPrepared(
        "UPDATE mend.patches SET evidence = $2::jsonb WHERE id IN "
        "(SELECT id FROM mend.patches WHERE id = $1 FOR UPDATE SKIP LOCKED)",
        {pg::Int8(id), pg::Text(planned.record.evidence)});
  } else {
    apply::NewPatch record = planned.record;
    record.state = "proposed";
    id = apply::InsertPatch(*target_, record);
    pg::RunPrepared("SELECT mend.supersede($1, true, $2)", {pg::Int8(id), pg::Int8Array(beside)});
    if (planned.answer) {
      claude::BookAnswer(*planned.answer, id);
    }
    observe::Record("patch_proposed", round_.target_name, id, "{}", observe::kWorker);
  }
  AwaitDecision(planned.covered, id, planned.record.reason);
  return id;
}

drift::DriftSet PlanStep::CoveredBy(const plan::Patch& patch, const drift::DriftSet& drifts) const {
  table::Target patched = table::Patched(*target_, patch);
  drift::DriftSet covered;
  for (const drift::Drift& drift : drifts) {
    if (!round_.Decided(drift) && apply::Covers(patch, patched, drift)) {
      covered.push_back(drift);
    }
  }
  return covered;
}

void PlanStep::AwaitDecision(const drift::DriftSet& covered, int64_t id, const std::string& why) {
  std::string name = std::to_string(id);
  for (const drift::Drift& drift : covered) {
    if (!round_.Decided(drift)) {
      round_.Decide(drift, queue::RowOutcome::Kind::Wait,
                    "patch " + name + " waits for a decision: " + why, id);
    }
  }
  round_.EscalateState(awaits_claude_ ? "waiting" : "review",
                       "patch " + name + " waits for mend.approve(" + name + "): " + why);
}

bool PlanStep::WaitsAlready(const drift::DriftSet& drifts, const plan::Patch& patch) {
  Planned glance;
  glance.patch = patch;
  glance.record.rewrites = apply::RewritesTable(shape_, patch);
  const std::string why = WhyReview(glance);
  if (why.empty()) {
    return false;
  }
  int64_t rows = 0;
  for (const drift::Drift& drift : drifts) {
    rows = std::max(rows, drift.row_count - drift.rescued);
  }
  pg::Rows same = pg::RunPrepared(
      "SELECT id FROM mend.patches WHERE target = $1 AND state = 'proposed' AND proposed_by = "
      "'pg_mend' "
      "AND $2 IN (proposed_ddl, mend.full_ddl(patches)) AND field_map = $3::jsonb AND (evidence "
      "#>> "
      "'{proof,rows_tried}')::bigint * 2 >= $4",
      {pg::ObjectId(round_.target), pg::Text(guard::Render(shape_, patch.actions)),
       pg::Text(apply::FieldMapToJson(patch.field_map)), pg::Int8(rows)});
  if (same.empty()) {
    return false;
  }
  AwaitDecision(CoveredBy(patch, drifts), same.int8(0, 0), why);
  return true;
}

}  // namespace mend::heal
