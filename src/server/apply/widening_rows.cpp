#include "server/apply/widening_rows.h"

#include <algorithm>
#include <cstring>

#include "core/plan/online.h"
#include "server/pg/call.h"
#include "server/store/direct_rights.h"

namespace mend::apply {
namespace {

// Inside PostgreSQL's code: owns nothing.
class Copier {
 public:
  Copier(Relation relation, const table::ColumnCopy& copy) : relation_(relation), copy_(copy) {
    TupleDesc row = RelationGetDescr(relation);
    from_ = TupleDescAttr(row, copy.from - 1);
    to_ = TupleDescAttr(row, copy.to - 1);
    const plan::Type one{from_->atttypid, from_->atttypmod}, other{to_->atttypid, to_->atttypmod};
    if (!plan::CanCopy(one, other) && !plan::CanCopy(other, one)) {
      elog(ERROR, "pg_mend: column %d cannot be copied to column %d", copy.from, copy.to);
    }
    state_ = CreateExecutorState();
    result_ = makeNode(ResultRelInfo);
    command_ = GetCurrentCommandId(true);
    state_->es_output_cid = command_;
    state_->es_snapshot = GetActiveSnapshot();
    store::InitRangeTable(state_, relation);
    InitResultRelInfo(result_, relation, 1, nullptr, 0);
    ExecOpenIndices(result_, false);
    old_ = table_slot_create(relation, nullptr);
    new_ = MakeSingleTupleTableSlot(row, &TTSOpsVirtual);
  }

  void Run(BlockNumber first, BlockNumber end, CopiedRows* rows) {
    ItemPointerData least, most;
    ItemPointerSet(&least, first, FirstOffsetNumber);
    ItemPointerSet(&most, end - 1, MaxOffsetNumber);
    TableScanDesc scan = table_beginscan_tidrange(relation_, state_->es_snapshot, &least, &most);
    while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, old_)) {
      CHECK_FOR_INTERRUPTS();
      bool null = false, has = false;
      const Datum value = slot_getattr(old_, copy_.from, &null);
      slot_getattr(old_, copy_.to, &has);
      has = !has;
      if (!null && !has) {
        Write(value, rows);
      }
    }
    table_endscan(scan);
  }

  void Close() {
    ExecDropSingleTupleTableSlot(new_);
    ExecDropSingleTupleTableSlot(old_);
    ExecCloseIndices(result_);
    FreeExecutorState(state_);
  }

 private:
  void Write(Datum value, CopiedRows* rows) {
    MemoryContext before = MemoryContextSwitchTo(GetPerTupleMemoryContext(state_));
    slot_getallattrs(old_);
    ExecClearTuple(new_);
    const auto count = static_cast<size_t>(old_->tts_tupleDescriptor->natts);
    memcpy(new_->tts_values, old_->tts_values, count * sizeof(Datum));
    memcpy(new_->tts_isnull, old_->tts_isnull, count * sizeof(bool));
    for (size_t i = 0; i < count; ++i) {
      if (TupleDescAttr(old_->tts_tupleDescriptor, static_cast<int>(i))->attisdropped) {
        new_->tts_isnull[i] = true;
      }
    }
    new_->tts_isnull[copy_.to - 1] = false;
    if (table::CopyValue(from_->atttypid, value, to_->atttypid, to_->atttypmod,
                         &new_->tts_values[copy_.to - 1])) {
      ExecStoreVirtualTuple(new_);
      new_->tts_tableOid = RelationGetRelid(relation_);
      Update(rows);
    } else {
      ++rows->unfit;
    }
    MemoryContextSwitchTo(before);
    ResetPerTupleExprContext(state_);
  }

  void Update(CopiedRows* rows) {
    TM_FailureData failure;
    LockTupleMode mode = LockTupleNoKeyExclusive;
#if PG_VERSION_NUM >= 160000
    TU_UpdateIndexes indexes = TU_None;
#else
    bool indexes = false;
#endif
    const TM_Result done =
        table_tuple_update(relation_, &old_->tts_tid, new_, command_, state_->es_snapshot,
                           InvalidSnapshot, false, &failure, &mode, &indexes);
    if (done == TM_BeingModified || done == TM_WouldBlock) {
      ++rows->passed_over;
    }
    // What somebody has changed since went by the trigger.
    if (done != TM_Ok) {
      return;
    }
    ++rows->copied;
#if PG_VERSION_NUM >= 160000
    if (indexes != TU_None && result_->ri_NumIndices > 0) {
      ExecInsertIndexTuples(result_, new_, state_, false, false, nullptr, NIL,
                            indexes == TU_Summarizing);
    }
#else
    if (indexes && result_->ri_NumIndices > 0) {
      ExecInsertIndexTuples(result_, new_, state_, true, false, nullptr, NIL);
    }
#endif
  }

  Relation relation_;
  const table::ColumnCopy& copy_;
  const FormData_pg_attribute *from_ = nullptr, *to_ = nullptr;
  EState* state_ = nullptr;
  ResultRelInfo* result_ = nullptr;
  CommandId command_ = 0;
  TupleTableSlot *old_ = nullptr, *new_ = nullptr;
};

}  // namespace

CopiedRows CopyBlocks(Oid relid, const table::ColumnCopy& copy, int64_t first, int64_t end) {
  CopiedRows rows;
  pg::Call([&] {
    Relation relation = table_open(relid, RowExclusiveLock);
    // It may have shrunk since.
    const auto last = std::min<int64_t>(end, RelationGetNumberOfBlocks(relation));
    if (first < last) {
      Copier copier(relation, copy);
      copier.Run(static_cast<BlockNumber>(first), static_cast<BlockNumber>(last), &rows);
      copier.Close();
      CommandCounterIncrement();
    }
    table_close(relation, NoLock);
  });
  return rows;
}

int64_t BlocksOf(Oid relid) {
  return pg::Call([&]() -> int64_t {
    Relation relation = table_open(relid, AccessShareLock);
    const BlockNumber blocks = RelationGetNumberOfBlocks(relation);
    table_close(relation, NoLock);
    return blocks;
  });
}

}  // namespace mend::apply
