#include "server/apply/revert.h"

#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "server/apply/alter.h"
#include "server/observe/events.h"
#include "server/pg/catalog.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"

namespace mend::apply {
namespace {

struct AppliedAction {
  std::string kind, column, type, from;
};

std::string Member(json::Value object, const char* name) {
  for (json::Value key = object.First(); key; key = object.After(key)) {
    if (key.text() == name) {
      return std::string(object.ValueOf(key).text());
    }
  }
  return "";
}

std::vector<AppliedAction> ReadActions(const std::string& text) {
  json::Document document;
  std::vector<AppliedAction> actions;
  if (document.Parse(text) || document.root().kind() != json::Kind::Array) {
    return actions;
  }
  json::Value list = document.root();
  for (json::Value one = list.First(); one; one = list.After(one)) {
    actions.push_back({Member(one, "kind"), Member(one, "column"), Member(one, "type"), Member(one, "from")});
  }
  return actions;
}

[[noreturn]] void Refuse(int64_t id, const std::string& why, const std::string& hint) {
  throw pg::Error(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "patch " + std::to_string(id) + " cannot be reverted: " + why,
                  hint);
}

// The columns that go, with what identifies their rows.
void KeepValues(int64_t id, const ingest::Target& target, const std::vector<AppliedAction>& actions) {
  std::string columns, filled;
  for (const AppliedAction& action : actions) {
    if (action.kind != "add_column") {
      continue;
    }
    if (target.shape().Find(action.column) == nullptr) {
      Refuse(id, "column \"" + action.column + "\" is gone already", "Drop what is left of it by hand.");
    }
    std::string quoted = pg::QuoteIdentifier(action.column);
    columns += ", " + quoted;
    filled += (filled.empty() ? "" : " OR ") + quoted + " IS NOT NULL";
  }
  if (columns.empty()) {
    return;
  }
  pg::Rows key = pg::KeepBooks(
      "SELECT coalesce(string_agg(', ' || quote_ident(a.attname), '' ORDER BY a.attnum), '') FROM pg_index i "
      "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) "
      "WHERE i.indrelid = $1 AND i.indisprimary",
      {pg::ObjectId(target.shape().relid)});
  std::string undo = "mend.undo_" + std::to_string(id);
  pg::KeepBooks(("CREATE TABLE " + undo + " AS SELECT tableoid::regclass AS undo_table, ctid AS undo_row" +
                 key.text(0, 0) + columns + " FROM " + pg::QualifiedName(target.shape().relid) + " WHERE " + filled)
                    .c_str());
  pg::KeepBooks(("GRANT SELECT ON " + undo + " TO mend_admin").c_str());
}

void CheckNoNulls(int64_t id, const ingest::Target& target, const AppliedAction& action) {
  std::string sql = "SELECT FROM " + target.shape().QualifiedName() + " WHERE " + pg::QuoteIdentifier(action.column) +
                    " IS NULL LIMIT 1";
  if (!pg::KeepBooks(sql.c_str()).empty()) {
    Refuse(id, "column \"" + action.column + "\" holds nulls", "Give those rows a value first.");
  }
}

// Only built-in casts run here, as superuser: row security must not hide a row from this question.
void CheckNarrowing(int64_t id, const ingest::Target& target, const AppliedAction& action) {
  std::string column = pg::QuoteIdentifier(action.column);
  std::string sql = "SELECT FROM " + pg::QualifiedName(target.shape().relid) + " WHERE (" + column + "::" + action.from +
                    ")::" + action.type + " IS DISTINCT FROM " + column + " LIMIT 1";
  bool changes = false;
  std::optional<pg::Error> failure = pg::Attempt([&] { changes = !pg::KeepBooks(sql.c_str()).empty(); });
  if (failure && !failure->IsClass("22")) {
    throw *failure;
  }
  if (changes || failure) {
    Refuse(id, "column \"" + action.column + "\" holds values that do not fit its former type " + action.from,
           "Change those values first.");
  }
}

}  // namespace

void Revert(int64_t patch_id) {
  pg::Rows patch = pg::KeepBooks(
      "SELECT target::oid, state, coalesce(inverse_ddl, ''), coalesce(evidence -> 'actions', '[]')::text "
      "FROM mend.patches WHERE id = $1 FOR UPDATE",
      {pg::Int8(patch_id)});
  if (patch.empty()) {
    throw pg::Error(ERRCODE_UNDEFINED_OBJECT, "there is no patch " + std::to_string(patch_id), "See mend.patches.");
  }
  if (patch.text(0, 1) != "applied") {
    Refuse(patch_id, "it is " + patch.text(0, 1) + ", not applied", "Only an applied patch can be reverted.");
  }
  std::string inverse = patch.text(0, 2);
  Oid relid = patch.oid(0, 0);
  {
    pg::AsBookkeeper bookkeeper;
    if (!inverse.empty()) {
      LockForAlter(relid);
    }
    std::shared_ptr<const ingest::Target> target = ingest::FindTarget(relid);
    std::vector<AppliedAction> actions = ReadActions(patch.text(0, 3));
    KeepValues(patch_id, *target, actions);
    for (const AppliedAction& action : actions) {
      if (action.kind == "widen_type") {
        CheckNarrowing(patch_id, *target, action);
      } else if (action.kind == "drop_not_null") {
        CheckNoNulls(patch_id, *target, action);
      }
    }
    if (!inverse.empty()) {
      if (std::optional<std::string> unfit = AlterUnderLock(*target, inverse)) {
        Refuse(patch_id, *unfit, "Mend the healer role first.");
      }
    }
  }
  pg::KeepBooks(
      "UPDATE mend.patches SET state = 'reverted', decided_by = session_user, decided_at = clock_timestamp() "
      "WHERE id = $1",
      {pg::Int8(patch_id)});
  pg::KeepBooks(
      "SELECT mend.hold_fields(p, format('patch %s was reverted by %s', p.id, session_user)) FROM mend.patches p "
      "WHERE p.id = $1",
      {pg::Int8(patch_id)});
  // What waited for the reverted column is judged again.
  pg::KeepBooks("SELECT mend.request_round($1)", {pg::ObjectId(relid)});
  observe::Record("patch_reverted", pg::QualifiedName(relid), patch_id);
}

}  // namespace mend::apply
