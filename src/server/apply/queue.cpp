#include "server/apply/queue.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "server/pg/kept_plan.h"
#include "server/pg/settings.h"
#include "server/pg/settings_scope.h"

namespace mend::apply {
namespace {

constexpr size_t kBatchBytes = 16 * 1024 * 1024;

// The form of QueuedRow, in which rows are read. A settings object is mostly empty, and writing jsonb as text takes time.
#define MEND_IDENTITY                                                                                                 \
  "id, xid, target_name, submitter, submitted_by::text, nullif(context, '{}')::text AS context, crashes, not_before " \
  "IS NOT NULL AS backed_off, attempts, octet_length(payload) AS bytes, "
constexpr char kWhole[] = MEND_IDENTITY "payload, kind, field, sqlstate, error";
constexpr char kWithoutPayload[] =
    MEND_IDENTITY "NULL::text AS payload, NULL::text AS kind, NULL::text AS field, NULL::text AS sqlstate, NULL::text AS error";
constexpr char kDeadLetter[] =
    "id, '0'::xid8 AS xid, target_name, submitter, submitted_by::text, nullif(context, '{}')::text AS context, 0 AS crashes, "
    "false AS backed_off, 0 AS attempts, octet_length(payload) AS bytes, payload, kind, field, sqlstate, error";

QueuedRow ToRow(const pg::BookRows& rows) {
  QueuedRow row;
  row.id = rows.int8(0);
  row.xid = static_cast<uint64_t>(rows.int8(1));
  row.target_name = rows.text(2);
  row.submitter = rows.oid(3);
  row.submitted_by = rows.text(4);
  row.context = rows.text(5);
  row.crashes = rows.int4(6);
  row.backed_off = rows.boolean(7);
  row.attempts = rows.int4(8);
  row.payload = rows.text(10);
  row.kind = drift::KindFromName(rows.text(11)).value_or(drift::Kind::Malformed);
  row.field = rows.text(12);
  row.sqlstate = rows.text(13);
  row.error = rows.text(14);
  return row;
}

// Up to a batch's bytes, and at least one; `bytes` is of all their payloads. The sizes of payloads are known without reading
// them.
std::vector<QueuedRow> UpToABatch(pg::BookRows* rows, size_t* bytes) {
  std::vector<QueuedRow> result;
  while (*bytes < kBatchBytes && rows->Next()) {
    *bytes += static_cast<size_t>(rows->int4(9));
    result.push_back(ToRow(*rows));
  }
  return result;
}

// Typed, so that they are read once and not for every row.
pg::Param Snapshot(const std::optional<std::string>& text) {
  Datum datum = 0;
  if (text) {
    pg::Call([&] { datum = DirectFunctionCall1(pg_snapshot_in, CStringGetDatum(text->c_str())); });
  }
  return {PG_SNAPSHOTOID, datum, !text};
}

pg::Param Xid8(uint64_t xid) { return {XID8OID, UInt64GetDatum(xid), false}; }

std::string InOrder(const char* columns) {
  return std::string("SELECT ") + columns +
         " FROM mend.queue WHERE (target, id) > ($1, $2) AND target <= $1 "
         "AND (not_before IS NULL OR not_before <= clock_timestamp()) ORDER BY target, id LIMIT $3";
}

std::string InWindow(const char* columns) {
  return std::string("SELECT ") + columns +
         " FROM mend.queue WHERE target = $1 AND (xid, id) > ($2, $3) AND pg_visible_in_snapshot(xid, $4) "
         "AND ($5 IS NULL OR (xid >= pg_snapshot_xmin($5) AND NOT pg_visible_in_snapshot(xid, $5))) "
         "ORDER BY queue.xid, queue.id LIMIT $6";
}

}  // namespace

void (*QueueReader::before_batch)() = nullptr;

QueueReader::QueueReader(Oid target, Window window, int64_t low_id)
    : target_(target), window_(std::move(window)), last_id_(low_id) {
  if (window_.upto && window_.after) {
    // Nothing older than the earlier snapshot's xmin is new: the walk along the index begins there.
    last_xid_ = std::strtoull(window_.after->c_str(), nullptr, 10);
    last_id_ = std::numeric_limits<int64_t>::min();
  }
}

QueueReader QueueReader::OfDeadLetters(Oid target) {
  QueueReader reader(target, Window());
  reader.of_ = Of::DeadLetters;
  return reader;
}

QueueReader QueueReader::OfIdentities(Oid target, Window window, int64_t low_id) {
  QueueReader reader(target, std::move(window), low_id);
  reader.of_ = Of::Identities;
  return reader;
}

std::vector<QueuedRow> QueueReader::Next() {
  if (before_batch != nullptr) {
    before_batch();
  }
  size_t fitting = std::max<size_t>(kBatchBytes / std::max<size_t>(average_bytes_, 1), 1);
  size_t bytes = 0;
  std::vector<QueuedRow> rows =
      Fetch(static_cast<long>(std::min<size_t>(fitting, static_cast<size_t>(pg::batch_size))), &bytes);
  if (!rows.empty()) {
    average_bytes_ = bytes / rows.size() + 256;
    last_id_ = rows.back().id;
    last_xid_ = rows.back().xid;
  }
  return rows;
}

std::vector<QueuedRow> QueueReader::Fetch(long limit, size_t* bytes) {
  // Walk an index in order whatever the statistics say: a queue grows faster than it is analysed, and
  // sorting it for every batch would make long queues quadratic. As a range of (target, id), so that it is the index of the
  // table's own rows: for an equal target the primary key gives the order, too, at the price of all other tables' rows.
  pg::SettingsScope in_order({{"enable_seqscan", "off"}, {"enable_bitmapscan", "off"}, {"enable_sort", "off"}});
  static const std::string in_order_whole = InOrder(kWhole), in_order_identities = InOrder(kWithoutPayload),
                           in_window_whole = InWindow(kWhole), in_window_identities = InWindow(kWithoutPayload),
                           dead_letters =
                               std::string("SELECT ") + kDeadLetter +
                               " FROM mend.dead_letters WHERE (target, id) > ($1, $2) AND target <= $1 AND kind IN ('new_field', "
                               "'type_conflict', 'out_of_range', 'too_long', 'missing_required', 'lossy') "
                               "ORDER BY target, id LIMIT $3";
  const pg::Param target = pg::ObjectId(target_), after = pg::Int8(last_id_), at_most = pg::Int8(static_cast<int64_t>(limit));
  const bool whole = of_ == Of::Rows;
  if (window_.upto && of_ != Of::DeadLetters) {
    pg::BookRows rows((whole ? in_window_whole : in_window_identities).c_str(),
                      {target, Xid8(last_xid_), after, Snapshot(window_.upto), Snapshot(window_.after), at_most});
    return UpToABatch(&rows, bytes);
  }
  const std::string& sql = of_ == Of::DeadLetters ? dead_letters : whole ? in_order_whole : in_order_identities;
  pg::BookRows rows(sql.c_str(), {target, after, at_most});
  return UpToABatch(&rows, bytes);
}

std::vector<QueuedRow> LockRows(const std::vector<int64_t>& ids) {
  static const std::string sql = std::string("SELECT ") + kWhole + " FROM mend.queue WHERE id = ANY ($1) FOR UPDATE";
  pg::BookRows found(sql.c_str(), {pg::Int8Array(ids)});
  std::vector<QueuedRow> rows;
  while (found.Next()) {
    rows.push_back(ToRow(found));
  }
  // The index gives them in order, and PostgreSQL does not know it: it would sort whole payloads.
  const auto earlier = [](const QueuedRow& one, const QueuedRow& other) { return one.id < other.id; };
  if (!std::is_sorted(rows.begin(), rows.end(), earlier)) {
    std::sort(rows.begin(), rows.end(), earlier);
  }
  return rows;
}

}  // namespace mend::apply
