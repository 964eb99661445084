// mend.queue read along an index, without the executor.
#pragma once

#include <optional>
#include <string_view>

#include "server/pg/unwinding.h"
#include "server/queue/queue_table.h"

namespace mend::queue {

// A copy in CurrentMemoryContext.
std::string_view Copied(std::string_view text);

// Walks the rows of one target that a new snapshot sees, by an index and in its order.
class QueueScan {
 public:
  // All behind an id, in order of id.
  QueueScan(Oid target, int64_t after_id);
  // All behind a transaction's number and an id, in order of both.
  QueueScan(Oid target, uint64_t after_xid, int64_t after_id);
  ~QueueScan();
  QueueScan(const QueueScan&) = delete;
  QueueScan& operator=(const QueueScan&) = delete;

  // Goes on to the next row; false at the end. Then, of that row:
  bool Next();
  uint64_t xid() const;
  std::optional<TimestampTz> not_before() const;
  size_t payload_bytes() const;
  // Fills all of the row. Its texts are copied to CurrentMemoryContext, which must be the same for
  // all rows.
  void Read(QueuedRow* row);

 private:
  enum Column {
    kId,
    kXid,
    kTargetName,
    kPayload,
    kSubmitter,
    kSubmittedBy,
    kContext,
    kKind,
    kField,
    kSqlstate,
    kError,
    kAttempts,
    kCrashes,
    kNotBefore,
    kSessionSubmitter,
    kSessionSubmittedBy,
    kCode,
    kKeyHash,
    kColumns
  };

  void Begin(const char* index, Oid target, const ScanKeyData& behind);
  Datum Value(Column column) const { return slot_->tts_values[numbers_[column] - 1]; }
  bool IsNull(Column column) const { return slot_->tts_isnull[numbers_[column] - 1]; }
  // What mostly repeats the row before has one copy with it. Whether it does.
  bool ReadRepeated(Column column, std::string_view stored, std::string_view* text);
  // The text of a jsonb object, which mostly repeats; `memo` has that of the row before.
  void ReadObject(Column column, std::string_view* memo, std::string_view* text);

  QueueTable table_{AccessShareLock};
  pg::Unwinding unwinding_;
  AttrNumber numbers_[kColumns];
  AttrNumber last_number_ = 0;
  ScanKeyData keys_[2];
  ScanKeyData row_keys_[2];  // members of a row comparison
  Snapshot snapshot_ = nullptr;
  Relation index_ = nullptr;
  IndexScanDesc scan_ = nullptr;
  TupleTableSlot* slot_ = nullptr;
  std::string_view last_[kColumns];  // as it is stored, of the row before
  std::string_view context_text_, code_text_;
  drift::Kind kind_ = drift::Kind::Malformed;
};

}  // namespace mend::queue
