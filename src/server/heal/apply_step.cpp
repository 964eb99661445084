#include "server/heal/apply_step.h"

#include <algorithm>

#include "core/base/json_writer.h"
#include "server/apply/promote.h"
#include "server/apply/prove.h"
#include "server/guard/render.h"
#include "server/heal/own_columns.h"
#include "server/observe/events.h"
#include "server/pg/settings_scope.h"
#include "server/pg/spi.h"

namespace mend::heal {

drift::DriftSet CoveredBy(const RoundState& round, const table::Target& target,
                          const plan::Patch& patch) {
  table::Target patched = table::Patched(target, patch);
  apply::DriftStore book(target.shape().relid);
  drift::DriftSet covered;
  for (const drift::Drift& drift : book.drifts()) {
    if (!round.Decided(drift) && apply::Covers(patch, patched, drift)) {
      covered.push_back(drift);
    }
  }
  return covered;
}

void DecideAll(RoundState* round, const drift::DriftSet& drifts, queue::RowOutcome::Kind to,
               const std::string& reason, int64_t patch) {
  for (const drift::Drift& drift : drifts) {
    round->Decide(drift, to, reason, patch);
  }
}

void FailPatch(RoundState* round, const apply::PatchRecord& record, const drift::DriftSet& covered,
               const std::string& reason, queue::RowOutcome::Kind to, const std::string& message) {
  round->shared->Join();
  apply::SetPatchState(record.id, "failed", reason);
  json::Writer detail;
  detail.Object().String("reason", reason);
  if (!message.empty()) {
    detail.String("message", message);
  }
  observe::Record("patch_failed", round->target_name, record.id, detail.Close().Take(),
                  observe::kWorker);
  round->shared->CommitUnlessYoung();
  DecideAll(round, covered, to, "patch " + std::to_string(record.id) + " failed: " + reason,
            record.id);
}

void PutBack(RoundState* round, const apply::PatchRecord& record, const drift::DriftSet& covered,
             const std::string& reason) {
  round->shared->Join();
  apply::SetPatchState(record.id, "proposed", reason);
  round->shared->CommitUnlessYoung();
  DecideAll(round, covered, queue::RowOutcome::Kind::Wait,
            "patch " + std::to_string(record.id) + " waits for approval: " + reason, record.id);
  round->EscalateState("review", "patch " + std::to_string(record.id) + " waits for mend.approve(" +
                                     std::to_string(record.id) + "): " + reason);
}

std::optional<apply::PatchRecord> Without(const table::Target& target,
                                          const apply::PatchRecord& record,
                                          const std::vector<bool>& without) {
  apply::PatchRecord rest = record;
  rest.patch.actions.clear();
  for (size_t i = 0; i < record.patch.actions.size(); ++i) {
    if (!without[i]) {
      rest.patch.actions.push_back(record.patch.actions[i]);
      continue;
    }
    auto& map = rest.patch.field_map;
    map.erase(std::remove_if(map.begin(), map.end(),
                             [&](const plan::FieldMapping& mapping) {
                               return mapping.column == record.patch.actions[i].column;
                             }),
              map.end());
  }
  if (rest.patch.empty()) {
    return std::nullopt;
  }
  rest.ddl = guard::Render(target.shape(), rest.patch.actions);
  std::vector<std::string> columns;
  for (const plan::Action& action : rest.patch.actions) {
    columns.push_back(action.column);
  }
  pg::RunPrepared(
      "UPDATE mend.patches SET ddl = nullif($2, ''), inverse_ddl = nullif($3, ''), field_map = "
      "$4::jsonb, "
      "evidence = jsonb_set(evidence, '{actions}', (SELECT coalesce(jsonb_agg(a), '[]') FROM "
      "jsonb_array_elements(evidence -> 'actions') a WHERE a ->> 'column' = ANY ($5))) WHERE id = "
      "$1",
      {pg::Int8(rest.id), pg::Text(rest.ddl),
       pg::Text(guard::RenderInverse(target.shape(), rest.patch.actions)),
       pg::Text(apply::FieldMapToJson(rest.patch.field_map)), pg::TextArray(columns)});
  return rest;
}

namespace {

void TrimNeeds(const std::vector<bool>& without, std::vector<apply::SampleRow>* sample) {
  for (apply::SampleRow& row : *sample) {
    std::vector<bool> needs;
    for (size_t i = 0; i < row.needs.size(); ++i) {
      if (!without[i]) {
        needs.push_back(row.needs[i]);
      }
    }
    row.needs = needs;
  }
}

}  // namespace

std::optional<apply::PatchRecord> TrimPatch(RoundState* round, const apply::PatchRecord& record,
                                            const std::vector<bool>& without, apply::Proof* proof,
                                            drift::DriftSet* covered) {
  if (std::find(without.begin(), without.end(), true) == without.end()) {
    return record;
  }
  round->shared->Join();
  std::shared_ptr<const table::Target> target = table::FindTarget(round->target);
  std::optional<apply::PatchRecord> rest = Without(*target, record, without);
  if (rest) {
    *covered = CoveredBy(*round, *target, rest->patch);
  }
  round->shared->CommitUnlessYoung();
  TrimNeeds(without, &proof->sample);
  for (std::vector<apply::SampleRow>& other : proof->others) {
    TrimNeeds(without, &other);
  }
  return rest;
}

namespace {

// Drift whose rows were dead letters until a person approved this patch.
void MarkBuriedHealed(Oid target, const apply::PatchRecord& record) {
  std::vector<std::string> fields, columns;
  for (const plan::FieldMapping& mapping : record.patch.field_map) {
    fields.push_back(mapping.field);
  }
  for (const plan::Action& action : record.patch.actions) {
    columns.push_back(action.column);
  }
  pg::SettingsScope by_index(
      {{"enable_seqscan", "off"}});  // other tables may have millions of dead letters
  pg::RunPrepared(
      "UPDATE mend.drifts SET state = 'healed', reason = NULL, patch_id = $2 WHERE target = $1 "
      "AND state = 'dead_lettered' AND (field = ANY ($3) OR coalesce(column_name, field) = ANY "
      "($4)) "
      "AND NOT EXISTS (SELECT FROM mend.dead_letters d WHERE d.target = $1 AND d.field = "
      "drifts.field)",
      {pg::ObjectId(target), pg::Int8(record.id), pg::TextArray(fields), pg::TextArray(columns)});
}

}  // namespace

void TakeApplied(RoundState* round, const apply::PatchRecord& record,
                 const drift::DriftSet& covered, const queue::ReplayCounts& counts) {
  MarkBuriedHealed(round->target, record);
  KeepOwnColumns(round->target, record, covered);
  const std::shared_ptr<const table::Target> target = table::FindTarget(round->target);
  if (!target->enrollment().rescue.empty()) {
    apply::RequestPromotion(*target, record.id);
  }
  for (const drift::Drift& drift : covered) {
    round->Healed(drift, record.id);
  }
  round->patch_id = record.id;
  round->replay_all = true;
  round->counts.Add(counts);
}

bool WaitsForLock(RoundState* round, const apply::PatchRecord& record,
                  const drift::DriftSet& covered) {
  if (!plan::AltersTable(record.patch) || !round->lock_backs_off) {
    return false;
  }
  pg::Rows wait = pg::RunPrepared(
      "SELECT ceil(extract(epoch FROM lock_until - clock_timestamp()) * 1000)::bigint, lock_tries,"
      " coalesce((SELECT reason FROM mend.patches WHERE id = $2), 'waits for the lock on the "
      "table') "
      "FROM mend.progress WHERE target = $1 AND lock_until > clock_timestamp()",
      {pg::ObjectId(round->target), pg::Int8(record.id)});
  if (wait.empty()) {
    return false;
  }
  std::string reason = "patch " + std::to_string(record.id) + " " + wait.text(0, 2) + ": tried " +
                       wait.text(0, 1) + " times";
  DecideAll(round, covered, queue::RowOutcome::Kind::Wait, reason, record.id);
  round->EscalateState("waiting", reason);
  round->PauseFor(wait.int8(0, 0));
  return true;
}

}  // namespace mend::heal
