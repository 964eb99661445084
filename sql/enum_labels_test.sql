-- Labels that are added to an enum are values of payloads: who may read them, and who may name them.
CREATE SCHEMA enum_labels_test;
SET search_path = enum_labels_test, public;
SET client_min_messages = warning;
CREATE ROLE regress_labels_agent IN ROLE mend_agent;
CREATE ROLE regress_labels_admin IN ROLE mend_admin;
GRANT USAGE ON SCHEMA enum_labels_test TO regress_labels_agent, regress_labels_admin;
CREATE TYPE state AS ENUM ('open');
CREATE TYPE odd AS ENUM ('a');
CREATE TABLE hidden (id int, s state, o odd);
CREATE TABLE shared (id int, s state);
INSERT INTO hidden VALUES (0, 'open', 'a');
SELECT mend.enroll('hidden'), mend.enroll('shared', share => 'values');
SELECT (healing_load('hidden', '[{"id": 1, "s": "secret one"}, {"id": 2, "s": "secret ''two''"}, {"id": 3, "o": "secret\\three"}, {"id": 4, "s": "open"}]')).queued,
       (healing_load('shared', '[{"id": 1, "s": "told"}]')).queued;
CALL mend.wait_idle();
\set pages 'SELECT p.target_name, p.ddl, p.proposed_ddl, mend.full_ddl(p) AS full_ddl, mend.explain_patch(p.id) ~ ''secret|told'' AS explained FROM mend.patches p WHERE p.target_name ~ ''^enum_labels_test'' AND p.state = ''proposed'' ORDER BY p.target_name, p.ddl'
SET ROLE regress_labels_agent;
:pages;
SELECT * FROM mend.enum_labels;
SELECT t.ok, t.rows_healed, t.reason FROM mend.patches p, mend.dry_run_patch(p.id) t WHERE p.target_name ~ '^enum_labels_test' ORDER BY p.target_name, p.ddl;
-- A guess would be answered.
SELECT ok, rows_healed, reason FROM mend.dry_run('hidden', 'ALTER TYPE enum_labels_test.state ADD VALUE ''secret one''');
RESET ROLE;
SELECT mend.configure('hidden', allow => '{add_enum_value}', mode => 'review'), mend.configure('shared', allow => '{add_enum_value}', mode => 'review');
SET ROLE regress_labels_agent;
SELECT ok, rows_healed, reason FROM mend.dry_run('hidden', 'ALTER TYPE enum_labels_test.state ADD VALUE ''secret one''');
SET client_min_messages = error;
SELECT mend.propose('hidden', 'ALTER TYPE enum_labels_test.state ADD VALUE ''guess''') IS NOT NULL AS proposed;
SET client_min_messages = warning;
SELECT ok, rows_healed FROM mend.dry_run('shared', 'ALTER TYPE enum_labels_test.state ADD VALUE ''told''');
SELECT p.state, p.ddl, p.reason, t.ok, t.reason FROM mend.patches p, mend.dry_run_patch(p.id) t WHERE p.target = 'hidden'::regclass AND p.state = 'refused';
RESET ROLE;
SELECT mend.configure('hidden', allow => '{add_column}', mode => 'auto'), mend.configure('shared', allow => '{add_column}', mode => 'auto');
SET ROLE regress_labels_admin;
:pages;
SELECT mend.migration(p.id) ~ 'secret|told' AS in_the_migration FROM mend.patches p WHERE p.target_name ~ '^enum_labels_test' AND p.state = 'proposed';
-- What leaves the database says how many there are, but for a table that shares values.
SELECT mend.report_html('-infinity') ~ 'secret' AS in_the_report, mend.report_html('-infinity') ~ '3 labels|2 labels' AS counted;
SELECT mend.approve(id) FROM mend.patches WHERE target_name ~ '^enum_labels_test' AND state = 'proposed' ORDER BY id;
RESET ROLE;
CALL mend.wait_idle();
SELECT id, s, o FROM hidden ORDER BY id;
SELECT id, s FROM shared ORDER BY id;
SELECT state, sum(rows_healed) FROM mend.patches WHERE target_name ~ '^enum_labels_test' AND state <> 'superseded' GROUP BY state ORDER BY state;
SELECT count(mend.unenroll(target)) FROM mend.enrollments WHERE target_name ~ '^enum_labels_test';
DROP SCHEMA enum_labels_test CASCADE;
DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events; DELETE FROM mend.enum_labels;
DROP OWNED BY regress_labels_agent, regress_labels_admin;
DROP ROLE regress_labels_agent, regress_labels_admin;
