#include "core/mcp/service.h"

// Texts that others wrote are cut, and stand in members that begin with untrusted_. Names are
// qualified or found in pg_catalog, the only schema searched.
namespace mend::mcp {

const Service kListDriftService = {"list_drift", Access::ReadOnly, ResultForm::Page,
                                   R"sql(
SELECT d.id::text, json_build_object(
    'drift_id', d.id, 'table', d.target_name, 'kind', d.kind, 'untrusted_field', left(d.field, 500),
    'column', d.column_name, 'rows', d.row_count, 'rescued', d.rescued, 'state', d.state,
    'untrusted_reason', left(d.reason, 1000), 'patch_id', d.patch_id,
    'first_seen', d.first_seen, 'last_seen', d.last_seen,
    'profile', CASE WHEN octet_length(d.profile::text) <= 4000 THEN d.profile END), NULL
FROM mend.drifts d
WHERE ($1::oid IS NULL OR d.target = $1::oid)
  AND CASE coalesce($2::text, 'unhealed')
          WHEN 'any' THEN true WHEN 'unhealed' THEN d.state <> 'healed' ELSE d.state = $2::text END
  AND ($3::bigint IS NULL OR d.id < $3::bigint)
ORDER BY d.id DESC LIMIT $4::bigint)sql",       "table state",    "",
                                   false,        "drift",          false};

const Service kListPatchesService = {"list_patches", Access::ReadOnly, ResultForm::Page,
                                     R"sql(
SELECT p.id::text, json_build_object(
    'patch_id', p.id, 'table', p.target_name, 'state', p.state, 'planner', p.planner,
    'ddl', left(p.ddl, 2000), 'untrusted_rationale', left(p.rationale, 300),
    'untrusted_reason', left(p.reason, 1000), 'rows_healed', p.rows_healed, 'rows_failed', p.rows_failed,
    'proposed_by', p.proposed_by, 'created_at', p.created_at, 'applied_at', p.applied_at), NULL
FROM mend.patches p
WHERE ($1::oid IS NULL OR p.target = $1::oid)
  AND (coalesce($2::text, 'any') = 'any' OR p.state = $2::text)
  AND ($3::bigint IS NULL OR p.id < $3::bigint)
ORDER BY p.id DESC LIMIT $4::bigint)sql",         "table state",    "",
                                     false,          "patches",        false};

constexpr std::string_view kPatchObject = R"sql(
SELECT p.id::text, json_build_object(
    'patch_id', p.id, 'table', p.target_name, 'state', p.state,
    'ddl', left(p.ddl, 12000), 'inverse_ddl', left(p.inverse_ddl, 12000),
    'rewrites_table', p.rewrites_table,
    'untrusted_field_map', (SELECT coalesce(json_agg(json_build_object('field', left(m.key, 500), 'column', m.value)), '[]')
                            FROM (SELECT key, value FROM jsonb_each_text(p.field_map) ORDER BY key LIMIT 100) m),
    'untrusted_reason', left(p.reason, 2000), 'untrusted_rationale', left(p.rationale, 4000),
    'untrusted_proposed_ddl', left(p.proposed_ddl, 4000),
    'untrusted_evidence', CASE WHEN octet_length(p.evidence::text) <= 12000 THEN p.evidence END,
    'rows_healed', p.rows_healed, 'rows_failed', p.rows_failed,
    'planner', p.planner, 'model', p.model, 'cost_usd', p.cost_usd,
    'proposed_by', p.proposed_by, 'decided_by', p.decided_by,
    'created_at', p.created_at, 'decided_at', p.decided_at, 'applied_at', p.applied_at),
    CASE WHEN p.state = 'refused' THEN format('patch %s is refused: %s', p.id, p.reason) END
FROM mend.patches p WHERE p.id = $1::bigint)sql";

const Service kGetPatchService = {
    "get_patch", Access::ReadOnly, ResultForm::One, kPatchObject, "patch_id", "", false, "", false};

const Service kProposePatchService = {
    "propose_patch",
    Access::ReadWrite,
    ResultForm::One,
    "SELECT mend.propose($1::pg_catalog.oid::pg_catalog.regclass, $2::pg_catalog.text, "
    "coalesce($3::pg_catalog.jsonb, '{}'), $4::pg_catalog.text, coalesce($5::pg_catalog.jsonb, "
    "'[]'))::pg_catalog.text",
    "table ddl field_map rationale readings",
    kPatchObject,
    true,
    "",
    true};

const Service kDryRunPatchService = {
    "dry_run_patch",
    Access::ReadOnly,
    ResultForm::One,
    "SELECT $1, pg_catalog.json_build_object('patch_id', $1::pg_catalog.int8, 'ok', r.ok, "
    "'rows_tried', r.rows_tried, 'rows_healed', r.rows_healed, 'rewrites_table', r.rewrites_table, "
    "'untrusted_reason', pg_catalog.left(r.reason, 2000)), NULL "
    "FROM mend.dry_run_patch($1::pg_catalog.int8) r",
    "patch_id",
    "",
    true,
    "",
    false};

#define MEND_DEAD_LETTERS(values)                                                             \
  "SELECT d.id::text, json_build_object('id', d.id, 'table', d.target_name, 'kind', d.kind, " \
  "'sqlstate', d.sqlstate, 'untrusted_field', left(d.field, 500), 'patch_id', d.patch_id, "   \
  "'submitted_at', d.submitted_at, 'died_at', d.died_at" values                               \
  "), NULL FROM mend.dead_letters d "                                                         \
  "WHERE ($1::oid IS NULL OR d.target = $1::oid) "                                            \
  "AND (coalesce($2::text, 'any') = 'any' OR d.kind = $2::text) "                             \
  "AND ($3::bigint IS NULL OR d.id < $3::bigint) ORDER BY d.id DESC LIMIT $4::bigint"

const Service kListDeadLettersService = {"list_dead_letters",
                                         Access::ReadOnly,
                                         ResultForm::Page,
                                         MEND_DEAD_LETTERS(""),
                                         "table kind",
                                         "",
                                         false,
                                         "dead_letters",
                                         false};

const Service kListDeadLetterValuesService = {
    "list_dead_letters",
    Access::ReadOnly,
    ResultForm::Page,
    MEND_DEAD_LETTERS(
        ", 'submitted_by', d.submitted_by, 'untrusted_reason', left(d.reason, 1000), "
        "'untrusted_error', left(d.error, 1000), 'untrusted_payload', left(d.payload, 2000), "
        "'payload_cut', length(d.payload) > 2000"),
    "table kind",
    "",
    false,
    "dead_letters",
    false};

const Service kRetryDeadLettersService = {
    "retry_dead_letters",
    Access::ReadWrite,
    ResultForm::One,
    "SELECT '', pg_catalog.json_build_object('requeued', mend.retry("
    "$1::pg_catalog.oid::pg_catalog.regclass, $2::pg_catalog.int8[])), NULL",
    "table ids",
    "",
    true,
    "",
    false};

const Service kIngestStatusService = {"ingest_status", Access::ReadOnly, ResultForm::Page,
                                      R"sql(
SELECT s.target::oid::text, json_build_object(
    'table', e.target_name, 'mode', s.mode, 'state', s.state, 'untrusted_reason', left(s.reason, 1000),
    'queued', s.queued, 'oldest_queued', s.oldest, 'dead_letters', s.dead_letters,
    'open_patch', (SELECT min(p.id) FROM mend.patches p WHERE p.target = s.target AND p.state = 'proposed'),
    'last_heal', (SELECT max(p.applied_at) FROM mend.patches p WHERE p.target = s.target)), NULL
FROM mend.status s JOIN mend.enrollments e ON e.target = s.target
WHERE ($1::oid IS NULL OR s.target = $1::oid)
  AND ($2::oid IS NULL OR s.target::oid > $2::oid)
ORDER BY s.target::oid LIMIT $3::bigint)sql",          "table",          "",
                                      false,           "tables",         false};

// Sizes are the catalog's estimates: asking for exact ones waits for locks.
const Service kDescribeTableService = {"describe_table",
                                       Access::ReadOnly,
                                       ResultForm::One,
                                       R"sql(
WITH t AS (
    SELECT e.*, c.relname, c.relnamespace, c.relkind, c.reltuples, c.relpages
    FROM mend.enrollments e JOIN pg_class c ON c.oid = e.target WHERE e.target = $1::oid
), all_columns AS (
    SELECT a.attnum, json_build_object(
        'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
        'default', left(pg_get_expr(x.adbin, x.adrelid), 200),
        'generated', a.attgenerated <> '', 'identity', a.attidentity <> '',
        'untrusted_comment', left(col_description(a.attrelid, a.attnum), 300)) AS shown
    FROM t JOIN pg_attribute a ON a.attrelid = t.target AND a.attnum > 0 AND NOT a.attisdropped
         LEFT JOIN pg_attrdef x ON x.adrelid = a.attrelid AND x.adnum = a.attnum
)
SELECT t.target::oid::text, json_build_object(
    'table', t.target_name,
    'kind', CASE t.relkind WHEN 'p' THEN 'partitioned table' ELSE 'table' END,
    'estimated_rows', CASE WHEN t.reltuples >= 0 THEN t.reltuples::bigint END,
    'estimated_bytes', t.relpages::bigint * current_setting('block_size')::bigint,
    'enrolment', json_build_object(
        'mode', t.mode, 'allow', t.allow, 'share', t.share, 'lossless', t.lossless,
        'on_conflict', t.on_conflict, 'naive_zone', t.naive_zone, 'allow_published', t.allow_published,
        'rescue', t.rescue),
    'columns', (SELECT coalesce(json_agg(s.shown ORDER BY s.attnum), '[]')
                FROM (SELECT * FROM all_columns ORDER BY attnum
                      OFFSET coalesce($2::bigint, 0) LIMIT 100) s),
    'columns_total', (SELECT count(*) FROM all_columns),
    'constraints', (SELECT coalesce(json_agg(json_build_object(
                        'name', k.conname,
                        'type', CASE k.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique'
                                    WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'check'
                                    WHEN 'x' THEN 'exclusion' WHEN 'n' THEN 'not null' ELSE 'other' END,
                        'definition', left(k.definition, 500))), '[]')
                    FROM (SELECT k.conname, k.contype, pg_get_constraintdef(k.oid) AS definition
                          FROM pg_constraint k WHERE k.conrelid = t.target ORDER BY k.conname LIMIT 50) k),
    'dependent_views', (SELECT coalesce(json_agg(v.name), '[]')
                        FROM (SELECT DISTINCT format('%I.%I', n.nspname, c.relname) AS name
                              FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
                                   JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
                              WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
                                AND d.refobjid = t.target AND c.oid <> t.target
                              ORDER BY 1 LIMIT 50) v),
    'published', EXISTS (SELECT FROM pg_publication_tables b JOIN pg_namespace n ON n.nspname = b.schemaname
                         WHERE n.oid = t.relnamespace AND b.tablename = t.relname),
    'field_map', (SELECT coalesce(json_agg(json_build_object(
                      'untrusted_field', left(f.field, 500), 'column', f.column_name,
                      'untrusted_held', left(f.held, 300)) ORDER BY f.field), '[]')
                  FROM (SELECT * FROM mend.fields f WHERE f.target = t.target ORDER BY f.field LIMIT 50) f),
    'unhealed_drift', (SELECT coalesce(json_object_agg(k.kind, k.fields), '{}')
                       FROM (SELECT d.kind, count(DISTINCT d.field) AS fields FROM mend.drifts d
                             WHERE d.target = t.target AND d.state <> 'healed' GROUP BY d.kind) k),
    'state', s.state, 'untrusted_reason', left(s.reason, 1000), 'queued', s.queued, 'dead_letters', s.dead_letters,
    'history', (SELECT coalesce(json_agg(json_build_object(
                    'patch_id', p.id, 'state', p.state, 'ddl', left(p.ddl, 500),
                    'created_at', p.created_at, 'applied_at', p.applied_at) ORDER BY p.id DESC), '[]')
                FROM (SELECT * FROM mend.patches p WHERE p.target = t.target ORDER BY p.id DESC LIMIT 10) p)), NULL
FROM t JOIN mend.status s ON s.target = t.target)sql",
                                       "table column_offset",
                                       "",
                                       false,
                                       "",
                                       false};

const Service kDriftSummaryService = {"drift_summary",
                                      Access::ReadOnly,
                                      ResultForm::One,
                                      R"sql(
SELECT '', json_build_object(
    'landing_tables', (SELECT count(*) FROM mend.enrollments),
    'tables', (SELECT coalesce(json_agg(json_build_object(
                   'table', x.target_name, 'state', x.state, 'untrusted_reason', left(x.reason, 300),
                   'queued', x.queued, 'dead_letters', x.dead_letters,
                   'unhealed_drift', x.kinds) ORDER BY x.queued + x.dead_letters DESC, x.target_name), '[]')
               FROM (SELECT e.target_name, s.state, s.reason, s.queued, s.dead_letters,
                            (SELECT coalesce(json_object_agg(k.kind, k.fields), '{}')
                             FROM (SELECT d.kind, count(DISTINCT d.field) AS fields FROM mend.drifts d
                                   WHERE d.target = e.target AND d.state <> 'healed' GROUP BY d.kind) k) AS kinds
                     FROM mend.enrollments e JOIN mend.status s ON s.target = e.target
                     WHERE s.queued > 0 OR s.dead_letters > 0
                        OR EXISTS (SELECT FROM mend.patches p WHERE p.target = e.target AND p.state = 'proposed')
                        OR EXISTS (SELECT FROM mend.drifts d
                                   WHERE d.target = e.target AND d.state IN ('open', 'waiting'))
                     ORDER BY s.queued + s.dead_letters DESC, e.target_name LIMIT 50) x)), NULL)sql",
                                      "",
                                      "",
                                      false,
                                      "",
                                      false};

// Names as an address needs them; the key is the OID.
const Service kLandingTablesService = {"landing_tables",
                                       Access::ReadOnly,
                                       ResultForm::Page,
                                       R"sql(
SELECT c.oid::text, json_build_object('schema', n.nspname, 'table', c.relname, 'name', e.target_name), NULL
FROM mend.enrollments e JOIN pg_class c ON c.oid = e.target JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE $1::oid IS NULL OR c.oid > $1::oid
ORDER BY c.oid LIMIT $2::bigint)sql",
                                       "",
                                       "",
                                       false,
                                       "tables",
                                       false};

// Completions: one row more than may be shown.
const Service kCompleteNameService = {"complete_name", Access::ReadOnly, ResultForm::Page,
                                      R"sql(
SELECT '', json_build_object('value', e.target_name), NULL
FROM mend.enrollments e JOIN pg_class c ON c.oid = e.target
WHERE starts_with(e.target_name, $1::text) OR starts_with(c.relname, $1::text)
ORDER BY e.target_name LIMIT 101)sql",          "prefix",         "",
                                      false,           "values",         false};

const Service kCompleteSchemaService = {"complete_schema",
                                        Access::ReadOnly,
                                        ResultForm::Page,
                                        R"sql(
SELECT DISTINCT n.nspname::text, jsonb_build_object('value', n.nspname), NULL
FROM mend.enrollments e JOIN pg_class c ON c.oid = e.target JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE starts_with(n.nspname, $1::text)
ORDER BY 1 LIMIT 101)sql",
                                        "prefix",
                                        "",
                                        false,
                                        "values",
                                        false};

const Service kCompleteTableService = {"complete_table",
                                       Access::ReadOnly,
                                       ResultForm::Page,
                                       R"sql(
SELECT DISTINCT c.relname::text, jsonb_build_object('value', c.relname), NULL
FROM mend.enrollments e JOIN pg_class c ON c.oid = e.target JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE starts_with(c.relname, $1::text) AND ($2::text IS NULL OR n.nspname = $2::text)
ORDER BY 1 LIMIT 101)sql",
                                       "prefix schema",
                                       "",
                                       false,
                                       "values",
                                       false};

const Service kCompletePatchService = {"complete_patch",
                                       Access::ReadOnly,
                                       ResultForm::Page,
                                       R"sql(
SELECT p.id::text, json_build_object('value', p.id::text), NULL
FROM mend.patches p WHERE starts_with(p.id::text, $1::text)
ORDER BY p.id DESC LIMIT 101)sql",
                                       "prefix",
                                       "",
                                       false,
                                       "values",
                                       false};

const std::string_view kFindTableByName = R"sql(
SELECT e.target::oid::text, e.target_name
FROM mend.enrollments e LEFT JOIN pg_class c ON c.oid = e.target LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE e.target_name = $1::text
   OR $1::text = '"' || replace(n.nspname, '"', '""') || '"."' || replace(c.relname, '"', '""') || '"'
LIMIT 1)sql";

const std::string_view kFindTableOnPath =
    "SELECT r.id::pg_catalog.text, e.target_name "
    "FROM (SELECT pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid) r (id) "
    "LEFT JOIN mend.enrollments e ON e.target::pg_catalog.oid OPERATOR(pg_catalog.=) r.id "
    "WHERE r.id IS NOT NULL";

const std::string_view kRecordToolCall =
    "SELECT mend.record_tool_call($1::text, $2::text, $3::bigint, $4::text, $5::bigint)";

}  // namespace mend::mcp
