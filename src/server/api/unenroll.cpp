// mend.unenroll, mend.unenroll_all, mend.move, and DROP EXTENSION: the ways out. They run with the
// caller's rights, check those themselves, and write as the extension's owner.
#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/json_writer.h"
#include "server/api/arguments.h"
#include "server/api/offered.h"
#include "server/apply/submitter.h"
#include "server/guard/landing_table.h"
#include "server/ingest/batch.h"
#include "server/observe/events.h"
#include "server/pg/catalog.h"
#include "server/pg/memory.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"
#include "server/queue/bury.h"
#include "server/queue/drop_guard.h"
#include "server/table/enrollment.h"

namespace mend::api {
namespace {

// The views that mend.create_inbox() has made for the table, and recorded: whoever may hang our
// trigger on somebody else's view has not made it an inbox.
void DropInboxes(Oid target) {
  const pg::Rows views = pg::RunPrepared(
      "WITH gone AS (DELETE FROM mend.inboxes WHERE target = $1 RETURNING view) "
      "SELECT v.oid::regclass::text FROM gone JOIN pg_class v ON v.oid = gone.view WHERE v.relkind "
      "= 'v' AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = v.oid AND t.tgfoid = "
      "'mend.take_inbox()'::regprocedure)",
      {pg::ObjectId(target)});
  for (size_t i = 0; i < views.size(); ++i) {
    pg::RunOnce("DROP VIEW " + views.text(i, 0));
  }
}

bool Exists(Oid relid) {
  return pg::Call([&] { return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)); });
}

// Of a table that is there, its owner alone may; nothing is queued for it any more before the
// transaction ends. No round begins meanwhile.
void LockTarget(Oid target) {
  if (Exists(target)) {
    guard::RequireOwner(target);
    // Waits for the payloads that are on their way, so that none is queued behind our back.
    pg::Call([&] { LockRelationOid(target, ShareRowExclusiveLock); });
  }
  // A round that is beginning has written its progress before the next statement looks.
  pg::RunPrepared("SELECT FROM mend.enrollments WHERE target = $1 FOR UPDATE",
                  {pg::ObjectId(target)});
}

int64_t Queued(Oid target) {
  return pg::RunPrepared("SELECT mend.rows_of('queue', $1)", {pg::ObjectId(target)}).int8(0, 0);
}

std::string Literal(const std::string& text) {
  std::string literal = "'";
  for (const char c : text) {
    literal.append(c == '\'' ? 2 : 1, c);
  }
  return literal + "'";
}

std::string RowsAre(int64_t rows) {
  return std::to_string(rows) + (rows == 1 ? " row is" : " rows are");
}

// The table is an ordinary one again. It is locked, and nothing is queued for it.
void Forget(Oid target) {
  const pg::Rows widening = pg::RunPrepared(
      "SELECT w.patch, w.target_name FROM mend.widenings w JOIN pg_class c ON c.oid = w.target "
      "WHERE w.target = $1 AND w.finished IS NULL",
      {pg::ObjectId(target)});
  if (!widening.empty()) {
    throw pg::Error(
        ERRCODE_OBJECT_IN_USE,
        "patch " + widening.text(0, 0) + " is being applied online to table " + widening.text(0, 1),
        "Let it end, or SELECT mend.cancel_widening(" + widening.text(0, 0) + ").");
  }
  pg::RunPrepared(
      "WITH gone AS (DELETE FROM mend.enrollments WHERE target = $1 RETURNING target_name),"
      " fields AS (DELETE FROM mend.fields WHERE target = $1),"
      " own_columns AS (DELETE FROM mend.own_columns WHERE target = $1),"
      " progress AS (DELETE FROM mend.progress WHERE target = $1),"
      " requests AS (DELETE FROM mend.requests WHERE target = $1),"
      " rescues AS (DELETE FROM mend.rescues WHERE target = $1),"
      " samples AS (DELETE FROM mend.rescue_samples WHERE target = $1),"
      " widenings AS (DELETE FROM mend.widenings WHERE target = $1),"
      " promotions AS (DELETE FROM mend.promotions WHERE target = $1),"
      " drifts AS (DELETE FROM mend.drifts WHERE target = $1 AND state IN ('open', 'waiting')),"
      " patches AS (UPDATE mend.patches SET state = 'rejected', reason = 'the table was "
      "unenrolled',"
      "             evidence = evidence || '{\"unenrolled\": true}',"
      "             decided_by = session_user, decided_at = pg_catalog.clock_timestamp()"
      "             WHERE target = $1 AND state IN ('proposed', 'approved') RETURNING id, "
      "target_name, reason),"
      " rejections AS (INSERT INTO mend.events (kind, target_name, patch_id, detail)"
      "                SELECT 'patch_rejected', target_name, id, "
      "pg_catalog.jsonb_build_object('reason', reason)"
      "                FROM patches ORDER BY id) "
      "INSERT INTO mend.events (kind, target_name) SELECT 'unenrolled', target_name FROM gone",
      {pg::ObjectId(target)});
  DropInboxes(target);
}

// The name by which a target is enrolled.
std::string EnrolledName(Oid target) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT target_name FROM mend.enrollments WHERE target = $1", {pg::ObjectId(target)});
  return rows.empty() ? std::string() : rows.text(0, 0);
}

Datum Unenroll(FunctionCallInfo call) {
  const Oid target = TargetArgument(call, 0);
  guard::RequireAdmin();
  if (EnrolledName(target).empty()) {
    const std::string name = pg::QualifiedName(target);
    throw pg::Error(
        ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        (name.empty() ? "the table with OID " + std::to_string(target) : "table " + name) +
            " is not enrolled",
        "There is nothing to end. See mend.enrollments.");
  }
  LockTarget(target);
  const int64_t queued = Queued(target);
  if (queued > 0) {
    throw pg::Error(ERRCODE_OBJECT_IN_USE, RowsAre(queued) + " still queued for the table",
                    "Let them heal (CALL mend.wait_idle()), see mend.status for what they wait "
                    "for, or make them dead letters: SELECT mend.move(" +
                        Literal(EnrolledName(target)) + ");");
  }
  Forget(target);
  return 0;
}

// Makes dead letters of what is queued, and says so.
int64_t Bury(Oid target, const std::string& of_table, const std::string& reason,
             std::string_view name = {}) {
  const int64_t rows = queue::BuryRows(target, reason, name);
  if (rows > 0) {
    observe::Record(
        "dead_lettered", of_table, std::nullopt,
        json::Writer().Object().Number("rows", rows).String("reason", reason).Close().Take());
  }
  return rows;
}

Datum UnenrollAll(FunctionCallInfo call) {
  const bool force = BoolArgument(call, 0).value_or(false);
  guard::RequireAdmin();
  const pg::Rows enrolled =
      pg::RunPrepared("SELECT target::oid, target_name FROM mend.enrollments ORDER BY target");
  int64_t queued = 0;
  for (size_t i = 0; i < enrolled.size(); ++i) {
    const Oid target = enrolled.oid(i, 0);
    LockTarget(target);
    if (force) {
      Bury(target, enrolled.text(i, 1), "its table was unenrolled with mend.unenroll_all()");
    } else {
      queued += Queued(target);
    }
  }
  // Rows of tables that nobody has enrolled: a restore leaves such.
  const pg::Rows others = pg::RunPrepared(
      "SELECT DISTINCT q.target::oid, q.target_name FROM mend.queue q WHERE NOT EXISTS (SELECT "
      "FROM mend.enrollments e WHERE e.target = q.target) ORDER BY 1, 2");
  for (size_t i = 0; i < others.size(); ++i) {
    const Oid target = others.oid(i, 0);
    LockTarget(target);
    if (force) {
      Bury(target, others.text(i, 1), "its table was unenrolled with mend.unenroll_all()",
           others.text(i, 1));
    } else {
      queued += Queued(target);
    }
  }
  if (queued > 0) {
    throw pg::Error(ERRCODE_OBJECT_IN_USE, RowsAre(queued) + " still queued",
                    "Let them heal (CALL mend.wait_idle()), or make them dead letters: SELECT "
                    "mend.unenroll_all(force => true);");
  }
  for (size_t i = 0; i < enrolled.size(); ++i) {
    Forget(enrolled.oid(i, 0));
  }
  return Int64GetDatum(static_cast<int64_t>(enrolled.size()));
}

// What mend.move() was told to empty: the rows of a table, or those of it alone that were offered
// for a name which it has no longer, or never had.
struct Source {
  Oid target;
  std::string name;  // empty: all rows of the target
  std::string of_table;
};

bool IsNumber(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// A number is an OID. Of a name, the rows of tables that bore it and are gone come before those of
// the table that bears it now.
std::vector<Source> FindSources(const std::string& given, bool with_dead_letters) {
  const std::string targets =
      std::string(
          "WITH known AS (SELECT target, target_name FROM mend.enrollments UNION SELECT target, "
          "target_name FROM mend.queue") +
      (with_dead_letters ? " UNION SELECT target, target_name FROM mend.dead_letters" : "") +
      "), named AS (SELECT k.target, k.target_name, quote_ident(n.nspname) || '.' || "
      "quote_ident(c.relname) AS now FROM known k LEFT JOIN pg_class c ON c.oid = k.target LEFT "
      "JOIN pg_namespace n ON n.oid = c.relnamespace) ";
  std::vector<Source> sources;
  if (IsNumber(given)) {
    const pg::Rows rows = pg::RunOnce(targets +
                                          "SELECT target::oid, min(target_name) FROM named WHERE "
                                          "target::oid::text = $1 GROUP BY 1",
                                      {pg::Text(given)});
    for (size_t i = 0; i < rows.size(); ++i) {
      sources.push_back({rows.oid(i, 0), "", rows.text(i, 1)});
    }
    return sources;
  }
  // As it is stored, and as a person may have written it.
  const pg::Rows gone = pg::RunOnce(
      targets +
          "SELECT target::oid, target_name FROM named WHERE now IS DISTINCT FROM target_name AND "
          "(target_name = $1 OR (SELECT string_agg(quote_ident(part), '.' ORDER BY n) FROM "
          "unnest(CASE WHEN $1 ~ '^([^\".]+|\"[^\"]+\")(\\.([^\".]+|\"[^\"]+\"))?$' THEN "
          "parse_ident($1, false) END) WITH ORDINALITY p (part, n)) = target_name) ORDER BY 1, 2",
      {pg::Text(given)});
  for (size_t i = 0; i < gone.size(); ++i) {
    sources.push_back({gone.oid(i, 0), gone.text(i, 1), gone.text(i, 1)});
  }
  if (sources.empty()) {
    const Oid living = pg::Call([&] {
#if PG_VERSION_NUM >= 160000
      List* names = stringToQualifiedNameList(given.c_str(), nullptr);
#else
      List* names = stringToQualifiedNameList(given.c_str());
#endif
      return RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock, true);
    });
    if (OidIsValid(living)) {
      sources.push_back({living, "", pg::QualifiedName(living)});
    }
  }
  return sources;
}

constexpr const char* kTakeSome =
    "WITH near AS ((SELECT id, octet_length(payload) AS bytes FROM mend.queue WHERE target = $1 "
    "AND id > $2 AND ($3 = '' OR target_name = $3) ORDER BY target, id LIMIT 1000) UNION ALL "
    "(SELECT id, octet_length(payload) FROM mend.dead_letters WHERE target = $1 AND id > $2 AND "
    "($3 = '' OR target_name = $3) ORDER BY target, id LIMIT 1000)), "
    "chosen AS (SELECT id FROM (SELECT id, sum(bytes) OVER (ORDER BY id) AS bytes, row_number() "
    "OVER "
    "(ORDER BY id) AS n FROM near) s WHERE n = 1 OR n <= 1000 AND bytes <= 8000000), "
    "queued AS (DELETE FROM mend.queue WHERE id IN (SELECT id FROM chosen) RETURNING id, payload, "
    "context), "
    "dead AS (DELETE FROM mend.dead_letters WHERE id IN (SELECT id FROM chosen) RETURNING id, "
    "payload, context) "
    "SELECT t.id, t.payload, coalesce((SELECT jsonb_object_agg(s.key, s.value) FROM "
    "jsonb_each(t.context) s WHERE s.key IN ('TimeZone', 'timezone_abbreviations', 'DateStyle', "
    "'IntervalStyle', 'lc_monetary', 'xmloption')), '{}')::text "
    "FROM (TABLE queued UNION ALL TABLE dead) t ORDER BY t.id";

// Offers the rows to another table anew, in their order: in the caller's name, whose word it is
// that they belong there, and with the settings by which their submitters wrote dates and numbers.
// A path or a setting of theirs that code may heed stays behind.
int64_t OfferAnew(const Source& source, Oid to) {
  int64_t moved = 0;
  ingest::Counts counts;
  pg::Context memory("pg_mend move");
  for (int64_t after = 0;;) {
    pg::CheckInterrupts();
    memory.Reset();
    pg::Switch here(memory.get());
    const pg::Rows rows = pg::RunPrepared(
        kTakeSome, {pg::ObjectId(source.target), pg::Int8(after), pg::Text(source.name)});
    if (rows.empty()) {
      break;
    }
    for (size_t i = 0; i < rows.size();) {
      const std::string& context = rows.text(i, 2);
      const pg::JsonSettings settings(context);
      ingest::Batch batch(to);
      for (; i < rows.size() && rows.text(i, 2) == context; ++i) {
        batch.AddText(rows.text(i, 1));
      }
      batch.Flush();
      counts.inserted += batch.counts().inserted;
      counts.queued += batch.counts().queued;
      counts.dead_lettered += batch.counts().dead_lettered;
    }
    after = rows.int8(rows.size() - 1, 0);
    moved += static_cast<int64_t>(rows.size());
  }
  NoteOffered(to, counts);
  return moved;
}

Datum Move(FunctionCallInfo call) {
  const std::optional<std::string> given = TextArgument(call, 0);
  const std::optional<Oid> to = OidArgument(call, 1);
  if (!given) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, "target must not be null");
  }
  guard::RequireAdmin();
  if (to) {
    table::RequireEnrolled(*to);
  }
  const std::vector<Source> sources = FindSources(*given, to.has_value());
  if (sources.empty()) {
    throw pg::Error(
        ERRCODE_UNDEFINED_TABLE,
        "nothing was offered for a table \"" + *given + "\", and none of that name is there",
        "Give the name as mend.queue.target_name and mend.dead_letters.target_name have "
        "it, or the OID.");
  }
  int64_t moved = 0;
  for (const Source& source : sources) {
    if (to && *to == source.target) {
      throw pg::Error(ERRCODE_INVALID_PARAMETER_VALUE,
                      "the rows are those of table " + source.of_table + " already",
                      "mend.retry() has its dead letters tried again.");
    }
    LockTarget(source.target);
    int64_t rows = 0;
    if (to) {
      rows = OfferAnew(source, *to);
      if (rows > 0) {
        json::Writer detail;
        detail.Object().Number("rows", rows).String("to", pg::QualifiedName(*to));
        observe::Record("moved", source.of_table, std::nullopt, detail.Close().Take());
      }
    } else {
      rows = Bury(source.target, source.of_table, "moved out of the queue with mend.move()",
                  source.name);
    }
    moved += rows;
    // Nothing else can be done with an enrolment whose table is gone.
    if (!Exists(source.target) && Queued(source.target) == 0) {
      Forget(source.target);
    }
  }
  return Int64GetDatum(moved);
}

Datum GuardDrop(FunctionCallInfo) {
  queue::GuardDrop();
  return 0;
}

}  // namespace
}  // namespace mend::api

MEND_EXPORT_DECISION(mend_unenroll, mend::api::Unenroll)
MEND_EXPORT_DECISION(mend_unenroll_all, mend::api::UnenrollAll)
MEND_EXPORT_DECISION(mend_move, mend::api::Move)
MEND_EXPORT(mend_guard_drop, mend::api::GuardDrop)
