-- Attacks on the worker by whoever owns a table or offers rows, beyond those of heal_replay_test.
SET client_min_messages = warning;
CREATE SCHEMA heal_attack_test;
SET search_path = heal_attack_test, public;
CREATE ROLE regress_attack_eve;
CREATE ROLE regress_attack_ann;
CREATE ROLE regress_attack_writers;
CREATE ROLE regress_attack_boss;
CREATE ROLE regress_attack_bot;
GRANT mend_admin TO regress_attack_boss;
GRANT mend_agent TO regress_attack_bot;
GRANT ALL ON SCHEMA heal_attack_test TO regress_attack_eve;
GRANT USAGE ON SCHEMA heal_attack_test TO mend_healer, PUBLIC;
CREATE VIEW patches AS
    SELECT target::regclass::text AS target, planner, state, regexp_replace(reason, '\mpatch \d+', 'patch N', 'g') AS reason, ddl, rows_healed AS healed, rows_failed AS failed
    FROM mend.patches WHERE target_name LIKE 'heal_attack_test.%' ORDER BY id;
CREATE VIEW dead AS
    SELECT target::regclass::text AS target, payload, submitted_by AS by, kind, sqlstate, field, regexp_replace(reason, '\mpatch \d+', 'patch N', 'g') AS reason
    FROM mend.dead_letters WHERE target_name LIKE 'heal_attack_test.%' ORDER BY id;
-- What eve's code finds out and gets done, under the name it had then.
CREATE TABLE loot (id int GENERATED ALWAYS AS IDENTITY, how text, what text, who name DEFAULT current_user, session name DEFAULT session_user);
GRANT INSERT ON loot TO PUBLIC;

-- Left in the worker's session by a trigger during replay, in every way that a session can keep something.
SET ROLE regress_attack_eve;
CREATE TABLE den (id int, n int);
CREATE FUNCTION look(how text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO heal_attack_test.loot (how, what) VALUES (how, format('%s prepared, %s cursors, %s channels, %s locks, %s temporary, work_mem %s, path %s, %s read only',
        (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors WHERE name LIKE 'den%'), (SELECT count(*) FROM pg_listening_channels()),
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
        (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()), current_setting('work_mem'), current_setting('search_path'), current_setting('default_transaction_read_only')));
END
$$;
CREATE FUNCTION peek(how text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO heal_attack_test.loot (how, what) VALUES (how, 'ran');
    RETURN 1;
END
$$;
CREATE FUNCTION try(how text, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE what;
    INSERT INTO heal_attack_test.loot (how, what) VALUES (how, what || ': done');
EXCEPTION WHEN OTHERS THEN
    INSERT INTO heal_attack_test.loot (how, what) VALUES (how, what || ': ' || SQLERRM);
END
$$;
CREATE FUNCTION nest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM heal_attack_test.look(TG_NAME);
    PERFORM heal_attack_test.try(TG_NAME, what) FROM unnest(ARRAY[
        'PREPARE den_p AS SELECT heal_attack_test.peek(''prepared'')',
        'DECLARE den_c CURSOR WITH HOLD FOR SELECT heal_attack_test.peek(''held cursor'')',
        'LISTEN den', 'NOTIFY den', 'CREATE TEMP TABLE den_t (a int)', 'CREATE FUNCTION pg_temp.den_f() RETURNS int LANGUAGE sql AS ''SELECT 1''',
        'SET work_mem = ''77MB''', 'SET default_transaction_read_only = on', 'SET search_path = pg_temp, heal_attack_test', 'SET session_replication_role = replica',
        'SET mend.planners = ''''', 'SET mend.max_columns = 1600', 'SELECT pg_advisory_lock(42)', 'SELECT pg_advisory_unlock_all()', 'SELECT pg_advisory_lock(43)', 'DISCARD ALL', 'COMMIT',
        'SET SESSION AUTHORIZATION DEFAULT', 'SET ROLE NONE', 'RESET ALL', 'UNLISTEN *', 'DEALLOCATE ALL']) what;
    PERFORM heal_attack_test.try(TG_NAME, what) FROM unnest(ARRAY['PREPARE den_p AS SELECT heal_attack_test.peek(''prepared'')', 'SET work_mem = ''77MB''']) what;
    RETURN NULL;
END
$$;
CREATE TRIGGER after_row AFTER INSERT ON den FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION nest();
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON den DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION nest();
CREATE FUNCTION look_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM heal_attack_test.look('next'); RETURN NULL; END $$;
CREATE TRIGGER next_row AFTER INSERT ON den FOR EACH ROW WHEN (NEW.id > 2) EXECUTE FUNCTION look_only();
GRANT INSERT ON den TO regress_attack_ann;
RESET ROLE;
SELECT mend.enroll('den');
SET ROLE regress_attack_ann;
SELECT healing_insert('den', '{"id": 1, "x": 1}');
RESET ROLE;
CALL mend.wait_idle('den');
SET ROLE regress_attack_ann;
SELECT healing_insert('den', '{"id": 3, "y": 1}');
RESET ROLE;
CALL mend.wait_idle('den');
SET ROLE regress_attack_ann;
SELECT healing_insert('den', '{"id": 2, "z": 1}');
RESET ROLE;
CALL mend.wait_idle('den');
SET ROLE regress_attack_ann;
SELECT healing_insert('den', '{"id": 4, "zz": 1}');
RESET ROLE;
CALL mend.wait_idle('den');
SELECT id, x, y, z, zz FROM den ORDER BY id;
SELECT string_agg(how, ', ' ORDER BY how) AS how, what, who, session FROM (SELECT DISTINCT how, what, who, session FROM loot) l GROUP BY 2, 3, 4 ORDER BY 2;
SELECT payload, reason FROM dead;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';
SELECT count(*) FROM pg_class WHERE relname = 'den_t';
DELETE FROM loot;

-- The same during the ALTER: code of the owner's in what a rewrite computes, and event triggers.
SET ROLE regress_attack_eve;
CREATE FUNCTION during(n int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE what text;
BEGIN
    IF current_user = 'mend_healer' THEN
        RAISE LOG 'during the ALTER as %', current_user;
        what := pg_advisory_lock(44);
        what := set_config('work_mem', '78MB', false);
        what := set_config('default_transaction_read_only', 'on', false);
        what := set_config('search_path', 'heal_attack_test', false);
        BEGIN EXECUTE 'PREPARE during_p AS SELECT 1'; EXCEPTION WHEN OTHERS THEN NULL; END;
        BEGIN EXECUTE 'CREATE TEMP TABLE during_t (a int)'; EXCEPTION WHEN OTHERS THEN NULL; END;
        BEGIN EXECUTE 'DECLARE during_c CURSOR WITH HOLD FOR SELECT 1'; EXCEPTION WHEN OTHERS THEN NULL; END;
    END IF;
    RETURN true;
END
$$;
CREATE TABLE pit (id int, n int);
CREATE INDEX ON pit (heal_attack_test.during(id));
CREATE TRIGGER next_row AFTER INSERT ON pit FOR EACH ROW EXECUTE FUNCTION look_only();
INSERT INTO pit VALUES (1, 1);
GRANT INSERT ON pit TO regress_attack_ann;
RESET ROLE;
TRUNCATE loot;
CREATE FUNCTION litter() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'mend_healer' THEN RETURN; END IF;
    PERFORM pg_advisory_lock(45), set_config('work_mem', '79MB', false);
    BEGIN EXECUTE 'PREPARE litter_p AS SELECT 1'; EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN EXECUTE 'CREATE TEMP TABLE litter_t (a int)'; EXCEPTION WHEN OTHERS THEN NULL; END;
END
$$;
CREATE EVENT TRIGGER regress_litter ON ddl_command_end EXECUTE FUNCTION litter();
SELECT mend.enroll('pit');
-- Not as superuser, who runs no code of eve's.
SET ROLE regress_attack_ann;
SELECT healing_insert('pit', '{"id": 2, "n": 3000000000}');
RESET ROLE;
CALL mend.wait_idle('pit');
DROP EVENT TRIGGER regress_litter;
SET ROLE regress_attack_ann;
SELECT healing_insert('pit', '{"id": 3, "fresh": 1}');
RESET ROLE;
CALL mend.wait_idle('pit');
SELECT target, state, reason, ddl, healed FROM patches WHERE target = 'pit';
SELECT id, n, fresh FROM pit ORDER BY id;
SELECT what FROM loot ORDER BY id;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';
DELETE FROM loot;

-- The same while rows are profiled and a patch is proved, as the submitter: the settings of the worker's next transactions.
SET ROLE regress_attack_eve;
CREATE FUNCTION unsettle(n int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE what text;
BEGIN
    what := set_config('default_transaction_read_only', 'on', false);
    what := set_config('standard_conforming_strings', 'off', false);
    what := set_config('search_path', 'heal_attack_test', false);
    what := set_config('quote_all_identifiers', 'on', false);
    what := set_config('default_transaction_isolation', 'serializable', false);
    what := set_config('row_security', 'off', false);
    what := set_config('check_function_bodies', 'off', false);
    what := set_config('lock_timeout', '1ms', false);
    what := pg_advisory_lock(46);
    RETURN n <> 13;
END
$$;
CREATE DOMAIN unsettling AS int CHECK (heal_attack_test.unsettle(VALUE));
CREATE TABLE quicksand (id int, n heal_attack_test.unsettling);
GRANT INSERT ON quicksand TO regress_attack_ann;
CREATE TABLE firm (id int);
RESET ROLE;
SELECT mend.enroll('quicksand', 'review'), mend.enroll('firm');
SET SESSION AUTHORIZATION regress_attack_ann;
-- One transaction: the worker is not to meet the lock.
BEGIN;
SELECT healing_load('quicksand', '[{"id": 1, "n": 1, "x\\": 1}, {"id": 2, "n": 2, "y''": "2024-02-30"}, {"id": 3, "n": 13}]');
SELECT pg_advisory_unlock_all();
COMMIT;
RESET SESSION AUTHORIZATION;
RESET default_transaction_read_only;
RESET standard_conforming_strings;
SET search_path = heal_attack_test, public;
RESET lock_timeout;
RESET quote_all_identifiers;
CALL mend.wait_idle('quicksand');
SELECT healing_insert('firm', '{"id": 1, "x": 1}');
CALL mend.wait_idle('firm');
SELECT mend.approve(id) FROM mend.patches WHERE target = 'quicksand'::regclass AND state = 'proposed';
CALL mend.wait_idle('quicksand');
SELECT target, state, reason, ddl, healed FROM patches WHERE target IN ('quicksand', 'firm');
SELECT to_jsonb(q) FROM quicksand q ORDER BY id;
SELECT payload, kind, reason FROM dead WHERE target = 'quicksand';
SELECT target, last_error FROM mend.progress WHERE last_error IS NOT NULL;
-- Names are the same names under a session's setting to quote them all.
SET quote_all_identifiers = on;
SELECT healing_insert('firm', '{"id": 2, "y": 1}');
SELECT canonical FROM mend.check_ddl('firm', 'ALTER TABLE firm ADD z int');
RESET quote_all_identifiers;
CALL mend.wait_idle('firm');
SELECT target, state, ddl, healed FROM patches WHERE target = 'firm';
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid();

-- A submitter who may insert into some columns alone: a patch may not be the way into others.
CREATE TABLE narrow (id int, note text, hidden text DEFAULT 'as it was');
GRANT INSERT (id, note) ON narrow TO regress_attack_ann;
SELECT mend.enroll('narrow', 'paused');
SET ROLE regress_attack_ann;
SELECT healing_insert('narrow', '{"id": 1, "hidden": "mine"}');
SELECT healing_insert('narrow', '{"id": 2, "note": "x", "extra": 1}'), healing_insert('narrow', '{"id": 3, "unseen": "mine"}'), healing_insert('narrow', '{"id": 4, "secret": "mine"}');
RESET ROLE;
SELECT healing_insert('narrow', '{"id": 5, "extra": 1}');
SELECT mend.map_field('narrow', 'secret', 'hidden');
SELECT mend.configure('narrow', mode => 'auto');
CALL mend.wait_idle('narrow');
SELECT to_jsonb(narrow) FROM narrow ORDER BY id;
SELECT target, state, reason, ddl, healed FROM patches WHERE target = 'narrow';
SELECT payload, by, kind, sqlstate, reason FROM dead WHERE target = 'narrow';

-- A right that came with a membership, and went with it; and one that is the role's own.
CREATE TABLE shared (id int, who name DEFAULT current_user);
GRANT INSERT ON shared TO regress_attack_writers;
GRANT regress_attack_writers TO regress_attack_ann;
SELECT mend.enroll('shared', 'paused');
SET ROLE regress_attack_ann;
SELECT healing_insert('shared', '{"id": 1, "x": 1}');
SET ROLE regress_attack_writers;
SELECT healing_insert('shared', '{"id": 2, "x": 1}');
RESET ROLE;
REVOKE regress_attack_writers FROM regress_attack_ann;
SELECT mend.configure('shared', mode => 'auto');
CALL mend.wait_idle('shared');
SELECT to_jsonb(shared) FROM shared ORDER BY id;
SELECT payload, by, reason FROM dead WHERE target = 'shared';

-- Another role under the name of one that is gone, another table under the name of one that is gone: neither inherits rows.
CREATE ROLE regress_attack_gone;
GRANT INSERT ON shared TO regress_attack_gone;
SELECT mend.configure('shared', mode => 'paused');
SET ROLE regress_attack_gone;
SELECT healing_insert('shared', '{"id": 3, "y": 1}');
RESET ROLE;
REVOKE INSERT ON shared FROM regress_attack_gone;
DROP ROLE regress_attack_gone;
CREATE ROLE regress_attack_gone;
GRANT INSERT ON shared TO regress_attack_gone;
CREATE TABLE moved (id int);
SELECT mend.enroll('moved', 'paused');
SELECT healing_insert('moved', '{"id": 1, "x": 1}');
DROP TABLE moved;
SET ROLE regress_attack_eve;
CREATE TABLE moved (id int);
RESET ROLE;
SELECT mend.start(), mend.configure('shared', mode => 'auto');
CALL mend.wait_idle();
SELECT mend.retry('shared');
CALL mend.wait_idle();
SELECT to_jsonb(shared) FROM shared ORDER BY id;
SELECT payload, submitted_by, regexp_replace(reason, '\d{4,}', 'N') AS reason FROM mend.dead_letters WHERE target_name IN ('heal_attack_test.moved', 'heal_attack_test.shared') ORDER BY id;
SELECT count(*) FROM moved;
DROP OWNED BY regress_attack_gone;
DROP ROLE regress_attack_gone;

-- Domains named like built-in types, first in the path of whoever judges, approves and inserts.
SET ROLE regress_attack_eve;
CREATE FUNCTION watch(anyelement) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF current_user NOT IN ('regress_attack_eve', 'regress_attack_ann') THEN RAISE EXCEPTION 'eve''s code runs as %', current_user; END IF;
    RETURN true;
END
$$;
CREATE DOMAIN int8 AS pg_catalog.int8 CHECK (heal_attack_test.watch(VALUE));
CREATE DOMAIN text AS pg_catalog.text CHECK (heal_attack_test.watch(VALUE));
CREATE DOMAIN int4 AS pg_catalog.int4 CHECK (heal_attack_test.watch(VALUE));
CREATE TABLE trap (id heal_attack_test.int4, plain pg_catalog.int4, word varchar(3));
GRANT INSERT ON trap TO regress_attack_ann;
RESET ROLE;
SELECT mend.enroll('trap', 'review', allow => '{add_column,widen_type,set_default,map_field}');
SET search_path = heal_attack_test, pg_catalog, public;
SET ROLE regress_attack_ann;
SELECT healing_insert('trap', '{"id": 3000000000}'::pg_catalog.text), healing_insert('trap', '{"id": 1, "plain": 3000000000, "fresh": 5, "word": "longer"}'::pg_catalog.text);
SET ROLE regress_attack_bot;
SELECT ddl, allowed, canonical, reason FROM (VALUES ('ALTER TABLE trap ADD fresh int8'), ('ALTER TABLE trap ADD fresh bigint'), ('ALTER TABLE trap ADD fresh text DEFAULT ''x'''), ('ALTER TABLE trap ADD fresh pg_catalog.int8 DEFAULT 7'),
    ('ALTER TABLE trap ALTER id TYPE int8'), ('ALTER TABLE trap ALTER id TYPE bigint'), ('ALTER TABLE trap ALTER plain TYPE int8'), ('ALTER TABLE trap ALTER word TYPE text USING word::text'),
    ('ALTER TABLE trap ALTER id SET DEFAULT 5')) t (ddl), mend.check_ddl('trap', ddl::pg_catalog.text);
SELECT mend.propose('trap', 'ALTER TABLE trap ADD fresh bigint, ALTER plain TYPE bigint, ALTER word TYPE pg_catalog.text') IS NOT NULL AS proposed;
SELECT ok, rows_tried, rows_healed, reason FROM mend.dry_run('trap', 'ALTER TABLE trap ADD fresh bigint, ALTER plain TYPE bigint, ALTER word TYPE pg_catalog.text');
SET ROLE regress_attack_boss;
SELECT ok, rows_tried, rows_healed, reason FROM mend.dry_run('trap', 'ALTER TABLE trap ADD fresh bigint, ALTER plain TYPE bigint, ALTER word TYPE pg_catalog.text', live => true);
SELECT mend.approve(max(id)) FROM mend.patches WHERE target = 'trap'::regclass AND state = 'proposed' AND planner <> 'rules';
RESET ROLE;
RESET search_path;
SET search_path = heal_attack_test, public;
CALL mend.wait_idle('trap');
SELECT target, planner, state, reason, ddl, healed FROM patches WHERE target = 'trap' AND state = 'applied';
SET ROLE regress_attack_eve;
SELECT * FROM trap;
RESET ROLE;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'trap'::regclass AND attnum > 0 ORDER BY attnum;
SELECT payload, by, kind, reason FROM dead WHERE target = 'trap';
SELECT mend.discard(array_agg(id), 'seen') FROM mend.dead_letters;
DROP DOMAIN heal_attack_test.int8, heal_attack_test.text;

-- An administrator names a healer that shall take something along: rights by default privileges, the owner's rights, the table itself.
SET ROLE regress_attack_eve;
CREATE TABLE prize (id int, n int);
INSERT INTO prize VALUES (1, 1);
RESET ROLE;
CREATE ROLE regress_attack_puppet;
GRANT regress_attack_puppet TO regress_attack_boss;
GRANT USAGE ON SCHEMA heal_attack_test TO regress_attack_puppet;
CREATE VIEW facts AS SELECT c.relname ~ 'toast' AS toast, relowner::regrole AS owner, relacl, t.typacl, t.typowner::regrole AS type_owner FROM pg_class c LEFT JOIN pg_type t ON t.typrelid = c.oid
    WHERE c.oid = 'prize'::regclass OR c.oid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'prize'::regclass) ORDER BY 1;
SET ROLE regress_attack_boss;
SELECT mend.enroll('prize', healer => 'regress_attack_boss');
SELECT mend.enroll('prize', healer => 'regress_attack_eve');
SELECT mend.enroll('prize', healer => 'regress_attack_puppet');
RESET ROLE;
-- Where the owner has agreed, nothing sticks either.
SELECT mend.enroll('prize', healer => 'regress_attack_puppet');
SET ROLE regress_attack_boss;
SELECT mend.configure('prize', healer => 'mend_healer');
RESET ROLE;
SELECT healing_insert('prize', '{"id": 2, "n": 3000000000, "note": "x"}');
CALL mend.wait_idle('prize');
SELECT * FROM facts;
SELECT * FROM prize ORDER BY id;
SET ROLE regress_attack_boss;
SELECT * FROM prize;
SET ROLE regress_attack_puppet;
SELECT * FROM prize;
RESET ROLE;
SELECT classid::regclass, deptype, count(*) FROM pg_shdepend WHERE refobjid = 'regress_attack_puppet'::regrole AND classid <> 'pg_default_acl'::regclass AND dbid <> 0 GROUP BY 1, 2 ORDER BY 1;
-- The healer gets default privileges to leave behind, or becomes a member of its betters, after the enrolment: no heal.
ALTER DEFAULT PRIVILEGES FOR ROLE regress_attack_puppet GRANT ALL ON TABLES TO regress_attack_boss;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_attack_puppet GRANT ALL ON TYPES TO regress_attack_boss;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_attack_puppet GRANT ALL ON SEQUENCES TO regress_attack_boss;
SELECT healing_insert('prize', '{"id": 5, "none": 1}');
CALL mend.wait_idle('prize');
DROP OWNED BY regress_attack_puppet;
GRANT USAGE ON SCHEMA heal_attack_test TO regress_attack_puppet;
GRANT regress_attack_eve TO regress_attack_puppet;
SELECT healing_insert('prize', '{"id": 3, "more": 1}');
CALL mend.wait_idle('prize');
GRANT pg_write_server_files TO regress_attack_puppet;
SELECT healing_insert('prize', '{"id": 4, "even": 1}');
CALL mend.wait_idle('prize');
SELECT target, state, reason, ddl FROM patches WHERE target = 'prize';
SELECT * FROM facts;

-- Settings that a row may not carry along.
SELECT mend.configure('prize', carry => '{role}');
SELECT mend.configure('prize', carry => '{session_authorization}');
SELECT mend.configure('prize', carry => '{is_superuser}');
SELECT mend.configure('prize', carry => '{mend.planners}');
SELECT mend.configure('prize', carry => '{session_replication_role}');

-- A trigger that queues a new row for each that is replayed, with a new field each time: the breaker ends it.
SET ROLE regress_attack_eve;
CREATE TABLE eater (id int);
CREATE FUNCTION feed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM public.healing_insert('heal_attack_test.eater', jsonb_build_object('id', NEW.id + 1, 'f' || NEW.id, 1)); RETURN NULL; END
$$;
CREATE TRIGGER feed AFTER INSERT ON eater FOR EACH ROW EXECUTE FUNCTION feed();
RESET ROLE;
SELECT mend.enroll('eater');
SET ROLE regress_attack_eve;
SELECT healing_insert('eater', '{"id": 1, "f0": 1}');
RESET ROLE;
CALL mend.wait_idle('eater');
SELECT count(*) BETWEEN 30 AND 31 AS capped FROM pg_attribute WHERE attrelid = 'eater'::regclass AND attnum > 0;
SELECT state, queued, regexp_replace(reason, '^\d+', 'N') AS reason FROM mend.status WHERE target = 'eater'::regclass;

-- A deferred trigger of the owner's drops the table under the worker.
SET ROLE regress_attack_eve;
CREATE TABLE sinking (id int);
CREATE FUNCTION sink() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DROP TABLE heal_attack_test.sinking; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER sink AFTER INSERT ON sinking DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sink();
RESET ROLE;
SELECT mend.enroll('sinking');
SET ROLE regress_attack_eve;
SELECT healing_load('sinking', '[{"id": 1, "x": 1}, {"id": 2, "x": 1}]');
RESET ROLE;
CALL mend.wait_idle();
SELECT to_regclass('sinking') IS NULL AS gone, state, reason FROM mend.patches WHERE target_name = 'heal_attack_test.sinking';
SELECT payload, sqlstate, error, regexp_replace(reason, '\mpatch \d+', 'patch N', 'g') AS reason FROM mend.dead_letters WHERE target_name = 'heal_attack_test.sinking' ORDER BY id;
SELECT payload, error FROM mend.queue WHERE target_name = 'heal_attack_test.sinking' ORDER BY id;

-- Nobody is more than they were.
SELECT rolname, rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname LIKE 'regress_attack_%' ORDER BY 1;
SELECT last_error FROM mend.progress WHERE last_error IS NOT NULL;
DELETE FROM mend.queue WHERE target_name LIKE 'heal_attack_test.%';
SELECT target_name, mend.unenroll(target) FROM mend.enrollments ORDER BY target_name;
RESET search_path;
DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events;
DROP SCHEMA heal_attack_test CASCADE;
DROP OWNED BY regress_attack_puppet;
DROP OWNED BY regress_attack_eve, regress_attack_ann, regress_attack_writers, regress_attack_boss, regress_attack_bot;
DROP ROLE regress_attack_eve, regress_attack_ann, regress_attack_puppet, regress_attack_writers, regress_attack_boss, regress_attack_bot;
