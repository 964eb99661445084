#include "server/apply/stored_keys.h"

#include <map>
#include <optional>

#include "server/apply/count_as_owner.h"
#include "server/pg/catalog.h"

namespace mend::apply {
namespace {

constexpr int kMaxKeys = 16;

// A scalar as the text that its column's type takes.
std::optional<std::string_view> TextOf(const json::Value& value) {
  switch (value.kind()) {
    case json::Kind::String:
    case json::Kind::Number:
    case json::Kind::True:
    case json::Kind::False: return value.text();
    default: return std::nullopt;
  }
}

}  // namespace

StoredKeys::StoredKeys(const table::Target& target, const std::vector<char>& touched)
    : target_(target) {
  Load(touched);
}

// Keys of built-in types alone, whose operator = is PostgreSQL's.
void StoredKeys::Load(const std::vector<char>& touched) {
  const table::OnConflict on_conflict = target_.enrollment().on_conflict;
  const bool duplicates =
      on_conflict == table::OnConflict::DeadLetter || on_conflict == table::OnConflict::Ignore;
  const pg::Rows rows = pg::RunPrepared(
      "SELECT k.id::int8, k.relation, k.referred, a.attname, quote_ident(r.attname), "
      "format_type(r.atttypid, NULL), r.atttypid < 16384 "
      "FROM (SELECT indexrelid AS id, indrelid AS relation, false AS referred, "
      "(indkey::int2[])[0:indnkeyatts - 1] AS columns, (indkey::int2[])[0:indnkeyatts - 1] AS "
      "there "
      "FROM pg_index WHERE indrelid = $1 AND indisunique AND indisvalid AND indpred IS NULL AND "
      "indexprs IS NULL AND $2 UNION ALL "
      "SELECT oid, confrelid, true, conkey, confkey FROM pg_constraint WHERE conrelid = $1 AND "
      "contype = 'f' AND confrelid <> conrelid) k "
      "CROSS JOIN unnest(k.columns, k.there) c (attnum, there) "
      "JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = c.attnum "
      "JOIN pg_attribute r ON r.attrelid = k.relation AND r.attnum = c.there ORDER BY k.id",
      {pg::ObjectId(target_.shape().relid), pg::Bool(duplicates)});
  std::map<int64_t, Key> keys;
  std::map<int64_t, bool> unfit;
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t id = rows.int8(i, 0);
    Key& key = keys[id];
    key.relation = rows.oid(i, 1);
    key.must_be_there = rows.boolean(i, 2);
    const std::vector<plan::Column>& columns = target_.shape().columns;
    size_t index = 0;
    while (index < columns.size() && columns[index].name != rows.text(i, 3)) {
      ++index;
    }
    unfit[id] = unfit[id] || index == columns.size() || touched[index] != 0 || !rows.boolean(i, 6);
    key.parts.push_back({static_cast<int>(index), rows.text(i, 4), rows.text(i, 5)});
  }
  for (auto& [id, key] : keys) {
    if (!unfit[id] && keys_.size() < kMaxKeys) {
      keys_.push_back(std::move(key));
    }
  }
}

StoredKeys::Verdict StoredKeys::Judge(const json::Value& record) const {
  if (keys_.empty() || !record || record.kind() != json::Kind::Object) {
    return Verdict::Storable;
  }
  std::map<int, std::string_view> values;
  for (json::Value key = record.First(); key; key = record.After(key)) {
    const table::Resolution goes_to = target_.Resolve(key.text());
    const std::optional<std::string_view> text = TextOf(record.ValueOf(key));
    if (goes_to.kind == table::Resolution::Kind::Column && text) {
      values[goes_to.column] = *text;
    }
  }
  for (const Key& key : keys_) {
    std::string sql = "SELECT FROM " + pg::QualifiedName(key.relation);
    std::vector<pg::Param> params;
    for (const Part& part : key.parts) {
      const auto value = values.find(part.column);
      if (value == values.end()) {
        break;
      }
      params.push_back(pg::Text(value->second));
      sql += (params.size() == 1 ? " WHERE " : " AND ") + part.condition +
             " OPERATOR(pg_catalog.=) $" + std::to_string(params.size()) + "::" + part.type;
    }
    if (params.size() < key.parts.size()) {
      continue;
    }
    const std::optional<uint64_t> there = CountAsOwner(key.relation, sql + " LIMIT 1", params);
    if (there && (*there > 0) != key.must_be_there) {
      return key.must_be_there ? Verdict::Unfounded : Verdict::Taken;
    }
  }
  return Verdict::Storable;
}

}  // namespace mend::apply
