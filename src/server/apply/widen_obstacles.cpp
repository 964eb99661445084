// What stands in the way of a widening online.
#include <algorithm>

#include "core/plan/lattice.h"
#include "core/plan/online.h"
#include "core/plan/wording.h"
#include "server/apply/widen.h"
#include "server/citus/managed_table.h"
#include "server/guard/dependencies.h"
#include "server/guard/render.h"
#include "server/pg/spi.h"

namespace mend::apply {
namespace {

// Beyond what forbids any change of the column's type (guard::ExplainTypeLocks). The trigger that
// keeps both columns in step must fire behind all others.
constexpr const char* kObstacles =
    "SELECT CASE "
    "WHEN c.relkind = 'p' THEN 'the table is partitioned: its partitions would have to be swapped "
    "together' "
    "WHEN m.amname IS DISTINCT FROM 'heap' THEN format('its rows are kept by access method %I', "
    "m.amname) "
    "WHEN h.child IS NOT NULL THEN format('table %s inherits from it', h.child) "
    "WHEN a.attinhcount > 0 THEN 'the column is inherited from a parent table' "
    "WHEN c.relnatts >= 1600 THEN 'the table has had 1600 columns' "
    "WHEN a.attidentity <> '' AND NOT $4 THEN 'an identity column takes integers only' "
    "WHEN t.name IS NOT NULL THEN format('trigger %I would fire behind the one that keeps both "
    "columns in step', t.name) "
    "WHEN i.invalid IS NOT NULL THEN format('index %s is not valid', i.invalid) "
    "WHEN i.class IS NOT NULL THEN format('index %s uses a class of operators that is not the "
    "default one', i.class) "
    "WHEN i.tablespace IS NOT NULL THEN format('the table''s owner may not create in the "
    "tablespace of index %s', i.tablespace) "
    "WHEN i.any AND NOT has_schema_privilege(c.relowner, c.relnamespace, 'CREATE') THEN "
    "format('the table''s owner may not create indexes in schema %I', n.nspname) "
    "WHEN s.sequences > 1 THEN 'several sequences belong to it' "
    "WHEN l.labels > 0 THEN 'it has a security label' END "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am m ON m.oid = "
    "c.relam JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = $2, "
    "LATERAL (SELECT min(i.inhrelid)::regclass AS child FROM pg_inherits i WHERE i.inhparent = "
    "c.oid) h, "
    "LATERAL (SELECT min(t.tgname::text) AS name FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT "
    "t.tgisinternal AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND t.tgname > $3::name AND NOT "
    "EXISTS (SELECT FROM mend.widenings w WHERE w.trigger = t.oid)) t, "
    "LATERAL (SELECT count(*) > 0 AS any, "
    "min(x.indexrelid) FILTER (WHERE NOT x.indisvalid)::regclass AS invalid, "
    "min(x.indexrelid) FILTER (WHERE EXISTS (SELECT FROM generate_series(1, x.indnkeyatts) k JOIN "
    "pg_opclass o ON o.oid = x.indclass[k - 1] WHERE x.indkey[k - 1] = a.attnum AND NOT "
    "o.opcdefault))::regclass AS class, "
    "min(x.indexrelid) FILTER (WHERE r.reltablespace <> 0 AND NOT "
    "has_tablespace_privilege(c.relowner, nullif(r.reltablespace, 0), 'CREATE'))::regclass AS "
    "tablespace "
    "FROM pg_index x JOIN pg_class r ON r.oid = x.indexrelid WHERE x.indrelid = c.oid AND EXISTS "
    "(SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.indexrelid "
    "AND d.refclassid = d.classid AND d.refobjid = c.oid AND d.refobjsubid = a.attnum OR d.classid "
    "= 'pg_class'::regclass AND d.objid = x.indexrelid AND d.refclassid = "
    "'pg_constraint'::regclass AND a.attnum = ANY (x.indkey::int2[]))) i, "
    "LATERAL (SELECT count(*) AS sequences FROM pg_depend d JOIN pg_class q ON q.oid = d.objid AND "
    "q.relkind = 'S' WHERE d.classid = 'pg_class'::regclass AND d.refclassid = d.classid AND "
    "d.refobjid = c.oid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i')) s, "
    "LATERAL (SELECT count(*) AS labels FROM pg_seclabel b WHERE b.classoid = "
    "'pg_class'::regclass AND b.objoid = c.oid AND b.objsubid = a.attnum) l "
    "WHERE c.oid = $1";

std::string WhyNot(const table::Target& target, const plan::Column& column, const plan::Type& to,
                   bool narrows) {
  if (narrows ? !plan::CanCopy(to, column.type) : !plan::CanCopy(column.type, to)) {
    return "values of type " + column.type_text + " are not copied to " + plan::TypeText(to) +
           " row by row: only a number can be, to a wider type and back";
  }
  if (const std::string lock = narrows ? column.type_locked_by : plan::LockOf(column, to);
      !lock.empty()) {
    return lock;
  }
  if (const std::string other = column.WhyNotBecome(to); !other.empty()) {
    return "it " + other;
  }
  Widening last;
  last.attnum = column.attnum;
  const bool integer = to.oid != plan::type_oid::kNumeric;
  const pg::Rows rows =
      pg::RunPrepared(kObstacles, {pg::ObjectId(target.shape().relid), pg::Int4(column.attnum),
                                   pg::Text(last.Trigger()), pg::Bool(integer)});
  return rows.empty() ? "the column is gone" : rows.text(0, 0);
}

// What is in the way of any column of the table.
std::string WhyNotTable(const table::Target& target) {
  const Oid relid = target.shape().relid;
  if (citus::Manages(relid)) {
    return "Citus manages the table";
  }
  if (!target.enrollment().allow_published) {
    const std::vector<std::string> publications = guard::PublicationsOf(relid);
    if (!publications.empty()) {
      return "publication " + publications.front() +
             " has the table: its subscribers would stop at the second column (allow_published)";
    }
  }
  return "";
}

bool Rewrites(const plan::Shape& shape, const plan::Action& action) {
  const plan::Column* column = shape.Find(action.column);
  return plan::ChangesType(action.kind) && column != nullptr &&
         plan::Rewrites(column->type, action.type);
}

}  // namespace

const plan::Action* RewritingAction(const plan::Shape& shape, const plan::Patch& patch) {
  const auto found =
      std::find_if(patch.actions.begin(), patch.actions.end(),
                   [&](const plan::Action& action) { return Rewrites(shape, action); });
  return found == patch.actions.end() ? nullptr : &*found;
}

std::string WhyOnlineOnly(const table::Target& target, const plan::Patch& patch) {
  plan::Shape shape = target.shape();
  guard::ExplainTypeLocks(&shape);
  return plan::WhyOnlineOnly(shape, patch);
}

std::string WhyNotOnline(const table::Target& target, const plan::Patch& patch) {
  if (std::string why = WhyNotTable(target); !why.empty()) {
    return why;
  }
  plan::Shape shape = target.shape();
  guard::ExplainTypeLocks(&shape);
  for (const plan::Action& action : patch.actions) {
    if (!Rewrites(shape, action)) {
      continue;
    }
    const plan::Column& column = *shape.Find(action.column);
    if (const std::string why = WhyNot(target, column, action.type, false); !why.empty()) {
      return plan::Named("column", column.name) + ": " + why;
    }
  }
  return "";
}

std::string WhyNotNarrowed(const table::Target& target, const std::string& name,
                           const plan::Type& to) {
  if (std::string why = WhyNotTable(target); !why.empty()) {
    return why;
  }
  plan::Shape shape = target.shape();
  guard::ExplainTypeLocks(&shape);
  const plan::Column* column = shape.Find(name);
  const std::string why =
      column == nullptr ? "the column is gone" : WhyNot(target, *column, to, true);
  return why.empty() ? "" : plan::Named("column", name) + ": " + why;
}

std::string WhyNarrowedOnlineOnly(const table::Target& target, const std::string& name) {
  plan::Shape shape = target.shape();
  guard::ExplainTypeLocks(&shape);
  const plan::Column* column = shape.Find(name);
  return column == nullptr ? "" : column->online_only_by;
}

}  // namespace mend::apply
