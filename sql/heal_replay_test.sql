-- Replay: as whoever offered the row, with their session's settings, and nothing left behind.
SET client_min_messages = warning;
CREATE SCHEMA heal_replay_test;
SET search_path = heal_replay_test, public;
CREATE ROLE regress_heal_ann;
CREATE ROLE regress_heal_bob;
CREATE ROLE regress_heal_eve;
GRANT USAGE ON SCHEMA heal_replay_test TO mend_healer, regress_heal_ann, regress_heal_bob;
GRANT ALL ON SCHEMA heal_replay_test TO regress_heal_eve;
CREATE VIEW patches AS
    SELECT target::regclass::text AS target, state, reason, ddl, rows_healed AS healed, rows_failed AS failed
    FROM mend.patches WHERE target_name LIKE 'heal_replay_test.%' ORDER BY id;
CREATE VIEW dead AS
    SELECT target::regclass::text AS target, payload, submitted_by AS by, kind, sqlstate, field, error, regexp_replace(reason, '\mpatch \d+', 'patch N', 'g') AS reason
    FROM mend.dead_letters WHERE target_name LIKE 'heal_replay_test.%' ORDER BY id;
CREATE VIEW status AS
    SELECT target::text, queued, dead_letters AS dead, state, reason FROM mend.status ORDER BY 1;

-- Who: current_user in defaults, triggers and policies; settings: carried ones and the time zone.
CREATE TABLE t (id int, who name DEFAULT current_user, tenant text, local timestamptz, trigger_user name, zone text, made date);
CREATE FUNCTION note_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.trigger_user := current_user;
    NEW.tenant := current_setting('app.tenant_id', true);
    NEW.zone := format('%s %s %s', current_setting('TimeZone'), current_setting('DateStyle'), current_setting('search_path'));
    RETURN NEW;
END
$$;
CREATE TRIGGER note_user BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION note_user();
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON t FOR INSERT WITH CHECK (trigger_user = current_user AND tenant = current_setting('app.tenant_id'));
GRANT INSERT ON t TO regress_heal_ann, regress_heal_bob;
SELECT mend.enroll('t', 'review', carry => '{app.tenant_id}', naive_zone => '');
SET ROLE regress_heal_ann;
SET app.tenant_id = 'a';
SET TimeZone = 'Asia/Tokyo';
SELECT healing_insert('t', '{"id": 1, "extra": 1}'), healing_insert('t', '{"id": 2, "extra": 2}');
SET app.tenant_id = 'a2';
SET DateStyle = 'SQL, DMY';
SELECT healing_insert('t', '{"id": 3, "extra": 3}');
SET ROLE regress_heal_bob;
SET app.tenant_id = 'b';
RESET TimeZone;
RESET DateStyle;
SELECT healing_insert('t', '{"id": 4, "extra": 4}');
RESET app.tenant_id;
RESET ROLE;
CALL mend.wait_idle('t');
SELECT mend.configure('t', mode => 'auto');
CALL mend.wait_idle('t');
SELECT id, who, trigger_user, tenant, zone, extra FROM t ORDER BY id;
SELECT target, state, healed, failed FROM patches;
SELECT * FROM dead;

-- What input asks for, as the submitter had it; and where a restore has brought a setting that this server has not.
CREATE TABLE asked (id int, at timestamptz, doc xml);
SELECT mend.enroll('asked', 'review');
SET timezone_abbreviations = 'India';
SELECT healing_insert('asked', '{"id": 1, "at": "2026-01-01 12:00 IST", "doc": "text", "extra": 1}');
SET xmloption = document;
SELECT healing_insert('asked', '{"id": 2, "at": "2026-01-01 12:00 IST", "doc": "text", "extra": 2}');
RESET timezone_abbreviations;
RESET xmloption;
SELECT healing_insert('asked', '{"id": 3, "at": "2026-01-01 12:00 IST", "doc": "text", "extra": 3}'),
       healing_insert('asked', '{"id": 4, "extra": 4}'), healing_insert('asked', '{"id": 5, "extra": 5}');
UPDATE mend.queue SET context = context || '{"TimeZone": "No/Where"}' WHERE payload LIKE '{"id": 4%';
UPDATE mend.queue SET context = context || '{"lc_monetary": "no_WHERE"}' WHERE payload LIKE '{"id": 5%';
SELECT mend.configure('asked', mode => 'auto');
CALL mend.wait_idle('asked');
SELECT id, at AT TIME ZONE 'UTC' AS at, doc, extra FROM asked ORDER BY id;
SELECT * FROM dead WHERE target = 'asked';
DELETE FROM mend.dead_letters WHERE target = 'asked'::regclass;

-- A submitter who is gone, has another name, or has lost the right.
CREATE TABLE s (id int);
GRANT INSERT ON s TO PUBLIC;
CREATE ROLE regress_heal_gone;
CREATE ROLE regress_heal_named;
GRANT USAGE ON SCHEMA heal_replay_test TO regress_heal_gone, regress_heal_named;
SELECT mend.enroll('s', 'paused');
SET ROLE regress_heal_gone;
SELECT healing_insert('s', '{"id": 1, "x": 1}');
SET ROLE regress_heal_named;
SELECT healing_insert('s', '{"id": 2, "x": 1}');
SET ROLE regress_heal_bob;
SELECT healing_insert('s', '{"id": 3, "x": 1}');
SET ROLE regress_heal_ann;
SELECT healing_insert('s', '{"id": 4, "x": 1}'), healing_insert('s', '{"id": 5, "x": 2}');
RESET ROLE;
REVOKE USAGE ON SCHEMA heal_replay_test FROM regress_heal_gone;
DROP ROLE regress_heal_gone;
ALTER ROLE regress_heal_named RENAME TO regress_heal_renamed;
REVOKE INSERT ON s FROM PUBLIC;
GRANT INSERT ON s TO regress_heal_ann;
SELECT mend.configure('s', mode => 'auto');
CALL mend.wait_idle('s');
SELECT * FROM s ORDER BY id;
SELECT by, payload, kind, sqlstate, field, error, reason FROM dead WHERE target = 's';
SELECT state, healed, failed FROM patches WHERE target = 's';

-- A CHECK or a trigger that refuses all rows of a patch: no column stays behind.
CREATE TABLE c (id int CHECK (id > 0), kind text);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind = 'bad' THEN RAISE EXCEPTION 'kind % is not welcome', NEW.kind; END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT mend.enroll('c');
SELECT healing_load('c', '[{"id": -1, "x": 1}, {"id": -2, "x": 2}]');
CALL mend.wait_idle('c');
SELECT healing_load('c', '[{"id": 1, "kind": "bad", "y": 1}]');
CALL mend.wait_idle('c');
SELECT to_jsonb(c) FROM c;
SELECT attname FROM pg_attribute WHERE attrelid = 'c'::regclass AND attnum > 0 AND NOT attisdropped;
SELECT state, reason, ddl, healed, failed FROM patches WHERE target = 'c';
SELECT payload, kind, sqlstate, error, reason FROM dead WHERE target = 'c';
-- Some of the actions: the patch is redone without the refuted one.
SELECT healing_load('c', '[{"id": -1, "p": 1}, {"id": 2, "q": 1}, {"id": 3, "q": 2, "kind": "bad"}, {"id": 4, "q": 3, "p": 4, "kind": "bad"}]');
CALL mend.wait_idle('c');
SELECT to_jsonb(c) FROM c ORDER BY id;
SELECT state, reason, ddl, healed, failed FROM patches WHERE target = 'c' OFFSET 2;
SELECT payload, kind, sqlstate, reason FROM dead WHERE target = 'c' OFFSET 3;

-- A deferred constraint that fails at commit is traced to its row; the others land.
CREATE TABLE u (id int, n int UNIQUE DEFERRABLE INITIALLY DEFERRED);
INSERT INTO u VALUES (0, 7);
SELECT mend.enroll('u');
SELECT healing_load('u', (SELECT jsonb_agg(jsonb_build_object('id', g, 'n', g, 'x', 1)) FROM generate_series(1, 100) g));
CALL mend.wait_idle('u');
SELECT count(*), count(DISTINCT n), count(x) FROM u;
SELECT payload, kind, sqlstate, reason FROM dead WHERE target = 'u';
SELECT state, healed, failed FROM patches WHERE target = 'u';
SELECT healing_load('u', '[{"id": 200, "n": 200, "y": 1}, {"id": 201, "n": 7, "y": 1}, {"id": 202, "n": 202, "y": 1}]');
CALL mend.wait_idle('u');
SELECT count(*), count(y) FROM u;
SELECT payload, kind, sqlstate, reason FROM dead WHERE target = 'u';

-- Nobody becomes superuser: the owner's deferred trigger at commit tries, at once and when deferred again.
SET ROLE regress_heal_eve;
CREATE TABLE evil (id int, n int);
CREATE TABLE loot (id int, what text, who name DEFAULT current_user);
GRANT INSERT ON loot TO PUBLIC;
CREATE FUNCTION try(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE what;
        INSERT INTO heal_replay_test.loot VALUES (1, what || ': done');
    EXCEPTION WHEN OTHERS THEN
        INSERT INTO heal_replay_test.loot VALUES (1, what || ': ' || SQLERRM);
    END;
END
$$;
CREATE FUNCTION grab() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM heal_replay_test.try('RESET ROLE');
    PERFORM heal_replay_test.try('SET ROLE postgres');
    PERFORM heal_replay_test.try('SET LOCAL ROLE postgres');
    PERFORM heal_replay_test.try('RESET SESSION AUTHORIZATION');
    PERFORM heal_replay_test.try('SET SESSION AUTHORIZATION postgres');
    PERFORM heal_replay_test.try('SELECT set_config(''role'', ''postgres'', false)');
    PERFORM heal_replay_test.try('ALTER ROLE regress_heal_eve SUPERUSER');
    IF NEW.n < 2 THEN
        SET CONSTRAINTS ALL DEFERRED;
        INSERT INTO heal_replay_test.evil VALUES (NEW.id, NEW.n + 1);
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER grab AFTER INSERT ON evil DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION grab();
GRANT INSERT ON evil TO regress_heal_ann;
RESET ROLE;
SELECT mend.enroll('evil', 'paused');
SET ROLE regress_heal_ann;
SELECT healing_insert('evil', '{"id": 1, "n": 0, "x": 1}');
SET ROLE regress_heal_eve;
SELECT healing_insert('evil', '{"id": 2, "n": 0, "x": 1}');
RESET ROLE;
SELECT mend.configure('evil', mode => 'auto');
CALL mend.wait_idle('evil');
SELECT who, replace(what, 'must be superuser to alter superuser roles or change superuser attribute', 'permission denied to alter role') AS what, count(*) FROM loot GROUP BY 1, 2 ORDER BY 1, 2;
SELECT id, n, x FROM evil ORDER BY 1, 2;
SELECT by, payload, sqlstate, error, reason FROM dead WHERE target = 'evil';
SELECT rolname, rolsuper FROM pg_roles WHERE rolname LIKE 'regress_heal_%' ORDER BY 1;

-- What user code leaves in the worker's session is gone before the next replay.
CREATE TABLE mess (id int, seen text);
CREATE FUNCTION mess() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.seen := format('%s locks, %s, %s, %s prepared, %s',
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
        coalesce(nullif(current_setting('mess.x', true), ''), 'no setting'), coalesce(to_regclass('pg_temp.mess_temp')::text, 'no table'),
        (SELECT count(*) FROM pg_prepared_statements), current_setting('work_mem'));
    PERFORM pg_advisory_lock(4711), set_config('mess.x', 'dirty', false), set_config('work_mem', '77MB', false);
    EXECUTE 'CREATE TEMP TABLE IF NOT EXISTS mess_temp (a int)';
    RETURN NEW;
END
$$;
CREATE TRIGGER mess BEFORE INSERT ON mess FOR EACH ROW EXECUTE FUNCTION mess();
SELECT mend.enroll('mess');
SELECT healing_insert('mess', '{"id": 1, "x": 1}');
CALL mend.wait_idle('mess');
SELECT healing_insert('mess', '{"id": 2, "y": 1}');
CALL mend.wait_idle('mess');
SELECT id, seen FROM mess ORDER BY id;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';

-- A missing partition waits for a person, idle; so does a missing foreign key target, for a while.
CREATE TABLE parts (id int, k int) PARTITION BY LIST (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE target (id int PRIMARY KEY);
CREATE TABLE refers (id int, ref int REFERENCES target);
SELECT mend.enroll('parts'), mend.enroll('refers');
SELECT healing_insert('parts', '{"id": 1, "k": 2}'), healing_insert('parts', '{"id": 2, "k": 2, "x": 1}'), healing_insert('refers', '{"id": 1, "ref": 5}');
CALL mend.wait_idle();
SELECT * FROM status WHERE target IN ('parts', 'refers');
SELECT kind, sqlstate, field, attempts > 0 AS tried, not_before IS NOT NULL AS backs_off FROM mend.queue ORDER BY id;
SELECT * FROM patches WHERE target IN ('parts', 'refers');
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);
INSERT INTO target VALUES (5);
SELECT mend.retry('parts'), mend.retry('refers');
CALL mend.wait_idle();
SELECT to_jsonb(parts) FROM parts ORDER BY id;
SELECT * FROM refers;
SELECT * FROM status WHERE target IN ('parts', 'refers');
SELECT * FROM dead WHERE target IN ('parts', 'refers');
SELECT field, kind, state, reason FROM mend.drifts WHERE target IN ('parts'::regclass, 'refers'::regclass) ORDER BY 1, 2;

-- Duplicate keys in replay, by on_conflict.
CREATE TABLE k_dead (id int PRIMARY KEY, a int, b int DEFAULT 9);
CREATE TABLE k_ignore (LIKE k_dead INCLUDING ALL);
CREATE TABLE k_update (LIKE k_dead INCLUDING ALL);
CREATE TABLE k_raise (LIKE k_dead INCLUDING ALL);
SELECT mend.enroll('k_dead'), mend.enroll('k_ignore', on_conflict => 'ignore'), mend.enroll('k_update', on_conflict => 'update'), mend.enroll('k_raise', on_conflict => 'raise');
INSERT INTO k_dead VALUES (1, 1, 1); INSERT INTO k_ignore VALUES (1, 1, 1); INSERT INTO k_update VALUES (1, 1, 1); INSERT INTO k_raise VALUES (1, 1, 1);
SELECT t, healing_load(t::regclass, '[{"id": 1, "a": 2, "x": 1}, {"id": 2, "a": 2, "x": 1}]') FROM unnest('{k_dead,k_ignore,k_update,k_raise}'::text[]) t;
CALL mend.wait_idle();
SELECT 'dead' AS how, * FROM k_dead UNION ALL SELECT 'ignore', * FROM k_ignore UNION ALL SELECT 'update', * FROM k_update UNION ALL SELECT 'raise', * FROM k_raise ORDER BY 1, 2;
SELECT target, payload, sqlstate, reason FROM dead WHERE target LIKE 'k\_%';
SELECT target, state, healed, failed FROM patches WHERE target LIKE 'k\_%' ORDER BY 1;

-- Leave nothing behind.
SELECT target_name, mend.unenroll(target) FROM mend.enrollments ORDER BY target_name;
RESET search_path;
DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events;
SELECT (SELECT count(*) FROM mend.queue) AS queued, (SELECT count(*) FROM mend.fields) AS fields, (SELECT count(*) FROM mend.progress) AS progress;
DROP SCHEMA heal_replay_test CASCADE;
DROP ROLE regress_heal_ann, regress_heal_bob, regress_heal_eve, regress_heal_renamed;
