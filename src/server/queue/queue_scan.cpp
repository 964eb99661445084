#include "server/queue/queue_scan.h"

#include <algorithm>
#include <exception>

namespace mend::queue {
namespace {

std::string_view TextOf(const varlena* value) {
  return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

bool IsInRow(Datum datum) {
  const auto* value = reinterpret_cast<const varlena*>(DatumGetPointer(datum));
  return !VARATT_IS_EXTERNAL(value) && !VARATT_IS_COMPRESSED(value);
}

// In one piece and not compressed; in its row where it is so already.
const varlena* Whole(Datum datum) {
  if (IsInRow(datum)) {
    return reinterpret_cast<const varlena*>(DatumGetPointer(datum));
  }
  return pg::Call([&] { return PG_DETOAST_DATUM_PACKED(datum); });
}

constexpr size_t kCacheLine = 64;

// Has the processor fetch the row that stands behind another on its page, which is pinned: it is
// mostly the next to be read, and comes from far away.
void FetchRowBehind(Buffer buffer, const ItemPointerData& place) {
  const Page page = BufferGetPage(buffer);
  const auto next = static_cast<OffsetNumber>(ItemPointerGetOffsetNumber(&place) + 1);
  if (next > PageGetMaxOffsetNumber(page)) {
    return;
  }
  // Not locked: whatever others make of it meanwhile, no more than a hint is lost.
  const ItemIdData item = *PageGetItemId(page, next);
  const size_t end = std::min<size_t>(item.lp_off + item.lp_len, BLCKSZ);
  for (size_t at = item.lp_off; at < end; at += kCacheLine) {
    __builtin_prefetch(page + at);
  }
}

}  // namespace

std::string_view Copied(std::string_view text) {
  if (text.empty()) {
    return "";
  }
  char* copy = static_cast<char*>(
      pg::Call([&] { return MemoryContextAllocHuge(CurrentMemoryContext, text.size()); }));
  memcpy(copy, text.data(), text.size());
  return {copy, text.size()};
}

QueueScan::QueueScan(Oid target, int64_t after_id) {
  ScanKeyData behind;
  ScanKeyInit(&behind, 2, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after_id));
  Begin("queue_target_id", target, behind);
}

QueueScan::QueueScan(Oid target, uint64_t after_xid, int64_t after_id) {
  // (xid, id) > (after_xid, after_id), as the executor tells an index.
  const auto member = [](ScanKey key, int flags, AttrNumber number, Oid compare, Datum value) {
    pg::Call([&] { ScanKeyInit(key, number, BTGreaterStrategyNumber, compare, value); });
    key->sk_flags = SK_ROW_MEMBER | flags;
  };
  member(&row_keys_[0], 0, 2, F_XID8CMP, UInt64GetDatum(after_xid));
  member(&row_keys_[1], SK_ROW_END, 3, F_BTINT8CMP, Int64GetDatum(after_id));
  ScanKeyData behind = {};
  behind.sk_flags = SK_ROW_HEADER;
  behind.sk_attno = 2;
  behind.sk_strategy = BTGreaterStrategyNumber;
  behind.sk_argument = PointerGetDatum(row_keys_);
  Begin("queue_target_xid", target, behind);
}

void QueueScan::Begin(const char* index, Oid target, const ScanKeyData& behind) {
  static constexpr const char* kNames[kColumns] = {"id",
                                                   "xid",
                                                   "target_name",
                                                   "payload",
                                                   "submitter",
                                                   "submitted_by",
                                                   "context",
                                                   "kind",
                                                   "field",
                                                   "sqlstate",
                                                   "error",
                                                   "attempts",
                                                   "crashes",
                                                   "not_before",
                                                   "session_submitter",
                                                   "session_submitted_by",
                                                   "code",
                                                   "key_hash"};
  for (int i = 0; i < kColumns; ++i) {
    numbers_[i] = table_.NumberOf(kNames[i]);
    last_number_ = std::max(last_number_, numbers_[i]);
  }
  pg::Call([&] {
    ScanKeyInit(&keys_[0], 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(target));
    keys_[1] = behind;
    index_ = index_open(OidInMend(index), AccessShareLock);
    snapshot_ = RegisterSnapshot(GetTransactionSnapshot());
    slot_ = table_slot_create(table_.get(), nullptr);
#if PG_VERSION_NUM >= 180000
    scan_ = index_beginscan(table_.get(), index_, snapshot_, nullptr, 2, 0);
#else
    scan_ = index_beginscan(table_.get(), index_, snapshot_, 2, 0);
#endif
    index_rescan(scan_, keys_, 2, nullptr, 0);
  });
}

QueueScan::~QueueScan() {
  if (!unwinding_) {
    index_endscan(scan_);
    ExecDropSingleTupleTableSlot(slot_);
    UnregisterSnapshot(snapshot_);
    index_close(index_, AccessShareLock);
  }
}

bool QueueScan::Next() {
  return pg::Call([&] {
    CHECK_FOR_INTERRUPTS();
    if (!index_getnext_slot(scan_, ForwardScanDirection, slot_)) {
      return false;
    }
    FetchRowBehind(reinterpret_cast<BufferHeapTupleTableSlot*>(slot_)->buffer, slot_->tts_tid);
    slot_getsomeattrs(slot_, last_number_);
    return true;
  });
}

uint64_t QueueScan::xid() const { return DatumGetUInt64(Value(kXid)); }

std::optional<TimestampTz> QueueScan::not_before() const {
  return IsNull(kNotBefore) ? std::nullopt
                            : std::optional<TimestampTz>(DatumGetTimestampTz(Value(kNotBefore)));
}

size_t QueueScan::payload_bytes() const {
  const Datum payload = Value(kPayload);
  return IsInRow(payload) ? VARSIZE_ANY_EXHDR(DatumGetPointer(payload))
                          : static_cast<size_t>(DatumGetInt32(pg::Call(
                                [&] { return DirectFunctionCall1(textoctetlen, payload); })));
}

bool QueueScan::ReadRepeated(Column column, std::string_view stored, std::string_view* text) {
  const bool repeats = stored == last_[column];
  if (!repeats) {
    last_[column] = Copied(stored);
  }
  *text = last_[column];
  return repeats;
}

void QueueScan::ReadObject(Column column, std::string_view* memo, std::string_view* text) {
  const varlena* stored = Whole(Value(column));
  if (!ReadRepeated(column, TextOf(stored), text)) {
    *memo = pg::Call([&] {
      Jsonb* object = DatumGetJsonbP(Value(column));
      return JB_ROOT_COUNT(object) == 0 ? ""
                                        : JsonbToCString(nullptr, &object->root, VARSIZE(object));
    });
  }
  *text = *memo;
}

void QueueScan::Read(QueuedRow* row) {
  const auto text_of = [&](Column column) {
    return IsNull(column) ? std::string_view() : TextOf(Whole(Value(column)));
  };
  row->id = DatumGetInt64(Value(kId));
  row->xid = xid();
  ReadRepeated(kTargetName, text_of(kTargetName), &row->target_name);
  row->submitter = DatumGetObjectId(Value(kSubmitter));
  ReadRepeated(kSubmittedBy, NameStr(*DatumGetName(Value(kSubmittedBy))), &row->submitted_by);
  if (IsNull(kSessionSubmitter)) {
    row->session_submitter = row->submitter;
    row->session_submitted_by = row->submitted_by;
  } else {
    row->session_submitter = DatumGetObjectId(Value(kSessionSubmitter));
    ReadRepeated(kSessionSubmittedBy, NameStr(*DatumGetName(Value(kSessionSubmittedBy))),
                 &row->session_submitted_by);
  }
  ReadObject(kContext, &context_text_, &row->context);
  ReadObject(kCode, &code_text_, &row->code);
  std::string_view kind;
  if (!ReadRepeated(kKind, text_of(kKind), &kind)) {
    kind_ = drift::KindFromName(kind).value_or(drift::Kind::Malformed);
  }
  row->kind = kind_;
  ReadRepeated(kField, text_of(kField), &row->field);
  ReadRepeated(kSqlstate, text_of(kSqlstate), &row->sqlstate);
  ReadRepeated(kError, text_of(kError), &row->error);
  row->attempts = DatumGetInt32(Value(kAttempts));
  row->crashes = DatumGetInt32(Value(kCrashes));
  row->backed_off = !IsNull(kNotBefore);
  row->key =
      IsNull(kKeyHash) ? std::nullopt : std::optional<int64_t>(DatumGetInt64(Value(kKeyHash)));
  row->place = slot_->tts_tid;
  const std::string_view payload = TextOf(Whole(Value(kPayload)));
  row->payload = IsInRow(Value(kPayload)) ? Copied(payload) : payload;
}

}  // namespace mend::queue
