// mend.retry, mend.amend.
#include <optional>
#include <string>

#include "core/drift/kind.h"
#include "server/api/arguments.h"
#include "server/apply/amend.h"
#include "server/pg/spi.h"
#include "server/queue/dead_letters.h"
#include "server/table/enrollment.h"

namespace mend::api {
namespace {

constexpr size_t kMaxMergePatchBytes = 100000;

std::string Kinds() {
  std::string list;
  for (int i = 0; i <= static_cast<int>(drift::Kind::Behind); ++i) {
    list.append(i == 0 ? "" : ", ").append(drift::Name(static_cast<drift::Kind>(i)));
  }
  return list;
}

// A kind of drift or the code of a cause.
std::optional<std::string> KindArgument(FunctionCallInfo call, int index) {
  std::optional<std::string> kind = TextArgument(call, index);
  if (kind && !drift::KindFromName(*kind) && !drift::CauseFromCode(*kind)) {
    throw pg::Error(ERRCODE_INVALID_PARAMETER_VALUE,
                    "\"" + *kind + "\" is neither a kind nor a cause of drift",
                    "It takes a kind (" + Kinds() + ") or the code of a cause, as in mend.causes.");
  }
  return kind;
}

// mend.retry_as() learns here who calls.
Datum Retry(FunctionCallInfo fcinfo) {
  const pg::Param target{OIDOID, fcinfo->args[0].value, fcinfo->args[0].isnull};
  const pg::Param ids{INT8ARRAYOID, fcinfo->args[1].value, fcinfo->args[1].isnull};
  const std::optional<std::string> kind = KindArgument(fcinfo, 2);
  return Int64GetDatum(pg::RunPrepared("SELECT mend.retry_as($1, $2, $3, $4, $5)",
                                       {pg::ObjectId(GetUserId()), target, ids, pg::Text(kind),
                                        pg::Text(TextArgument(fcinfo, 3))})
                           .int8(0, 0));
}

std::string MergePatchArgument(FunctionCallInfo call, int index) {
  const std::optional<std::string> text = JsonbArgument(call, index);
  if (!text) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, "merge_patch must not be null");
  }
  if (text->size() > kMaxMergePatchBytes) {
    throw pg::Error(ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                    "merge_patch has at most " + std::to_string(kMaxMergePatchBytes) + " bytes");
  }
  return *text;
}

Datum AmendThem(FunctionCallInfo call, const std::vector<int64_t>& ids, int patch_at) {
  const std::string text = MergePatchArgument(call, patch_at);
  json::Document patch;
  if (patch.Parse(text) || patch.root().kind() != json::Kind::Object) {
    throw pg::Error(ERRCODE_INVALID_PARAMETER_VALUE, "merge_patch must be a JSON object",
                    std::string("It names what to change: {\"price\": 12.5}; null takes a key "
                                "away (RFC 7396)."));
  }
  const apply::Amended amended = apply::Amend(GetUserId(), ids, patch.root(),
                                              BoolArgument(call, patch_at + 1).value_or(false));
  return pg::Call([&] {
    TupleDesc description = nullptr;
    get_call_result_type(call, nullptr, &description);
    Datum values[] = {Int64GetDatum(amended.changed), Int64GetDatum(amended.fits)};
    bool nulls[] = {false, false};
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls));
  });
}

Datum Amend(FunctionCallInfo call) { return AmendThem(call, Int8ArrayArgument(call, 0, "ids"), 1); }

Datum AmendCause(FunctionCallInfo call) {
  const Oid target = TargetArgument(call, 0);
  table::RequireEnrolled(target);
  return AmendThem(call, queue::DeadLettersOf(target, KindArgument(call, 1), TextArgument(call, 2)),
                   3);
}

}  // namespace
}  // namespace mend::api

MEND_EXPORT_DECISION(mend_retry, mend::api::Retry)
MEND_EXPORT_DECISION(mend_amend, mend::api::Amend)
MEND_EXPORT_DECISION(mend_amend_cause, mend::api::AmendCause)
