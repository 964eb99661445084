#include "server/queue/queue_reader.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "core/base/number.h"
#include "server/pg/cached_plan.h"
#include "server/pg/settings.h"
#include "server/pg/settings_scope.h"
#include "server/queue/dead_letters.h"
#include "server/queue/queue_scan.h"

namespace mend::queue {
namespace {

constexpr char kColumns[] =
    "id, xid, target_name, submitter, submitted_by::text, nullif(context, '{}')::text AS context, "
    "crashes, not_before "
    "IS NOT NULL AS backed_off, attempts, octet_length(payload) AS bytes, payload, kind, field, "
    "sqlstate, error, coalesce(session_submitter, submitter), "
    "coalesce(session_submitted_by, submitted_by)::text, nullif(code, '{}')::text, "
    "key_hash::text";
constexpr char kDeadLetter[] =
    "id, '0'::xid8 AS xid, target_name, submitter, submitted_by::text, nullif(context, '{}')::text "
    "AS context, 0 AS crashes, "
    "false AS backed_off, 0 AS attempts, octet_length(payload) AS bytes, payload, kind, field, "
    "sqlstate, error, coalesce(session_submitter, submitter), "
    "coalesce(session_submitted_by, submitted_by)::text, nullif(code, '{}')::text, "
    "key_hash::text";

QueuedRow ToRow(const pg::RowCursor& rows) {
  QueuedRow row;
  row.id = rows.int8(0);
  row.xid = static_cast<uint64_t>(rows.int8(1));
  row.target_name = Copied(rows.text(2));
  row.submitter = rows.oid(3);
  row.submitted_by = Copied(rows.text(4));
  row.context = Copied(rows.text(5));
  row.crashes = rows.int4(6);
  row.backed_off = rows.boolean(7);
  row.attempts = rows.int4(8);
  row.payload = Copied(rows.text(10));
  row.kind = drift::KindFromName(rows.text(11)).value_or(drift::Kind::Malformed);
  row.field = Copied(rows.text(12));
  row.sqlstate = Copied(rows.text(13));
  row.error = Copied(rows.text(14));
  row.session_submitter = rows.oid(15);
  row.session_submitted_by = Copied(rows.text(16));
  row.code = Copied(rows.text(17));
  int64_t key = 0;
  if (base::ParseInteger(rows.text(18), &key)) {
    row.key = key;
  }
  return row;
}

// Whether snapshots see transactions. Rows of one transaction come together: the last answer is
// kept.
class Visibility {
 public:
  explicit Visibility(const std::optional<std::string>& snapshot) : given_(snapshot) {
    if (snapshot) {
      pg::Call([&] {
        snapshot_ = DirectFunctionCall1(pg_snapshot_in, CStringGetDatum(snapshot->c_str()));
      });
    }
  }
  bool given() const { return given_; }
  bool Sees(uint64_t xid) {
    if (!known_ || xid != xid_) {
      sees_ = pg::Call([&] {
        return DatumGetBool(
            DirectFunctionCall2(pg_visible_in_snapshot, UInt64GetDatum(xid), snapshot_));
      });
      known_ = true;
      xid_ = xid;
    }
    return sees_;
  }

 private:
  bool given_ = false;
  Datum snapshot_ = 0;
  bool known_ = false, sees_ = false;
  uint64_t xid_ = 0;
};

}  // namespace

QueueReader::QueueReader(Oid target, Window window, int64_t low_id, BeforeBatch before_batch)
    : target_(target),
      window_(std::move(window)),
      before_batch_(std::move(before_batch)),
      last_id_(low_id) {
  if (window_.upto && window_.after) {
    // Nothing older than the earlier snapshot's xmin is new: the walk along the index begins there.
    last_xid_ = std::strtoull(window_.after->c_str(), nullptr, 10);
    last_id_ = std::numeric_limits<int64_t>::min();
  }
}

QueueReader QueueReader::OfDeadLetters(Oid target, BeforeBatch before_batch) {
  QueueReader reader(target, Window(), 0, std::move(before_batch));
  reader.dead_letters_ = true;
  return reader;
}

bool QueueReader::Next(QueueBatch* batch) {
  if (before_batch_) {
    before_batch_();
  }
  const size_t fitting = std::max<size_t>(kBatchBytes / std::max<size_t>(average_bytes_, 1), 1);
  const size_t limit = std::min<size_t>(fitting, times_ * static_cast<size_t>(pg::batch_size));
  batch->memory.Reset();
  batch->bytes = 0;
  {
    pg::Switch into(batch->memory.get());
    dead_letters_ ? FetchDeadLetters(limit, batch) : Fetch(limit, batch);
  }
  if (batch->rows.empty()) {
    return false;
  }
  average_bytes_ = batch->bytes / batch->rows.size() + 256;
  last_id_ = batch->rows.back().id;
  last_xid_ = batch->rows.back().xid;
  return true;
}

void QueueReader::Fetch(size_t limit, QueueBatch* batch) {
  Visibility upto(window_.upto), after(window_.after);
  std::optional<QueueScan> scan;
  if (upto.given()) {
    scan.emplace(target_, last_xid_, last_id_);
  } else {
    scan.emplace(target_, last_id_);
  }
  size_t count = 0;
  while (count < limit && batch->bytes < kBatchBytes && scan->Next()) {
    if (upto.given() ? !upto.Sees(scan->xid()) || (after.given() && after.Sees(scan->xid()))
                     : scan->not_before().value_or(DT_NOBEGIN) > GetCurrentTimestamp()) {
      has_passed_over_ = true;
      continue;
    }
    batch->bytes += scan->payload_bytes();
    if (batch->rows.size() == count) {
      batch->rows.emplace_back();
    }
    scan->Read(&batch->rows[count++]);
  }
  batch->rows.resize(count);
}

void QueueReader::FetchDeadLetters(size_t limit, QueueBatch* batch) {
  // Walk an index in order whatever the statistics say: a table of dead letters grows faster than
  // it is analysed. As a range of (target, id), so that it is the index of the table's own rows:
  // for an equal target the primary key gives the order, too, at the price of all other tables'
  // rows.
  pg::SettingsScope in_order(
      {{"enable_seqscan", "off"}, {"enable_bitmapscan", "off"}, {"enable_sort", "off"}});
  static const std::string sql =
      std::string("SELECT ") + kDeadLetter +
      " FROM mend.dead_letters WHERE (target, id) > ($1, $2) AND target <= $1 AND kind IN "
      "('new_field', "
      "'type_conflict', 'out_of_range', 'too_long', 'missing_required', 'lossy') "
      "ORDER BY target, id LIMIT $3";
  pg::RowCursor rows(sql.c_str(), {pg::ObjectId(target_), pg::Int8(last_id_),
                                   pg::Int8(static_cast<int64_t>(limit))});
  batch->rows.clear();
  // The sizes of payloads are known without reading them.
  while (batch->bytes < kBatchBytes && rows.Next()) {
    batch->bytes += static_cast<size_t>(rows.int4(9));
    pg::Switch into(batch->memory.get());  // SPI has its own
    batch->rows.push_back(ToRow(rows));
  }
}

std::vector<QueuedRow> LockRows(const std::vector<int64_t>& ids) {
  static const std::string sql =
      std::string("SELECT ") + kColumns + " FROM mend.queue WHERE id = ANY ($1) FOR UPDATE";
  const MemoryContext memory = CurrentMemoryContext;
  pg::RowCursor found(sql.c_str(), {pg::Int8Array(ids)});
  std::vector<QueuedRow> rows;
  while (found.Next()) {
    pg::Switch into(memory);  // SPI has its own
    rows.push_back(ToRow(found));
  }
  // The index gives them in order, and PostgreSQL does not know it: it would sort whole payloads.
  const auto earlier = [](const QueuedRow& one, const QueuedRow& other) {
    return one.id < other.id;
  };
  if (!std::is_sorted(rows.begin(), rows.end(), earlier)) {
    std::sort(rows.begin(), rows.end(), earlier);
  }
  return rows;
}

std::vector<QueuedRow> ReadDeadLetters(const std::vector<int64_t>& ids, bool lock) {
  static const std::string sql = std::string("SELECT ") + kDeadLetter +
                                 " FROM mend.dead_letters WHERE id = ANY ($1) ORDER BY id";
  static const std::string locking = sql + " FOR UPDATE";
  const MemoryContext memory = CurrentMemoryContext;
  pg::RowCursor found((lock ? locking : sql).c_str(), {pg::Int8Array(ids)});
  std::vector<QueuedRow> rows;
  while (found.Next()) {
    pg::Switch into(memory);  // SPI has its own
    rows.push_back(ToRow(found));
  }
  return rows;
}

bool LockUnlessBusy(const std::vector<int64_t>& ids) {
  return pg::RunPrepared("SELECT FROM mend.queue WHERE id = ANY ($1) FOR UPDATE SKIP LOCKED",
                         {pg::Int8Array(ids)})
             .processed() == ids.size();
}

}  // namespace mend::queue
