-- Rules of which each shows in one case alone.
SET client_min_messages = warning;
CREATE SCHEMA heal_edges_test;
SET search_path = heal_edges_test, public;
CREATE FUNCTION last_of(target regclass) RETURNS bigint LANGUAGE sql AS $$ SELECT max(id) FROM mend.patches p WHERE p.target = last_of.target $$;

-- Rejecting or reverting a patch holds the fields that it maps, also those of which no drift was known.
CREATE TABLE mapped (id int, n int);
SELECT mend.enroll('mapped', 'review');
SELECT mend.propose('mapped', '', '{"unheard": "n"}') > 0 AS proposed;
SELECT mend.reject(last_of('mapped'), 'it means something else');
SELECT field, column_name, regexp_replace(held, '\d+', 'N') AS held FROM mend.fields WHERE target = 'mapped'::regclass;
DELETE FROM mend.fields;
SELECT mend.configure('mapped', mode => 'paused');
SELECT mend.propose('mapped', '', '{"number": "n"}') AS patch \gset
SELECT healing_insert('mapped', '{"id": 1, "number": 10}');
SELECT mend.approve(:patch);
SELECT mend.configure('mapped', mode => 'review');
CALL mend.wait_idle('mapped');
SELECT * FROM mapped;
SELECT mend.revert(:patch);
SELECT field, column_name, regexp_replace(held, '\d+', 'N') AS held FROM mend.fields WHERE target = 'mapped'::regclass;
SELECT healing_insert('mapped', '{"id": 2, "number": 20}');
CALL mend.wait_idle('mapped');
SELECT rows, field_map, regexp_replace(reason, '\d+', 'N') AS reason FROM mend.decisions WHERE target = 'mapped'::regclass ORDER BY patch_id;

-- A row with which a worker went down shows nothing of a patch while another does, and is stored alone.
CREATE TABLE suspects (id int);
SELECT mend.enroll('suspects', 'paused');
SELECT healing_load('suspects', '[{"id": 1, "extra": 1}, {"id": 2, "extra": 2}, {"id": 3, "extra": 3}]');
UPDATE mend.queue SET crashes = 1 WHERE target = 'suspects'::regclass AND payload::jsonb ->> 'id' = '2';
SELECT mend.configure('suspects', mode => 'auto');
CALL mend.wait_idle('suspects');
SELECT *, count(*) OVER (PARTITION BY xmin::text) AS stored_together FROM suspects ORDER BY id;
-- Where there is no other it is the sample.
SELECT mend.configure('suspects', mode => 'paused');
SELECT healing_insert('suspects', '{"id": 4, "another": 1}');
UPDATE mend.queue SET crashes = 1 WHERE target = 'suspects'::regclass;
SELECT mend.configure('suspects', mode => 'auto');
CALL mend.wait_idle('suspects');
SELECT id, another FROM suspects WHERE id = 4;

-- An error that PostgreSQL raises for some of many rows at once is that of the right one.
CREATE TABLE pages (id int, note text);
ALTER TABLE pages ALTER note SET STORAGE PLAIN;
SELECT mend.enroll('pages', 'paused');
SELECT healing_load('pages', format('[{"id": 1, "note": "a"}, {"id": 2, "note": "%s"}, {"id": 3, "note": "c"}]', repeat('b', 9000))::text);
SELECT * FROM pages ORDER BY id;
SELECT payload::jsonb ->> 'id' AS id, sqlstate, error FROM mend.dead_letters WHERE target = 'pages'::regclass;

-- An event that is older than its transaction came with a restore: nobody is told of it.
BEGIN;
INSERT INTO mend.events (kind, at) VALUES ('old', transaction_timestamp() - interval '1 second'), ('new', clock_timestamp());
SELECT channel, kind FROM mend.outbox WHERE kind IN ('old', 'new');
ROLLBACK;

-- The audit trail is append-only for whoever has rights on it, also where triggers are off.
CREATE ROLE regress_heal_meddler;
GRANT USAGE ON SCHEMA mend TO regress_heal_meddler;
GRANT ALL ON mend.events, mend.event_seals TO regress_heal_meddler;
INSERT INTO mend.events (kind) VALUES ('kept');
SET session_replication_role = replica;
SET ROLE regress_heal_meddler;
DELETE FROM mend.events;
UPDATE mend.events SET kind = 'changed';
TRUNCATE mend.events;
DELETE FROM mend.event_seals;
RESET ROLE;
RESET session_replication_role;
SELECT kind FROM mend.events WHERE kind IN ('kept', 'changed');
REVOKE ALL ON mend.events, mend.event_seals FROM regress_heal_meddler;
REVOKE ALL ON SCHEMA mend FROM regress_heal_meddler;
DROP ROLE regress_heal_meddler;

-- Leave nothing behind.
SELECT mend.unenroll_all(force => true) AS unenrolled;
RESET search_path;
DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.fields; DELETE FROM mend.events;
SELECT (SELECT count(*) FROM mend.queue) AS queued, (SELECT count(*) FROM mend.progress) AS progress;
DROP SCHEMA heal_edges_test CASCADE;
