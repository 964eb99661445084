// Columns that are widened online: a second column of the wider type, which a trigger keeps in
// step.
#pragma once

#include <cstdint>

#include "core/plan/shape.h"
#include "server/pg/postgres.h"

namespace mend::table {

// One column that is copied to another of its row. The trigger's arguments are the number and the
// name of each: while the second one has both, people may have given the first another name; else
// numbers have changed, as after a restore, and names are what they were.
struct ColumnCopy {
  int16_t from = 0;
  int16_t to = 0;
};

// The same value in the other type, as a cast gives it. Only where plan::CanCopy(), one way or the
// other; false where the narrower type does not hold it. Inside PostgreSQL's code.
bool CopyValue(Oid from, Datum value, Oid to, int32_t typmod, Datum* copied);

// What the trigger calls now and then, for after a crash nobody else may look whether there is work
// for a worker: set by a layer above.
extern void (*on_traffic)();

// Whether the function is the one of the trigger, mend.copy_column().
bool IsCopier(Oid function);

// What the trigger copies in rows of that kind; false where it copies nothing. Inside
// PostgreSQL's code.
bool ReadCopy(const Trigger* trigger, TupleDesc row, ColumnCopy* copy);

// Takes the second columns out of a shape: nobody offers values for them.
void HideSecondColumns(plan::Shape* shape);

}  // namespace mend::table
