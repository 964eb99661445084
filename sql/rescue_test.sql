-- Rows are never late: values that do not fit go to the rescue column, and to their own column when it takes them.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE TABLE t (id int PRIMARY KEY, qty int, small smallint DEFAULT 7 CHECK (small = small), ref int REFERENCES t, code varchar(3) UNIQUE, must int NOT NULL DEFAULT 0 CHECK (must = must),
                twice int GENERATED ALWAYS AS (qty * 2) STORED, kept jsonb);
-- The column must be there, jsonb, and able to be empty.
\set VERBOSITY default
SELECT mend.enroll('t', rescue => '_rescued');
SELECT mend.enroll('t', rescue => 'small');
ALTER TABLE t ADD COLUMN full_one jsonb NOT NULL DEFAULT '{}';
SELECT mend.enroll('t', rescue => 'full_one');
\set VERBOSITY terse
ALTER TABLE t DROP COLUMN full_one, DROP COLUMN kept, ADD COLUMN _rescued jsonb;
SELECT mend.enroll('t', 'review', rescue => '_rescued');
SELECT rescue FROM mend.enrollments WHERE target = 't'::regclass;
-- New fields and values of free columns are rescued, and the column is NULL, not its default.
SELECT healing_insert('t', '{"id": 1, "small": "seven", "colour": "red", "n": 1.50}'::text),
       healing_insert('t', '{"id": 2, "small": 100000}'::jsonb),
       healing_insert('t', '{"id": 3, "deep": {"a": [1, {"b": null}]}}'::json);
SELECT * FROM healing_load('t', E'{"id": 4, "colour": "blue"}\n{"id": 5}\n{"id": 6, "colour": "green", "small": true}'::text);
-- Keys, foreign keys, what a generated column reads, and what may not be NULL wait as ever; so does a row with one misfit of both sorts.
SELECT healing_insert('t', '{"id": "x"}'::text), healing_insert('t', '{"id": 10, "ref": "x"}'::text), healing_insert('t', '{"id": 11, "code": "long"}'::text),
       healing_insert('t', '{"id": 12, "qty": "x"}'::text), healing_insert('t', '{"id": 13, "must": "x"}'::text),
       healing_insert('t', '{"id": 14, "must": "x", "colour": "red"}'::text);
-- A payload may not fill the rescue column itself.
SELECT healing_insert('t', '{"id": 15, "_rescued": {}}'::text), healing_insert('t', '{"id": 16, "_Rescued": 1}'::text);
SELECT reason, count(*) FROM mend.dead_letters WHERE target = 't'::regclass GROUP BY 1;
CALL mend.wait_idle('t');
SELECT id, small, _rescued FROM t ORDER BY id;
SELECT field, kinds, row_count, patch_id IS NOT NULL AS waits FROM mend.rescued('t');
SELECT payload FROM mend.queue WHERE target = 't'::regclass ORDER BY id;
SELECT a.action FROM mend.decisions, string_to_table(replace(ddl, 'ALTER TABLE public.t ', ''), ', ') a (action) WHERE target = 't'::regclass ORDER BY 1;
SELECT rescued FROM mend.freshness WHERE target = 't'::regclass;
SELECT value FROM mend.metrics WHERE name = 'mend_rescued_values' AND labels ->> 'table' = 'public.t';
-- Approved, they move.
SELECT mend.approve(patch_id) FROM mend.decisions WHERE target = 't'::regclass;
CALL mend.wait_idle('t');
SELECT id, small, colour, n, deep, _rescued FROM t ORDER BY id;
SELECT field, kinds, row_count FROM mend.rescued('t');
SELECT detail FROM mend.events WHERE kind = 'promoted' AND target_name = 'public.t' ORDER BY id;
-- A person gives the column a type that takes the rest.
ALTER TABLE t ALTER COLUMN small TYPE text;
SELECT mend.configure('t', share => 'values');
CALL mend.wait_idle('t');
SELECT id, small, _rescued FROM t WHERE small IS NOT NULL OR _rescued IS NOT NULL ORDER BY id;
-- Undone, values go back to the rescue column, those too that the narrower type does not take.
CREATE TABLE undone (id int PRIMARY KEY, qty int, _r jsonb);
SELECT mend.enroll('undone', rescue => '_r');
SELECT * FROM healing_load('undone', '[{"id": 1, "x": 1, "qty": 7}, {"id": 2, "x": 2.50}, {"id": 3, "qty": 5000000000}, {"id": 4, "w": {"a": [1]}}]'::text);
CALL mend.wait_idle('undone');
SELECT id, qty, x, w, _r FROM undone ORDER BY id;
SELECT healing_insert('undone', '{"id": 5, "x": 3}'::text);
SELECT mend.revert(id) FROM mend.patches WHERE target = 'undone'::regclass AND state = 'applied';
CALL mend.wait_idle('undone');
SELECT * FROM undone ORDER BY id;
SELECT field, kinds, row_count, patch_id IS NOT NULL AS asked FROM mend.rescued('undone');
-- What a trigger of the table refuses stays, until it is gone and somebody says so.
CREATE TABLE guarded (id int PRIMARY KEY, _r jsonb);
SELECT mend.enroll('guarded', rescue => '_r');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'rows are final'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON guarded FOR EACH STATEMENT EXECUTE FUNCTION refuse();
SELECT healing_insert('guarded', '{"id": 1, "v": 1}'::text);
CALL mend.wait_idle('guarded');
SELECT * FROM guarded;
SELECT reason LIKE 'rescued values could not all be moved: %' AS says FROM mend.status WHERE target = 'guarded'::regclass;
DROP TRIGGER refuse ON guarded;
SELECT mend.configure('guarded');
CALL mend.wait_idle('guarded');
SELECT *, (SELECT reason FROM mend.status WHERE target = 'guarded'::regclass) FROM guarded;
DROP TABLE guarded;
-- Columns that somebody has filled keep what they have.
CREATE TABLE filled (id int PRIMARY KEY, _r jsonb);
SELECT mend.enroll('filled', 'review', rescue => '_r');
SELECT * FROM healing_load('filled', '[{"id": 1, "v": 1}, {"id": 2, "v": 2}, {"id": 3, "v": 3}]'::text);
CALL mend.wait_idle('filled');
BEGIN;
ALTER TABLE filled ADD COLUMN v int DEFAULT 0;
UPDATE filled SET v = 20 WHERE id = 2;
COMMIT;
SELECT mend.configure('filled', mode => 'auto');
CALL mend.wait_idle('filled');
SELECT * FROM filled ORDER BY id;
-- Ignored fields stay, and the caller is told how to drop them.
SELECT mend.configure('filled', mode => 'review');
SELECT * FROM healing_load('filled', '[{"id": 4, "noise": 1}, {"id": 5, "noise": "x"}]'::text);
SET client_min_messages = notice;
\set VERBOSITY default
SELECT mend.map_field('filled', 'noise', NULL);
\set VERBOSITY terse
SET client_min_messages = warning;
CALL mend.wait_idle('filled');
SELECT field FROM mend.rescued('filled');
SELECT id, _r FROM filled WHERE _r IS NOT NULL ORDER BY id;
-- Under on_conflict update what fits now is not rescued any more, and what is absent stays.
CREATE TABLE u (id int PRIMARY KEY, a int, b int, _r jsonb);
SELECT mend.enroll('u', 'paused', on_conflict => 'update', rescue => '_r');
SELECT healing_insert('u', '{"id": 1, "a": "x", "b": "y", "new": 1}'::text);
SELECT healing_insert('u', '{"id": 1, "a": 5}'::text);
SELECT * FROM u;
SELECT healing_insert('u', '{"id": 1, "b": "z", "new": null}'::text);
SELECT * FROM u;
SELECT healing_insert('u', '{"id": 1, "b": 6}'::jsonb);
SELECT * FROM u;
-- Other ways to store: triggers, partitions, a CHECK that looks at what was rescued.
CREATE TABLE parts (id int, v int, _r jsonb) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_2 (_r jsonb, v int, id int);
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM (100) TO (200);
SELECT mend.enroll('parts', rescue => '_r');
SELECT * FROM healing_load('parts', '[{"id": 1, "w": 1}, {"id": 101, "w": 2}, {"id": "x", "w": 3}, {"id": 102}]'::text);
CALL mend.wait_idle('parts');
SELECT tableoid::regclass, id, w, _r FROM parts ORDER BY id;
CREATE TABLE checked (id int, v int CHECK (v IS NOT NULL), _r jsonb);
SELECT mend.enroll('checked', 'paused', rescue => '_r');
SELECT healing_insert('checked', '{"id": 1, "v": "x"}'::text), healing_insert('checked', '{"id": 2, "v": 1, "w": 1}'::text);
SELECT * FROM checked;
-- jsonb cannot hold the value, or the column is gone: queued, with the reason.
SELECT healing_insert('checked', '{"id": 3, "v": 1, "w": {"a": 1, "a": 2}}'::text);
ALTER TABLE checked DROP COLUMN _r;
SELECT healing_insert('checked', '{"id": 4, "v": 1, "w": 1}'::text);
SELECT error FROM mend.queue WHERE target = 'checked'::regclass ORDER BY id;
-- Switched off, rows wait again.
SELECT mend.configure('u', rescue => '');
SELECT healing_insert('u', '{"id": 2, "a": "x"}'::text);
SELECT coalesce(rescue, 'none') AS rescue FROM mend.enrollments WHERE target = 'u'::regclass;
-- Who may not write the rescue column has his rows queued.
CREATE ROLE regress_rescue_writer;
CREATE TABLE narrow (id int, _r jsonb);
GRANT INSERT (id) ON narrow TO regress_rescue_writer;
SELECT mend.enroll('narrow', 'paused', rescue => '_r');
SET ROLE regress_rescue_writer;
SELECT healing_insert('narrow', '{"id": 1, "w": 1}'::text), healing_insert('narrow', '{"id": 2}'::text);
RESET ROLE;
SELECT * FROM narrow;
-- A payload that shares no key with the table is no row of it: it waits as without rescue, through every door.
CREATE TABLE enveloped (id int, name text, _r jsonb);
SELECT mend.enroll('enveloped', rescue => '_r');
SELECT healing_insert('enveloped', '{"op": "c", "after": {"id": 1, "name": "x"}}'::text), healing_insert('enveloped', '{"op": "u", "after": {"id": 2}}'::jsonb),
       healing_insert('enveloped', '{"colour": "red", "id": 3}'::text);
SELECT error FROM mend.queue WHERE target = 'enveloped'::regclass ORDER BY id;
CALL mend.wait_idle('enveloped');
SELECT rows, planner, ddl, reason FROM mend.decisions WHERE target = 'enveloped'::regclass;
SELECT mend.configure('enveloped', at => '/after');
CALL mend.wait_idle('enveloped');
SELECT * FROM enveloped ORDER BY id;
SELECT count(*) FROM mend.queue WHERE target = 'enveloped'::regclass;
-- A person adds the column himself: the values move at once.
CREATE TABLE by_hand (id int PRIMARY KEY, _r jsonb);
SELECT mend.enroll('by_hand', 'review', rescue => '_r');
SELECT * FROM healing_load('by_hand', '[{"id": 1, "extra": "a"}, {"id": 2, "extra": "b", "other": 1}]'::text);
CALL mend.wait_idle('by_hand');
ALTER TABLE by_hand ADD COLUMN extra text;
CALL mend.wait_idle('by_hand');
SELECT * FROM by_hand ORDER BY id;
-- Rescued values are planned by their causes, as queued ones are, and Claude would be shown their forms.
CREATE TABLE by_cause (id int PRIMARY KEY, n int, at timestamptz, _r jsonb);
CREATE TABLE waiting (id int PRIMARY KEY, n int, at timestamptz, _r jsonb);
INSERT INTO by_cause VALUES (0, 0, now());
INSERT INTO waiting VALUES (0, 0, now());
SELECT mend.enroll('by_cause', 'review', rescue => '_r'), mend.enroll('waiting', 'review');
SELECT t, l.* FROM unnest('{by_cause,waiting}'::regclass[]) t,
  healing_load(t, '[{"id": 1, "n": "007"}, {"id": 2, "n": ""}, {"id": 3, "n": "1,5"}, {"id": 4, "at": "2026-01-02 03:04:05"}, {"id": 5, "n": "007"}]'::text) l;
CALL mend.wait_idle();
SELECT target, field, kind, cause, row_count, rescued FROM mend.drifts WHERE target IN ('by_cause'::regclass, 'waiting'::regclass) ORDER BY 1, 2, 3, 4;
SELECT replace(ddl, 'by_cause', 'waiting') AS ddl, array_agg(target ORDER BY target::text) AS asked FROM mend.decisions
  WHERE target IN ('by_cause'::regclass, 'waiting'::regclass) GROUP BY 1 ORDER BY 1;
-- The order of drift of one age is free.
CREATE FUNCTION in_order(prompt text) RETURNS text[] LANGUAGE sql RETURN ARRAY(SELECT part FROM regexp_split_to_table(prompt, '[{}]+') part ORDER BY part);
SELECT in_order(replace(mend.preview_prompt('by_cause'), 'by_cause', 'waiting')) = in_order(mend.preview_prompt('waiting')) AS same_prompt,
       mend.preview_prompt('by_cause') LIKE '%leading_zero%masks%999%' AS has_masks;
-- A column that was a guess guesses again; meanwhile its rows are stored.
CREATE TABLE guessed (id int PRIMARY KEY, _r jsonb);
SELECT mend.enroll('guessed', rescue => '_r');
SELECT healing_insert('guessed', '{"id": 1, "v": 5, "w": "x"}'::text);
CALL mend.wait_idle('guessed');
SELECT mend.configure('guessed', mode => 'paused');
SELECT healing_insert('guessed', '{"id": 2, "v": 1.5, "w": 7}'::text), healing_insert('guessed', '{"id": 3, "v": 2.5, "w": true}'::jsonb);
SELECT * FROM guessed ORDER BY id;
SELECT mend.configure('guessed', mode => 'auto');
CALL mend.wait_idle('guessed');
SELECT * FROM guessed ORDER BY id;
SELECT mend.unenroll_all(force => true) > 0 AS unenrolled;
SELECT count(*) FROM mend.rescues;
SELECT count(*) FROM mend.rescue_samples;
DELETE FROM mend.dead_letters;
DROP TABLE t, undone, filled, u, parts, checked, narrow, enveloped, by_cause, waiting, guessed;
DROP ROLE regress_rescue_writer;
