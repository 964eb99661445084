// mend.enroll, mend.configure, mend.map_field, mend.accept_loss. They run with the
// caller's rights, check those themselves, and write as the extension's owner.
#include <optional>
#include <string>

#include "server/api/arguments.h"
#include "server/api/landing_column.h"
#include "server/api/terms.h"
#include "server/guard/landing_table.h"
#include "server/pg/catalog.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"
#include "server/table/enrollment.h"

namespace mend::api {
namespace {

pg::Param Bool(const std::optional<bool>& value) {
  return {BOOLOID, BoolGetDatum(value.value_or(false)), !value};
}

// The parameters that enroll and configure share: $1 target, $2 .. $11 the terms.
std::vector<pg::Param> Parameters(Oid target, const Terms& terms) {
  const std::vector<std::string> none;
  std::vector<pg::Param> parameters = {
      pg::ObjectId(target),
      pg::Text(terms.mode),
      pg::TextArray(terms.allow.value_or(none)),
      {OIDOID, ObjectIdGetDatum(terms.healer.value_or(InvalidOid)), !terms.healer},
      pg::Text(terms.share),
      Bool(terms.lossless),
      pg::Text(terms.on_conflict),
      pg::TextArray(terms.carry.value_or(none)),
      pg::Text(terms.naive_zone),
      Bool(terms.allow_published),
      pg::Text(terms.rescue),
  };
  parameters[2].null = !terms.allow;
  parameters[7].null = !terms.carry;
  return parameters;
}

Datum Enroll(FunctionCallInfo call) {
  const Oid target = TargetArgument(call, 0);
  guard::RequireAdmin();
  guard::RequireLandingTable(target);
  guard::RequireOwner(target);
  // Against DROP TABLE only. Looked at once more, since it was not locked when it was first seen.
  pg::Call([&] { LockRelationOid(target, AccessShareLock); });
  guard::RequireLandingTable(target);
  guard::RequireOwner(target);
  Terms terms = ReadTerms(call);
  if (!terms.healer) {
    terms.healer = DefaultHealer();
  }
  CheckHealer(target, *terms.healer);
  if (terms.on_conflict == "update") {
    CheckKeyForUpdate(target);
  }
  if (terms.rescue && !terms.rescue->empty()) {
    CheckRescueColumn(target, *terms.rescue);
  }
  if (terms.newer_by && !terms.newer_by->empty()) {
    CheckNewerBy(target, *terms.newer_by);
  }
  std::vector<pg::Param> parameters = Parameters(target, terms);
  parameters.push_back(pg::Int8(static_cast<int64_t>(GetSystemIdentifier())));
  parameters.push_back(pg::ObjectId(MyDatabaseId));
  parameters.push_back(pg::Text(terms.newer_by));
  parameters.push_back(pg::Text(terms.at));
  parameters.push_back(pg::Text(terms.hints));
  parameters.push_back(pg::TextArray(terms.null_if.value_or(std::vector<std::string>())));
  parameters.back().null = !terms.null_if;
  parameters.push_back(Bool(terms.online));
  const pg::Rows added = pg::RunPrepared(
      "WITH added AS ("
      "  INSERT INTO mend.enrollments AS e (target, target_name, mode, allow, healer, share, "
      "lossless, on_conflict,"
      "                                     carry, naive_zone, allow_published, system_identifier, "
      "database_oid, rescue, newer_by, at, hints, null_if, online)"
      "  SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname), coalesce($2::mend.mode, "
      "'auto'),"
      "         coalesce($3::mend.action[], '{add_column,widen_type,map_field}'),"
      "         pg_catalog.pg_get_userbyid($4), coalesce($5::mend.share, 'shape'), coalesce($6, "
      "true),"
      "         coalesce($7, 'dead_letter'), coalesce($8, '{}'), nullif($9, ''), coalesce($10, "
      "false), $12, $13, nullif($11, ''), nullif($14, '')::name, nullif($15, ''), "
      "coalesce($16::jsonb, '{}'), "
      "coalesce($17, '{}'), coalesce($18, false)"
      "  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE "
      "c.oid = $1"
      "  ON CONFLICT DO NOTHING RETURNING e.*) "
      "INSERT INTO mend.events (kind, target_name, detail) "
      "SELECT 'enrolled', a.target_name, pg_catalog.to_jsonb(a) - "
      "'{target,target_name,enrolled_by,enrolled_at,"
      "lossy_columns,system_identifier,database_oid}'::text[] FROM added a",
      parameters);
  if (added.processed() == 0) {
    char* name = pg::Call([&] { return get_rel_name(target); });
    throw pg::Error(ERRCODE_DUPLICATE_OBJECT,
                    "table \"" + std::string(name) + "\" is already enrolled",
                    "mend.configure() changes its terms.");
  }
  return 0;
}

// What was offered for the table under an earlier name follows it to the one it is enrolled with
// now.
void AdoptName(Oid target) {
  for (const char* table :
       {"queue", "dead_letters", "fields", "drifts", "rescues", "promotions", "widenings"}) {
    pg::RunOnce(
        std::string("UPDATE mend.") + table +
            " b SET target_name = e.target_name FROM mend.enrollments e WHERE e.target = $1 "
            "AND b.target = e.target AND b.target_name <> e.target_name "
            "AND mend.at_home(e.system_identifier, e.database_oid)",
        {pg::ObjectId(target)});
  }
}

// Of a table that is gone, its name says more than its number.
void RequireNotDropped(Oid target) {
  if (pg::QualifiedName(target).empty()) {
    const std::string name =
        pg::RunPrepared("SELECT target_name FROM mend.enrollments WHERE target = $1",
                        {pg::ObjectId(target)})
            .text(0, 0);
    throw pg::Error(ERRCODE_UNDEFINED_TABLE, "table " + name + " was dropped",
                    "mend.move() gets its queued rows out, as dead letters or to another table, "
                    "and ends its enrolment.");
  }
}

// What the table kept from leaving the rescue column may be allowed to by now.
bool PromoteAgain(Oid target) {
  return pg::RunPrepared(
             "UPDATE mend.promotions SET wanted = true, relation = NULL, next_block = 0, "
             "block_count = 0, moved = 0, refused = 0, refusal = NULL, not_before = NULL, "
             "started_at = NULL, finished_at = NULL "
             "WHERE target = $1 AND NOT wanted AND refusal IS NOT NULL",
             {pg::ObjectId(target)})
             .processed() > 0;
}

Datum Configure(FunctionCallInfo call) {
  const Oid target = TargetArgument(call, 0);
  guard::RequireAdmin();
  table::RequireEnrolled(target);
  RequireNotDropped(target);
  guard::RequireLandingTable(target);
  guard::RequireOwner(target);
  const Terms terms = ReadTerms(call);
  if (terms.healer) {
    CheckHealer(target, *terms.healer);
  }
  if (terms.on_conflict == "update") {
    CheckKeyForUpdate(target);
  }
  if (terms.rescue && !terms.rescue->empty()) {
    CheckRescueColumn(target, *terms.rescue);
  }
  if (terms.newer_by && !terms.newer_by->empty()) {
    CheckNewerBy(target, *terms.newer_by);
  }
  std::vector<pg::Param> parameters = Parameters(target, terms);
  const std::string name = pg::QualifiedName(target);
  parameters.push_back(pg::Text(name));
  parameters.push_back(pg::Text(terms.newer_by));
  parameters.push_back(pg::Text(terms.at));
  parameters.push_back(pg::Text(terms.hints));
  parameters.push_back(pg::TextArray(terms.null_if.value_or(std::vector<std::string>())));
  parameters.back().null = !terms.null_if;
  parameters.push_back(Bool(terms.online));
  const pg::Rows changed = pg::RunPrepared(
      "WITH before AS (SELECT pg_catalog.to_jsonb(e) AS terms FROM mend.enrollments e WHERE "
      "e.target = $1),"
      " after AS (UPDATE mend.enrollments e SET mode = coalesce($2::mend.mode, mode),"
      "           allow = coalesce($3::mend.action[], allow),"
      "           healer = coalesce((SELECT rolname FROM pg_catalog.pg_roles WHERE oid = $4), "
      "healer),"
      "           share = coalesce($5::mend.share, share), lossless = coalesce($6, lossless),"
      "           on_conflict = coalesce($7, on_conflict), carry = coalesce($8, carry),"
      "           naive_zone = nullif(coalesce($9, naive_zone), ''),"
      "           allow_published = coalesce($10, allow_published),"
      "           rescue = nullif(coalesce($11, rescue::text), '')::name,"
      "           newer_by = nullif(coalesce($13, newer_by::text), '')::name,"
      "           at = nullif(coalesce($14, at), ''),"
      "           hints = coalesce($15::jsonb, hints), null_if = coalesce($16, null_if),"
      "           online = coalesce($17, online),"
      // A renamed table is still the same one, unless the OID came with a restore.
      "           target_name = CASE WHEN mend.at_home(system_identifier, database_oid) THEN $12 "
      "ELSE target_name END"
      "           WHERE e.target = $1 RETURNING e.target_name, pg_catalog.to_jsonb(e) AS terms),"
      " changes AS (SELECT pg_catalog.jsonb_object_agg(n.key, pg_catalog.jsonb_build_object("
      "                      'from', before.terms -> n.key, 'to', n.value)) AS detail"
      "             FROM before, after, pg_catalog.jsonb_each(after.terms) n"
      "             WHERE before.terms -> n.key IS DISTINCT FROM n.value) "
      "INSERT INTO mend.events (kind, target_name, detail) "
      "SELECT 'configured', after.target_name, changes.detail FROM after, changes WHERE "
      "changes.detail IS NOT NULL",
      parameters);
  if (changed.processed() > 0) {
    AdoptName(target);
  }
  if (PromoteAgain(target) || changed.processed() > 0) {
    RequestRound(target);
  }
  return 0;
}

// The values of a field that is ignored from now on may be in the rescue column.
void OfferToDrop(Oid target, const std::string& field) {
  const pg::Rows rescued = pg::RunPrepared(
      "SELECT r.row_count, format('UPDATE %s SET %2$I = nullif(%2$I - %3$L, ''{}'') WHERE %2$I ? "
      "%3$L;', e.target_name, e.rescue, r.field) FROM mend.enrollments e, mend.rescued($1) r WHERE "
      "e.target = $1 AND e.rescue IS NOT NULL AND r.field = $2",
      {pg::ObjectId(target), pg::Text(field)});
  if (!rescued.empty()) {
    const std::string &rows = rescued.text(0, 0), &statement = rescued.text(0, 1);
    pg::Call([&] {
      ereport(NOTICE,
              (errmsg("%s rows keep a rescued value of field \"%s\"", rows.c_str(), field.c_str()),
               errhint("To drop them: %s", statement.c_str())));
    });
  }
}

Datum MapField(FunctionCallInfo call) {
  const Oid target = TargetArgument(call, 0);
  const std::optional<std::string> field = TextArgument(call, 1);
  const std::optional<std::string> column = NameArgument(call, 2);
  if (!field) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, "field must not be null");
  }
  guard::RequireAdmin();
  table::RequireEnrolled(target);
  if (column) {
    RequireSettableColumn(target, *column);
  }
  pg::RunPrepared(
      "WITH recorded AS ("
      "  INSERT INTO mend.fields AS f (target, target_name, field, column_name)"
      "  SELECT target, target_name, $2, $3 FROM mend.enrollments WHERE target = $1"
      "  ON CONFLICT (target, field) DO UPDATE SET column_name = excluded.column_name, held = "
      "NULL, patch_id = NULL,"
      "     reading = CASE WHEN f.column_name = excluded.column_name THEN f.reading END"
      "  RETURNING target_name, field, column_name) "
      "INSERT INTO mend.events (kind, target_name, detail) "
      "SELECT 'field_mapped', target_name, pg_catalog.jsonb_build_object('field', field, 'column', "
      "column_name)"
      " FROM recorded",
      {pg::ObjectId(target), pg::Text(field), pg::Text(column)});
  if (!column) {
    OfferToDrop(target, *field);
  }
  RequestRound(target);
  return 0;
}

Datum AcceptLoss(FunctionCallInfo call) {
  const Oid target = TargetArgument(call, 0);
  const std::optional<std::string> column = NameArgument(call, 1);
  if (!column) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, "column_name must not be null");
  }
  guard::RequireAdmin();
  table::RequireEnrolled(target);
  RequireSettableColumn(target, *column);
  const pg::Rows added = pg::RunPrepared(
      "WITH changed AS ("
      "  UPDATE mend.enrollments SET lossy_columns = lossy_columns || $2"
      "  WHERE target = $1 AND NOT $2 = ANY (lossy_columns) RETURNING target_name) "
      "INSERT INTO mend.events (kind, target_name, detail) "
      "SELECT 'loss_accepted', target_name, pg_catalog.jsonb_build_object('column', $2) FROM "
      "changed",
      {pg::ObjectId(target), pg::Name(*column)});
  if (added.processed() > 0) {
    RequestRound(target);
  }
  return 0;
}

}  // namespace
}  // namespace mend::api

MEND_EXPORT_DECISION(mend_enroll, mend::api::Enroll)
MEND_EXPORT_DECISION(mend_configure, mend::api::Configure)
MEND_EXPORT_DECISION(mend_map_field, mend::api::MapField)
MEND_EXPORT_DECISION(mend_accept_loss, mend::api::AcceptLoss)
