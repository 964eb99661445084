#include "server/apply/widening.h"

#include <algorithm>

#include "core/limits/breaker.h"
#include "server/pg/spi.h"

namespace mend::apply {

std::optional<Widening> FindWidening(Oid target, bool due) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT patch, \"column\", step, position, blocks, passed_over, passes, tries, target_name, "
      "attnum, coalesce(new_attnum, 0), type, narrows FROM mend.widenings WHERE target = $1 AND "
      "finished IS "
      "NULL AND (NOT $2 OR (step = 'cancelling' OR NOT paused) AND coalesce(not_before <= "
      "clock_timestamp(), true)) ORDER BY patch LIMIT 1",
      {pg::ObjectId(target), pg::Bool(due)});
  if (rows.empty()) {
    return std::nullopt;
  }
  Widening widening;
  widening.patch = rows.int8(0, 0);
  widening.column = rows.text(0, 1);
  widening.step = rows.text(0, 2);
  widening.position = rows.int8(0, 3);
  widening.blocks = rows.int8(0, 4);
  widening.passed_over = rows.int8(0, 5);
  widening.passes = static_cast<int>(rows.int8(0, 6));
  widening.tries = static_cast<int>(rows.int8(0, 7));
  widening.target = target;
  widening.target_name = rows.text(0, 8);
  widening.attnum = static_cast<int16_t>(rows.int8(0, 9));
  widening.new_attnum = static_cast<int16_t>(rows.int8(0, 10));
  widening.type = rows.text(0, 11);
  widening.narrows = rows.boolean(0, 12);
  return widening;
}

void BeginWidening(const Widening& widening) {
  // One that was cancelled may begin anew, and one that is done go back.
  pg::RunPrepared(
      "INSERT INTO mend.widenings AS w (patch, \"column\", target, target_name, attnum, type, "
      "narrows) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (patch, \"column\") DO UPDATE SET "
      "step = "
      "'column', position = 0, rows = 0, started = clock_timestamp(), paused = false, error = "
      "NULL, attnum = excluded.attnum, new_attnum = NULL, type = excluded.type, narrows = "
      "excluded.narrows, blocks = 0, "
      "passed_over = 0, passes = 0, tries = 0, not_before = NULL, step_started = "
      "clock_timestamp(), finished = NULL",
      {pg::Int8(widening.patch), pg::Name(widening.column), pg::ObjectId(widening.target),
       pg::Text(widening.target_name), pg::Int4(widening.attnum), pg::Text(widening.type),
       pg::Bool(widening.narrows)});
}

void Advance(const Widening& widening, const char* step) {
  pg::RunPrepared(
      "UPDATE mend.widenings SET step = $3, position = 0, blocks = 0, passed_over = 0, tries = 0, "
      "error = NULL, not_before = NULL, step_started = clock_timestamp(), finished = CASE WHEN $3 "
      "IN ('done', 'cancelled') THEN clock_timestamp() END, new_attnum = CASE WHEN $3 NOT IN "
      "('done', 'cancelled') THEN new_attnum END, trigger = CASE WHEN $3 NOT IN ('done', "
      "'cancelled') THEN trigger END WHERE patch = $1 AND \"column\" = $2 AND (step <> "
      "'cancelling' OR $3 = 'cancelled')",
      {pg::Int8(widening.patch), pg::Name(widening.column), pg::Text(step)});
}

void PutOffWidening(const Widening& widening, const std::string& why, int most) {
  pg::RunPrepared(
      "UPDATE mend.widenings SET tries = tries + 1, error = $3, not_before = clock_timestamp() + "
      "$4 * interval '1 millisecond', paused = paused OR tries + 1 >= $5 WHERE patch = $1 AND "
      "\"column\" = $2",
      {pg::Int8(widening.patch), pg::Name(widening.column), pg::Text(why),
       pg::Int8(limits::BackoffMs(widening.tries + 1)), pg::Int4(most)});
}

void PauseWidening(int64_t patch, const std::string& why) {
  // What has lost its column cannot go on.
  pg::RunPrepared(
      "UPDATE mend.widenings w SET paused = c.there, error = $2, step = CASE WHEN c.there THEN "
      "step "
      "ELSE 'cancelling' END, not_before = NULL FROM (SELECT v.patch, EXISTS (SELECT FROM "
      "pg_attribute a WHERE a.attrelid = v.target AND a.attnum = v.attnum AND a.attname = "
      "v.\"column\" AND NOT a.attisdropped) AS there FROM mend.widenings v) c WHERE w.patch = $1 "
      "AND c.patch = w.patch AND w.finished IS NULL AND w.step <> 'cancelling' AND (NOT w.paused "
      "OR "
      "w.error IS DISTINCT FROM $2)",
      {pg::Int8(patch), pg::Text(why)});
}

void DelayWidening(const Widening& widening, const std::string& why, int64_t ms) {
  pg::RunPrepared(
      "UPDATE mend.widenings SET error = $3, not_before = clock_timestamp() + $4 * interval '1 "
      "millisecond' WHERE patch = $1 AND \"column\" = $2",
      {pg::Int8(widening.patch), pg::Name(widening.column), pg::Text(why), pg::Int8(ms)});
}

}  // namespace mend::apply
