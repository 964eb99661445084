#include "server/store/await_key.h"

#include "server/citus/managed_table.h"
#include "server/store/open_relation.h"

namespace mend::store {
namespace {

// Puts what the row brings into a slot of the table.
void Fill(TupleTableSlot* slot, const plan::Column* columns, const table::Row& row) {
  ExecClearTuple(slot);
  for (int i = 0; i < slot->tts_tupleDescriptor->natts; ++i) {
    slot->tts_values[i] = 0;
    slot->tts_isnull[i] = true;
  }
  for (size_t i = 0; i < row.columns.size(); ++i) {
    const int at = columns[row.columns[i]].attnum - 1;
    slot->tts_values[at] = row.values[i];
    slot->tts_isnull[at] = row.nulls[i] != 0;
  }
  ExecStoreVirtualTuple(slot);
}

bool IsThere(Relation relation, const plan::Column* columns, const table::Row& row) {
  const Oid key = RelationGetPrimaryKeyIndex(relation
#if PG_VERSION_NUM >= 180000
                                             ,
                                             false
#endif
  );
  if (!OidIsValid(key)) {
    return false;
  }
  EState* state = CreateExecutorState();
  ResultRelInfo* result = makeNode(ResultRelInfo);
  InitResultRelInfo(result, relation, 1, nullptr, 0);
  ExecOpenIndices(result, true);
  TupleTableSlot* slot = table_slot_create(relation, nullptr);
  Fill(slot, columns, row);
  ItemPointerData where;
#if PG_VERSION_NUM >= 180000
  ItemPointerData none;
  ItemPointerSetInvalid(&none);
  const bool free =
      ExecCheckIndexConstraints(result, slot, state, &where, &none, list_make1_oid(key));
#else
  const bool free = ExecCheckIndexConstraints(result, slot, state, &where, list_make1_oid(key));
#endif
  ExecCloseIndices(result);
  ExecDropSingleTupleTableSlot(slot);
  FreeExecutorState(state);
  return !free;
}

}  // namespace

bool AwaitKey(const table::Target& target, const table::Row& row) {
  if (target.shape().relkind != RELKIND_RELATION || citus::Manages(target.shape().relid)) {
    return false;
  }
  const OpenRelation relation(target.shape().relid);
  const plan::Column* columns = target.shape().columns.data();
  return relation.get() != nullptr &&
         pg::Call([&] { return IsThere(relation.get(), columns, row); });
}

}  // namespace mend::store
