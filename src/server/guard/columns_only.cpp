#include "server/guard/columns_only.h"

#include <string_view>

namespace mend::guard {
namespace {

bool IsBuiltIn(const TypeName* name) {
  const Oid type = LookupTypeNameOid(nullptr, name, true);
  return type != InvalidOid && type < FirstNormalObjectId;
}

// Past casts to built-in types: any other may run code of its own.
const Node* Innermost(const Node* node) {
  while (node != nullptr && IsA(node, TypeCast) &&
         IsBuiltIn(reinterpret_cast<const TypeCast*>(node)->typeName)) {
    node = reinterpret_cast<const TypeCast*>(node)->arg;
  }
  return node;
}

bool IsConstant(const Node* node) {
  node = Innermost(node);
  return node != nullptr && IsA(node, A_Const);
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

// to_jsonb(column) and jsonb_extract_path_text(column, constant ...), of pg_catalog by name.
bool IsJsonOfColumn(const Node* node) {
  if (node == nullptr || !IsA(node, FuncCall)) {
    return false;
  }
  const auto* call = reinterpret_cast<const FuncCall*>(node);
  if (list_length(call->funcname) != 2 || list_length(call->args) < 1 ||
      std::string_view(strVal(linitial(call->funcname))) != "pg_catalog") {
    return false;
  }
  const std::string_view name = strVal(lsecond(call->funcname));
  if (name != "to_jsonb" && name != "jsonb_extract_path_text") {
    return false;
  }
  const ListCell* cell;
  foreach (cell, call->args) {
    const Node* argument = static_cast<const Node*>(lfirst(cell));
    if (cell == list_head(call->args) ? !IsA(argument, ColumnRef) : !IsConstant(argument)) {
      return false;
    }
  }
  return true;
}

const char* WhyNotRetype(const ColumnDef* column) {
  if (!IsBuiltIn(column->typeName)) {
    return kForeignType;
  }
  const Node* node = Innermost(column->raw_default);
  return node == nullptr || IsA(node, ColumnRef) || IsJsonOfColumn(node)
             ? nullptr
             : "to compute a column's values";
}

const char* WhyNotDo(const AlterTableCmd* command) {
  switch (command->subtype) {
    case AT_AddColumn: return WhyNotAdd(castNode(ColumnDef, command->def));
    case AT_AlterColumnType: return WhyNotRetype(castNode(ColumnDef, command->def));
    case AT_DropColumn:
      return command->behavior == DROP_CASCADE ? "to drop what depends on a column" : nullptr;
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
