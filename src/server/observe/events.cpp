#include "server/observe/events.h"

#include "server/pg/spi.h"

namespace mend::observe {

void Record(const char* kind, const std::string& target_name, std::optional<int64_t> patch_id,
            const std::string& detail, const std::optional<std::string>& actor) {
  pg::RunPrepared(
      "INSERT INTO mend.events (kind, target_name, patch_id, detail, actor) "
      "VALUES ($1, nullif($2, ''), $3, $4::jsonb, coalesce($5, session_user))",
      {pg::Text(kind), pg::Text(target_name), pg::Int8(patch_id), pg::Text(detail),
       pg::Text(actor)});
}

}  // namespace mend::observe
