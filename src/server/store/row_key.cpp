#include "server/store/row_key.h"

namespace mend::store {

void RowKey::Load(const table::Target& target) {
  const plan::Shape& shape = target.shape();
  Bitmapset* key = pg::Call([&] {
    Oid constraint = InvalidOid;
    return get_primary_key_attnos(shape.relid, false, &constraint);
  });
  for (size_t i = 0; i < shape.columns.size(); ++i) {
    const plan::Column& column = shape.columns[i];
    if (column.attnum <= 0 ||
        !bms_is_member(column.attnum - FirstLowInvalidHeapAttributeNumber, key)) {
      continue;
    }
    TypeCacheEntry* type = pg::Call(
        [&] { return lookup_type_cache(column.type.oid, TYPECACHE_HASH_EXTENDED_PROC_FINFO); });
    if (!OidIsValid(type->hash_extended_proc)) {
      columns_.clear();
      return;
    }
    columns_.push_back(static_cast<int>(i));
    parts_.push_back({&type->hash_extended_proc_finfo, column.collation});
  }
}

bool RowKey::IsKept(const table::Target& target) {
  if (target.enrollment().on_conflict != table::OnConflict::Update) {
    return false;
  }
  if (!loaded_) {
    Load(target);
    loaded_ = true;
  }
  return !columns_.empty();
}

int64_t RowKey::Hash(const std::vector<Datum>& values) const {
  return pg::Call([&] {
    uint64 hash = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      hash =
          hash_combine64(hash, DatumGetUInt64(FunctionCall2Coll(parts_[i].hash, parts_[i].collation,
                                                                values[i], UInt64GetDatum(0))));
    }
    return static_cast<int64_t>(hash);
  });
}

}  // namespace mend::store
