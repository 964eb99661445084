-- Patches that map a field, away from a column that it means and to another one: what they prove, and what they do.
SET client_min_messages = warning;
CREATE SCHEMA heal_mapping_test;
SET search_path = heal_mapping_test, public;
GRANT USAGE ON SCHEMA heal_mapping_test TO mend_healer;
CREATE FUNCTION healed(field_map jsonb, ddl text DEFAULT '') RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    patch bigint := mend.propose('mapped', ddl, field_map);
    proof record;
BEGIN
    SELECT * INTO proof FROM mend.dry_run_patch(patch);
    RAISE WARNING '% proves: %, % of %', field_map, proof.ok, proof.rows_healed, proof.rows_tried;
    RETURN patch;
END $$;
CREATE TABLE mapped (id int, amount int, note text, total int NOT NULL DEFAULT 0, "camelCase" int);
SELECT mend.enroll('mapped', mode => 'review');
SELECT healing_load('mapped', '{"id": 1, "amount": "5 EUR"} {"id": 2}');
SELECT healing_load('mapped', E'{"id": 1, "amount": "5 EUR"}\n{"id": 2, "amount": "6 EUR", "note": "n"}\n{"id": 3, "amount": 7, "camelCase": 1}\n{"id": 4, "camelCase": "x"}');
CALL mend.wait_idle('mapped');
SELECT payload, field, kind FROM mend.dead_letters WHERE target = 'mapped'::regclass ORDER BY id;

-- To another column: what brings that, too, fits no better.
SELECT healed('{"amount": "note"}') IS NOT NULL AS proposed;
-- To a column that takes it no better, to a new one, and to none.
SELECT healed('{"amount": "total"}') IS NOT NULL AS proposed;
SELECT healed('{"amount": "price"}', 'ALTER TABLE heal_mapping_test.mapped ADD COLUMN price text') IS NOT NULL AS proposed;
SELECT healed('{"camelCase": "note"}') IS NOT NULL AS proposed;
SELECT healed('{"amount": null}') AS ignoring \gset
SELECT mend.approve(:ignoring);
CALL mend.wait_idle('mapped');
SELECT state, rows_healed FROM mend.patches WHERE id = :ignoring;
SELECT id, amount, note FROM mapped ORDER BY id;
SELECT payload, field, kind FROM mend.dead_letters WHERE target = 'mapped'::regclass ORDER BY id;

DROP SCHEMA heal_mapping_test CASCADE;
DELETE FROM mend.dead_letters;
SELECT mend.unenroll_all(force => true) AS unenrolled;
DELETE FROM mend.progress; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.fields;
