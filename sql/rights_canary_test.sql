-- No value of a payload reaches an agent by way of an error: every place of a table where code may raise raises with the value in
-- its message, and everything that a role of mend_agent can read is searched for it.
CREATE SCHEMA canary_test;
SET search_path = canary_test, public;
SET client_min_messages = warning;
CREATE ROLE regress_canary_agent LOGIN IN ROLE mend_agent;
GRANT USAGE ON SCHEMA canary_test TO mend_agent;

CREATE FUNCTION sings(value text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF value LIKE 'CANARY%' THEN RAISE EXCEPTION USING MESSAGE = 'no ' || value, DETAIL = 'it is ' || value, HINT = 'not ' || value, ERRCODE = coalesce(current_setting('canary.code', true), 'P0001'); END IF;
    RETURN true;
END $$;
CREATE FUNCTION sings_itself(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM canary_test.sings(value); RETURN value; END $$;
CREATE FUNCTION trigger_sings() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM canary_test.sings(NEW.v::text); RETURN NEW; END $$;
CREATE DOMAIN singing AS text CHECK (canary_test.sings(VALUE));
CREATE TYPE mood AS ENUM ('sad', 'glad');

-- One table a place.
CREATE TABLE by_check (id int, v text CHECK (sings(v)));
CREATE TABLE by_domain (id int, v singing);
CREATE TABLE by_generated (id int, v text, g text GENERATED ALWAYS AS (sings_itself(v)) STORED);
CREATE TABLE by_index (id int, v text);
CREATE INDEX ON by_index (sings_itself(v));
CREATE TABLE by_before (id int, v text);
CREATE TRIGGER t BEFORE INSERT ON by_before FOR EACH ROW EXECUTE FUNCTION trigger_sings();
CREATE TABLE by_after (id int, v text);
CREATE TRIGGER t AFTER INSERT ON by_after FOR EACH ROW EXECUTE FUNCTION trigger_sings();
CREATE TABLE by_deferred (id int, v text);
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON by_deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trigger_sings();
CREATE TABLE by_unique (id int, v text UNIQUE);
INSERT INTO by_unique VALUES (0, 'CANARY 1'), (0, 'CANARY 2'), (0, 'CANARY 3');
CREATE TABLE parent (v text PRIMARY KEY);
CREATE TABLE by_foreign_key (id int, v text REFERENCES parent);
CREATE TABLE by_foreign_key_deferred (id int, v text REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE by_exclusion (id int, v text, EXCLUDE USING btree (v WITH =));
INSERT INTO by_exclusion VALUES (0, 'CANARY 1'), (0, 'CANARY 2'), (0, 'CANARY 3');
CREATE TABLE by_partition (id int, v text) PARTITION BY LIST (v);
CREATE TABLE by_type (id int, v int);
INSERT INTO by_type VALUES (0, 1);
CREATE TABLE by_enum (id int, v mood);
CREATE TABLE by_date (id int, v date);
INSERT INTO by_date VALUES (0, '2026-01-01');
CREATE TABLE by_length (id int, v char(3));
CREATE TABLE by_policy (id int, v text);
CREATE ROLE regress_canary_writer;
GRANT USAGE ON SCHEMA canary_test TO regress_canary_writer;
GRANT INSERT ON by_policy TO regress_canary_writer;
ALTER TABLE by_policy ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON by_policy FOR INSERT WITH CHECK (sings(v));
SELECT count(mend.enroll(oid)) FROM pg_class WHERE relnamespace = 'canary_test'::regnamespace AND relname LIKE 'by\_%' AND relkind IN ('r', 'p');

-- A row that fits but for the place, one that needs a patch as well, and one under a borrowed SQLSTATE.
\o /dev/null
SELECT unnest(ARRAY[format('SET ROLE %s', CASE WHEN relname = 'by_policy' THEN 'regress_canary_writer' ELSE 'none' END),
    format('SELECT healing_insert(%L, ''{"id": 1, "v": "CANARY 1"}'')', 'canary_test.' || relname),
    format('SELECT healing_insert(%L, ''{"id": 2, "v": "CANARY 2", "extra_%s": 1}'')', 'canary_test.' || relname, relname), 'RESET ROLE'])
FROM pg_class WHERE relnamespace = 'canary_test'::regnamespace AND relname LIKE 'by\_%' AND relkind IN ('r', 'p') ORDER BY relname \gexec
CALL mend.wait_idle();
SELECT unnest(ARRAY[format('SET canary.code = %L', code), format('SELECT healing_insert(%L, ''{"id": 3, "v": "CANARY 3", "more_%s": 1}'')', 'canary_test.' || relname, code), 'RESET canary.code'])
FROM pg_class, unnest(ARRAY['23514', '22003', '42501', '40001', 'XX000']) code
WHERE relnamespace = 'canary_test'::regnamespace AND relname IN ('by_check', 'by_before', 'by_after', 'by_deferred', 'by_domain') ORDER BY relname, code \gexec
CALL mend.wait_idle();
-- An agent proposes.
SET SESSION AUTHORIZATION regress_canary_agent;
SELECT mend.propose(oid::regclass, format('ALTER TABLE %s ADD COLUMN proposed int', oid::regclass), '{}', 'a test') FROM pg_class
    WHERE relnamespace = 'canary_test'::regnamespace AND relname LIKE 'by\_%' AND relkind = 'r';
RESET SESSION AUTHORIZATION;
CALL mend.wait_idle();
\o

-- All that an agent can read, as rows of text.
GRANT CREATE ON SCHEMA canary_test TO mend_agent;
SET ROLE regress_canary_agent;
DO $$
DECLARE
    relation regclass;
    sung bigint;
BEGIN
    FOR relation IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'mend'::regnamespace AND c.relkind IN ('r', 'v') AND has_table_privilege(c.oid, 'SELECT') ORDER BY c.oid::regclass::text
    LOOP
        EXECUTE format('SELECT count(*) FROM %s x WHERE x::text LIKE ''%%CANARY%%''', relation) INTO sung;
        IF sung > 0 THEN RAISE WARNING '%: % rows', relation, sung; END IF;
    END LOOP;
END $$;
-- What the tools answer.
SELECT tool, count(*) FROM (
    SELECT 'explain_patch' AS tool, mend.explain_patch(id)::text AS answer FROM mend.patches WHERE target_name LIKE 'canary_test.%'
    UNION ALL SELECT 'dry_run_patch', mend.dry_run_patch(id)::text FROM mend.patches WHERE target_name LIKE 'canary_test.%' AND state IN ('proposed', 'failed')
    UNION ALL SELECT 'causes', c::text FROM mend.causes c) a
WHERE answer LIKE '%CANARY%' GROUP BY 1;
RESET ROLE;
-- It did sing.
SELECT count(*) > 10 AS in_the_books FROM mend.dead_letters WHERE target_name LIKE 'canary_test.%' AND error LIKE '%CANARY%';

SET client_min_messages = error;
DELETE FROM mend.queue WHERE target_name LIKE 'canary_test.%';
SELECT count(mend.discard(ARRAY[id], 'test')) > 0 AS discarded FROM mend.dead_letters WHERE target_name LIKE 'canary_test.%';
SELECT count(mend.unenroll(target)) > 10 AS unenrolled FROM mend.enrollments WHERE target_name LIKE 'canary_test.%';
DROP SCHEMA canary_test CASCADE;
DROP OWNED BY regress_canary_agent, regress_canary_writer;
DROP ROLE regress_canary_agent, regress_canary_writer;
