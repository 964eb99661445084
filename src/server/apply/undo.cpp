#include "server/apply/undo.h"

#include <algorithm>
#include <optional>

#include "core/base/json.h"
#include "server/apply/owner_query.h"
#include "server/apply/undo_rescue.h"
#include "server/citus/managed_table.h"
#include "server/guard/render.h"
#include "server/pg/catalog.h"
#include "server/pg/spi.h"

namespace mend::apply {
namespace {

std::string Member(json::Value object, const char* name) {
  for (json::Value key = object.First(); key; key = object.After(key)) {
    if (key.text() == name) {
      return std::string(object.ValueOf(key).text());
    }
  }
  return "";
}

}  // namespace

std::vector<AppliedAction> ReadActions(const std::string& text) {
  json::Document document;
  std::vector<AppliedAction> actions;
  if (document.Parse(text) || document.root().kind() != json::Kind::Array) {
    return actions;
  }
  json::Value list = document.root();
  for (json::Value one = list.First(); one; one = list.After(one)) {
    actions.push_back({Member(one, "kind"), Member(one, "column"), Member(one, "type"),
                       Member(one, "from"), Member(one, "reading")});
  }
  return actions;
}

std::vector<std::string> ReadFields(const std::string& text) {
  json::Document document;
  std::vector<std::string> fields;
  if (!document.Parse(text) && document.root().kind() == json::Kind::Array) {
    for (json::Value one = document.root().First(); one; one = document.root().After(one)) {
      fields.push_back(Member(one, "field"));
    }
  }
  return fields;
}

void CheckUnchanged(int64_t id, const table::Target& target, const AppliedAction& action) {
  const plan::Column* column = target.shape().Find(action.column);
  if (column == nullptr) {
    RefuseRevert(id, "column \"" + action.column + "\" is gone already",
                 "Drop what is left of it by hand.");
  }
  if (!action.type.empty() && guard::RenderType(column->type) != action.type) {
    RefuseRevert(id,
                 "column \"" + action.column + "\" is " + column->type_text +
                     " by now, and was made " + action.type,
                 "Revert the later patch first, or change the column by hand.");
  }
}

namespace {

// A name that no column of the undo table has yet.
std::string FreeName(std::string name, const std::vector<std::string>& taken) {
  while (std::find(taken.begin(), taken.end(), name) != taken.end()) {
    name += '_';
  }
  return name;
}

// The columns that go, with what identifies their rows.
void KeepValues(int64_t id, const table::Target& target,
                const std::vector<AppliedAction>& actions) {
  std::string columns, filled;
  std::vector<std::string> names;
  for (const AppliedAction& action : actions) {
    if (action.kind != "add_column") {
      continue;
    }
    std::string quoted = pg::QuoteIdentifier(action.column);
    columns += ", " + quoted;
    filled += (filled.empty() ? "" : " OR ") + quoted + " IS NOT NULL";
    names.push_back(action.column);
  }
  if (columns.empty()) {
    return;
  }
  const Oid relid = target.shape().relid;
  pg::Rows key = pg::RunPrepared(
      "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND "
      "a.attnum = ANY (i.indkey) "
      "WHERE i.indrelid = $1 AND i.indisprimary AND a.attname <> ALL ($2) ORDER BY a.attnum",
      {pg::ObjectId(relid), pg::TextArray(names)});
  std::string key_columns;
  for (size_t i = 0; i < key.size(); ++i) {
    key_columns += ", " + pg::QuoteIdentifier(key.text(i, 0));
    names.push_back(key.text(i, 0));
  }
  const std::string undo = "mend.undo_" + std::to_string(id);
  // A node's OIDs mean nothing here: the name of the shard does.
  const std::string table =
      citus::Manages(relid) ? "tableoid::regclass::text" : "tableoid::regclass";
  const std::string query = "SELECT " + table + " AS " + FreeName("undo_table", names) +
                            ", ctid AS " + FreeName("undo_row", names) + key_columns + columns +
                            " FROM " + pg::QualifiedName(relid) + " WHERE " + filled;
  const std::string owner = pg::QuoteIdentifier(pg::RoleName(pg::OwnerOf(relid)));
  pg::RunOnce("CREATE TABLE " + undo + " AS " + query + " WITH NO DATA");
  pg::RunOnce("GRANT INSERT ON " + undo + " TO " + owner);
  RunAsOwner(id, relid, "INSERT INTO " + undo + " " + query);
  pg::RunOnce("REVOKE INSERT ON " + undo + " FROM " + owner);
  pg::RunOnce("GRANT SELECT ON " + undo + " TO mend_admin");
}

void CheckNoNulls(int64_t id, const table::Target& target, const AppliedAction& action) {
  std::string sql = "SELECT FROM " + pg::QualifiedName(target.shape().relid) + " WHERE " +
                    pg::QuoteIdentifier(action.column) + " IS NULL LIMIT 1";
  base::Result<uint64_t> nulls = RunAsOwner(id, target.shape().relid, sql);
  if (!nulls || *nulls > 0) {
    RefuseRevert(id, "column \"" + action.column + "\" holds nulls",
                 "Give those rows a value first.");
  }
}

void CheckNarrowing(int64_t id, const table::Target& target, const AppliedAction& action,
                    RescueUndo* rescue) {
  std::string column = pg::QuoteIdentifier(action.column);
  std::string sql = "SELECT FROM " + pg::QualifiedName(target.shape().relid) + " WHERE " +
                    ThereAndBack(column, action) + " IS DISTINCT FROM " + column + " LIMIT 1";
  base::Result<uint64_t> changed = RunAsOwner(id, target.shape().relid, sql);
  if ((!changed || *changed > 0) && !rescue->PutBackUnfit(action)) {
    RefuseRevert(id,
                 "column \"" + action.column + "\" holds values that do not fit its former type " +
                     action.from,
                 "Change those values first.");
  }
}

}  // namespace

void SaveForUndo(int64_t id, const table::Target& target, const std::vector<AppliedAction>& actions,
                 std::vector<std::string> fields) {
  RescueUndo rescue(id, target, std::move(fields));
  for (const AppliedAction& action : actions) {
    CheckUnchanged(id, target, action);
  }
  LoosePolicies policies(target.shape().relid);
  KeepValues(id, target, actions);
  for (const AppliedAction& action : actions) {
    if (action.kind == "add_column") {
      rescue.PutBackAll(action);
    } else if (action.kind == "widen_type" || action.kind == "change_type") {
      CheckNarrowing(id, target, action, &rescue);
    } else if (action.kind == "drop_not_null") {
      CheckNoNulls(id, target, action);
    }
  }
  policies.Restore();
}

bool IsInUse(const table::Target& target, const AppliedAction& action) {
  const Oid relid = target.shape().relid;
  const std::string column = pg::QuoteIdentifier(action.column);
  std::string unlike;
  if (action.kind == "add_column") {
    unlike = column + " IS NOT NULL";
  } else if (action.kind == "drop_not_null") {
    unlike = column + " IS NULL";
  } else if (action.kind == "widen_type") {
    unlike =
        "(" + column + "::" + action.from + ")::" + action.type + " IS DISTINCT FROM " + column;
  } else {
    return false;
  }
  const base::Result<uint64_t> rows = RunAsOwner(
      0, relid, "SELECT FROM " + pg::QualifiedName(relid) + " WHERE " + unlike + " LIMIT 1");
  return !rows || *rows > 0;
}

}  // namespace mend::apply
