#include "server/citus/row_source.h"

#include <exception>

namespace mend::citus {
namespace {

TupleDesc offered_row = nullptr;
Tuplestorestate* offered = nullptr;

bool IsWhatIsOffered(TupleDesc asked) {
  if (asked == nullptr || asked->natts != offered_row->natts) {
    return false;
  }
  for (int i = 0; i < asked->natts; ++i) {
    if (TupleDescAttr(asked, i)->atttypid != TupleDescAttr(offered_row, i)->atttypid) {
      return false;
    }
  }
  return true;
}

Datum BatchRows(FunctionCallInfo fcinfo) {
  return pg::Call([&]() -> Datum {
    auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    if (offered == nullptr || result == nullptr || !IsA(result, ReturnSetInfo) ||
        (result->allowedModes & SFRM_Materialize) == 0 || !IsWhatIsOffered(result->expectedDesc)) {
      ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                      errmsg("there are no rows to hand over"),
                      errhint("pg_mend calls mend.batch_rows() itself, while it stores rows in a "
                              "table of Citus.")));
    }
    result->returnMode = SFRM_Materialize;
    result->setResult = offered;  // the caller's from here on
    result->setDesc = CreateTupleDescCopy(offered_row);
    offered = nullptr;
    return 0;
  });
}

}  // namespace

RowSource::RowSource(TupleDesc row, Tuplestorestate* rows)
    : outer_row_(offered_row), outer_(offered) {
  offered_row = row;
  offered = rows;
}

// After an error the roll back frees the rows.
RowSource::~RowSource() {
  if (offered != nullptr && !unwinding_) {
    tuplestore_end(offered);
  }
  offered = outer_;
  offered_row = outer_row_;
}

}  // namespace mend::citus

MEND_EXPORT(mend_batch_rows, mend::citus::BatchRows)
