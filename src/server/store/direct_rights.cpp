#include "server/store/direct_rights.h"

#include "server/store/direct_writer.h"

namespace mend::store {
namespace {

RangeTblEntry* MakeEntry(Relation relation) {
  RangeTblEntry* entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_RELATION;
  entry->relid = RelationGetRelid(relation);
  entry->relkind = relation->rd_rel->relkind;
  entry->rellockmode = RowExclusiveLock;
  return entry;
}

}  // namespace

void InitRangeTable(EState* state, Relation relation) {
  List* entries = list_make1(MakeEntry(relation));
#if PG_VERSION_NUM >= 180000
  ExecInitRangeTable(state, entries, NIL, bms_make_singleton(1));
#elif PG_VERSION_NUM >= 160000
  ExecInitRangeTable(state, entries, NIL);
#else
  ExecInitRangeTable(state, entries);
#endif
}

void CheckInsertRights(Relation relation, Bitmapset* columns) {
  RangeTblEntry* entry = MakeEntry(relation);
#if PG_VERSION_NUM >= 160000
  List* rights = NIL;
  RTEPermissionInfo* right = addRTEPermissionInfo(&rights, entry);
  right->requiredPerms = ACL_INSERT;
  right->insertedCols = columns;
  ExecCheckPermissions(list_make1(entry), rights, true);
#else
  entry->requiredPerms = ACL_INSERT;
  entry->insertedCols = columns;
  ExecCheckRTPerms(list_make1(entry), true);
#endif
}

void CheckRights(Relation relation, const table::Target& target,
                 const std::vector<table::Row>& rows) {
  const plan::Column* columns = target.shape().columns.data();
  const std::vector<int>* last = nullptr;
  pg::Call([&] {
    // The right on the table is the right on every column.
    if (ExecutorCheckPerms_hook == nullptr &&
        pg_class_aclcheck(RelationGetRelid(relation), GetUserId(), ACL_INSERT) == ACLCHECK_OK) {
      return;
    }
    Bitmapset* brought = nullptr;
    for (const table::Row& row : rows) {
      if (last != nullptr && *last == row.columns) {
        continue;
      }
      last = &row.columns;
      for (int column : row.columns) {
        brought =
            bms_add_member(brought, columns[column].attnum - FirstLowInvalidHeapAttributeNumber);
      }
    }
    CheckInsertRights(relation, brought);
  });
}

}  // namespace mend::store
