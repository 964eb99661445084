-- Code of others runs with one whole identity: current_user, session_user and is_superuser of the offer, of the healer, or of the
-- table's owner; and it decides nothing, whoever it runs as.
SET client_min_messages = warning;
CREATE SCHEMA rights_identity_test;
SET search_path = rights_identity_test, public;
CREATE ROLE regress_identity_eve;
CREATE ROLE regress_identity_ann LOGIN;
CREATE ROLE regress_identity_svc;
CREATE ROLE regress_identity_boss;
GRANT mend_admin TO regress_identity_boss;
GRANT regress_identity_svc TO regress_identity_ann;
GRANT CREATE, USAGE ON SCHEMA rights_identity_test TO regress_identity_eve, regress_identity_svc;
GRANT USAGE ON SCHEMA rights_identity_test TO mend_healer, PUBLIC;
CREATE TABLE loot (id int GENERATED ALWAYS AS IDENTITY, how text, what text, who name DEFAULT current_user, session name DEFAULT session_user, super text DEFAULT current_setting('is_superuser'));
GRANT INSERT ON loot TO PUBLIC;
CREATE VIEW seen AS SELECT DISTINCT how, what, who, session, super FROM loot ORDER BY 1, 2, 3, 4, 5;

-- A row that is queued is what it would have been, had it fitted: behind a function of another's rights, and after SET ROLE.
CREATE TABLE notes (id int, who name DEFAULT current_user, session name DEFAULT session_user);
ALTER TABLE notes OWNER TO regress_identity_svc;
SELECT mend.enroll('notes', mode => 'paused');
SET ROLE regress_identity_svc;
CREATE FUNCTION offer(payload text) RETURNS text LANGUAGE sql SECURITY DEFINER
    SET search_path = rights_identity_test, public AS $$SELECT healing_insert('notes', payload)$$;
RESET ROLE;
GRANT INSERT ON notes TO regress_identity_ann;
SET SESSION AUTHORIZATION regress_identity_ann;
SELECT offer('{"id": 1}'), offer('{"id": 2, "extra": "x"}');
SELECT healing_insert('notes', '{"id": 3}'), healing_insert('notes', '{"id": 4, "extra": "x"}');
SET ROLE regress_identity_svc;
SELECT healing_insert('notes', '{"id": 5}'), healing_insert('notes', '{"id": 6, "extra": "x"}');
RESET ROLE;
RESET SESSION AUTHORIZATION;
SELECT mend.configure('notes', mode => 'auto');
CALL mend.wait_idle('notes');
SELECT * FROM notes ORDER BY id;

-- Of a policy that asks for the session's user.
CREATE TABLE tenants (tenant name, n int);
ALTER TABLE tenants OWNER TO regress_identity_svc, ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tenants WITH CHECK (tenant = session_user);
SELECT mend.enroll('tenants', mode => 'paused');
SET SESSION AUTHORIZATION regress_identity_ann;
SET ROLE regress_identity_svc;
SELECT healing_insert('tenants', '{"tenant": "regress_identity_svc"}');
SELECT healing_insert('tenants', '{"tenant": "regress_identity_svc", "extra": "x"}');
SELECT healing_insert('tenants', '{"tenant": "regress_identity_ann", "extra": "x"}');
RESET ROLE;
RESET SESSION AUTHORIZATION;
SELECT mend.configure('tenants', mode => 'auto');
CALL mend.wait_idle('tenants');
SELECT tenant FROM tenants;
SELECT payload, submitted_by, session_submitted_by, sqlstate FROM mend.dead_letters WHERE target = 'tenants'::regclass ORDER BY id;

-- What eve's code meets while rows of ann's are profiled, proved and stored, and while a DBA tries a patch.
SET ROLE regress_identity_eve;
CREATE FUNCTION try(how text, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE what;
    INSERT INTO rights_identity_test.loot (how, what) VALUES (how, what || ': done');
EXCEPTION WHEN OTHERS THEN
    INSERT INTO rights_identity_test.loot (how, what) VALUES (how, what || ': ' || SQLERRM);
END
$$;
CREATE FUNCTION peek(how text, value text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rights_identity_test.loot (how) VALUES (how);
    IF value = 'decide' AND current_setting('application_name') NOT LIKE 'pg_regress%' THEN
        PERFORM rights_identity_test.try(how, what) FROM unnest(ARRAY[
            'SELECT mend.approve(1)', 'SELECT mend.reject(1, ''no'')', 'SELECT mend.discard(''{1}'', ''gone'')', 'SELECT mend.retry()',
            'SELECT mend.revert(1)', 'SELECT mend.propose(''rights_identity_test.spy'', ''ALTER TABLE spy ADD a int'')', 'SELECT mend.stop()', 'SELECT mend.start()',
            'SELECT mend.configure(''rights_identity_test.spy'', mode => ''paused'')', 'SELECT mend.enroll(''rights_identity_test.loot'')',
            'SELECT mend.unenroll(''rights_identity_test.spy'')', 'SELECT mend.map_field(''rights_identity_test.spy'', ''a'', NULL)',
            'SELECT mend.accept_loss(''rights_identity_test.spy'', ''word'')', 'SELECT mend.create_inbox(''rights_identity_test.spy'')',
            'SELECT mend.reset_breaker(''rights_identity_test.spy'')', 'SELECT mend.dry_run(''rights_identity_test.spy'', ''ALTER TABLE spy ADD a int'')',
            'SET ROLE NONE', 'SET SESSION AUTHORIZATION DEFAULT', 'RESET ROLE', 'RESET SESSION AUTHORIZATION']) what;
    END IF;
    RETURN true;
END
$$;
CREATE DOMAIN watched AS text CHECK (rights_identity_test.peek('domain', VALUE));
CREATE FUNCTION nosy() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM rights_identity_test.peek(TG_NAME, NEW.word); RETURN NEW; END$$;
CREATE TABLE spy (id int, word watched);
CREATE TRIGGER before BEFORE INSERT ON spy FOR EACH ROW EXECUTE FUNCTION nosy();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON spy DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION nosy();
GRANT INSERT ON spy TO regress_identity_boss, regress_identity_ann;
RESET ROLE;
SELECT mend.enroll('spy', mode => 'paused');
SET SESSION AUTHORIZATION regress_identity_ann;
SELECT healing_insert('spy', '{"id": 1, "word": "a", "fresh": 7}');
RESET SESSION AUTHORIZATION;
TRUNCATE loot;
-- As superuser, and as an administrator who is none.
SELECT ok, rows_tried, rows_healed, reason FROM mend.dry_run('spy', 'ALTER TABLE spy ADD fresh bigint');
SELECT ok, rows_tried, rows_healed, reason FROM mend.dry_run('spy', 'ALTER TABLE spy ADD fresh bigint', live => true);
SET SESSION AUTHORIZATION regress_identity_boss;
SELECT ok, rows_tried, rows_healed, reason FROM mend.dry_run('rights_identity_test.spy', 'ALTER TABLE spy ADD fresh bigint');
SELECT ok, rows_tried, rows_healed, reason FROM mend.dry_run('rights_identity_test.spy', 'ALTER TABLE spy ADD fresh bigint', live => true);
SELECT current_user, session_user, current_setting('is_superuser') AS super;
RESET SESSION AUTHORIZATION;
SELECT current_user, session_user, current_setting('is_superuser') AS super;
SELECT * FROM seen;
-- Kept by neither: dry runs are rolled back only where they are live.
TRUNCATE loot;
SELECT mend.configure('spy', mode => 'auto');
CALL mend.wait_idle('spy');
SELECT * FROM seen;
SELECT id, word, fresh FROM spy;

-- Decisions of an administrator are not to be had by code that runs in his name: judged, stored, or at the commit.
TRUNCATE loot;
SELECT mend.configure('spy', mode => 'paused');
SET SESSION AUTHORIZATION regress_identity_boss;
SELECT healing_insert('rights_identity_test.spy', '{"id": 2, "word": "decide", "fresh": 8, "extra": 1}');
RESET SESSION AUTHORIZATION;
TRUNCATE loot;
SELECT mend.configure('spy', mode => 'auto');
CALL mend.wait_idle('spy');
SELECT * FROM seen;
SELECT id, word, fresh FROM spy ORDER BY id;

-- While a table is rewritten its code is the healer's, and while a revert reads it, its owner's.
SET ROLE regress_identity_eve;
CREATE FUNCTION tell(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'mend_healer' THEN
        RAISE EXCEPTION '% in a session of %, superuser: %', current_user, session_user, current_setting('is_superuser');
    END IF;
    RETURN n;
END
$$;
CREATE FUNCTION show(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN PERFORM rights_identity_test.peek('index', 'x'); RETURN n; END$$;
CREATE TABLE rewritten (id int, n smallint);
CREATE INDEX ON rewritten (tell(id));
CREATE TABLE taken_back (id int);
CREATE INDEX ON taken_back (id) WHERE show(1) = 1;
GRANT INSERT ON rewritten, taken_back TO regress_identity_ann;
RESET ROLE;
SELECT mend.enroll('rewritten'), mend.enroll('taken_back');
SET SESSION AUTHORIZATION regress_identity_ann;
SELECT healing_insert('rewritten', '{"id": 1, "n": 1}'), healing_insert('rewritten', '{"id": 2, "n": 70000}');
SELECT healing_insert('taken_back', '{"id": 1, "extra": 1}');
RESET SESSION AUTHORIZATION;
CALL mend.wait_idle();
SELECT regexp_replace(detail ->> 'message', '\(.*', '') AS message FROM mend.events WHERE target_name = 'rights_identity_test.rewritten' AND kind = 'patch_failed';
TRUNCATE loot;
SELECT mend.revert(id) FROM mend.patches WHERE target = 'taken_back'::regclass;
SELECT * FROM seen;
SET SESSION AUTHORIZATION regress_identity_boss;
SELECT current_user, session_user, current_setting('is_superuser') AS super;
RESET SESSION AUTHORIZATION;

SET client_min_messages = error;
SELECT count(mend.discard(ARRAY[id], 'test')) > 0 AS discarded FROM mend.dead_letters WHERE target_name LIKE 'rights_identity_test.%';
SELECT mend.unenroll(target) FROM mend.enrollments WHERE target_name LIKE 'rights_identity_test.%' ORDER BY target_name;
DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'mend'::regnamespace AND relname LIKE 'undo%' AND relkind = 'r' LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END $$;
DROP SCHEMA rights_identity_test CASCADE;
DROP ROLE regress_identity_eve, regress_identity_ann, regress_identity_svc, regress_identity_boss;
