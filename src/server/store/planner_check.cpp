#include "server/store/planner_check.h"

namespace mend::store {
namespace {

// What the planner makes of an INSERT, where somebody has hooked it. Built as a tree, not as text:
// no search_path and no name is involved.
bool PlannerAgrees(Relation relation) {
  Query* query = makeNode(Query);
  query->commandType = CMD_INSERT;
  query->canSetTag = true;
  query->resultRelation = 1;
  ParseState* state = make_parsestate(nullptr);
  ParseNamespaceItem* item =
      addRangeTableEntryForRelation(state, relation, RowExclusiveLock, nullptr, false, false);
  query->rtable = state->p_rtable;
#if PG_VERSION_NUM >= 160000
  query->rteperminfos = state->p_rteperminfos;
  item->p_perminfo->requiredPerms = ACL_INSERT;
#else
  item->p_rte->requiredPerms = ACL_INSERT;
#endif
  query->jointree = makeFromExpr(NIL, nullptr);
  PlannedStmt* plan = pg_plan_query(query, "INSERT", 0, nullptr);
  bool plain = plan != nullptr && plan->planTree != nullptr && IsA(plan->planTree, ModifyTable);
  if (plain) {
    auto* modify = reinterpret_cast<ModifyTable*>(plan->planTree);
    plain = modify->operation == CMD_INSERT && list_length(modify->resultRelations) == 1 &&
            rt_fetch(linitial_int(modify->resultRelations), plan->rtable)->relid ==
                RelationGetRelid(relation);
  }
  free_parsestate(state);
  return plain;
}

LocalTransactionId CurrentTransaction() {
#if PG_VERSION_NUM >= 170000
  return MyProc->vxid.lxid;
#else
  return MyProc->lxid;
#endif
}

}  // namespace

bool PlannerAgreesNow(Relation relation) {
  static LocalTransactionId asked_in = InvalidLocalTransactionId;
  static Oid asked_for = InvalidOid;
  static uint64 asked_at = 0;
  if (planner_hook == nullptr) {
    return true;
  }
  if (asked_in == CurrentTransaction() && asked_for == RelationGetRelid(relation) &&
      asked_at == SharedInvalidMessageCounter) {
    return true;
  }
  bool agrees = false;
  // What the hook refuses to plan is not for us to write.
  const std::optional<pg::Error> refusal =
      pg::Attempt([&] { agrees = pg::Call([&] { return PlannerAgrees(relation); }); });
  if (refusal || !agrees) {
    return false;
  }
  asked_in = CurrentTransaction();
  asked_for = RelationGetRelid(relation);
  asked_at = SharedInvalidMessageCounter;
  return true;
}

}  // namespace mend::store
