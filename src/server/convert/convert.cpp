#include "server/convert/convert.h"

#include "core/base/utf8.h"
#include "core/plan/reading_family.h"
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
    {BYTEAOID, TypeClass::Bytea},
    {INT2VECTOROID, TypeClass::Vector},
    {OIDVECTOROID, TypeClass::Vector},
};

struct BuiltInNotation {
  Oid oid;
  std::optional<base::Notation> notation;
};

// Names of objects are what the server says they are, and xml is kept as it is but for its
// declaration. A tsvector is documented as a set, and box as any two of its corners.
constexpr BuiltInNotation kNotations[] = {
    {INETOID, base::Notation::Internet},
    {CIDROID, base::Notation::Internet},
    {MACADDROID, base::Notation::Hardware},
    {MACADDR8OID, base::Notation::Hardware},
    {LSNOID, base::Notation::Case},
    {BITOID, base::Notation::Verbatim},
    {VARBITOID, base::Notation::Verbatim},
    {ACLITEMOID, base::Notation::Verbatim},
    {REFCURSOROID, base::Notation::Verbatim},
    {PG_SNAPSHOTOID, base::Notation::Verbatim},
    {TXID_SNAPSHOTOID, base::Notation::Verbatim},
    {TIDOID, base::Notation::Blanks},
    {BOXOID, base::Notation::AnyOrder},
    {TSVECTOROID, base::Notation::Lexemes},
    {TSQUERYOID, base::Notation::Terms},
    {XMLOID, std::nullopt},
    {REGCLASSOID, std::nullopt},
    {REGCOLLATIONOID, std::nullopt},
    {REGCONFIGOID, std::nullopt},
    {REGDICTIONARYOID, std::nullopt},
    {REGNAMESPACEOID, std::nullopt},
    {REGOPEROID, std::nullopt},
    {REGOPERATOROID, std::nullopt},
    {REGPROCOID, std::nullopt},
    {REGPROCEDUREOID, std::nullopt},
    {REGROLEOID, std::nullopt},
    {REGTYPEOID, std::nullopt},
};

// Types of contrib are known by their input functions.
struct ExtensionNotation {
  std::string_view input;
  base::Notation notation;
};

constexpr ExtensionNotation kExtensionNotations[] = {
    {"hstore_in", base::Notation::AnyOrder}, {"ean13_in", base::Notation::Hyphens},
    {"isbn_in", base::Notation::Hyphens},    {"isbn13_in", base::Notation::Hyphens},
    {"ismn_in", base::Notation::Hyphens},    {"ismn13_in", base::Notation::Hyphens},
    {"issn_in", base::Notation::Hyphens},    {"issn13_in", base::Notation::Hyphens},
    {"upc_in", base::Notation::Hyphens},
};

std::optional<base::Notation> NotationOf(Oid oid, Oid input) {
  for (const BuiltInNotation& built_in : kNotations) {
    if (built_in.oid == oid) {
      return built_in.notation;
    }
  }
  if (input < FirstNormalObjectId) {
    return base::Notation::Atoms;
  }
  const char* name = pg::Call([&] { return get_func_name(input); });
  for (const ExtensionNotation& known : kExtensionNotations) {
    if (name != nullptr && known.input == name) {
      return known.notation;
    }
  }
  return base::Notation::Atoms;
}

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

// Found before the type itself is in the map: its parts are.
reading::Family FamilyOf(const TypeInfo& info, TypeMap* types) {
  switch (info.type_class) {
    case TypeClass::Domain: return types->Find(info.base.oid).family;
    case TypeClass::Array: return types->Find(info.element).family;
    default: return plan::ReadingFamily(info.oid);
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
    bool variable_length = false;
    getTypeInputInfo(oid, &info.input, &info.io_param);
    getTypeOutputInfo(oid, &info.output, &variable_length);
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
  if (OidIsValid(bounds)) {
    info.type_class = TypeClass::Range;
    info.element = bounds;
  }
  if (info.type_class == TypeClass::Other || info.type_class == TypeClass::Vector) {
    info.notation = NotationOf(oid, info.input);
  }
  info.soft_input = info.type_class == TypeClass::Array
                        ? info.input == F_ARRAY_IN && Find(info.element).soft_input
                        : HasSoftInput(oid, info.input);
  info.family = FamilyOf(info, this);
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

namespace {

drift::Cause CauseOfText(TypeClass type_class, std::string_view text) {
  using drift::Cause;
  switch (type_class) {
    case TypeClass::Int2:
    case TypeClass::Int4:
    case TypeClass::Int8:
    case TypeClass::Numeric:
    case TypeClass::Float4:
    case TypeClass::Float8:
    case TypeClass::Money:
    case TypeClass::Unsigned: return drift::CauseOfTextForNumber(text);
    default: break;
  }
  if (drift::IsBlank(text)) {
    return Cause::EmptyText;
  }
  if (drift::IsWordForNone(text)) {
    return Cause::WordForNone;
  }
  switch (type_class) {
    case TypeClass::Bool: return Cause::NotABoolean;
    case TypeClass::Date:
    case TypeClass::Time:
    case TypeClass::TimeTz:
    case TypeClass::Timestamp:
    case TypeClass::TimestampTz: return Cause::NotATime;
    case TypeClass::Uuid: return Cause::NotAUuid;
    case TypeClass::Enum: return Cause::NotALabel;
    case TypeClass::Array:
    case TypeClass::Vector: return Cause::ScalarForArray;
    default: return Cause::BadSyntax;
  }
}

// What a value is that a type does not take.
drift::Cause CauseOf(TypeClass type_class, json::Value value) {
  using drift::Cause;
  const bool number = value.kind() == json::Kind::Number;
  switch (value.kind()) {
    case json::Kind::Array:
      return type_class == TypeClass::Array ? Cause::RaggedArray : Cause::ArrayForScalar;
    case json::Kind::Object: return Cause::ObjectForScalar;
    case json::Kind::String: return CauseOfText(type_class, value.text());
    default: break;
  }
  switch (type_class) {
    case TypeClass::Int2:
    case TypeClass::Int4:
    case TypeClass::Int8:
    case TypeClass::Numeric:
    case TypeClass::Float4:
    case TypeClass::Float8:
    case TypeClass::Money:
    case TypeClass::Unsigned: return number ? Cause::BadSyntax : Cause::BooleanForNumber;
    case TypeClass::Bool: return number ? Cause::NumberForBoolean : Cause::NotABoolean;
    case TypeClass::Date:
    case TypeClass::Time:
    case TypeClass::TimeTz:
    case TypeClass::Timestamp:
    case TypeClass::TimestampTz:
    case TypeClass::Interval: return number ? Cause::NumberForTime : Cause::NotATime;
    case TypeClass::Uuid: return Cause::NotAUuid;
    case TypeClass::Enum: return Cause::NotALabel;
    case TypeClass::Array:
    case TypeClass::Vector: return Cause::ScalarForArray;
    default: return Cause::BadSyntax;
  }
}

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

Fault FaultOf(const pg::Error& error) {
  Fault fault;
  fault.sqlstate = error.sqlstate();
  fault.message = error.fields().message;
  if (error.sqlerrcode() == ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE) {
    fault.kind = drift::Kind::OutOfRange;
    fault.cause = drift::Cause::OutOfRange;
  } else if (error.sqlerrcode() == ERRCODE_STRING_DATA_RIGHT_TRUNCATION || error.IsClass("54")) {
    fault.kind = drift::Kind::TooLong;
    fault.cause = error.IsClass("54") ? drift::Cause::TooLarge : drift::Cause::TooLong;
  } else if (error.IsClass("23")) {
    fault.kind = drift::Kind::Constraint;
    fault.cause = drift::Cause::DomainCheck;
    fault.about = error.fields().constraint.value_or("");
  } else {
    fault.kind = drift::Kind::TypeConflict;
    fault.cause = drift::Cause::BadSyntax;
  }
  return fault;
}

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
