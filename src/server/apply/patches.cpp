#include "server/apply/patches.h"

#include <algorithm>

#include "core/base/json.h"
#include "core/base/json_member.h"
#include "core/base/json_writer.h"
#include "core/plan/lattice.h"
#include "server/apply/field_reading.h"
#include "server/apply/widening.h"
#include "server/guard/check.h"
#include "server/guard/check_reading.h"
#include "server/guard/dependencies.h"
#include "server/guard/render.h"
#include "server/observe/events.h"
#include "server/pg/spi.h"

namespace mend::apply {

std::string FieldMapToJson(const std::vector<plan::FieldMapping>& field_map) {
  json::Writer out;
  out.Object();
  for (const plan::FieldMapping& mapping : field_map) {
    out.Key(mapping.field);
    mapping.column ? out.String(*mapping.column) : out.Null();
  }
  return out.Close().Take();
}

std::optional<std::vector<plan::FieldMapping>> FieldMapFromJson(const std::string& text) {
  json::Document document;
  if (document.Parse(text) || document.root().kind() != json::Kind::Object) {
    return std::nullopt;
  }
  std::vector<plan::FieldMapping> field_map;
  json::Value map = document.root();
  for (json::Value key = map.First(); key; key = map.After(key)) {
    json::Value column = map.ValueOf(key);
    if (column.kind() == json::Kind::Null) {
      field_map.push_back({std::string(key.text()), std::nullopt});
    } else if (column.kind() == json::Kind::String) {
      field_map.push_back({std::string(key.text()), std::string(column.text())});
    } else {
      return std::nullopt;
    }
  }
  return field_map;
}

std::string EvidenceJson(const plan::Patch& patch, const table::Target& target,
                         const drift::DriftSet& drift, const Proof& proof,
                         const Proof* dead_letters) {
  table::Target patched = table::Patched(target, patch);
  json::Writer out;
  out.Object().Key("actions").Array();
  for (const plan::Action& action : patch.actions) {
    out.Object().String("kind", plan::Name(action.kind)).String("column", action.column);
    if (action.type.oid != 0) {
      out.String("type", guard::RenderType(action.type));
    }
    if (action.kind == plan::ActionKind::ReadAs) {
      out.String("reading", action.reading).String("from", ReadingOf(target, action.column));
    }
    if (plan::ChangesType(action.kind)) {
      out.String("from", guard::RenderType(target.shape().Find(action.column)->type));
    }
    out.Close();
  }
  out.Close().Key("drift").Array();
  for (const drift::Drift& one : drift) {
    if (!Covers(patch, patched, one)) {
      continue;
    }
    out.Object().String("field", one.field).String("kind", drift::Name(one.kind));
    out.String("cause", drift::Code(one.cause)).Number("rows", one.row_count);
    if (one.rescued > 0) {
      out.Number("rescued", one.rescued);
    }
    out.Raw("profile", one.profile.ToJson()).Close();
  }
  out.Close().Key("proof").Object();
  out.Number("rows_tried", proof.tried).Number("rows_healed", proof.healed);
  if (dead_letters != nullptr && dead_letters->tried > 0) {
    out.Number("dead_letters_tried", dead_letters->tried);
    out.Number("dead_letters_healed", dead_letters->healed);
  }
  if (proof.submitter) {
    out.Number("submitter", *proof.submitter);
  }
  return out.Close().Close().Take();
}

bool RewritesTable(const plan::Shape& shape, const plan::Patch& patch) {
  return std::any_of(patch.actions.begin(), patch.actions.end(), [&](const plan::Action& action) {
    const plan::Column* column = shape.Find(action.column);
    return plan::ChangesType(action.kind) && column != nullptr &&
           plan::Rewrites(column->type, action.type);
  });
}

namespace {

// Rows that back off behind a refuted patch (a missing partition, a foreign key) bring the same one
// up at every try.
std::optional<int64_t> TryAgain(Oid target, const NewPatch& patch) {
  pg::Rows again = pg::RunPrepared(
      // Whether a row was tried before is asked of such a patch only: it may read the whole queue.
      "UPDATE mend.patches p SET state = 'approved', reason = NULL, evidence = $5::jsonb WHERE id "
      "= (SELECT max(id) "
      "FROM mend.patches WHERE target = $1 AND state = 'failed' AND "
      "coalesce(mend.full_ddl(patches), '') = $2 AND "
      "field_map = $3::jsonb "
      "AND fingerprint = $4 AND proposed_by = 'pg_mend') AND EXISTS (SELECT FROM mend.queue q "
      "WHERE q.target = p.target "
      "AND q.attempts > 0) RETURNING id",
      {pg::ObjectId(target), pg::Text(patch.ddl), pg::Text(FieldMapToJson(patch.field_map)),
       pg::Text(patch.fingerprint), pg::Text(patch.evidence)});
  return again.empty() ? std::nullopt : std::optional<int64_t>(again.int8(0, 0));
}

bool SharesValues(Oid target) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT share = 'values' FROM mend.enrollments WHERE target = $1", {pg::ObjectId(target)});
  return !rows.empty() && rows.boolean(0, 0);
}

}  // namespace

bool HidesLabels(Oid target, const plan::Patch& patch) {
  return plan::AddsLabels(patch.actions) && !SharesValues(target);
}

int64_t InsertPatch(const table::Target& target, const NewPatch& patch) {
  bool decided = patch.state == "approved";
  if (std::optional<int64_t> again =
          decided ? TryAgain(target.shape().relid, patch) : std::nullopt) {
    return *again;
  }
  const bool hides_labels = !patch.labels.empty() && !SharesValues(target.shape().relid);
  pg::Rows rows = pg::RunPrepared(
      "INSERT INTO mend.patches (target, target_name, planner, proposed_ddl, ddl, inverse_ddl, "
      "field_map, rationale, "
      "state, reason, evidence, fingerprint, rewrites_table, proposed_by, decided_by, decided_at, "
      "model, input_tokens, "
      "output_tokens, cost_usd, online) "
      "VALUES ($1, $2, $3, $4, nullif($5, ''), nullif($6, ''), $7::jsonb, $8, $9, nullif($10, ''), "
      "$11::jsonb, "
      "nullif($12, ''), $13, coalesce($14, session_user), CASE WHEN $15 THEN $14::name END, "
      "CASE WHEN $15 THEN clock_timestamp() END, nullif($16, ''), $17, $18, $19::numeric, $20) "
      "RETURNING id",
      {pg::ObjectId(target.shape().relid),
       pg::Text(target.enrollment().target_name),
       pg::Text(patch.planner),
       pg::Text(hides_labels ? patch.ddl_without_labels : patch.proposed_ddl),
       pg::Text(hides_labels ? patch.ddl_without_labels : patch.ddl),
       pg::Text(patch.inverse_ddl),
       pg::Text(FieldMapToJson(patch.field_map)),
       pg::Text(patch.rationale),
       pg::Text(patch.state),
       pg::Text(patch.reason),
       pg::Text(patch.evidence),
       pg::Text(patch.fingerprint),
       pg::Bool(patch.rewrites),
       pg::Text(patch.proposed_by),
       pg::Bool(decided),
       pg::Text(patch.model),
       pg::Int8(patch.input_tokens),
       pg::Int8(patch.output_tokens),
       pg::Text(patch.cost_usd),
       pg::Bool(patch.online)});
  if (hides_labels) {
    pg::RunPrepared("INSERT INTO mend.enum_labels VALUES ($1, $2)",
                    {pg::Int8(rows.int8(0, 0)), pg::TextArray(patch.labels)});
  }
  return rows.int8(0, 0);
}

void NoteLabels(const plan::Patch& patch, NewPatch* record) {
  if (plan::AddsLabels(patch.actions)) {
    record->labels = patch.actions.front().labels;
    record->ddl_without_labels = guard::RenderWithoutLabels(patch.actions.front());
  }
}

void SetPatchState(int64_t id, const char* state, const std::string& reason) {
  pg::RunPrepared(
      "UPDATE mend.patches SET state = $2, reason = nullif($3, ''), online = online AND $2 <> "
      "'proposed', "
      "applied_at = CASE WHEN $2 = 'applied' THEN clock_timestamp() ELSE applied_at END "
      // An error that comes after the commit of an ALTER does not put its patch back.
      "WHERE id = $1 AND NOT (state = 'applied' AND $2 = 'approved')",
      {pg::Int8(id), pg::Text(state), pg::Text(reason)});
}

void CountRows(int64_t id, int64_t healed, int64_t failed) {
  pg::RunPrepared(
      "UPDATE mend.patches SET rows_healed = rows_healed + $2, rows_failed = rows_failed + $3 "
      "WHERE id = $1",
      {pg::Int8(id), pg::Int8(healed), pg::Int8(failed)});
}

namespace {

// What is wrong with the reading, or nothing: then it is in the patch.
std::optional<base::Error> AddReading(const table::Target& target, plan::Action reading,
                                      plan::Patch* patch) {
  const std::optional<pg::Error> why =
      guard::WhyNotReading(target.shape(), reading.column, reading.reading);
  if (why) {
    return base::Error{why->sqlstate(), why->fields().message, why->fields().hint.value_or("")};
  }
  reading.reading = reading::Print(*reading::Parse(reading.reading));
  patch->actions.push_back(std::move(reading));
  return std::nullopt;
}

}  // namespace

base::Result<plan::Patch> ReadPatch(const table::Target& target, const std::string& ddl,
                                    const std::string& field_map_json,
                                    const std::vector<plan::Action>& readings) {
  return ReadPatch(target, target.enrollment().allow, ddl, field_map_json, readings);
}

base::Result<plan::Patch> ReadPatch(const table::Target& target,
                                    const std::set<plan::ActionKind>& allow, const std::string& ddl,
                                    const std::string& field_map_json,
                                    const std::vector<plan::Action>& readings) {
  plan::Patch patch;
  if (!ddl.empty()) {
    plan::Shape shape = target.shape();
    guard::ExplainTypeLocks(&shape);
    guard::Verdict verdict = guard::Check(shape, allow, ddl);
    if (!verdict.allowed) {
      return base::Error{"42501", verdict.reason, ""};
    }
    patch.actions = std::move(verdict.actions);
  }
  std::optional<std::vector<plan::FieldMapping>> field_map = FieldMapFromJson(field_map_json);
  if (!field_map) {
    return base::Error{"22023", "the field map is not an object of {field: column or null}", ""};
  }
  patch.field_map = std::move(*field_map);
  if (!patch.field_map.empty() && allow.count(plan::ActionKind::MapField) == 0) {
    return base::Error{"42501", "the enrolment does not allow map_field", ""};
  }
  for (const plan::FieldMapping& mapping : patch.field_map) {
    if (!mapping.column || target.shape().Find(*mapping.column) != nullptr) {
      continue;
    }
    bool added =
        std::any_of(patch.actions.begin(), patch.actions.end(), [&](const plan::Action& action) {
          return action.kind == plan::ActionKind::AddColumn && action.column == *mapping.column;
        });
    if (!added) {
      return base::Error{
          "42703", "the field map names a column that the table does not have: " + *mapping.column,
          ""};
    }
  }
  for (const plan::Action& reading : readings) {
    if (std::optional<base::Error> why = AddReading(target, reading, &patch)) {
      return *why;
    }
  }
  if (patch.empty()) {
    return base::Error{"22023", "the patch is empty: it has no DDL, no field map and no reading",
                       ""};
  }
  return patch;
}

std::optional<std::vector<plan::Action>> ReadingsFromJson(const std::string& text) {
  json::Document document;
  if (document.Parse(text) || document.root().kind() != json::Kind::Array) {
    return std::nullopt;
  }
  std::vector<plan::Action> readings;
  const json::Value list = document.root();
  for (json::Value one = list.First(); one; one = list.After(one)) {
    const auto column = json::StringMember(one, "column"),
               reading = json::StringMember(one, "reading");
    if (!column || !reading) {
      return std::nullopt;
    }
    plan::Action& action = readings.emplace_back();
    action.kind = plan::ActionKind::ReadAs;
    action.column = *column;
    action.reading = *reading;
  }
  return readings;
}

std::vector<PatchRecord> LoadPatches(const table::Target& target, const char* state) {
  pg::Rows rows = pg::RunPrepared(
      "SELECT id, planner, coalesce(mend.full_ddl(patches), ''), field_map::text, rewrites_table, "
      "decided_by IS DISTINCT FROM 'pg_mend', "
      "CASE WHEN state = 'proposed' AND decided_at IS NOT NULL THEN coalesce(reason, '') END, "
      "online, "
      "EXISTS (SELECT FROM mend.widenings w WHERE w.patch = id AND w.finished IS NULL) FROM "
      "mend.patches "
      "WHERE target = $1 AND state = $2 ORDER BY id",
      {pg::ObjectId(target.shape().relid), pg::Text(state)});
  std::vector<PatchRecord> records;
  for (size_t i = 0; i < rows.size(); ++i) {
    // What rules suggest beyond what is allowed waits for a person, or a person has decided on it.
    const bool suggested =
        rows.text(i, 1) == "rules" && (rows.boolean(i, 5) || std::string_view(state) == "proposed");
    base::Result<plan::Patch> patch =
        ReadPatch(target, suggested ? plan::AllActions() : target.enrollment().allow,
                  rows.text(i, 2), rows.text(i, 3));
    if (!patch && rows.boolean(i, 8)) {
      // A person may take away what has come in its way, or give it up.
      PauseWidening(rows.int8(i, 0), patch.error().message);
      continue;
    }
    if (!patch) {
      // What nobody has approved was overtaken by whoever changed the table.
      const bool waited = std::string_view(state) == "proposed";
      SetPatchState(rows.int8(i, 0), waited ? "superseded" : "failed",
                    "it no longer passes the guard: " + patch.error().message);
      if (waited) {
        observe::Record("patch_superseded", target.enrollment().target_name, rows.int8(i, 0), "{}",
                        observe::kWorker);
      }
      continue;
    }
    records.push_back({rows.int8(i, 0), rows.text(i, 1), rows.text(i, 2), std::move(*patch),
                       rows.boolean(i, 4), rows.boolean(i, 5), rows.boolean(i, 7),
                       rows.maybe(i, 6)});
  }
  return records;
}

}  // namespace mend::apply
