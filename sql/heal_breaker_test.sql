-- A breaker closes by itself: when its time has come it lets a few fields through, and what only one payload shows is for
-- a person. Time is made to pass by hand.
CREATE SCHEMA breaker_test;
SET search_path = breaker_test, public;
CREATE TABLE flooded (id int);
SELECT mend.enroll('flooded');
CREATE PROCEDURE time_passes() LANGUAGE sql AS
    $$ UPDATE mend.progress SET breaker_until = clock_timestamp(), not_before = clock_timestamp() WHERE target = 'flooded'::regclass $$;
CREATE VIEW breaker AS
    SELECT s.state, s.reason, s.queued, s.dead_letters, p.breaker_until > now() AS open, p.breaker_tries AS tries,
           (SELECT count(*) FROM pg_attribute WHERE attrelid = s.target AND attnum > 0) AS columns
    FROM mend.status s JOIN mend.progress p USING (target) WHERE target = 'flooded'::regclass;

-- One payload with five hundred unknown keys, beside two that show a field that is meant, and one that needs no column.
SELECT healing_load('flooded', (SELECT '{"id": 1, ' || string_agg(format('"key_%s": %s', n, n), ', ') || '}' FROM generate_series(1, 500) n)
    || E'\n{"id": 2, "meant": "a"}\n{"id": 3, "meant": "b"}\n{"id": 3000000000}');
CALL mend.wait_idle('flooded');
SELECT * FROM breaker;
SELECT id FROM flooded ORDER BY id;
CALL time_passes();
CALL mend.wait_idle('flooded');
SELECT * FROM breaker;
SELECT * FROM flooded ORDER BY id;
SELECT kind, field, left(payload, 30) AS payload, reason FROM mend.dead_letters WHERE target = 'flooded'::regclass;

-- A field that comes afterwards is healed at once.
SELECT healing_insert('flooded', '{"id": 4, "later": true}');
CALL mend.wait_idle('flooded');
SELECT id, later FROM flooded WHERE id = 4;

-- More fields than fit that many rows show: some at a time, for as long as there is room; the rest waits longer and longer.
SELECT healing_load('flooded', (SELECT string_agg(format('{"id": %s, "often_%s": %s}', 10 + n, n % 450, n), E'\n') FROM generate_series(0, 899) n));
CALL mend.wait_idle('flooded');
SELECT * FROM breaker;
CALL time_passes();
CALL mend.wait_idle('flooded');
SELECT * FROM breaker;
CALL time_passes();
CALL mend.wait_idle('flooded');
SELECT * FROM breaker;

-- A person raises the limit and closes it.
ALTER DATABASE :"DBNAME" SET mend.max_columns = 1000;
SELECT mend.reset_breaker('flooded');
CALL mend.wait_idle('flooded');
SELECT * FROM breaker;
SELECT count(*), count(DISTINCT id) FROM flooded;
ALTER DATABASE :"DBNAME" RESET mend.max_columns;
SELECT kind, regexp_replace(detail::text, '\d{2,}', 'N', 'g') AS detail FROM mend.events
    WHERE target_name = 'breaker_test.flooded' AND kind LIKE 'breaker%' ORDER BY id;

-- Names made up for every payload: two thousand of them are recorded, which an event says, and the rows of the others wait
-- until those are settled. A field that is meant is found behind them all.
CREATE TABLE invented (id int);
SELECT mend.enroll('invented');
SELECT healing_load('invented', (SELECT string_agg(format('{"id": %s, "made_up_%s": 1}', n, n), E'\n') FROM generate_series(1, 3000) n)
    || E'\n{"id": 3001, "meant": 1}\n{"id": 3002, "meant": 2}');
CREATE VIEW names AS
    SELECT s.state, s.queued, s.dead_letters, p.unrecorded,
           (SELECT count(*) FROM mend.drifts d WHERE d.target = s.target AND d.state IN ('open', 'waiting')) AS recorded,
           (SELECT count(*) FROM mend.events e WHERE e.target_name = 'breaker_test.invented' AND e.kind = 'drift_capped') AS said,
           (SELECT count(*) FROM invented) AS stored
    FROM mend.status s JOIN mend.progress p USING (target) WHERE target = 'invented'::regclass;
CREATE PROCEDURE invented_time_passes() LANGUAGE sql AS
    $$ UPDATE mend.progress SET breaker_until = clock_timestamp(), not_before = clock_timestamp() WHERE target = 'invented'::regclass $$;
CALL mend.wait_idle('invented');
SELECT * FROM names;
SELECT reason FROM mend.status WHERE target = 'invented'::regclass;
-- More of them change nothing, and what needs no column is healed meanwhile.
SELECT healing_load('invented', '{"id": 3003, "made_up_3003": 1}' || E'\n{"id": 3000000000}');
CALL mend.wait_idle('invented');
SELECT * FROM names;
CALL invented_time_passes();
CALL mend.wait_idle('invented');
SELECT * FROM names;
CALL invented_time_passes();
CALL mend.wait_idle('invented');
SELECT * FROM names;
SELECT * FROM invented ORDER BY id;
SELECT regexp_replace(reason, '^\d+', 'N') AS reason, count(*), count(DISTINCT field) FROM mend.dead_letters WHERE target = 'invented'::regclass GROUP BY 1;

-- Patches that fail count as well: each has taken the lock on the table.
ALTER DATABASE :"DBNAME" SET mend.patches_per_hour = 2;
CREATE TABLE refused (id int);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not in this table'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON refused FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT mend.enroll('refused');
SELECT healing_insert('refused', '{"id": 1, "extra": 1}');
CALL mend.wait_idle('refused');
SELECT healing_insert('refused', '{"id": 2, "extra": 1}');
CALL mend.wait_idle('refused');
SELECT healing_insert('refused', '{"id": 3, "extra": 1}');
CALL mend.wait_idle('refused');
SELECT state, reason, queued, dead_letters FROM mend.status WHERE target = 'refused'::regclass;
SELECT state, count(*) FROM mend.patches WHERE target = 'refused'::regclass GROUP BY 1;
ALTER DATABASE :"DBNAME" RESET mend.patches_per_hour;

-- Rows that wait for the row they refer to bring the same patch up again, not a new one at every try.
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int, amount int, parent int REFERENCES parent);
SELECT mend.enroll('child');
SELECT healing_insert('child', '{"id": 1, "extra": 3000000000, "parent": 7}');
CALL mend.wait_idle('child');
UPDATE mend.queue SET not_before = clock_timestamp() WHERE target = 'child'::regclass;
UPDATE mend.progress SET not_before = clock_timestamp() WHERE target = 'child'::regclass;
CALL mend.wait_idle('child');
SELECT state, count(*), (SELECT min(attempts) FROM mend.queue WHERE target = 'child'::regclass) AS attempts
    FROM mend.patches WHERE target = 'child'::regclass GROUP BY 1;
INSERT INTO parent VALUES (7);
SELECT mend.retry('child');
CALL mend.wait_idle('child');
SELECT * FROM child;

SET client_min_messages = warning;
DROP SCHEMA breaker_test CASCADE;
DELETE FROM mend.dead_letters; DELETE FROM mend.queue;
SELECT mend.unenroll(target) FROM mend.enrollments;
DELETE FROM mend.progress; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.fields;
