-- The books: counters, events, status, dead letters, and what every object of the extension owes.
SET client_min_messages = warning;
CREATE SCHEMA heal_books_test;
SET search_path = heal_books_test, public;
GRANT USAGE ON SCHEMA heal_books_test TO mend_healer;
CREATE VIEW status AS
    SELECT target::text, mode, queued, dead_letters AS dead, state, regexp_replace(reason, '\d{2,}|(patch |approve\()\d+', '\1N', 'g') AS reason, worker_pid IS NULL AS no_worker, EXISTS (SELECT FROM mend.decisions d WHERE d.target = status.target) AS open
    FROM mend.status ORDER BY 1;
CREATE VIEW log AS
    SELECT kind, target_name, actor, patch_id IS NOT NULL AS patch, detail FROM mend.events WHERE target_name LIKE 'heal_books_test.%' AND kind NOT IN ('enrolled', 'unenrolled') ORDER BY id;
CREATE VIEW dead AS
    SELECT target::regclass::text AS target, payload, kind, field, fields, regexp_replace(reason, '(patch )\d+', '\1N') AS reason, patch_id IS NOT NULL AS patch FROM mend.dead_letters WHERE target_name LIKE 'heal_books_test.%' ORDER BY id;
CREATE FUNCTION state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '00000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;

-- Counters and dead letters.
CREATE TABLE t (id int NOT NULL, n int CHECK (n > 0));
SELECT mend.enroll('t');
SELECT healing_load('t', '[{"id": 1, "n": 3000000000}, {"id": 2, "n": "x"}, {"n": 3}, {"id": 4, "n": 4000000000}, 5, {"id": 6}]');
CALL mend.wait_idle('t');
SELECT count(mend.reject(patch_id, 'ids are required')) FROM mend.decisions WHERE target = 't'::regclass;
CALL mend.wait_idle('t');
SELECT rows_healed, rows_failed FROM mend.patches WHERE target = 't'::regclass AND state = 'applied';
SELECT * FROM dead;
SELECT * FROM status WHERE target = 't';
SELECT kind, actor, patch, detail FROM log;

-- retry: of ids, of a table, of all; what is still wrong comes back with its identity.
CREATE TEMP TABLE were AS SELECT id, payload, submitted_at FROM mend.dead_letters;
SELECT mend.retry('t', ARRAY[0::bigint]), mend.retry('t', '{}');
SELECT mend.retry('t', (SELECT array_agg(id) FROM mend.dead_letters WHERE field = 'id'));
CALL mend.wait_idle('t');
SELECT mend.retry(ids => (SELECT array_agg(id) FROM mend.dead_letters WHERE payload = '5'));
CALL mend.wait_idle('t');
ALTER TABLE t ALTER COLUMN id DROP NOT NULL;
SELECT mend.retry();
CALL mend.wait_idle('t');
SELECT * FROM t ORDER BY id;
SELECT count(*) AS same FROM mend.dead_letters JOIN were USING (id, payload, submitted_at);
SELECT * FROM dead;
SELECT field, kind, row_count, state FROM mend.drifts WHERE target = 't'::regclass ORDER BY field, kind;

-- discard: the payload stays in the event.
SELECT state_of('SELECT mend.discard(NULL, ''x'')'), state_of('SELECT mend.discard(''{1}'', NULL)'), state_of('SELECT mend.discard(''{1}'', '''')');
SELECT mend.discard((SELECT array_agg(id) FROM mend.dead_letters), 'not ours'), mend.discard('{0}', 'nothing');
SELECT kind, actor, detail - '{id,submitted_at}'::text[] AS detail FROM log WHERE kind IN ('retried', 'discarded');
SELECT count(*) FROM mend.dead_letters;

-- Every kind of waiting, in words.
CREATE TABLE paused (id int);
CREATE TABLE breaker (id int);
CREATE TABLE wide (id int);
SELECT mend.enroll('paused', 'paused'), mend.enroll('breaker'), mend.enroll('wide');
SELECT healing_insert('paused', '{"id": 1, "x": 1}');
CALL mend.wait_idle('paused');
ALTER DATABASE :"DBNAME" SET mend.patches_per_hour = 2;
SELECT healing_insert('breaker', '{"id": 1, "a": 1}');
CALL mend.wait_idle('breaker');
SELECT healing_insert('breaker', '{"id": 2, "b": 1}');
CALL mend.wait_idle('breaker');
SELECT healing_insert('breaker', '{"id": 3, "c": 1}'), healing_insert('breaker', '{"id": 4, "b": 2}');
CALL mend.wait_idle('breaker');
SELECT * FROM status;
SELECT mend.reset_breaker('breaker');
CALL mend.wait_idle('breaker');
SELECT * FROM breaker ORDER BY id;
ALTER DATABASE :"DBNAME" RESET mend.patches_per_hour;
ALTER DATABASE :"DBNAME" SET mend.max_columns = 2;
SELECT healing_insert('wide', '{"id": 1, "a": 1, "b": 1}');
CALL mend.wait_idle('wide');
SELECT * FROM status WHERE target = 'wide';
ALTER DATABASE :"DBNAME" RESET mend.max_columns;
SELECT mend.reset_breaker('wide');
CALL mend.wait_idle('wide');
SELECT * FROM wide;
SELECT mend.stop();
SELECT healing_insert('wide', '{"id": 2, "c": 1}');
CALL mend.wait_idle('wide');
SELECT * FROM status WHERE target = 'wide';
SELECT mend.start();
CALL mend.wait_idle();
SELECT * FROM status;
SELECT kind, target_name, actor, patch, regexp_replace(detail::text, '\d{2,}', 'N') AS detail FROM log WHERE target_name ~ 'breaker|wide';

-- A table that is renamed, dropped, or made anew while rows are queued: nothing goes to the wrong table.
CREATE TABLE renamed (id int);
CREATE TABLE dropped (id int);
SELECT mend.enroll('renamed', 'paused'), mend.enroll('dropped', 'paused');
SELECT healing_insert('renamed', '{"id": 1, "x": 1}'), healing_insert('dropped', '{"id": 1, "x": 1}');
ALTER TABLE renamed RENAME TO renamed_now;
SELECT 'dropped'::regclass::oid AS gone \gset
DROP TABLE dropped;
CREATE TABLE dropped (id int);
UPDATE mend.enrollments SET mode = 'auto' WHERE target_name IN ('heal_books_test.renamed', 'heal_books_test.dropped');
SELECT mend.start();
CALL mend.wait_idle();
SELECT target_name, payload, reason FROM mend.dead_letters ORDER BY id;
SELECT (SELECT count(*) FROM renamed_now) AS renamed, (SELECT count(*) FROM dropped) AS anew;
SELECT healing_insert('dropped', '{"id": 1}');
SELECT healing_insert('renamed_now', '{"id": 2}'), healing_insert('renamed_now', '{"id": 3, "x": 1}');
CALL mend.wait_idle();
SELECT target_name, payload, reason FROM mend.dead_letters ORDER BY id;
SELECT state, reason FROM mend.status WHERE target IN (:gone, 'renamed_now'::regclass) ORDER BY reason;
SELECT mend.unenroll(:gone);
SELECT mend.discard((SELECT array_agg(id) FROM mend.dead_letters), 'seen');
-- No event is too large to be sealed: a large payload is kept in parts, and a reason has an end.
SELECT healing_insert('renamed_now', repeat(E'\x01', 20000001));
SELECT state_of('SELECT mend.discard(''{1}'', repeat(''x'', 10001))'), state_of('SELECT mend.reject(1, repeat(''x'', 10001))');
SELECT mend.discard((SELECT array_agg(id) FROM mend.dead_letters), repeat('x', 10000));
SELECT length(detail ->> 'payload') AS payload, detail -> 'part' AS part, detail -> 'parts' AS parts FROM mend.events WHERE detail ? 'part' ORDER BY id;

-- Unenrolling is refused while rows wait; what waits may be healed afterwards.
CREATE TABLE waits (id int);
SELECT mend.enroll('waits', 'review');
SELECT healing_insert('waits', '{"id": 1, "x": 1}');
CALL mend.wait_idle('waits');
SELECT state_of('SELECT mend.unenroll(''waits'')');
SELECT mend.reject(id, 'no') FROM mend.patches WHERE target = 'waits'::regclass;
CALL mend.wait_idle('waits');
SELECT mend.unenroll('waits');
SELECT mend.retry('waits'), mend.retry();
SELECT mend.enroll('waits'), mend.retry('waits');
CALL mend.wait_idle('waits');
SELECT regexp_replace(reason, '\d+', 'N') AS reason FROM mend.dead_letters WHERE target = 'waits'::regclass;

-- Every object has a comment.
SELECT 'function' AS what, p.oid::regprocedure::text AS name FROM pg_proc p
    WHERE (p.pronamespace = 'mend'::regnamespace OR p.proname LIKE 'healing\_%') AND obj_description(p.oid, 'pg_proc') IS NULL
UNION ALL
SELECT 'relation', c.oid::regclass::text FROM pg_class c
    WHERE c.relnamespace = 'mend'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f') AND obj_description(c.oid, 'pg_class') IS NULL
UNION ALL
SELECT 'column', a.attrelid::regclass || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'mend'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL
UNION ALL
SELECT 'type', t.oid::regtype::text FROM pg_type t
    WHERE t.typnamespace = 'mend'::regnamespace AND t.typtype IN ('e', 'd') AND obj_description(t.oid, 'pg_type') IS NULL
UNION ALL
SELECT 'composite type', t.oid::regtype::text FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typnamespace = 'mend'::regnamespace AND c.relkind = 'c' AND obj_description(t.oid, 'pg_type') IS NULL
UNION ALL
SELECT 'trigger', tgname || ' on ' || tgrelid::regclass FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
    WHERE c.relnamespace = 'mend'::regnamespace AND NOT tgisinternal AND obj_description(t.oid, 'pg_trigger') IS NULL
UNION ALL
SELECT 'schema', nspname FROM pg_namespace n WHERE nspname = 'mend' AND obj_description(n.oid, 'pg_namespace') IS NULL
UNION ALL
SELECT 'extension', extname FROM pg_extension e WHERE extname = 'pg_mend' AND obj_description(e.oid, 'pg_extension') IS NULL;

-- No function runs with others' rights under the caller's search_path; none is open to all but ingest and what shows nothing.
SELECT oid::regprocedure FROM pg_proc
    WHERE (pronamespace = 'mend'::regnamespace OR proname LIKE 'healing\_%') AND prosecdef AND NOT coalesce(proconfig::text, '') LIKE '%search_path=pg_catalog, pg_temp%';
SELECT p.oid::regprocedure FROM pg_proc p
    WHERE pronamespace = 'mend'::regnamespace AND has_function_privilege('mend_healer', p.oid, 'EXECUTE') ORDER BY p.oid::regprocedure::text COLLATE "C";
-- What a dump must carry, it carries, with its sequences.
SELECT c.oid::regclass AS left_out FROM pg_class c
    WHERE c.relnamespace = 'mend'::regnamespace AND c.relkind IN ('r', 'S')
      AND c.oid <> ALL (SELECT unnest(extconfig) FROM pg_extension WHERE extname = 'pg_mend') ORDER BY 1;
SELECT c.oid::regclass AS keyless FROM pg_class c
    WHERE c.relnamespace = 'mend'::regnamespace AND c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary);

-- Leave nothing behind.
SELECT target_name, mend.unenroll(target) FROM mend.enrollments WHERE NOT EXISTS (SELECT FROM mend.queue q WHERE q.target = enrollments.target) ORDER BY target_name;
DELETE FROM mend.queue;
SELECT target_name, mend.unenroll(target) FROM mend.enrollments ORDER BY target_name;
RESET search_path;
DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events;
SELECT (SELECT count(*) FROM mend.queue) AS queued, (SELECT count(*) FROM mend.fields) AS fields, (SELECT count(*) FROM mend.progress) AS progress;
DROP SCHEMA heal_books_test CASCADE;
