// ADD COLUMN.
#include "core/base/invisible.h"
#include "core/plan/identifier.h"
#include "server/guard/nodes.h"

namespace mend::guard {
namespace {

const char* ConstraintInWords(ConstrType type) {
  switch (type) {
    case CONSTR_NULL: return "NULL (leave it out: a new column always takes nulls)";
    case CONSTR_NOTNULL: return "NOT NULL";
    case CONSTR_DEFAULT: return "a named or second DEFAULT";
    case CONSTR_IDENTITY: return "an identity";
    case CONSTR_GENERATED: return "GENERATED";
    case CONSTR_CHECK: return "CHECK";
    case CONSTR_PRIMARY: return "PRIMARY KEY";
    case CONSTR_UNIQUE: return "UNIQUE";
    case CONSTR_EXCLUSION: return "EXCLUDE";
    case CONSTR_FOREIGN: return "REFERENCES";
    default: return "a constraint attribute";
  }
}

// The fields that PostgreSQL has added since 15.
bool HasNewAttributes(const Constraint* node) {
#if PG_VERSION_NUM >= 180000
  return node->is_enforced || node->generated_kind != 0 || node->without_overlaps ||
         node->fk_with_period || node->pk_with_period;
#elif PG_VERSION_NUM >= 170000
  return node->inhcount != 0;
#else
  return false;
#endif
}

bool IsBareDefault(const Constraint* node) {
  return !HasNewAttributes(node) && node->contype == CONSTR_DEFAULT && node->conname == nullptr &&
         !node->deferrable && !node->initdeferred && !node->is_no_inherit &&
         node->cooked_expr == nullptr && node->generated_when == 0 && !node->nulls_not_distinct &&
         node->keys == NIL && node->including == NIL && node->exclusions == NIL &&
         node->options == NIL && node->indexname == nullptr && node->indexspace == nullptr &&
         !node->reset_default_tblspc && node->access_method == nullptr &&
         node->where_clause == nullptr && node->pktable == nullptr && node->fk_attrs == NIL &&
         node->pk_attrs == NIL && node->fk_matchtype == 0 && node->fk_upd_action == 0 &&
         node->fk_del_action == 0 && node->fk_del_set_cols == NIL && node->old_conpfeqop == NIL &&
         node->old_pktable_oid == InvalidOid && !node->skip_validation && !node->initially_valid;
}

Refusal WhyBadName(const char* name) {
  const std::string_view text = name != nullptr ? name : "";
  if (text.empty() || text.size() > plan::kMaxIdentifierBytes) {
    return "a column name has 1 to " + std::to_string(plan::kMaxIdentifierBytes) + " bytes";
  }
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return "a column name must not contain control characters";
  }
  if (base::HasInvisible(text)) {
    return "a column name must not contain invisible characters";
  }
  if (plan::IsSystemColumn(text)) {
    return Quote(text) + " is the name of a system column";
  }
  return std::nullopt;
}

// Everything but name, type and default.
Refusal WhyDecorated(const ColumnDef* node) {
  if (node->collClause != nullptr || node->collOid != InvalidOid) {
    return "COLLATE is not allowed";
  }
  if (node->compression != nullptr) {
    return "COMPRESSION is not allowed";
  }
#if PG_VERSION_NUM >= 160000
  if (node->storage_name != nullptr) {
    return "STORAGE is not allowed";
  }
#endif
  if (node->is_not_null) {
    return "NOT NULL is not allowed";
  }
  if (node->identity != 0 || node->identitySequence != nullptr || node->generated != 0) {
    return "identity and generated columns are not allowed";
  }
  if (node->inhcount != 0 || !node->is_local || node->is_from_type || node->storage != 0 ||
      node->raw_default != nullptr || node->cooked_default != nullptr || node->fdwoptions != NIL) {
    return "a new column has a name, a type and at most a DEFAULT";
  }
  return std::nullopt;
}

Refusal ReadDefault(const ColumnDef* node, plan::Action* action) {
  ListCell* cell;
  bool seen = false;
  foreach (cell, node->constraints) {
    const Node* item = static_cast<const Node*>(lfirst(cell));
    if (!IsA(item, Constraint)) {
      return "a new column has a name, a type and at most a DEFAULT";
    }
    const auto* constraint = reinterpret_cast<const Constraint*>(item);
    if (seen || !IsBareDefault(constraint)) {
      return std::string(ConstraintInWords(constraint->contype)) +
             " is not allowed on a new column";
    }
    seen = true;
    if (Refusal why = ReadConstant(constraint->raw_expr, action->type, &action->default_literal)) {
      return why;
    }
  }
  return std::nullopt;
}

}  // namespace

Refusal ReadAddColumn(const Terms& terms, const AlterTableCmd* node, plan::Action* action) {
  if (node->name != nullptr || node->def == nullptr || !IsA(node->def, ColumnDef)) {
    return "ADD COLUMN needs a column definition";
  }
  const auto* column = reinterpret_cast<const ColumnDef*>(node->def);
  Refusal why = WhyBadName(column->colname);
  if (!why) why = WhyDecorated(column);
  if (!why) why = ReadType(column->typeName, &action->type);
  if (why) {
    return why;
  }
  action->kind = plan::ActionKind::AddColumn;
  action->column = column->colname;
  action->if_not_exists = node->missing_ok;
  const plan::Column* existing = terms.shape.Find(action->column);
  if (existing != nullptr && !(node->missing_ok && existing->type == action->type)) {
    return "the table already has a column " + Quote(action->column) + " of type " +
           existing->type_text;
  }
  return ReadDefault(column, action);
}

}  // namespace mend::guard
