// What stands on a column that is widened online, read under pg_catalog alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/apply/widening.h"

namespace mend::apply {

// An index of the column: as a key, in an expression or in a predicate.
struct IndexPart {
  Oid oid = InvalidOid;
  std::string name, clone;
  std::string create;  // CREATE INDEX CONCURRENTLY, under the clone's name
  bool clone_exists = false, clone_is_valid = false;
  char constraint = '\0';  // 'p' or 'u': it is that of a constraint of its name
  bool deferrable = false, deferred = false;
  bool clustered = false, identifies_rows = false;
  std::optional<std::string> comment, constraint_comment;
};

// A CHECK, or a foreign key.
struct ConstraintPart {
  Oid oid = InvalidOid;
  std::string name, clone;
  std::string add;  // ADD CONSTRAINT ... NOT VALID, under the clone's name
  bool validated = false;
  bool clone_exists = false, clone_is_valid = false;
  std::optional<std::string> comment;
};

// Extended statistics.
struct StatisticsPart {
  Oid oid = InvalidOid, schema = InvalidOid;
  std::string name, clone, in_schema;  // the schema quoted
  std::string create;                  // CREATE STATISTICS, under the clone's name
  std::optional<std::string> target;
  std::vector<std::string> columns;  // quoted: what ANALYZE has to read
  bool clone_exists = false;
  std::optional<std::string> comment;
};

struct Parts {
  std::string table, schema;  // quoted
  std::string column;         // its name now
  std::string type;           // as PostgreSQL prints it
  int16_t last_attnum = 0;    // of the table
  bool second_exists = false, trigger_exists = false;
  bool not_null = false;
  char identity = '\0';
  std::optional<std::string> default_text, statistics, options, comment;
  Oid sequence = InvalidOid;  // that belongs to the column
  std::string sequence_name;
  bool equal_exists = false, equal_is_valid = false;
  bool not_null_check_exists = false, not_null_is_valid = false;
  std::vector<IndexPart> indexes;
  std::vector<ConstraintPart> checks, foreign_keys;
  std::vector<StatisticsPart> extended;
  std::vector<std::string> lost_clones;  // indexes for which none is left that they were made from
};

// nullopt: the table has no such column any more.
std::optional<Parts> LoadParts(const Widening& widening);

// The other tables that a column of the table refers to: their triggers come and go with its
// foreign keys.
std::vector<Oid> ReferencedTables(Oid target, int16_t attnum);

}  // namespace mend::apply
