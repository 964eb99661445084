-- A person's own change makes waiting rows fit: they are stored by themselves, and patches that waited are superseded.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE TABLE regress_wide (id int, n int);
CREATE TABLE regress_added (id int);
CREATE TABLE regress_other (id int);
CREATE TABLE regress_parts (id int, extra int) PARTITION BY RANGE (id);
CREATE TABLE regress_named (id int);
SELECT mend.enroll(t, mode => 'review') FROM unnest('{regress_wide,regress_added,regress_other,regress_parts,regress_named}'::regclass[]) t;
SELECT healing_insert('regress_wide', '{"id": 1, "n": 9999999999}'), healing_insert('regress_added', '{"id": 1, "b": 1, "c": 2}'),
       healing_insert('regress_other', '{"id": 1, "x": 1}'), healing_insert('regress_parts', '{"id": 1}'),
       healing_insert('regress_named', '{"id": 1, "userName": "ann"}');
CALL mend.wait_idle();
SELECT target, state, ddl FROM mend.patches WHERE target::text LIKE 'regress_%' ORDER BY target::text;
-- What each person does by hand.
ALTER TABLE regress_wide ALTER n TYPE numeric;
ALTER TABLE regress_added ADD b int, ADD c int;
CREATE TABLE regress_part PARTITION OF regress_parts FOR VALUES FROM (0) TO (10);
ALTER TABLE regress_named ADD "userName" text;
CALL mend.wait_idle();
TABLE regress_wide;
TABLE regress_added;
TABLE regress_parts;
TABLE regress_named;
SELECT target, state, reason FROM mend.patches WHERE target::text LIKE 'regress_%' ORDER BY target::text;
SELECT target_name, kind, actor FROM mend.events WHERE kind = 'patch_superseded' AND target_name LIKE 'public.regress_%' ORDER BY 1;
\set VERBOSITY sqlstate
SELECT mend.approve(max(id)) FROM mend.patches WHERE state = 'superseded';
\set VERBOSITY terse
-- What does not concern a table leaves it alone.
CREATE TABLE regress_unrelated (id int);
ALTER TABLE regress_unrelated ADD x int;
SELECT count(*) FROM mend.requests;
SELECT target, queued, state FROM mend.status WHERE target::text LIKE 'regress_%' ORDER BY target::text;
SELECT mend.unenroll_all(force => true) = 5 AS "all were unenrolled";
DELETE FROM mend.dead_letters;
DELETE FROM mend.events;
DELETE FROM mend.patches;
DELETE FROM mend.drifts;
DROP TABLE regress_wide, regress_added, regress_other, regress_parts, regress_named, regress_unrelated;
