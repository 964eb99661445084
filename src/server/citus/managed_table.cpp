#include "server/citus/managed_table.h"

#include "server/citus/catalog.h"
#include "server/pg/catalog.h"

namespace mend::citus {
namespace {

// The distribution column is kept as a printed Var.
int16_t ColumnOf(NullableDatum key) {
  if (key.isnull) {
    return 0;
  }
  const Node* node = static_cast<const Node*>(stringToNode(TextDatumGetCString(key.value)));
  return node != nullptr && IsA(node, Var) ? reinterpret_cast<const Var*>(node)->varattno : 0;
}

ManagedTable Read(Oid relid) {
  ManagedTable found;
  ReadCatalog("pg_dist_partition", "pg_dist_partition_logical_relid_index", "logicalrelid", F_OIDEQ,
              ObjectIdGetDatum(relid), [&](HeapTuple tuple, TupleDesc description) {
                const NullableDatum method = GetColumn(tuple, description, "partmethod");
                const NullableDatum model = GetColumn(tuple, description, "repmodel");
                const NullableDatum colocation = GetColumn(tuple, description, "colocationid");
                if (!method.isnull && DatumGetChar(method.value) != 'n') {
                  found = {Kind::Distributed, ColumnOf(GetColumn(tuple, description, "partkey"))};
                } else if (!model.isnull && DatumGetChar(model.value) == 't') {
                  found.kind = Kind::Reference;
                } else {
                  const bool alone = colocation.isnull || DatumGetInt32(colocation.value) == 0;
                  found.kind = alone ? Kind::Local : Kind::SingleShard;
                }
                return true;
              });
  return found;
}

LocalTransactionId CurrentTransaction() {
#if PG_VERSION_NUM >= 170000
  return MyProc->vxid.lxid;
#else
  return MyProc->lxid;
#endif
}

}  // namespace

ManagedTable FindManagedTable(Oid relid) {
  static LocalTransactionId asked_in = InvalidLocalTransactionId;
  static Oid asked_for = InvalidOid;
  static uint64 asked_at = 0;
  static ManagedTable answer;
  if (asked_in == CurrentTransaction() && asked_for == relid &&
      asked_at == SharedInvalidMessageCounter) {
    return answer;
  }
  asked_for = InvalidOid;
  answer = pg::Call([&] { return Read(relid); });
  asked_in = CurrentTransaction();
  asked_for = relid;
  asked_at = SharedInvalidMessageCounter;
  return answer;
}

std::optional<std::string> CoordinatorElsewhere() {
  struct Found {
    bool here = true;
    const char* host = nullptr;
    int port = 0;
  };
  const Found found = pg::Call([] {
    Found seen;
    ReadCatalog("pg_dist_local_group", nullptr, nullptr, InvalidOid, 0,
                [&](HeapTuple tuple, TupleDesc description) {
                  const NullableDatum group = GetColumn(tuple, description, "groupid");
                  seen.here = group.isnull || DatumGetInt32(group.value) == 0;
                  return true;
                });
    if (seen.here) {
      return seen;
    }
    ReadCatalog("pg_dist_node", nullptr, "groupid", F_INT4EQ, Int32GetDatum(0),
                [&](HeapTuple tuple, TupleDesc description) {
                  const NullableDatum host = GetColumn(tuple, description, "nodename");
                  const NullableDatum port = GetColumn(tuple, description, "nodeport");
                  if (!host.isnull && !port.isnull) {
                    seen.host = TextDatumGetCString(host.value);
                    seen.port = DatumGetInt32(port.value);
                  }
                  return seen.host != nullptr;
                });
    return seen;
  });
  if (found.here) {
    return std::nullopt;
  }
  return found.host != nullptr ? std::string(found.host) + ":" + std::to_string(found.port)
                               : "another node";
}

bool BindNodes(Oid relid, pg::Transaction* transaction) {
  const bool managed = Manages(relid);
  if (managed) {
    transaction->BecomeBlock();
  }
  return managed;
}

void RequireCoordinator(Oid relid) {
  if (!Manages(relid)) {
    return;
  }
  if (const std::optional<std::string> where = CoordinatorElsewhere()) {
    throw pg::Error(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    "Citus distributes table " + pg::QualifiedName(relid) +
                        ", and this node is not its coordinator",
                    "Connect to the coordinator, " + *where + ".");
  }
}

}  // namespace mend::citus
