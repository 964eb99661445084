// ALTER COLUMN, and the choice between the subcommands.
#include "core/plan/lattice.h"
#include "core/plan/online.h"
#include "core/reading/reading.h"
#include "server/guard/check_reading.h"
#include "server/guard/dependencies.h"
#include "server/guard/nodes.h"
#include "server/guard/render.h"

namespace mend::guard {
namespace {

constexpr const char* kAllowedForms =
    "allowed are ADD COLUMN, ALTER COLUMN ... TYPE, ALTER COLUMN ... DROP NOT NULL and "
    "ALTER COLUMN ... SET DEFAULT, as far as the table's enrolment allows them";

const char* InWords(AlterTableType subtype) {
  switch (subtype) {
    case AT_DropColumn: return "DROP COLUMN";
    case AT_SetNotNull: return "SET NOT NULL";
    case AT_AddConstraint: return "ADD CONSTRAINT";
    case AT_DropConstraint: return "DROP CONSTRAINT";
    case AT_ChangeOwner: return "OWNER TO";
    case AT_SetTableSpace: return "SET TABLESPACE";
    case AT_SetStorage: return "SET STORAGE";
    case AT_SetCompression: return "SET COMPRESSION";
    case AT_SetRelOptions: return "SET of storage parameters";
    case AT_AddInherit: return "INHERIT";
    case AT_AttachPartition: return "ATTACH PARTITION";
    case AT_DetachPartition: return "DETACH PARTITION";
    case AT_EnableRowSecurity: return "ENABLE ROW LEVEL SECURITY";
    case AT_DisableRowSecurity: return "DISABLE ROW LEVEL SECURITY";
    case AT_AddIdentity: return "ADD GENERATED";
    default: return "this form of ALTER TABLE";
  }
}

Refusal FindColumn(const Terms& terms, const char* name, const plan::Column** column) {
  *column = terms.shape.Find(name != nullptr ? name : "");
  if (*column == nullptr) {
    return "the table has no column " + Quote(name != nullptr ? name : "");
  }
  return std::nullopt;
}

bool IsBareTypeChange(const ColumnDef* node) {
  bool bare = node->colname == nullptr && node->compression == nullptr && node->inhcount == 0 &&
              !node->is_local && !node->is_not_null && !node->is_from_type && node->storage == 0 &&
              node->cooked_default == nullptr && node->identity == 0 &&
              node->identitySequence == nullptr && node->generated == 0 &&
              node->collOid == InvalidOid && node->constraints == NIL && node->fdwoptions == NIL;
#if PG_VERSION_NUM >= 160000
  bare = bare && node->storage_name == nullptr;
#endif
  return bare;
}

bool IsColumn(const Node* node, const std::string& column) {
  if (node == nullptr || !IsA(node, ColumnRef)) {
    return false;
  }
  const List* fields = reinterpret_cast<const ColumnRef*>(node)->fields;
  const Node* name =
      list_length(fields) == 1 ? static_cast<const Node*>(linitial(fields)) : nullptr;
  return name != nullptr && IsA(name, String) && column == strVal(name);
}

// to_jsonb(column), of pg_catalog: what is run is rendered with the schema's name.
bool IsToJsonb(const Node* node, const std::string& column) {
  if (!IsA(node, FuncCall)) {
    return false;
  }
  const auto* call = reinterpret_cast<const FuncCall*>(node);
  const int parts = list_length(call->funcname);
  if (parts < 1 || parts > 2 || std::string_view(strVal(llast(call->funcname))) != "to_jsonb" ||
      (parts == 2 && std::string_view(strVal(linitial(call->funcname))) != "pg_catalog")) {
    return false;
  }
  return list_length(call->args) == 1 &&
         IsColumn(static_cast<const Node*>(linitial(call->args)), column) &&
         call->agg_order == NIL && call->agg_filter == nullptr && call->over == nullptr &&
         !call->agg_within_group && !call->agg_star && !call->agg_distinct &&
         !call->func_variadic && call->funcformat == COERCE_EXPLICIT_CALL;
}

// USING may be `column::newtype`, `to_jsonb(column)` for jsonb, or, of a column that must hold no
// value, `column::text::newtype`.
Refusal WhyStrangeUsing(const Node* node, const std::string& column, plan::Action* action) {
  static constexpr const char* kPlainCast = "USING may only cast the column itself to its new type";
  if (node == nullptr) {
    return std::nullopt;
  }
  if (action->type == plan::Type{plan::type_oid::kJsonb, -1} && IsToJsonb(node, column)) {
    return std::nullopt;
  }
  if (!IsA(node, TypeCast)) {
    return kPlainCast;
  }
  const auto* cast = reinterpret_cast<const TypeCast*>(node);
  plan::Type target;
  if (Refusal why = ReadType(cast->typeName, &target)) {
    return why;
  }
  const Node* inner = cast->arg;
  if (inner != nullptr && IsA(inner, TypeCast)) {
    const auto* through = reinterpret_cast<const TypeCast*>(inner);
    plan::Type text;
    if (Refusal why = ReadType(through->typeName, &text)) {
      return why;
    }
    action->only_if_empty = text == plan::Type{plan::type_oid::kText, -1};
    inner = action->only_if_empty ? through->arg : nullptr;
  }
  return IsColumn(inner, column) && target == action->type ? std::nullopt : Refusal(kPlainCast);
}

Refusal WhyNoWidening(const Terms& terms, const plan::Column& column, const plan::Type& to,
                      bool only_if_empty) {
  if (column.generated == plan::Generated::Computed) {
    return "column " + Quote(column.name) + " is a generated column: its type is not changed";
  }
  if (const std::string why = column.WhyNotBecome(to); !why.empty()) {
    return "column " + Quote(column.name) + " " + why;
  }
  if (column.type == to) {
    return "column " + Quote(column.name) + " is of that type already: it changes nothing";
  }
  const plan::Widening widening = plan::Judge(column.type, to);
  if (widening == plan::Widening::Refused && !only_if_empty) {
    return "changing column " + Quote(column.name) + " from " + column.type_text +
           " to that type could change or lose values; only a wider type is allowed";
  }
  if (const std::string lock = plan::LockOf(column, to); !lock.empty()) {
    return "the type of column " + Quote(column.name) + " cannot change: " + lock;
  }
  if (plan::ChangesFamily(column.type, to) && !column.family_locked_by.empty()) {
    return "the type of column " + Quote(column.name) +
           " cannot change: " + column.family_locked_by;
  }
  if (widening == plan::Widening::ToJsonb && column.has_default) {
    return "column " + Quote(column.name) + " has a DEFAULT, which cannot become jsonb";
  }
  if (widening != plan::Widening::Lossless) {
    const std::string key = KeyOver(terms.shape.relid, column.attnum);
    if (!key.empty()) {
      return "column " + Quote(column.name) + " is part of " + key +
             ", and its values would compare otherwise";
    }
  }
  return std::nullopt;
}

Refusal ReadAlterType(const Terms& terms, const AlterTableCmd* node, plan::Action* action) {
  const plan::Column* column = nullptr;
  if (Refusal why = FindColumn(terms, node->name, &column)) {
    return why;
  }
  if (node->def == nullptr || !IsA(node->def, ColumnDef)) {
    return "ALTER COLUMN ... TYPE needs a type";
  }
  const auto* change = reinterpret_cast<const ColumnDef*>(node->def);
  if (change->collClause != nullptr) {
    return "COLLATE is not allowed";
  }
  if (!IsBareTypeChange(change)) {
    return "ALTER COLUMN ... TYPE takes a type and at most a plain USING";
  }
  action->column = column->name;
  Refusal why = ReadType(change->typeName, &action->type);
  if (!why) why = WhyStrangeUsing(change->raw_default, column->name, action);
  action->kind = plan::ChangesFamily(column->type, action->type) ? plan::ActionKind::ChangeType
                                                                 : plan::ActionKind::WidenType;
  // A change to another family waits for a person where it is not allowed; it is not refused.
  const bool widens = action->kind == plan::ActionKind::WidenType || action->only_if_empty;
  if (!why && widens && terms.allow.count(plan::ActionKind::WidenType) == 0) {
    why = NotAllowed(terms, plan::ActionKind::WidenType);
  }
  if (!why) why = WhyNoWidening(terms, *column, action->type, action->only_if_empty);
  return why;
}

// Partitions and children follow the table, and where one differs from it a revert could not bring
// that back.
Refusal WhyUnlikeChild(const Terms& terms, const plan::Column& column, plan::ActionKind change) {
  const std::string child = UnlikeChild(terms.shape.relid, column.attnum, change);
  if (child.empty()) {
    return std::nullopt;
  }
  return std::string(change == plan::ActionKind::DropNotNull ? "NOT NULL" : "the default") +
         " of column " + Quote(column.name) + " is another in " + child + ", and would be lost";
}

Refusal ReadDropNotNull(const Terms& terms, const AlterTableCmd* node, plan::Action* action) {
  const plan::Column* column = nullptr;
  if (Refusal why = FindColumn(terms, node->name, &column)) {
    return why;
  }
  if (node->def != nullptr) {
    return "DROP NOT NULL takes nothing else";
  }
  if (!column->not_null) {
    return "column " + Quote(column->name) + " takes nulls already: it changes nothing";
  }
  std::string holder = NotNullHolder(terms.shape.relid, column->attnum);
  if (column->generated == plan::Generated::IdentityAlways ||
      column->generated == plan::Generated::IdentityByDefault) {
    holder = "its identity";
  }
  if (!holder.empty()) {
    return "column " + Quote(column->name) + " must stay NOT NULL for " + holder;
  }
  if (Refusal why = WhyUnlikeChild(terms, *column, plan::ActionKind::DropNotNull)) {
    return why;
  }
  action->kind = plan::ActionKind::DropNotNull;
  action->column = column->name;
  return std::nullopt;
}

Refusal ReadSetDefault(const Terms& terms, const AlterTableCmd* node, plan::Action* action) {
  const plan::Column* column = nullptr;
  if (Refusal why = FindColumn(terms, node->name, &column)) {
    return why;
  }
  if (node->def == nullptr) {
    return "DROP DEFAULT is not allowed";
  }
  if (column->generated != plan::Generated::No) {
    return "column " + Quote(column->name) +
           " is an identity or generated column: it takes no DEFAULT";
  }
  if (!IsListed(column->type)) {
    return "column " + Quote(column->name) + " is of type " + column->type_text +
           ", for which no DEFAULT can be set here";
  }
  action->kind = plan::ActionKind::SetDefault;
  action->column = column->name;
  if (Refusal why = ReadConstant(node->def, column->type, &action->default_literal)) {
    return why;
  }
  if (!action->default_literal) {
    return "SET DEFAULT NULL takes the default away, which is not allowed";
  }
  return WhyUnlikeChild(terms, *column, plan::ActionKind::SetDefault);
}

// What is not for PostgreSQL: SET (mend.read_as = '...').
Refusal ReadReading(const Terms& terms, const AlterTableCmd* node, plan::Action* action) {
  const plan::Column* column = nullptr;
  if (Refusal why = FindColumn(terms, node->name, &column)) {
    return why;
  }
  if (column->generated == plan::Generated::Computed ||
      column->generated == plan::Generated::IdentityAlways) {
    return "column " + Quote(column->name) + " is filled by PostgreSQL itself";
  }
  const auto* options = reinterpret_cast<const List*>(node->def);
  const auto* option = node->def != nullptr && IsA(node->def, List) && list_length(options) == 1
                           ? static_cast<const DefElem*>(linitial(options))
                           : nullptr;
  if (option == nullptr || !IsA(option, DefElem) || option->defnamespace == nullptr ||
      std::string_view(option->defnamespace) != "mend" ||
      std::string_view(option->defname) != "read_as" || option->arg == nullptr ||
      !IsA(option->arg, String) || option->defaction != DEFELEM_UNSPEC) {
    return "ALTER COLUMN ... SET takes mend.read_as alone, with a reading as its text";
  }
  action->kind = plan::ActionKind::ReadAs;
  action->column = column->name;
  const std::string text = strVal(option->arg);
  if (const std::optional<pg::Error> why = WhyNotReading(terms.shape, action->column, text)) {
    return why->fields().message;
  }
  action->reading = reading::Print(*reading::Parse(text));
  return std::nullopt;
}

}  // namespace

Refusal NotAllowed(const Terms& terms, plan::ActionKind kind) {
  std::string reason =
      "the table's enrolment does not allow " + std::string(plan::Name(kind)) + " (it allows";
  const char* separator = " ";
  for (const plan::ActionKind allowed : terms.allow) {
    reason += separator + std::string(plan::Name(allowed));
    separator = ", ";
  }
  return reason + (terms.allow.empty() ? " nothing)" : ")");
}

Refusal ReadSubcommand(const Terms& terms, const AlterTableCmd* node, plan::Action* action) {
  if (node == nullptr || !IsA(node, AlterTableCmd)) {
    return kAllowedForms;
  }
  plan::ActionKind kind = plan::ActionKind::AddColumn;
  Refusal (*read)(const Terms&, const AlterTableCmd*, plan::Action*) = nullptr;
  switch (node->subtype) {
    case AT_AddColumn: kind = plan::ActionKind::AddColumn, read = ReadAddColumn; break;
    case AT_AlterColumnType: read = ReadAlterType; break;
    case AT_SetOptions: kind = plan::ActionKind::ReadAs, read = ReadReading; break;
    case AT_DropNotNull: kind = plan::ActionKind::DropNotNull, read = ReadDropNotNull; break;
    case AT_ColumnDefault: kind = plan::ActionKind::SetDefault, read = ReadSetDefault; break;
    default: return std::string(InWords(node->subtype)) + " is not allowed; " + kAllowedForms;
  }
  // A reading, too, waits for a person where it is not allowed.
  const bool asked = node->subtype == AT_AlterColumnType || node->subtype == AT_SetOptions;
  if (!asked && terms.allow.count(kind) == 0) {
    return NotAllowed(terms, kind);
  }
  const bool strange = node->num != 0 || node->newowner != nullptr ||
                       node->behavior != DROP_RESTRICT || node->recurse ||
                       (node->missing_ok && node->subtype != AT_AddColumn);
  if (strange) {
    return kAllowedForms;
  }
  return read(terms, node, action);
}

}  // namespace mend::guard
