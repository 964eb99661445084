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
SELECT mend.enroll('u', 'auto', allow => '{add_column,widen_type,drop_not_null,map_field}');
SELECT healing_load('u', '[{"id": 1}, {"id": 2, "fresh": 1}]');
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

DELETE FROM mend.dead_letters WHERE target_name LIKE 'heal_required_test.%';
SELECT mend.unenroll('t'), mend.unenroll('u');
DELETE FROM mend.events WHERE target_name LIKE 'heal_required_test.%';
DROP SCHEMA heal_required_test CASCADE;
