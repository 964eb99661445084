#include "server/queue/bury.h"

#include "server/pg/spi.h"

namespace mend::queue {

int64_t BuryRows(Oid target, std::string_view reason, std::string_view name) {
  const pg::Rows buried = pg::RunPrepared(
      "WITH gone AS (DELETE FROM mend.queue WHERE target = $1 AND ($3 = '' OR target_name = $3) "
      "RETURNING *) "
      "INSERT INTO mend.dead_letters (id, target, target_name, payload, submitter, submitted_by, "
      "submitted_at, sqlstate, error, kind, field, fields, context, reason, patch_id) "
      "SELECT id, target, target_name, payload, submitter, submitted_by, submitted_at, sqlstate, "
      "error, kind, field, fields, context, $2, patch_id FROM gone",
      {pg::ObjectId(target), pg::Text(reason), pg::Text(name)});
  return static_cast<int64_t>(buried.processed());
}

}  // namespace mend::queue
