-- Queues of tables that are gone become dead letters a batch at a time: DROP EXTENSION waits for one batch.
SET client_min_messages = warning;
CREATE SCHEMA heal_bury_test;
SET search_path = heal_bury_test, public;

-- The table is gone.
CREATE TABLE gone (id int);
SELECT mend.enroll('gone', 'paused');
SELECT count(healing_insert('gone', format('{"id": %s, "x": 1}', i)::jsonb)) FROM generate_series(1, 2500) i;
SELECT 'gone'::regclass::oid AS gone \gset
DROP TABLE gone;
UPDATE mend.enrollments SET mode = 'auto' WHERE target_name = 'heal_bury_test.gone';
SELECT mend.wake();
CALL mend.wait_idle();
SELECT reason, count(*), count(DISTINCT xmin::text) AS transactions FROM mend.dead_letters GROUP BY 1;
SELECT detail FROM mend.events WHERE kind = 'dead_lettered' AND target_name LIKE 'heal_bury_test.%' ORDER BY id;
SELECT count(*) FROM mend.queue;
SELECT mend.unenroll(:gone);
DELETE FROM mend.dead_letters; DELETE FROM mend.events;

-- The table is not enrolled, as a restore may leave it.
CREATE TABLE strange (id int);
SELECT mend.enroll('strange', 'paused');
SELECT count(healing_insert('strange', format('{"id": %s, "x": 1}', i)::jsonb)) FROM generate_series(1, 1500) i;
DELETE FROM mend.enrollments;
CALL mend.wait_idle();
SELECT count(*) FROM mend.queue;
SELECT mend.start();
CALL mend.wait_idle();
SELECT reason, count(*), count(DISTINCT xmin::text) AS transactions FROM mend.dead_letters GROUP BY 1;
SELECT target_name, detail FROM mend.events WHERE kind = 'dead_lettered' AND target_name LIKE 'heal_bury_test.%' ORDER BY id;
SELECT (SELECT count(*) FROM mend.queue) AS queued, (SELECT count(*) FROM mend.requests) AS requests, (SELECT count(*) FROM mend.progress) AS progress;

DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.events;
RESET search_path;
DROP SCHEMA heal_bury_test CASCADE;
