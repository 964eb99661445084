#include "server/apply/undo_rescue.h"

#include "server/apply/owner_query.h"
#include "server/guard/render.h"
#include "server/pg/catalog.h"
#include "server/pg/spi.h"
#include "server/table/code.h"

namespace mend::apply {
namespace {

std::string Literal(const std::string& text) {
  const char* quoted = pg::Call([&] { return quote_literal_cstr(text.c_str()); });
  return quoted;
}

}  // namespace

std::string ThereAndBack(const std::string& value, const AppliedAction& action) {
  if (action.type == guard::RenderType({plan::type_oid::kJsonb, -1})) {
    return "pg_catalog.to_jsonb(pg_catalog.jsonb_extract_path_text(" + value +
           ", VARIADIC '{}')::" + action.from + ")";
  }
  return "(" + value + "::pg_catalog.text::" + action.from + ")::pg_catalog.text::" + action.type;
}

RescueUndo::RescueUndo(int64_t id, const table::Target& target, std::vector<std::string> fields)
    : id_(id), target_(target), fields_(std::move(fields)) {}

void RescueUndo::PutBackAll(const AppliedAction& action) {
  if (const std::optional<std::string> field = FieldOf(action.column)) {
    const std::string column = pg::QuoteIdentifier(action.column);
    Run("UPDATE " + pg::QualifiedName(target_.shape().relid) + " SET " + Rescued(*field, column) +
        " WHERE " + column + " IS NOT NULL");
  }
}

bool RescueUndo::PutBackUnfit(const AppliedAction& action) {
  const std::optional<std::string> field = FieldOf(action.column);
  const plan::Column* found = target_.shape().Find(action.column);
  const auto index = static_cast<int>(found - target_.shape().columns.data());
  if (!field || found == nullptr || !target_.MayRescue(index)) {
    return false;
  }
  const std::string table = pg::QualifiedName(target_.shape().relid),
                    column = pg::QuoteIdentifier(action.column);
  // Casts fail one by one.
  const std::string body =
      "DECLARE one record; fits boolean; BEGIN FOR one IN SELECT "
      "tableoid AS part, ctid AS place, " +
      column + " AS value FROM " + table + " WHERE " + column +
      " IS NOT NULL LOOP BEGIN fits := " + ThereAndBack("one.value", action) +
      " IS NOT DISTINCT FROM one.value; EXCEPTION WHEN data_exception THEN fits := false; END; "
      "IF NOT fits THEN UPDATE " +
      table + " SET " + Rescued(*field, column) + ", " + column +
      " = NULL WHERE tableoid OPERATOR(pg_catalog.=) one.part AND ctid "
      "OPERATOR(pg_catalog.=) one.place; END IF; END LOOP; END";
  // Names that senders have made up stand in it: no dollar quote holds them for certain.
  Run("DO LANGUAGE plpgsql " + Literal(body));
  return true;
}

std::optional<std::string> RescueUndo::FieldOf(const std::string& column) const {
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

std::string RescueUndo::Rescued(const std::string& field, const std::string& column) const {
  const std::string rescue = pg::QuoteIdentifier(target_.enrollment().rescue);
  return rescue + " = coalesce(" + rescue + ", '{}'::pg_catalog.jsonb) OPERATOR(pg_catalog.||) " +
         "pg_catalog.jsonb_build_object(" + Literal(field) + ", pg_catalog.to_jsonb(" + column +
         "))";
}

void RescueUndo::Run(const std::string& sql) {
  const Oid relid = target_.shape().relid, owner = pg::OwnerOf(relid);
  if (const std::optional<std::string> stranger = table::StrangerIn(relid, owner)) {
    RefuseRevert(id_,
                 "values would go back to the rescue column as " + pg::RoleName(owner) +
                     ", who owns the table, and it runs code of " + *stranger,
                 "Give that code to the owner, or grant him that role.");
  }
  const base::Result<uint64_t> done = RunAsOwner(id_, relid, sql);
  if (!done) {
    RefuseRevert(id_, "values cannot go back to the rescue column: " + done.error().message,
                 "Mend the table's triggers and constraints first.");
  }
  pg::Call([] {
    ConstraintsSetStmt* all = makeNode(ConstraintsSetStmt);
    AfterTriggerSetState(all);
  });
}

}  // namespace mend::apply
