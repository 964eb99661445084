// A landing table's shape as a value: what planners, the guard and the converters reason about.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mend::plan {

// OIDs of built-in types, which are part of PostgreSQL's wire protocol and never change
// (src/include/catalog/pg_type.dat).
namespace type_oid {
inline constexpr uint32_t kBool = 16, kBytea = 17, kChar = 18, kName = 19, kInt8 = 20, kInt2 = 21,
                          kInt4 = 23, kText = 25, kJson = 114, kXml = 142, kCidr = 650,
                          kFloat4 = 700, kFloat8 = 701, kMacaddr8 = 774, kMoney = 790,
                          kMacaddr = 829, kInet = 869, kBpchar = 1042, kVarchar = 1043,
                          kDate = 1082, kTime = 1083, kTimestamp = 1114, kTimestamptz = 1184,
                          kInterval = 1186, kTimetz = 1266, kBit = 1560, kVarbit = 1562,
                          kNumeric = 1700, kUuid = 2950, kJsonb = 3802, kJsonpath = 4072;
}  // namespace type_oid

// A type with its modifier, in PostgreSQL's own encoding (pg_attribute.atttypid, atttypmod).
struct Type {
  uint32_t oid = 0;
  int32_t typmod = -1;
  bool operator==(const Type& other) const { return oid == other.oid && typmod == other.typmod; }
  bool operator!=(const Type& other) const { return !(*this == other); }
};

enum class Generated : uint8_t { No, Computed, IdentityAlways, IdentityByDefault };

struct Column {
  std::string name;
  int16_t attnum = 0;  // 0: a column that a patch would add
  Type type;
  std::string type_text;  // as format_type() prints it
  uint32_t collation = 0;
  bool not_null = false;
  bool has_default = false;
  bool default_is_given = false;  // by a patch, as a constant: what is absent gets it
  Generated generated = Generated::No;
  bool own = false;  // added by rules, and altered by nobody else since
  // Why the catalogs forbid changing this column's type (a view, rule, generated column, expression
  // or partial index, foreign key, partition key, domain, inheritance ...); empty: nothing does.
  std::string type_locked_by;
  // The same for a type of another family: what PostgreSQL carries over within the family.
  std::string family_locked_by;
  // What ALTER TABLE would have to change beside the table, and a widening online makes anew (a
  // foreign key of the table, extended statistics, the list of columns of a publication).
  std::string online_only_by;
  bool refers = false;  // it stands in a foreign key of the table

  bool IsIdentity() const {
    return generated == Generated::IdentityAlways || generated == Generated::IdentityByDefault;
  }
  // Why the column takes integers only, where the other type is none.
  std::string WhyNotBecome(const Type& other) const {
    if (other.oid == type_oid::kInt8 || other.oid == type_oid::kInt4) return "";
    if (IsIdentity()) return "is an identity column: it takes integers only";
    return refers ? "refers to integers: it takes no others" : "";
  }
};

struct Shape {
  uint32_t relid = 0;
  char relkind = 'r';
  std::string schema;
  std::string name;
  std::vector<Column> columns;     // live columns in attnum order; no system, no dropped columns
  int16_t max_attnum = 0;          // dropped columns included: they count toward PostgreSQL's 1600
  bool has_before_insert = false;  // a BEFORE INSERT ROW trigger: it may supply what is missing
  bool has_statement_trigger = false;  // of the table itself, on INSERT
  int64_t total_bytes = 0;             // pg_table_size, children included: the cost of a rewrite

  const Column* Find(std::string_view column) const;
  std::string QualifiedName() const;  // schema.name, each quoted when it needs it
};

}  // namespace mend::plan
