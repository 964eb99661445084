#include "server/apply/revert.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "server/apply/alter.h"
#include "server/apply/field_reading.h"
#include "server/apply/origin.h"
#include "server/apply/promote.h"
#include "server/citus/managed_table.h"
#include "server/guard/render.h"
#include "server/observe/events.h"
#include "server/pg/catalog.h"
#include "server/pg/deadline.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"
#include "server/pg/work_transaction.h"
#include "server/table/code.h"

namespace mend::apply {
namespace {

struct AppliedAction {
  std::string kind, column, type, from, reading;
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
    actions.push_back({Member(one, "kind"), Member(one, "column"), Member(one, "type"),
                       Member(one, "from"), Member(one, "reading")});
  }
  return actions;
}

[[noreturn]] void Refuse(int64_t id, const std::string& why, const std::string& hint) {
  throw pg::Error(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                  "patch " + std::to_string(id) + " cannot be reverted: " + why, hint);
}

// Reads the table as its owner. To plan a query is to run what its owner wrote: constant parts of
// index expressions, casts, partition keys. It must be the owner's own rights that they run with.
class AsOwner {
 public:
  explicit AsOwner(Oid owner) : owner_({owner, owner, ""}, pg::ForeignCode::Until::Scope) {}

 private:
  // A row that a policy hides would be lost: such a query fails.
  pg::SettingsScope all_rows_{{"row_security", "off"}};
  pg::ForeignCode owner_;
};

struct Owned {
  Oid owner = InvalidOid;
  bool forced_policies = false;  // row security binds the owner too
};

Owned OwnerOf(Oid relid) {
  return pg::Call([&] {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
    if (!HeapTupleIsValid(tuple)) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                      errmsg("relation with OID %u does not exist", relid)));
    }
    auto* form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
    const Owned owned = {form->relowner, form->relforcerowsecurity};
    ReleaseSysCache(tuple);
    return owned;
  });
}

// Policies that bind the owner as well are loosened while we look: the lock that we hold keeps
// others from seeing it.
class LoosePolicies {
 public:
  explicit LoosePolicies(Oid relid)
      : forced_(OwnerOf(relid).forced_policies),
        managed_(citus::Manages(relid)),
        owner_(OwnerOf(relid).owner),
        table_(pg::QualifiedName(relid)) {
    if (forced_) {
      Alter(" NO FORCE ROW LEVEL SECURITY");
    }
  }
  // An error on the way there rolls everything back.
  void Restore() {
    if (forced_) {
      Alter(" FORCE ROW LEVEL SECURITY");
    }
  }

 private:
  // On the nodes one role alters a table in a transaction.
  void Alter(const char* how) {
    if (managed_) {
      const pg::ForeignCode as_owner({owner_, owner_, ""}, pg::ForeignCode::Until::Scope);
      pg::Spi spi;
      spi.Execute(("ALTER TABLE " + table_ + how).c_str());
    } else {
      pg::RunOnce("ALTER TABLE ONLY " + table_ + how);
    }
  }

  bool forced_;
  bool managed_;
  Oid owner_;
  std::string table_;
};

// Rows affected or found, or the error that concerns the values.
base::Result<uint64_t> RunAsOwner(int64_t id, Oid relid, const std::string& sql) {
  uint64_t rows = 0;
  const Oid owner = OwnerOf(relid).owner;
  const std::optional<pg::Error> failure = pg::Attempt([&] {
    AsOwner as_owner(owner);
    pg::Spi spi;
    rows = spi.Execute(sql.c_str());
  });
  if (!failure) {
    return rows;
  }
  if (failure->IsClass("22")) {
    return base::Error{failure->sqlstate(), failure->what(), ""};
  }
  if (failure->sqlerrcode() == ERRCODE_INSUFFICIENT_PRIVILEGE) {
    Refuse(id, "the table's owner cannot read all of it: " + std::string(failure->what()),
           "Give the owner SELECT on it.");
  }
  throw *failure;
}

// What a patch made may have been changed by hand, or by a later patch.
void CheckUnchanged(int64_t id, const table::Target& target, const AppliedAction& action) {
  const plan::Column* column = target.shape().Find(action.column);
  if (column == nullptr) {
    Refuse(id, "column \"" + action.column + "\" is gone already",
           "Drop what is left of it by hand.");
  }
  if (!action.type.empty() && guard::RenderType(column->type) != action.type) {
    Refuse(id,
           "column \"" + action.column + "\" is " + column->type_text + " by now, and was made " +
               action.type,
           "Revert the later patch first, or change the column by hand.");
  }
}

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
  const std::string owner = pg::QuoteIdentifier(pg::RoleName(OwnerOf(relid).owner));
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
    Refuse(id, "column \"" + action.column + "\" holds nulls", "Give those rows a value first.");
  }
}

// The fields of the drift that the patch answered.
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

// A value as it would be after it was narrowed and widened again. Through text, which every type
// has: a column that was empty may have had any.
std::string ThereAndBack(const std::string& value, const AppliedAction& action) {
  if (action.type == guard::RenderType({plan::type_oid::kJsonb, -1})) {
    return "pg_catalog.to_jsonb(pg_catalog.jsonb_extract_path_text(" + value +
           ", VARIADIC '{}')::" + action.from + ")";
  }
  return "(" + value + "::pg_catalog.text::" + action.from + ")::pg_catalog.text::" + action.type;
}

// Values go back to the rescue column that had none before the patch.
class RescueUndo {
 public:
  RescueUndo(int64_t id, const table::Target& target, std::vector<std::string> fields)
      : id_(id), target_(target), fields_(std::move(fields)) {}

  // All of a column that goes. Nothing where rows are not rescued.
  void PutBackAll(const AppliedAction& action) {
    if (const std::optional<std::string> field = FieldOf(action.column)) {
      const std::string column = pg::QuoteIdentifier(action.column);
      Run("UPDATE " + pg::QualifiedName(target_.shape().relid) + " SET " + Rescued(*field, column) +
          " WHERE " + column + " IS NOT NULL");
    }
  }

  // What does not fit a column's former type; false where that cannot be done.
  bool PutBackUnfit(const AppliedAction& action) {
    const std::optional<std::string> field = FieldOf(action.column);
    const plan::Column* found = target_.shape().Find(action.column);
    const auto index = static_cast<int>(found - target_.shape().columns.data());
    if (!field || found == nullptr || !target_.MayRescue(index)) {
      return false;
    }
    const std::string table = pg::QualifiedName(target_.shape().relid),
                      column = pg::QuoteIdentifier(action.column);
    // Casts fail one by one.
    Run("DO LANGUAGE plpgsql $pg_mend$ DECLARE one record; fits boolean; BEGIN FOR one IN SELECT "
        "tableoid AS part, ctid AS place, " +
        column + " AS value FROM " + table + " WHERE " + column +
        " IS NOT NULL LOOP BEGIN fits := " + ThereAndBack("one.value", action) +
        " IS NOT DISTINCT FROM one.value; EXCEPTION WHEN data_exception THEN fits := false; END; "
        "IF NOT fits THEN UPDATE " +
        table + " SET " + Rescued(*field, column) + ", " + column +
        " = NULL WHERE tableoid OPERATOR(pg_catalog.=) one.part AND ctid "
        "OPERATOR(pg_catalog.=) one.place; END IF; END LOOP; END $pg_mend$");
    return true;
  }

 private:
  std::optional<std::string> FieldOf(const std::string& column) const {
    if (target_.rescue_column() < 0) {
      return std::nullopt;
    }
    for (const std::string& field : fields_) {
      const table::Resolution meant = target_.Resolve(field);
      if (meant.kind == table::Resolution::Kind::Column &&
          target_.shape().columns[static_cast<size_t>(meant.column)].name == column) {
        return field;
      }
    }
    return std::nullopt;
  }

  std::string Rescued(const std::string& field, const std::string& column) const {
    const std::string rescue = pg::QuoteIdentifier(target_.enrollment().rescue);
    char* literal = pg::Call([&] { return quote_literal_cstr(field.c_str()); });
    return rescue + " = coalesce(" + rescue + ", '{}'::pg_catalog.jsonb) OPERATOR(pg_catalog.||) " +
           "pg_catalog.jsonb_build_object(" + literal + ", pg_catalog.to_jsonb(" + column + "))";
  }

  // Triggers that wait for the end of the transaction would keep the table from being altered.
  void Run(const std::string& sql) {
    const base::Result<uint64_t> done = RunAsOwner(id_, target_.shape().relid, sql);
    if (!done) {
      Refuse(id_, "values cannot go back to the rescue column: " + done.error().message,
             "Mend the table's triggers and constraints first.");
    }
    pg::Call([] {
      ConstraintsSetStmt* all = makeNode(ConstraintsSetStmt);
      AfterTriggerSetState(all);
    });
  }

  int64_t id_;
  const table::Target& target_;
  std::vector<std::string> fields_;
};

void CheckNarrowing(int64_t id, const table::Target& target, const AppliedAction& action,
                    RescueUndo* rescue) {
  std::string column = pg::QuoteIdentifier(action.column);
  std::string sql = "SELECT FROM " + pg::QualifiedName(target.shape().relid) + " WHERE " +
                    ThereAndBack(column, action) + " IS DISTINCT FROM " + column + " LIMIT 1";
  base::Result<uint64_t> changed = RunAsOwner(id, target.shape().relid, sql);
  if ((!changed || *changed > 0) && !rescue->PutBackUnfit(action)) {
    Refuse(id,
           "column \"" + action.column + "\" holds values that do not fit its former type " +
               action.from,
           "Change those values first.");
  }
}

// Values that were read stay as they are; later ones are drift again.
void TakeReadingsBack(int64_t id, const table::Target& target,
                      const std::vector<AppliedAction>& actions) {
  bool any = false;
  for (const AppliedAction& action : actions) {
    if (action.kind != "read_as") {
      continue;
    }
    if (ReadingOf(target, action.column) != plan::JoinedReading(action.from, action.reading)) {
      Refuse(id, "column \"" + action.column + "\" is read in another way by now",
             "mend.read_as() says how it is to be read.");
    }
    SetReading(target, action.column, action.from);
    any = true;
  }
  if (any) {
    const pg::Rows healed =
        pg::RunPrepared("SELECT rows_healed FROM mend.patches WHERE id = $1", {pg::Int8(id)});
    const int64_t rows = healed.int8(0, 0);
    pg::Call([&] {
      ereport(
          NOTICE,
          (errmsg_plural("%lld row that waited was stored through the patch, and keeps what it has",
                         "%lld rows that waited were stored through the patch, and keep what "
                         "they have",
                         static_cast<unsigned long>(rows), static_cast<long long>(rows))));
    });
  }
}

// Keeps what would be lost, or refuses. Under the lock.
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

}  // namespace

void Revert(int64_t patch_id) {
  pg::Rows patch = pg::RunPrepared(
      "SELECT target::oid, state, coalesce(inverse_ddl, ''), coalesce(evidence -> 'actions', "
      "'[]')::text, coalesce(evidence -> 'drift', '[]')::text "
      "FROM mend.patches WHERE id = $1 FOR UPDATE",
      {pg::Int8(patch_id)});
  if (patch.empty()) {
    throw pg::Error(ERRCODE_UNDEFINED_OBJECT, "there is no patch " + std::to_string(patch_id),
                    "See mend.patches.");
  }
  if (patch.text(0, 1) != "applied") {
    Refuse(patch_id, "it is " + patch.text(0, 1) + ", not applied",
           "Only an applied patch can be reverted.");
  }
  std::string inverse = patch.text(0, 2);
  Oid relid = patch.oid(0, 0);
  {
    pg::AsExtensionOwner as_owner;
    if (!inverse.empty()) {
      LockForAlter(relid, pg::lock_timeout_ms);
    }
    std::shared_ptr<const table::Target> target = table::FindTarget(relid);
    std::vector<AppliedAction> actions = ReadActions(patch.text(0, 3));
    SaveForUndo(patch_id, *target, actions, ReadFields(patch.text(0, 4)));
    TakeReadingsBack(patch_id, *target, actions);
    if (!inverse.empty()) {
      const std::string code = table::CodeOf(relid);
      if (std::optional<std::string> unfit = AlterUnderLock(*target, inverse)) {
        Refuse(patch_id, *unfit, "Mend the healer role first.");
      }
      NoteChangeOfCode(relid, patch_id, code);
    }
  }
  pg::RunPrepared(
      "UPDATE mend.patches SET state = 'reverted', decided_by = session_user, decided_at = "
      "clock_timestamp() "
      "WHERE id = $1",
      {pg::Int8(patch_id)});
  NoteOrigins(relid, patch_id);
  pg::RunPrepared(
      "SELECT mend.hold_fields(p, format('patch %s was reverted by %s', p.id, session_user)) FROM "
      "mend.patches p "
      "WHERE p.id = $1",
      {pg::Int8(patch_id)});
  {
    // What went back is on record again once it was looked for.
    const std::shared_ptr<const table::Target> target = table::FindTarget(relid);
    if (!target->enrollment().rescue.empty()) {
      RequestPromotion(*target, std::nullopt);
    }
  }
  // What waited for the reverted column is judged again.
  pg::RunPrepared("SELECT mend.request_round($1)", {pg::ObjectId(relid)});
  observe::Record("patch_reverted", pg::QualifiedName(relid), patch_id);
}

namespace {

// Whether a row has a value that there would be no place for without the action.
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

}  // namespace

bool Withdraw(Oid relid, int64_t patch_id) {
  try {
    pg::WorkTransaction transaction;
    const pg::Rows patch = pg::RunPrepared(
        "SELECT coalesce(inverse_ddl, ''), coalesce(evidence -> 'actions', '[]')::text FROM "
        "mend.patches "
        "WHERE id = $1 AND state = 'applied' FOR UPDATE",
        {pg::Int8(patch_id)});
    if (patch.empty()) {
      return false;
    }
    LockForAlter(relid, pg::lock_timeout_ms);
    citus::BindNodes(relid, &transaction);
    const pg::Deadline hold(pg::max_lock_hold_ms);
    const std::shared_ptr<const table::Target> target = table::FindTarget(relid);
    const std::vector<AppliedAction> actions = ReadActions(patch.text(0, 1));
    if (std::any_of(actions.begin(), actions.end(),
                    [&](const AppliedAction& action) { return IsInUse(*target, action); }) ||
        AlterUnderLock(*target, patch.text(0, 0))) {
      return false;
    }
    pg::RunPrepared("DELETE FROM mend.fields WHERE target = $1 AND patch_id = $2",
                    {pg::ObjectId(relid), pg::Int8(patch_id)});
    pg::RunPrepared("UPDATE mend.patches SET state = 'approved' WHERE id = $1",
                    {pg::Int8(patch_id)});
    NoteOrigins(relid, patch_id);
    observe::Record("patch_reverted", target->enrollment().target_name, patch_id,
                    "{\"reason\": \"no row could be stored with it\"}", observe::kWorker);
    transaction.Commit();
    return true;
  } catch (const pg::Error& error) {
    if (error.MustPropagate() && !pg::Deadline::IsTimeout(error)) {
      throw;
    }
    return false;
  }
}

}  // namespace mend::apply
