#include "server/guard/sandbox.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "server/guard/columns_only.h"

namespace mend::guard {
namespace {

// The open sandbox. The hooks below are called by PostgreSQL and raise its errors: they own
// nothing.
const std::vector<Oid>* open_family = nullptr;
const Permit* open_permit = nullptr;  // instead of the one ALTER TABLE
int statements = 0;                   // utility statements begun in it
int event_triggers = 0;               // functions of event triggers that are running

// What Citus has done about the shard that it alters in this process.
enum class ShardStep : uint8_t { None, Expected, Asked, Altered };
ShardStep shard_step = ShardStep::None;
citus::Shard open_shard;
Oid open_enum = InvalidOid;  // that may be given labels, in place of the table
int most_labels = 0;
const AlterTableStmt* first_alter = nullptr;  // what runs on the table, while it runs

object_access_hook_type next_object_access = nullptr;
ProcessUtility_hook_type next_utility = nullptr;
ExecutorStart_hook_type next_executor_start = nullptr;
needs_fmgr_hook_type next_needs_fmgr = nullptr;
fmgr_hook_type next_fmgr = nullptr;

bool Watching() { return open_family != nullptr && event_triggers == 0; }

[[noreturn]] void Refuse(const char* what) {
  ereport(ERROR,
          (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("pg_mend: the sandbox refuses %s", what),
           errdetail("While a patch is applied, nothing but its table may be touched.")));
}

[[noreturn]] void RefuseObject(Oid catalog, Oid object, const char* what) {
  ereport(ERROR,
          (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("pg_mend: the sandbox refuses %s", what),
           errdetail("The object is %u of %s.", object, get_rel_name(catalog))));
}

bool InFamily(Oid relid) {
  return std::find(open_family->begin(), open_family->end(), relid) != open_family->end();
}

// One row of a catalog by OID, as of this very command: what a hook is told of is not visible yet.
// `read` gets the tuple; false when there is none.
template <class Form, class Read>
bool ReadRow(Oid catalog, Oid index, AttrNumber column, Oid object, Read read) {
  Relation relation = table_open(catalog, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(object));
  SysScanDesc scan = systable_beginscan(relation, index, true, SnapshotSelf, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  if (HeapTupleIsValid(tuple)) {
    read(reinterpret_cast<Form>(GETSTRUCT(tuple)));
  }
  bool found = HeapTupleIsValid(tuple);
  systable_endscan(scan);
  table_close(relation, AccessShareLock);
  return found;
}

Oid TableOfIndex(Oid index) {
  Oid table = InvalidOid;
  ReadRow<Form_pg_index>(IndexRelationId, IndexRelidIndexId, Anum_pg_index_indexrelid, index,
                         [&](Form_pg_index row) { table = row->indrelid; });
  return table;
}

// The number behind a prefix, as in pg_toast_16385; InvalidOid when the name is none of these.
Oid OwnerByName(const char* name, const char* prefix) {
  size_t length = strlen(prefix);
  return strncmp(name, prefix, length) == 0 ? static_cast<Oid>(strtoul(name + length, nullptr, 10))
                                            : InvalidOid;
}

// The sequence of an identity column of the family, which is altered with its type, or that of the
// permit.
bool IsOurSequence(Oid relid) {
  if (open_permit != nullptr) {
    return OidIsValid(relid) && relid == open_permit->sequence;
  }
  Oid table = InvalidOid;
  int32 column = 0;
  return OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_SEQUENCE &&
         sequenceIsOwned(relid, DEPENDENCY_INTERNAL, &table, &column) && InFamily(table);
}

// A table of the family, or what PostgreSQL makes beside one: its TOAST table, the transient copy
// that a rewrite fills, their indexes.
bool IsOurRelation(Oid relid, int depth = 0) {
  if (InFamily(relid)) {
    return true;
  }
  if (depth > 2) {
    return false;
  }
  char kind = '\0';
  Oid name_space = InvalidOid;
  NameData name;
  bool found = ReadRow<Form_pg_class>(RelationRelationId, ClassOidIndexId, Anum_pg_class_oid, relid,
                                      [&](Form_pg_class row) {
                                        kind = row->relkind;
                                        name_space = row->relnamespace;
                                        name = row->relname;
                                      });
  if (!found) {
    return false;
  }
  switch (kind) {
    case RELKIND_INDEX:
    case RELKIND_PARTITIONED_INDEX: return IsOurRelation(TableOfIndex(relid), depth + 1);
    case RELKIND_TOASTVALUE:
      return name_space == PG_TOAST_NAMESPACE &&
             IsOurRelation(OwnerByName(NameStr(name), "pg_toast_"), depth + 1);
    case RELKIND_RELATION: {
      Oid original = OwnerByName(NameStr(name), "pg_temp_");
      return original != InvalidOid && InFamily(original);
    }
    default: return false;
  }
}

bool IsOurs(Oid catalog, Oid object) {
  Oid table = InvalidOid;
  switch (catalog) {
    case RelationRelationId: return IsOurRelation(object);
    case IndexRelationId:
      return IsOurRelation(
          object);  // which of its indexes orders the table, or identifies its rows
    case AttrDefaultRelationId:
      if (InFamily(object)) {
        return true;  // of a new default, PostgreSQL names table and column
      }
      ReadRow<Form_pg_attrdef>(AttrDefaultRelationId, AttrDefaultOidIndexId, Anum_pg_attrdef_oid,
                               object, [&](Form_pg_attrdef row) { table = row->adrelid; });
      break;
    case ConstraintRelationId:
      ReadRow<Form_pg_constraint>(ConstraintRelationId, ConstraintOidIndexId,
                                  Anum_pg_constraint_oid, object,
                                  [&](Form_pg_constraint row) { table = row->conrelid; });
      break;
    case TriggerRelationId: {
      // Those of constraints are made anew with them; of a foreign key, on both tables.
      Oid constraint = InvalidOid;
      ReadRow<Form_pg_trigger>(TriggerRelationId, TriggerOidIndexId, Anum_pg_trigger_oid, object,
                               [&](Form_pg_trigger row) {
                                 if (open_permit != nullptr || row->tgisinternal) {
                                   table = row->tgrelid;
                                 }
                                 if (open_permit != nullptr && row->tgisinternal) {
                                   constraint = row->tgconstraint;
                                 }
                               });
      if (OidIsValid(constraint) && IsOurs(ConstraintRelationId, constraint)) {
        return true;
      }
      break;
    }
    case StatisticExtRelationId:
      if (open_permit != nullptr) {
        ReadRow<Form_pg_statistic_ext>(StatisticExtRelationId, StatisticExtOidIndexId,
                                       Anum_pg_statistic_ext_oid, object,
                                       [&](Form_pg_statistic_ext row) { table = row->stxrelid; });
      }
      break;
    case TypeRelationId:
      if (OidIsValid(open_enum) && object == open_enum) {
        return true;
      }
      // The row types of a rewrite's transient copy, whose own row is not there yet.
      ReadRow<Form_pg_type>(TypeRelationId, TypeOidIndexId, Anum_pg_type_oid, object,
                            [&](Form_pg_type row) {
                              const char* name = NameStr(row->typname);
                              table = OwnerByName(name[0] == '_' ? name + 1 : name, "pg_temp_");
                            });
      break;
    default: return false;
  }
  return table != InvalidOid && IsOurRelation(table);
}

void OnObjectAccess(ObjectAccessType access, Oid catalog, Oid object, int sub_object,
                    void* argument) {
  if (Watching()) {
    switch (access) {
      case OAT_POST_CREATE:
      case OAT_POST_ALTER:
      case OAT_DROP:
        if (!IsOurs(catalog, object) &&
            !(access == OAT_POST_ALTER && catalog == RelationRelationId && IsOurSequence(object))) {
          RefuseObject(catalog, object,
                       access == OAT_POST_CREATE  ? "to create an object beside the table"
                       : access == OAT_POST_ALTER ? "to alter another object"
                                                  : "to drop another object");
        }
        break;
      case OAT_TRUNCATE: Refuse("TRUNCATE");
      default: break;  // looking up names and calling functions change nothing by themselves
    }
  }
  if (next_object_access != nullptr) {
    next_object_access(access, catalog, object, sub_object, argument);
  }
}

const char* ColumnOf(const AlterTableCmd* command) {
  return command->subtype == AT_AddColumn ? castNode(ColumnDef, command->def)->colname
                                          : command->name;
}

// Whether both do the same things to the same columns. Citus may write a type in another way.
bool DoTheSame(const AlterTableStmt* one, const AlterTableStmt* other) {
  if (list_length(one->cmds) != list_length(other->cmds)) {
    return false;
  }
  const ListCell *a, *b;
  forboth(a, one->cmds, b, other->cmds) {
    const auto* first = lfirst_node(AlterTableCmd, a);
    const auto* second = lfirst_node(AlterTableCmd, b);
    if (first->subtype != second->subtype || strcmp(ColumnOf(first), ColumnOf(second)) != 0) {
      return false;
    }
  }
  return true;
}

// What a permit lists, in its order.
void CheckPermitted(const Node* statement) {
  const auto next = static_cast<size_t>(statements++);
  if (next >= open_permit->statements.size() || !equal(statement, open_permit->statements[next])) {
    Refuse("any statement but those that were rendered");
  }
}

// What PostgreSQL does of itself while it changes the type of an identity column.
bool IsOfIdentity(const Node* statement) {
  if (first_alter == nullptr || !IsA(statement, AlterSeqStmt)) {
    return false;
  }
  const auto* alter = reinterpret_cast<const AlterSeqStmt*>(statement);
  const ListCell* cell;
  foreach (cell, alter->options) {
    if (strcmp(lfirst_node(DefElem, cell)->defname, "as") != 0) {
      return false;
    }
  }
  return alter->for_identity && IsOurSequence(RangeVarGetRelid(alter->sequence, NoLock, true));
}

// A label for the enum, behind the others.
void CheckLabel(const Node* statement) {
  if (!IsA(statement, AlterEnumStmt) || ++statements > most_labels) {
    Refuse("any statement but those that add labels");
  }
  const auto* alter = reinterpret_cast<const AlterEnumStmt*>(statement);
  const Oid altered = typenameTypeId(nullptr, makeTypeNameFromNameList(alter->typeName));
  if (altered != open_enum || alter->oldVal != nullptr || alter->newVal == nullptr ||
      alter->newValNeighbor != nullptr) {
    Refuse("to alter another type, or otherwise than by a label");
  }
}

// The one ALTER TABLE of a family member, what Citus does by it to the shard, and no other
// statement after or under it.
void CheckUtility(const PlannedStmt* planned) {
  const Node* statement = planned->utilityStmt;
  if (open_permit != nullptr) {
    return CheckPermitted(statement);
  }
  if (IsOfIdentity(statement)) {
    return;
  }
  if (OidIsValid(open_enum)) {
    return CheckLabel(statement);
  }
  const bool of_shard = shard_step == ShardStep::Asked;
  if (!IsA(statement, AlterTableStmt) || ++statements > (of_shard ? 2 : 1)) {
    Refuse("any statement but one ALTER TABLE");
  }
  auto* alter = reinterpret_cast<const AlterTableStmt*>(statement);
  const Oid altered = RangeVarGetRelid(alter->relation, NoLock, true);
  if (!InFamily(altered) ||
      (of_shard != (OidIsValid(open_shard.relid) && altered == open_shard.relid))) {
    Refuse("to alter another table");
  }
  if (const char* why = WhyNotColumnsOnly(alter)) {
    Refuse(why);
  }
  if (!of_shard) {
    first_alter = alter;
  } else if (first_alter != nullptr && DoTheSame(first_alter, alter)) {
    shard_step = ShardStep::Altered;
  } else {
    Refuse("to alter the shard otherwise than its table");
  }
}

// Whether this is how Citus asks, once, for the shard to be altered as its table was.
bool AsksForShard(const QueryDesc* query) {
  if (shard_step != ShardStep::Expected || statements != 1 || query->operation != CMD_SELECT ||
      query->sourceText == nullptr || query->sourceText[0] != '\0') {
    return false;
  }
  const Plan* plan = query->plannedstmt->planTree;
  if (!IsA(plan, Result) || plan->lefttree != nullptr || list_length(plan->targetlist) != 1) {
    return false;
  }
  const auto* target = linitial_node(TargetEntry, plan->targetlist);
  if (!IsA(target->expr, FuncExpr)) {
    return false;
  }
  const auto* call = reinterpret_cast<const FuncExpr*>(target->expr);
  const char* name = get_func_name(call->funcid);
  if (name == nullptr || strcmp(name, "worker_apply_shard_ddl_command") != 0 ||
      get_func_namespace(call->funcid) != PG_CATALOG_NAMESPACE || list_length(call->args) != 3) {
    return false;
  }
  const ListCell* cell;
  foreach (cell, call->args) {
    const auto* argument = static_cast<const Node*>(lfirst(cell));
    if (!IsA(argument, Const) || reinterpret_cast<const Const*>(argument)->constisnull) {
      return false;
    }
  }
  const auto* number = linitial_node(Const, call->args);
  return number->consttype == INT8OID && DatumGetInt64(number->constvalue) == open_shard.number;
}

// What PostgreSQL asks of both tables of a foreign key.
bool OnlyReads(const QueryDesc* query) {
  return open_permit != nullptr && open_permit->reads && query->operation == CMD_SELECT &&
         !query->plannedstmt->hasModifyingCTE;
}

void OnUtility(PlannedStmt* planned, const char* query, bool read_only_tree,
               ProcessUtilityContext context, ParamListInfo params, QueryEnvironment* environment,
               DestReceiver* receiver, QueryCompletion* completion) {
  if (Watching()) {
    CheckUtility(planned);
  }
  (next_utility != nullptr ? next_utility : standard_ProcessUtility)(
      planned, query, read_only_tree, context, params, environment, receiver, completion);
}

void OnExecutorStart(QueryDesc* query, int flags) {
  if (Watching() && !OnlyReads(query)) {
    if (!AsksForShard(query)) {
      Refuse("to run a query");
    }
    shard_step = ShardStep::Asked;
  }
  (next_executor_start != nullptr ? next_executor_start : standard_ExecutorStart)(query, flags);
}

bool IsEventTrigger(Oid function) { return get_func_rettype(function) == EVENT_TRIGGEROID; }

bool NeedsFmgrHook(Oid function) {
  return (open_family != nullptr && IsEventTrigger(function)) ||
         (next_needs_fmgr != nullptr && next_needs_fmgr(function));
}

void OnFunction(FmgrHookEventType event, FmgrInfo* function, Datum* argument) {
  if (open_family != nullptr && IsEventTrigger(function->fn_oid)) {
    event_triggers += event == FHET_START ? 1 : -1;
  }
  if (next_fmgr != nullptr) {
    next_fmgr(event, function, argument);
  }
}

void SetHooks() {
  static bool set = false;
  if (set) {
    return;
  }
  set = true;
  next_object_access = std::exchange(object_access_hook, OnObjectAccess);
  next_utility = std::exchange(ProcessUtility_hook, OnUtility);
  next_executor_start = std::exchange(ExecutorStart_hook, OnExecutorStart);
  next_needs_fmgr = std::exchange(needs_fmgr_hook, NeedsFmgrHook);
  next_fmgr = std::exchange(fmgr_hook, OnFunction);
}

}  // namespace

namespace {

const std::vector<Oid> kNoTables;

}  // namespace

Sandbox::Sandbox(const std::vector<Oid>& family) : Sandbox(family, citus::Shard()) {}

Sandbox::Sandbox(const std::vector<Oid>& family, const citus::Shard& shard) {
  if (open_family != nullptr) {
    throw pg::Error(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "pg_mend: a sandbox is open already");
  }
  SetHooks();
  statements = 0;
  event_triggers = 0;
  open_shard = shard;
  shard_step = OidIsValid(shard.relid) ? ShardStep::Expected : ShardStep::None;
  first_alter = nullptr;
  open_enum = InvalidOid;
  open_family = &family;
}

Sandbox::Sandbox(const std::vector<Oid>& family, const Permit& permit) : Sandbox(family) {
  open_permit = &permit;
}

Sandbox::Sandbox(Oid enum_type, int labels) : Sandbox(kNoTables) {
  open_enum = enum_type;
  most_labels = labels;
}

Sandbox::~Sandbox() { Abandon(); }

void Sandbox::Abandon() {
  open_family = nullptr;
  open_permit = nullptr;
  open_enum = InvalidOid;
}

}  // namespace mend::guard
