// Types that only their input functions can read, where those would change a value without a word.
#include "core/base/number.h"
#include "server/convert/convert.h"

namespace mend::convert {
namespace {

bool HasLetters(std::string_view text) {
  return text.find_first_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") !=
         std::string_view::npos;
}

// The bounds of a range's text, or of a multirange's, one after the other. An absent bound is an
// empty text.
class Bounds {
 public:
  explicit Bounds(std::string_view ranges) : rest_(ranges) {}

  bool Next(std::string* bound) {
    if (!within_ && !Enter()) {
      return false;
    }
    bound->clear();
    bool quoted = false;
    for (; !rest_.empty(); rest_.remove_prefix(1)) {
      const char c = rest_[0];
      if (!quoted && (c == ',' || c == ')' || c == ']')) {
        within_ = c == ',';
        rest_.remove_prefix(1);
        return true;
      }
      if (c == '"' && quoted && rest_.size() > 1 && rest_[1] == '"') {
        rest_.remove_prefix(1);
        *bound += '"';
      } else if (c == '"') {
        quoted = !quoted;
      } else {
        *bound += c;
      }
    }
    return false;
  }

 private:
  bool Enter() {
    const size_t bracket = rest_.find_first_of("[(");
    if (bracket == std::string_view::npos) {
      return false;
    }
    rest_.remove_prefix(bracket + 1);
    within_ = true;
    return true;
  }

  std::string_view rest_;
  bool within_ = false;
};

}  // namespace

// A bound that would be drift as a value is drift as a bound: an offset that is dropped, or one
// that the session supplies. What else a bound may be, such as infinity, is left to the input
// function.
bool Converter::ToTimeRange(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  if (!value.IsScalar()) {
    return BadSyntax(type, value);
  }
  if (!ByInput(type, typmod, value, out)) {
    return false;
  }
  static const auto& no_zone =
      *new std::optional<std::string>();  // the input function knows of none either
  Converter of_bounds(&types_, no_zone);
  Bounds bounds(value.text());
  for (std::string bound; bounds.Next(&bound);) {
    json::Document document;
    document.Add(json::Kind::String, bound);
    Datum ignored = 0;
    bool null = false;
    if (!of_bounds.Convert(types_.Find(type.element), -1, document.root(), false, &ignored,
                           &null) &&
        of_bounds.fault().kind == drift::Kind::Lossy) {
      fault_ = of_bounds.fault();
      return false;
    }
  }
  return true;
}

// An interval's input rounds to the precision of the column, and drops the fields that the column
// has not.
bool Converter::ToInterval(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  if (value.kind() != json::Kind::String) {
    return BadSyntax(type, value);
  }
  if (typmod < 0) {
    return ByInput(type, typmod, value, out);
  }
  // Without units, it is the column's fields that say what "1:02" is.
  const int32_t whole_typmod =
      HasLetters(value.text()) ? -1
                               : INTERVAL_TYPMOD(INTERVAL_FULL_PRECISION, INTERVAL_RANGE(typmod));
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
    return DatumGetBool(
        DirectFunctionCall2(numeric_eq, DirectFunctionCall1(cash_numeric, *out), number));
  });
  return same || Lossy(type, value, "as money it is another number");
}

// Of oid, xid, cid and xid8: some versions take any text for 0, wrap what is too large, and all
// take -1 for the largest.
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

}  // namespace mend::convert
