-- What people look at: status, freshness, pages about patches, migration files, origins of columns, savings, the HTML page.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET IntervalStyle = 'postgres';
CREATE SCHEMA reports_test;
SET search_path = reports_test, public;
GRANT USAGE ON SCHEMA reports_test TO mend_healer;
CREATE ROLE regress_report_agent IN ROLE mend_agent;
CREATE FUNCTION plain(page text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(regexp_replace(page, '\d+ kB', 'SIZE', 'g'), '(patch |Patch |approve\(|reject\(|revert\(|migration\(|undo_)\d+', '\1N', 'g'),
                          '\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d\+00)?', 'WHEN', 'g') $$;
CREATE FUNCTION last_of(target regclass) RETURNS bigint LANGUAGE sql AS $$ SELECT max(id) FROM mend.patches p WHERE p.target = last_of.target $$;

-- Review, from first to last.
CREATE TABLE t (id int PRIMARY KEY CHECK (id > 0), total int, kept int, twice int GENERATED ALWAYS AS (kept * 2) STORED, label varchar(3));
COMMENT ON COLUMN t.label IS 'mine';
CREATE TABLE other (ref int);
CREATE VIEW seen AS SELECT id, kept FROM t;
CREATE INDEX t_total ON t (total);
CREATE FUNCTION counts() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM reports_test.t';
CREATE TRIGGER touched AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
SELECT mend.enroll('t', 'review');
SELECT healing_insert('t', '{"id": 1, "total": 3000000000, "coupon": "SPRING", "label": "long"}'), healing_insert('t', '{"id": 2, "total": 5}');
CALL mend.wait_idle('t');
SELECT target, mode, queued, oldest IS NOT NULL AS waits, dead_letters, state, plain(reason) AS reason, worker_pid FROM mend.status WHERE target = 't'::regclass;
SELECT target, last_stored IS NOT NULL AS stored, last_offered >= last_stored AS offered, lag >= interval '0' AS lag, last_heal FROM mend.freshness WHERE target = 't'::regclass;
SELECT target, planner, proposed_by, reason, ddl, rewrites_table FROM mend.decisions WHERE target = 't'::regclass;
\pset format unaligned
\pset tuples_only on
SELECT plain(mend.explain_patch(last_of('t')));
SELECT plain(mend.migration(last_of('t')));
SELECT mend.approve(last_of('t'));
CALL mend.wait_idle('t');
SELECT plain(mend.explain_patch(last_of('t')));
SELECT plain(mend.migration(last_of('t')));
\pset format aligned
\pset tuples_only off
SELECT mend.explain_patch(-1);
SELECT mend.migration(-1);

-- Columns say where they come from, unless somebody has said something else; a revert takes it back.
CREATE TABLE twice (id int);
CREATE VIEW origins AS
    SELECT attrelid::regclass::text AS of, attname, plain(col_description(attrelid, attnum)) AS comment FROM pg_attribute
    WHERE attrelid IN ('t'::regclass, 'twice'::regclass) AND attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NOT NULL ORDER BY 1, attnum;
SELECT * FROM origins;
SELECT mend.enroll('twice');
SELECT healing_insert('twice', '{"id": 1, "n": 1, "note": "x"}');
CALL mend.wait_idle('twice');
SELECT healing_insert('twice', '{"id": 2, "n": 123456789012345678901234567890, "m": true}');
CALL mend.wait_idle('twice');
SELECT * FROM origins WHERE of = 'twice';
COMMENT ON COLUMN twice.note IS 'somebody''s';
DELETE FROM twice WHERE id = 2;
SELECT mend.revert(last_of('twice'));
SELECT * FROM origins WHERE of = 'twice';
SELECT mend.revert((SELECT min(id) FROM mend.patches WHERE target = 'twice'::regclass));
SELECT * FROM origins WHERE of = 'twice';
SELECT count(*) AS files, count(*) FILTER (WHERE file LIKE '%reverted % by %DROP COLUMN%') AS reverts FROM mend.migrations('-infinity') file WHERE file LIKE '%reports_test.twice%';
-- Nothing that came from outside can leave a comment of a migration file.
INSERT INTO mend.patches (target, target_name, planner, model, proposed_ddl, ddl, inverse_ddl, rationale, state, applied_at, field_map, evidence)
VALUES ('t', 't', 'claude', E'm\n\\! touch x', '', 'ALTER TABLE reports_test.t ADD COLUMN z int', 'ALTER TABLE reports_test.t DROP COLUMN z', E'because\r\nDROP TABLE t;\u2028DROP TABLE t;\x0bx',
        'applied', now(), E'{"a\\nDROP TABLE t;": "z", "c": "z\\nDROP TABLE t; --"}', E'{"drift": [{"field": "b\\nDROP TABLE t;", "kind": "new_field", "rows": 1}]}');
SELECT line FROM regexp_split_to_table(mend.migration(last_of('t')), E'\n') line WHERE line !~ '^--' AND line <> '';
SELECT count(*) AS lines_outside FROM regexp_split_to_table(mend.explain_patch(last_of('t')), E'\n') line WHERE line ~ '^\s*DROP TABLE';
-- Nor a page: what it says to run is what it seems to be.
UPDATE mend.patches SET state = 'failed', target_name = E'x''); DROP TABLE t;\nDROP TABLE t; --' WHERE id = last_of('t');
SELECT plain(line) AS line FROM regexp_split_to_table(mend.explain_patch(last_of('t')), E'\n') line WHERE line LIKE '%DROP TABLE%';
-- Nor does it show in another order than it is in.
UPDATE mend.patches SET ddl = E'ALTER TABLE t ADD COLUMN "x\u202Etxet" int', rationale = E'\u2066because', field_map = E'{"y\u202E": "x\u202Etxet"}' WHERE id = last_of('t');
SELECT mend.explain_patch(last_of('t')) ~ E'[\u202a-\u202e\u2066-\u2069]' AS turned, mend.html(E'a\u202Eb<') AS html;
SELECT line FROM regexp_split_to_table(mend.explain_patch(last_of('t')), E'\n') line WHERE line LIKE '%?%';
-- What names the table is found whatever a backslash means to the session.
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SELECT dependent FROM mend.dependents('t', '{}') WHERE dependent LIKE 'function%';
RESET standard_conforming_strings;
RESET escape_string_warning;
-- No comment of an owner makes a message that cannot be written.
DO $$ BEGIN EXECUTE format('COMMENT ON COLUMN reports_test.t.kept IS %L', repeat('x', 270000)); END $$;
SELECT f ->> 'name' AS name, length(f ->> 'description') AS description
    FROM jsonb_populate_record(NULL::mend.outbox, jsonb_build_object('patch_id', last_of('t'), 'kind', 'COMPLETE')) o,
         jsonb_array_elements(mend.run_event(o) #> '{outputs,0,facets,schema,fields}') f WHERE f ->> 'name' = 'kept';
COMMENT ON COLUMN t.kept IS NULL;

-- No series twice, when a table has got the name of another.
CREATE TABLE renamed (id int);
SELECT mend.enroll('renamed');
ALTER TABLE renamed RENAME TO renamed_since;
CREATE TABLE renamed (id int);
SELECT mend.enroll('renamed');
SELECT name, labels FROM mend.metrics GROUP BY 1, 2 HAVING count(*) > 1;
SELECT regexp_replace(labels ->> 'table', '\d+', 'N') AS "table" FROM mend.metrics WHERE name = 'mend_queue_rows' AND labels ->> 'table' LIKE '%.renamed%' ORDER BY 1;
SELECT mend.unenroll('renamed'), mend.unenroll('renamed_since');

-- Savings: who healed what, and what is counted against us.
DELETE FROM mend.drifts; DELETE FROM mend.patches;
INSERT INTO mend.patches (id, target, target_name, planner, proposed_ddl, ddl, state, decided_by, created_at, applied_at, rows_healed, input_tokens, output_tokens, cost_usd) VALUES
    (9001, 't', 'r.t', 'rules', '', 'x', 'applied', 'pg_mend', '2026-01-01 10:00', '2026-01-01 10:00:02', 10, 0, 0, 0),
    (9002, 't', 'r.t', 'claude', '', 'x', 'applied', 'pg_mend', '2026-01-01 11:00', '2026-01-01 11:00:04', 5, 1000, 100, 0.012),
    (9003, 't', 'r.t', 'rules', '', 'x', 'applied', 'ann', '2026-01-01 12:00', '2026-01-01 12:10', 1, 0, 0, 0),
    (9004, 't', 'r.t', 'claude', 'bad', NULL, 'refused', NULL, '2026-01-01 13:00', NULL, 0, 500, 50, 0.005),
    (9005, 't', 'r.t', 'rules', '', 'x', 'reverted', 'ann', '2026-01-02 10:00', '2026-01-02 10:00:01', 3, 0, 0, 0),
    (9006, 't', 'r.t', 'rules', '', 'x', 'refused', NULL, '2026-01-02 10:00', NULL, 0, 0, 0, 0);
INSERT INTO mend.drifts (target, target_name, field, kind, row_count, state, patch_id, first_seen, last_seen) VALUES
    ('t', 'r.t', 'a', 'new_field', 10, 'healed', 9001, '2026-01-01 10:00', '2026-01-01 10:00'),
    ('t', 'r.t', 'b', 'new_field', 3, 'healed', 9002, '2026-01-01 11:00', '2026-01-01 11:00'),
    ('t', 'r.t', 'c', 'type_conflict', 2, 'healed', 9002, '2026-01-01 11:00', '2026-01-01 11:00'),
    ('t', 'r.t', 'd', 'new_field', 1, 'healed', 9003, '2026-01-01 12:00', '2026-01-01 12:00'),
    ('t', 'r.t', 'e', 'new_field', 1, 'healed', NULL, '2026-01-01 12:00', '2026-01-01 12:00'),
    ('t', 'r.t', 'f', 'type_conflict', 4, 'dead_lettered', NULL, '2026-01-01 12:00', '2026-01-01 12:00'),
    ('t', 'r.t', 'g', 'new_field', 3, 'healed', 9005, '2026-01-02 10:00', '2026-01-02 10:00'),
    ('t', 'r.t', 'h', 'new_field', 3, 'open', NULL, '2026-01-02 10:00', '2026-01-02 10:00');
INSERT INTO mend.calls (at, target_name, model, input_tokens, output_tokens, cache_read_tokens, cost_usd, patch_id) VALUES
    ('2026-01-01 11:00', 'r.t', 'm', 400, 100, 600, 0.012, 9002), ('2026-01-01 13:00', 'r.t', 'm', 500, 50, 0, 0.005, 9004), ('2026-01-02 13:00', 'r.t', 'm', 7, 3, 0, 0.001, NULL);
SELECT field, outcome, time_to_heal, round(cost_usd, 4) AS cost FROM mend.incidents ORDER BY field;
SELECT * FROM mend.savings ORDER BY day;
SET mend.minutes_per_incident = 60;
SELECT day, minutes_saved FROM mend.savings ORDER BY day;
RESET mend.minutes_per_incident;
SELECT mend.claim();
SELECT mend.claim('2026-01-03');

-- An error may quote a value: those who may not see payloads see its SQLSTATE.
SELECT mend.error_for_me('22P02: invalid input syntax for type integer: "secret"');
SET ROLE regress_report_agent;
SELECT mend.error_for_me('22P02: invalid input syntax for type integer: "secret"');
RESET ROLE;

-- To psql a reason comes in lines, and the table within 120 characters.
UPDATE mend.progress SET state = 'waiting', reason = 'column "total" was changed less than mend.column_cooldown ago' WHERE target = 't'::regclass;
SET application_name = 'psql';
SELECT target, reason FROM mend.status WHERE target = 't'::regclass;
RESET application_name;
UPDATE mend.progress SET state = 'idle', reason = NULL WHERE target = 't'::regclass;

-- The page: nothing that a stranger wrote becomes markup.
CREATE TABLE "<script>alert(1)</script>" ("<img src=x onerror=alert(2)>" int);
SELECT mend.enroll('"<script>alert(1)</script>"', 'review');
SELECT healing_insert('"<script>alert(1)</script>"', '{"</td><script>alert(3)</script>": 1, "\" onload=\"alert(4)": 2}'), healing_insert('"<script>alert(1)</script>"', '{"<img src=x onerror=alert(2)>": "<b>"}');
CALL mend.wait_idle('"<script>alert(1)</script>"');
INSERT INTO mend.events (kind, target_name, detail) VALUES ('<svg/onload=alert(5)>', E'a\u2028<iframe src=//x>', '{"reason": "&lt;<style>*{display:none}</style>''\"`"}');
CREATE TEMP TABLE page AS SELECT mend.report_html('-infinity') AS html;
SELECT array_agg(DISTINCT m[1] ORDER BY m[1]) AS tags FROM page, regexp_matches(html, '<\s*/?\s*([a-zA-Z!][a-zA-Z0-9]*)', 'g') m WHERE m[1] NOT IN ('td', 'tr', 'span');
SELECT html ~ '&lt;script&gt;alert' AS shown, html ~* '<script|<img|<iframe|<svg/|<b>\s*alert|onerror=alert\(2\)>|"\s*onload=' AS injected,
       html ~* '<[^>]*\s(src|srcset|action|style)\s*=|<[^>]*\shref\s*=\s*(?!"#[a-z0-9]+")|url\(|@import' AS asks, html LIKE '%Content-Security-Policy" content="default-src ''none''; style-src ''unsafe-inline''"%' AS guarded FROM page;
SELECT (SELECT count(*) FROM regexp_matches(html, '<style>', 'g')) AS styles, length(html) > 5000 AS long FROM page;
SELECT mend.report_html(NULL);
SELECT mend.report_html('infinity') LIKE '<!DOCTYPE html>%</html>' AS empty_one;
-- What needs a person comes first, with its command; what is more than a screen is folded; a page of one table is about that alone.
INSERT INTO mend.events (kind, target_name) SELECT 'replayed', 'reports_test.t' FROM generate_series(1, 700);
SELECT position('What needs you' IN html) < position('id="timeline"' IN html) AS first, html ~ '<code>SELECT mend\.explain_patch\(\d+\)</code>' AS command,
       html ~ '<summary>\d+ more</summary>' AS folded, html !~ '<section[^>]*><h2>[^<]*</h2><p' AS "no empty box", length(html) < 600000 AS short FROM (SELECT mend.report_html() AS html) p;
SELECT html LIKE '%reports_test.t</h1>%' AS titled, html NOT LIKE '%script&gt;alert(1)%' AS alone FROM (SELECT mend.table_report_html('t') AS html) p;
SELECT mend.table_report_html('pg_class');

-- An answer to a try before the last does not count: it neither raises a message that was given up, nor gives up one that is tried.
BEGIN;
INSERT INTO mend.outbox (channel, kind, tries, next_try) VALUES ('webhook', 'answers', 2, now());
CREATE TEMP TABLE asked AS SELECT id FROM mend.outbox WHERE kind = 'answers';
SELECT mend.message_not_sent(id, 1, 'late', 1000, true) FROM asked;
SELECT state, last_error FROM mend.outbox WHERE kind = 'answers';
SELECT mend.message_not_sent(id, 2, 'refused', 1000, true) FROM asked;
SELECT mend.message_not_sent(id, 1, 'late', 1000, false) FROM asked;
SELECT mend.message_not_sent(id, 2, 'twice', 1000, true) FROM asked;
SELECT state, last_error FROM mend.outbox WHERE kind = 'answers';
SELECT detail ->> 'error' AS error FROM mend.events WHERE kind = 'message_lost' AND detail ->> 'message' = 'answers';
ROLLBACK;

-- Leave nothing behind.
DELETE FROM mend.queue;
SELECT mend.unenroll(target) FROM mend.enrollments;
DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events; DELETE FROM mend.calls;
RESET search_path;
DROP SCHEMA reports_test CASCADE;
DO $$ DECLARE undo regclass; BEGIN
    FOR undo IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'mend'::regnamespace AND c.relname LIKE 'undo\_%' LOOP EXECUTE 'DROP TABLE ' || undo; END LOOP; END $$;
DROP OWNED BY regress_report_agent;
DROP ROLE regress_report_agent;
