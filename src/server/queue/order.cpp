#include "server/queue/order.h"

#include "server/pg/spi.h"
#include "server/queue/queue_table.h"

namespace mend::queue {

namespace {

// Whether an index of (target, key_hash, ...) has an entry that this transaction sees or has made.
bool AnyIn(Relation table, const char* index_name, Oid target, std::optional<int64_t> key) {
  ScanKeyData keys[2];
  const int count = key ? 2 : 1;
  ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(target));
  ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key.value_or(0)));
  Relation index = index_open(OidInMend(index_name), AccessShareLock);
  TupleTableSlot* slot = table_slot_create(table, nullptr);
#if PG_VERSION_NUM >= 180000
  IndexScanDesc scan = index_beginscan(table, index, SnapshotSelf, nullptr, count, 0);
#else
  IndexScanDesc scan = index_beginscan(table, index, SnapshotSelf, count, 0);
#endif
  index_rescan(scan, keys, count, nullptr, 0);
  const bool found = index_getnext_slot(scan, ForwardScanDirection, slot);
  index_endscan(scan);
  ExecDropSingleTupleTableSlot(slot);
  index_close(index, AccessShareLock);
  return found;
}

}  // namespace

bool AnyWaits(Oid target, std::optional<int64_t> key) {
  const QueueTable table(AccessShareLock);
  return pg::Call([&] { return AnyIn(table.get(), "queue_target_key", target, key); });
}

bool AnyDead(Oid target) {
  return pg::Call([&] {
    Relation table = table_open(OidInMend("dead_letters"), AccessShareLock);
    const bool found = AnyIn(table, "dead_letters_target_key", target, std::nullopt);
    table_close(table, AccessShareLock);
    return found;
  });
}

void MarkOvertaken(Oid target, const std::vector<int64_t>& keys, const std::vector<int64_t>& ids) {
  if (keys.empty()) {
    return;
  }
  pg::RunPrepared(
      "UPDATE mend.dead_letters d SET overtaken = true FROM unnest($2, $3) r (key, id) WHERE "
      "d.target = $1 AND d.key_hash = r.key AND NOT d.overtaken AND (r.id IS NULL OR d.id < r.id)",
      {pg::ObjectId(target), pg::Int8Array(keys), pg::Int8Array(ids)});
}

drift::Misfit MisfitBehind() {
  drift::Misfit misfit;
  misfit.kind = drift::Kind::Behind;
  misfit.cause = drift::Cause::WaitsForEarlier;
  misfit.sqlstate = "55000";
  misfit.message = "an older payload of the same key waits";
  return misfit;
}

std::set<int64_t> BehindOthers(Oid target, const ReplayGroup& run) {
  std::vector<int64_t> ids, keys;
  for (const QueuedRow* row : run) {
    if (row->key) {
      ids.push_back(row->id);
      keys.push_back(*row->key);
    }
  }
  std::set<int64_t> behind;
  if (ids.empty()) {
    return behind;
  }
  const pg::Rows found = pg::RunPrepared(
      "SELECT r.id FROM unnest($2, $3) r (id, key) WHERE EXISTS (SELECT FROM mend.queue q "
      "WHERE q.target = $1 AND q.key_hash = r.key AND q.id < r.id AND q.id <> ALL ($2))",
      {pg::ObjectId(target), pg::Int8Array(ids), pg::Int8Array(keys)});
  for (size_t i = 0; i < found.size(); ++i) {
    behind.insert(found.int8(i, 0));
  }
  return behind;
}

}  // namespace mend::queue
