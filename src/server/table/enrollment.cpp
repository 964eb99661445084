#include "server/table/enrollment.h"

#include "core/base/json.h"
#include "server/guard/check.h"
#include "server/pg/cached_plan.h"
#include "server/pg/catalog.h"
#include "server/pg/spi.h"
#include "server/pg/unwinding.h"
#include "server/pg/user.h"

namespace mend::table {
namespace {

// Makes the latest snapshot active until the end of the scope.
class LatestSnapshot {
 public:
  LatestSnapshot() {
    pg::Call([] { PushActiveSnapshot(GetLatestSnapshot()); });
  }
  ~LatestSnapshot() {
    // While an error unwinds, the roll back pops it.
    if (!unwinding_) {
      PopActiveSnapshot();
    }
  }
  LatestSnapshot(const LatestSnapshot&) = delete;
  LatestSnapshot& operator=(const LatestSnapshot&) = delete;

 private:
  pg::Unwinding unwinding_;
};

// What is read here is cached beyond the transaction, so an old snapshot of the caller will not do.
pg::Rows ReadBooks(const char* sql, Oid target) {
  pg::AsExtensionOwner as_owner;
  pg::ThroughIndexes planning;
  LatestSnapshot snapshot;
  pg::Spi spi;
  const std::vector<pg::Param> params = {pg::ObjectId(target)};
  return spi.Run(pg::CachedPlan(sql, pg::Arguments(params)), params, true);
}

std::vector<std::string> Strings(const std::string& json_array) {
  std::vector<std::string> strings;
  json::Document document;
  if (!document.Parse(json_array)) {
    for (json::Value value = document.root().First(); value; value = document.root().After(value)) {
      strings.emplace_back(value.text());
    }
  }
  return strings;
}

// Types are read as the extension's owner: by its search_path.
std::vector<plan::Hint> HintsFrom(const std::string& json_object) {
  std::vector<plan::Hint> hints;
  json::Document document;
  if (json_object == "{}" || document.Parse(json_object)) {
    return hints;
  }
  pg::AsExtensionOwner as_owner;
  const json::Value object = document.root();
  for (json::Value key = object.First(); key; key = object.After(key)) {
    std::string why;
    const std::string type(object.ValueOf(key).text());
    if (const std::optional<plan::Type> found = guard::TypeFromText(type, &why)) {
      hints.push_back({std::string(key.text()), *found, type});
    }
  }
  return hints;
}

Mode ModeOf(const std::string& text) {
  return text == "auto" ? Mode::Auto : text == "review" ? Mode::Review : Mode::Paused;
}

OnConflict OnConflictOf(const std::string& text) {
  return text == "ignore"   ? OnConflict::Ignore
         : text == "update" ? OnConflict::Update
         : text == "raise"  ? OnConflict::Raise
                            : OnConflict::DeadLetter;
}

constexpr char kEnrollmentSql[] =
    "SELECT target_name, mode::text, pg_catalog.to_json(allow)::text, healer, lossless, "
    "on_conflict,"
    " pg_catalog.to_json(carry)::text, naive_zone, allow_published, "
    "pg_catalog.to_json(lossy_columns)::text,"
    " system_identifier, database_oid, newer_by, rescue, at, hints::pg_catalog.text, "
    "pg_catalog.to_json(null_if)::pg_catalog.text, online"
    " FROM mend.enrollments WHERE target OPERATOR(pg_catalog.=) $1";

// Columns that keys, foreign keys, partition keys, generated columns or policies look at, of the
// table or of a partition.
constexpr char kBoundColumnsSql[] =
    "WITH RECURSIVE heirs (relid) AS (SELECT $1 UNION SELECT i.inhrelid FROM "
    "pg_catalog.pg_inherits i, heirs h WHERE i.inhparent OPERATOR(pg_catalog.=) h.relid), "
    "uses (relid, attnum) AS ("
    "SELECT d.refobjid, d.refobjsubid FROM pg_catalog.pg_depend d, heirs h "
    "WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass "
    "AND d.refobjid OPERATOR(pg_catalog.=) h.relid AND d.refobjsubid OPERATOR(pg_catalog.>) 0 AND ("
    "d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_policy'::pg_catalog.regclass "
    "OR EXISTS (SELECT FROM pg_catalog.pg_attrdef f, pg_catalog.pg_attribute g "
    "WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass "
    "AND f.oid OPERATOR(pg_catalog.=) d.objid AND g.attrelid OPERATOR(pg_catalog.=) f.adrelid "
    "AND g.attnum OPERATOR(pg_catalog.=) f.adnum AND g.attgenerated OPERATOR(pg_catalog.<>) '') "
    "OR EXISTS (SELECT FROM pg_catalog.pg_index x "
    "WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass "
    "AND x.indexrelid OPERATOR(pg_catalog.=) d.objid AND (x.indisunique OR x.indisexclusion)) "
    "OR EXISTS (SELECT FROM pg_catalog.pg_constraint c "
    "WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass "
    "AND c.oid OPERATOR(pg_catalog.=) d.objid AND c.contype IN ('p', 'u', 'x', 'f')) "
    // A partition key's expression depends on the columns, and they on the key.
    "OR d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass AND "
    "d.objid OPERATOR(pg_catalog.=) d.refobjid) "
    "UNION SELECT d.objid, d.objsubid FROM pg_catalog.pg_depend d, heirs h "
    "WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass "
    "AND d.objid OPERATOR(pg_catalog.=) h.relid AND d.objsubid OPERATOR(pg_catalog.>) 0 "
    "AND d.refclassid OPERATOR(pg_catalog.=) d.classid AND d.refobjid OPERATOR(pg_catalog.=) "
    "d.objid "
    "UNION SELECT p.partrelid, k.attnum FROM pg_catalog.pg_partitioned_table p, heirs h, "
    "pg_catalog.unnest(p.partattrs::pg_catalog.int2[]) k (attnum) "
    "WHERE p.partrelid OPERATOR(pg_catalog.=) h.relid AND k.attnum OPERATOR(pg_catalog.>) 0) "
    "SELECT DISTINCT a.attname::pg_catalog.text FROM uses u, pg_catalog.pg_attribute a "
    "WHERE a.attrelid OPERATOR(pg_catalog.=) u.relid AND a.attnum OPERATOR(pg_catalog.=) u.attnum";

// A policy may look at them, or somebody has been granted the rescue column by its name and not
// these.
constexpr char kClosedColumnsSql[] =
    "WITH RECURSIVE heirs (relid) AS (SELECT $1 UNION SELECT i.inhrelid FROM pg_inherits i, heirs "
    "h "
    "WHERE i.inhparent = h.relid) "
    "SELECT DISTINCT a.attname::text FROM heirs h JOIN pg_attribute a ON a.attrelid = h.relid AND "
    "a.attnum > 0 AND NOT a.attisdropped WHERE EXISTS (SELECT FROM pg_depend d WHERE d.classid = "
    "'pg_policy'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = h.relid AND "
    "d.refobjsubid = a.attnum) "
    // Of a whole row.
    "OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = h.relid AND concat(p.polqual::text, "
    "p.polwithcheck::text) LIKE '%:varattno 0 %') "
    "OR EXISTS (SELECT FROM mend.enrollments e JOIN pg_attribute r ON r.attrelid = h.relid AND "
    "r.attname = e.rescue CROSS JOIN LATERAL aclexplode(r.attacl) x WHERE e.target = $1 AND "
    "x.privilege_type IN ('INSERT', 'UPDATE') AND NOT CASE x.grantee WHEN 0 THEN "
    "has_column_privilege('public', h.relid, a.attnum, x.privilege_type) ELSE "
    "has_column_privilege(x.grantee, h.relid, a.attnum, x.privilege_type) END)";

constexpr char kFieldsSql[] =
    "SELECT field, column_name, held, reading FROM mend.fields WHERE target OPERATOR(pg_catalog.=) "
    "$1 "
    "ORDER BY field";

constexpr char kOwnColumnsSql[] =
    "SELECT column_name, attnum, type FROM mend.own_columns WHERE target OPERATOR(pg_catalog.=) $1";

constexpr char kSecondColumnsSql[] =
    "SELECT new_attnum FROM mend.widenings WHERE target OPERATOR(pg_catalog.=) $1 AND new_attnum "
    "IS "
    "NOT NULL";

}  // namespace

std::vector<int16_t> SecondColumns(Oid target) {
  const pg::Rows rows = ReadBooks(kSecondColumnsSql, target);
  std::vector<int16_t> numbers;
  for (size_t i = 0; i < rows.size(); ++i) {
    numbers.push_back(static_cast<int16_t>(rows.int8(i, 0)));
  }
  return numbers;
}

void MarkOwnColumns(plan::Shape* shape) {
  const pg::Rows rows = ReadBooks(kOwnColumnsSql, shape->relid);
  for (size_t i = 0; i < rows.size(); ++i) {
    for (plan::Column& column : shape->columns) {
      column.own = column.own ||
                   (column.name == rows.text(i, 0) && column.attnum == rows.int8(i, 1) &&
                    column.type_text == rows.text(i, 2) && !column.not_null && !column.has_default);
    }
  }
}

std::optional<Enrollment> LoadEnrollment(Oid target) {
  const pg::Rows rows = ReadBooks(kEnrollmentSql, target);
  if (rows.empty()) {
    return std::nullopt;
  }
  Enrollment enrollment;
  enrollment.target = target;
  enrollment.target_name = rows.text(0, 0);
  enrollment.mode = ModeOf(rows.text(0, 1));
  for (const std::string& name : Strings(rows.text(0, 2))) {
    if (const std::optional<plan::ActionKind> kind = plan::ActionKindFromName(name)) {
      enrollment.allow.insert(*kind);
    }
  }
  enrollment.healer = rows.text(0, 3);
  enrollment.lossless = rows.boolean(0, 4);
  enrollment.on_conflict = OnConflictOf(rows.text(0, 5));
  enrollment.carry = Strings(rows.text(0, 6));
  enrollment.naive_zone = rows.maybe(0, 7);
  enrollment.allow_published = rows.boolean(0, 8);
  for (const std::string& name : Strings(rows.text(0, 9))) {
    enrollment.lossy_columns.insert(name);
  }
  enrollment.at_home = static_cast<uint64_t>(rows.int8(0, 10)) == GetSystemIdentifier() &&
                       rows.oid(0, 11) == MyDatabaseId;
  enrollment.newer_by = rows.maybe(0, 12);
  enrollment.rescue = rows.text(0, 13);
  std::string why;
  enrollment.hints = HintsFrom(rows.text(0, 15));
  enrollment.at = json::Pointer::Parse(rows.text(0, 14), &why).value_or(json::Pointer());
  enrollment.null_if = Strings(rows.text(0, 16));
  enrollment.online = rows.boolean(0, 17);
  if (!enrollment.rescue.empty()) {
    const pg::Rows bound = ReadBooks(kBoundColumnsSql, target);
    for (size_t i = 0; i < bound.size(); ++i) {
      enrollment.bound_columns.insert(bound.text(i, 0));
    }
    const pg::Rows closed = ReadBooks(kClosedColumnsSql, target);
    for (size_t i = 0; i < closed.size(); ++i) {
      enrollment.closed_columns.insert(closed.text(i, 0));
    }
  }
  return enrollment;
}

std::vector<FieldRecord> LoadFields(Oid target) {
  const pg::Rows rows = ReadBooks(kFieldsSql, target);
  std::vector<FieldRecord> fields;
  for (size_t i = 0; i < rows.size(); ++i) {
    fields.push_back({rows.text(i, 0), rows.maybe(i, 1), rows.text(i, 2), rows.text(i, 3)});
  }
  return fields;
}

void ThrowNotEnrolled(Oid target) {
  const std::string name = pg::QualifiedName(target);
  std::string literal;
  for (char c : name) {
    literal.append(c == '\'' ? 2 : 1, c);
  }
  throw pg::Error(
      ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
      (name.empty() ? "the table with OID " + std::to_string(target) : "table " + name) +
          " is not enrolled",
      name.empty() ? "See mend.enrollments."
                   : "Enroll it first: SELECT mend.enroll('" + literal + "');");
}

void RequireEnrolled(Oid target) {
  if (pg::RunPrepared("SELECT FROM mend.enrollments WHERE target = $1", {pg::ObjectId(target)})
          .empty()) {
    ThrowNotEnrolled(target);
  }
}

}  // namespace mend::table
