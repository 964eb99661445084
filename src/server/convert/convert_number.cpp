// JSON numbers, and strings that are numbers, to the numeric types and boolean.
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <type_traits>

#include "core/base/long_work.h"
#include "core/base/number.h"
#include "core/plan/typmod.h"
#include "server/convert/convert.h"
#include "server/convert/numeric_digits.h"

namespace mend::convert {
namespace {

// PostgreSQL's own limits of numeric: digits left and right of the point.
constexpr int64_t kMaxIntegerDigits = 131072;
constexpr int64_t kMaxScale = 16383;

// Where the significant digits of a number lie: it is below 10^magnitude, and no digit right of
// position `scale` differs from zero.
struct Extent {
  bool zero = true;
  int64_t magnitude = 0;
  int64_t scale = 0;
  std::string digits;  // from the first to the last that is not zero
};

Extent Measure(std::string_view number) {
  Extent extent;
  int64_t before_point = 0, exponent = 0, position = 0, last = 0;
  bool past_point = false;
  size_t at = number[0] == '-' ? 1 : 0;
  base::LongWork work;
  for (; at < number.size() && number[at] != 'e' && number[at] != 'E'; ++at) {
    work.Took();
    if (number[at] == '.') {
      past_point = true;
      continue;
    }
    ++position;
    before_point += past_point ? 0 : 1;
    if (number[at] != '0') {
      if (extent.zero) {
        extent.magnitude = position - 1;  // leading zeros
        extent.zero = false;
      }
      last = position;
    }
    if (!extent.zero) {
      extent.digits += number[at];
    }
  }
  if (at < number.size()) {
    const bool negative = number[at + 1] == '-';
    for (++at; at < number.size(); ++at) {
      if (number[at] >= '0' && number[at] <= '9' && exponent < base::kDigitCap) {
        exponent = exponent * 10 + (number[at] - '0');
      }
    }
    exponent = negative ? -exponent : exponent;
  }
  if (!extent.zero) {
    extent.digits.resize(static_cast<size_t>(last - extent.magnitude));
    extent.scale = last - before_point - exponent;
    extent.magnitude = before_point - extent.magnitude + exponent;
  }
  return extent;
}

bool SameValue(const Extent& a, const Extent& b) {
  return a.zero == b.zero && (a.zero || (a.magnitude == b.magnitude && a.digits == b.digits));
}

// Reads an integer that Analyse() found to be within int64, however it is written.
int64_t IntegerOf(std::string_view number) {
  int64_t value = 0;
  if (base::ParseInteger(number, &value)) {
    return value;
  }
  const Extent extent = Measure(number);
  if (extent.zero) {
    return 0;
  }
  std::string text = number[0] == '-' ? "-" : "";
  text += extent.digits;
  text.append(static_cast<size_t>(extent.magnitude) - extent.digits.size(), '0');
  base::ParseInteger(text, &value);
  return value;
}

// As PostgreSQL prints it, where that is not the shortest text: 1e23 is one such number.
int WriteShortest(double value, char* text) { return double_to_shortest_decimal_bufn(value, text); }
int WriteShortest(float value, char* text) { return float_to_shortest_decimal_bufn(value, text); }

// Whether the nearest float says what the number says, however that is written: an integer must be
// the float itself, or the one that its shortest text names.
template <class Float>
bool Says(Float nearest, std::string_view number, const base::Decimal& decimal) {
  if (!decimal.integer || decimal.zero) {
    return true;
  }
  char text[512];
  const Extent wanted = Measure(number);
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, nearest);
  if (SameValue(Measure({text, static_cast<size_t>(end.ptr - text)}), wanted)) {
    return true;
  }
  if (SameValue(Measure({text, static_cast<size_t>(WriteShortest(nearest, text))}), wanted)) {
    return true;
  }
  const int length = std::snprintf(text, sizeof text, "%.0f", static_cast<double>(nearest));
  return SameValue(Measure({text, static_cast<size_t>(length)}), wanted);
}

enum class Nearest : uint8_t { Found, OutOfRange, Inexact };

template <class Float>
Nearest FindNearest(std::string_view number, Float* nearest) {
  const std::from_chars_result read =
      std::from_chars(number.data(), number.data() + number.size(), *nearest);
  if (number.size() <= 7 && read.ec == std::errc() && *nearest != 0) {
    return Nearest::Found;  // too short for any doubt
  }
  const base::Decimal decimal = base::Analyse(number);
  if (read.ec != std::errc() || !std::isfinite(*nearest) || (*nearest == 0 && !decimal.zero)) {
    return Nearest::OutOfRange;
  }
  return Says(*nearest, number, decimal) ? Nearest::Found : Nearest::Inexact;
}

// Whether a string is a number in another form than JSON's: blanks around it, a plus, leading
// zeros.
bool IsLooseNumber(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\n\r\f\v");
  if (first == std::string_view::npos) {
    return false;
  }
  text = text.substr(first, text.find_last_not_of(" \t\n\r\f\v") - first + 1);
  std::string plain = text[0] == '-' ? "-" : "";
  text.remove_prefix(text[0] == '-' || text[0] == '+' ? 1 : 0);
  while (text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9') {
    text.remove_prefix(1);
  }
  plain += text;
  return base::IsJsonNumber(plain);
}

// What PostgreSQL writes for the values that JSON has no number for.
template <class Float>
std::optional<Float> SpecialOf(json::Value value) {
  if (value.kind() != json::Kind::String) {
    return std::nullopt;
  }
  constexpr Float kInfinity = std::numeric_limits<Float>::infinity();
  const std::string_view text = value.text();
  if (text == "NaN") {
    return std::numeric_limits<Float>::quiet_NaN();
  }
  return text == "Infinity"    ? std::optional<Float>(kInfinity)
         : text == "-Infinity" ? std::optional<Float>(-kInfinity)
                               : std::nullopt;
}

}  // namespace

bool NumericFrom(std::string_view number, int32_t typmod, Datum* out) {
  constexpr size_t kShort = 64;
  if (number.size() >= kShort || number.find_first_of("eE") != std::string_view::npos) {
    const base::Decimal decimal = base::Analyse(number);
    if (decimal.integer_digits > kMaxIntegerDigits || decimal.scale > kMaxScale) {
      return false;
    }
    if (decimal.zero && decimal.scale == 0) {
      number = "0";  // the exponent of a zero may be anything
    }
  }
  char buffer[kShort];
  pg::Call([&] {
    char* text = number.size() < kShort ? buffer : static_cast<char*>(palloc(number.size() + 1));
    memcpy(text, number.data(), number.size());
    text[number.size()] = '\0';
    *out = DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
                               Int32GetDatum(typmod));
    if (text != buffer) {
      pfree(text);
    }
  });
  return true;
}

// The text of the number that `value` is; a string must be a JSON number.
bool Converter::NumberText(const TypeInfo& type, json::Value value, std::string_view* number) {
  if (value.kind() == json::Kind::Number) {
    *number = value.text();
    return true;
  }
  if (value.kind() != json::Kind::String) {
    return BadSyntax(type, value);
  }
  *number = value.text();
  if (base::IsJsonNumber(*number)) {
    return true;
  }
  if (quiet_) {
    return false;
  }
  return IsLooseNumber(*number) ? Lossy(type, value, drift::CauseOfTextForNumber(*number),
                                        "it is not the canonical text of a number")
                                : BadSyntax(type, value);
}

bool Converter::ToInteger(const TypeInfo& type, json::Value value, Datum* out) {
  std::string_view number;
  if (!NumberText(type, value, &number)) {
    // "05", "+5", " 5" lose their form; "05.0" is no text of an integer at all.
    if (fault_.kind == drift::Kind::Lossy &&
        number.find_first_of(".eE") != std::string_view::npos) {
      return BadSyntax(type, value);
    }
    return false;
  }
  int64_t integer = 0;
  if (!base::ParseInteger(number, &integer)) {
    const base::Decimal decimal = base::Analyse(number);
    const bool text = value.kind() == json::Kind::String;
    if (text && decimal.zero && number.front() == '-') {
      return Lossy(type, value, drift::CauseOfTextForNumber(number),
                   "it is not the canonical text of a number");
    }
    if (text && !decimal.integer) {
      return BadSyntax(type, value);
    }
    if (!decimal.integer) {
      return Fail(drift::Kind::Lossy, drift::Cause::HasFraction, "22P02",
                  "invalid input syntax for type " + type.name + ": " + Quote(value));
    }
    if (decimal.integer_bits == 0) {
      return OutOfRange(type, value);
    }
    integer = IntegerOf(number);
  }
  switch (type.type_class) {
    case TypeClass::Int2:
      *out = Int16GetDatum(static_cast<int16_t>(integer));
      return integer == static_cast<int16_t>(integer) || OutOfRange(type, value);
    case TypeClass::Int4:
      *out = Int32GetDatum(static_cast<int32_t>(integer));
      return integer == static_cast<int32_t>(integer) || OutOfRange(type, value);
    default: *out = Int64GetDatum(integer); return true;
  }
}

bool Converter::ToNumeric(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  if (SpecialOf<double>(value)) {
    return ByInput(type, typmod, value, out);
  }
  std::string_view number;
  if (!NumberText(type, value, &number)) {
    return false;
  }
  NumericDigits digits;
  const plan::NumericLimits wanted =
      typmod >= 0 ? plan::DecodeNumeric(typmod) : plan::NumericLimits{-1, -1};
  if (ReadNumeric(number, wanted.precision, wanted.scale, &digits)) {
    const size_t size =
        VARHDRSZ + sizeof digits.header + sizeof(int16_t) * static_cast<size_t>(digits.count);
    auto* numeric = static_cast<char*>(arena_.Take(size));
    SET_VARSIZE(numeric, size);
    memcpy(numeric + VARHDRSZ, &digits.header, sizeof digits.header);
    memcpy(numeric + VARHDRSZ + sizeof digits.header, digits.digits,
           sizeof(int16_t) * static_cast<size_t>(digits.count));
    *out = PointerGetDatum(numeric);
    return true;
  }
  if (typmod >= 0) {
    const plan::NumericLimits limits = plan::DecodeNumeric(typmod);
    const Extent extent = Measure(number);
    if (!extent.zero && extent.magnitude > limits.IntegerDigits()) {
      return Fail(drift::Kind::OutOfRange, drift::Cause::OutOfRange, "22003",
                  "numeric field overflow: " + Quote(value) + " has more than " +
                      std::to_string(limits.precision) + " digits, " +
                      std::to_string(limits.scale) + " of them right of the point");
    }
    if (!extent.zero && extent.scale > limits.scale) {
      return Lossy(type, value, drift::Cause::TooManyDigits,
                   "it has digits past the scale of the column");
    }
    // Zeros past the scale may be more than numeric_in takes.
    if (extent.zero) {
      number = "0";
    }
  }
  if (NumericFrom(number, typmod, out)) {
    return true;
  }
  return Fail(drift::Kind::OutOfRange, drift::Cause::PastNumeric, "22003",
              "value overflows numeric format: " + Quote(value));
}

bool Converter::ToFloat(const TypeInfo& type, json::Value value, Datum* out) {
  if (const std::optional<float> special = SpecialOf<float>(value)) {
    *out = type.type_class == TypeClass::Float4 ? Float4GetDatum(*special)
                                                : Float8GetDatum(static_cast<double>(*special));
    return true;
  }
  std::string_view number;
  if (!NumberText(type, value, &number)) {
    return false;
  }
  Nearest found;
  if (type.type_class == TypeClass::Float4) {
    float nearest = 0;
    found = FindNearest(number, &nearest);
    *out = Float4GetDatum(nearest);
  } else {
    double nearest = 0;
    found = FindNearest(number, &nearest);
    *out = Float8GetDatum(nearest);
  }
  switch (found) {
    case Nearest::Found: return true;
    case Nearest::OutOfRange:
      return Fail(drift::Kind::OutOfRange, drift::Cause::OutOfRange, "22003",
                  Quote(value) + " is out of range for type " + type.name);
    case Nearest::Inexact:
      return Lossy(type, value, drift::Cause::Inexact, "the integer is not exactly representable");
  }
  return false;
}

bool Converter::ToBool(const TypeInfo& type, json::Value value, Datum* out) {
  const bool string = value.kind() == json::Kind::String;
  const bool yes = value.kind() == json::Kind::True || (string && value.text() == "true");
  if (!yes && value.kind() != json::Kind::False && !(string && value.text() == "false")) {
    return BadSyntax(type, value);
  }
  *out = BoolGetDatum(yes);
  return true;
}

}  // namespace mend::convert
