// The built-in types that a patch may give to a column: all scalar types of common use.
#pragma once

#include <cstdint>

#include "core/plan/shape.h"

namespace mend::guard {

struct ListedType {
  uint32_t oid;
  const char* name;  // pg_type.typname, in pg_catalog
};

inline constexpr ListedType kListedTypes[] = {
    {plan::type_oid::kBool, "bool"},
    {plan::type_oid::kBytea, "bytea"},
    {plan::type_oid::kInt8, "int8"},
    {plan::type_oid::kInt2, "int2"},
    {plan::type_oid::kInt4, "int4"},
    {plan::type_oid::kText, "text"},
    {plan::type_oid::kJson, "json"},
    {plan::type_oid::kCidr, "cidr"},
    {plan::type_oid::kFloat4, "float4"},
    {plan::type_oid::kFloat8, "float8"},
    {plan::type_oid::kMacaddr8, "macaddr8"},
    {plan::type_oid::kMacaddr, "macaddr"},
    {plan::type_oid::kInet, "inet"},
    {plan::type_oid::kBpchar, "bpchar"},
    {plan::type_oid::kVarchar, "varchar"},
    {plan::type_oid::kDate, "date"},
    {plan::type_oid::kTime, "time"},
    {plan::type_oid::kTimestamp, "timestamp"},
    {plan::type_oid::kTimestamptz, "timestamptz"},
    {plan::type_oid::kInterval, "interval"},
    {plan::type_oid::kTimetz, "timetz"},
    {plan::type_oid::kBit, "bit"},
    {plan::type_oid::kVarbit, "varbit"},
    {plan::type_oid::kNumeric, "numeric"},
    {plan::type_oid::kUuid, "uuid"},
    {plan::type_oid::kJsonb, "jsonb"},
};

// For a person who named another type.
inline constexpr const char* kListedTypesInWords =
    "allowed are boolean, smallint, integer, bigint, numeric, real, double precision, text, "
    "varchar, char, bytea, "
    "date, time, timetz, timestamp, timestamptz, interval, uuid, json, jsonb, inet, cidr, macaddr, "
    "macaddr8, bit, "
    "varbit, and one-dimensional arrays of these";

// nullptr where not listed.
inline const ListedType* FindListed(uint32_t oid) {
  for (const ListedType& type : kListedTypes) {
    if (type.oid == oid) return &type;
  }
  return nullptr;
}

}  // namespace mend::guard
