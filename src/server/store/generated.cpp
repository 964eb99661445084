#include "server/store/generated.h"

#include "server/store/store.h"

namespace mend::store {
namespace {

// The row as the generation expressions see it. Owns nothing but what SPI-free executor memory
// owns: Close() must follow Open(), or an error that rolls back.
class Preview {
 public:
  void Open(Oid relid) {
    relation_ = table_open(relid, AccessShareLock);
    estate_ = CreateExecutorState();
    slot_ = MakeSingleTupleTableSlot(RelationGetDescr(relation_), &TTSOpsVirtual);
    ExecClearTuple(slot_);
    memset(slot_->tts_isnull, true, static_cast<size_t>(RelationGetDescr(relation_)->natts));
    memset(slot_->tts_values, 0,
           sizeof(Datum) * static_cast<size_t>(RelationGetDescr(relation_)->natts));
    brought_ =
        static_cast<bool*>(palloc0(static_cast<size_t>(RelationGetDescr(relation_)->natts) + 1));
    slot_->tts_tableOid = relid;
  }

  void Set(int16_t attnum, Datum value, bool null) {
    slot_->tts_values[attnum - 1] = value;
    slot_->tts_isnull[attnum - 1] = null;
    brought_[attnum - 1] = true;
  }

  void Ready() { ExecStoreVirtualTuple(slot_); }

  // Whether the generated column would be `value`.
  bool Equals(int16_t attnum, Datum value, bool null) {
    Node* expression = build_column_default(relation_, attnum);
    if (expression == nullptr || !FillDefaults(expression)) {
      return false;
    }
    bool computed_null = false;
    const Datum computed = Compute(expression, &computed_null);
    if (computed_null || null) {
      return computed_null == null;
    }
    const FormData_pg_attribute& form = *TupleDescAttr(RelationGetDescr(relation_), attnum - 1);
    TypeCacheEntry* type = lookup_type_cache(form.atttypid, TYPECACHE_EQ_OPR_FINFO);
    if (OidIsValid(type->eq_opr)) {
      return DatumGetBool(
          FunctionCall2Coll(&type->eq_opr_finfo, form.attcollation, computed, value));
    }
    Oid output = InvalidOid;
    bool variable_length = false;
    getTypeOutputInfo(form.atttypid, &output, &variable_length);
    return strcmp(OidOutputFunctionCall(output, computed), OidOutputFunctionCall(output, value)) ==
           0;
  }

  void Close() {
    ExecDropSingleTupleTableSlot(slot_);
    FreeExecutorState(estate_);
    table_close(relation_, AccessShareLock);
  }

 private:
  Datum Compute(Node* expression, bool* null) {
    ExprContext* context = GetPerTupleExprContext(estate_);
    context->ecxt_scantuple = slot_;
    MemoryContext old = MemoryContextSwitchTo(estate_->es_query_cxt);
    ExprState* state = ExecPrepareExpr(reinterpret_cast<Expr*>(expression), estate_);
    const Datum value = ExecEvalExpr(state, context, null);
    MemoryContextSwitchTo(old);
    return value;
  }

  // Puts in the defaults of absent columns that `expression` uses; false when one is volatile.
  bool FillDefaults(Node* expression) {
    Bitmapset* used = nullptr;
    pull_varattnos(expression, 1, &used);
    int member = -1;
    while ((member = bms_next_member(used, member)) >= 0) {
      const int attnum = member + FirstLowInvalidHeapAttributeNumber;
      if (attnum <= 0 || brought_[attnum - 1]) {
        continue;
      }
      Node* column_default = build_column_default(relation_, attnum);
      if (column_default == nullptr) {
        continue;
      }
      if (contain_volatile_functions(column_default)) {
        return false;
      }
      slot_->tts_values[attnum - 1] = Compute(column_default, &slot_->tts_isnull[attnum - 1]);
    }
    return true;
  }

  Relation relation_ = nullptr;
  EState* estate_ = nullptr;
  TupleTableSlot* slot_ = nullptr;
  bool* brought_ = nullptr;
};

}  // namespace

void CheckComputed(const table::Target& target, const table::Row& row,
                   const std::vector<Computed>& computed, std::vector<drift::Misfit>* misfits) {
  const plan::Shape& shape = target.shape();
  std::vector<char> equal(computed.size(), false);
  const std::optional<pg::Error> error = pg::Attempt([&] {
    pg::Call([&] {
      Preview preview;
      preview.Open(shape.relid);
      for (size_t i = 0; i < row.columns.size(); ++i) {
        const plan::Column& column = shape.columns[static_cast<size_t>(row.columns[i])];
        if (column.attnum > 0) {
          preview.Set(column.attnum, row.values[i], row.nulls[i]);
        }
      }
      preview.Ready();
      for (size_t i = 0; i < computed.size(); ++i) {
        const plan::Column& column = shape.columns[static_cast<size_t>(computed[i].column)];
        equal[i] = preview.Equals(column.attnum, computed[i].value, computed[i].null);
      }
      preview.Close();
    });
  });
  if (error) {
    if (pg::MustRaise(*error)) {
      throw *error;
    }
    return;
  }
  for (size_t i = 0; i < computed.size(); ++i) {
    if (!equal[i]) {
      const std::string& column = shape.columns[static_cast<size_t>(computed[i].column)].name;
      misfits->push_back({drift::Kind::Generated, computed[i].field, column, "428C9",
                          "cannot insert a non-DEFAULT value into column \"" + column + "\"",
                          computed[i].token, drift::Cause::ComputedOtherwise});
    }
  }
}

}  // namespace mend::store
