#include "server/queue/queue_table.h"

#include <exception>

namespace mend::queue {

Oid OidInMend(const char* name) {
  const Oid found = get_relname_relid(name, get_namespace_oid("mend", false));
  if (!OidIsValid(found)) {
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("relation mend.%s does not exist", name)));
  }
  return found;
}

QueueTable::QueueTable(LOCKMODE lock) : lock_(lock) {
  relation_ = pg::Call([&] { return table_open(OidInMend("queue"), lock); });
}

QueueTable::~QueueTable() {
  if (!unwinding_) {
    table_close(relation_, lock_ == AccessShareLock
                               ? lock_
                               : NoLock);  // what was changed stays locked until the commit
  }
}

AttrNumber QueueTable::NumberOf(const char* column) const {
  return pg::Call([&] {
    const AttrNumber number = get_attnum(RelationGetRelid(relation_), column);
    if (number == InvalidAttrNumber) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                      errmsg("mend.queue has no column \"%s\"", column)));
    }
    return number;
  });
}

bool QueueTable::IsPlain() const {
  return relation_->rd_rel->relkind == RELKIND_RELATION &&
         relation_->rd_rel->relam == HEAP_TABLE_AM_OID && !relation_->rd_rel->relhastriggers &&
         !relation_->rd_rel->relhasrules && !relation_->rd_rel->relhassubclass &&
         !relation_->rd_rel->relrowsecurity;
}

namespace {

BlockNumber BlockOf(const QueuedRow& row) { return ItemPointerGetBlockNumber(&row.place); }

// Whether a snapshot sees a row where it was read. The page is pinned and locked.
bool Stands(const QueuedRow& row, Relation queue, AttrNumber id_number, Snapshot snapshot,
            Buffer buffer) {
  const Page page = BufferGetPage(buffer);
  const OffsetNumber offset = ItemPointerGetOffsetNumber(&row.place);
  if (offset < FirstOffsetNumber || offset > PageGetMaxOffsetNumber(page)) {
    return false;
  }
  const ItemId item = PageGetItemId(page, offset);
  if (!ItemIdIsNormal(item)) {
    return false;
  }
  HeapTupleData tuple;
  tuple.t_self = row.place;
  tuple.t_tableOid = RelationGetRelid(queue);
  tuple.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
  tuple.t_len = ItemIdGetLength(item);
  bool null = true;
  return HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer) &&
         DatumGetInt64(heap_getattr(&tuple, id_number, RelationGetDescr(queue), &null)) == row.id &&
         !null;
}

}  // namespace

bool QueueTable::DeleteInPlace(const std::vector<const QueuedRow*>& rows) {
  const AttrNumber id_number = NumberOf("id");
  return pg::Call([&] {
    CheckCmdReplicaIdentity(relation_, CMD_DELETE);
    // While it is held, what it sees cannot give its place to another row.
    const Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
    const CommandId command = GetCurrentCommandId(true);
    const BlockNumber blocks = RelationGetNumberOfBlocks(relation_);
    bool all = true;
    for (size_t next = 0; all && next < rows.size();) {
      CHECK_FOR_INTERRUPTS();
      // A page at a time: neighbours were queued together.
      const BlockNumber block = BlockOf(*rows[next]);
      if (block >= blocks) {
        all = false;
        break;
      }
      const size_t first = next;
      const Buffer buffer = ReadBuffer(relation_, block);
      LockBuffer(buffer, BUFFER_LOCK_SHARE);
      for (; all && next < rows.size() && BlockOf(*rows[next]) == block; ++next) {
        all = Stands(*rows[next], relation_, id_number, snapshot, buffer);
      }
      LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
      for (size_t i = first; all && i < next; ++i) {
        ItemPointerData place = rows[i]->place;
        TM_FailureData failure;
        all = table_tuple_delete(relation_, &place, command, snapshot, InvalidSnapshot, false,
                                 &failure, false) == TM_Ok;
      }
      ReleaseBuffer(buffer);
    }
    UnregisterSnapshot(snapshot);
    CommandCounterIncrement();
    return all;
  });
}

}  // namespace mend::queue
