#include "server/convert/convert.h"

#include "server/convert/soft_input.h"

namespace mend::convert {
namespace {

// What an input function reads of a value.
std::string TextFor(json::Value value) {
  return value.IsScalar() ? std::string(value.text()) : value.Serialise(json::Value::Space::Jsonb);
}

// Whether an extension's type prints bytes, in hexadecimal, where it was given something to read:
// the two cannot be compared.
bool IsOwnForm(const TypeInfo& type, std::string_view given, std::string_view printed) {
  constexpr std::string_view kHexDigits = "0123456789abcdefABCDEF";
  return type.oid >= FirstNormalObjectId && printed.size() >= 16 && printed.size() % 2 == 0 &&
         printed.find_first_not_of(kHexDigits) == std::string_view::npos &&
         given.find_first_not_of(kHexDigits) != std::string_view::npos;
}

}  // namespace

bool Converter::Fail(drift::Kind kind, drift::Cause cause, const char* sqlstate,
                     std::string message, std::string about) {
  fault_ = {kind, sqlstate, std::move(message), cause, std::move(about)};
  return false;
}

bool Converter::BadSyntax(const TypeInfo& type, json::Value value, const char* sqlstate) {
  if (quiet_) {
    return false;
  }
  return Fail(drift::Kind::TypeConflict, CauseOf(type.type_class, value), sqlstate,
              "invalid input syntax for type " + type.name + ": " + Quote(value));
}

bool Converter::OutOfRange(const TypeInfo& type, json::Value value) {
  if (quiet_) {
    return false;
  }
  return Fail(drift::Kind::OutOfRange, drift::Cause::OutOfRange, "22003",
              "value " + Quote(value) + " is out of range for type " + type.name);
}

bool Converter::Lossy(const TypeInfo& type, json::Value value, drift::Cause cause, const char* what,
                      std::string about) {
  if (quiet_) {
    return false;
  }
  return Fail(drift::Kind::Lossy, cause, "22000",
              "type " + type.name + " would change the value " + Quote(value) + ": " + what,
              std::move(about));
}

bool Converter::Convert(const TypeInfo& type, int32_t typmod, json::Value value, bool lossy,
                        Datum* out, bool* null) {
  lossy_ = lossy;
  return ConvertField(type, typmod, value, out, null);
}

bool Converter::ConvertField(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out,
                             bool* null) {
  if (value.IsScalar() || !value.IsNothing()) {
    return ConvertAs(type, typmod, value, out, null);
  }
  if (lossy_ && ConvertAs(type, typmod, value, out, null)) {
    return true;
  }
  const TypeInfo& base = type.type_class == TypeClass::Domain ? types_.Find(type.base.oid) : type;
  const bool array = value.kind() == json::Kind::Array;
  switch (base.type_class) {
    case TypeClass::Json:
    case TypeClass::Jsonb: return ConvertAs(type, typmod, value, out, null);
    case TypeClass::Array:
    case TypeClass::Vector:
      if (array) {
        return ConvertAs(type, typmod, value, out, null);
      }
      break;
    case TypeClass::Composite:
      if (!array) {
        return ConvertAs(type, typmod, value, out, null);
      }
      break;
    case TypeClass::Other:
      // An extension's type may have a value for it.
      if (base.oid >= FirstNormalObjectId && ConvertAs(type, typmod, value, out, null)) {
        return true;
      }
      break;
    default: break;
  }
  static const json::Document& null_value = *[] {
    auto* document = new json::Document();
    document->Add(json::Kind::Null);
    return document;
  }();
  return ConvertAs(type, typmod, null_value.root(), out, null);
}

bool Converter::ConvertAs(const TypeInfo& info, int32_t typmod, json::Value value, Datum* out,
                          bool* null) {
  *null = false;
  if (info.type_class == TypeClass::Domain) {
    return ToDomain(info, value, out, null) ||
           (readings_ != nullptr && ReadDomain(info, typmod, value, out, null));
  }
  if (value.kind() == json::Kind::Null) {
    *out = 0;
    *null = true;
    return true;
  }
  if (readings_ != nullptr ? WithReadings(info, typmod, value, out, null)
                           : Strictly(info, typmod, value, out, null)) {
    return true;
  }
  // Their parts have had their own try.
  const bool by_parts =
      (info.type_class == TypeClass::Array && value.kind() == json::Kind::Array) ||
      (info.type_class == TypeClass::Composite && value.kind() == json::Kind::Object);
  return lossy_ && !by_parts && ByInput(info, typmod, value, out);
}

Datum Converter::Bytes(const void* data, size_t size) {
  void* copy = arena_.Take(size);
  memcpy(copy, data, size);
  return PointerGetDatum(copy);
}

Datum Converter::Text(std::string_view text, size_t blanks) {
  const size_t size = text.size() + blanks;
  auto* result = static_cast<struct varlena*>(arena_.Take(size + VARHDRSZ));
  SET_VARSIZE(result, size + VARHDRSZ);
  memcpy(VARDATA(result), text.data(), text.size());
  memset(VARDATA(result) + text.size(), ' ', blanks);
  return PointerGetDatum(result);
}

bool Converter::Strictly(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out,
                         bool* null) {
  switch (type.type_class) {
    case TypeClass::Int2:
    case TypeClass::Int4:
    case TypeClass::Int8: return ToInteger(type, value, out);
    case TypeClass::Numeric: return ToNumeric(type, typmod, value, out);
    case TypeClass::Float4:
    case TypeClass::Float8: return ToFloat(type, value, out);
    case TypeClass::Bool: return ToBool(type, value, out);
    case TypeClass::Text:
    case TypeClass::Varchar:
    case TypeClass::Bpchar:
    case TypeClass::Name: return ToText(type, typmod, value, out);
    case TypeClass::Date: return ToDate(type, value, out);
    case TypeClass::Time:
    case TypeClass::TimeTz: return ToTime(type, typmod, value, out);
    case TypeClass::Timestamp:
    case TypeClass::TimestampTz: return ToTimestamp(type, typmod, value, out);
    case TypeClass::Uuid: return ToUuid(type, value, out);
    case TypeClass::Json: return ToJson(value, out);
    case TypeClass::Jsonb: return ToJsonb(value, out);
    case TypeClass::Enum: return ToEnum(type, value, out);
    case TypeClass::Array: return ToArray(type, typmod, value, out);
    case TypeClass::Composite: return ToComposite(type, value, out);
    case TypeClass::Domain: return ToDomain(type, value, out, null);
    case TypeClass::Interval: return ToInterval(type, typmod, value, out);
    case TypeClass::Money: return ToMoney(type, value, out);
    case TypeClass::Range: return ToRange(type, typmod, value, out);
    case TypeClass::Unsigned: return ToUnsigned(type, value, out);
    case TypeClass::Bytea: return ToBytea(type, value, out);
    case TypeClass::Vector: return ToVector(type, value, out);
    case TypeClass::Other: return ToOther(type, typmod, value, out);
  }
  return false;
}

bool Converter::ByInput(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  if (!ByInput(type, typmod, TextFor(value), out)) {
    if (fault_.cause == drift::Cause::BadSyntax) {
      fault_.cause = CauseOf(type.type_class, value);
    }
    return false;
  }
  return true;
}

bool Converter::ByInputUnchanged(const TypeInfo& type, int32_t typmod, json::Value value,
                                 const std::string& text, Datum* out) {
  if (!ByInput(type, typmod, text, out)) {
    if (fault_.cause == drift::Cause::BadSyntax) {
      fault_.cause = CauseOf(type.type_class, value);
    }
    return false;
  }
  if (!type.notation) {
    return true;
  }
  const std::string printed = Printed(type, *out);
  return base::SaysTheSame(*type.notation, text, printed) || IsOwnForm(type, text, printed) ||
         Lossy(type, value, drift::Cause::ChangedByType, "printed back it is another");
}

std::string Converter::Printed(const TypeInfo& type, Datum value) {
  char* text = pg::Call([&] { return OidOutputFunctionCall(type.output, value); });
  std::string printed = text;
  pfree(text);
  return printed;
}

bool Converter::ByInput(const TypeInfo& type, int32_t typmod, const std::string& text, Datum* out) {
  const std::optional<pg::Error> error =
      type.soft_input && text.size() <= kMaxSoftBytes
          ? InputSoftly(type, typmod, text, out)
          : pg::Attempt([&] {
              *out = pg::Call([&] {
                return OidInputFunctionCall(type.input, const_cast<char*>(text.c_str()),
                                            type.io_param, typmod);
              });
            });
  if (!error) {
    return true;
  }
  // An extension's type may refuse a text with a bare elog(ERROR).
  const bool refusal =
      error->sqlerrcode() == ERRCODE_INTERNAL_ERROR && type.input >= FirstNormalObjectId;
  if (pg::MustRaise(*error) && !refusal) {
    throw *error;
  }
  fault_ = FaultOf(*error);
  return false;
}

bool Converter::ToDomain(const TypeInfo& type, json::Value value, Datum* out, bool* null) {
  const Scoped<bool> wanted(&values_, true);  // its CHECK looks at them
  return ConvertValue(type.base, value, out, null) && CheckDomain(type, *out, *null);
}

// What the domain refuses, though what it is made of takes it, may stand for nothing.
bool Converter::ReadDomain(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out,
                           bool* null) {
  Fault plain = fault_;
  if (value.kind() != json::Kind::Null &&
      ByReading(type, typmod, value, false, out, null) == Claim::Taken &&
      CheckDomain(type, *out, *null)) {
    return true;
  }
  fault_ = std::move(plain);
  return false;
}

bool Converter::CheckDomain(const TypeInfo& type, Datum value, bool null) {
  if (type.type_class != TypeClass::Domain ||
      !pg::Call([&] { return DomainHasConstraints(type.oid); })) {
    return true;
  }
  const std::optional<pg::Error> error = pg::Attempt(
      [&] { pg::Call([&] { domain_check(value, null, type.oid, nullptr, nullptr); }); });
  if (!error) {
    return true;
  }
  if (pg::MustRaise(*error)) {
    throw *error;
  }
  fault_ = FaultOf(*error);
  fault_.kind =
      drift::Kind::Constraint;  // also when an expression of the domain failed on the value
  fault_.cause = drift::Cause::DomainCheck;
  return false;
}

}  // namespace mend::convert
