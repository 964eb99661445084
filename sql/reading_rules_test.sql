-- What rules make of values that a reading takes, and of those that it takes and the column does not.
CREATE SCHEMA reading_rules_test;
SET search_path = reading_rules_test, public;
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE VIEW asked AS
SELECT d.target, d.rows, substring(d.ddl FROM '(ALTER COLUMN.*)$') AS does FROM mend.decisions d WHERE d.target::text !~ '\.' ORDER BY d.patch_id;

-- Elements of arrays.
CREATE TABLE lists (id int, n int[], t timestamptz[], w text[]);
INSERT INTO lists VALUES (0, '{1}', '{2024-01-01}', '{}');
SELECT mend.enroll('lists');
SELECT (healing_load('lists', '[{"id": 1, "n": ["", 5, "7"]}, {"id": 2, "n": ["N/A"]}, {"id": 3, "t": [1700000000, "2024-01-01T00:00:00Z"]}, {"id": 4, "w": [""]}, {"id": 5, "n": [1, 2]}]')).queued;
CALL mend.wait_idle('lists');
SELECT does FROM asked WHERE target = 'lists'::regclass;
SELECT mend.approve(patch_id) FROM mend.decisions WHERE target = 'lists'::regclass AND ddl ~ 'read_as';
CALL mend.wait_idle('lists');
SELECT * FROM lists ORDER BY id;

-- Objects and arrays in a text.
CREATE TABLE notes (id int, note text);
SELECT mend.enroll('notes');
INSERT INTO notes VALUES (0, 'plain');
SELECT (healing_load('notes', '[{"id": 1, "note": {"a": [1, 2]}}, {"id": 2, "note": {"b": null}}]')).queued;
CALL mend.wait_idle('notes');
SELECT does FROM asked WHERE target = 'notes'::regclass;
SELECT mend.approve(patch_id) FROM mend.decisions WHERE target = 'notes'::regclass AND ddl ~ 'read_as';
CALL mend.wait_idle('notes');
SELECT * FROM notes ORDER BY id;
SELECT count(*) AS open FROM mend.decisions WHERE target = 'notes'::regclass;

-- Clocks without an offset: the zone is that of the table's other clocks, once there is one.
CREATE TABLE clocks (id int, a timestamptz, b timestamptz);
SELECT mend.enroll('clocks');
INSERT INTO clocks VALUES (0, now(), now());
SELECT healing_insert('clocks', '{"id": 1, "a": "2024-07-01 12:00:00"}');
CALL mend.wait_idle('clocks');
SELECT does FROM asked WHERE target = 'clocks'::regclass;
SELECT mend.read_as('clocks', 'a', 'time_zone("Europe/Berlin")');
CALL mend.wait_idle('clocks');
SELECT (healing_load('clocks', '[{"id": 2, "b": "2024-01-01 12:00:00"}, {"id": 3, "b": "31.12.2023 12:00"}]')).queued;
CALL mend.wait_idle('clocks');
SELECT does FROM asked WHERE target = 'clocks'::regclass;
SELECT mend.approve(patch_id) FROM mend.decisions WHERE target = 'clocks'::regclass AND ddl ~ 'read_as';
CALL mend.wait_idle('clocks');
SELECT id, a, b FROM clocks WHERE id > 0 ORDER BY id;

-- What a reading makes of a value is past the type: the type is what changes.
CREATE TABLE sums (id int, n int, f int, s smallint);
SELECT mend.enroll('sums');
INSERT INTO sums VALUES (0, 1, 1, 1);
SELECT mend.read_as('sums', 'n', 'number'), mend.read_as('sums', 'f', 'number_comma'), mend.read_as('sums', 's', 'number_point');
SELECT (healing_load('sums', '[{"id": 1, "n": "+3000000000"}, {"id": 2, "f": "1.234,5"}, {"id": 3, "s": "40,000"}, {"id": 4, "n": " 7"}, {"id": 5, "n": 8, "s": 9}]')).queued;
CALL mend.wait_idle('sums');
SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid = 'sums'::regclass AND attnum > 1 ORDER BY attnum;
SELECT * FROM sums ORDER BY id;
SELECT count(*) AS open FROM mend.decisions WHERE target = 'sums'::regclass;

-- A column that is renamed keeps what is recorded of it.
SELECT mend.read_as('sums', 's', 'number_point', 's');
SELECT mend.map_field('sums', 'Betrag', 'f');
ALTER TABLE sums RENAME f TO amount;
ALTER TABLE sums RENAME n TO f;
ALTER TABLE sums RENAME s TO n;
SELECT field, column_name, reading FROM mend.fields WHERE target = 'sums'::regclass ORDER BY field COLLATE "C";
SELECT (healing_load('sums', '[{"id": 6, "amount": "2.345,5"}, {"id": 7, "Betrag": "3.456,5"}, {"id": 8, "f": "+9"}, {"id": 9, "n": "1,234"}]')).inserted;
SELECT * FROM sums WHERE id > 5 ORDER BY id;
ALTER TABLE sums DROP COLUMN n;
ALTER TABLE sums ADD COLUMN n smallint;
SELECT field, column_name, reading FROM mend.fields WHERE target = 'sums'::regclass AND field = 'n';
ALTER TABLE sums RENAME n TO m;
SELECT field, column_name, reading FROM mend.fields WHERE target = 'sums'::regclass AND column_name IN ('n', 'm');

-- No clock is read as another time than it shows; what a zone skips or shows twice is left.
CREATE TABLE shown (zone int, n int, at timestamptz);
SELECT mend.enroll('shown', 'paused');
CREATE TABLE zones AS SELECT n::int AS zone, name FROM unnest('{Europe/Berlin,America/St_Johns,Australia/Lord_Howe,Asia/Kathmandu}'::text[]) WITH ORDINALITY z (name, n);
CREATE FUNCTION show(zone int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mend.read_as('shown', 'at', format('time_zone(%s)', to_json(z.name))) FROM zones z WHERE z.zone = show.zone;
    RETURN (SELECT (healing_load('shown', string_agg(jsonb_build_object('zone', show.zone, 'n', n, 'at', to_char(timestamp '1990-01-01' + n * interval '7 h 13 min', 'YYYY-MM-DD"T"HH24:MI:SS'))::text, E'\n'))).queued FROM generate_series(1, 40000) n);
END
$$;
SELECT z.name, show(z.zone) BETWEEN 0 AND 40 AS skipped_or_twice FROM zones z ORDER BY z.zone;
SELECT z.name, count(*) > 39950 AS stored, count(*) FILTER (WHERE s.at AT TIME ZONE z.name <> timestamp '1990-01-01' + s.n * interval '7 h 13 min') AS wrong
FROM shown s JOIN zones z USING (zone) GROUP BY z.name ORDER BY z.name;

-- Rows that were stored through a reading are counted, and keep what they have.
CREATE TABLE counted (id int, n int);
SELECT mend.enroll('counted', allow => '{read_as}');
INSERT INTO counted VALUES (0, 1);
SELECT healing_insert('counted', '{"id": 1, "n": "N/A"}');
CALL mend.wait_idle('counted');
SELECT (healing_load('counted', '[{"id": 2, "n": "N/A"}, {"id": 3, "n": 4}, {"id": 4, "n": "N/A"}]')).inserted;
BEGIN;
SELECT healing_insert('counted', '{"id": 5, "n": "N/A"}');
ROLLBACK;
SET client_min_messages = notice;
\set VERBOSITY terse
SELECT mend.revert(id) FROM mend.patches WHERE target = 'counted'::regclass AND state = 'applied';
SET client_min_messages = warning;
SELECT * FROM counted ORDER BY id;
DELETE FROM mend.queue WHERE target_name ~ '^reading_rules_test';
SELECT count(mend.unenroll(target)) FROM mend.enrollments WHERE target_name ~ '^reading_rules_test';
DROP SCHEMA reading_rules_test CASCADE;
DELETE FROM mend.queue; DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events;
