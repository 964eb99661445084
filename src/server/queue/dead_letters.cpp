#include "server/queue/dead_letters.h"

#include "server/pg/spi.h"

namespace mend::queue {

std::vector<DeadLetter> FindDeadLetters(Oid caller, const std::vector<int64_t>& ids) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT d.id, d.target::oid, coalesce(e.target_name, d.target_name), "
      "octet_length(d.payload)::int8, e.target IS NOT NULL, d.sqlstate = 'MD001', "
      "mend.may_release($1, d), d.submitted_by::text FROM mend.dead_letters d LEFT JOIN "
      "mend.enrollments e ON e.target = "
      "d.target WHERE d.id = ANY ($2) ORDER BY d.target, d.id",
      {pg::ObjectId(caller), pg::Int8Array(ids)});
  std::vector<DeadLetter> letters;
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool is_his = rows.boolean(i, 6);
    letters.push_back({rows.int8(i, 0), rows.oid(i, 1), rows.text(i, 2),
                       static_cast<size_t>(rows.int8(i, 3)), rows.boolean(i, 4),
                       is_his || !rows.boolean(i, 5), is_his, rows.text(i, 7)});
  }
  return letters;
}

std::vector<int64_t> DeadLettersOf(Oid target, const std::optional<std::string>& kind,
                                   const std::optional<std::string>& field) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT id FROM mend.dead_letters WHERE target = $1 AND ($2 IS NULL OR kind = $2 OR cause = "
      "$2) AND ($3 IS NULL OR field = $3) ORDER BY target, id",
      {pg::ObjectId(target), pg::Text(kind), pg::Text(field)});
  std::vector<int64_t> ids;
  for (size_t i = 0; i < rows.size(); ++i) {
    ids.push_back(rows.int8(i, 0));
  }
  return ids;
}

void ChangePayload(int64_t id, std::string_view payload, std::optional<int64_t> key,
                   const std::optional<Offer>& offer) {
  pg::RunPrepared(
      "UPDATE mend.dead_letters SET original = nullif(coalesce(original, payload), $2), payload = "
      "$2, key_hash = $3, overtaken = false WHERE id = $1",
      {pg::Int8(id), pg::Text(payload), pg::Int8(key)});
  if (offer) {
    pg::RunPrepared(
        "UPDATE mend.dead_letters SET submitter = $2, submitted_by = $3::name, session_submitter = "
        "$4, session_submitted_by = $5::name, code = $6::jsonb, context = mend.context_of(context, "
        "$7::jsonb) WHERE id = $1",
        {pg::Int8(id), pg::ObjectId(offer->submitter),
         pg::Text(std::string_view(offer->submitted_by)), pg::ObjectId(offer->session_submitter),
         pg::Text(std::string_view(offer->session_submitted_by)),
         pg::Text(std::string_view(offer->code)), pg::Text(std::string_view(offer->session))});
  }
}

std::string ContextOf(std::string_view offered, std::string_view session) {
  return pg::RunPrepared(
             "SELECT mend.context_of($1::jsonb, $2::jsonb)::text",
             {pg::Text(offered.empty() ? std::string_view("{}") : offered), pg::Text(session)})
      .text(0, 0);
}

}  // namespace mend::queue
