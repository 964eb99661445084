-- A long queue of one table is nothing to the others: neither the worker nor a look at the books walks its rows. Statistics
-- are made to say that the others have as many, and the primary key is in order, too: under "target = one ORDER BY target, id"
-- PostgreSQL walks it.
CREATE SCHEMA long_queue_test;
SET search_path = long_queue_test, public;
CREATE TABLE crowd (id bigint);
CREATE TABLE short (id bigint);
CREATE TABLE late (id bigint, extra int);
SELECT mend.enroll('crowd', mode => 'paused'), mend.enroll('short', mode => 'review'), mend.enroll('late', mode => 'review');
SELECT healing_insert('crowd', '{"id": 1, "extra": 1}');
ALTER TABLE mend.queue SET (autovacuum_enabled = off);
ALTER TABLE mend.dead_letters SET (autovacuum_enabled = off);
INSERT INTO mend.queue (target, target_name, payload, submitter, submitted_by, sqlstate, error, kind, field, fields, context)
    SELECT t, t, format('{"id": %s, "extra": 1}', n), submitter, submitted_by, sqlstate, error, kind, field, fields, context
    FROM mend.queue, unnest('{crowd,short,late}'::regclass[]) t, generate_series(2, 20000) n;
INSERT INTO mend.dead_letters (target, target_name, payload, submitter, submitted_by, sqlstate, error, kind, field, fields, context, reason)
    SELECT target, target_name, payload, submitter, submitted_by, sqlstate, error, kind, field, fields, context, 'crowd' FROM mend.queue;
ANALYZE mend.queue, mend.dead_letters;
DELETE FROM mend.queue WHERE target <> 'crowd'::regclass;
DELETE FROM mend.dead_letters WHERE target <> 'crowd'::regclass;
VACUUM mend.queue, mend.dead_letters;

-- Rows read front to back, or along the primary key: what a look at another table must not do. Of this transaction, and of all.
CREATE VIEW walked_here AS
    SELECT name, pg_stat_get_xact_tuples_returned(name::regclass) AS rows
    FROM unnest('{mend.queue,mend.queue_pkey,mend.dead_letters,mend.dead_letters_pkey}'::text[]) name;
CREATE VIEW walked AS
    SELECT name, pg_stat_get_tuples_returned(name::regclass) AS rows
    FROM unnest('{mend.queue,mend.queue_pkey,mend.dead_letters,mend.dead_letters_pkey}'::text[]) name;
-- A worker tells what it has read when it leaves.
CREATE PROCEDURE nobody_works() LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mend.stop();
    COMMIT;
    FOR look IN 1 .. 6000 LOOP
        EXIT WHEN NOT EXISTS (SELECT FROM mend.workers());
        PERFORM pg_sleep(0.01);
    END LOOP;
    PERFORM pg_stat_force_next_flush();
    COMMIT;
    PERFORM pg_stat_clear_snapshot();
END $$;

-- People look.
CREATE FUNCTION cost(query text, OUT name text, OUT walked text) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMP TABLE before ON COMMIT DROP AS SELECT * FROM walked_here;
    EXECUTE 'SELECT count(q) FROM (' || query || ') q';
    RETURN QUERY SELECT w.name, 'all'::text FROM walked_here w JOIN before b USING (name) WHERE w.rows - b.rows >= 1000;
    DROP TABLE before;
END $$;
SELECT * FROM cost($$SELECT * FROM mend.queue WHERE target_name = 'the walk of all rows is seen'$$);
SELECT * FROM cost($$SELECT id FROM mend.queue ORDER BY id$$);
SELECT * FROM cost($$SELECT * FROM mend.status$$);
SELECT * FROM cost($$SELECT * FROM mend.freshness$$);
SELECT * FROM cost($$SELECT * FROM mend.work$$);
SELECT * FROM cost($$SELECT * FROM mend.metrics$$);
SELECT * FROM cost($$SELECT mend.retry('short')$$);
SELECT * FROM cost($$SELECT mend.unenroll('late')$$);

-- The worker heals.
CALL nobody_works();
CREATE TABLE before AS SELECT * FROM walked;
SELECT mend.start();
SELECT healing_insert('short', '{"id": 1, "extra": 1}');
CALL mend.wait_idle('short');
SELECT mend.reject(id, 'not yet') FROM mend.patches WHERE target = 'short'::regclass;
CALL mend.wait_idle('short');
SELECT count(*) FROM mend.dead_letters WHERE target = 'short'::regclass;
SELECT mend.approve(mend.propose('short', 'ALTER TABLE long_queue_test.short ADD COLUMN extra bigint'));
CALL mend.wait_idle('short');
SELECT * FROM short;
SELECT healing_load('short', '{"id": 2, "other": 1}');
CALL mend.wait_idle('short');
SELECT mend.approve(id) FROM mend.patches WHERE target = 'short'::regclass AND state = 'proposed';
CALL mend.wait_idle('short');
SELECT * FROM short ORDER BY id;
CALL nobody_works();
SELECT w.name, w.rows - b.rows < 1000 AS few FROM walked w JOIN before b USING (name);

-- Rows that have left the queue are no matter, either, whatever the planner thinks best: to its statistics the queue is
-- mostly empty, and a bitmap as good as an index.
ALTER DATABASE :"DBNAME" SET enable_indexscan = off;
ALTER DATABASE :"DBNAME" SET enable_indexonlyscan = off;
DELETE FROM mend.queue;
VACUUM mend.queue;
CREATE TABLE busy (id bigint);
CREATE TABLE other (id bigint);
SELECT mend.start(), mend.enroll('busy'), mend.enroll('other');
SELECT healing_load('busy', (SELECT string_agg(format('{"id": %s, "extra": 1}', n), E'\n') FROM generate_series(1, 20000) n));
CALL mend.wait_idle('busy');
SELECT count(extra) FROM busy;
CALL nobody_works();
CREATE VIEW read AS
    SELECT name, pg_stat_get_tuples_returned(name::regclass) AS rows
    FROM unnest('{mend.queue,mend.queue_pkey,mend.queue_target_id,mend.queue_target_xid}'::text[]) name;
CREATE TABLE before_other AS SELECT * FROM read;
SELECT mend.start();
SELECT healing_insert('other', '{"id": 1, "extra": 1}');
CALL mend.wait_idle('other');
CALL nobody_works();
SELECT r.name, r.rows - b.rows < 1000 AS few FROM read r JOIN before_other b USING (name);
ALTER DATABASE :"DBNAME" RESET enable_indexscan;
ALTER DATABASE :"DBNAME" RESET enable_indexonlyscan;
SELECT mend.start();

SET client_min_messages = warning;
DROP SCHEMA long_queue_test CASCADE;
DELETE FROM mend.dead_letters; DELETE FROM mend.queue;
ALTER TABLE mend.queue RESET (autovacuum_enabled);
ALTER TABLE mend.dead_letters RESET (autovacuum_enabled);
VACUUM ANALYZE mend.queue, mend.dead_letters;
SELECT mend.unenroll(target) FROM mend.enrollments;
DELETE FROM mend.progress; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.fields;
