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

bool IsBuiltIn(const TypeName* name) {
  const Oid type = LookupTypeNameOid(nullptr, name, true);
  return type != InvalidOid && type < FirstNormalObjectId;
}

constexpr const char* kForeignType = "a column of a type that is not built in";

const char* WhyNotAdd(const ColumnDef* column) {
  if (!IsBuiltIn(column->typeName)) {
    return kForeignType;
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

const char* WhyNotRetype(const ColumnDef* column) {
  if (!IsBuiltIn(column->typeName)) {
    return kForeignType;
  }
  const Node* node = column->raw_default;
  for (; node != nullptr && IsA(node, TypeCast); node = reinterpret_cast<const TypeCast*>(node)->arg) {
    if (!IsBuiltIn(reinterpret_cast<const TypeCast*>(node)->typeName)) {
      return kForeignType;
    }
  }
  return node == nullptr || IsA(node, ColumnRef) ? nullptr : "to compute a column's values";
}

const char* WhyNotDo(const AlterTableCmd* command) {
  switch (command->subtype) {
    case AT_AddColumn: return WhyNotAdd(castNode(ColumnDef, command->def));
    case AT_AlterColumnType: return WhyNotRetype(castNode(ColumnDef, command->def));
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
