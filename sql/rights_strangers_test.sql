-- Whoever may hang a trigger on a table, or write its rescue column, gets nobody else's rights by it.
SET client_min_messages = warning;
CREATE SCHEMA rights_strangers_test;
SET search_path = rights_strangers_test, public;
CREATE ROLE regress_strangers_mallory;
CREATE ROLE regress_strangers_ann;
CREATE ROLE regress_strangers_bob;
CREATE ROLE regress_strangers_boss IN ROLE mend_admin;
GRANT CREATE, USAGE ON SCHEMA rights_strangers_test TO regress_strangers_mallory, regress_strangers_ann;
GRANT USAGE ON SCHEMA rights_strangers_test TO mend_healer, PUBLIC;
CREATE TABLE loot (id int GENERATED ALWAYS AS IDENTITY, how text, who name DEFAULT current_user, session name DEFAULT session_user, super text DEFAULT current_setting('is_superuser'));
GRANT INSERT ON loot TO PUBLIC;
SET ROLE regress_strangers_mallory;
CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO rights_strangers_test.loot (how) VALUES (TG_OP); RETURN NEW; END$$;
RESET ROLE;

-- A superuser's row for a superuser's table: a stranger's trigger does not run as a superuser, was it there before or not.
CREATE TABLE late (id int);
CREATE TABLE early (id int);
CREATE TABLE own (id int);
GRANT TRIGGER ON late, early TO regress_strangers_mallory;
SELECT mend.enroll('late', 'paused'), mend.enroll('early', 'paused'), mend.enroll('own', 'paused');
SET ROLE regress_strangers_mallory;
CREATE TRIGGER spy BEFORE INSERT ON early FOR EACH ROW EXECUTE FUNCTION spy();
RESET ROLE;
SELECT healing_insert('late', '{"id": 1, "extra": 5}'), healing_insert('early', '{"id": 1, "extra": 5}'), healing_insert('own', '{"id": 1, "extra": 5}');
SET ROLE regress_strangers_mallory;
CREATE TRIGGER spy BEFORE INSERT ON late FOR EACH ROW EXECUTE FUNCTION spy();
RESET ROLE;
CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE TRIGGER mine BEFORE INSERT ON own FOR EACH ROW EXECUTE FUNCTION mine();
SELECT mend.configure(t, 'auto') FROM unnest('{late,early,own}'::regclass[]) t;
CALL mend.wait_idle();
SELECT how, who, session, super FROM loot ORDER BY id;
SELECT target, sqlstate, reason FROM mend.dead_letters WHERE target_name LIKE 'rights\_strangers\_test.%' ORDER BY target::text;
SELECT * FROM own;

-- The same of an owner's row for his own table: a trigger that was there when he offered it is one that he has accepted.
CREATE TABLE accepted (id int, n int);
ALTER TABLE accepted OWNER TO regress_strangers_ann;
GRANT TRIGGER ON accepted TO regress_strangers_mallory;
SELECT mend.enroll('accepted', 'paused');
SET SESSION AUTHORIZATION regress_strangers_ann;
SELECT healing_insert('accepted', '{"id": 1, "extra": 5}');
SET SESSION AUTHORIZATION regress_strangers_mallory;
CREATE TRIGGER spy BEFORE INSERT ON accepted FOR EACH ROW EXECUTE FUNCTION spy();
SET SESSION AUTHORIZATION regress_strangers_ann;
SELECT healing_insert('accepted', '{"id": 2, "extra": 5}');
RESET SESSION AUTHORIZATION;
TRUNCATE loot;
SELECT mend.configure('accepted', 'auto');
CALL mend.wait_idle('accepted');
SELECT how, who, session, super FROM loot ORDER BY id;
SELECT payload, reason FROM mend.dead_letters WHERE target = 'accepted'::regclass;

-- Rescued values move as the table's owner, who has not asked for it: with his own code alone.
CREATE TABLE super_rescue (id int, r jsonb);
CREATE TABLE ann_rescue (id int, r jsonb);
ALTER TABLE ann_rescue OWNER TO regress_strangers_ann;
GRANT TRIGGER, INSERT ON super_rescue, ann_rescue TO regress_strangers_mallory;
SELECT mend.enroll('super_rescue', rescue => 'r'), mend.enroll('ann_rescue', rescue => 'r');
SET ROLE regress_strangers_mallory;
CREATE TRIGGER spy BEFORE UPDATE ON super_rescue FOR EACH ROW EXECUTE FUNCTION spy();
CREATE TRIGGER spy BEFORE UPDATE ON ann_rescue FOR EACH ROW EXECUTE FUNCTION spy();
SELECT healing_insert('super_rescue', '{"id": 1, "extra": 5}'), healing_insert('ann_rescue', '{"id": 1, "extra": 5}');
RESET ROLE;
TRUNCATE loot;
CALL mend.wait_idle();
SELECT how, who, session, super FROM loot ORDER BY id;
SELECT * FROM super_rescue, ann_rescue;
SELECT target, moved, refusal FROM mend.promotions WHERE target_name LIKE 'rights\_strangers\_test.%' ORDER BY target::text;
-- Asked again only when something has changed.
SELECT count(*) FROM mend.events WHERE target_name = 'rights_strangers_test.ann_rescue' AND kind = 'promoted';
SELECT mend.request_round('ann_rescue');
CALL mend.wait_idle('ann_rescue');
SELECT count(*) FROM mend.events WHERE target_name = 'rights_strangers_test.ann_rescue' AND kind = 'promoted';
GRANT regress_strangers_mallory TO regress_strangers_ann;
SELECT mend.configure('ann_rescue');
CALL mend.wait_idle('ann_rescue');
SELECT * FROM ann_rescue;
SELECT how, who, session, super FROM loot ORDER BY id;
DROP TRIGGER spy ON super_rescue;
SELECT mend.configure('super_rescue');
CALL mend.wait_idle('super_rescue');
SELECT * FROM super_rescue;

-- A revert that puts values back changes rows as the owner as well. A sender may have any name for a field.
CREATE TABLE back (id int, r jsonb);
GRANT TRIGGER, INSERT ON back TO regress_strangers_mallory;
SELECT mend.enroll('back', rescue => 'r');
SELECT healing_insert('back', '{"id": 1, "a$pg_mend$; CREATE ROLE regress_strangers_pwned; --": 1}');
CALL mend.wait_idle('back');
SELECT healing_insert('back', '{"id": 2, "a$pg_mend$; CREATE ROLE regress_strangers_pwned; --": 3000000000000000000000}');
CALL mend.wait_idle('back');
UPDATE mend.patches SET applied_at = applied_at - interval '1 day' WHERE target = 'back'::regclass;
SELECT mend.reset_breaker('back');
CALL mend.wait_idle('back');
SET ROLE regress_strangers_mallory;
CREATE TRIGGER spy BEFORE UPDATE ON back FOR EACH ROW EXECUTE FUNCTION spy();
RESET ROLE;
TRUNCATE loot;
DO $$BEGIN PERFORM mend.revert(max(id)) FROM mend.patches WHERE target = 'back'::regclass AND state = 'applied';
EXCEPTION WHEN OTHERS THEN RAISE WARNING '%', regexp_replace(SQLERRM, 'patch \d+', 'patch N'); END$$;
SELECT how, who, session, super FROM loot ORDER BY id;
DROP TRIGGER spy ON back;
SELECT mend.revert(max(id)) IS NOT NULL AS reverted FROM mend.patches WHERE target = 'back'::regclass AND state = 'applied';
SELECT * FROM back ORDER BY id;

-- Who may write the rescue column may not fill by it what he may not write, nor what a policy looks at.
CREATE TABLE pay (id int, salary int, tenant text, note text, r jsonb);
ALTER TABLE pay OWNER TO regress_strangers_ann, ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON pay FOR INSERT WITH CHECK (tenant IS NULL OR tenant = current_user);
GRANT INSERT (id, tenant, note, r) ON pay TO regress_strangers_bob;
CREATE TABLE whole (id int, n int, r jsonb);
ALTER TABLE whole OWNER TO regress_strangers_ann, ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON whole FOR INSERT WITH CHECK (whole::text NOT LIKE '%7%');
GRANT INSERT ON whole TO regress_strangers_bob;
SELECT mend.enroll('pay', rescue => 'r'), mend.enroll('whole', rescue => 'r');
SET ROLE regress_strangers_bob;
INSERT INTO pay (id, r) VALUES (1, '{"salary": 1000000, "tenant": "regress_strangers_ann", "note": "mine"}');
INSERT INTO whole (id, r) VALUES (1, '{"n": 5}');
-- By column is not enough to have values rescued, since they may go to a column that is new.
SELECT healing_insert('pay', '{"id": 2, "extra": 1}');
RESET ROLE;
CALL mend.wait_idle();
SELECT regexp_replace(reason, '^patch \d+', 'patch N') AS reason FROM mend.dead_letters WHERE target = 'pay'::regclass;
-- What moves when something is moved.
SET ROLE regress_strangers_ann;
SELECT healing_insert('pay', '{"id": 3, "tenant": "regress_strangers_ann", "more": 1}'), healing_insert('whole', '{"id": 3, "more": 1}');
RESET ROLE;
CALL mend.wait_idle();
SELECT * FROM pay ORDER BY id;
SELECT * FROM whole ORDER BY id;
SELECT target, refusal FROM mend.promotions WHERE target IN ('pay'::regclass, 'whole'::regclass) ORDER BY target::text;

-- What a trigger quotes of a row whose rescued values it does not let move, agents do not see.
CREATE ROLE regress_strangers_agent IN ROLE mend_agent;
CREATE TABLE cards (id int, r jsonb);
CREATE FUNCTION quote_card() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'card % is not known', NEW.card; END$$;
CREATE TRIGGER quote_card BEFORE UPDATE ON cards FOR EACH ROW EXECUTE FUNCTION quote_card();
SELECT mend.enroll('cards', rescue => 'r');
SELECT healing_insert('cards', '{"id": 1, "card": "4111-CANARY"}');
CALL mend.wait_idle('cards');
SELECT reason FROM mend.status WHERE target = 'cards'::regclass;
SET ROLE regress_strangers_agent;
SELECT reason FROM mend.status WHERE target = 'rights_strangers_test.cards'::regclass;
RESET ROLE;

-- What an administrator amends is his word: in his name, and where he may insert; with their rights, in the name of those who offered it.
CREATE TABLE signed (id int CHECK (id > 0), who name DEFAULT current_user, session name DEFAULT session_user);
GRANT INSERT ON signed TO regress_strangers_ann;
SELECT mend.enroll('signed', 'paused');
SET SESSION AUTHORIZATION regress_strangers_ann;
SET search_path = pg_catalog, rights_strangers_test, public;
SET DateStyle = german;
SELECT healing_insert('signed', '{"id": -1}'), healing_insert('signed', '{"id": -2}'), healing_insert('signed', '{"id": -3}');
RESET SESSION AUTHORIZATION;
RESET DateStyle;
SET search_path = rights_strangers_test, public;
SET SESSION AUTHORIZATION regress_strangers_boss;
SET client_min_messages = notice;
SELECT * FROM mend.amend('rights_strangers_test.signed', NULL, NULL, '{"id": 1}');
SET client_min_messages = warning;
RESET SESSION AUTHORIZATION;
GRANT INSERT ON signed TO regress_strangers_boss;
SET SESSION AUTHORIZATION regress_strangers_boss;
SELECT a.* FROM mend.dead_letters, mend.amend(ARRAY[id], '{"id": 1}', true) a WHERE payload LIKE '%-1%';
SELECT a.* FROM mend.dead_letters, mend.amend(ARRAY[id], '{"id": 1}') a WHERE payload LIKE '%-1%';
RESET SESSION AUTHORIZATION;
SELECT a.* FROM mend.dead_letters, mend.amend(ARRAY[id], '{"id": 2}') a WHERE payload LIKE '%-2%';
GRANT regress_strangers_ann TO regress_strangers_boss;
SET SESSION AUTHORIZATION regress_strangers_boss;
SELECT a.* FROM mend.dead_letters, mend.amend(ARRAY[id], '{"id": 3}') a WHERE payload LIKE '%-3%';
SELECT mend.retry('rights_strangers_test.signed');
RESET SESSION AUTHORIZATION;
SELECT payload, submitted_by, session_submitted_by, context ->> 'search_path' AS path, context ->> 'DateStyle' AS style FROM mend.queue WHERE target = 'signed'::regclass ORDER BY id;
SELECT mend.configure('signed', 'auto');
CALL mend.wait_idle('signed');
SELECT * FROM signed ORDER BY id;
SELECT actor, detail -> 'taken_from' AS taken_from FROM mend.events WHERE kind = 'amended' AND target_name = 'rights_strangers_test.signed' ORDER BY id;

SET client_min_messages = error;
SELECT count(mend.discard(ARRAY[id], 'test')) > 0 AS discarded FROM mend.dead_letters WHERE target_name LIKE 'rights\_strangers\_test.%';
SELECT count(mend.unenroll(target)) FROM mend.enrollments WHERE target_name LIKE 'rights\_strangers\_test.%';
DROP SCHEMA rights_strangers_test CASCADE;
DROP ROLE regress_strangers_boss;
DROP ROLE regress_strangers_agent;
DROP ROLE regress_strangers_bob;
DROP ROLE regress_strangers_ann;
DROP ROLE regress_strangers_mallory;
