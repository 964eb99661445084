// Types that only their input functions can read, where those would change a value without a word.
#include "core/base/number.h"
#include "server/ingest/convert.h"

namespace mend::ingest {
namespace {

bool HasLetters(std::string_view text) {
  return text.find_first_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string_view::npos;
}

}  // namespace

// An interval's input rounds to the precision of the column, and drops the fields that the column has not.
bool Converter::ToInterval(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  if (value.kind() != json::Kind::String) {
    return BadSyntax(type, value);
  }
  if (typmod < 0) {
    return ByInput(type, typmod, value, out);
  }
  // Without units, it is the column's fields that say what "1:02" is.
  const int32_t whole_typmod =
      HasLetters(value.text()) ? -1 : INTERVAL_TYPMOD(INTERVAL_FULL_PRECISION, INTERVAL_RANGE(typmod));
  Datum whole = 0;
  if (!ByInput(type, typmod, value, out) || !ByInput(type, whole_typmod, value, &whole)) {
    return false;
  }
  return memcmp(DatumGetIntervalP(*out), DatumGetIntervalP(whole), sizeof(Interval)) == 0 ||
         Lossy(type, value, "it has more than the column keeps");
}

// A currency has its own digits past the point, and a locale its own point.
bool Converter::ToMoney(const TypeInfo& type, json::Value value, Datum* out) {
  if (!value.IsScalar()) {
    return BadSyntax(type, value);
  }
  Datum number = 0;
  if (!ByInput(type, -1, value, out)) {
    return false;
  }
  if (!base::IsJsonNumber(value.text()) || !NumericFrom(value.text(), -1, &number)) {
    return true;
  }
  const bool same = pg::Call([&] {
    return DatumGetBool(DirectFunctionCall2(numeric_eq, DirectFunctionCall1(cash_numeric, *out), number));
  });
  return same || Lossy(type, value, "as money it is another number");
}

// Of oid, xid, cid and xid8: some versions take any text for 0, wrap what is too large, and all take -1 for the largest.
bool Converter::ToUnsigned(const TypeInfo& type, json::Value value, Datum* out) {
  if (!value.IsScalar() || !base::IsCanonicalInteger(value.text())) {
    return BadSyntax(type, value);
  }
  if (!ByInput(type, -1, value, out)) {
    return false;
  }
  const bool same = pg::Call([&] {
    Oid output = InvalidOid;
    bool variable_length = false;
    getTypeOutputInfo(type.oid, &output, &variable_length);
    char* text = OidOutputFunctionCall(output, *out);
    const bool equal = value.text() == text;
    pfree(text);
    return equal;
  });
  return same || OutOfRange(type, value);
}

}  // namespace mend::ingest
