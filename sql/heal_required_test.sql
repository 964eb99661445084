-- A required column on a table with a BEFORE trigger: the trigger may fill it in, and only storing a row shows whether it has.
SET client_min_messages = warning;
CREATE SCHEMA heal_required_test;
SET search_path = heal_required_test, public;
CREATE VIEW patches AS
    SELECT target::regclass::text AS target, planner, state, regexp_replace(reason, '\mpatch \d+', 'patch N', 'g') AS reason, ddl, rows_healed AS healed, rows_failed AS failed
    FROM mend.patches WHERE target_name LIKE 'heal_required_test.%' ORDER BY id;
CREATE VIEW drifts AS
    SELECT target::regclass::text AS target, field, column_name AS column, kind, row_count AS rows, state, regexp_replace(reason, '\mpatch \d+', 'patch N', 'g') AS reason
    FROM mend.drifts WHERE target_name LIKE 'heal_required_test.%' ORDER BY id;
CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id > 100 THEN NEW.code := coalesce(NEW.code, 'filled'); END IF;
    RETURN NEW;
END
$$;
CREATE TABLE t (id int, code text NOT NULL, n smallint);
CREATE TRIGGER fill BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fill();
SELECT mend.enroll('t', 'review', allow => '{add_column,widen_type,drop_not_null,map_field}');
SELECT healing_load('t', '[{"id": 101}, {"id": 1}, {"id": 2, "code": null}, {"id": 3, "n": 70000}, {"id": 4, "code": "x", "n": 70000}]');
CALL mend.wait_idle('t');
SELECT * FROM drifts;
SELECT payload, kind, field, error, reason FROM mend.dead_letters WHERE target = 't'::regclass ORDER BY id;
-- The action is kept in a patch of several, and alone.
SELECT mend.propose('t', 'ALTER TABLE heal_required_test.t ALTER code DROP NOT NULL, ALTER n TYPE int, ADD useless int') IS NOT NULL AS proposed;
SELECT ok, rows_tried, rows_healed, reason FROM mend.dry_run('t', 'ALTER TABLE heal_required_test.t ALTER code DROP NOT NULL, ALTER n TYPE int');
SELECT mend.approve(max(id)) FROM mend.patches WHERE target = 't'::regclass AND state = 'proposed';
CALL mend.wait_idle('t');
SELECT * FROM patches;
SELECT * FROM t ORDER BY id;
SELECT payload, kind, reason FROM mend.dead_letters WHERE target = 't'::regclass ORDER BY id;
SELECT count(*) FROM mend.queue WHERE target = 't'::regclass;
-- A trigger that was mended makes rows fit without any patch.
CREATE TABLE u (id int, code text NOT NULL);
CREATE TRIGGER fill BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION fill();
SELECT mend.enroll('u');
SELECT healing_load('u', '[{"id": 1}, {"id": 2, "fresh": 1}]');
CALL mend.wait_idle('u');
SELECT count(mend.reject(id, 'the trigger does that')) FROM mend.patches WHERE target = 'u'::regclass AND state = 'proposed';
CALL mend.wait_idle('u');
SELECT payload, kind, field, regexp_replace(reason, '\mpatch \d+', 'patch N', 'g') AS reason FROM mend.dead_letters WHERE target = 'u'::regclass ORDER BY id;
CREATE OR REPLACE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.code := coalesce(NEW.code, 'filled'); RETURN NEW; END
$$;
SELECT mend.retry('u');
CALL mend.wait_idle('u');
SELECT to_jsonb(u) FROM u ORDER BY id;
SELECT * FROM patches WHERE target = 'u';
SELECT * FROM drifts WHERE target = 'u';

-- A default that comes to nothing, and one that a patch puts over it; what brings null itself gets no default. With and without a trigger.
CREATE TABLE d (id int, code text NOT NULL DEFAULT nullif('x', 'x'));
CREATE TABLE e (id int, code text NOT NULL DEFAULT nullif('x', 'x'));
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER nothing BEFORE INSERT ON e FOR EACH ROW EXECUTE FUNCTION nothing();
SELECT mend.enroll(t::regclass, allow => '{add_column,widen_type,set_default,map_field}') FROM unnest('{d,e}'::text[]) t;
SELECT t, healing_load(t::regclass, '[{"id": 1}, {"id": 2, "code": null}, {"id": 3, "code": "own"}]') FROM unnest('{d,e}'::text[]) t;
CALL mend.wait_idle();
SELECT target, field, kind, rows, state FROM drifts WHERE target IN ('d', 'e') ORDER BY 1;
SELECT t, ok, rows_tried, rows_healed FROM unnest('{d,e}'::text[]) t, mend.dry_run(t::regclass, format('ALTER TABLE heal_required_test.%I ALTER code SET DEFAULT ''given''', t));
SELECT t, mend.propose(t::regclass, format('ALTER TABLE heal_required_test.%I ALTER code SET DEFAULT ''given''', t)) IS NOT NULL AS proposed FROM unnest('{d,e}'::text[]) t;
SELECT mend.approve(id) FROM mend.patches WHERE state = 'proposed' AND planner = 'person' ORDER BY id;
CALL mend.wait_idle();
SELECT * FROM d ORDER BY id;
SELECT * FROM e ORDER BY id;
SELECT target, state, ddl, healed FROM patches WHERE target IN ('d', 'e') ORDER BY 1;
SELECT target_name, payload FROM mend.dead_letters WHERE target IN ('d'::regclass, 'e'::regclass) ORDER BY 1;
SELECT mend.revert(id) FROM mend.patches WHERE target IN ('d'::regclass, 'e'::regclass) AND state = 'applied' ORDER BY id;
SELECT adrelid::regclass, pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid IN ('d'::regclass, 'e'::regclass) ORDER BY 1;

DELETE FROM mend.dead_letters WHERE target_name LIKE 'heal_required_test.%';
SELECT mend.unenroll_all(force => true) AS unenrolled;
DELETE FROM mend.events WHERE target_name LIKE 'heal_required_test.%';
DROP SCHEMA heal_required_test CASCADE;
