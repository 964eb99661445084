#include "server/guard/dependencies.h"

#include "server/citus/managed_table.h"
#include "server/pg/spi.h"

namespace mend::guard {
namespace {

// Every object that depends on a column of the table, or on that column in one of its partitions
// and children. Two kinds of dependence do not count: a column's own default, and a plain key
// column of an index (PostgreSQL rebuilds both). An index records its expressions and predicate
// apart from its key columns, so a second row for one column is an expression's.
constexpr const char* kDependents =
    "WITH RECURSIVE family AS ("
    "  SELECT $1 AS relid"
    "  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = "
    "f.relid),"
    " dependents AS ("
    "  SELECT a.attname, a.attnum, a.attrelid, a.atttypid, d.classid, d.objid, d.objsubid, "
    "d.deptype, "
    "pg_catalog.count(*) AS times"
    "  FROM family f JOIN pg_catalog.pg_attribute a ON a.attrelid = f.relid AND a.attnum > 0 AND "
    "NOT a.attisdropped"
    "  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    "                             AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum"
    "  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8) "
    "SELECT d.attname, CASE"
    "  WHEN d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass THEN"
    "    (SELECT CASE v.relkind WHEN 'v' THEN 'view ' || v.oid::pg_catalog.regclass"
    "                           WHEN 'm' THEN 'materialized view ' || v.oid::pg_catalog.regclass"
    "                           ELSE 'rule ' || pg_catalog.quote_ident(r.rulename) || ' on ' || "
    "v.oid::pg_catalog.regclass"
    "            END || ' uses it'"
    "     FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class v ON v.oid = r.ev_class WHERE "
    "r.oid = d.objid)"
    "  WHEN d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass THEN"
    "    (SELECT CASE WHEN g.adnum = d.attnum AND g.adrelid = d.attrelid THEN NULL"
    "            ELSE 'generated column ' || pg_catalog.quote_ident(c.attname) || ' is computed "
    "from it' END"
    "     FROM pg_catalog.pg_attrdef g JOIN pg_catalog.pg_attribute c ON c.attrelid = g.adrelid "
    "AND c.attnum = g.adnum"
    "     WHERE g.oid = d.objid)"
    "  WHEN d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass THEN"
    "    (SELECT CASE c.contype WHEN 'f' THEN 'foreign key ' WHEN 'c' THEN 'CHECK constraint '"
    "                           WHEN 'x' THEN 'exclusion constraint ' END"
    "            || pg_catalog.quote_ident(c.conname) || ' of ' || c.conrelid::pg_catalog.regclass "
    "|| ' names it'"
    "     FROM pg_catalog.pg_constraint c WHERE c.oid = d.objid)"
    "  WHEN d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass THEN"
    "    (SELECT CASE WHEN c.oid = d.attrelid THEN 'the partition key names it'"
    "                 WHEN c.relkind = 'S' THEN NULL"
    "                 WHEN c.relkind IN ('i', 'I') AND d.times ="
    "                      (d.attnum = ANY (x.indkey::pg_catalog.int2[]))::pg_catalog.int4 THEN "
    "NULL"
    "                 WHEN c.relkind IN ('i', 'I') THEN 'index ' || c.oid::pg_catalog.regclass || "
    "' computes with it'"
    "                 ELSE c.oid::pg_catalog.regclass || ' depends on it' END"
    "     FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = c.oid WHERE "
    "c.oid = d.objid)"
    "  ELSE pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) || ' names it' END AS "
    "why, "
    // What holds it at its type, and what only a change of the family, or ALTER TABLE, finds in its
    // way. A CHECK, or an index of numbers, is carried over with built-in functions and operators
    // alone: no others are recorded.
    "CASE WHEN (d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass"
    "   AND EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.oid = d.objid AND c.contype = "
    "'c')"
    "   OR d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    "   AND d.atttypid IN (20, 21, 23, 700, 701, 1700)"
    "   AND EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid = d.objid))"
    "  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend x WHERE x.classid = d.classid"
    "                  AND x.objid = d.objid"
    "                  AND x.refclassid <> 'pg_catalog.pg_class'::pg_catalog.regclass) THEN "
    "'family'"
    " WHEN d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass"
    "  AND d.atttypid IN (20, 21, 23)"
    "  AND EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.oid = d.objid AND c.contype = "
    "'f'"
    "              AND c.conrelid = $1 AND d.attrelid = $1 AND c.conparentid = 0"
    "              AND d.attnum = ANY (c.conkey) AND c.confdelsetcols IS NULL"
    "              AND NOT (c.confrelid = $1 AND d.attnum = ANY (c.confkey))) THEN 'refers'"
    " WHEN d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass"
    "  AND EXISTS (SELECT FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_class t ON t.oid = "
    "s.stxrelid"
    "              WHERE s.oid = d.objid AND t.oid = $1 AND t.relowner = s.stxowner"
    "              AND pg_catalog.has_schema_privilege(s.stxowner, s.stxnamespace, 'CREATE'))"
    "  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend x WHERE x.classid = d.classid"
    "                  AND x.objid = d.objid AND x.refclassid NOT IN"
    "                  ('pg_catalog.pg_class'::pg_catalog.regclass, "
    "'pg_catalog.pg_namespace'::pg_catalog.regclass)) THEN 'online'"
    " WHEN d.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass AND d.times = 1"
    "  AND EXISTS (SELECT FROM pg_catalog.pg_publication_rel r WHERE r.oid = d.objid AND r.prrelid "
    "= $1"
    "              AND d.attnum = ANY (r.prattrs::pg_catalog.int2[])) THEN 'online'"
    " ELSE 'type' END AS hold "
    "FROM dependents d ORDER BY 1, 2";

// Facts of the columns themselves.
constexpr const char* kOwnReasons =
    "WITH RECURSIVE family AS ("
    "  SELECT $1 AS relid"
    "  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = "
    "f.relid) "
    "SELECT a.attname, CASE"
    "  WHEN a.attgenerated <> '' THEN 'it is a generated column'"
    "  WHEN t.typtype = 'd' THEN 'its type is the domain ' || pg_catalog.format_type(t.oid, NULL)"
    "  WHEN a.attinhcount > 0 THEN 'it is inherited from a parent table'"
    "  WHEN EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p, family f"
    "               JOIN pg_catalog.pg_attribute k ON k.attrelid = f.relid AND k.attname = "
    "a.attname"
    "               WHERE p.partrelid = f.relid AND k.attnum = ANY "
    "(p.partattrs::pg_catalog.int2[]))"
    "    THEN 'the partition key names it'"
    "  WHEN EXISTS (SELECT FROM family f JOIN pg_catalog.pg_attribute k ON k.attrelid = f.relid"
    "               WHERE k.attname = a.attname AND k.attinhcount > 1)"
    "    THEN 'a child table inherits it from several parents'"
    "  WHEN a.attcollation NOT IN (0, 100)"
    "    THEN 'its collation ' || a.attcollation::pg_catalog.regcollation || ' would be lost'"
    "  WHEN o.child IS NOT NULL THEN 'its storage or compression in ' || o.child || ' would be "
    "lost'"
    "  WHEN x.index IS NOT NULL THEN 'what is set for ' || x.index || ' alone, the index of a "
    "partition, would be lost'"
    "  WHEN c.used_by IS NOT NULL THEN c.used_by END AS why, 'type' AS hold "
    "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid,"
    " LATERAL (SELECT pg_catalog.min(u.attrelid::pg_catalog.regclass || '.' || "
    "pg_catalog.quote_ident(u.attname)"
    "                 || ' has the type of whole rows of the table') AS used_by"
    "          FROM family f JOIN pg_catalog.pg_class r ON r.oid = f.relid"
    "          JOIN pg_catalog.pg_type y ON y.oid = r.reltype"
    "          JOIN pg_catalog.pg_attribute u ON u.atttypid IN (y.oid, y.typarray) AND NOT "
    "u.attisdropped"
    "          JOIN pg_catalog.pg_class o ON o.oid = u.attrelid AND o.relkind IN ('r', 'm', 'p')) "
    "c,"
    " LATERAL (SELECT pg_catalog.min(f.relid::pg_catalog.regclass::pg_catalog.text) AS child"
    "          FROM family f JOIN pg_catalog.pg_attribute k ON k.attrelid = f.relid AND k.attname "
    "= a.attname"
    "          WHERE (k.attstorage, k.attcompression) <> (a.attstorage, a.attcompression)) o,"
    // PostgreSQL makes the indexes of partitions anew from that of the whole, and forgets what they
    // had of their own.
    " LATERAL (SELECT pg_catalog.min(i.indexrelid::pg_catalog.regclass::pg_catalog.text) AS index"
    "          FROM family f JOIN pg_catalog.pg_attribute k ON k.attrelid = f.relid AND k.attname "
    "= a.attname"
    "          JOIN pg_catalog.pg_index i ON i.indrelid = f.relid AND k.attnum = ANY "
    "(i.indkey::pg_catalog.int2[])"
    "          JOIN pg_catalog.pg_class n ON n.oid = i.indexrelid AND n.relispartition"
    "          JOIN pg_catalog.pg_inherits h ON h.inhrelid = n.oid JOIN pg_catalog.pg_class w ON "
    "w.oid = h.inhparent"
    "          WHERE i.indisclustered OR i.indisreplident OR n.reltablespace <> w.reltablespace"
    "             OR n.reloptions IS DISTINCT FROM w.reloptions) x "
    "WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped "
    "UNION ALL "
    "SELECT a.attname, 'it is an identity column', 'family' FROM pg_catalog.pg_attribute a "
    "WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity <> ''";

void Note(plan::Shape* shape, const pg::Rows& rows) {
  for (size_t row = 0; row < rows.size(); ++row) {
    if (rows.IsNull(row, 1)) {
      continue;
    }
    const std::string hold = rows.text(row, 2);
    for (plan::Column& column : shape->columns) {
      if (column.name != rows.text(row, 0)) {
        continue;
      }
      column.refers = column.refers || hold == "refers";
      std::string& held_by = hold == "family" ? column.family_locked_by
                             : hold == "type" ? column.type_locked_by
                                              : column.online_only_by;
      if (held_by.empty()) {
        held_by = rows.text(row, 1);
      }
    }
  }
}

// Only a person can change the type that rows are hashed by.
std::string DistributedBy(const plan::Shape& shape, const plan::Column& column) {
  const bool integer =
      column.type.oid == plan::type_oid::kInt2 || column.type.oid == plan::type_oid::kInt4;
  const std::string name = shape.QualifiedName();
  const std::string table = pg::Call([&] { return quote_literal_cstr(name.c_str()); });
  return "Citus distributes the table by it: undistribute_table(" + table +
         "), ALTER COLUMN ... TYPE" + (integer ? " bigint" : "") +
         ", and create_distributed_table() change it";
}

}  // namespace

void ExplainTypeLocks(plan::Shape* shape) {
  for (plan::Column& column : shape->columns) {
    column.type_locked_by.clear();
    column.family_locked_by.clear();
    column.online_only_by.clear();
    column.refers = false;
  }
  const int16_t distributed_by = citus::FindManagedTable(shape->relid).distribution_column;
  for (plan::Column& column : shape->columns) {
    if (distributed_by != 0 && column.attnum == distributed_by) {
      column.type_locked_by = DistributedBy(*shape, column);
    }
  }
  Note(shape, pg::RunPrepared(kOwnReasons, {pg::ObjectId(shape->relid)}));
  Note(shape, pg::RunPrepared(kDependents, {pg::ObjectId(shape->relid)}));
}

std::string KeyOver(uint32_t relid, int16_t attnum) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT CASE WHEN indisprimary THEN 'the primary key ' WHEN indisexclusion THEN 'the "
      "exclusion constraint '"
      "       ELSE 'the unique index ' END || indexrelid::pg_catalog.regclass "
      "FROM pg_catalog.pg_index WHERE indrelid = $1 AND (indisunique OR indisexclusion)"
      "  AND $2 = ANY (indkey::pg_catalog.int2[]) ORDER BY indisprimary DESC, indexrelid LIMIT 1",
      {pg::ObjectId(relid), pg::Int4(attnum)});
  return rows.empty() ? "" : rows.text(0, 0);
}

std::string NotNullHolder(uint32_t relid, int16_t attnum) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT CASE WHEN indisprimary THEN 'the primary key ' ELSE 'the replica identity ' END"
      "       || indexrelid::pg_catalog.regclass "
      "FROM pg_catalog.pg_index WHERE indrelid = $1 AND (indisprimary OR indisreplident)"
      "  AND $2 = ANY (indkey::pg_catalog.int2[]) "
      "UNION ALL SELECT 'the partition key' FROM pg_catalog.pg_partitioned_table"
      " WHERE partrelid = $1 AND $2 = ANY (partattrs::pg_catalog.int2[]) LIMIT 1",
      {pg::ObjectId(relid), pg::Int4(attnum)});
  if (rows.empty() && citus::FindManagedTable(relid).distribution_column == attnum) {
    return "the distribution of Citus";
  }
  return rows.empty() ? "" : rows.text(0, 0);
}

std::string UnlikeChild(uint32_t relid, int16_t attnum, plan::ActionKind change) {
  // pg_get_expr() locks the table whose expression it prints: of no other table than the family's.
  const pg::Rows rows = pg::RunPrepared(
      "WITH RECURSIVE family AS ("
      "  SELECT $1 AS relid"
      "  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = "
      "f.relid) "
      "SELECT k.attrelid::pg_catalog.regclass FROM pg_catalog.pg_attribute a"
      " JOIN family f ON f.relid <> a.attrelid"
      " CROSS JOIN LATERAL (SELECT k.* FROM pg_catalog.pg_attribute k"
      "   WHERE k.attrelid = f.relid AND k.attname = a.attname OFFSET 0) k"
      " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
      " LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = k.attrelid AND e.adnum = k.attnum "
      "WHERE a.attrelid = $1 AND a.attnum = $2 AND CASE WHEN $3 THEN k.attnotnull <> a.attnotnull"
      " ELSE pg_catalog.pg_get_expr(e.adbin, e.adrelid) IS DISTINCT FROM "
      "pg_catalog.pg_get_expr(d.adbin, d.adrelid) END "
      "ORDER BY 1 LIMIT 1",
      {pg::ObjectId(relid), pg::Int4(attnum), pg::Bool(change == plan::ActionKind::DropNotNull)});
  return rows.empty() ? "" : rows.text(0, 0);
}

std::vector<std::string> PublicationsOf(uint32_t relid) {
  const pg::Rows rows = pg::RunPrepared(
      "WITH RECURSIVE below AS ("
      "  SELECT $1 AS relid"
      "  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN below b ON i.inhparent = "
      "b.relid),"
      " family AS ("
      "  SELECT relid FROM below"
      "  UNION SELECT a.relid FROM pg_catalog.pg_partition_ancestors($1) a) "
      "SELECT p.pubname FROM pg_catalog.pg_publication p "
      "WHERE EXISTS (SELECT FROM family f JOIN pg_catalog.pg_class c ON c.oid = f.relid"
      "              WHERE c.relpersistence = 'p'"
      "                AND (p.puballtables"
      "                  OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel r"
      "                             WHERE r.prpubid = p.oid AND r.prrelid = c.oid)"
      "                  OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace n"
      "                             WHERE n.pnpubid = p.oid AND n.pnnspid = c.relnamespace))) "
      "ORDER BY 1",
      {pg::ObjectId(relid)});
  std::vector<std::string> names;
  for (size_t row = 0; row < rows.size(); ++row) {
    names.push_back(rows.text(row, 0));
  }
  return names;
}

}  // namespace mend::guard
