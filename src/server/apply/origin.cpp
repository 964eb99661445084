#include "server/apply/origin.h"

#include <string>

#include "server/pg/spi.h"
#include "server/pg/user.h"

namespace mend::apply {
namespace {

// A column, the comment that it has if nobody touched it, and the one that it is to have.
constexpr const char* kColumns =
    "SELECT t.attnum, coalesce(w.now, '') FROM mend.patches p, "
    "LATERAL (SELECT DISTINCT a ->> 'column' AS name FROM jsonb_array_elements(p.evidence -> 'actions') a) c, "
    "LATERAL (SELECT mend.column_origin(p.target, c.name, p.id, p.state <> 'applied') AS before, "
    "mend.column_origin(p.target, c.name, p.id, p.state = 'applied') AS now) w "
    "JOIN pg_attribute t ON NOT t.attisdropped "
    "WHERE p.id = $1 AND t.attrelid = $2 AND t.attname = c.name AND t.attnum > 0 "
    "AND col_description($2, t.attnum) IS NOT DISTINCT FROM w.before AND w.now IS DISTINCT FROM w.before";

}  // namespace

void NoteOrigins(Oid relid, int64_t patch_id) {
  const pg::Rows columns = pg::KeepBooks(kColumns, {pg::Int8(patch_id), pg::ObjectId(relid)});
  pg::AsBookkeeper bookkeeper;
  for (size_t row = 0; row < columns.size(); ++row) {
    const auto attnum = static_cast<int32>(columns.int8(row, 0));
    const std::string& comment = columns.text(row, 1);
    pg::Call([&] { CreateComments(relid, RelationRelationId, attnum, comment.empty() ? nullptr : comment.c_str()); });
  }
}

}  // namespace mend::apply
