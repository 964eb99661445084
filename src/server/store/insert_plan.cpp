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

std::string OnConflictUpdate(const table::Target& target, const std::vector<int>& columns) {
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
    if (!is_key(column)) {
      updates += (updates.empty() ? "" : ", ") + Quoted(column.name) + " = EXCLUDED." +
                 Quoted(column.name);
    }
  }
  return " ON CONFLICT (" + names + ") DO " +
         (updates.empty() ? "NOTHING" : "UPDATE SET " + updates);
}

std::string InsertSql(const table::Target& target, const std::vector<int>& columns, bool set) {
  const plan::Shape& shape = target.shape();
  std::string names, values;
  for (size_t i = 0; i < columns.size(); ++i) {
    names += (i > 0 ? ", " : "") + Quoted(shape.columns[static_cast<size_t>(columns[i])].name);
    values += (i > 0 ? ", " : "") + std::string(set ? "c" : "$") + std::to_string(i + 1);
  }
  std::string sql = "INSERT INTO " + Quoted(shape.schema) + "." + Quoted(shape.name);
  sql += columns.empty() ? " DEFAULT VALUES"
         : set           ? " (" + names + ") SELECT " + values + " FROM " + kRowsToInsert
                         : " (" + names + ") VALUES (" + values + ")";
  switch (target.enrollment().on_conflict) {
    case table::OnConflict::Ignore: return sql + " ON CONFLICT DO NOTHING";
    case table::OnConflict::Update: return sql + OnConflictUpdate(target, columns);
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
                                                 const std::vector<int>& columns) {
  return FindEither(target, columns, false);
}

std::shared_ptr<const SavedPlan> PlanCache::FindForSets(const table::Target& target,
                                                        const std::vector<int>& columns) {
  return FindEither(target, columns, true);
}

std::shared_ptr<const SavedPlan> PlanCache::FindEither(const table::Target& target,
                                                       const std::vector<int>& columns, bool set) {
  std::string key = set ? "s" : "r";
  for (int column : columns) {
    key += static_cast<char>(column & 0xff);
    key += static_cast<char>(column >> 8);
  }
  if (const auto known = plans_.find(key); known != plans_.end()) {
    return known->second;
  }
  std::vector<Oid> types;
  for (int column : columns) {
    if (!set) {
      types.push_back(target.shape().columns[static_cast<size_t>(column)].type.oid);
    }
  }
  auto plan = std::make_shared<const SavedPlan>(InsertSql(target, columns, set), std::move(types));
  if (plans_.size() >= kMaxPlans) {
    plans_.clear();
  }
  plans_.emplace(std::move(key), plan);
  return plan;
}

}  // namespace mend::store
