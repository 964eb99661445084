// Types that only their input functions can read, where those would change a value without a word.
#include "core/base/interval.h"
#include "core/base/number.h"
#include "server/convert/convert.h"

namespace mend::convert {
namespace {

bool HasLetters(std::string_view text) {
  return text.find_first_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") !=
         std::string_view::npos;
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\r\f\v";
  const size_t first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos
             ? std::string_view()
             : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

constexpr std::string_view kDigits = "0123456789";

// From the first digit to the last.
std::string_view AmountIn(std::string_view text) {
  const size_t first = text.find_first_of(kDigits);
  return first == std::string_view::npos
             ? std::string_view()
             : text.substr(first, text.find_last_of(kDigits) - first + 1);
}

std::string DigitsIn(std::string_view text) {
  std::string digits;
  for (char c : text) {
    digits.append(c >= '0' && c <= '9' ? 1 : 0, c);
  }
  return digits;
}

std::string_view WithoutZeros(std::string_view fraction) {
  return fraction.substr(0, fraction.find_last_not_of('0') + 1);
}

// Whether an amount is written as it prints, but for the currency's sign, the separators of groups
// (all of them or none), and zeros at the end of the fraction. `amount` is its number.
bool IsSameMoney(std::string_view given, std::string_view printed, std::string_view amount) {
  if (given == printed) {
    return true;
  }
  const size_t dot = amount.find('.');
  const size_t places = dot == std::string_view::npos ? 0 : amount.size() - dot - 1;
  const std::string_view whole_given = AmountIn(given), whole_printed = AmountIn(printed);
  if (whole_printed.size() < places || whole_given.empty()) {
    return false;
  }
  std::string_view group = whole_printed, fraction, point;
  if (places > 0) {
    fraction = whole_printed.substr(whole_printed.size() - places);
    group = whole_printed.substr(0, whole_printed.size() - places);
    const size_t last = group.find_last_of(kDigits);
    if (last == std::string_view::npos) {
      return false;
    }
    point = group.substr(last + 1);
    group = group.substr(0, last + 1);
  }
  std::string_view group_given = whole_given, fraction_given;
  const size_t at = point.empty() ? std::string_view::npos : whole_given.rfind(point);
  if (at != std::string_view::npos) {
    group_given = whole_given.substr(0, at);
    fraction_given = whole_given.substr(at + point.size());
  }
  return WithoutZeros(fraction_given) == WithoutZeros(fraction) &&
         (group_given == group || group_given == DigitsIn(group));
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

// A bound that would be drift as a value is drift as a bound: an offset that is dropped, say, or
// one that the session supplies. Of times it must be a value; what else other types may have there
// is left to the input function.
bool Converter::CheckBound(const TypeInfo& type, std::string_view bound) {
  static const auto& no_zone =
      *new std::optional<std::string>();  // the input function knows of none either
  const TypeInfo& of_bound = types_.Find(type.element);
  const bool text = of_bound.type_class == TypeClass::Text ||
                    of_bound.type_class == TypeClass::Varchar ||
                    of_bound.type_class == TypeClass::Bpchar;
  if (!text) {
    bound = Trimmed(bound);
  }
  if (bound.empty()) {
    return true;
  }
  Converter of_bounds(&types_, no_zone);
  json::Document document;
  document.Add(json::Kind::String, bound);
  Datum ignored = 0;
  bool null = false;
  const bool time = of_bound.type_class == TypeClass::Date ||
                    of_bound.type_class == TypeClass::Timestamp ||
                    of_bound.type_class == TypeClass::TimestampTz;
  if (!of_bounds.Convert(of_bound, -1, document.root(), false, &ignored, &null) &&
      (time || of_bounds.fault().kind == drift::Kind::Lossy)) {
    fault_ = of_bounds.fault();
    return false;
  }
  return true;
}

bool Converter::ToRange(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  if (value.kind() != json::Kind::String) {
    return BadSyntax(type, value);
  }
  if (!ByInput(type, typmod, value, out)) {
    return false;
  }
  Bounds bounds(value.text());
  for (std::string bound; bounds.Next(&bound);) {
    if (!CheckBound(type, bound)) {
      return false;
    }
  }
  return true;
}

// An interval's input rounds to microseconds and to the precision of the column, and drops the
// fields that the column has not.
bool Converter::ToInterval(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  if (value.kind() != json::Kind::String) {
    return BadSyntax(type, value);
  }
  if (!ByInput(type, typmod, value, out)) {
    return false;
  }
  if (!base::IsExactInterval(value.text())) {
    return Lossy(type, value, drift::Cause::TooPrecise, "it has a fraction that would be rounded");
  }
  if (typmod < 0) {
    return true;
  }
  // Without units, it is the column's fields that say what "1:02" is.
  const int32_t whole_typmod =
      HasLetters(value.text()) ? -1
                               : INTERVAL_TYPMOD(INTERVAL_FULL_PRECISION, INTERVAL_RANGE(typmod));
  Datum whole = 0;
  if (!ByInput(type, whole_typmod, value, &whole)) {
    return false;
  }
  return memcmp(DatumGetIntervalP(*out), DatumGetIntervalP(whole), sizeof(Interval)) == 0 ||
         Lossy(type, value, drift::Cause::TooPrecise, "it has more than the column keeps");
}

// A currency has its own digits past the point, and a locale its own point and its own groups.
bool Converter::ToMoney(const TypeInfo& type, json::Value value, Datum* out) {
  if (!value.IsScalar() || drift::IsBlank(value.text())) {
    return BadSyntax(type, value);
  }
  if (!ByInput(type, -1, value, out)) {
    return false;
  }
  const std::string amount = pg::Call([&] {
    return DatumGetCString(
        DirectFunctionCall1(numeric_out, DirectFunctionCall1(cash_numeric, *out)));
  });
  const bool same = base::IsJsonNumber(value.text())
                        ? base::IsSameNumber(value.text(), amount)
                        : IsSameMoney(value.text(), Printed(type, *out), amount);
  return same || Lossy(type, value, drift::Cause::ChangedByType, "as money it is another number");
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
  return value.text() == Printed(type, *out) || OutOfRange(type, value);
}

// Bytes are hexadecimal digits behind \x. What else the input function takes for bytes, such as
// text with backslashes in it, may be anything: text, or bytes in base64.
bool Converter::ToBytea(const TypeInfo& type, json::Value value, Datum* out) {
  const std::string_view text = value.text();
  if (value.kind() != json::Kind::String || text.substr(0, 2) != "\\x") {
    return value.kind() == json::Kind::String && !drift::IsBlank(text)
               ? Lossy(type, value, drift::Cause::ChangedByType,
                       "bytes are hexadecimal digits behind \\x")
               : BadSyntax(type, value);
  }
  return ByInput(type, -1, value, out);
}

// From an array of numbers, as PostgreSQL writes it in JSON, or from the type's own text.
bool Converter::ToVector(const TypeInfo& type, json::Value value, Datum* out) {
  if (value.kind() != json::Kind::Array) {
    return value.IsScalar() ? ByInputUnchanged(type, -1, value, std::string(value.text()), out)
                            : BadSyntax(type, value);
  }
  std::string text;
  for (json::Value element = value.First(); element; element = value.After(element)) {
    if (!element.IsScalar() || !base::IsCanonicalInteger(element.text())) {
      return BadSyntax(type, value);
    }
    text += text.empty() ? "" : " ";
    text += element.text();
  }
  return ByInputUnchanged(type, -1, value, text, out);
}

// A type that is not known here: its word is taken where it prints what it was given. A type of an
// extension may read JSON, such as vectors and maps do.
bool Converter::ToOther(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  if (value.IsScalar()) {
    return ByInputUnchanged(type, typmod, value, std::string(value.text()), out);
  }
  char category = 0;
  bool preferred = false;
  pg::Call([&] { get_type_category_preferred(type.oid, &category, &preferred); });
  if (type.oid < FirstNormalObjectId || category == TYPCATEGORY_STRING) {
    return BadSyntax(type, value);
  }
  if (ByInput(type, typmod, value.Serialise(json::Value::Space::Jsonb), out)) {
    const std::string printed = Printed(type, *out);
    json::Document document;
    if (!document.Parse(printed) && document.root().kind() == value.kind() &&
        base::SaysTheSame(base::Notation::Atoms, value.Serialise(), printed)) {
      return true;
    }
  }
  return ToPairs(type, typmod, value, out) || BadSyntax(type, value);
}

// An object of texts to a type that prints pairs, "key"=>"value".
bool Converter::ToPairs(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  if (value.kind() != json::Kind::Object || type.notation != base::Notation::AnyOrder) {
    return false;
  }
  const auto quoted = [](std::string_view text) {
    std::string out_text = "\"";
    for (char c : text) {
      out_text.append(c == '"' || c == '\\' ? "\\" : "");
      out_text += c;
    }
    return out_text + '"';
  };
  std::string text;
  for (json::Value key = value.First(); key; key = value.After(key)) {
    const json::Value member = value.ValueOf(key);
    if (member.kind() != json::Kind::String && member.kind() != json::Kind::Null) {
      return false;
    }
    text += (text.empty() ? "" : ", ") + quoted(key.text()) + "=>" +
            (member.kind() == json::Kind::Null ? "NULL" : quoted(member.text()));
  }
  return ByInputUnchanged(type, typmod, value, text, out);
}

}  // namespace mend::convert
