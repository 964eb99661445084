// What a type is to the conversion: its class, its input and output, what it is made of.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "core/base/notation.h"
#include "core/plan/shape.h"
#include "core/reading/reader.h"
#include "server/pg/call.h"

namespace mend::convert {

enum class TypeClass : uint8_t {
  Int2,
  Int4,
  Int8,
  Numeric,
  Float4,
  Float8,
  Bool,
  Text,
  Varchar,
  Bpchar,
  Name,
  Date,
  Time,
  TimeTz,
  Timestamp,
  TimestampTz,
  Interval,
  Uuid,
  Money,
  Unsigned,
  Json,
  Jsonb,
  Enum,
  Array,
  Composite,
  Domain,
  Range,  // or multirange
  Bytea,
  Vector,  // int2vector, oidvector
  Other,
};

struct TypeInfo {
  Oid oid = InvalidOid;
  TypeClass type_class = TypeClass::Other;
  std::string name;  // as format_type() prints it, for messages
  int16_t length = 0;
  bool by_value = false;
  char alignment = 0;
  Oid input = InvalidOid;
  Oid io_param = InvalidOid;
  Oid output = InvalidOid;
  Oid element = InvalidOid;  // Array; of Range, what its bounds are
  bool soft_input = false;   // of its input function: soft_input.h
  // What of a given text may differ from the printed one; nullopt: they are not compared.
  std::optional<base::Notation> notation = base::Notation::Atoms;
  plan::Type base;                                  // Domain
  reading::Family family = reading::Family::Other;  // of itself, or of what it is made of
};

// Types by OID, looked up once. Lives as long as the target whose columns have them.
class TypeMap {
 public:
  const TypeInfo& Find(Oid type);

 private:
  std::unordered_map<Oid, TypeInfo> types_;
};

}  // namespace mend::convert
