#include "server/apply/widening_parts.h"

#include <utility>

#include "server/pg/catalog.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"

namespace mend::apply {
namespace {

std::string Quoted(const std::string& name) { return pg::QuoteIdentifier(name); }

struct Renaming {
  int16_t from, to;
  bool seen;
};

bool RenameVars(Node* node, void* argument);

bool WalkInto(Node* node, void* argument) {
#if PG_VERSION_NUM >= 160000
  return expression_tree_walker_impl(node, RenameVars, argument);
#else
  return expression_tree_walker(
      node, reinterpret_cast<bool (*)()>(reinterpret_cast<void*>(RenameVars)), argument);
#endif
}

bool RenameVars(Node* node, void* argument) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, Var)) {
    auto* var = reinterpret_cast<Var*>(node);
    auto* renaming = static_cast<Renaming*>(argument);
    if (var->varattno == renaming->from) {
      var->varattno = renaming->to;
      var->varattnosyn = renaming->to;
      renaming->seen = true;
    }
    return false;
  }
  return WalkInto(node, argument);
}

// Expressions of a table as text, with the second column in the place of the first: PostgreSQL
// prints a column by its number, and reads the text for the types that it finds, as it does itself
// when a type changes.
class Renderer {
 public:
  Renderer(Oid relid, int16_t from, int16_t to) : relid_(relid), from_(from), to_(to) {}

  std::vector<std::string> All(const std::string& nodes) {
    std::vector<std::string> texts;
    const char* name = pg::Call([&] { return get_rel_name(relid_); });
    auto* list = pg::Call([&] { return static_cast<Node*>(stringToNode(nodes.c_str())); });
    if (IsA(list, List)) {
      const List* items = castNode(List, list);
      for (int i = 0; i < list_length(items); ++i) {
        texts.push_back(One(static_cast<Node*>(list_nth(items, i)), name));
      }
    } else {
      texts.push_back(One(list, name));
    }
    return texts;
  }
  std::string Text(const std::string& node) { return All(node).front(); }
  // Whether the last expression had the column.
  bool seen() const { return seen_; }

 private:
  std::string One(Node* node, const char* name) {
    Renaming renaming = {from_, to_, false};
    const char* text = pg::Call([&] {
      RenameVars(node, &renaming);
      return deparse_expression(node, deparse_context_for(name, relid_), false, false);
    });
    seen_ = renaming.seen;
    return text;
  }

  Oid relid_;
  int16_t from_, to_;
  bool seen_ = false;
};

std::optional<Parts> LoadColumn(const Widening& widening) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT n.nspname, c.relname, a.attname, c.relnatts, a.attnotnull, a.attidentity, "
      "(SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND "
      "d.adnum = a.attnum AND a.attgenerated = ''), "
      "CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::text END, "
      "(SELECT string_agg(quote_ident(o.option_name) || ' = ' || quote_literal(o.option_value), "
      "', ') FROM pg_options_to_table(a.attoptions) o WHERE o.option_name LIKE 'n_distinct%'), "
      "col_description(a.attrelid, a.attnum), "
      "EXISTS (SELECT FROM pg_attribute s WHERE s.attrelid = c.oid AND s.attname = $3::name AND "
      "NOT s.attisdropped), "
      "EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = $4::name), "
      "coalesce((SELECT d.objid FROM pg_depend d JOIN pg_class q ON q.oid = d.objid AND q.relkind "
      "= 'S' WHERE d.classid = 'pg_class'::regclass AND d.refclassid = d.classid AND d.refobjid = "
      "c.oid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i') ORDER BY d.objid LIMIT 1), "
      "0::oid), "
      "(SELECT k.convalidated FROM pg_constraint k WHERE k.conrelid = c.oid AND k.conname = "
      "$5::name), "
      "(SELECT k.convalidated FROM pg_constraint k WHERE k.conrelid = c.oid AND k.conname = "
      "$6::name), format_type(a.atttypid, a.atttypmod) "
      "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON "
      "a.attrelid = c.oid AND a.attnum = $2 AND NOT a.attisdropped WHERE c.oid = $1",
      {pg::ObjectId(widening.target), pg::Int4(widening.attnum), pg::Text(widening.NewColumn()),
       pg::Text(widening.Trigger()), pg::Text(widening.EqualCheck()),
       pg::Text(widening.NotNullCheck())});
  if (rows.empty()) {
    return std::nullopt;
  }
  Parts parts;
  parts.schema = Quoted(rows.text(0, 0));
  parts.table = parts.schema + "." + Quoted(rows.text(0, 1));
  parts.column = rows.text(0, 2);
  parts.last_attnum = static_cast<int16_t>(rows.int8(0, 3));
  parts.not_null = rows.boolean(0, 4);
  parts.identity = rows.text(0, 5).empty() ? '\0' : rows.text(0, 5)[0];
  parts.default_text = rows.maybe(0, 6);
  parts.statistics = rows.maybe(0, 7);
  parts.options = rows.maybe(0, 8);
  parts.comment = rows.maybe(0, 9);
  parts.second_exists = rows.boolean(0, 10);
  parts.trigger_exists = rows.boolean(0, 11);
  parts.sequence = rows.oid(0, 12);
  if (OidIsValid(parts.sequence)) {
    parts.sequence_name = pg::QualifiedName(parts.sequence);
  }
  parts.equal_exists = !rows.IsNull(0, 13);
  parts.equal_is_valid = rows.boolean(0, 13);
  parts.not_null_check_exists = !rows.IsNull(0, 14);
  parts.not_null_is_valid = rows.boolean(0, 14);
  parts.type = rows.text(0, 15);
  return parts;
}

// The keys of an index, or what it only includes.
std::string Items(const Widening& widening, Oid index, const std::vector<std::string>& expressions,
                  bool keys) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT x.indkey[k - 1]::int4, quote_ident(a.attname), "
      "(SELECT ' COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(c.collname) FROM "
      "pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE k <= x.indnkeyatts AND "
      "c.oid = x.indcollation[k - 1]), "
      "(SELECT ' ' || quote_ident(n.nspname) || '.' || quote_ident(o.opcname) || coalesce(' (' || "
      "(SELECT string_agg(quote_ident(p.option_name) || ' = ' || quote_literal(p.option_value), "
      "', ') FROM pg_options_to_table(i.attoptions) p) || ')', '') FROM pg_opclass o JOIN "
      "pg_namespace n ON n.oid = o.opcnamespace WHERE k <= x.indnkeyatts AND o.oid = x.indclass[k "
      "- 1]), "
      "CASE WHEN k <= x.indnkeyatts AND pg_indexam_has_property(r.relam, 'can_order') THEN CASE "
      "WHEN x.indoption[k - 1] & 1 <> 0 THEN ' DESC' ELSE ' ASC' END || CASE WHEN x.indoption[k - "
      "1] & 2 <> 0 THEN ' NULLS FIRST' ELSE ' NULLS LAST' END END, "
      "k <= x.indnkeyatts "
      "FROM pg_index x JOIN pg_class r ON r.oid = x.indexrelid CROSS JOIN "
      "generate_series(1, x.indnatts) k JOIN pg_attribute i ON i.attrelid = x.indexrelid AND "
      "i.attnum = k LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k "
      "- 1] WHERE x.indexrelid = $1 ORDER BY k",
      {pg::ObjectId(index)});
  std::string items;
  size_t next = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t attnum = rows.int8(i, 0);
    std::string item = attnum == 0                 ? "(" + expressions[next] + ")"
                       : attnum == widening.attnum ? Quoted(widening.NewColumn())
                                                   : rows.text(i, 1);
    // A class of operators that is the default of the former type gives way to that of the other.
    const bool same = attnum == 0 ? expressions[next + 1].empty() : attnum != widening.attnum;
    next += attnum == 0 ? 2 : 0;
    if (rows.boolean(i, 5) != keys) {
      continue;
    }
    item += rows.text(i, 2) + (same ? rows.text(i, 3) : "") + rows.text(i, 4);
    items += (items.empty() ? "" : ", ") + item;
  }
  return items;
}

// The expressions of an index, each followed by a word where it has the column.
std::vector<std::string> Expressions(const std::optional<std::string>& nodes, Renderer* renderer,
                                     const Widening& widening) {
  std::vector<std::string> texts;
  if (!nodes) {
    return texts;
  }
  Renderer plain(widening.target, 0, 0);
  const std::vector<std::string> before = plain.All(*nodes);
  const std::vector<std::string> after = renderer->All(*nodes);
  for (size_t i = 0; i < after.size(); ++i) {
    texts.push_back(after[i]);
    texts.emplace_back(before[i] == after[i] ? "" : "other");
  }
  return texts;
}

void LoadIndexes(const Widening& widening, Renderer* renderer, Parts* parts) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT x.indexrelid, c.relname, x.indisunique, quote_ident(m.amname), "
      "quote_ident(coalesce(s.spcname, (SELECT t.spcname FROM pg_database b JOIN pg_tablespace t "
      "ON t.oid = b.dattablespace WHERE b.datname = current_database()))), "
      "(SELECT string_agg(quote_ident(o.option_name) || ' = ' || quote_literal(o.option_value), "
      "', ') FROM pg_options_to_table(c.reloptions) o), "
      "coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false), x.indexprs::text, "
      "x.indpred::text, k.contype, k.condeferrable, k.condeferred, x.indisclustered, "
      "x.indisreplident, obj_description(c.oid, 'pg_class'), obj_description(k.oid, "
      "'pg_constraint') "
      "FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_am m ON m.oid = c.relam "
      "LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace LEFT JOIN pg_constraint k ON "
      "k.conindid "
      "= x.indexrelid AND k.conrelid = x.indrelid AND k.contype IN ('p', 'u', 'x') "
      "WHERE x.indrelid = $1 AND ($2 = ANY (x.indkey::int2[]) OR EXISTS (SELECT FROM pg_depend d "
      "WHERE d.classid = 'pg_class'::regclass AND d.objid = x.indexrelid AND d.refclassid = "
      "d.classid AND d.refobjid = $1 AND d.refobjsubid = $2)) ORDER BY x.indisprimary DESC, "
      "x.indexrelid",
      {pg::ObjectId(widening.target), pg::Int4(widening.attnum)});
  for (size_t i = 0; i < rows.size(); ++i) {
    IndexPart part;
    part.oid = rows.oid(i, 0);
    part.name = rows.text(i, 1);
    part.clone = widening.CloneOf(part.oid);
    const std::vector<std::string> expressions = Expressions(rows.maybe(i, 7), renderer, widening);
    const std::string keys = Items(widening, part.oid, expressions, true);
    const std::string included = Items(widening, part.oid, expressions, false);
    part.create =
        std::string("CREATE ") + (rows.boolean(i, 2) ? "UNIQUE " : "") + "INDEX CONCURRENTLY " +
        Quoted(part.clone) + " ON " + parts->table + " USING " + rows.text(i, 3) + " (" + keys +
        ")" + (included.empty() ? "" : " INCLUDE (" + included + ")") +
        (rows.boolean(i, 6) ? " NULLS NOT DISTINCT" : "") +
        (rows.IsNull(i, 5) ? "" : " WITH (" + rows.text(i, 5) + ")") + " TABLESPACE " +
        rows.text(i, 4) + (rows.IsNull(i, 8) ? "" : " WHERE " + renderer->Text(rows.text(i, 8)));
    part.constraint = rows.IsNull(i, 9) ? '\0' : rows.text(i, 9)[0];
    part.deferrable = rows.boolean(i, 10);
    part.deferred = rows.boolean(i, 11);
    part.clustered = rows.boolean(i, 12);
    part.identifies_rows = rows.boolean(i, 13);
    part.comment = rows.maybe(i, 14);
    part.constraint_comment = rows.maybe(i, 15);
    parts->indexes.push_back(std::move(part));
  }
}

void LoadClones(const Widening& widening, Parts* parts) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT c.relname, x.indisvalid AND x.indisready FROM pg_index x JOIN pg_class c ON c.oid = "
      "x.indexrelid WHERE x.indrelid = $1 AND starts_with(c.relname, $2)",
      {pg::ObjectId(widening.target), pg::Text(widening.CloneOf())});
  for (size_t i = 0; i < rows.size(); ++i) {
    bool found = false;
    for (IndexPart& part : parts->indexes) {
      if (part.clone == rows.text(i, 0)) {
        part.clone_exists = found = true;
        part.clone_is_valid = rows.boolean(i, 1);
      }
    }
    if (!found) {
      parts->lost_clones.push_back(rows.text(i, 0));
    }
  }
}

void LoadChecks(const Widening& widening, Renderer* renderer, Parts* parts) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT k.oid, k.conname, k.conbin::text, k.connoinherit, k.convalidated, "
      "obj_description(k.oid, 'pg_constraint') FROM pg_constraint k WHERE k.conrelid = $1 AND "
      "k.contype = 'c' AND $2 = ANY (k.conkey) AND NOT starts_with(k.conname, $3) ORDER BY k.oid",
      {pg::ObjectId(widening.target), pg::Int4(widening.attnum),
       pg::Text("mend_widening_" + std::to_string(widening.patch) + "_")});
  for (size_t i = 0; i < rows.size(); ++i) {
    ConstraintPart part;
    part.oid = rows.oid(i, 0);
    part.name = rows.text(i, 1);
    part.clone = widening.CloneOf(part.oid);
    part.add = "ADD CONSTRAINT " + Quoted(part.clone) + " CHECK (" +
               renderer->Text(rows.text(i, 2)) + ")" + (rows.boolean(i, 3) ? " NO INHERIT" : "") +
               " NOT VALID";
    part.validated = rows.boolean(i, 4);
    part.comment = rows.maybe(i, 5);
    const pg::Rows clone = pg::RunPrepared(
        "SELECT convalidated FROM pg_constraint WHERE conrelid = $1 AND conname = $2::name",
        {pg::ObjectId(widening.target), pg::Text(part.clone)});
    part.clone_exists = !clone.empty();
    part.clone_is_valid = part.clone_exists && clone.boolean(0, 0);
    parts->checks.push_back(std::move(part));
  }
}

void LoadForeignKeys(const Widening& widening, Parts* parts) {
  // What PostgreSQL prints, with other columns.
  const pg::Rows rows = pg::RunPrepared(
      "SELECT k.oid, k.conname, 'FOREIGN KEY (' || string_agg(quote_ident(CASE WHEN a.attnum = $2 "
      "THEN $3::name ELSE a.attname END), ', ' ORDER BY c.n) || ') ' || "
      "substr(pg_get_constraintdef(k.oid), length('FOREIGN KEY (' || "
      "string_agg(quote_ident(a.attname), ', ' ORDER BY c.n) || ') ') + 1), k.convalidated, "
      "obj_description(k.oid, 'pg_constraint'), n.oid IS NOT NULL, coalesce(n.convalidated, false) "
      "FROM pg_constraint k CROSS JOIN unnest(k.conkey) WITH ORDINALITY c (attnum, n) JOIN "
      "pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.attnum LEFT JOIN pg_constraint n "
      "ON n.conrelid = k.conrelid AND n.conname = ($4 || k.oid)::name "
      "WHERE k.conrelid = $1 AND k.contype = 'f' AND $2 = ANY (k.conkey) GROUP BY k.oid, "
      "k.conname, k.convalidated, n.oid, n.convalidated ORDER BY k.oid",
      {pg::ObjectId(widening.target), pg::Int4(widening.attnum), pg::Text(widening.NewColumn()),
       pg::Text(widening.CloneOf())});
  for (size_t i = 0; i < rows.size(); ++i) {
    ConstraintPart part;
    part.oid = rows.oid(i, 0);
    part.name = rows.text(i, 1);
    part.clone = widening.CloneOf(part.oid);
    part.validated = rows.boolean(i, 3);
    // That of one which was never validated says so itself.
    part.add = "ADD CONSTRAINT " + Quoted(part.clone) + " " + rows.text(i, 2) +
               (part.validated ? " NOT VALID" : "");
    part.comment = rows.maybe(i, 4);
    part.clone_exists = rows.boolean(i, 5);
    part.clone_is_valid = rows.boolean(i, 6);
    parts->foreign_keys.push_back(std::move(part));
  }
}

// What is gathered, but for expressions, which say so themselves.
std::string KindsOf(const std::string& letters) {
  std::string kinds;
  for (const auto& [letter, kind] :
       {std::pair('d', "ndistinct"), std::pair('f', "dependencies"), std::pair('m', "mcv")}) {
    if (letters.find(letter) != std::string::npos) {
      kinds += (kinds.empty() ? "" : ", ") + std::string(kind);
    }
  }
  return kinds.empty() ? "" : " (" + kinds + ")";
}

std::vector<std::string> ColumnsOf(const Widening& widening, Oid statistics) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT quote_ident(CASE WHEN a.attnum = $2 THEN $3::name ELSE a.attname END) FROM "
      "pg_statistic_ext s JOIN pg_attribute a ON a.attrelid = s.stxrelid AND a.attnum = ANY "
      "(s.stxkeys::int2[]) WHERE s.oid = $1 ORDER BY a.attnum",
      {pg::ObjectId(statistics), pg::Int4(widening.attnum), pg::Text(widening.NewColumn())});
  std::vector<std::string> columns;
  for (size_t i = 0; i < rows.size(); ++i) {
    columns.push_back(rows.text(i, 0));
  }
  return columns;
}

void LoadStatistics(const Widening& widening, Renderer* renderer, Parts* parts) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT s.oid, s.stxname, s.stxnamespace, quote_ident(n.nspname), array_to_string(s.stxkind, "
      "''), s.stxexprs::text, CASE WHEN s.stxstattarget >= 0 THEN s.stxstattarget::text END, "
      "obj_description(s.oid, 'pg_statistic_ext'), c.oid IS NOT NULL "
      "FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace LEFT JOIN "
      "pg_statistic_ext c ON c.stxnamespace = s.stxnamespace AND c.stxname = ($3 || s.oid)::name "
      "WHERE s.stxrelid = $1 AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = "
      "'pg_statistic_ext'::regclass AND d.objid = s.oid AND d.refclassid = 'pg_class'::regclass "
      "AND "
      "d.refobjid = $1 AND d.refobjsubid = $2) ORDER BY s.oid",
      {pg::ObjectId(widening.target), pg::Int4(widening.attnum), pg::Text(widening.CloneOf())});
  for (size_t i = 0; i < rows.size(); ++i) {
    StatisticsPart part;
    part.oid = rows.oid(i, 0);
    part.name = rows.text(i, 1);
    part.schema = rows.oid(i, 2);
    part.in_schema = rows.text(i, 3);
    part.clone = widening.CloneOf(part.oid);
    part.target = rows.maybe(i, 6);
    part.comment = rows.maybe(i, 7);
    part.clone_exists = rows.boolean(i, 8);
    part.columns = ColumnsOf(widening, part.oid);
    std::string items;
    for (const std::string& column : part.columns) {
      items += (items.empty() ? "" : ", ") + column;
    }
    if (!rows.IsNull(i, 5)) {
      for (const std::string& expression : renderer->All(rows.text(i, 5))) {
        items += (items.empty() ? "(" : ", (") + expression + ")";
      }
    }
    part.create = "CREATE STATISTICS " + part.in_schema + "." + Quoted(part.clone) +
                  KindsOf(rows.text(i, 4)) + " ON " + items + " FROM " + parts->table;
    parts->extended.push_back(std::move(part));
  }
}

}  // namespace

std::optional<Parts> LoadParts(const Widening& widening) {
  std::optional<Parts> parts = LoadColumn(widening);
  if (!parts) {
    return std::nullopt;
  }
  // Before there is a second column, nothing is made of what is rendered.
  const bool there = widening.new_attnum > 0 && parts->second_exists;
  const pg::PinnedSearchPath path;
  Renderer renderer(widening.target, widening.attnum,
                    there ? widening.new_attnum : widening.attnum);
  LoadIndexes(widening, &renderer, &*parts);
  LoadClones(widening, &*parts);
  LoadChecks(widening, &renderer, &*parts);
  LoadForeignKeys(widening, &*parts);
  LoadStatistics(widening, &renderer, &*parts);
  return parts;
}

std::vector<Oid> ReferencedTables(Oid target, int16_t attnum) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT DISTINCT k.confrelid FROM pg_constraint k WHERE k.conrelid = $1 AND k.contype = 'f' "
      "AND $2 = ANY (k.conkey) AND k.confrelid <> $1 ORDER BY 1",
      {pg::ObjectId(target), pg::Int4(attnum)});
  std::vector<Oid> tables;
  for (size_t i = 0; i < rows.size(); ++i) {
    tables.push_back(rows.oid(i, 0));
  }
  return tables;
}

}  // namespace mend::apply
