#include "server/claude/plans.h"

#include "server/apply/patches.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"

namespace mend::claude {
namespace {

using plan::claude::End;
using plan::claude::Result;

const std::string kAlterTable = "ALTER TABLE ";

// What the model may do better the next time is not held against the drift for ever.
const char* ForgetAfter(End end) {
  switch (end) {
    case End::Nonsense: return "1 hour";
    case End::ModelRefusal: return "1 day";
    default: return nullptr;
  }
}

// Claims of workers that are at it still: a lease ends with its round, and with its process.
constexpr char kOtherClaimSql[] =
    "SELECT p.fingerprint FROM mend.plans p WHERE p.state = 'asking' AND p.asked_by <> "
    "pg_backend_pid() "
    "AND EXISTS (SELECT FROM mend.workers() w WHERE w.pid = p.asked_by AND w.target::oid = "
    "p.asked_for) "
    "ORDER BY p.fingerprint = $1 DESC";

}  // namespace

std::optional<Remembered> Recall(const std::string& fingerprint, const std::string& table) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT state = 'accepted', model, ddl, field_map::text, rationale, coalesce(reason, ''), "
      "patch_id FROM mend.plans "
      "WHERE fingerprint = $1 AND state <> 'asking' AND (forget_at IS NULL OR forget_at > "
      "clock_timestamp())",
      {pg::Text(fingerprint)});
  if (rows.empty()) {
    return std::nullopt;
  }
  Remembered remembered;
  remembered.accepted = rows.boolean(0, 0);
  remembered.model = rows.text(0, 1);
  if (const std::string& subcommands = rows.text(0, 2); !subcommands.empty()) {
    remembered.patch.ddl = kAlterTable + table + " " + subcommands;
  }
  if (const auto field_map = apply::FieldMapFromJson(rows.text(0, 3))) {
    for (const plan::FieldMapping& mapping : *field_map) {
      remembered.patch.field_map.emplace_back(mapping.field, mapping.column);
    }
  }
  remembered.patch.rationale = rows.text(0, 4);
  remembered.reason = rows.text(0, 5);
  if (!rows.IsNull(0, 6)) {
    remembered.patch_id = rows.int8(0, 6);
  }
  return remembered;
}

Claimed Claim(const std::string& fingerprint, Oid target, bool anew) {
  pg::RunPrepared("LOCK TABLE mend.plans IN SHARE ROW EXCLUSIVE MODE");
  const pg::Rows known = pg::RunPrepared(
      "SELECT FROM mend.plans WHERE fingerprint = $1 AND state <> 'asking' "
      "AND (forget_at IS NULL OR forget_at > clock_timestamp())",
      {pg::Text(fingerprint)});
  if (!known.empty() && !anew) {
    return {Claimed::Kind::Known, ""};
  }
  const pg::Rows others = pg::RunPrepared(kOtherClaimSql, {pg::Text(fingerprint)});
  const bool same = !others.empty() && others.text(0, 0) == fingerprint;
  const bool crowded =
      pg::max_workers > 1 && others.size() + 1 >= static_cast<size_t>(pg::max_workers);
  if (same || crowded) {
    pg::RunPrepared("UPDATE mend.progress SET waits_for = $2 WHERE target = $1",
                    {pg::ObjectId(target), pg::Text(others.text(0, 0))});
    return {Claimed::Kind::Waits, others.text(0, 0)};
  }
  pg::RunPrepared(
      "INSERT INTO mend.plans AS p (fingerprint, state, asked_by, asked_for) VALUES ($1, 'asking', "
      "pg_backend_pid(), $2) "
      "ON CONFLICT (fingerprint) DO UPDATE SET state = 'asking', asked_by = excluded.asked_by, "
      "asked_for = excluded.asked_for, made_at = excluded.made_at, forget_at = NULL, model = NULL, "
      "ddl = '', "
      "field_map = '{}', rationale = '', reason = NULL, patch_id = NULL",
      {pg::Text(fingerprint), pg::ObjectId(target)});
  return {};
}

void RememberPatch(const std::string& fingerprint, const Result& result, const std::string& ddl,
                   const std::string& table, const std::string& field_map) {
  const std::string head = kAlterTable + table + " ";
  const std::string subcommands =
      ddl.compare(0, head.size(), head) == 0 ? ddl.substr(head.size()) : "";
  pg::RunPrepared(
      "UPDATE mend.plans SET state = 'accepted', model = $2, ddl = $3, field_map = $4::jsonb, "
      "rationale = $5, "
      "patch_id = NULL, made_at = clock_timestamp(), asked_by = NULL, asked_for = NULL WHERE "
      "fingerprint = $1",
      {pg::Text(fingerprint), pg::Text(result.model), pg::Text(subcommands), pg::Text(field_map),
       pg::Text(result.patch.rationale)});
}

void RememberRefusal(const std::string& fingerprint, const Result& result) {
  const char* after = ForgetAfter(result.end);
  pg::RunPrepared(
      "UPDATE mend.plans SET state = 'refused', model = $2, reason = $3, made_at = "
      "clock_timestamp(), "
      "forget_at = clock_timestamp() + $4::interval, asked_by = NULL, asked_for = NULL WHERE "
      "fingerprint = $1",
      {pg::Text(fingerprint), pg::Text(result.model), pg::Text(result.reason),
       after != nullptr ? pg::Text(after) : pg::NullText()});
}

void Release(const std::string& fingerprint) {
  pg::RunPrepared(
      "DELETE FROM mend.plans WHERE fingerprint = $1 AND state = 'asking' AND asked_by = "
      "pg_backend_pid()",
      {pg::Text(fingerprint)});
}

void WakeWaiting(const std::string& fingerprint) {
  pg::RunPrepared(
      "WITH woken AS (UPDATE mend.progress SET waits_for = NULL WHERE waits_for = $1 RETURNING "
      "target) "
      "INSERT INTO mend.requests (target) SELECT target FROM woken",
      {pg::Text(fingerprint)});
}

}  // namespace mend::claude
