// mend.check_ddl: what the guard says of a text, without executing anything.
#include "server/api/arguments.h"
#include "server/guard/check.h"
#include "server/guard/dependencies.h"
#include "server/table/enrollment.h"
#include "server/table/shape.h"

namespace mend::api {
namespace {

Datum TextOrNull(const std::string& text, bool* null) {
  *null = text.empty();
  return *null ? Datum{0} : pg::Call([&] { return CStringGetTextDatum(text.c_str()); });
}

Datum VerdictRow(FunctionCallInfo call, const guard::Verdict& verdict) {
  bool nulls[3] = {false, false, false};
  Datum values[3] = {BoolGetDatum(verdict.allowed), TextOrNull(verdict.canonical, &nulls[1]),
                     TextOrNull(verdict.reason, &nulls[2])};
  return pg::Call([&] {
    TupleDesc descriptor = nullptr;
    if (get_call_result_type(call, nullptr, &descriptor) != TYPEFUNC_COMPOSITE) {
      elog(ERROR, "return type must be a row type");
    }
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
  });
}

Datum CheckDdl(FunctionCallInfo call) {
  const Oid target = TargetArgument(call, 0);
  const std::optional<std::string> ddl = TextArgument(call, 1);
  if (!ddl) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, "ddl must not be null");
  }
  const std::optional<table::Enrollment> enrollment = table::LoadEnrollment(target);
  std::optional<plan::Shape> shape = table::LoadShape(target);
  if (!enrollment || !shape) {
    table::ThrowNotEnrolled(target);
  }
  guard::ExplainTypeLocks(&*shape);
  return VerdictRow(call, guard::Check(*shape, enrollment->allow, *ddl));
}

}  // namespace
}  // namespace mend::api

MEND_EXPORT(mend_check_ddl, mend::api::CheckDdl)
