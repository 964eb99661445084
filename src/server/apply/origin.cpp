#include "server/apply/origin.h"

#include <string>

#include "server/pg/spi.h"
#include "server/pg/user.h"

namespace mend::apply {
namespace {

// A column and the comment that it is to have: the date and the patch, and nothing that came with a
// payload. Told from somebody else's by the one that it had when nobody has touched it since.
constexpr const char* kColumns =
    "SELECT t.attnum, coalesce('pg_mend: ' || w.now, '') FROM mend.patches m, "
    "LATERAL (SELECT DISTINCT a ->> 'column' AS name FROM jsonb_array_elements(m.evidence -> "
    "'actions') a) c "
    "JOIN pg_attribute t ON t.attrelid = $2 AND t.attname = c.name AND t.attnum > 0 AND NOT "
    "t.attisdropped, "
    "LATERAL (SELECT string_agg(b.part, ', ' ORDER BY b.applied_at, b.id) FILTER (WHERE b.id <> "
    "m.id OR m.state <> 'applied') AS before, "
    "string_agg(b.part, ', ' ORDER BY b.applied_at, b.id) FILTER (WHERE b.id <> m.id OR m.state = "
    "'applied') AS now "
    "FROM (SELECT p.id, p.applied_at, format('%s by patch %s on %s', "
    "CASE a ->> 'kind' WHEN 'add_column' THEN 'added' WHEN 'widen_type' THEN 'widened' ELSE "
    "'changed' END, p.id, "
    "to_char(p.applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')) AS part "
    "FROM mend.patches p, jsonb_array_elements(p.evidence -> 'actions') a WHERE p.target = "
    "m.target AND a ->> 'column' = c.name "
    // Known without unpacking the others.
    "AND p.evidence -> 'actions' @> jsonb_build_array(jsonb_build_object('column', c.name)) "
    "AND (p.state = 'applied' OR p.id = m.id)) b) w "
    "WHERE m.id = $1 AND col_description($2, t.attnum) IS NOT DISTINCT FROM 'pg_mend: ' || "
    "w.before "
    "AND w.now IS DISTINCT FROM w.before";

}  // namespace

void NoteOrigins(Oid relid, int64_t patch_id) {
  const pg::Rows columns = pg::RunPrepared(kColumns, {pg::Int8(patch_id), pg::ObjectId(relid)});
  pg::AsExtensionOwner as_owner;
  for (size_t row = 0; row < columns.size(); ++row) {
    const auto attnum = static_cast<int32>(columns.int8(row, 0));
    const std::string& comment = columns.text(row, 1);
    pg::Call([&] {
      CreateComments(relid, RelationRelationId, attnum,
                     comment.empty() ? nullptr : comment.c_str());
    });
  }
}

}  // namespace mend::apply
