#include "server/guard/columns_only.h"

namespace mend::guard {
namespace {

// Past any casts.
const Node* Innermost(const Node* node) {
  while (node != nullptr && IsA(node, TypeCast)) {
    node = reinterpret_cast<const TypeCast*>(node)->arg;
  }
  return node;
}

bool IsConstant(const Node* node) {
  node = Innermost(node);
  return node != nullptr && IsA(node, A_Const);
}

const char* WhyNotAdd(const ColumnDef* column) {
  const Oid type = LookupTypeNameOid(nullptr, column->typeName, true);
  if (type == InvalidOid || type >= FirstNormalObjectId) {
    return "a column of a type that is not built in";
  }
  const ListCell* cell;
  foreach (cell, column->constraints) {
    const auto* constraint = lfirst_node(Constraint, cell);
    if (constraint->contype != CONSTR_DEFAULT || !IsConstant(constraint->raw_expr)) {
      return "a new column with anything but a constant default";
    }
  }
  return nullptr;
}

const char* WhyNotDo(const AlterTableCmd* command) {
  switch (command->subtype) {
    case AT_AddColumn: return WhyNotAdd(castNode(ColumnDef, command->def));
    case AT_AlterColumnType: {
      const Node* expression = castNode(ColumnDef, command->def)->raw_default;
      const Node* cast = Innermost(expression);
      return cast == nullptr || IsA(cast, ColumnRef) ? nullptr : "to compute a column's values";
    }
    case AT_DropColumn: return command->behavior == DROP_CASCADE ? "to drop what depends on a column" : nullptr;
    case AT_ColumnDefault:
    case AT_DropNotNull:
    case AT_SetNotNull:
    case AT_SetStorage:
    case AT_SetCompression: return nullptr;
    default: return "to alter more of the table than its columns";
  }
}

}  // namespace

const char* WhyNotColumnsOnly(const AlterTableStmt* alter) {
  const ListCell* cell;
  foreach (cell, alter->cmds) {
    if (const char* why = WhyNotDo(lfirst_node(AlterTableCmd, cell))) {
      return why;
    }
  }
  return nullptr;
}

}  // namespace mend::guard
