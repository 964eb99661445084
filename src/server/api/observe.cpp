// SQL entries that only look.
#include <optional>
#include <string>

#include "server/api/arguments.h"
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

Datum IgnoredUpdates(FunctionCallInfo fcinfo) {
  return Int64GetDatum(observe::LastSeenOf(DatumGetObjectId(fcinfo->args[0].value)).ignored);
}

// Empty for a setting that this build has not.
Datum Setting(FunctionCallInfo call) {
  const std::optional<std::string> name = TextArgument(call, 0);
  return pg::Call([&] {
    const char* value = GetConfigOption(name->c_str(), true, false);
    return CStringGetTextDatum(value != nullptr ? value : "");
  });
}

}  // namespace
}  // namespace mend::api

MEND_EXPORT(mend_last_seen, mend::api::LastSeen)
MEND_EXPORT(mend_ignored_updates, mend::api::IgnoredUpdates)
MEND_EXPORT(mend_setting, mend::api::Setting)
