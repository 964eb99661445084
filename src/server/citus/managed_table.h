// Which tables Citus manages, and where they may be healed: as its catalogs say. Nothing of Citus
// is linked or called.
#pragma once

#include <optional>
#include <string>

#include "server/pg/call.h"
#include "server/pg/transaction.h"

namespace mend::citus {

enum class Kind : uint8_t {
  None,         // PostgreSQL alone
  Distributed,  // over the nodes, by the values of one column
  SingleShard,  // whole on one node: tables of a distributed schema too
  Reference,    // whole on every node
  Local,        // whole on the coordinator
};

struct ManagedTable {
  Kind kind = Kind::None;
  int16_t distribution_column = 0;  // attnum, of a Distributed one
};

// What Citus makes of a relation. Asked of the catalogs once a transaction, and again when they
// change.
ManagedTable FindManagedTable(Oid relid);
inline bool Manages(Oid relid) { return FindManagedTable(relid).kind != Kind::None; }

// Whether the coordinator has a shard of the table, so that it alters that shard itself.
inline bool HasShardHere(Kind kind) { return kind == Kind::Reference || kind == Kind::Local; }

// On a node that is not the coordinator: where the coordinator is, as HOST:PORT, or "another node".
std::optional<std::string> CoordinatorElsewhere();

// Before a worker writes to the table: what the nodes do for it is to end as `transaction` does.
// Says whether there are nodes.
bool BindNodes(Oid relid, pg::Transaction* transaction);

// Throws 55000 for a table that Citus manages and another node coordinates: who works with it here
// knows of the shards alone.
void RequireCoordinator(Oid relid);

}  // namespace mend::citus
