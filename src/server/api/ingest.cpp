// healing_insert() and healing_load(): argument checks, and asking for a worker.
#include "server/api/offered.h"
#include "server/ingest/offer.h"
#include "server/pg/call.h"

namespace mend::api {
namespace {

using ingest::Counts;

void CheckArguments(FunctionCallInfo fcinfo, const char* payload_name) {
  if (PG_ARGISNULL(0)) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, "target must not be null");
  }
  if (PG_ARGISNULL(1)) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, std::string(payload_name) + " must not be null",
                    "A JSON null is the text null.");
  }
}

std::string_view TextArgument(FunctionCallInfo fcinfo) {
  text* value = pg::Call([&] { return PG_GETARG_TEXT_PP(1); });
  return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

Jsonb* JsonbArgument(FunctionCallInfo fcinfo) {
  return pg::Call([&] { return PG_GETARG_JSONB_P(1); });
}

Counts Note(Oid target, const Counts& counts) {
  NoteOffered(target, counts);
  return counts;
}

// The labels of mend.outcome, looked up once a session: a prepared call of one row is a query of
// its own.
struct Outcomes {
  Oid function = InvalidOid;  // whose result they are
  Datum inserted = 0, queued = 0, dead_lettered = 0;
};

Outcomes outcomes;

// Functions and labels go with the extension, and come with other OIDs.
void OnCatalogChange(Datum, int, uint32) { outcomes.function = InvalidOid; }

void LookUpOutcomes(Oid function) {
  static bool listening = false;
  if (!listening) {
    CacheRegisterSyscacheCallback(PROCOID, OnCatalogChange, 0);
    CacheRegisterSyscacheCallback(ENUMOID, OnCatalogChange, 0);
    listening = true;
  }
  const Oid type = get_func_rettype(function);
  const auto label = [&](const char* name) {
    return DirectFunctionCall2(enum_in, CStringGetDatum(name), ObjectIdGetDatum(type));
  };
  outcomes = {function, label("inserted"), label("queued"), label("dead_lettered")};
}

Datum OutcomeOf(FunctionCallInfo fcinfo, const Counts& counts) {
  const Oid function = fcinfo->flinfo->fn_oid;
  if (outcomes.function != function) {
    pg::Call([&] { LookUpOutcomes(function); });
  }
  return counts.inserted > 0 ? outcomes.inserted
         : counts.queued > 0 ? outcomes.queued
                             : outcomes.dead_lettered;
}

Datum LoadResultOf(FunctionCallInfo fcinfo, const Counts& counts) {
  return pg::Call([&] {
    TupleDesc row = nullptr;
    if (get_call_result_type(fcinfo, nullptr, &row) != TYPEFUNC_COMPOSITE) {
      elog(ERROR, "return type must be a row type");
    }
    // A session may go on with the library of this version, and the catalog of the one before.
    Datum values[] = {Int64GetDatum(counts.inserted), Int64GetDatum(counts.queued),
                      Int64GetDatum(counts.dead_lettered), Int64GetDatum(counts.rescued)};
    bool nulls[] = {false, false, false, false};
    if (row->natts > 4) {
      elog(ERROR, "mend.load_result has an attribute that is not known");
    }
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls));
  });
}

Datum InsertText(FunctionCallInfo fcinfo) {
  CheckArguments(fcinfo, "payload");
  return OutcomeOf(
      fcinfo, Note(PG_GETARG_OID(0), ingest::InsertText(PG_GETARG_OID(0), TextArgument(fcinfo))));
}

Datum InsertJsonb(FunctionCallInfo fcinfo) {
  CheckArguments(fcinfo, "payload");
  return OutcomeOf(
      fcinfo, Note(PG_GETARG_OID(0), ingest::InsertJsonb(PG_GETARG_OID(0), JsonbArgument(fcinfo))));
}

Datum LoadText(FunctionCallInfo fcinfo) {
  CheckArguments(fcinfo, "payloads");
  return LoadResultOf(
      fcinfo, Note(PG_GETARG_OID(0), ingest::LoadText(PG_GETARG_OID(0), TextArgument(fcinfo))));
}

Datum LoadJson(FunctionCallInfo fcinfo) {
  CheckArguments(fcinfo, "payloads");
  return LoadResultOf(
      fcinfo, Note(PG_GETARG_OID(0), ingest::LoadJson(PG_GETARG_OID(0), TextArgument(fcinfo))));
}

Datum LoadJsonb(FunctionCallInfo fcinfo) {
  CheckArguments(fcinfo, "payloads");
  return LoadResultOf(
      fcinfo, Note(PG_GETARG_OID(0), ingest::LoadJsonb(PG_GETARG_OID(0), JsonbArgument(fcinfo))));
}

}  // namespace
}  // namespace mend::api

MEND_EXPORT(mend_insert_text, mend::api::InsertText)
MEND_EXPORT(mend_insert_jsonb, mend::api::InsertJsonb)
MEND_EXPORT(mend_load_text, mend::api::LoadText)
MEND_EXPORT(mend_load_json, mend::api::LoadJson)
MEND_EXPORT(mend_load_jsonb, mend::api::LoadJsonb)
