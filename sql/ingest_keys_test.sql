-- Which key goes to which column, and what absent, null and default mean.
SET client_min_messages = warning;
CREATE SCHEMA ingest_keys_test;
SET search_path = ingest_keys_test, public;
CREATE VIEW kept AS
    SELECT 'queued' AS outcome, id, sqlstate, kind, field, fields, error, payload FROM mend.queue
    UNION ALL
    SELECT 'dead', id, sqlstate, kind, field, fields, error, payload FROM mend.dead_letters;

CREATE TABLE t (id int NOT NULL, "userName" text, http_code int DEFAULT 200, "Weird Name" text, note text NOT NULL DEFAULT 'none', gone text);
ALTER TABLE t DROP COLUMN gone;
SELECT mend.enroll('t', 'paused');

-- NULL arguments, tables that are not enrolled, no such table.
SELECT healing_insert(NULL, '{}');
SELECT healing_insert('t', NULL);
SELECT healing_load('t', NULL::jsonb);
CREATE TABLE "Not 'enrolled'" (a int);
SELECT healing_insert('"Not ''enrolled''"', '{}');
SELECT healing_insert('no_such_table', '{}');
SELECT healing_insert(1::oid::regclass, '{}');

-- Literals, unknown parameters and varchar are text; so are the bytes that are kept.
PREPARE unknown_type AS SELECT healing_insert('t', $1);
EXECUTE unknown_type('{"id":  1 , "nope":1}');
SELECT healing_insert('t', '{"id":  2 , "nope":1}'::varchar);
SELECT healing_insert('t', '{"id":  3 , "nope":1}'::json);
SELECT healing_insert('t', '{"id":  4 , "nope":1}'::jsonb);
SELECT payload FROM kept ORDER BY id;
DELETE FROM mend.queue;

-- Exact, then equal under normalisation.
SELECT healing_insert('t', '{"id": 10, "userName": "a", "http_code": 1, "Weird Name": "w"}');
SELECT healing_insert('t', '{"ID": 11, "user_name": "b", "httpCode": 2, "weird-name": "w"}');
SELECT healing_insert('t', '{"Id": 12, "User Name": "c", "HTTP_CODE": 3, "weird.name": "w"}');
-- Two keys for one column, in either order; one key twice; also when one of them is null.
SELECT healing_insert('t', '{"id": 13, "userName": "a", "user_name": "b"}');
SELECT healing_insert('t', '{"id": 14, "id": 14}');
SELECT healing_insert('t', '{"id": 15, "Id": null}');
SELECT healing_insert('t', '{"id": 16, "x": 1, "x": 2}');
-- Dropped and system columns never match.
SELECT healing_insert('t', '{"id": 17, "gone": "x", "xmin": 5, "tableoid": 1, "........pg.dropped.6........": 1}');
-- Nothing under an unknown key is no drift, and is not kept.
SELECT healing_insert('t', '{"id": 18, "new": null, "new2": [], "": null}');
SELECT healing_insert('t', '{"id": 19, "new": {}, "new2": [null], "": ""}');
-- Absent: the default. Null: null. Required: named, with everything else that does not fit.
SELECT healing_insert('t', '{"id": 20, "http_code": null}');
SELECT healing_insert('t', '{"http_code": 1}');
SELECT healing_insert('t', '{"id": null, "note": null, "http_code": "x"}');
SELECT healing_insert('t', '{}');
SELECT * FROM t ORDER BY id;
SELECT outcome, sqlstate, kind, field, fields, error FROM kept ORDER BY id;
DELETE FROM mend.queue; DELETE FROM mend.dead_letters;

-- Two columns that are equal under normalisation: exact names only.
CREATE TABLE twins ("fooBar" int, foo_bar int);
SELECT mend.enroll('twins', 'paused');
SELECT healing_insert('twins', '{"fooBar": 1, "foo_bar": 2}'), healing_insert('twins', '{"FooBar": 1}');
SELECT * FROM twins;

-- Recorded mappings come first; an ignored field is dropped; a held field is a new field.
SELECT mend.map_field('t', 'status', 'http_code');
SELECT mend.map_field('t', 'secret', NULL);
SELECT mend.map_field('t', 'note', 'userName');
INSERT INTO mend.fields (target, target_name, field, held) VALUES ('t', 'ingest_keys_test.t', 'dropped_by_a_person', 'the column was dropped');
SELECT healing_insert('t', '{"id": 30, "status": 404, "secret": {"a": 1}, "note": "n"}');
SELECT healing_insert('t', '{"id": 31, "dropped_by_a_person": 1}');
ALTER TABLE t ADD COLUMN dropped_by_a_person int;
SELECT healing_insert('t', '{"id": 32, "dropped_by_a_person": 1}');
SELECT * FROM t WHERE id >= 30 ORDER BY id;
SELECT outcome, sqlstate, kind, field, fields, error FROM kept ORDER BY id;
DELETE FROM mend.queue; DELETE FROM mend.dead_letters;

-- The next payload sees a change of the table, of its terms and of the mappings, also when it is rolled back.
BEGIN;
ALTER TABLE t ADD COLUMN later int;
SELECT healing_insert('t', '{"id": 40, "later": 1}');
ROLLBACK;
SELECT healing_insert('t', '{"id": 41, "later": 1}');
BEGIN;
SELECT mend.map_field('t', 'later', 'http_code');
SELECT healing_insert('t', '{"id": 42, "later": 1}');
ROLLBACK;
SELECT healing_insert('t', '{"id": 43, "later": 1}');
SELECT mend.configure('t', lossless => false);
SELECT healing_insert('t', '{"id": 44, "userName": {"a": 1}}');
ALTER TABLE t RENAME COLUMN "userName" TO renamed;
SELECT healing_insert('t', '{"id": 45, "userName": "x"}'), healing_insert('t', '{"id": 46, "renamed": "x"}');
SELECT id, http_code, renamed FROM t WHERE id >= 40 ORDER BY id;

-- All columns at their defaults.
CREATE TABLE defaults (id int GENERATED ALWAYS AS IDENTITY, a int DEFAULT 5, b text);
SELECT mend.enroll('defaults', 'paused');
SELECT healing_insert('defaults', '{}'), healing_insert('defaults', '{"unknown": null}'::jsonb);
SELECT a, b FROM defaults;

-- Many keys, a long key, and the settings that are carried.
SELECT healing_insert('t', (SELECT json_object_agg('k' || i, i)::text FROM generate_series(1, 1000) i));
SELECT healing_insert('t', json_build_object('id', 50, repeat('k', 1000), 1));
SELECT kind, length(field), cardinality(fields) FROM mend.queue WHERE target = 't'::regclass ORDER BY id DESC LIMIT 2;
SELECT healing_insert('t', (SELECT json_object_agg('k' || i, i)::text FROM generate_series(1, 20000) i));
SELECT healing_insert('t', json_build_object('id', 50, repeat('k', 5000), 1));
SELECT kind, sqlstate, field, cardinality(fields), error FROM mend.dead_letters WHERE target = 't'::regclass ORDER BY id DESC LIMIT 2;
SELECT mend.configure('t', carry => '{app.tenant, app.unset, work_mem}');
SET app.tenant = 'acme "1"';
SET work_mem = '5MB';
SET timezone = 'Asia/Tokyo';
SET datestyle = 'SQL, DMY';
SET intervalstyle = 'iso_8601';
SELECT healing_insert('t', '{"id": 60, "new": 1}');
SELECT context, target_name, submitted_by = current_user AS by_me, submitter = current_user::regrole AS same, attempts
FROM mend.queue ORDER BY id DESC LIMIT 1;

-- A dropped and recreated extension, in a session that has used it.
DROP VIEW kept;
SELECT mend.unenroll_all(force => true) > 0 AS unenrolled;
DROP EXTENSION pg_mend CASCADE;
CREATE EXTENSION pg_mend SCHEMA public;
SELECT mend.enroll('t', 'paused');
SELECT healing_insert('t', '{"id": 70, "new": 1}');
SELECT kind, field FROM mend.queue;

-- Leave nothing behind.
RESET search_path;
DELETE FROM mend.queue; DELETE FROM mend.dead_letters; DELETE FROM mend.fields; DELETE FROM mend.enrollments; DELETE FROM mend.events;
DROP SCHEMA ingest_keys_test CASCADE;
