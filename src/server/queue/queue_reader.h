// The queued rows of one table, read in batches of bounded size.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/drift/kind.h"
#include "server/pg/memory.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"

namespace mend::queue {

// Its texts are in memory of whoever read the row.
struct QueuedRow {
  int64_t id = 0;
  uint64_t xid = 0;  // of the transaction that queued it, with its epoch
  std::string_view target_name;
  std::string_view payload;
  Oid submitter = InvalidOid;
  std::string_view submitted_by;
  Oid session_submitter = InvalidOid;  // of its session; the same role in most rows
  std::string_view session_submitted_by;
  std::string_view context;  // JSON object of settings; empty when there are none
  std::string_view code;     // JSON object: the table's code when it was offered; empty: unknown
  drift::Kind kind = drift::Kind::Malformed;
  std::string_view field;
  std::string_view sqlstate;
  std::string_view error;
  int attempts = 0;
  bool backed_off = false;     // has a time before which it is not tried
  int crashes = 0;             // how often the worker went down with it
  std::optional<int64_t> key;  // of its row, where the order of payloads for one is kept
  bool is_record = false;      // the payload is the record, wherever the enrolment says that it is
  ItemPointerData place = {};  // where it was, if a QueueReader read it

  pg::Identity identity() const { return {submitter, session_submitter, context}; }
  // Why it was queued.
  drift::Misfit misfit() const {
    return {kind, std::string(field), "", std::string(sqlstate), std::string(error), 0};
  }
};

// Rows with the memory that their texts are in. Used again for batch after batch, it keeps what it
// has grown to for ordinary payloads.
struct QueueBatch {
  std::vector<QueuedRow> rows;
  size_t bytes = 0;  // of all payloads
  pg::Context memory{"pg_mend queued rows", TopMemoryContext};
};

// Which rows: all that are due, or those that one snapshot sees and an earlier one did not (by
// transaction, since sequence order is not commit order). Snapshots as PostgreSQL prints them.
struct Window {
  std::optional<std::string> after;  // with `upto`: nullopt reads from the beginning
  std::optional<std::string> upto;   // nullopt: all rows that are due now, in order of id
};

using BeforeBatch = std::function<void()>;

// Reads a window front to back, in batches of at most mend.batch_size rows (or several times as
// many) and about kBatchBytes, each in the caller's transaction: batches may be read in
// transactions of their own.
class QueueReader {
 public:
  static constexpr size_t kBatchBytes = 16 * 1024 * 1024;

  // `before_batch`: called before every batch, unless null: where a worker's long work can be
  // called off, by throwing.
  QueueReader(Oid target, Window window, int64_t low_id = 0, BeforeBatch before_batch = nullptr);
  // The dead letters of a table whose kind DDL can heal, in order of id.
  static QueueReader OfDeadLetters(Oid target, BeforeBatch before_batch = nullptr);
  // Replaces the batch by the next rows; false at the end.
  bool Next(QueueBatch* batch);
  // The next batch begins behind this row.
  void GoOnBehind(uint64_t xid, int64_t id) {
    last_xid_ = xid;
    last_id_ = id;
  }
  // How many times mend.batch_size the next batches may have; once at first.
  void ReadAtOnce(size_t times) { times_ = times; }
  // The id of the last row that it gave, or where it began.
  int64_t last_id() const { return last_id_; }
  uint64_t last_xid() const { return last_xid_; }
  // Whether it has passed over rows that are not due, or not of the window.
  bool has_passed_over() const { return has_passed_over_; }

 private:
  void Fetch(size_t limit, QueueBatch* batch);
  void FetchDeadLetters(size_t limit, QueueBatch* batch);

  Oid target_;
  Window window_;
  BeforeBatch before_batch_;
  bool dead_letters_ = false;
  int64_t last_id_;
  uint64_t last_xid_ = 0;
  bool has_passed_over_ = false;
  size_t times_ = 1;
  size_t average_bytes_ = 64 * 1024;  // a guess that makes the first batch small
};

// Locks and reads the rows of these ids that are still queued, in order of id. Their texts are in
// CurrentMemoryContext.
std::vector<QueuedRow> LockRows(const std::vector<int64_t>& ids);

// Locks the rows of these ids without waiting: false where one is gone, or somebody else has it
// locked.
bool LockUnlessBusy(const std::vector<int64_t>& ids);

}  // namespace mend::queue
