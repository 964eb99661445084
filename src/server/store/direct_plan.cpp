#include "server/store/direct_plan.h"

#include <unordered_map>

#include "server/pg/memory.h"
#include "server/pg/relation_changes.h"
#include "server/store/expressions.h"
#include "server/store/planner_check.h"
#include "server/store/store.h"

namespace mend::store {
namespace {

// A row of so many columns and bytes fits a page whatever is in it: what is long goes to TOAST, and
// leaves a pointer.
constexpr int kPointerBytes = 24;
constexpr int kSafeRowBytes = 7500;

bool IsCitusLike(const TriggerDesc* triggers) {
  for (int i = 0; i < triggers->numtriggers; ++i) {
    if (triggers->triggers[i].tgisinternal && TRIGGER_FOR_TRUNCATE(triggers->triggers[i].tgtype)) {
      return true;
    }
  }
  return false;
}

Node* NodeOf(const Expr* expression) {
  return reinterpret_cast<Node*>(const_cast<Expr*>(expression));
}

const Expr* Planned(const Node* expression) {
  return expression_planner(static_cast<Expr*>(copyObjectImpl(expression)));
}

DirectPlan::Computation ComputationOf(Node* expression, const Expr* planned) {
  const bool keep = CannotFail(expression);
  return {const_cast<Expr*>(keep ? planned : reinterpret_cast<Expr*>(expression)), keep};
}

// The trigger of a column that is widened online, which does what copies_ say.
bool IsOurs(const Trigger& trigger) {
  return trigger.tgenabled == TRIGGER_FIRES_ALWAYS && trigger.tgqual == nullptr &&
         TRIGGER_FOR_ROW(trigger.tgtype) && TRIGGER_FOR_BEFORE(trigger.tgtype) &&
         table::IsCopier(trigger.tgfoid);
}

bool HasTriggersOnInsert(const TriggerDesc* triggers) {
  bool only_ours = true;
  for (int i = 0; i < triggers->numtriggers; ++i) {
    only_ours = only_ours && (!TRIGGER_FOR_INSERT(triggers->triggers[i].tgtype) ||
                              IsOurs(triggers->triggers[i]));
  }
  if (only_ours) {
    return false;
  }
  return triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
         triggers->trig_insert_instead_row || triggers->trig_insert_before_statement ||
         triggers->trig_insert_after_statement || triggers->trig_insert_new_table;
}

bool HasPolicies(Relation relation) {
  return relation->rd_rel->relrowsecurity && pg::Call([&] {
           return check_enable_rls(RelationGetRelid(relation), InvalidOid, true) == RLS_ENABLED;
         });
}

// Counted in PostgreSQL's callbacks, where nothing may fail: tables are put in when a plan is made
// for them.
uint64_t changes_of_functions = 0, changes_of_all_tables = 0;

std::unordered_map<Oid, uint64_t>& ChangesOfTables() {
  static auto& changes = *new std::unordered_map<Oid, uint64_t>();
  return changes;
}

uint64_t ChangesOf(Oid relid) {
  const auto found = ChangesOfTables().find(relid);
  return changes_of_all_tables + (found != ChangesOfTables().end() ? found->second : 0);
}

void OnFunctionChange(Datum, int, uint32) { ++changes_of_functions; }

void OnRelcacheChange(Oid relid) {
  if (!OidIsValid(relid)) {
    ++changes_of_all_tables;
    return;
  }
  const auto found = ChangesOfTables().find(relid);
  if (found != ChangesOfTables().end()) {
    ++found->second;
  }
}

void ListenOnce() {
  static bool listening = false;
  if (!listening) {
    pg::Call([] { CacheRegisterSyscacheCallback(PROCOID, OnFunctionChange, 0); });
    pg::ListenToRelations(OnRelcacheChange);
    listening = true;
  }
}

}  // namespace

bool DirectPlan::IsFresh() const {
  return changes_of_functions_ == changes_of_functions && changes_of_table_ == ChangesOf(relid_);
}

bool DirectPlan::Allows(Relation relation) {
  const FormData_pg_class& form = *relation->rd_rel;
  return form.relkind == RELKIND_RELATION && relation->rd_tableam == GetHeapamTableAmRoutine() &&
         !form.relispartition && !form.relhasrules && !RELATION_IS_OTHER_TEMP(relation) &&
         RelationGetRelid(relation) >= FirstNormalObjectId &&
         (relation->trigdesc == nullptr ||
          (!HasTriggersOnInsert(relation->trigdesc) && !IsCitusLike(relation->trigdesc))) &&
         !HasPolicies(relation) && PlannerAgreesNow(relation);
}

std::shared_ptr<const DirectPlan> DirectPlan::Make(Relation relation) {
  ListenOnce();
  std::shared_ptr<DirectPlan> plan(new DirectPlan());
  plan->relid_ = RelationGetRelid(relation);
  ChangesOfTables().emplace(plan->relid_, 0);
  // Before it is read: what changes meanwhile makes it stale.
  plan->changes_of_functions_ = changes_of_functions;
  plan->changes_of_table_ = ChangesOf(plan->relid_);
  plan->memory_ = pg::Call([] {
    return AllocSetContextCreateInternal(TopMemoryContext, "pg_mend direct plan",
                                         ALLOCSET_SMALL_SIZES);
  });
  bool usable = false;
  // An expression of the table may fail when it is only simplified; INSERT may never come to it.
  const std::optional<pg::Error> error = pg::Attempt([&] {
    pg::Switch here(plan->memory_);
    usable = pg::Call([&] { return Read(plan.get(), relation); });
  });
  if (error && pg::MustRaise(*error)) {
    throw *error;
  }
  plan->usable_ = usable && !error;
  return plan;
}

DirectPlan::~DirectPlan() {
  if (memory_ != nullptr) {
    MemoryContextDelete(memory_);
  }
}

bool DirectPlan::Read(DirectPlan* plan, Relation relation) {
  plan->ReadCopies(relation);
  return plan->ReadColumns(relation) && plan->ReadChecks(relation) && plan->ReadIndexes(relation);
}

bool DirectPlan::ReadColumns(Relation relation) {
  TupleDesc row = RelationGetDescr(relation);
  const auto count = static_cast<size_t>(row->natts);
  attribute_count_ = row->natts;
  types_ = static_cast<Oid*>(palloc0(sizeof(Oid) * (count + 1)));
  not_null_ = static_cast<bool*>(palloc0(count + 1));
  must_bring_ = static_cast<bool*>(palloc0(count + 1));
  names_ = static_cast<const char**>(palloc0(sizeof(char*) * (count + 1)));
  defaults_ = static_cast<Computation*>(palloc0(sizeof(Computation) * (count + 1)));
  int bytes = 0;
  for (int attnum = 1; attnum <= row->natts; ++attnum) {
    const FormData_pg_attribute& form = *TupleDescAttr(row, attnum - 1);
    if (form.attisdropped) {
      continue;
    }
    types_[attnum - 1] = form.atttypid;
    not_null_[attnum - 1] = form.attnotnull;
    names_[attnum - 1] = pstrdup(NameStr(form.attname));
    bytes += form.attlen > 0 ? form.attlen + 7 : kPointerBytes;
    if (form.attlen == -2 || (form.attlen == -1 && form.attstorage == TYPSTORAGE_PLAIN)) {
      cannot_fail_ = false;
    }
    if (form.attgenerated == ATTRIBUTE_GENERATED_STORED) {
      has_generated_ = true;
      Node* expression = build_column_default(relation, attnum);
      cannot_fail_ = cannot_fail_ && expression != nullptr &&
                     CannotFail(reinterpret_cast<Node*>(
                         expression_planner(reinterpret_cast<Expr*>(expression))));
    } else if (form.attgenerated != '\0') {
      return false;
    } else if (!ReadDefault(relation, attnum, form)) {
      return false;
    }
  }
  cannot_fail_ = cannot_fail_ && bytes <= kSafeRowBytes;
  return true;
}

bool DirectPlan::ReadDefault(Relation relation, int attnum, const FormData_pg_attribute& form) {
  Node* expression = build_column_default(relation, attnum);
  if (expression == nullptr && get_typtype(form.atttypid) == TYPTYPE_DOMAIN) {
    // A domain may refuse null.
    int32 typmod = form.atttypmod;
    const Oid base = getBaseTypeAndTypmod(form.atttypid, &typmod);
    Const* null = makeConst(base, typmod, form.attcollation, form.attlen, 0, true, form.attbyval);
    expression = coerce_to_domain(reinterpret_cast<Node*>(null), base, typmod, form.atttypid,
                                  COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1, false);
  }
  if (expression == nullptr) {
    return true;
  }
  const Expr* planned = Planned(expression);
  defaults_[attnum - 1] = ComputationOf(expression, planned);
  // What a domain refuses may change without a word to us.
  cannot_fail_ =
      cannot_fail_ && get_typtype(form.atttypid) != TYPTYPE_DOMAIN && CannotFail(NodeOf(planned));
  must_bring_[attnum - 1] = !LooksAtNoTable(NodeOf(planned));
  must_bring_any_ = must_bring_any_ || must_bring_[attnum - 1];
  return true;
}

void DirectPlan::ReadCopies(Relation relation) {
  const TriggerDesc* triggers = relation->trigdesc;
  if (triggers == nullptr) {
    return;
  }
  copies_ = static_cast<table::ColumnCopy*>(
      palloc(sizeof(table::ColumnCopy) * static_cast<size_t>(triggers->numtriggers)));
  for (int i = 0; i < triggers->numtriggers; ++i) {
    const Trigger& trigger = triggers->triggers[i];
    if (TRIGGER_FOR_INSERT(trigger.tgtype) && IsOurs(trigger) &&
        table::ReadCopy(&trigger, RelationGetDescr(relation), &copies_[copy_count_])) {
      ++copy_count_;
    }
  }
}

bool DirectPlan::ReadChecks(Relation relation) {
  const TupleConstr* constraints = RelationGetDescr(relation)->constr;
  if (constraints == nullptr || constraints->num_check == 0) {
    return true;
  }
  checks_ = static_cast<Check*>(palloc0(sizeof(Check) * constraints->num_check));
  for (int i = 0; i < constraints->num_check; ++i) {
    const ConstrCheck& check = constraints->check[i];
#if PG_VERSION_NUM >= 180000
    if (!check.ccenforced) {
      continue;
    }
#endif
    auto* expression = static_cast<Node*>(stringToNode(check.ccbin));
    const Expr* planned = Planned(expression);
    if (!LooksAtNoTable(NodeOf(planned))) {
      return false;
    }
    cannot_fail_ = cannot_fail_ && CannotFail(NodeOf(planned));
    checks_[check_count_++] = {pstrdup(check.ccname), ComputationOf(expression, planned)};
  }
  return true;
}

bool DirectPlan::ReadIndexes(Relation relation) {
  List* indexes = RelationGetIndexList(relation);
  keys_ = static_cast<int*>(palloc0(sizeof(int) * static_cast<size_t>(attribute_count_ + 1)));
  ListCell* cell;
  bool plain = true;
  foreach (cell, indexes) {
    Relation index = index_open(lfirst_oid(cell), RowExclusiveLock);
    plain = plain && ReadIndex(index);
    index_close(index, RowExclusiveLock);
  }
  return plain;
}

bool DirectPlan::ReadIndex(Relation index) {
  const FormData_pg_index& form = *index->rd_index;
  has_index_ = true;
  has_unique_ = has_unique_ || form.indisunique;
  // Exclusion and what is checked later need the executor's help.
  if (form.indisexclusion || !form.indimmediate) {
    return false;
  }
  const Oid method = index->rd_rel->relam;
  cannot_fail_ =
      cannot_fail_ && (method == BTREE_AM_OID || method == HASH_AM_OID || method == BRIN_AM_OID);
  List* expressions =
      list_concat_copy(RelationGetIndexExpressions(index), RelationGetIndexPredicate(index));
  ListCell* cell;
  foreach (cell, expressions) {
    if (!LooksAtNoTable(static_cast<Node*>(lfirst(cell)))) {
      return false;
    }
  }
  // How long an expression's value gets is not known.
  cannot_fail_ = cannot_fail_ && RelationGetIndexExpressions(index) == NIL &&
                 CannotFail(reinterpret_cast<Node*>(RelationGetIndexPredicate(index)));
  for (int i = 0; i < form.indnatts; ++i) {
    const int attnum = form.indkey.values[i];
    if (TupleDescAttr(RelationGetDescr(index), i)->attlen == -2 || attnum < 0) {
      cannot_fail_ = false;
    }
    // A user's operator class is a user's functions.
    if (i < form.indnkeyatts && index->rd_opfamily[i] >= FirstNormalObjectId) {
      cannot_fail_ = false;
    }
    if (attnum > 0 && TupleDescAttr(RelationGetDescr(index), i)->attlen == -1) {
      bool known = false;
      for (int k = 0; k < key_count_; ++k) {
        known = known || keys_[k] == attnum;
      }
      if (!known) {
        keys_[key_count_++] = attnum;
      }
      // Elements are compared by functions of their own types.
      const Oid type = TupleDescAttr(RelationGetDescr(index), i)->atttypid;
      cannot_fail_ =
          cannot_fail_ && get_typtype(type) == TYPTYPE_BASE && !OidIsValid(get_element_type(type));
    }
  }
  return true;
}

}  // namespace mend::store
