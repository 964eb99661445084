-- Callers act with their own rights, and need no more than INSERT.
SET client_min_messages = warning;
CREATE SCHEMA ingest_rights_test;
SET search_path = ingest_rights_test, public;
CREATE ROLE regress_ingest_writer;
CREATE ROLE regress_ingest_columns;
CREATE ROLE regress_ingest_stranger;
GRANT USAGE ON SCHEMA ingest_rights_test TO regress_ingest_writer, regress_ingest_columns, regress_ingest_stranger;
CREATE TABLE t (id int, tenant text, note text);
SELECT mend.enroll('t', 'paused');
GRANT INSERT ON t TO regress_ingest_writer;
GRANT INSERT (id, tenant) ON t TO regress_ingest_columns;

SET ROLE regress_ingest_writer;
SELECT healing_insert('t', '{"id": 1, "tenant": "a"}'), healing_insert('t', '{"id": 2, "new": 1}'), healing_insert('t', '5');
SELECT * FROM t;
SELECT * FROM mend.queue;
SELECT 'inserted'::mend.outcome;
SET ROLE regress_ingest_columns;
SELECT healing_insert('t', '{"id": 3, "tenant": "b"}');
SELECT healing_insert('t', '{"id": 4, "note": "b"}');
SELECT healing_insert('t', '{"id": 4, "note": "b", "new": 1}');
SET ROLE regress_ingest_stranger;
SELECT healing_insert('t', '{"id": 5}');
SELECT healing_load('t', '{"id": 5}');
SELECT healing_insert('mend.queue', '{}');
RESET ROLE;
SELECT * FROM t;
SELECT submitted_by, submitter::regrole, field FROM mend.queue ORDER BY id;
SELECT submitted_by, kind FROM mend.dead_letters ORDER BY id;

-- ON CONFLICT DO UPDATE needs UPDATE, as in INSERT.
CREATE TABLE u (id int PRIMARY KEY, a int);
GRANT INSERT ON u TO regress_ingest_writer;
SELECT mend.enroll('u', 'paused', on_conflict => 'update');
SET ROLE regress_ingest_writer;
SELECT healing_insert('u', '{"id": 1, "a": 1}');
RESET ROLE;

-- Row-level security judges the row; what the caller may not do at all is raised.
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON t FOR INSERT WITH CHECK (tenant = current_setting('app.tenant', true));
DELETE FROM mend.dead_letters;
SET ROLE regress_ingest_writer;
SET app.tenant = 'a';
SELECT healing_load('t', '[{"id": 10, "tenant": "a"}, {"id": 11, "tenant": "b"}, {"id": 12, "tenant": "a"}]');
SET row_security = off;
SELECT healing_insert('t', '{"id": 13, "tenant": "a"}');
RESET row_security;
RESET ROLE;
SELECT * FROM t WHERE id >= 10;
SELECT sqlstate, kind, field, error, reason, payload FROM mend.dead_letters;

-- A trigger that lacks a right: about the caller, not about the row.
CREATE TABLE audit (id int);
CREATE TABLE v (id int);
GRANT INSERT ON v TO regress_ingest_writer;
CREATE FUNCTION v_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO ingest_rights_test.audit VALUES (NEW.id); RETURN NULL; END $$;
CREATE TRIGGER audit AFTER INSERT ON v FOR EACH ROW EXECUTE FUNCTION v_audit();
SELECT mend.enroll('v', 'paused');
SET ROLE regress_ingest_writer;
SELECT healing_insert('v', '{"id": 1}');
RESET ROLE;

-- A caller's search_path, operators and functions change nothing.
CREATE SCHEMA evil;
GRANT ALL ON SCHEMA evil TO regress_ingest_writer;
SET ROLE regress_ingest_writer;
CREATE FUNCTION evil.eq(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil runs as %', current_user; END $$;
CREATE OPERATOR evil.= (FUNCTION = evil.eq, LEFTARG = oid, RIGHTARG = oid);
CREATE FUNCTION evil.to_json(anyarray) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil runs as %', current_user; END $$;
SET search_path = evil, pg_catalog, public;
SET app.tenant = 'a';
SELECT healing_insert('ingest_rights_test.t', '{"id": 20, "tenant": "a"}'), healing_insert('ingest_rights_test.t', '{"id": 21, "new": "a"}');
SET search_path = ingest_rights_test, public;
RESET ROLE;

DROP TABLE t, u, v;
DROP SCHEMA evil CASCADE;
DROP OWNED BY regress_ingest_writer, regress_ingest_columns, regress_ingest_stranger;
DROP ROLE regress_ingest_writer, regress_ingest_columns, regress_ingest_stranger;

-- Leave nothing behind.
RESET search_path;
DELETE FROM mend.queue; DELETE FROM mend.dead_letters; DELETE FROM mend.fields; DELETE FROM mend.enrollments; DELETE FROM mend.events;
DROP SCHEMA ingest_rights_test CASCADE;
