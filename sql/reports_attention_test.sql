-- The first screen: what needs a person, worst first, whatever tables are called.
\set VERBOSITY terse
SET client_min_messages = warning;
SET intervalstyle = 'postgres';
TABLE mend.attention;
CREATE SCHEMA regress_attention;
SET search_path = regress_attention, public;
CREATE TABLE healthy (id int);
CREATE TABLE checked (id int CHECK (id < 10), n int);
CREATE TABLE reviewed (id int);
CREATE TABLE paused (id int);
CREATE TABLE broken (id int);
CREATE TABLE failing (id int);
CREATE TABLE gone (id int);
CREATE TABLE a_table_whose_name_is_as_long_as_a_name_may_be_in_postgresql_abc (id int);
SELECT mend.enroll(t) FROM unnest('{healthy,checked,paused,broken,failing,gone}'::regclass[]) t;
SELECT mend.enroll(t, 'review') FROM unnest('{reviewed,a_table_whose_name_is_as_long_as_a_name_may_be_in_postgresql_abc}'::regclass[]) t;
SELECT mend.configure('paused', 'paused');
SELECT healing_insert('healthy', '{"id": 1}'), healing_insert('paused', '{"id": 1, "x": 1}'), healing_insert('reviewed', '{"id": 1, "x": 1}'),
       healing_insert('a_table_whose_name_is_as_long_as_a_name_may_be_in_postgresql_abc', '{"id": 1, "x": 1}');
SELECT healing_insert('checked', format('{"id": %s}', i)) FROM generate_series(9, 12) i;
SELECT healing_insert('checked', '{"n": "secret"}');
CALL mend.wait_idle();
SELECT mend.stop();
SELECT healing_insert('gone', '{"id": 1, "x": 1}');
DROP TABLE gone;
INSERT INTO mend.progress (target, state, reason, breaker_until, done) SELECT 'broken', 'breaker', '31 patches in an hour', now(), 1 ON CONFLICT DO NOTHING;
INSERT INTO mend.progress (target, state, last_error, not_before) VALUES ('failing', 'waiting', 'P0001: quotes a value', now() + interval '1 hour')
    ON CONFLICT (target) DO UPDATE SET last_error = excluded.last_error, not_before = excluded.not_before;
INSERT INTO mend.outbox (channel, kind, state, tries) VALUES ('webhook', 'stopped', 'dead', 12);
-- Switched off, what waits is worst.
SELECT severity, what, row_count, command FROM mend.attention WHERE what LIKE 'nothing is healed%' ORDER BY target;
-- In a transaction: no worker is to change what is looked at.
BEGIN;
UPDATE mend.control SET stopped = false;
INSERT INTO mend.widenings (patch, "column", target, target_name, attnum, type, step, paused, error, tries)
SELECT p, 'n', 'checked', 'regress_attention.checked', 2, 'bigint', 'indexes', p = 1, CASE WHEN p = 1 THEN '23505: quotes a secret' ELSE 'the lock of the table is not to be had' END, tries
FROM (VALUES (1, 0), (2, 4), (3, 1)) v (p, tries);
INSERT INTO mend.promotions (target, target_name, wanted, refusal, finished_at) VALUES ('healthy', 'regress_attention.healthy', false, '23514: quotes a secret', now());
UPDATE mend.patches SET created_at = '2026-01-01';
SELECT severity, regexp_replace(what, '\d+', 'N') AS what, target, row_count, since ~ '^\d{4}-\d\d-\d\dT' AS dated, regexp_replace(command, '\d+', 'N') AS command FROM mend.attention;
-- To psql: nothing is wider than its share of 120 characters.
SET application_name = 'psql';
SELECT max(length(line)) FILTER (WHERE n = 2) <= 20 AS what, max(length(line)) FILTER (WHERE n = 3) <= 16 AS target, max(length(line)) FILTER (WHERE n = 4) <= 9 AS rows,
       max(length(line)) FILTER (WHERE n = 5) = 11 AS since, max(length(line)) FILTER (WHERE n = 6) <= 38 AS command
FROM mend.attention a, LATERAL (VALUES (1, a.severity), (2, a.what), (3, a.target), (4, a.row_count::text), (5, a.since), (6, a.command)) c (n, cell),
     LATERAL regexp_split_to_table(c.cell, E'\n') line;
SELECT replace(target, E'\n', '') AS target FROM mend.attention WHERE target LIKE '%a_table%';
-- The command works as it stands.
SELECT command FROM mend.attention WHERE target LIKE '%a_table%' \gset
SELECT (:'command' ~ '^SELECT mend.explain_patch\(\d+\)$') AS runs;
RESET application_name;
SELECT field, cause, rows, next FROM mend.causes WHERE target = 'checked'::regclass AND state = 'dead';
SELECT max(length(l)) <= 120 AS fits, count(*) > 2 AS lines FROM mend.show('causes') l;
-- Whoever may not see payloads sees no value.
CREATE ROLE regress_watcher IN ROLE pg_monitor;
SET ROLE regress_watcher;
SELECT count(*) FILTER (WHERE what ~ 'a value|secret') AS told, count(*) > 5 AS "sees the rest" FROM mend.attention;
RESET ROLE;
DROP ROLE regress_watcher;
ROLLBACK;
DELETE FROM mend.outbox;
SELECT mend.unenroll_all(true) > 6 AS unenrolled;
SELECT severity, what, target, row_count, command FROM mend.attention;
DELETE FROM mend.dead_letters;
DELETE FROM mend.events;
DELETE FROM mend.patches;
DELETE FROM mend.drifts;
RESET search_path;
DROP SCHEMA regress_attention CASCADE;
TABLE mend.attention;
SELECT mend.start();
-- A proposal for dead letters says what it would heal.
CREATE TABLE regress_dead (id int, n int);
SELECT mend.enroll('regress_dead');
SELECT healing_insert('regress_dead', '{"id": 1, "n": "one"}'), healing_insert('regress_dead', '{"id": 2, "n": "two"}'), healing_insert('regress_dead', '{"id": "x", "n": "three"}');
CALL mend.wait_idle();
SELECT count(mend.reject(patch_id, 'look at them first')) FROM mend.decisions WHERE target = 'regress_dead'::regclass;
CALL mend.wait_idle();
SELECT rows_tried, rows_healed FROM mend.dry_run('regress_dead', 'ALTER TABLE regress_dead ALTER n TYPE text');
SELECT mend.propose('regress_dead', 'ALTER TABLE regress_dead ALTER n TYPE text') AS patch \gset
SELECT line FROM regexp_split_to_table(mend.explain_patch(:patch), E'\n') line WHERE line ~ 'dead letters fit';
SELECT mend.unenroll('regress_dead');
DELETE FROM mend.dead_letters;
DELETE FROM mend.events;
DELETE FROM mend.patches;
DELETE FROM mend.drifts;
DROP TABLE regress_dead;
-- For people, everything fits on a screen.
CREATE TABLE regress_shown_with_a_name_that_is_rather_long_for_a_column (id int CHECK (id < 10), n int);
SELECT mend.enroll('regress_shown_with_a_name_that_is_rather_long_for_a_column', 'review');
SELECT healing_load('regress_shown_with_a_name_that_is_rather_long_for_a_column', '[{"id": 1, "x": 1, "a_field_with_a_long_name": 1}, {"id": 11}, {"id": 2, "n": "word"}]');
CALL mend.wait_idle();
SELECT w, count(*) > 1 AS lines, max(length(line)) <= 120 AS fits, bool_or(line ~ E'[\n\t]') AS broken
FROM unnest('{patches,decisions,drifts,dead_letters,events,incidents,savings}'::text[]) w, mend.show(w) line GROUP BY 1 ORDER BY 1;
SELECT regexp_replace(line, '\d\d-\d\d \d\d:\d\d|^\d+ +', 'N', 'g') AS line FROM mend.show('dead_letters', 'regress_shown_with_a_name_that_is_rather_long_for_a_column', 1) line;
\set VERBOSITY default
SELECT mend.show('everything');
\set VERBOSITY terse
SELECT mend.unenroll_all(true);
DELETE FROM mend.dead_letters;
DELETE FROM mend.events;
DELETE FROM mend.patches;
DELETE FROM mend.drifts;
DROP TABLE regress_shown_with_a_name_that_is_rather_long_for_a_column;
-- A page about nothing has no empty boxes.
SELECT mend.report_html() LIKE '%No table is enrolled yet%' AS told, mend.report_html() LIKE '%class="tile%' AS boxes;
