#include "server/citus/shards.h"

#include "server/citus/catalog.h"
#include "server/pg/catalog.h"
#include "server/pg/spi.h"

namespace mend::citus {

int64_t ShardNumber(std::string_view name) {
  size_t digits = 0;
  int64_t number = 0;
  while (digits < name.size() && name[name.size() - 1 - digits] >= '0' &&
         name[name.size() - 1 - digits] <= '9') {
    ++digits;
  }
  if (digits == 0 || digits > 18 || digits == name.size() ||
      name[name.size() - 1 - digits] != '_') {
    return 0;
  }
  for (char digit : name.substr(name.size() - digits)) {
    number = number * 10 + (digit - '0');
  }
  return name[name.size() - digits] == '0' ? 0 : number;
}

// A name that is too long with its number is cut, and told from others by its hash.
std::string NameInShard(const std::string& name, int64_t number) {
  const std::string suffix = "_" + std::to_string(number);
  if (name.size() + suffix.size() < NAMEDATALEN) {
    return name + suffix;
  }
  constexpr int kHash = 9;  // and the underscore before it
  const auto room = static_cast<int>(NAMEDATALEN - suffix.size() - kHash - 1);
  char hash[16];
  const int kept = pg::Call([&] {
    const auto length = static_cast<int>(name.size());
    pg_snprintf(hash, sizeof hash, "_%.8x",
                hash_bytes(reinterpret_cast<const unsigned char*>(name.data()), length));
    return pg_mbcliplen(name.data(), length, room);
  });
  return name.substr(0, static_cast<size_t>(kept)) + hash + suffix;
}

std::vector<Shard> ShardsHere(const std::vector<Oid>& tables) {
  std::vector<Shard> here;
  for (const Oid table : tables) {
    struct Numbers {
      List* list = NIL;
      char* name = nullptr;
      Oid schema = InvalidOid;
    };
    const Numbers numbers = pg::Call([&] {
      Numbers found;
      found.name = get_rel_name(table);
      found.schema = get_rel_namespace(table);
      ReadCatalog("pg_dist_shard", "pg_dist_shard_logical_relid_index", "logicalrelid", F_OIDEQ,
                  ObjectIdGetDatum(table), [&](HeapTuple tuple, TupleDesc description) {
                    auto* number = static_cast<int64_t*>(palloc(sizeof(int64_t)));
                    *number = DatumGetInt64(GetColumn(tuple, description, "shardid").value);
                    found.list = lappend(found.list, number);
                    return false;
                  });
      return found;
    });
    ListCell* cell;
    foreach (cell, numbers.list) {
      const int64_t number = *static_cast<int64_t*>(lfirst(cell));
      const std::string name = NameInShard(numbers.name, number);
      const Oid relid = pg::Call([&] { return get_relname_relid(name.c_str(), numbers.schema); });
      if (OidIsValid(relid)) {
        here.push_back({relid, number});
      }
    }
  }
  return here;
}

int64_t BytesOnNodes(Oid table) {
  int64_t bytes = 0;
  pg::Attempt([&] {
    bytes = pg::RunPrepared("SELECT pg_catalog.citus_table_size($1::pg_catalog.regclass)",
                            {pg::ObjectId(table)})
                .int8(0, 0);
  });
  return bytes;
}

std::string TableOfShard(Oid relid) {
  struct Names {
    const char* shard = nullptr;
    const char* table = nullptr;
    Oid logical = InvalidOid;
  };
  Names names;
  names.shard = pg::Call([&] { return get_rel_name(relid); });
  const int64_t number = names.shard != nullptr ? ShardNumber(names.shard) : 0;
  if (number == 0) {
    return {};
  }
  pg::Call([&] {
    ReadCatalog("pg_dist_shard", "pg_dist_shard_shardid_index", "shardid", F_INT8EQ,
                Int64GetDatum(number), [&](HeapTuple tuple, TupleDesc description) {
                  const NullableDatum of = GetColumn(tuple, description, "logicalrelid");
                  names.logical = of.isnull ? InvalidOid : DatumGetObjectId(of.value);
                  names.table = get_rel_name(names.logical);
                  if (get_rel_namespace(names.logical) != get_rel_namespace(relid)) {
                    names.table = nullptr;
                  }
                  return true;
                });
  });
  return names.table != nullptr && NameInShard(names.table, number) == names.shard
             ? pg::QualifiedName(names.logical)
             : std::string();
}

}  // namespace mend::citus
