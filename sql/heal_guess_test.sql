-- What the first rows of a long queue call for is proved while the others are profiled. Whatever those bring, the patch is
-- the one that all rows call for, and is proved by all of them.
CREATE SCHEMA guess_test;
SET search_path = guess_test, public;
CREATE FUNCTION fill(target regclass, payload text, first int, last int) RETURNS mend.load_result LANGUAGE sql AS
    $$SELECT healing_load(target, string_agg(replace(payload, 'N', n::text), E'\n' ORDER BY n)) FROM generate_series(first, last) n$$;
CREATE VIEW healed AS
    SELECT target, state, ddl, evidence #> '{proof,rows_tried}' AS tried, evidence #> '{proof,rows_healed}' AS proved, rows_healed, rows_failed
    FROM mend.patches ORDER BY id;
CREATE TABLE alike (id int);
CREATE TABLE wider (id int, amount int);
CREATE TABLE mixed (id int);
CREATE TABLE field (id int);
CREATE TABLE partly (id int, flag boolean CHECK (flag OR NOT flag));
SELECT mend.enroll(t, mode => 'paused') FROM unnest('{alike,wider,mixed,field,partly}'::regclass[]) t;

-- All rows alike; then a second time, when the table has been healed before.
SELECT fill('alike', '{"id": N, "extra": N}', 1, 2500);
SELECT mend.configure('alike', mode => 'auto');
CALL mend.wait_idle('alike');
SELECT * FROM healed WHERE target = 'alike'::regclass;
SELECT mend.configure('alike', mode => 'paused');
SELECT fill('alike', '{"id": N, "extra": N, "more": true}', 2501, 5000);
SELECT mend.configure('alike', mode => 'auto');
CALL mend.wait_idle('alike');
SELECT * FROM healed WHERE target = 'alike'::regclass;
SELECT count(*), count(DISTINCT id), sum(extra), count(more) FROM alike;

-- A type that is changed.
SELECT fill('wider', '{"id": N, "amount": 3000000000}', 1, 2500);
SELECT mend.configure('wider', mode => 'auto');
CALL mend.wait_idle('wider');
SELECT * FROM healed WHERE target = 'wider'::regclass;
SELECT count(*), sum(amount) FROM wider;

-- The first rows promise too much: later ones bring text.
SELECT fill('mixed', '{"id": N, "extra": N}', 1, 1200), fill('mixed', '{"id": N, "extra": "word N"}', 1201, 2500);
SELECT mend.configure('mixed', mode => 'auto');
CALL mend.wait_idle('mixed');
SELECT * FROM healed WHERE target = 'mixed'::regclass;
SELECT count(*), count(*) FILTER (WHERE extra = to_jsonb(id)) AS numbers, count(*) FILTER (WHERE extra = to_jsonb('word ' || id)) AS words FROM mixed;

-- A second field shows late.
SELECT fill('field', '{"id": N, "extra": N}', 1, 2000), fill('field', '{"id": N, "other": N}', 2001, 2500);
SELECT mend.configure('field', mode => 'auto');
CALL mend.wait_idle('field');
SELECT * FROM healed WHERE target = 'field'::regclass;
SELECT count(*), count(extra), count(other) FROM field;

-- Rows that no rule helps wait for a person, and are not counted as proof; the others are.
SELECT fill('partly', '{"id": N, "extra": N}', 1, 1500), fill('partly', '{"id": N, "extra": N, "flag": {"is": "none"}}', 1501, 2500);
SELECT mend.configure('partly', mode => 'auto');
CALL mend.wait_idle('partly');
SELECT * FROM healed WHERE target = 'partly'::regclass;
SELECT count(*), count(extra), (SELECT count(*) FROM mend.dead_letters WHERE target = 'partly'::regclass) AS dead FROM partly;

SELECT count(*) FROM mend.queue;
SET client_min_messages = warning;
DROP SCHEMA guess_test CASCADE;
DELETE FROM mend.dead_letters; DELETE FROM mend.queue;
SELECT mend.unenroll(target) FROM mend.enrollments;
DELETE FROM mend.progress; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.fields;
