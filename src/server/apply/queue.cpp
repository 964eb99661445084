#include "server/apply/queue.h"

#include <algorithm>
#include <limits>

#include "server/pg/settings.h"
#include "server/pg/settings_scope.h"

namespace mend::apply {
namespace {

constexpr size_t kBatchBytes = 16 * 1024 * 1024;

#define MEND_QUEUE_COLUMNS                                                                       \
  "id, xid::text AS xid_text, target_name, payload, submitter, submitted_by, context::text, kind, field, "   \
  "sqlstate, error, attempts, crashes, not_before IS NOT NULL"

std::vector<QueuedRow> ToRows(const pg::Rows& rows) {
  std::vector<QueuedRow> result(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    QueuedRow& row = result[i];
    row.id = rows.int8(i, 0);
    row.xid = rows.text(i, 1);
    row.target_name = rows.text(i, 2);
    row.payload = rows.text(i, 3);
    row.submitter = rows.oid(i, 4);
    row.submitted_by = rows.text(i, 5);
    row.context = rows.text(i, 6);
    row.kind = drift::KindFromName(rows.text(i, 7)).value_or(drift::Kind::Malformed);
    row.field = rows.text(i, 8);
    row.sqlstate = rows.text(i, 9);
    row.error = rows.text(i, 10);
    row.attempts = static_cast<int>(rows.int8(i, 11));
    row.crashes = static_cast<int>(rows.int8(i, 12));
    row.backed_off = rows.boolean(i, 13);
  }
  return result;
}

// The rows of a query up to a batch's bytes, and at least one. The sizes of payloads are known without reading them; rows
// keep the order that the query gives them.
std::string UpToABatch(const char* rows) {
  return std::string("SELECT * FROM (SELECT q.*, sum(octet_length(payload)) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND "
                     "1 PRECEDING) AS bytes_before FROM (") +
         rows + ") q) w WHERE bytes_before IS NULL OR bytes_before < " + std::to_string(kBatchBytes);
}

}  // namespace

void (*QueueReader::before_batch)() = nullptr;

QueueReader::QueueReader(Oid target, Window window, int64_t low_id)
    : target_(target), window_(std::move(window)), last_id_(low_id) {
  if (window_.upto && window_.after) {
    // Nothing older than the earlier snapshot's xmin is new: the walk along the index begins there.
    last_xid_ = window_.after->substr(0, window_.after->find(':'));
    last_id_ = std::numeric_limits<int64_t>::min();
  }
}

QueueReader QueueReader::OfDeadLetters(Oid target) {
  QueueReader reader(target, Window());
  reader.dead_letters_ = true;
  return reader;
}

std::vector<QueuedRow> QueueReader::Next() {
  if (before_batch != nullptr) {
    before_batch();
  }
  size_t fitting = std::max<size_t>(kBatchBytes / std::max<size_t>(average_bytes_, 1), 1);
  std::vector<QueuedRow> rows = Fetch(static_cast<long>(std::min<size_t>(fitting, static_cast<size_t>(pg::batch_size))));
  if (!rows.empty()) {
    size_t bytes = 0;
    for (const QueuedRow& row : rows) {
      bytes += row.payload.size();
    }
    average_bytes_ = bytes / rows.size() + 256;
    last_id_ = rows.back().id;
    last_xid_ = rows.back().xid;
  }
  return rows;
}

std::vector<QueuedRow> QueueReader::Fetch(long limit) {
  // Walk an index in order whatever the statistics say: a queue grows faster than it is analysed, and
  // sorting it for every batch would make long queues quadratic. As a range of (target, id), so that it is the index of the
  // table's own rows: for an equal target the primary key gives the order, too, at the price of all other tables' rows.
  pg::SettingsScope in_order({{"enable_seqscan", "off"}, {"enable_bitmapscan", "off"}, {"enable_sort", "off"}});
  if (dead_letters_) {
    return ToRows(pg::KeepBooks(UpToABatch(
        "SELECT id, '0', target_name, payload, submitter, submitted_by, context::text, kind, field, sqlstate, error, 0, 0, false "
        "FROM mend.dead_letters WHERE (target, id) > ($1, $2) AND target <= $1 AND kind IN ('new_field', 'type_conflict', "
        "'out_of_range', 'too_long', 'missing_required', 'lossy') ORDER BY target, id LIMIT $3").c_str(),
        {pg::ObjectId(target_), pg::Int8(last_id_), pg::Int8(static_cast<int64_t>(limit))}));
  }
  if (!window_.upto) {
    return ToRows(pg::KeepBooks(UpToABatch("SELECT " MEND_QUEUE_COLUMNS
                                           " FROM mend.queue WHERE (target, id) > ($1, $2) AND target <= $1 "
                                           "AND (not_before IS NULL OR not_before <= clock_timestamp()) "
                                           "ORDER BY target, id LIMIT $3").c_str(),
                                {pg::ObjectId(target_), pg::Int8(last_id_), pg::Int8(static_cast<int64_t>(limit))}));
  }
  return ToRows(pg::KeepBooks(UpToABatch(
      "SELECT " MEND_QUEUE_COLUMNS
      " FROM mend.queue WHERE target = $1 "
      "AND (xid, id) > ($2::xid8, $3) AND pg_visible_in_snapshot(xid, $4::pg_snapshot) "
      "AND ($5::text IS NULL OR (xid >= pg_snapshot_xmin($5::pg_snapshot) "
      "AND NOT pg_visible_in_snapshot(xid, $5::pg_snapshot))) ORDER BY queue.xid, queue.id LIMIT $6").c_str(),
      {pg::ObjectId(target_), pg::Text(last_xid_), pg::Int8(last_id_), pg::Text(window_.upto), pg::Text(window_.after),
       pg::Int8(static_cast<int64_t>(limit))}));
}

std::vector<QueuedRow> LockRows(const std::vector<int64_t>& ids) {
  return ToRows(pg::KeepBooks("SELECT " MEND_QUEUE_COLUMNS
                              " FROM mend.queue WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
                              {pg::Int8Array(ids)}));
}

}  // namespace mend::apply
