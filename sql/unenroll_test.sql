-- The ways out: no payload is lost on the way, and no state of a table is a dead end.
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT mend.stop();
CREATE TABLE regress_a (id int PRIMARY KEY, seen date);
CREATE TABLE regress_b (id int PRIMARY KEY, seen date);
SELECT mend.enroll('regress_a');
SELECT mend.enroll('regress_b');
SELECT healing_insert('regress_a', '{"id": 1, "extra": 1}'), healing_insert('regress_a', '{"id": 2, "extra": 2}');
-- DROP EXTENSION, however it is said.
\set VERBOSITY default
DROP EXTENSION pg_mend CASCADE;
\set VERBOSITY terse
DROP EXTENSION plpgsql CASCADE;
SELECT count(*) FROM mend.queue WHERE target = 'regress_a'::regclass;
-- A table that is there: out of the queue, or to another table.
SELECT mend.unenroll('regress_a');
SELECT mend.move('regress_a', 'regress_a');
SELECT mend.move('no_such_table');
SELECT mend.move('regress_a');
SELECT target_name, kind, reason FROM mend.dead_letters WHERE target_name ~ 'regress_[a-h]$' ORDER BY id;
SELECT mend.move('public.regress_a', 'regress_b');
SELECT target_name, payload, submitted_by = current_user AS mine FROM mend.queue WHERE target = 'regress_b'::regclass ORDER BY id;
SELECT count(*) FROM mend.dead_letters WHERE target = 'regress_a'::regclass;
-- A table that is gone, while it was paused.
SELECT mend.configure('regress_b', mode => 'paused');
SELECT 'regress_b'::regclass::oid AS gone \gset
DROP TABLE regress_b;
SELECT mend.unenroll(:gone);
SELECT mend.configure(:gone, mode => 'auto');
ALTER TABLE regress_a ADD extra int;
-- As the submitter wrote intervals: the mover's own settings are not asked.
ALTER TABLE regress_a ADD gap interval;
CREATE TABLE regress_c (id int PRIMARY KEY, gap interval);
SELECT mend.enroll('regress_c');
SET intervalstyle = 'sql_standard';
SELECT healing_insert('regress_c', '{"id": 7, "gap": "-1 2:03:04", "extra": 7}');
RESET intervalstyle;
SELECT '-1 2:03:04'::interval AS "here it means";
DROP TABLE regress_c;
SELECT mend.move('public.regress_b', 'regress_a'), mend.move('Public.Regress_C', 'regress_a');
SELECT * FROM regress_a ORDER BY id;
SELECT target_name FROM mend.enrollments WHERE target_name ~ 'regress_[a-h]$' ORDER BY 1;
SELECT kind, target_name, detail FROM mend.events WHERE kind IN ('moved', 'unenrolled') AND target_name ~ 'regress_[a-h]$' ORDER BY id;
-- A table of the same name that was made since has its own rows.
CREATE TABLE regress_d (id int);
SELECT mend.enroll('regress_d');
SELECT healing_insert('regress_d', '{"id": 1, "old": 1}');
DROP TABLE regress_d;
CREATE TABLE regress_d (id int);
SELECT mend.enroll('regress_d');
SELECT healing_insert('regress_d', '{"id": 1, "new": 1}');
SELECT mend.move('public.regress_d'), mend.move('public.regress_d');
SELECT payload FROM mend.dead_letters WHERE target_name = 'public.regress_d' ORDER BY id;
-- Many rows, in order, and some that no JSON parser takes.
CREATE TABLE regress_e (id int PRIMARY KEY);
CREATE TABLE regress_f (n int GENERATED ALWAYS AS IDENTITY, id int, extra int);
SELECT mend.enroll('regress_e'), mend.enroll('regress_f');
SELECT healing_load('regress_e', string_agg(CASE WHEN i = 1500 THEN '{oops' ELSE format('{"id": %s, "extra": %1$s}', i) END, E'\n' ORDER BY i))
FROM generate_series(1, 3000) i;
SELECT mend.move('regress_e', 'regress_f');
SELECT count(*), count(*) FILTER (WHERE n = id OR n = id - 1) AS in_order FROM regress_f;
SELECT payload FROM mend.dead_letters WHERE target = 'regress_f'::regclass;
-- Rights: the table's owner, and who may insert.
CREATE ROLE regress_mover;
GRANT mend_admin TO regress_mover;
GRANT CREATE ON SCHEMA public TO regress_mover;
CREATE TABLE regress_g (id int);
SELECT mend.enroll('regress_g');
SELECT healing_insert('regress_g', '{"id": 1, "extra": 1}');
SET ROLE regress_mover;
CREATE TABLE regress_h (id int, extra int);
SELECT mend.enroll('regress_h');
SELECT mend.move('regress_g');
SELECT mend.move('regress_g', 'regress_h');
SELECT mend.unenroll_all(force => true);
RESET ROLE;
SELECT mend.move('regress_g', 'regress_h');
REVOKE CREATE ON SCHEMA public FROM regress_mover;
-- All of them, with what is queued only on request.
SELECT healing_insert('regress_g', '{"id": 2, "extra": 1}');
SELECT count(*) AS enrolled FROM mend.enrollments \gset
SELECT mend.unenroll_all();
SELECT mend.unenroll_all(force => true) = :enrolled AS "all were unenrolled";
SELECT count(*) FROM mend.queue;
SELECT reason, count(*) FROM mend.dead_letters WHERE target_name ~ 'regress_[a-h]$' GROUP BY 1 ORDER BY 1;
SELECT mend.unenroll_all();
SET client_min_messages = error;
BEGIN;
DROP EXTENSION pg_mend CASCADE;
ROLLBACK;
RESET client_min_messages;
DELETE FROM mend.dead_letters;
DELETE FROM mend.events;
DELETE FROM mend.patches;
DELETE FROM mend.drifts;
DROP TABLE regress_a, regress_d, regress_e, regress_f, regress_g, regress_h;
DROP ROLE regress_mover;
-- A database in another encoding than UTF8.
SET client_min_messages = warning;
CREATE DATABASE regress_latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C';
CREATE DATABASE regress_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C';
\connect regress_latin1
\set VERBOSITY default
CREATE EXTENSION pg_mend;
\set VERBOSITY terse
SELECT count(*) FROM pg_extension WHERE extname = 'pg_mend';
\connect regress_ascii
SET client_min_messages = warning;
CREATE EXTENSION pg_mend;
CREATE TABLE regress_ascii (name varchar(6), extra int);
SELECT mend.enroll('regress_ascii');
SELECT healing_insert('regress_ascii', '{"name": "Zoë"}'), healing_insert('regress_ascii', '{"name": "\u00e9"}');
SELECT name FROM regress_ascii;
\connect contrib_regression
SET client_min_messages = warning;
DROP DATABASE regress_latin1 WITH (FORCE);
DROP DATABASE regress_ascii WITH (FORCE);
SELECT mend.start();
