#include "server/queue/room.h"

#include <algorithm>
#include <string>

#include "server/pg/catalog.h"
#include "server/pg/deadline.h"
#include "server/pg/settings_limits.h"
#include "server/pg/spi.h"

namespace mend::queue {
namespace {

constexpr int64_t kMegabyte = 1024 * 1024;
constexpr int64_t kLookEveryMs = 1000;
// Counting takes no more than a twentieth of a session's time.
constexpr int64_t kCountShare = 20;

// What this session knows of the queue, and has added since.
struct Known {
  Oid submitter = InvalidOid;
  int limit_mb = 0;
  int64_t total = 0, own = 0;
  TimestampTz good_until = 0;
};

Known known;

Known Count(Oid submitter) {
  const pg::Stopwatch took;
  Known now;
  now.submitter = submitter;
  now.limit_mb = pg::max_queue_mb;
  int64_t good_for_ms = kLookEveryMs;
  const int64_t share = now.limit_mb * kMegabyte / 2;
  // Compressed, as what is counted below is.
  const int64_t on_disk = pg::RunPrepared(
                              "SELECT pg_total_relation_size('mend.queue') + "
                              "pg_total_relation_size('mend.dead_letters')")
                              .int8(0, 0);
  if (on_disk > share) {
    const pg::Rows rows = pg::RunPrepared(
        "SELECT coalesce(sum(r.bytes), 0)::bigint, coalesce(sum(r.bytes) FILTER (WHERE r.submitter "
        "= $1), 0)::bigint FROM (SELECT submitter, pg_column_size(payload)::bigint + $2 AS bytes "
        "FROM mend.queue UNION ALL SELECT submitter, pg_column_size(payload)::bigint + $2 FROM "
        "mend.dead_letters) r",
        {pg::ObjectId(submitter), pg::Int8(static_cast<int64_t>(kBytesBeside))});
    now.total = rows.int8(0, 0);
    now.own = rows.int8(0, 1);
    good_for_ms = std::max(good_for_ms, took.Ms() * kCountShare);
  } else {
    // There is room for half of the limit at least, less what this session adds.
    now.total = now.own = on_disk;
  }
  now.good_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), good_for_ms);
  return now;
}

}  // namespace

void RequireRoom(Oid submitter, size_t bytes) {
  if (pg::max_queue_mb == 0) {
    return;
  }
  if (known.submitter != submitter || known.limit_mb != pg::max_queue_mb ||
      GetCurrentTimestamp() >= known.good_until) {
    known = Count(submitter);
  }
  const int64_t limit = pg::max_queue_mb * kMegabyte;
  const auto more = static_cast<int64_t>(bytes);
  const bool is_full = known.total + more > limit;
  if (is_full || known.own + more > limit / 2) {
    const int64_t own_mb = known.own / kMegabyte;
    known.good_until = 0;  // whoever tries again is told what is so by then
    throw pg::Error(
        ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        is_full ? "the payloads that wait for healing or for a person are as many as "
                  "mend.max_queue_size allows"
                : "the payloads of role \"" + pg::RoleName(submitter) +
                      "\" that wait for healing or for a person take half of mend.max_queue_size",
        "Let rows heal, retry or discard dead letters, or have an administrator raise "
        "mend.max_queue_size. Nothing of this statement is kept.",
        "mend.max_queue_size is " + std::to_string(pg::max_queue_mb) + " MB, and the role has " +
            std::to_string(own_mb) + " MB.");
  }
  known.total += more;
  known.own += more;
}

}  // namespace mend::queue
