#include "server/guard/check.h"

#include "server/guard/nodes.h"
#include "server/guard/render.h"

namespace mend::guard {
namespace {

// The relation that the name means here and now, InvalidOid when none.
Oid Resolve(const RangeVar* name) {
  return pg::Call([&]() -> Oid {
    if (name->schemaname == nullptr) {
      return RelnameGetRelid(name->relname);
    }
    const Oid schema = get_namespace_oid(name->schemaname, true);
    return OidIsValid(schema) ? get_relname_relid(name->relname, schema) : InvalidOid;
  });
}

Refusal WhyOtherTable(const plan::Shape& shape, const AlterTableStmt* statement) {
  if (statement->objtype != OBJECT_TABLE) {
    return "only ALTER TABLE is allowed, on a table";
  }
  if (statement->missing_ok) {
    return "IF EXISTS is not allowed after ALTER TABLE";
  }
  const RangeVar* name = statement->relation;
  if (!name->inh) {
    return "ONLY is not allowed";
  }
  if (name->catalogname != nullptr) {
    const char* database = pg::Call([] { return get_database_name(MyDatabaseId); });
    if (database == nullptr || std::string_view(database) != name->catalogname) {
      return "the table is in another database";
    }
  }
  if (name->alias != nullptr || name->relpersistence != RELPERSISTENCE_PERMANENT ||
      Resolve(name) != shape.relid) {
    return "the table named here is not " + Quote(shape.QualifiedName()) +
           ", the only one that may be altered";
  }
  return std::nullopt;
}

// NOT NULL may go with a new type; anything else twice on one column hides what it comes to.
Refusal WhyClash(const plan::Action& one, const plan::Action& other) {
  using Kind = plan::ActionKind;
  const bool harmless = (plan::ChangesType(one.kind) && other.kind == Kind::DropNotNull) ||
                        (one.kind == Kind::DropNotNull && plan::ChangesType(other.kind));
  if (one.column != other.column || harmless) {
    return std::nullopt;
  }
  return "column " + Quote(one.column) + " is named twice";
}

Refusal WhyTooWide(const plan::Shape& shape, const std::vector<plan::Action>& actions) {
  int columns = shape.max_attnum;
  for (const plan::Action& action : actions) {
    columns +=
        action.kind == plan::ActionKind::AddColumn && shape.Find(action.column) == nullptr ? 1 : 0;
  }
  if (columns <= MaxHeapAttributeNumber) {
    return std::nullopt;
  }
  return "the table would have " + std::to_string(columns) +
         " columns, dropped ones included; PostgreSQL takes " +
         std::to_string(MaxHeapAttributeNumber);
}

}  // namespace

Refusal ReadActions(const Terms& terms, std::string_view ddl, std::vector<plan::Action>* actions) {
  Parsed parsed;
  Refusal why = ParsePatch(ddl, &parsed);
  if (!why && !parsed.enums.empty()) {
    return ReadLabels(terms, parsed.enums, actions);
  }
  const AlterTableStmt* statement = parsed.table;
  if (!why) why = WhyOtherTable(terms.shape, statement);
  if (why) {
    return why;
  }
  ListCell* cell;
  foreach (cell, statement->cmds) {
    plan::Action action;
    why = ReadSubcommand(terms, static_cast<const AlterTableCmd*>(lfirst(cell)), &action);
    for (size_t i = 0; !why && i < actions->size(); ++i) {
      why = WhyClash((*actions)[i], action);
    }
    if (why) {
      return why;
    }
    actions->push_back(std::move(action));
  }
  return WhyTooWide(terms.shape, *actions);
}

Verdict Check(const plan::Shape& shape, const std::set<plan::ActionKind>& allow,
              std::string_view ddl) {
  Verdict verdict;
  if (Refusal why = ReadActions({shape, allow}, ddl, &verdict.actions)) {
    verdict.actions.clear();
    verdict.reason = *why;
    return verdict;
  }
  verdict.canonical = Render(shape, verdict.actions);
  verdict.allowed = true;
  return verdict;
}

}  // namespace mend::guard
