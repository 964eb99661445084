// SQL entries that only look.
#include "server/observe/freshness.h"

namespace mend::api {
namespace {

Datum LastSeen(FunctionCallInfo fcinfo) {
  const observe::LastSeen seen = observe::LastSeenOf(DatumGetObjectId(fcinfo->args[0].value));
  return pg::Call([&] {
    TupleDesc description = nullptr;
    get_call_result_type(fcinfo, nullptr, &description);
    Datum values[] = {TimestampTzGetDatum(seen.offered), TimestampTzGetDatum(seen.stored)};
    bool nulls[] = {seen.offered == 0, seen.stored == 0};
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls));
  });
}

}  // namespace
}  // namespace mend::api

MEND_EXPORT(mend_last_seen, mend::api::LastSeen)
