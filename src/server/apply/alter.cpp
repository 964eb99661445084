#include "server/apply/alter.h"

#include <algorithm>
#include <set>

#include "core/base/json_writer.h"
#include "core/plan/fingerprint.h"
#include "server/apply/active_unit.h"
#include "server/apply/empty_column.h"
#include "server/apply/field_reading.h"
#include "server/apply/origin.h"
#include "server/apply/revert.h"
#include "server/apply/store_waiting.h"
#include "server/apply/submitter.h"
#include "server/citus/managed_table.h"
#include "server/citus/node_errors.h"
#include "server/guard/healer.h"
#include "server/guard/render.h"
#include "server/observe/events.h"
#include "server/observe/freshness.h"
#include "server/pg/catalog.h"
#include "server/pg/deadline.h"
#include "server/pg/settings.h"
#include "server/pg/test_point.h"
#include "server/pg/user.h"
#include "server/pg/work_transaction.h"
#include "server/queue/order.h"
#include "server/store/store.h"
#include "server/table/code.h"

namespace mend::apply {
namespace {

void RecordFields(const table::Target& target, const PatchRecord& record) {
  for (const plan::FieldMapping& mapping : record.patch.field_map) {
    pg::RunPrepared(
        "INSERT INTO mend.fields AS f (target, target_name, field, column_name, patch_id) "
        "VALUES ($1, $2, $3, $4::name, $5) ON CONFLICT (target, field) "
        "DO UPDATE SET column_name = excluded.column_name, held = NULL, patch_id = "
        "excluded.patch_id, reading = CASE WHEN f.column_name = excluded.column_name THEN "
        "f.reading "
        "END",
        {pg::ObjectId(target.shape().relid), pg::Text(target.enrollment().target_name),
         pg::Text(mapping.field), pg::Text(mapping.column), pg::Int8(record.id)});
  }
  for (const plan::Action& action : record.patch.actions) {
    if (action.kind == plan::ActionKind::ReadAs) {
      SetReading(target, action.column,
                 plan::JoinedReading(ReadingOf(target, action.column), action.reading));
    }
  }
}

// Whether a text column has only what JSON has for its new type.
bool KeepsText(const plan::Shape& shape, const plan::Action& action) {
  using namespace plan::type_oid;
  const plan::Column* column = shape.Find(action.column);
  const uint32_t to = action.type.oid;
  return column != nullptr && column->type == plan::Type{kText, -1} && action.type.typmod < 0 &&
         (to == kNumeric || to == kInt8 || to == kBool) &&
         HoldsOnlyTextOf(to, shape, action.column);
}

// Has deferred constraints judge the rows now: at commit it would be too late to leave a row out.
void CheckDeferred() {
  pg::Call([] {
    ConstraintsSetStmt* all = makeNode(ConstraintsSetStmt);
    AfterTriggerSetState(all);
  });
}

// Stores the sample, at best all at once. A row that only fails later (a deferred constraint) stays
// as it is, for the replay that follows. Throws when none could be stored for such a reason.
queue::ReplayCounts StoreSample(const table::Target& target,
                                const std::vector<queue::QueuedRow>& rows,
                                const queue::OutcomePolicy& policy, int64_t patch_id) {
  queue::ReplayCounts counts;
  std::optional<pg::Error> late;
  auto replay = [&](const std::vector<queue::QueuedRow>& some) {
    queue::ReplayCounts these;
    std::optional<pg::Error> error = pg::Attempt([&] {
      these = ReplayHere(target, some, policy, patch_id);
      CheckDeferred();
    });
    if (!error) {
      counts.Add(these);
    } else if (pg::MustRaise(*error)) {
      throw *error;
    } else {
      late = error;
    }
    return !error;
  };
  if (!replay(rows)) {
    for (const queue::QueuedRow& row : rows) {
      replay({row});
    }
  }
  if (late && counts.stored == 0) {
    throw *late;
  }
  return counts;
}

// Whether nothing of the same submitter waits before a row of the sample: only then may the sample
// be stored ahead of the replay, which keeps the order of arrival.
bool IsNextInOrder(Oid target, const std::vector<queue::QueuedRow>& rows) {
  std::vector<int64_t> ids;
  for (const queue::QueuedRow& row : rows) {
    ids.push_back(row.id);
  }
  return pg::RunPrepared(
             "SELECT FROM (SELECT id, submitter FROM mend.queue WHERE (target, id) <= ($1, $2) "
             "AND (target, id) >= ($1, (SELECT low_id FROM mend.progress WHERE target = $1)) ORDER "
             "BY target, id LIMIT 1000) early "
             "HAVING max(id) = $2 AND bool_and(submitter <> $3 OR id = ANY ($4))",
             {pg::ObjectId(target), pg::Int8(ids.back()), pg::ObjectId(rows.back().submitter),
              pg::Int8Array(ids)})
             .size() == 1;
}

// Replays the sample and says which actions none of their rows could show. Out of turn it is a
// trial, and rolled back.
std::vector<bool> ReplaySample(Oid relid, const PatchRecord& record,
                               const std::vector<SampleRow>& sample,
                               const std::vector<queue::QueuedRow>& rows,
                               const queue::OutcomePolicy& policy, queue::ReplayCounts* counts) {
  std::shared_ptr<const table::Target> target = table::FindTarget(relid);
  const bool keep = IsNextInOrder(relid, rows);
  const auto store = [&] { *counts = StoreSample(*target, rows, policy, record.id); };
  if (keep) {
    store();
  } else if (const std::optional<pg::Error> error = pg::AttemptAndRollBack(store)) {
    throw *error;
  }
  std::vector<bool> tried(record.patch.actions.size()), shown(record.patch.actions.size());
  for (const SampleRow& row : sample) {
    bool locked = std::any_of(rows.begin(), rows.end(),
                              [&](const queue::QueuedRow& queued) { return queued.id == row.id; });
    bool stored = std::count(counts->stored_ids.begin(), counts->stored_ids.end(), row.id) > 0;
    for (size_t i = 0; i < tried.size(); ++i) {
      tried[i] = tried[i] || (locked && row.needs[i]);
      shown[i] = shown[i] || (stored && row.needs[i]);
    }
  }
  std::vector<bool> refuted(tried.size());
  for (size_t i = 0; i < tried.size(); ++i) {
    refuted[i] = tried[i] && !shown[i];
  }
  if (!keep) {
    counts->Forget();
  }
  return refuted;
}

// Stores the sample as its submitter, whom `as_submitter` is until the caller has committed.
std::vector<bool> StoreSampleAs(const table::Target& target, const PatchRecord& record,
                                const std::vector<SampleRow>& sample,
                                const queue::OutcomePolicy& policy,
                                std::optional<pg::ForeignCode>* as_submitter,
                                queue::ReplayCounts* counts) {
  const Oid relid = target.shape().relid;
  const std::vector<queue::QueuedRow> rows =
      LockSample(sample, relid, target.enrollment().target_name);
  if (rows.empty()) {
    return {};
  }
  as_submitter->emplace(rows.front().identity(), pg::ForeignCode::Until::Transaction);
  return ReplaySample(relid, record, sample, rows, policy, counts);
}

// The same of a patch that is committed, as a trial of its own: the replay stores what fits. Which
// rows cannot be tried now is no evidence.
std::vector<bool> TryApplied(Oid relid, const PatchRecord& record,
                             const std::vector<SampleRow>& sample,
                             const queue::OutcomePolicy& policy) {
  try {
    pg::WorkTransaction transaction;
    citus::BindNodes(relid, &transaction);
    pg::Deadline deadline(pg::batch_timeout_ms);
    const std::shared_ptr<const table::Target> target = table::FindTarget(relid);
    queue::ReplayCounts counts;
    std::optional<pg::ForeignCode> as_submitter;
    return StoreSampleAs(*target, record, sample, policy, &as_submitter, &counts);
  } catch (const pg::Error& error) {
    if (error.MustPropagate() && !pg::Deadline::IsTimeout(error)) {
      throw;
    }
    return {};
  }
}

}  // namespace

std::vector<queue::QueuedRow> LockSample(const std::vector<SampleRow>& sample, Oid target,
                                         const std::string& target_name) {
  std::vector<int64_t> ids;
  for (const SampleRow& row : sample) {
    ids.push_back(row.id);
  }
  std::vector<queue::QueuedRow> rows = queue::LockRows(ids);
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [&](const queue::QueuedRow& row) {
                              const queue::QueuedRow& first = rows.front();
                              return row.submitter != first.submitter ||
                                     row.session_submitter != first.session_submitter ||
                                     row.context != first.context || row.code != first.code ||
                                     WhyRefused(row, target, target_name).has_value();
                            }),
             rows.end());
  // What stands behind a row that is not tried here cannot be stored before it.
  queue::ReplayGroup run;
  for (const queue::QueuedRow& row : rows) {
    run.push_back(&row);
  }
  const std::set<int64_t> behind = queue::BehindOthers(target, run);
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [&](const queue::QueuedRow& row) { return behind.count(row.id) > 0; }),
             rows.end());
  return rows;
}

void RecordApplied(const table::Target& target, const PatchRecord& record) {
  SetPatchState(record.id, "applied", "");
  // What the worker itself proposed for the same drift is planned anew.
  pg::RunPrepared("SELECT mend.supersede($1, false, '{}')", {pg::Int8(record.id)});
  pg::RunPrepared(
      "UPDATE mend.progress SET last_heal = clock_timestamp(), lock_tries = 0, lock_until = NULL "
      "WHERE target = $1",
      {pg::ObjectId(target.shape().relid)});
  const std::string detail = json::Writer()
                                 .Object()
                                 .String("ddl", record.ddl)
                                 .Raw("field_map", FieldMapToJson(record.patch.field_map))
                                 .Close()
                                 .Take();
  observe::Record("patch_applied", target.enrollment().target_name, record.id, detail,
                  observe::kWorker);
}

bool IsAnyRefuted(const std::vector<bool>& refuted) {
  return std::find(refuted.begin(), refuted.end(), true) != refuted.end();
}

void NoteChangeOfCode(Oid target, int64_t patch_id, const std::string& before) {
  const std::string change = table::ChangeOfCode(before, table::CodeOf(target));
  if (!change.empty()) {
    pg::RunPrepared("UPDATE mend.patches SET code_change = $2::jsonb WHERE id = $1",
                    {pg::Int8(patch_id), pg::Text(change)});
  }
}

namespace {

// Partitions and inheritance children, at any depth, as an ALTER TABLE locks them.
std::vector<Oid> DescendantsOf(Oid relid) {
  std::vector<Oid> descendants;
  List* all = pg::Call([&] { return find_all_inheritors(relid, NoLock, nullptr); });
  for (int i = 1; i < list_length(all); ++i) {
    descendants.push_back(list_nth_oid(all, i));
  }
  return descendants;
}

void WaitForLocks(int64_t within_ms) {
  const std::string timeout = std::to_string(within_ms);
  pg::Call([&] {
    set_config_option("lock_timeout", timeout.c_str(), PGC_SUSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
                      true, 0, false);
  });
}

void Lock(Oid relid) {
  pg::Call([&] { LockRelationOid(relid, AccessExclusiveLock); });
}

}  // namespace

void LockForAlter(Oid relid, int within_ms) {
  struct Busy {
    Oid relid;
  };
  const pg::Stopwatch waited;
  for (;;) {
    WaitForLocks(std::max<int64_t>(1, within_ms - waited.Ms()));
    if (DescendantsOf(relid).empty()) {
      return Lock(relid);
    }
    Oid busy = InvalidOid;
    try {
      const std::optional<pg::Error> error = pg::Attempt([&] {
        Lock(relid);
        for (Oid descendant : DescendantsOf(relid)) {
          if (!pg::Call(
                  [&] { return ConditionalLockRelationOid(descendant, AccessExclusiveLock); })) {
            throw Busy{descendant};
          }
        }
      });
      if (error) {
        throw *error;
      }
      return;
    } catch (const Busy& other) {
      busy = other.relid;
    }
    if (const std::optional<pg::Error> error = pg::AttemptAndRollBack([&] { Lock(busy); })) {
      throw *error;
    }
  }
}

std::optional<std::string> AlterUnderLock(const table::Target& target, const std::string& ddl) {
  return guard::AlterAsHealer(target.shape().relid, pg::RoleByName(target.enrollment().healer),
                              ddl);
}

std::optional<std::string> AddLabels(const table::Target& target, const plan::Patch& patch) {
  const plan::Action& action = patch.actions.front();
  // Another table with a column of the enum may ask for labels at the same time.
  WaitForLocks(pg::lock_timeout_ms);
  pg::Call([&] { LockDatabaseObject(TypeRelationId, action.type.oid, 0, ExclusiveLock); });
  return guard::AddLabelsAsHealer(
      target.shape().relid, action.type.oid, pg::RoleByName(target.enrollment().healer),
      guard::Render(target.shape(), patch.actions), static_cast<int>(action.labels.size()));
}

namespace {

Application ApplyTo(Oid target_oid, const PatchRecord& record, const std::vector<SampleRow>& sample,
                    const std::string& planned_shape, const queue::OutcomePolicy& policy,
                    const std::function<void(const queue::ReplayCounts&)>& before_commit,
                    int* patience_ms, bool* altered, bool* on_nodes) {
  *altered = false;
  Application application;
  pg::WorkTransaction transaction;
  const bool alters = plan::AltersTable(record.patch);
  // A label is only used by transactions that begin after its own.
  const bool adds_labels = plan::AddsLabels(record.patch.actions);
  if (alters && !adds_labels) {
    const pg::Stopwatch waited;
    LockForAlter(target_oid, *patience_ms);
    *patience_ms = std::max<int>(1, *patience_ms - static_cast<int>(waited.Ms()));
    pg::TestPoint("locked");
  }
  *on_nodes = citus::BindNodes(target_oid, &transaction);
  std::optional<pg::Deadline> hold(std::in_place, pg::max_lock_hold_ms);
  std::shared_ptr<const table::Target> target = table::FindTarget(target_oid);
  if (plan::ShapeFingerprint(target->shape()) != planned_shape) {
    application.result = Application::Result::ShapeChanged;
    return application;
  }
  for (const plan::Action& action : record.patch.actions) {
    if (action.only_if_empty && !HoldsNoValue(target->shape(), action.column) &&
        !KeepsText(target->shape(), action)) {
      application.result = Application::Result::Unfit;
      application.reason = "column \"" + action.column + "\" is not empty";
      return application;
    }
  }
  if (alters) {
    const std::string code = table::CodeOf(target_oid);
    const ActiveUnit altering(ActiveUnit::Kind::Patch, record.id);
    if (std::optional<std::string> unfit =
            adds_labels ? AddLabels(*target, record.patch)
                        : AlterUnderLock(*target, guard::RenderForServer(target->shape(),
                                                                         record.patch.actions))) {
      application.result = Application::Result::Unfit;
      application.reason = *unfit;
      return application;
    }
    NoteChangeOfCode(target_oid, record.id, code);
  }
  *altered = true;
  pg::TestPoint("altered");
  RecordFields(*target, record);
  RecordApplied(*target, record);
  NoteOrigins(target_oid, record.id);
  pg::TestPoint("booked");
  // On the nodes rows are stored as their submitter, who may not touch there what the owner has
  // just altered.
  const bool rows_follow = (alters && *on_nodes) || adds_labels;
  std::optional<pg::ForeignCode> as_submitter;
  if (!rows_follow) {
    application.refuted =
        StoreSampleAs(*target, record, sample, policy, &as_submitter, &application.counts);
    if (IsAnyRefuted(application.refuted)) {
      application.result = Application::Result::Refuted;
      return application;
    }
  }
  if (application.counts.stored > 0) {
    observe::NoteOffered(target_oid, true);
  }
  before_commit(application.counts);
  pg::TestPoint("sampled");
  transaction.Commit();
  pg::TestPoint("applied");
  as_submitter.reset();
  hold.reset();
  if (rows_follow && !adds_labels) {
    application.refuted = TryApplied(target_oid, record, sample, policy);
    if (IsAnyRefuted(application.refuted) && Withdraw(target_oid, record.id)) {
      application.result = Application::Result::Refuted;
    }
  }
  return application;
}

}  // namespace

Application Apply(Oid target, const PatchRecord& record, const std::vector<SampleRow>& sample,
                  const std::string& planned_shape, const queue::OutcomePolicy& policy,
                  const std::function<void(const queue::ReplayCounts&)>& before_commit,
                  int* patience_ms, bool* altered) {
  return citus::TellNodeFailures([&](bool* on_nodes) {
    return ApplyTo(target, record, sample, planned_shape, policy, before_commit, patience_ms,
                   altered, on_nodes);
  });
}

}  // namespace mend::apply
