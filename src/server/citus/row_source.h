// Rows for a statement that Citus plans. It cannot see a named tuplestore, but calls a function.
#pragma once

#include "server/pg/call.h"
#include "server/pg/unwinding.h"

namespace mend::citus {

// While it lives, mend.batch_rows() hands over these rows, once, to a statement of this session
// that asks for just their types. Takes over the tuplestore.
class RowSource {
 public:
  RowSource(TupleDesc row, Tuplestorestate* rows);
  ~RowSource();
  RowSource(const RowSource&) = delete;
  RowSource& operator=(const RowSource&) = delete;

 private:
  TupleDesc outer_row_;
  Tuplestorestate* outer_;
  pg::Unwinding unwinding_;
};

}  // namespace mend::citus
