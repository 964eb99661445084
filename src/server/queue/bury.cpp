#include "server/queue/bury.h"

#include "server/pg/spi.h"

namespace mend::queue {

int64_t BuryRows(Oid target, const std::optional<std::string>& reason, std::string_view name,
                 std::optional<int64_t> at_most) {
  const pg::Rows buried = pg::RunPrepared(
      "WITH gone AS (DELETE FROM mend.queue WHERE id IN (SELECT id FROM mend.queue "
      "WHERE target = $1 AND ($3 = '' OR target_name = $3) ORDER BY target, id LIMIT $4) "
      "RETURNING *) "
      "INSERT INTO mend.dead_letters (id, target, target_name, payload, submitter, submitted_by, "
      "submitted_at, sqlstate, error, kind, field, fields, context, session_submitter, "
      "session_submitted_by, code, reason, patch_id, key_hash, original) "
      "SELECT id, target, target_name, payload, submitter, submitted_by, submitted_at, sqlstate, "
      "error, kind, field, fields, context, session_submitter, session_submitted_by, code, "
      "coalesce($2, 'table ' || target_name || ' is not here, or not enrolled'), patch_id, "
      "key_hash, original FROM gone",
      {pg::ObjectId(target), pg::Text(reason), pg::Text(name), pg::Int8(at_most)});
  return static_cast<int64_t>(buried.processed());
}

}  // namespace mend::queue
