#include "server/queue/drop_guard.h"

#include <utility>

#include "server/pg/postgres.h"

namespace mend::queue {
namespace {

object_access_hook_type next_object_access = nullptr;

constexpr int64_t kMostCounted = 100000;

// The table is locked for the drop: whoever was writing has committed. Inside PostgreSQL's own
// code.
int64_t CountRows(Oid relid) {
  Relation relation = table_open(relid, NoLock);
  Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
  TableScanDesc scan = table_beginscan(relation, snapshot, 0, nullptr);
  TupleTableSlot* slot = table_slot_create(relation, nullptr);
  int64_t rows = 0;
  while (rows <= kMostCounted && table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
    CHECK_FOR_INTERRUPTS();
    ++rows;
  }
  ExecDropSingleTupleTableSlot(slot);
  table_endscan(scan);
  UnregisterSnapshot(snapshot);
  table_close(relation, NoLock);
  return rows;
}

void CheckDrop(Oid relid) {
  const Oid schema = get_namespace_oid("mend", true);
  if (!OidIsValid(schema)) {
    return;
  }
  if (relid == get_relname_relid("queue", schema)) {
    const int64_t rows = CountRows(relid);
    if (rows > 0) {
      ereport(
          ERROR,
          (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
           errmsg("pg_mend cannot be dropped while rows are queued"),
           errdetail("%s%lld payloads wait in mend.queue, and whoever offered them was told "
                     "that they are kept.",
                     rows > kMostCounted ? "More than " : "",
                     static_cast<long long>(std::min(rows, kMostCounted))),
           errhint("Let them heal (CALL mend.wait_idle()), or export them (COPY mend.queue TO "
                   "...). SELECT mend.unenroll_all(force => true) then agrees to their loss.")));
    }
  } else if (relid == get_relname_relid("dead_letters", schema)) {
    const int64_t rows = CountRows(relid);
    if (rows > 0) {
      ereport(WARNING, (errmsg("%s%lld dead letters go with the extension",
                               rows > kMostCounted ? "more than " : "",
                               static_cast<long long>(std::min(rows, kMostCounted))),
                        errhint("To keep them, roll back and export them: COPY mend.dead_letters "
                                "TO ...")));
    }
  }
}

void OnObjectAccess(ObjectAccessType access, Oid catalog, Oid object, int sub_object,
                    void* argument) {
  if (access == OAT_DROP && catalog == RelationRelationId && sub_object == 0) {
    CheckDrop(object);
  }
  if (next_object_access != nullptr) {
    next_object_access(access, catalog, object, sub_object, argument);
  }
}

}  // namespace

void GuardDrop() {
  static bool set = false;
  if (!set) {
    set = true;
    next_object_access = std::exchange(object_access_hook, OnObjectAccess);
  }
}

}  // namespace mend::queue
