#include "server/store/insert_plan.h"

#include <algorithm>
#include <functional>

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

// "a >= b" or "a = b" by the order that the column's type has, whatever the search path.
std::string Compare(const plan::Column& column, StrategyNumber how, const std::string& a,
                    const std::string& b) {
  const std::string name = pg::Call([&] {
    TypeCacheEntry* type = lookup_type_cache(column.type.oid, TYPECACHE_BTREE_OPFAMILY);
    const Oid found = get_opfamily_member(type->btree_opf, type->btree_opintype,
                                          type->btree_opintype, static_cast<int16>(how));
    HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(found));
    if (!HeapTupleIsValid(tuple)) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                      errmsg("the values of column %s have no order any more",
                             quote_identifier(column.name.c_str()))));
    }
    auto* row = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
    const char* text = psprintf("%s.%s", quote_identifier(get_namespace_name(row->oprnamespace)),
                                NameStr(row->oprname));
    ReleaseSysCache(tuple);
    return text;
  });
  return a + " OPERATOR(" + name + ") " + b;
}

// What a statement calls the value that a row brings for a column; empty: it brings none.
using ValueOf = std::function<std::string(int column)>;

// When an update is to be made at all; empty: always.
std::string IsNewer(const table::Target& target, const std::string& table, const ValueOf& brings) {
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
  const std::string brought = brings(static_cast<int>(column - target.shape().columns.data()));
  return "(" + stored + " IS NULL" +
         (brought.empty()
              ? ""
              : " OR " + Compare(*column, BTGreaterEqualStrategyNumber, brought, stored)) +
         ")";
}

bool IsKey(const std::vector<int>& key, const plan::Column& column) {
  return std::find(key.begin(), key.end(), column.attnum) != key.end();
}

// What an update sets: what the row brings beside the key.
std::string Updates(const table::Target& target, const std::vector<int>& key,
                    const std::vector<int>& columns, bool clears_rescued, const ValueOf& brings) {
  std::string updates;
  for (int index : columns) {
    const plan::Column& column = target.shape().columns[static_cast<size_t>(index)];
    if (!IsKey(key, column) && !(clears_rescued && index == target.rescue_column())) {
      updates += (updates.empty() ? "" : ", ") + Quoted(column.name) + " = " + brings(index);
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
    const std::string left =
        "(coalesce(" + older + ", '{}'::pg_catalog.jsonb) OPERATOR(pg_catalog.-) " + keys +
        " OPERATOR(pg_catalog.||) coalesce(" + (rescues ? brings(target.rescue_column()) : "NULL") +
        ", '{}'::pg_catalog.jsonb))";
    updates += (updates.empty() ? "" : ", ") + Quoted(rescue.name) + " = CASE WHEN " + left +
               " OPERATOR(pg_catalog.<>) '{}'::pg_catalog.jsonb THEN " + left + " END";
  }
  return updates;
}

std::string OnConflictUpdate(const table::Target& target, const std::vector<int>& columns,
                             bool clears_rescued) {
  const std::vector<int> key = PrimaryKey(target.shape().relid);
  if (key.empty()) {
    return {};
  }
  std::string names;
  for (const plan::Column& column : target.shape().columns) {
    if (IsKey(key, column)) {
      names += (names.empty() ? "" : ", ") + Quoted(column.name);
    }
  }
  const ValueOf brings = [&](int index) {
    return "EXCLUDED." + Quoted(target.shape().columns[static_cast<size_t>(index)].name);
  };
  const std::string updates = Updates(target, key, columns, clears_rescued, brings);
  if (updates.empty()) {
    return " ON CONFLICT (" + names + ") DO NOTHING";
  }
  const std::string newer =
      IsNewer(target, clears_rescued ? "pg_mend_older" : Quoted(target.shape().name), brings);
  return " ON CONFLICT (" + names + ") DO UPDATE SET " + updates +
         (newer.empty() ? "" : " WHERE " + newer);
}

ValueOf Parameters(const std::vector<int>& columns) {
  return [&](int index) {
    const auto found = std::find(columns.begin(), columns.end(), index);
    return found == columns.end() ? std::string()
                                  : "$" + std::to_string(found - columns.begin() + 1);
  };
}

std::string Table(const table::Target& target) {
  return Quoted(target.shape().schema) + "." + Quoted(target.shape().name) + " AS pg_mend_older";
}

// That a row is the one whose key is brought.
std::string HasKey(const table::Target& target, const std::vector<int>& key,
                   const ValueOf& brings) {
  std::string has;
  for (size_t i = 0; i < target.shape().columns.size(); ++i) {
    const plan::Column& column = target.shape().columns[i];
    if (IsKey(key, column)) {
      has += (has.empty() ? "" : " AND ") + Compare(column, BTEqualStrategyNumber,
                                                    "pg_mend_older." + Quoted(column.name),
                                                    brings(static_cast<int>(i)));
    }
  }
  return has;
}

std::vector<Oid> TypesOf(const table::Target& target, const std::vector<int>& columns) {
  std::vector<Oid> types;
  types.reserve(columns.size() + 1);
  for (int column : columns) {
    types.push_back(target.shape().columns[static_cast<size_t>(column)].type.oid);
  }
  return types;
}

std::string NameOf(char kind, const std::vector<int>& columns, bool clears_rescued) {
  std::string name(1, kind);
  name += clears_rescued ? 'c' : '-';
  for (int column : columns) {
    name += static_cast<char>(column & 0xff);
    name += static_cast<char>(column >> 8);
  }
  return name;
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
  const std::string name = NameOf(static_cast<char>(from), columns, clears_rescued);
  if (const auto known = plans_.find(name); known != plans_.end()) {
    return known->second;
  }
  std::vector<Oid> types;
  if (from == RowsFrom::Parameters) {
    types = TypesOf(target, columns);
  }
  if (clears_rescued) {
    types.push_back(TEXTARRAYOID);
  }
  return Keep(name, InsertSql(target, columns, from, returning, clears_rescued), std::move(types));
}

std::shared_ptr<const SavedPlan> PlanCache::FindUpdate(const table::Target& target,
                                                       const std::vector<int>& columns,
                                                       bool clears_rescued) {
  const std::string name = NameOf('u', columns, clears_rescued);
  if (const auto known = plans_.find(name); known != plans_.end()) {
    return known->second;
  }
  const std::vector<int> key = PrimaryKey(target.shape().relid);
  const ValueOf brings = Parameters(columns);
  const std::string updates = Updates(target, key, columns, clears_rescued, brings);
  if (updates.empty()) {
    return nullptr;
  }
  const std::string newer = IsNewer(target, "pg_mend_older", brings);
  std::vector<Oid> types = TypesOf(target, columns);
  if (clears_rescued) {
    types.push_back(TEXTARRAYOID);
  }
  return Keep(name,
              "UPDATE " + Table(target) + " SET " + updates + " WHERE " +
                  HasKey(target, key, brings) + (newer.empty() ? "" : " AND " + newer),
              std::move(types));
}

std::shared_ptr<const SavedPlan> PlanCache::FindLook(const table::Target& target,
                                                     const std::vector<int>& columns) {
  const std::string name = NameOf('l', columns, false);
  if (const auto known = plans_.find(name); known != plans_.end()) {
    return known->second;
  }
  return Keep(name,
              "SELECT FROM " + Table(target) + " WHERE " +
                  HasKey(target, PrimaryKey(target.shape().relid), Parameters(columns)),
              TypesOf(target, columns));
}

std::shared_ptr<const SavedPlan> PlanCache::Keep(const std::string& name, const std::string& sql,
                                                 std::vector<Oid> types) {
  auto plan = std::make_shared<const SavedPlan>(sql, std::move(types));
  if (plans_.size() >= kMaxPlans) {
    plans_.clear();
  }
  plans_.emplace(name, plan);
  return plan;
}

}  // namespace mend::store
