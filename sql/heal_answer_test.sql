-- The right answer: which type a column gets, whatever the order in which its values came, and what is left of them.
\set VERBOSITY terse
SET client_min_messages = warning;
SET datestyle = 'ISO, YMD';
SET timezone = 'UTC';
CREATE SCHEMA heal_answer_test;
GRANT USAGE ON SCHEMA heal_answer_test TO mend_healer;
SET search_path = heal_answer_test, public;
CREATE VIEW dead AS SELECT target::regclass AS target, kind, field, reason, count(*) AS rows FROM mend.dead_letters
    WHERE target_name LIKE 'heal_answer_test.%' GROUP BY 1, 2, 3, 4 ORDER BY 1, 3, 2, 4;
CREATE FUNCTION types(relation regclass) RETURNS TABLE (attname name, type text) LANGUAGE sql AS
    'SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped ORDER BY attnum';

-- A column of our own is what its values would have made it, however they came.
CREATE TABLE r3 (id int);
CREATE TABLE r3_at_once (id int);
SELECT mend.enroll('r3'), mend.enroll('r3_at_once');
SELECT healing_insert('r3', '{"id": 1, "c": 1711953600, "note": "2024-03-01T08:00:00Z", "flag": true, "mixed": "x"}');
CALL mend.wait_idle('r3');
SELECT * FROM types('r3');
SELECT healing_insert('r3', '{"id": 2, "c": "2024-04-01T00:00:00Z", "note": "call back", "flag": "maybe", "mixed": 5}');
CALL mend.wait_idle('r3');
SELECT (healing_load('r3_at_once', '[{"id": 1, "c": 1711953600, "note": "2024-03-01T08:00:00Z", "flag": true, "mixed": "x"},
    {"id": 2, "c": "2024-04-01T00:00:00Z", "note": "call back", "flag": "maybe", "mixed": 5}]')).queued;
CALL mend.wait_idle('r3_at_once');
SELECT * FROM types('r3');
(SELECT attname, type FROM types('r3') EXCEPT SELECT attname, type FROM types('r3_at_once'));
SELECT to_jsonb(r3) FROM r3 ORDER BY id;
SELECT to_jsonb(r3) = to_jsonb(r3_at_once) FROM r3 JOIN r3_at_once USING (id) ORDER BY id;
-- What somebody has altered is theirs.
SELECT healing_insert('r3', '{"id": 3, "hers": 1}');
CALL mend.wait_idle('r3');
ALTER TABLE r3 ALTER COLUMN hers SET DEFAULT 0;
SELECT healing_insert('r3', '{"id": 4, "hers": "many"}');
CALL mend.wait_idle('r3');
SELECT type FROM types('r3') WHERE attname = 'hers';
SELECT rows, question FROM mend.decisions WHERE target = 'r3'::regclass;
-- What holds the type of a column makes it take what the type takes.
SELECT healing_insert('r3', '{"id": 5, "held": "a"}');
CALL mend.wait_idle('r3');
CREATE VIEW holder AS SELECT held FROM r3;
SELECT healing_insert('r3', '{"id": 6, "held": 7}');
CALL mend.wait_idle('r3');
SELECT id, held FROM r3 WHERE held IS NOT NULL ORDER BY id;
SELECT type FROM types('r3') WHERE attname = 'held';
DROP VIEW holder;
-- Taken back, the values are as they were.
DELETE FROM r3 WHERE id = 2;
SELECT mend.revert(max(id)) FROM mend.patches WHERE target = 'r3'::regclass AND ddl LIKE '%jsonb%';
SELECT * FROM types('r3');
SELECT to_jsonb(r3) FROM r3 WHERE id = 1;

-- The text of a number is that number; words for nothing do not speak; times need a name.
CREATE TABLE r5 (id int PRIMARY KEY);
SELECT mend.enroll('r5');
SELECT healing_insert('r5', '{"id": "102.0"}');
SELECT (healing_load('r5', '[{"id": 1, "n": 101, "ts": "2024-05-01T00:00:00.123456789Z", "created_at": "2024-05-01T23:59:59.9999999Z", "seen_at": "2024-05-01T00:00:00Z"},
    {"id": 2, "n": "102"}, {"id": 3, "n": 103}, {"id": 4, "n": "n/a"}]')).queued;
CALL mend.wait_idle('r5');
SELECT * FROM types('r5');
SELECT * FROM r5 ORDER BY id;
SELECT rows, question FROM mend.decisions WHERE target = 'r5'::regclass ORDER BY question;

-- A column without a value takes the type of its first values; one with values keeps its family.
CREATE TABLE r8 (id int, e boolean, f int, g int);
INSERT INTO r8 VALUES (0, NULL, NULL, 7);
SELECT mend.enroll('r8');
SELECT (healing_load('r8', '[{"id": 1, "e": "later", "f": 3000000000, "g": "x"}, {"id": 2, "e": "now"}]')).queued;
CALL mend.wait_idle('r8');
SELECT * FROM types('r8');
SELECT * FROM r8 ORDER BY id;
SELECT rows, question FROM mend.decisions WHERE target = 'r8'::regclass;
SELECT target, field, state, rows, regexp_replace(next, '\d+', 'N', 'g') AS next FROM mend.causes WHERE target = 'r8'::regclass;

-- What PostgreSQL carries over is no obstacle.
CREATE TABLE r9 (id int, n int CHECK (n > 0), m int CHECK (abs(m) < 10000000000));
CREATE INDEX ON r9 (n);
SELECT mend.enroll('r9');
SELECT healing_insert('r9', '{"id": 1, "n": 3000000000, "m": 3000000000}'), healing_insert('r9', '{"id": 2, "n": -3000000000}');
CALL mend.wait_idle('r9');
SELECT * FROM types('r9');
SELECT * FROM r9;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'r9'::regclass ORDER BY 1;

-- A neighbour's flood is its own.
CREATE TABLE r2 (id int);
SELECT mend.enroll('r2');
SELECT (healing_load('r2', (SELECT jsonb_agg(p) FROM (VALUES ('{"id": 1, "also": 1}'::jsonb),
    ((SELECT jsonb_object_agg('k' || g, g) FROM generate_series(1, 500) g))) v (p)))).queued;
CALL mend.wait_idle('r2');
SELECT * FROM types('r2');
SELECT * FROM r2;

-- To another family only with somebody's word.
CREATE TABLE a1 (id int, n int);
INSERT INTO a1 VALUES (0, 7);
SELECT mend.enroll('a1');
SELECT mend.check_ddl('a1', 'ALTER TABLE a1 ALTER COLUMN n TYPE text'), mend.check_ddl('a1', 'ALTER TABLE a1 ALTER COLUMN n TYPE jsonb'),
       mend.check_ddl('a1', 'ALTER TABLE a1 ALTER COLUMN n TYPE jsonb USING to_jsonb(n)');
SELECT mend.check_ddl('a1', 'ALTER TABLE a1 ALTER COLUMN n TYPE jsonb USING to_jsonb(id)'), mend.check_ddl('a1', 'ALTER TABLE a1 ALTER COLUMN n TYPE jsonb USING other.to_jsonb(n)');
SELECT healing_insert('a1', '{"id": 1, "n": "05"}');
CALL mend.wait_idle('a1');
SELECT mend.propose('a1', 'ALTER TABLE a1 ALTER COLUMN n TYPE jsonb') AS patch \gset
SELECT mend.approve(:patch);
CALL mend.wait_idle('a1');
SELECT * FROM types('a1');
SELECT state, ddl FROM mend.patches WHERE target = 'a1'::regclass ORDER BY id;
SELECT mend.retry('a1');
CALL mend.wait_idle('a1');
SELECT * FROM a1 ORDER BY id;
DELETE FROM a1 WHERE n = '"05"';
SELECT mend.revert(:patch);
SELECT * FROM types('a1');
SELECT * FROM a1;

-- What a field is called decides nothing.
CREATE TABLE d4 (id int);
SELECT mend.enroll('d4', allow => '{widen_type}');
SELECT healing_insert('d4', '{"id": 1, "x is left alone: y": 1}'), healing_insert('d4', '{"id": 2, "plain": 1}');
CALL mend.wait_idle('d4');
SELECT rows, question FROM mend.decisions WHERE target = 'd4'::regclass;

-- Envelopes, and one absurd number among many.
CREATE TABLE wrapped (id int, name text);
CREATE TABLE absurd (id int, n int);
SELECT mend.enroll('wrapped'), mend.enroll('absurd');
SELECT healing_insert('wrapped', '{"before": null, "after": {"id": 1, "name": "x"}, "op": "c"}'), healing_insert('wrapped', '{"id": 2, "more": {"id": 3}}');
SELECT healing_insert('absurd', format('{"id": 1, "n": %s}', repeat('9', 260)));
CALL mend.wait_idle();
SELECT * FROM types('wrapped');
SELECT * FROM wrapped;
SELECT target, rows, question FROM mend.decisions WHERE target IN ('wrapped'::regclass, 'absurd'::regclass) ORDER BY 1;

-- One an error, the last: what was wrong at first stays beside it.
CREATE TABLE s2 (id int, n int CHECK (n < 10));
SELECT mend.enroll('s2', 'paused');
SELECT healing_insert('s2', '{"id": 1, "n": 7, "later": 1}'), healing_insert('s2', '{"id": 2, "n": 70, "later": 1}');
SELECT mend.configure('s2', mode => 'auto');
CALL mend.wait_idle('s2');
SELECT id, n, later FROM s2;
SELECT sqlstate, kind, first_error, reason FROM mend.dead_letters WHERE target = 's2'::regclass;

SELECT mend.unenroll_all(force => true) > 0 AS unenrolled;
DROP SCHEMA heal_answer_test CASCADE;
DELETE FROM mend.dead_letters;
DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.fields;
DELETE FROM mend.events;
