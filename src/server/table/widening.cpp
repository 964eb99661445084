#include "server/table/widening.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/plan/online.h"
#include "server/pg/call.h"
#include "server/table/enrollment.h"

namespace mend::table {
namespace {

using namespace plan::type_oid;

int64 IntegerOf(Oid type, Datum value) {
  switch (type) {
    case kInt2: return DatumGetInt16(value);
    case kInt4: return DatumGetInt32(value);
    default: return DatumGetInt64(value);
  }
}

Datum ToNumeric(int64 value, int32_t typmod) {
  const Datum numeral = NumericGetDatum(int64_to_numeric(value));
  return typmod < 0 ? numeral : DirectFunctionCall2(numeric, numeral, Int32GetDatum(typmod));
}

// Whether a numeric is a bigint.
bool IsInteger(Datum value, int64* number) {
  const Datum least = NumericGetDatum(int64_to_numeric(PG_INT64_MIN));
  const Datum most = NumericGetDatum(int64_to_numeric(PG_INT64_MAX));
  // NaN is greater than any number.
  if (!DatumGetBool(DirectFunctionCall2(numeric_ge, value, least)) ||
      !DatumGetBool(DirectFunctionCall2(numeric_le, value, most))) {
    return false;
  }
  *number = DatumGetInt64(DirectFunctionCall1(numeric_int8, value));
  return DatumGetBool(
      DirectFunctionCall2(numeric_eq, value, NumericGetDatum(int64_to_numeric(*number))));
}

int16_t NumberOf(const char* text) { return static_cast<int16_t>(atoi(text)); }

bool IsThere(TupleDesc row, int16_t number) {
  return number >= 1 && number <= row->natts && !TupleDescAttr(row, number - 1)->attisdropped;
}

bool IsNamed(TupleDesc row, int16_t number, const char* name) {
  return IsThere(row, number) &&
         strcmp(NameStr(TupleDescAttr(row, number - 1)->attname), name) == 0;
}

int16_t NumberOfName(TupleDesc row, const char* name) {
  for (int16_t number = 1; number <= row->natts; ++number) {
    if (IsNamed(row, number, name)) {
      return number;
    }
  }
  return 0;
}

constexpr int64_t kBetweenLooksUs = 10 * USECS_PER_SEC;

void NoteTraffic() {
  static TimestampTz noted = 0;
  const TimestampTz now = GetCurrentStatementStartTimestamp();
  if (on_traffic != nullptr && now - noted > kBetweenLooksUs) {
    noted = now;
    pg::Attempt([] { on_traffic(); });
  }
}

// Rows as they are about to be stored. It fails for no row: what it does not understand it leaves.
Datum CopyColumn(FunctionCallInfo fcinfo) {
  if (!CALLED_AS_TRIGGER(fcinfo)) {
    throw pg::Error(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                    "mend.copy_column() must be called as trigger");
  }
  NoteTraffic();
  return pg::Call([&] {
    auto* data = reinterpret_cast<TriggerData*>(fcinfo->context);
    const HeapTuple row =
        TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple;
    TupleDesc columns = RelationGetDescr(data->tg_relation);
    ColumnCopy copy;
    if (!TRIGGER_FIRED_FOR_ROW(data->tg_event) || !TRIGGER_FIRED_BEFORE(data->tg_event) ||
        TRIGGER_FIRED_BY_DELETE(data->tg_event) || !ReadCopy(data->tg_trigger, columns, &copy)) {
      return PointerGetDatum(row);
    }
    const FormData_pg_attribute* from = TupleDescAttr(columns, copy.from - 1);
    const FormData_pg_attribute* to = TupleDescAttr(columns, copy.to - 1);
    bool null = false, was_null = false;
    const Datum value = heap_getattr(row, copy.from, columns, &null);
    const Datum was = heap_getattr(row, copy.to, columns, &was_null);
    Datum copied = 0;
    null = null || !CopyValue(from->atttypid, value, to->atttypid, to->atttypmod, &copied);
    if (null == was_null && (null || datumIsEqual(copied, was, to->attbyval, to->attlen))) {
      return PointerGetDatum(row);
    }
    int number = copy.to;
    return PointerGetDatum(heap_modify_tuple_by_cols(row, columns, 1, &number, &copied, &null));
  });
}

}  // namespace

void (*on_traffic)() = nullptr;

bool CopyValue(Oid from, Datum value, Oid to, int32_t typmod, Datum* copied) {
  if (from == kFloat4) {
    *copied = Float8GetDatum(static_cast<double>(DatumGetFloat4(value)));
    return true;
  }
  if (from == kFloat8) {
    const double wide = DatumGetFloat8(value);
    const auto narrow = static_cast<float>(wide);
    *copied = Float4GetDatum(narrow);
    return static_cast<double>(narrow) == wide || std::isnan(wide);
  }
  int64 number = 0;
  if (from != kNumeric) {
    number = IntegerOf(from, value);
  } else if (!IsInteger(value, &number)) {
    return false;
  }
  switch (to) {
    case kInt2: *copied = Int16GetDatum(static_cast<int16>(number)); break;
    case kInt4: *copied = Int32GetDatum(static_cast<int32>(number)); break;
    case kInt8: *copied = Int64GetDatum(number); break;
    default: *copied = ToNumeric(number, typmod); return true;
  }
  return IntegerOf(to, *copied) == number;
}

bool IsCopier(Oid function) {
  return pg::Call([&] {
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple)) {
      return false;
    }
    auto* form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    const bool named = strcmp(NameStr(form->proname), "copy_column") == 0;
    const Oid schema = form->pronamespace;
    ReleaseSysCache(tuple);
    return named && schema == get_namespace_oid("mend", true);
  });
}

bool ReadCopy(const Trigger* trigger, TupleDesc row, ColumnCopy* copy) {
  if (trigger->tgnargs != 4) {
    return false;
  }
  const char *from_name = trigger->tgargs[1], *to_name = trigger->tgargs[3];
  copy->from = NumberOf(trigger->tgargs[0]);
  copy->to = NumberOf(trigger->tgargs[2]);
  if (!IsNamed(row, copy->to, to_name)) {
    copy->from = NumberOfName(row, from_name);
    copy->to = NumberOfName(row, to_name);
  }
  if (!IsThere(row, copy->from) || !IsThere(row, copy->to)) {
    return false;
  }
  const FormData_pg_attribute* from = TupleDescAttr(row, copy->from - 1);
  const FormData_pg_attribute* to = TupleDescAttr(row, copy->to - 1);
  const plan::Type one{from->atttypid, from->atttypmod}, other{to->atttypid, to->atttypmod};
  return plan::CanCopy(one, other) || plan::CanCopy(other, one);
}

void HideSecondColumns(plan::Shape* shape) {
  for (const int16_t second : SecondColumns(shape->relid)) {
    shape->columns.erase(
        std::remove_if(shape->columns.begin(), shape->columns.end(),
                       [&](const plan::Column& column) { return column.attnum == second; }),
        shape->columns.end());
  }
}

}  // namespace mend::table

// A table may have the trigger while the library is already of a later release than the objects:
// its rows must not be refused, so a later interface keeps this symbol.
MEND_EXPORT_AS(mend_copy_column_v2, return mend::table::CopyColumn(fcinfo))
