// The shards of a table as relations: their names, and those that this node has.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/pg/call.h"

namespace mend::citus {

// The number at the end of a name such as "orders_102008", 0 where there is none.
int64_t ShardNumber(std::string_view name);
// What Citus calls the relation, index or constraint `name` in the shard with that number.
std::string NameInShard(const std::string& name, int64_t number);

struct Shard {
  Oid relid = InvalidOid;
  int64_t number = 0;
};

// The shards of these tables that are relations of this database.
std::vector<Shard> ShardsHere(const std::vector<Oid>& tables);

// What the shards of a table take on all nodes; 0 where a node cannot say.
int64_t BytesOnNodes(Oid table);

// The table, schema-qualified, that the relation is a shard of; empty when it is none.
std::string TableOfShard(Oid relid);

}  // namespace mend::citus
