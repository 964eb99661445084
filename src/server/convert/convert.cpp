#include "server/convert/convert.h"

#include "core/base/utf8.h"
#include "server/convert/soft_input.h"

namespace mend::convert {
namespace {

constexpr size_t kMaxQuoted = 200;

struct BuiltIn {
  Oid oid;
  TypeClass type_class;
};

constexpr BuiltIn kBuiltIn[] = {
    {INT2OID, TypeClass::Int2},
    {INT4OID, TypeClass::Int4},
    {INT8OID, TypeClass::Int8},
    {NUMERICOID, TypeClass::Numeric},
    {FLOAT4OID, TypeClass::Float4},
    {FLOAT8OID, TypeClass::Float8},
    {BOOLOID, TypeClass::Bool},
    {TEXTOID, TypeClass::Text},
    {VARCHAROID, TypeClass::Varchar},
    {BPCHAROID, TypeClass::Bpchar},
    {NAMEOID, TypeClass::Name},
    {CHAROID, TypeClass::Name},
    {DATEOID, TypeClass::Date},
    {TIMEOID, TypeClass::Time},
    {TIMETZOID, TypeClass::TimeTz},
    {TIMESTAMPOID, TypeClass::Timestamp},
    {TIMESTAMPTZOID, TypeClass::TimestampTz},
    {INTERVALOID, TypeClass::Interval},
    {UUIDOID, TypeClass::Uuid},
    {JSONOID, TypeClass::Json},
    {JSONBOID, TypeClass::Jsonb},
    {CASHOID, TypeClass::Money},
    {OIDOID, TypeClass::Unsigned},
    {XIDOID, TypeClass::Unsigned},
    {CIDOID, TypeClass::Unsigned},
    {XID8OID, TypeClass::Unsigned},
    {INT2VECTOROID, TypeClass::Other},
    {OIDVECTOROID, TypeClass::Other},
};

TypeClass ClassOf(Oid oid, char typtype, Oid element) {
  for (const BuiltIn& built_in : kBuiltIn) {
    if (built_in.oid == oid) {
      return built_in.type_class;
    }
  }
  switch (typtype) {
    case TYPTYPE_ENUM: return TypeClass::Enum;
    case TYPTYPE_COMPOSITE: return TypeClass::Composite;
    case TYPTYPE_DOMAIN: return TypeClass::Domain;
    default: return OidIsValid(element) ? TypeClass::Array : TypeClass::Other;
  }
}

}  // namespace

const TypeInfo& TypeMap::Find(Oid oid) {
  const auto known = types_.find(oid);
  if (known != types_.end()) {
    return known->second;
  }
  TypeInfo info;
  info.oid = oid;
  char typtype = 0;
  char* name = nullptr;
  Oid bounds = InvalidOid;
  pg::Call([&] {
    getTypeInputInfo(oid, &info.input, &info.io_param);
    get_typlenbyvalalign(oid, &info.length, &info.by_value, &info.alignment);
    typtype = get_typtype(oid);
    info.element = get_element_type(oid);
    const Oid range = typtype == TYPTYPE_MULTIRANGE ? get_multirange_range(oid) : oid;
    bounds = typtype == TYPTYPE_RANGE || typtype == TYPTYPE_MULTIRANGE ? get_range_subtype(range)
                                                                       : InvalidOid;
    if (typtype == TYPTYPE_DOMAIN) {
      info.base.oid = getBaseTypeAndTypmod(oid, &info.base.typmod);
    }
    name = format_type_be(oid);
  });
  info.name = name;
  pfree(name);
  info.type_class = ClassOf(oid, typtype, info.element);
  if (bounds == DATEOID || bounds == TIMESTAMPOID || bounds == TIMESTAMPTZOID) {
    info.type_class = TypeClass::TimeRange;
    info.element = bounds;
  }
  info.soft_input = info.type_class == TypeClass::Array
                        ? info.input == F_ARRAY_IN && Find(info.element).soft_input
                        : HasSoftInput(oid, info.input);
  return types_.emplace(oid, std::move(info)).first->second;
}

std::string Quote(std::string_view text) {
  std::string out = "\"";
  out += base::CutUtf8(text, kMaxQuoted);
  out += text.size() > kMaxQuoted ? "...\"" : "\"";
  return out;
}

std::string Quote(json::Value value) {
  return value.IsScalar() ? Quote(value.text()) : Quote(value.Serialise());
}

Fault FaultOf(const pg::Error& error) {
  Fault fault;
  fault.sqlstate = error.sqlstate();
  fault.message = error.fields().message;
  if (error.sqlerrcode() == ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE) {
    fault.kind = drift::Kind::OutOfRange;
  } else if (error.sqlerrcode() == ERRCODE_STRING_DATA_RIGHT_TRUNCATION || error.IsClass("54")) {
    fault.kind = drift::Kind::TooLong;
  } else if (error.IsClass("23")) {
    fault.kind = drift::Kind::Constraint;
  } else {
    fault.kind = drift::Kind::TypeConflict;
  }
  return fault;
}

bool Converter::Fail(drift::Kind kind, const char* sqlstate, std::string message) {
  fault_ = {kind, sqlstate, std::move(message)};
  return false;
}

bool Converter::BadSyntax(const TypeInfo& type, json::Value value, const char* sqlstate) {
  return Fail(drift::Kind::TypeConflict, sqlstate,
              "invalid input syntax for type " + type.name + ": " + Quote(value));
}

bool Converter::OutOfRange(const TypeInfo& type, json::Value value) {
  return Fail(drift::Kind::OutOfRange, "22003",
              "value " + Quote(value) + " is out of range for type " + type.name);
}

bool Converter::Lossy(const TypeInfo& type, json::Value value, const char* what) {
  return Fail(drift::Kind::Lossy, "22000",
              "type " + type.name + " would change the value " + Quote(value) + ": " + what);
}

bool Converter::Convert(const TypeInfo& type, int32_t typmod, json::Value value, bool lossy,
                        Datum* out, bool* null) {
  lossy_ = lossy;
  return ConvertAs(type, typmod, value, out, null);
}

bool Converter::ConvertAs(const TypeInfo& info, int32_t typmod, json::Value value, Datum* out,
                          bool* null) {
  *null = false;
  if (info.type_class == TypeClass::Domain) {
    return ToDomain(info, value, out, null);
  }
  if (value.kind() == json::Kind::Null) {
    *out = 0;
    *null = true;
    return true;
  }
  if (Strictly(info, typmod, value, out, null)) {
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
    case TypeClass::TimeRange: return ToTimeRange(type, typmod, value, out);
    case TypeClass::Unsigned: return ToUnsigned(type, value, out);
    case TypeClass::Other:
      if (!value.IsScalar()) {
        return BadSyntax(type, value);
      }
      return ByInput(type, typmod, value, out);
  }
  return false;
}

bool Converter::ByInput(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  const std::string text =
      value.IsScalar() ? std::string(value.text()) : value.Serialise(json::Value::Space::Jsonb);
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
  const Wanted wanted(&values_);
  return ConvertValue(type.base, value, out, null) && CheckDomain(type, *out, *null);
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
  return false;
}

}  // namespace mend::convert
