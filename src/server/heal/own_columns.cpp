#include "server/heal/own_columns.h"

#include "core/base/json_writer.h"
#include "core/plan/wording.h"
#include "server/observe/events.h"
#include "server/pg/spi.h"

namespace mend::heal {
namespace {

// What was seen of the values of a column.
drift::Profile SeenOf(const table::Target& target, const std::string& column,
                      const drift::DriftSet& covered) {
  drift::Profile seen;
  for (const drift::Drift& drift : covered) {
    const table::Resolution goes_to = target.Resolve(drift.field);
    const bool spoke = drift.cause != drift::Cause::ManyDigits || drift.row_count > 1;
    if (spoke && goes_to.kind == table::Resolution::Kind::Column &&
        target.shape().columns[static_cast<size_t>(goes_to.column)].name == column) {
      seen.Merge(drift.profile);
    }
  }
  return seen;
}

// Whether the type of a new column is a person's, by a hint, and none that may turn out too narrow.
// That a hint was not followed is told.
bool TakeHint(const table::Target& target, const plan::Action& action, int64_t patch_id) {
  const plan::Hint* hint = plan::HintFor(target.enrollment().hints, action.column);
  if (hint == nullptr) {
    return false;
  }
  if (hint->type == action.type) {
    return hint->type.oid == plan::type_oid::kText || hint->type.oid == plan::type_oid::kVarchar ||
           hint->type.oid == plan::type_oid::kBpchar;
  }
  observe::Record("hint_unfit", target.enrollment().target_name, patch_id,
                  json::Writer()
                      .Object()
                      .String("column", action.column)
                      .String("hint", hint->pattern)
                      .String("hinted", hint->type_text)
                      .String("type", plan::TypeText(action.type))
                      .Close()
                      .Take(),
                  observe::kWorker);
  return false;
}

}  // namespace

void KeepOwnColumns(Oid target_oid, const apply::PatchRecord& record,
                    const drift::DriftSet& covered) {
  if (record.planner != "rules" || record.decided) {
    return;
  }
  const std::shared_ptr<const table::Target> target = table::FindTarget(target_oid);
  for (const plan::Action& action : record.patch.actions) {
    if (action.kind != plan::ActionKind::AddColumn && !plan::ChangesType(action.kind)) {
      continue;
    }
    drift::Profile seen = SeenOf(*target, action.column, covered);
    const bool adds = action.kind == plan::ActionKind::AddColumn;
    if (adds && TakeHint(*target, action, record.id)) {
      continue;
    }
    const pg::Rows before = pg::RunPrepared(
        "SELECT profile::text FROM mend.own_columns WHERE target = $1 AND column_name = $2::name",
        {pg::ObjectId(target_oid), pg::Text(action.column)});
    if (!adds && before.empty()) {
      continue;
    }
    if (!adds) {
      seen.Merge(drift::Profile::FromJson(before.text(0, 0)).value_or(drift::Profile()));
    }
    pg::RunPrepared(
        "INSERT INTO mend.own_columns AS o (target, column_name, attnum, type, profile, patch_id) "
        "SELECT $1, attname, attnum, format_type(atttypid, atttypmod), $3::jsonb, $4 FROM "
        "pg_attribute WHERE attrelid = $1 AND attname = $2 AND NOT attisdropped "
        "ON CONFLICT (target, column_name) DO UPDATE SET attnum = excluded.attnum, type = "
        "excluded.type, profile = excluded.profile, patch_id = excluded.patch_id",
        {pg::ObjectId(target_oid), pg::Text(action.column), pg::Text(seen.ToJson()),
         pg::Int8(record.id)});
  }
}

}  // namespace mend::heal
