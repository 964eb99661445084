#include "server/convert/type_info.h"

#include "core/plan/reading_family.h"
#include "server/convert/soft_input.h"

namespace mend::convert {
namespace {

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

}  // namespace mend::convert
