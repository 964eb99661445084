#include "server/store/insert_plan.h"

#include <algorithm>

namespace mend::store {
namespace {

constexpr size_t kMaxPlans = 64;

std::string Quoted(const std::string& identifier) {
  std::string out = "\"";
  for (char c : identifier) {
    out.append(c == '"' ? 2 : 1, c);
  }
  return out + "\"";
}

// Attribute numbers of the primary key; empty when there is none that can arbitrate.
std::vector<int> PrimaryKey(Oid relid) {
  Bitmapset* key = pg::Call([&] {
    Oid constraint = InvalidOid;
    return get_primary_key_attnos(relid, false, &constraint);
  });
  std::vector<int> attnums;
  for (int member = -1; (member = bms_next_member(key, member)) >= 0;) {
    attnums.push_back(member + FirstLowInvalidHeapAttributeNumber);
  }
  return attnums;
}

// "a >= b" by the order that the column's type has, whatever the search path.
std::string IsNotLess(const plan::Column& column, const std::string& a, const std::string& b) {
  const std::string name = pg::Call([&] {
    TypeCacheEntry* type = lookup_type_cache(column.type.oid, TYPECACHE_BTREE_OPFAMILY);
    const Oid found = get_opfamily_member(type->btree_opf, type->btree_opintype,
                                          type->btree_opintype, BTGreaterEqualStrategyNumber);
    HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(found));
    if (!HeapTupleIsValid(tuple)) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                      errmsg("the column of newer_by has no order any more")));
    }
    auto* row = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
    const char* text = psprintf("%s.%s", quote_identifier(get_namespace_name(row->oprnamespace)),
                                NameStr(row->oprname));
    ReleaseSysCache(tuple);
    return text;
  });
  return a + " OPERATOR(" + name + ") " + b;
}

// Where an update is to be made at all.
std::string WhereNewer(const table::Target& target, const std::string& table) {
  const std::optional<std::string>& by = target.enrollment().newer_by;
  if (!by) {
    return {};
  }
  const plan::Column* column = target.shape().Find(*by);
  if (column == nullptr) {
    throw pg::Error(ERRCODE_UNDEFINED_COLUMN,
                    "the table has no column \"" + *by + "\", by which its rows are newer",
                    std::string("mend.configure() names another, or '' for none."));
  }
  const std::string stored = table + "." + Quoted(*by);
  return " WHERE " + stored + " IS NULL OR " +
         IsNotLess(*column, "EXCLUDED." + Quoted(*by), stored);
}

std::string OnConflictUpdate(const table::Target& target, const std::vector<int>& columns,
                             bool clears_rescued) {
  const std::vector<int> key = PrimaryKey(target.shape().relid);
  if (key.empty()) {
    return {};
  }
  const auto is_key = [&](const plan::Column& column) {
    return std::find(key.begin(), key.end(), column.attnum) != key.end();
  };
  std::string names, updates;
  for (const plan::Column& column : target.shape().columns) {
    if (is_key(column)) {
      names += (names.empty() ? "" : ", ") + Quoted(column.name);
    }
  }
  for (int index : columns) {
    const plan::Column& column = target.shape().columns[static_cast<size_t>(index)];
    if (!is_key(column) && !(clears_rescued && index == target.rescue_column())) {
      updates += (updates.empty() ? "" : ", ") + Quoted(column.name) + " = EXCLUDED." +
                 Quoted(column.name);
    }
  }
  // What fits now is not rescued any more; what the payload does not bring stays.
  const bool rescues =
      std::find(columns.begin(), columns.end(), target.rescue_column()) != columns.end();
  if (clears_rescued && (rescues || !updates.empty())) {
    const plan::Column& rescue =
        target.shape().columns[static_cast<size_t>(target.rescue_column())];
    const std::string older = "pg_mend_older." + Quoted(rescue.name);
    const std::string keys = "$" + std::to_string(columns.size() + 1);
    const std::string left = "(coalesce(" + older +
                             ", '{}'::pg_catalog.jsonb) OPERATOR(pg_catalog.-) " + keys +
                             " OPERATOR(pg_catalog.||) coalesce(EXCLUDED." + Quoted(rescue.name) +
                             ", '{}'::pg_catalog.jsonb))";
    updates += (updates.empty() ? "" : ", ") + Quoted(rescue.name) + " = CASE WHEN " + left +
               " OPERATOR(pg_catalog.<>) '{}'::pg_catalog.jsonb THEN " + left + " END";
  }
  return " ON CONFLICT (" + names + ") DO " +
         (updates.empty() ? "NOTHING"
                          : "UPDATE SET " + updates +
                                WhereNewer(target, clears_rescued ? "pg_mend_older"
                                                                  : Quoted(target.shape().name)));
}

// As a column definition: what a function that returns records gives.
std::string TypeInFull(const plan::Type& type) {
  return pg::Call([&] {
    return format_type_extended(type.oid, type.typmod,
                                FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
  });
}

std::string InsertSql(const table::Target& target, const std::vector<int>& columns, RowsFrom from,
                      const std::vector<int>& returning, bool clears_rescued) {
  const plan::Shape& shape = target.shape();
  const auto column = [&](int index) -> const plan::Column& {
    return shape.columns[static_cast<size_t>(index)];
  };
  const bool one = from == RowsFrom::Parameters;
  std::string names, values, types;
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string comma = i > 0 ? ", " : "";
    const std::string number = std::to_string(i + 1);
    names += comma + Quoted(column(columns[i]).name);
    values += comma + (one ? "$" : "c") + number;
    if (from == RowsFrom::Function || from == RowsFrom::FunctionNewKeys) {
      types += comma + "c" + number + " " + TypeInFull(column(columns[i]).type);
    }
  }
  std::string sql = "INSERT INTO " + Quoted(shape.schema) + "." + Quoted(shape.name);
  sql += clears_rescued ? " AS pg_mend_older" : "";
  sql += columns.empty() ? " DEFAULT VALUES"
         : one           ? " (" + names + ") VALUES (" + values + ")"
                         : " (" + names + ") SELECT " + values + " FROM ";
  if (from == RowsFrom::Store) {
    sql += kRowsToInsert;
  } else if (!one) {
    sql += "mend.batch_rows() AS r(" + types + ")";
  }
  if (from == RowsFrom::FunctionNewKeys) {
    std::string back;
    for (const int index : returning) {
      back += (back.empty() ? " RETURNING " : ", ") + Quoted(column(index).name);
    }
    return sql + " ON CONFLICT DO NOTHING" + back;
  }
  switch (target.enrollment().on_conflict) {
    case table::OnConflict::Ignore: return sql + " ON CONFLICT DO NOTHING";
    case table::OnConflict::Update: return sql + OnConflictUpdate(target, columns, clears_rescued);
    case table::OnConflict::DeadLetter:
    case table::OnConflict::Raise: break;
  }
  return sql;
}

}  // namespace

SavedPlan::SavedPlan(const std::string& sql, std::vector<Oid> types) {
  plan_ = pg::Call([&] {
    SPIPlanPtr plan = SPI_prepare_cursor(sql.c_str(), static_cast<int>(types.size()), types.data(),
                                         CURSOR_OPT_GENERIC_PLAN);
    if (plan == nullptr) {
      elog(ERROR, "SPI_prepare: %s", SPI_result_code_string(SPI_result));
    }
    SPI_keepplan(plan);
    return plan;
  });
}

SavedPlan::~SavedPlan() { SPI_freeplan(plan_); }

std::shared_ptr<const SavedPlan> PlanCache::Find(const table::Target& target,
                                                 const std::vector<int>& columns, RowsFrom from,
                                                 const std::vector<int>& returning,
                                                 bool clears_rescued) {
  std::string key(1, static_cast<char>(from));
  key += clears_rescued ? 'c' : '-';
  for (int column : columns) {
    key += static_cast<char>(column & 0xff);
    key += static_cast<char>(column >> 8);
  }
  if (const auto known = plans_.find(key); known != plans_.end()) {
    return known->second;
  }
  std::vector<Oid> types;
  for (int column : columns) {
    if (from == RowsFrom::Parameters) {
      types.push_back(target.shape().columns[static_cast<size_t>(column)].type.oid);
    }
  }
  if (clears_rescued) {
    types.push_back(TEXTARRAYOID);
  }
  auto plan = std::make_shared<const SavedPlan>(
      InsertSql(target, columns, from, returning, clears_rescued), std::move(types));
  if (plans_.size() >= kMaxPlans) {
    plans_.clear();
  }
  plans_.emplace(std::move(key), plan);
  return plan;
}

}  // namespace mend::store
