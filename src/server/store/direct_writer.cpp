#include "server/store/direct_writer.h"

#include "server/pg/memory.h"
#include "server/store/direct_rights.h"

namespace mend::store {
namespace {

// As many rows go to the heap at once; few enough to be in the processor's cache still when their
// index entries are made.
constexpr size_t kRowsAtOnce = 128;

// The executor's tools for one write. Everything is PostgreSQL's memory: an error may jump out of
// it, and the roll back cleans up.
class Writer {
 public:
  Writer(Relation relation, DirectJob* job) : relation_(relation), job_(*job), plan_(*job->plan) {}

  void Open(size_t rows) {
    command_ = GetCurrentCommandId(true);
    relid_ = RelationGetRelid(relation_);
    slot_count_ = job_.look_first ? 1 : rows < kRowsAtOnce ? rows : kRowsAtOnce;
    slots_ = static_cast<TupleTableSlot**>(palloc0(sizeof(TupleTableSlot*) * slot_count_));
    at_ = static_cast<size_t*>(palloc(sizeof(size_t) * slot_count_));
    state_ = CreateExecutorState();
    context_ = CreateExprContext(state_);
    state_->es_per_tuple_exprcontext = context_;
    state_->es_output_cid = command_;
    state_->es_snapshot = GetActiveSnapshot();
    result_ = makeNode(ResultRelInfo);
    InitRangeTable(state_, relation_);
    InitResultRelInfo(result_, relation_, 1, nullptr, 0);
#if PG_VERSION_NUM >= 180000
    CheckValidResultRel(result_, CMD_INSERT, ONCONFLICT_NONE, NIL);
#elif PG_VERSION_NUM >= 170000
    CheckValidResultRel(result_, CMD_INSERT, NIL);
#else
    CheckValidResultRel(result_, CMD_INSERT);
#endif
    if (plan_.has_index()) {
      ExecOpenIndices(result_, job_.look_first);
    }
    OpenExpressions();
  }

  void Write(size_t first, size_t end) {
    size_t filled = 0;
    for (size_t i = first; i < end; ++i) {
      if (job_.skip[i] || job_.verdicts[i].kind != Verdict::Kind::None) {
        continue;
      }
      job_.at = i;
      TupleTableSlot* slot = SlotAt(filled);
      if (!Fill(slot, job_.rows[i], &job_.verdicts[i])) {
        ExecClearTuple(slot);
        continue;
      }
      if (job_.look_first) {
        WriteLooking(slot, &job_.verdicts[i]);
        ResetPerTupleExprContext(state_);
        CHECK_FOR_INTERRUPTS();
        continue;
      }
      at_[filled++] = i;
      if (filled == slot_count_) {
        Flush(filled);
        filled = 0;
      }
    }
    Flush(filled);
  }

  void Close() {
    if (plan_.has_index()) {
      ExecCloseIndices(result_);
    }
    for (size_t i = 0; i < slot_count_; ++i) {
      if (slots_[i] != nullptr) {
        ExecDropSingleTupleTableSlot(slots_[i]);
      }
    }
    FreeExecutorState(state_);
    // What follows in the statement sees the rows, as after an INSERT in a function.
    CommandCounterIncrement();
  }

 private:
  TupleTableSlot* SlotAt(size_t i) {
    if (slots_[i] == nullptr) {
      slots_[i] = MakeSingleTupleTableSlot(RelationGetDescr(relation_), &TTSOpsBufferHeapTuple);
    }
    return slots_[i];
  }

  void OpenExpressions() {
    MemoryContext old = MemoryContextSwitchTo(state_->es_query_cxt);
    if (plan_.check_count() > 0) {
      checks_ = static_cast<ExprState**>(
          palloc(sizeof(ExprState*) * static_cast<size_t>(plan_.check_count())));
      for (int i = 0; i < plan_.check_count(); ++i) {
        checks_[i] = Prepare(plan_.CheckAt(i).computation);
      }
    }
    defaults_ = static_cast<ExprState**>(
        palloc0(sizeof(ExprState*) * static_cast<size_t>(plan_.attribute_count() + 1)));
    MemoryContextSwitchTo(old);
  }

  ExprState* Prepare(const DirectPlan::Computation& computation) {
    return computation.planned ? ExecInitExpr(computation.expression, nullptr)
                               : ExecPrepareExpr(computation.expression, state_);
  }

  ExprState* DefaultState(int attnum) {
    if (defaults_[attnum - 1] == nullptr) {
      MemoryContext old = MemoryContextSwitchTo(state_->es_query_cxt);
      defaults_[attnum - 1] = Prepare(plan_.DefaultOf(attnum));
      MemoryContextSwitchTo(old);
    }
    return defaults_[attnum - 1];
  }

  // False, with the verdict, when the row does not fit.
  bool Fill(TupleTableSlot* slot, const table::Row& row, Verdict* verdict) {
    const int count = plan_.attribute_count();
    ExecClearTuple(slot);
    size_t next = 0;
    const size_t brought = row.columns.size();
    const plan::Column* columns = job_.target->shape().columns.data();
    for (int attnum = 1; attnum <= count; ++attnum) {
      const size_t at = static_cast<size_t>(attnum - 1);
      if (next < brought && columns[row.columns[next]].attnum == attnum) {
        slot->tts_values[at] = row.values[next];
        slot->tts_isnull[at] = row.nulls[next];
        ++next;
      } else if (plan_.DefaultOf(attnum).expression != nullptr) {
        slot->tts_values[at] =
            ExecEvalExprSwitchContext(DefaultState(attnum), context_, &slot->tts_isnull[at]);
      } else {
        slot->tts_values[at] = 0;
        slot->tts_isnull[at] = true;
      }
    }
    for (int i = 0; i < plan_.copy_count(); ++i) {
      Copy(slot, plan_.CopyAt(i));
    }
    ExecStoreVirtualTuple(slot);
    slot->tts_tableOid = relid_;
    if (plan_.has_generated()) {
      ExecComputeStoredGenerated(result_, state_, slot, CMD_INSERT);
    }
    return HasNoForbiddenNull(slot, verdict) && PassesChecks(slot, verdict);
  }

  // As the trigger does it. In the memory of the row.
  void Copy(TupleTableSlot* slot, const table::ColumnCopy& copy) {
    const int from = copy.from - 1, to = copy.to - 1;
    slot->tts_isnull[to] = slot->tts_isnull[from];
    if (!slot->tts_isnull[to]) {
      MemoryContext old = MemoryContextSwitchTo(GetPerTupleMemoryContext(state_));
      const FormData_pg_attribute* column = TupleDescAttr(slot->tts_tupleDescriptor, to);
      slot->tts_isnull[to] =
          !table::CopyValue(plan_.TypeOf(copy.from), slot->tts_values[from], column->atttypid,
                            column->atttypmod, &slot->tts_values[to]);
      MemoryContextSwitchTo(old);
    }
  }

  bool HasNoForbiddenNull(TupleTableSlot* slot, Verdict* verdict) {
    for (int attnum = 1; attnum <= plan_.attribute_count(); ++attnum) {
      if (plan_.NotNull(attnum) && slot_attisnull(slot, attnum)) {
        *verdict = {Verdict::Kind::NotNull, plan_.NameOf(attnum)};
        return false;
      }
    }
    return true;
  }

  bool PassesChecks(TupleTableSlot* slot, Verdict* verdict) {
    context_->ecxt_scantuple = slot;
    for (int i = 0; i < plan_.check_count(); ++i) {
      if (!ExecCheck(checks_[i], context_)) {
        *verdict = {Verdict::Kind::Check, plan_.CheckAt(i).name};
        return false;
      }
    }
    return true;
  }

  void Flush(size_t count) {
    if (count == 0) {
      return;
    }
    CHECK_FOR_INTERRUPTS();
    MemoryContext old = MemoryContextSwitchTo(GetPerTupleMemoryContext(state_));
    job_.at = at_[0];
    job_.exact = count == 1;
    if (count == 1) {
      table_tuple_insert(relation_, slots_[0], command_, 0, nullptr);
    } else {
      table_multi_insert(relation_, slots_, static_cast<int>(count), command_, 0, nullptr);
    }
    job_.exact = true;
    if (plan_.has_index()) {
      for (size_t i = 0; i < count; ++i) {
        job_.at = at_[i];
        InsertIndexTuples(slots_[i], false, nullptr);
      }
    }
    MemoryContextSwitchTo(old);
    for (size_t i = 0; i < count; ++i) {
      ExecClearTuple(slots_[i]);
    }
    ResetPerTupleExprContext(state_);
  }

  List* InsertIndexTuples(TupleTableSlot* slot, bool no_duplicate_error, bool* conflict) {
#if PG_VERSION_NUM >= 160000
    return ExecInsertIndexTuples(result_, slot, state_, false, no_duplicate_error, conflict, NIL,
                                 false);
#else
    return ExecInsertIndexTuples(result_, slot, state_, false, no_duplicate_error, conflict, NIL);
#endif
  }

  // The first unique index that has the row's key; nullptr: none. Waits for others who are about to
  // insert it.
  const char* FindDuplicate(TupleTableSlot* slot) {
    ItemPointerData where;
    for (int i = 0; i < result_->ri_NumIndices; ++i) {
      Relation index = result_->ri_IndexRelationDescs[i];
      if (!result_->ri_IndexRelationInfo[i]->ii_Unique) {
        continue;
      }
      List* one = list_make1_oid(RelationGetRelid(index));
#if PG_VERSION_NUM >= 180000
      ItemPointerData none;
      ItemPointerSetInvalid(&none);
      const bool free = ExecCheckIndexConstraints(result_, slot, state_, &where, &none, one);
#else
      const bool free = ExecCheckIndexConstraints(result_, slot, state_, &where, one);
#endif
      list_free(one);
      if (!free) {
        return RelationGetRelationName(index);
      }
    }
    return nullptr;
  }

  // As ON CONFLICT DO NOTHING does: no error, and no subtransaction.
  void WriteLooking(TupleTableSlot* slot, Verdict* verdict) {
    MemoryContext old = MemoryContextSwitchTo(GetPerTupleMemoryContext(state_));
    const char* duplicate = nullptr;
    while ((duplicate = FindDuplicate(slot)) == nullptr && !InsertSpeculatively(slot)) {
      CHECK_FOR_INTERRUPTS();
    }
    MemoryContextSwitchTo(old);
    if (duplicate != nullptr && !job_.ignore_duplicates) {
      *verdict = {Verdict::Kind::Duplicate, pstrdup(duplicate)};
    }
  }

  // False: somebody else has inserted the key at the same moment.
  bool InsertSpeculatively(TupleTableSlot* slot) {
    bool conflict = false;
    const uint32 token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
    table_tuple_insert_speculative(relation_, slot, command_, 0, nullptr, token);
    InsertIndexTuples(slot, true, &conflict);
    table_tuple_complete_speculative(relation_, slot, token, !conflict);
    SpeculativeInsertionLockRelease(GetCurrentTransactionId());
    return !conflict;
  }

  Relation relation_;
  DirectJob& job_;
  const DirectPlan& plan_;
  Oid relid_ = InvalidOid;
  CommandId command_ = 0;
  EState* state_ = nullptr;
  ExprContext* context_ = nullptr;
  ResultRelInfo* result_ = nullptr;
  size_t slot_count_ = 0;
  TupleTableSlot** slots_ = nullptr;
  size_t* at_ = nullptr;  // the rows in the slots
  ExprState** checks_ = nullptr;
  ExprState** defaults_ = nullptr;  // prepared when first needed
};

}  // namespace

void WriteDirectly(Relation relation, DirectJob* job, size_t first, size_t end) {
  pg::Call([&] {
    Writer writer(relation, job);
    writer.Open(end - first);
    writer.Write(first, end);
    writer.Close();
  });
}

}  // namespace mend::store
