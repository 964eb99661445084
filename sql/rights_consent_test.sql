-- A payload is consent to the code that its table had when it was offered, and to no other.
SET client_min_messages = warning;
CREATE SCHEMA rights_consent_test;
SET search_path = rights_consent_test, public;
CREATE ROLE regress_consent_eve;
CREATE ROLE regress_consent_ann;
CREATE ROLE regress_consent_heir;
GRANT mend_admin TO regress_consent_eve;
GRANT CREATE, USAGE ON SCHEMA rights_consent_test TO regress_consent_eve, regress_consent_heir;
GRANT USAGE ON SCHEMA rights_consent_test TO mend_healer, PUBLIC;
CREATE TABLE loot (how text, who name DEFAULT current_user);
GRANT INSERT ON loot TO PUBLIC;
CREATE VIEW dead AS
    SELECT target::regclass::text AS target, payload, submitted_by AS by, sqlstate, reason
    FROM mend.dead_letters WHERE target_name LIKE 'rights_consent_test.%' ORDER BY id;
GRANT SELECT ON dead TO regress_consent_eve;
SET ROLE regress_consent_eve;
CREATE FUNCTION rob(how text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN INSERT INTO rights_consent_test.loot (how) VALUES (how); RETURN true; END$$;
CREATE FUNCTION robber() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM rights_consent_test.rob(TG_NAME); RETURN NEW; END$$;
CREATE FUNCTION tame() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE DOMAIN word AS text;
RESET ROLE;

-- A superuser's dead letter, a trigger that the owner adds later, and a retry, by the owner or by the superuser.
SET ROLE regress_consent_eve;
CREATE TABLE trap (id int PRIMARY KEY, n int);
RESET ROLE;
SELECT mend.enroll('trap');
SELECT healing_insert('trap', '{"id": 1, "n": 1}'), healing_insert('trap', '{"id": 1, "n": 2}');
DELETE FROM trap;
SET ROLE regress_consent_eve;
CREATE TRIGGER later BEFORE INSERT ON trap FOR EACH ROW EXECUTE FUNCTION robber();
SELECT mend.retry('trap');
RESET ROLE;
CALL mend.wait_idle('trap');
SELECT * FROM dead;
SET client_min_messages = notice;
SET ROLE regress_consent_eve;
SELECT mend.retry('trap');
RESET ROLE;
SET client_min_messages = warning;
-- Nor is it consent that the superuser retries it: the code is nobody's that a superuser trusts.
SELECT mend.retry('trap');
CALL mend.wait_idle('trap');
SELECT * FROM trap;
SELECT * FROM loot;
SELECT payload, sqlstate, reason FROM dead;
SET ROLE regress_consent_eve;
DROP TRIGGER later ON trap;
RESET ROLE;
-- A table without code runs none.
SELECT mend.retry('trap');
CALL mend.wait_idle('trap');
SELECT * FROM trap;

-- Ann's rows wait; meanwhile the owner changes what storing them runs. Each is offered for what was there.
SET ROLE regress_consent_eve;
CREATE TABLE t_none (id int);
CREATE TABLE t_trigger (id int);
CREATE TABLE t_function (id int);
CREATE TABLE t_default (id int, x text);
CREATE TABLE t_check (id int);
CREATE TABLE t_rule (id int);
CREATE TABLE t_policy (id int);
CREATE TABLE t_index (id int);
CREATE TABLE t_domain (id int, w word);
CREATE TABLE t_generated (id int);
CREATE TABLE t_owner (id int);
CREATE TABLE t_plain (id int, n int DEFAULT 1);
CREATE TABLE t_gone (id int);
CREATE TABLE t_own (id int, n smallint);
CREATE TABLE t_inner (id int);
CREATE TABLE t_builtin (id int, x text);
CREATE TABLE t_sequence (id int, x text);
CREATE TABLE t_parts (id int) PARTITION BY RANGE (id);
CREATE TABLE t_parts_1 PARTITION OF t_parts FOR VALUES FROM (1) TO (2);
CREATE TABLE t_hidden (id int) PARTITION BY RANGE (id);
CREATE TABLE t_hidden_1 PARTITION OF t_hidden FOR VALUES FROM (1) TO (2);
CREATE TRIGGER known BEFORE INSERT ON t_function FOR EACH ROW EXECUTE FUNCTION tame();
CREATE TRIGGER known BEFORE INSERT ON t_gone FOR EACH ROW EXECUTE FUNCTION tame();
CREATE FUNCTION inner_one(n int) RETURNS boolean IMMUTABLE LANGUAGE sql BEGIN ATOMIC SELECT true; END;
CREATE FUNCTION outer_one(n int) RETURNS boolean IMMUTABLE LANGUAGE sql BEGIN ATOMIC SELECT inner_one(n); END;
ALTER TABLE t_inner ADD CHECK (outer_one(id));
ALTER TABLE t_own ADD CHECK (abs(id) >= 0);
SET client_min_messages = error;
GRANT INSERT ON ALL TABLES IN SCHEMA rights_consent_test TO regress_consent_ann;
SET client_min_messages = warning;
RESET ROLE;
SELECT count(mend.enroll(c.oid::regclass, mode => 'paused')) FROM pg_class c
WHERE c.relnamespace = 'rights_consent_test'::regnamespace AND c.relname LIKE 't\_%' AND c.relkind IN ('r', 'p') AND NOT c.relispartition;
SET SESSION AUTHORIZATION regress_consent_ann;
SET search_path = rights_consent_test, public;
SELECT count(healing_insert(c.oid::regclass, CASE c.relname WHEN 't_own' THEN '{"id": 1, "n": 70000}' ELSE '{"id": 1, "extra": 1}' END)) FROM pg_class c
WHERE c.relnamespace = 'rights_consent_test'::regnamespace AND c.relname LIKE 't\_%' AND c.relkind IN ('r', 'p') AND NOT c.relispartition;
RESET SESSION AUTHORIZATION;
SET ROLE regress_consent_eve;
CREATE TRIGGER later BEFORE INSERT ON t_trigger FOR EACH ROW EXECUTE FUNCTION robber();
CREATE OR REPLACE FUNCTION tame() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM rights_consent_test.rob('function'); RETURN NEW; END$$;
ALTER TABLE t_default ALTER x SET DEFAULT rob('default')::text;
ALTER TABLE t_check ADD CHECK (rob('check')) NOT VALID;
CREATE RULE later AS ON INSERT TO t_rule DO ALSO SELECT rob('rule');
ALTER TABLE t_policy ENABLE ROW LEVEL SECURITY;
CREATE POLICY later ON t_policy WITH CHECK (rob('policy'));
CREATE FUNCTION sorted(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN PERFORM rights_consent_test.rob('index'); RETURN $1; END$$;
CREATE INDEX t_index_later ON t_index (sorted(id));
ALTER DOMAIN word ADD CHECK (rob('domain'));
ALTER TABLE t_generated ADD g int GENERATED ALWAYS AS (sorted(1)) STORED;
ALTER TABLE t_plain ALTER n SET DEFAULT 2, ADD CHECK (id > 0), ADD word text DEFAULT lower('A') || current_user, ADD at timestamptz DEFAULT now(), ADD n2 int GENERATED BY DEFAULT AS IDENTITY;
ALTER TABLE t_builtin ALTER x SET DEFAULT pg_terminate_backend(0)::text;
CREATE SEQUENCE theirs;
RESET ROLE;
ALTER SEQUENCE theirs OWNER TO regress_consent_heir;
GRANT USAGE ON SEQUENCE theirs TO PUBLIC;
SET ROLE regress_consent_eve;
ALTER TABLE t_sequence ALTER x SET DEFAULT nextval('theirs')::text;
DROP TRIGGER known ON t_gone;
CREATE TABLE t_parts_2 PARTITION OF t_parts FOR VALUES FROM (2) TO (3);
CREATE TRIGGER later BEFORE INSERT ON t_hidden_1 FOR EACH ROW EXECUTE FUNCTION robber();
CREATE OR REPLACE FUNCTION inner_one(n int) RETURNS boolean IMMUTABLE LANGUAGE sql BEGIN ATOMIC SELECT n IS NOT NULL; END;
RESET ROLE;
ALTER TABLE t_owner OWNER TO regress_consent_heir;
TRUNCATE loot;
SELECT count(mend.configure(e.target, mode => 'auto')) FROM mend.enrollments e WHERE e.target_name LIKE 'rights_consent_test.t\_%';
CALL mend.wait_idle();
SELECT * FROM loot;
SELECT target, payload, sqlstate, reason FROM dead ORDER BY target;
SELECT e.target, (xpath('//n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s', e.target), false, false, '')))[1] AS stored
FROM mend.enrollments e WHERE e.target_name LIKE 'rights_consent_test.t\_%' ORDER BY e.target_name;

-- The owner does not release them, though he may heal; ann could, were she an administrator; a superuser can.
SET client_min_messages = notice;
SET ROLE regress_consent_eve;
SELECT mend.retry('t_trigger');
RESET ROLE;
GRANT mend_admin TO regress_consent_ann;
SET ROLE regress_consent_ann;
SELECT mend.retry('rights_consent_test.t_trigger');
RESET ROLE;
SELECT mend.retry('t_rule');
SET client_min_messages = warning;
CALL mend.wait_idle();
SELECT * FROM loot ORDER BY how;
SELECT id, extra FROM t_trigger;

-- Who has the owner's rights runs his code anyway.
CREATE ROLE regress_consent_kin;
GRANT regress_consent_eve TO regress_consent_kin;
SELECT mend.configure('t_none', mode => 'paused');
SET SESSION AUTHORIZATION regress_consent_kin;
SELECT healing_insert('rights_consent_test.t_none', '{"id": 2, "more": 1}');
RESET SESSION AUTHORIZATION;
CREATE TRIGGER later BEFORE INSERT ON t_none FOR EACH ROW EXECUTE FUNCTION tame();
SELECT mend.configure('t_none', mode => 'auto');
CALL mend.wait_idle();
SELECT id, more FROM t_none ORDER BY id;

SET client_min_messages = error;
SELECT count(mend.discard(ARRAY[id], 'test')) > 0 AS discarded FROM mend.dead_letters WHERE target_name LIKE 'rights_consent_test.%';
SELECT count(mend.unenroll(target)) FROM mend.enrollments WHERE target_name LIKE 'rights_consent_test.%';
DROP SCHEMA rights_consent_test CASCADE;
DROP ROLE regress_consent_eve, regress_consent_ann, regress_consent_heir, regress_consent_kin;
