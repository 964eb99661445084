// The round's part in a widening online: it begins it, goes on with it for a while each time, and
// swaps.
#include "server/apply/promote_rows.h"
#include "server/apply/submitter.h"
#include "server/apply/swap_widened.h"
#include "server/apply/widen.h"
#include "server/guard/render.h"
#include "server/heal/apply_step.h"
#include "server/observe/events.h"
#include "server/pg/spi.h"
#include "server/pg/work_transaction.h"

namespace mend::heal {
namespace {

// How long rows are copied before the table is looked at again.
constexpr int kWidenForMs = 2000;

// A part of a patch as one of its own, approved as the whole was.
void SplitOff(const table::Target& target, const apply::PatchRecord& record,
              const std::vector<plan::Action>& actions,
              const std::vector<plan::FieldMapping>& field_map, bool online) {
  std::vector<std::string> parts;
  for (const plan::Action& action : actions) {
    parts.push_back(std::string(plan::Name(action.kind)) + " " + action.column);
  }
  pg::RunPrepared(
      "INSERT INTO mend.patches (target, target_name, planner, model, proposed_ddl, ddl, "
      "inverse_ddl, field_map, rationale, state, evidence, fingerprint, rewrites_table, "
      "proposed_by, decided_by, decided_at, online) SELECT target, target_name, planner, model, "
      "proposed_ddl, nullif($2, ''), nullif($3, ''), $4::jsonb, rationale, 'approved', "
      "jsonb_set(evidence, '{actions}', (SELECT coalesce(jsonb_agg(a), '[]') FROM "
      "jsonb_array_elements(evidence -> 'actions') a WHERE concat(a ->> 'kind', ' ', a ->> "
      "'column') = ANY ($5))), "
      "fingerprint, $6, proposed_by, decided_by, decided_at, $6 FROM mend.patches WHERE id = $1",
      {pg::Int8(record.id), pg::Text(guard::Render(target.shape(), actions)),
       pg::Text(guard::RenderInverse(target.shape(), actions)),
       pg::Text(apply::FieldMapToJson(field_map)), pg::TextArray(parts), pg::Bool(online)});
}

// Only what rewrites the table takes the long way, one column after the other: the rest becomes
// patches of their own. Whether there was any.
bool Split(const table::Target& target, const apply::PatchRecord& record) {
  const std::vector<plan::Action>& actions = record.patch.actions;
  const plan::Action* first = apply::RewritingAction(target.shape(), record.patch);
  std::vector<bool> without;
  std::vector<plan::Action> plain;
  for (const plan::Action& action : actions) {
    without.push_back(&action != first);
    plan::Patch alone;
    alone.actions = {action};
    if (&action == first) {
      continue;
    }
    if (apply::RewritingAction(target.shape(), alone) != nullptr) {
      SplitOff(target, record, alone.actions, {}, true);
    } else {
      plain.push_back(action);
    }
  }
  if (plain.empty() && record.patch.field_map.empty() && actions.size() == 1) {
    return false;
  }
  if (!plain.empty() || !record.patch.field_map.empty()) {
    SplitOff(target, record, plain, record.patch.field_map, false);
  }
  apply::PatchRecord rest = record;
  rest.patch.field_map.clear();
  Without(target, rest, without);
  return true;
}

std::optional<apply::Widening> Begin(RoundState* round, const apply::PatchRecord& record,
                                     const drift::DriftSet& covered) {
  const std::shared_ptr<const table::Target> target = table::FindTarget(round->target);
  const plan::Action* action = apply::RewritingAction(target->shape(), record.patch);
  const std::string why = apply::WhyNotOnline(*target, record.patch);
  if (action == nullptr || !why.empty()) {
    PutBack(round, record, covered,
            action == nullptr ? "nothing of it rewrites the table: it need not be applied online"
                              : "it cannot be applied online: " + why);
    return std::nullopt;
  }
  if (Split(*target, record)) {
    round->again = true;
  }
  apply::Widening widening;
  widening.patch = record.id;
  widening.column = action->column;
  widening.target = round->target;
  widening.target_name = round->target_name;
  widening.attnum = target->shape().Find(action->column)->attnum;
  widening.type = guard::RenderType(action->type);
  apply::BeginWidening(widening);
  observe::Record("widening_started", round->target_name, record.id, "{}", observe::kWorker);
  return apply::FindWidening(round->target, false);
}

bool Swap(RoundState* round, const apply::PatchRecord& record, const apply::Widening& widening,
          const drift::DriftSet& covered) {
  round->shared->Commit();
  RoundState after = *round;
  const bool swapped = apply::SwapWidened(
      record, widening, [&] { TakeApplied(&after, record, covered, queue::ReplayCounts()); });
  apply::DiscardSession();
  if (swapped) {
    *round = std::move(after);
  }
  round->shared->Join();
  return swapped;
}

// A column whose patch is reverted is swapped by no patch that waits.
void SwapBack(Oid target) {
  std::optional<apply::Widening> widening;
  {
    pg::WorkTransaction transaction;
    widening = apply::FindWidening(target, true);
    transaction.Commit();
  }
  if (widening && widening->narrows && widening->step == "swap") {
    apply::SwapNarrowed(*widening);
    apply::DiscardSession();
  }
}

}  // namespace

void ApplyOnline(RoundState* round, const apply::PatchRecord& record,
                 const drift::DriftSet& covered) {
  round->shared->Join();
  std::optional<apply::Widening> widening = apply::FindWidening(round->target, false);
  if (!widening && !(widening = Begin(round, record, covered))) {
    return;
  }
  if (widening->patch == record.id && widening->step == "swap" &&
      apply::FindWidening(round->target, true) && Swap(round, record, *widening, covered)) {
    return;
  }
  const std::string why = widening->patch == record.id
                              ? "patch " + std::to_string(record.id) + " is being applied online"
                              : "patch " + std::to_string(record.id) +
                                    " is applied online after patch " +
                                    std::to_string(widening->patch);
  DecideAll(round, covered, queue::RowOutcome::Kind::Wait, why, record.id);
  // mend.status says of the one that is under way what it is at.
  round->EscalateState("waiting", widening->patch == record.id ? "" : why);
  round->shared->CommitUnlessYoung();
}

void WidenColumns(RoundState* round) {
  pg::WorkTransaction transaction;
  // A patch that was decided on otherwise has nothing to do on the table.
  pg::RunPrepared(
      "UPDATE mend.widenings w SET step = 'cancelling', error = 'its patch is not approved any "
      "more' "
      "WHERE w.target = $1 AND w.finished IS NULL AND w.step <> 'cancelling' AND NOT EXISTS "
      "(SELECT FROM mend.patches p WHERE p.id = w.patch AND p.state = CASE WHEN w.narrows THEN "
      "'applied' ELSE 'approved' END)",
      {pg::ObjectId(round->target)});
  const bool due = apply::FindWidening(round->target, true).has_value();
  transaction.Commit();
  if (!due) {
    return;
  }
  apply::WideningHost host;
  host.between_batches = [round] { CheckTurn(round); };
  round->slice = pg::Stopwatch();
  host.show = [round](const std::string& what) {
    round->host->ShowProgress(what + " of " + round->target_name);
  };
  apply::Widen(round->target, host, kWidenForMs);
  SwapBack(round->target);
}

}  // namespace mend::heal
