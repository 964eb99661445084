// ALTER TYPE ... ADD VALUE.
#include <algorithm>

#include "server/citus/managed_table.h"
#include "server/guard/nodes.h"
#include "server/guard/render.h"
#include "server/pg/catalog.h"

namespace mend::guard {
namespace {

constexpr size_t kMostLabels = 100;

// The enum that the name means here and now, InvalidOid when none.
Oid Resolve(const List* name) {
  return pg::Call([&]() -> Oid {
    TypeName* type_name = makeTypeNameFromNameList(const_cast<List*>(name));
    const Type type = LookupTypeName(nullptr, type_name, nullptr, true);
    if (type == nullptr) {
      return InvalidOid;
    }
    const Oid oid = reinterpret_cast<Form_pg_type>(GETSTRUCT(type))->oid;
    ReleaseSysCache(type);
    return oid;
  });
}

const plan::Column* FirstOf(const plan::Shape& shape, Oid type) {
  const auto found =
      std::find_if(shape.columns.begin(), shape.columns.end(),
                   [&](const plan::Column& column) { return column.type.oid == type; });
  return found == shape.columns.end() ? nullptr : &*found;
}

Refusal ReadLabel(const Terms& terms, const AlterEnumStmt* statement, plan::Action* action) {
  if (statement->oldVal != nullptr || statement->newVal == nullptr) {
    return "a label of an enum is not renamed";
  }
  if (statement->newValNeighbor != nullptr) {
    return "a label is added behind the others: BEFORE and AFTER are not allowed";
  }
  const Oid type = Resolve(statement->typeName);
  const plan::Column* column = FirstOf(terms.shape, type);
  if (column == nullptr || (OidIsValid(action->type.oid) && action->type.oid != type)) {
    return "the type named here is not that of one column of the table";
  }
  if (Refusal why = WhyNoLabels(terms.shape.relid, type)) {
    return why;
  }
  const std::string label = statement->newVal;
  if (label.size() >= NAMEDATALEN) {
    return "label " + Quote(label) + " is longer than " + std::to_string(NAMEDATALEN - 1) +
           " bytes";
  }
  if (std::find(action->labels.begin(), action->labels.end(), label) != action->labels.end()) {
    return "label " + Quote(label) + " is named twice";
  }
  action->kind = plan::ActionKind::AddEnumValue;
  action->column = column->name;
  action->type = {type, -1};
  action->labels.push_back(label);
  return std::nullopt;
}

}  // namespace

Refusal WhyNoLabels(uint32_t relid, uint32_t type) {
  const bool is_enum = pg::Call([&] { return type_is_enum(type); });
  if (!is_enum) {
    return "the type is no enum";
  }
  if (citus::Manages(relid)) {
    return "Citus manages the table: add the label by hand, on the coordinator";
  }
  if (pg::OwnerOfType(type) != pg::OwnerOf(relid)) {
    return "the enum does not belong to the table's owner";
  }
  return std::nullopt;
}

bool MayBeLabel(uint32_t type, const std::string& label) {
  if (label.size() >= NAMEDATALEN || drift::IsBlank(label) || drift::IsWordForNone(label)) {
    return false;
  }
  return !pg::Call([&] {
    return SearchSysCacheExists2(ENUMTYPOIDNAME, ObjectIdGetDatum(type),
                                 CStringGetDatum(label.c_str()));
  });
}

Refusal ReadLabels(const Terms& terms, const std::vector<const AlterEnumStmt*>& statements,
                   std::vector<plan::Action>* actions) {
  if (terms.allow.count(plan::ActionKind::AddEnumValue) == 0) {
    return NotAllowed(terms, plan::ActionKind::AddEnumValue);
  }
  if (statements.size() > kMostLabels) {
    return "at most " + std::to_string(kMostLabels) + " labels are added at once";
  }
  plan::Action action;
  for (const AlterEnumStmt* statement : statements) {
    if (Refusal why = ReadLabel(terms, statement, &action)) {
      return why;
    }
  }
  actions->push_back(std::move(action));
  return std::nullopt;
}

}  // namespace mend::guard
