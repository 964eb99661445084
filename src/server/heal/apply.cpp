#include <algorithm>

#include "core/base/json_writer.h"
#include "core/base/utf8.h"
#include "core/limits/breaker.h"
#include "core/plan/wording.h"
#include "server/apply/alter.h"
#include "server/apply/promote.h"
#include "server/apply/prove.h"
#include "server/apply/submitter.h"
#include "server/citus/node_errors.h"
#include "server/guard/render.h"
#include "server/heal/apply_step.h"
#include "server/heal/round_state.h"
#include "server/heal/sample_rows.h"
#include "server/observe/events.h"
#include "server/observe/outbox.h"
#include "server/pg/deadline.h"
#include "server/pg/settings.h"
#include "server/pg/settings_scope.h"
#include "server/pg/spi.h"

namespace mend::heal {
namespace {

constexpr size_t kMaxMessageBytes = 10000;

}  // namespace

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

namespace {}  // namespace

void DecideAll(RoundState* round, const drift::DriftSet& drifts, queue::RowOutcome::Kind to,
               const std::string& reason, int64_t patch) {
  for (const drift::Drift& drift : drifts) {
    round->Decide(drift, to, reason, patch);
  }
}

namespace {

// What agents may read of an error: what a table's code raises, and what PostgreSQL says of a
// value, may quote rows.
std::string WithoutValues(const pg::Error& error) {
  const bool may_quote =
      error.fields().context.has_value() || error.IsClass("22") || error.IsClass("P0");
  return may_quote ? "SQLSTATE " + error.sqlstate() +
                         ", raised by code of the table or about a value: the event patch_failed "
                         "has the message"
                   : std::string(error.what());
}

// `message`: what PostgreSQL said, for those who may see payloads.
void Fail(RoundState* round, const apply::PatchRecord& record, const drift::DriftSet& covered,
          const std::string& reason,
          queue::RowOutcome::Kind to = queue::RowOutcome::Kind::DeadLetter,
          const std::string& message = "") {
  round->shared->Join();
  apply::SetPatchState(record.id, "failed", reason);
  std::string detail = "{\"reason\": ";
  json::AppendQuoted(&detail, reason);
  if (!message.empty()) {
    detail += ", \"message\": ";
    json::AppendQuoted(&detail, message);
  }
  observe::Record("patch_failed", round->target_name, record.id, detail + "}", observe::kWorker);
  round->shared->CommitUnlessYoung();
  DecideAll(round, covered, to, "patch " + std::to_string(record.id) + " failed: " + reason,
            record.id);
}

// The lock, or a node, was not to be had: the patch stays approved, and is tried again after a
// growing pause.
void BackOff(RoundState* round, const apply::PatchRecord& record, const drift::DriftSet& covered,
             const std::string& for_what, const std::string& why = "") {
  round->shared->Join();
  pg::Rows tries = pg::RunPrepared(
      "UPDATE mend.progress SET lock_tries = lock_tries + 1 WHERE target = $1 RETURNING lock_tries",
      {pg::ObjectId(round->target)});
  int64_t pause = limits::BackoffMs(static_cast<int>(tries.int8(0, 0)));
  round->lock_backs_off = true;
  pg::RunPrepared(
      "UPDATE mend.progress SET lock_until = clock_timestamp() + $2 * interval '1 millisecond' "
      "WHERE target = $1",
      {pg::ObjectId(round->target), pg::Int8(pause)});
  apply::SetPatchState(record.id, "approved", "waits for " + for_what);
  round->shared->CommitUnlessYoung();
  std::string reason = "patch " + std::to_string(record.id) + " waits for " + for_what +
                       ": tried " + std::to_string(tries.int8(0, 0)) + " times" + why;
  DecideAll(round, covered, queue::RowOutcome::Kind::Wait, reason, record.id);
  round->EscalateState("waiting", reason);
  round->PauseFor(pause);
}

}  // namespace

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

namespace {

// The lock was held too long: a person must decide.
void AskAfterTimeout(RoundState* round, const apply::PatchRecord& record,
                     const drift::DriftSet& covered) {
  PutBack(round, record, covered,
          (!plan::AltersTable(record.patch) ? "storing its first rows took longer"
                                            : "it held the lock longer") +
              std::string(" than mend.max_lock_hold (") + std::to_string(pg::max_lock_hold_ms) +
              " ms) and was rolled back: raise the limit and approve it again");
}

}  // namespace

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

// The same, with the proof and what it covers made to match.
std::optional<apply::PatchRecord> Trim(RoundState* round, const apply::PatchRecord& record,
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

// What was seen of the values of a column.
drift::Profile SeenOf(const table::Target& target, const std::string& column,
                      const drift::DriftSet& covered) {
  drift::Profile seen;
  for (const drift::Drift& drift : covered) {
    const table::Resolution goes_to = target.Resolve(drift.field);
    if (goes_to.kind == table::Resolution::Kind::Column &&
        target.shape().columns[static_cast<size_t>(goes_to.column)].name == column) {
      seen.Merge(drift.profile);
    }
  }
  return seen;
}

// Whether the type of a new column is a person's, by a hint, and none that may turn out too narrow.
// That a hint was not followed is told.
bool TakeHint(const table::Target& target, const plan::Action& action, int64_t patch_id) {
  const plan::Hint* hint = plan::HintFor(target.enrollment().hints, action.column);
  if (hint == nullptr) {
    return false;
  }
  if (hint->type == action.type) {
    return hint->type.oid == plan::type_oid::kText || hint->type.oid == plan::type_oid::kVarchar ||
           hint->type.oid == plan::type_oid::kBpchar;
  }
  observe::Record("hint_unfit", target.enrollment().target_name, patch_id,
                  json::Writer()
                      .Object()
                      .String("column", action.column)
                      .String("hint", hint->pattern)
                      .String("hinted", hint->type_text)
                      .String("type", plan::TypeText(action.type))
                      .Close()
                      .Take(),
                  observe::kWorker);
  return false;
}

// The columns that rules add by themselves are guesses, which later values may better: what they
// were made from is kept. A type that somebody has decided on is no guess.
void KeepOwnColumns(Oid target_oid, const apply::PatchRecord& record,
                    const drift::DriftSet& covered) {
  if (record.planner != "rules" || record.decided) {
    return;
  }
  const std::shared_ptr<const table::Target> target = table::FindTarget(target_oid);
  for (const plan::Action& action : record.patch.actions) {
    if (action.kind != plan::ActionKind::AddColumn && !plan::ChangesType(action.kind)) {
      continue;
    }
    drift::Profile seen = SeenOf(*target, action.column, covered);
    const bool adds = action.kind == plan::ActionKind::AddColumn;
    if (adds && TakeHint(*target, action, record.id)) {
      continue;
    }
    const pg::Rows before = pg::RunPrepared(
        "SELECT profile::text FROM mend.own_columns WHERE target = $1 AND column_name = $2::name",
        {pg::ObjectId(target_oid), pg::Text(action.column)});
    if (!adds && before.empty()) {
      continue;
    }
    if (!adds) {
      seen.Merge(drift::Profile::FromJson(before.text(0, 0)).value_or(drift::Profile()));
    }
    pg::RunPrepared(
        "INSERT INTO mend.own_columns AS o (target, column_name, attnum, type, profile, patch_id) "
        "SELECT $1, attname, attnum, format_type(atttypid, atttypmod), $3::jsonb, $4 FROM "
        "pg_attribute WHERE attrelid = $1 AND attname = $2 AND NOT attisdropped "
        "ON CONFLICT (target, column_name) DO UPDATE SET attnum = excluded.attnum, type = "
        "excluded.type, profile = excluded.profile, patch_id = excluded.patch_id",
        {pg::ObjectId(target_oid), pg::Text(action.column), pg::Text(seen.ToJson()),
         pg::Int8(record.id)});
  }
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

namespace {

bool AnyWaits(Oid target) {
  return !pg::RunPrepared(
              "SELECT FROM mend.queue WHERE target >= $1 AND target <= $1 ORDER BY target, id "
              "LIMIT 1",
              {pg::ObjectId(target)})
              .empty();
}

// How often the lock is held for mend.max_lock_hold in one round.
constexpr int kMaxTooLong = 3;

// Applies, and turns what may be thrown into a decision; nullopt when the round goes on without it.
// Most patches heal all there is: with the `last` one the round then ends in the same transaction.
std::optional<apply::Application> TryApply(RoundState* round, const apply::PatchRecord& record,
                                           const apply::Proof& proof,
                                           const drift::DriftSet& covered, bool last) {
  std::optional<pg::Error> failure;
  int patience_ms = pg::lock_timeout_ms;
  std::vector<apply::SampleRow> slow;  // what took too long
  int too_long = 0;
  for (Samples samples(proof); samples.Next();) {
    bool altered = false, node_failed = false;
    const pg::Stopwatch took;
    round->shared->Join();
    apply::NoteInFlight(round->target, samples.ids());
    round->shared->CommitFlushed();
    RoundState after = *round;
    const auto before_commit = [&](const queue::ReplayCounts& counts) {
      TakeApplied(&after, record, covered, counts);
      after.ended = last && after.unrecorded == 0 && !AnyWaits(after.target);
      if (after.ended) {
        WriteEnd(&after);
      }
    };
    std::optional<apply::Application> application;
    try {
      application = apply::Apply(round->target, record, samples.current(), proof.shape,
                                 round->outcome_policy, before_commit, &patience_ms, &altered);
    } catch (const citus::NodeFailure& error) {
      failure = error;
      node_failed = true;
    } catch (const pg::Error& error) {
      failure = error;
    }
    apply::DiscardSession();
    if (application) {
      if (application->result == apply::Application::Result::Applied) {
        *round = std::move(after);
      }
      return application;
    }
    if (node_failed) {
      BackOff(round, record, covered, "a node of Citus", ": " + std::string(failure->what()));
      return std::nullopt;
    }
    if (failure->sqlerrcode() == ERRCODE_LOCK_NOT_AVAILABLE || failure->IsClass("40")) {
      BackOff(round, record, covered, "the lock on the table");
      return std::nullopt;
    }
    if (took.IsTimeout(*failure, pg::max_lock_hold_ms)) {
      // Where the ALTER itself was in time it is the rows, or one of them: few may do.
      slow = slow.empty() ? samples.current() : slow;
      if (altered && ++too_long < kMaxTooLong && slow.size() > 1) {
        samples.TryFewOf(slow, too_long == 1);
        continue;
      }
      AskAfterTimeout(round, record, covered);
      return std::nullopt;
    }
    if (failure->MustPropagate() || failure->IsClass("53") || failure->IsClass("57") ||
        failure->IsClass("58")) {
      throw *failure;
    }
    if (!altered) {
      break;
    }
    samples.Split();
  }
  // The context names the function that failed it: an event trigger's, say.
  const std::string context = failure->fields().context.value_or("");
  Fail(round, record, covered, WithoutValues(*failure), queue::RowOutcome::Kind::DeadLetter,
       std::string(base::CutUtf8(
           failure->what() +
               (context.empty() ? "" : " (" + context.substr(0, context.find('\n')) + ")"),
           kMaxMessageBytes)));
  return std::nullopt;
}

// Whether the patch must wait until the lock on the table is tried for again; decides what it
// covers if so.
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

// Dead letters that an approved patch makes fit were looked at by whoever approved it: back to the
// queue.
void Requeue(RoundState* round, const table::Target& target, const apply::PatchRecord& record) {
  std::vector<int64_t> ids;
  apply::Prove(target, record.patch, apply::Evidence::DeadLetters, &ids);
  if (!ids.empty()) {
    pg::RunPrepared("SELECT mend.requeue($1)", {pg::Int8Array(ids)});
    round->low_id = std::min(round->low_id, *std::min_element(ids.begin(), ids.end()) - 1);
    pg::RunPrepared("UPDATE mend.progress SET low_id = $2 WHERE target = $1",
                    {pg::ObjectId(round->target), pg::Int8(round->low_id)});
  }
}

}  // namespace

bool ApplyRecord(RoundState* round, apply::PatchRecord record, const apply::Proof& proof,
                 drift::DriftSet covered, bool last) {
  round->shared->Join();
  if (WaitsForLock(round, record, covered)) {
    return false;
  }
  observe::NoteRun(record.id);
  std::optional<apply::Application> application = TryApply(round, record, proof, covered, last);
  if (!application) {
    return false;
  }
  switch (application->result) {
    case apply::Application::Result::ShapeChanged:
      round->again = true;
      DecideAll(round, covered, queue::RowOutcome::Kind::Wait,
                "the table changed while the patch was applied", record.id);
      return false;
    case apply::Application::Result::Unfit:
      Fail(round, record, covered, application->reason);
      return false;
    case apply::Application::Result::Refuted: break;
    case apply::Application::Result::Applied: return true;
  }
  apply::Proof rest_proof = proof;
  std::optional<apply::PatchRecord> rest =
      Trim(round, record, application->refuted, &rest_proof, &covered);
  if (!rest) {
    const queue::ReplayCounts& counts = application->counts;
    Fail(
        round, record, covered,
        "no row could be stored with it: " +
            (counts.refusal.empty() ? "the table refuses them for another reason" : counts.refusal),
        counts.backing_off > 0 ? queue::RowOutcome::Kind::BackOff
                               : queue::RowOutcome::Kind::DeadLetter);
    return false;
  }
  return ApplyRecord(round, std::move(*rest), rest_proof, std::move(covered), last);
}

void ApplyApproved(RoundState* round) {
  if (!round->patches_wait) {
    return;
  }
  std::vector<apply::PatchRecord> records;
  {
    round->shared->Join();
    records = apply::LoadPatches(*table::FindTarget(round->target), "approved");
    round->shared->CommitUnlessYoung();
  }
  for (apply::PatchRecord& record : records) {
    apply::Proof proof;
    drift::DriftSet covered;
    {
      round->shared->Join();
      std::shared_ptr<const table::Target> target = table::FindTarget(round->target);
      covered = CoveredBy(*round, *target, record.patch);
      if (record.online) {
        ApplyOnline(round, record, covered);
        continue;
      }
      // A proof reads the whole queue: not for every row that arrives in the meantime.
      if (WaitsForLock(round, record, covered)) {
        continue;
      }
      Requeue(round, *target, record);
      proof = apply::Prove(*target, record.patch, apply::Evidence::Queue);
      round->shared->CommitUnlessYoung();
    }
    // Of several suggestions that a row needs, a person approves one after the other.
    const bool is_suggestion = record.planner == "rules" && record.decided;
    if (!proof.Helps() && !(is_suggestion && proof.Relieves())) {
      Fail(round, record, covered, "it proves nothing: no waiting row fits thanks to it");
      continue;
    }
    std::vector<bool> useless = proof.action_helps;
    for (size_t i = 0; is_suggestion && i < useless.size(); ++i) {
      useless[i] = useless[i] || proof.action_relieves[i];
    }
    useless.flip();
    if (std::optional<apply::PatchRecord> rest = Trim(round, record, useless, &proof, &covered)) {
      ApplyRecord(round, std::move(*rest), proof, std::move(covered), false);
    } else {
      Fail(round, record, covered, "it proves nothing: no waiting row fits thanks to it");
    }
  }
}

}  // namespace mend::heal
