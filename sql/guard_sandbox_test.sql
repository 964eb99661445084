-- Wall 4 alone: texts go straight to the sandbox, as superuser (test/border/sandbox_probe.cpp).
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE FUNCTION probe_sandbox(regclass, text) RETURNS text LANGUAGE c STRICT AS 'mend_border_probe', 'probe_sandbox';
CREATE SCHEMA regress_other;
CREATE FUNCTION regress_double(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
CREATE FUNCTION regress_spy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE boxed (id int PRIMARY KEY, qty int DEFAULT 1 CHECK (qty > 0), name varchar(5), note text);
CREATE INDEX ON boxed (regress_double(id));
CREATE TABLE slim (id int);
CREATE TABLE neighbour (id int PRIMARY KEY, secret text);
CREATE VIEW boxed_view AS SELECT id FROM boxed;
CREATE SEQUENCE loose;
CREATE TYPE regress_composite AS (a int);
CREATE DOMAIN regress_domain AS int CHECK (regress_double(VALUE) > 0);
INSERT INTO boxed SELECT g, g, 'n', repeat('x', 10) FROM generate_series(1, 50) g;
INSERT INTO neighbour VALUES (1, 'hidden');

-- What a patch or its inverse may do goes through.
SELECT ddl, probe_sandbox('boxed', ddl) FROM (VALUES
    ('ALTER TABLE public.boxed ADD COLUMN a bigint, ADD COLUMN b text DEFAULT ''x'''),
    ('ALTER TABLE public.boxed ALTER COLUMN qty TYPE bigint'),
    ('ALTER TABLE public.boxed ALTER COLUMN name TYPE text'),
    ('ALTER TABLE public.boxed ALTER COLUMN qty TYPE int USING qty::int, DROP COLUMN a, DROP COLUMN b'),
    ('ALTER TABLE public.boxed ALTER COLUMN qty DROP DEFAULT'),
    ('ALTER TABLE public.boxed ALTER COLUMN qty SET NOT NULL'),
    ('ALTER TABLE public.boxed ALTER COLUMN qty DROP NOT NULL')) v (ddl);
SELECT probe_sandbox('slim', 'ALTER TABLE public.slim ADD COLUMN note text') AS with_a_new_toast_table;

-- Everything else does not, whoever asks.
CREATE TEMP TABLE hostile (id int GENERATED ALWAYS AS IDENTITY, ddl text);
INSERT INTO hostile (ddl) VALUES
    ('SELECT * FROM neighbour'), ('SELECT * FROM boxed'), ('INSERT INTO boxed (id) VALUES (99)'),
    ('DELETE FROM neighbour'), ('UPDATE pg_authid SET rolsuper = true'), ('VALUES (1)'),
    ('ALTER TABLE neighbour ADD COLUMN x int'), ('ALTER TABLE mend.queue ADD COLUMN x int'),
    ('ALTER TABLE boxed ADD COLUMN x int; ALTER TABLE boxed ADD COLUMN y int'),
    ('ALTER TABLE boxed ADD COLUMN x int; DROP TABLE neighbour'),
    ('ALTER TABLE boxed ADD COLUMN x serial'), ('ALTER TABLE boxed ADD COLUMN x int GENERATED ALWAYS AS IDENTITY'),
    ('ALTER TABLE boxed ADD COLUMN x int REFERENCES neighbour'),
    ('ALTER TABLE boxed ADD FOREIGN KEY (id) REFERENCES neighbour'),
    ('ALTER TABLE boxed INHERIT neighbour'), ('ALTER TABLE boxed OWNER TO pg_monitor; SELECT 1'),
    ('ALTER TABLE boxed SET SCHEMA regress_other; SELECT 1'),
    ('ALTER VIEW boxed_view RENAME TO v'), ('ALTER SEQUENCE loose RESTART'), ('ALTER INDEX boxed_pkey RENAME TO i'),
    ('ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE pg_global'),
    ('DROP TABLE boxed'), ('DROP TABLE neighbour'), ('DROP VIEW boxed_view'), ('DROP SCHEMA regress_other'),
    ('DROP FUNCTION regress_double(int) CASCADE'), ('TRUNCATE boxed'), ('TRUNCATE neighbour'),
    ('CREATE TABLE t (x int)'), ('CREATE TABLE t AS SELECT 1'), ('CREATE TEMP TABLE t (x int)'), ('CREATE VIEW v AS SELECT 1'),
    ('CREATE MATERIALIZED VIEW v AS SELECT 1'), ('CREATE INDEX ON boxed (note)'), ('CREATE SEQUENCE s'),
    ('CREATE TYPE t AS ENUM (''a'')'), ('CREATE DOMAIN d AS int'), ('CREATE SCHEMA s'), ('CREATE EXTENSION pg_mend'),
    ('CREATE FUNCTION f() RETURNS int LANGUAGE sql AS ''SELECT 1'''), ('CREATE OPERATOR # (FUNCTION = regress_double, RIGHTARG = int)'),
    ('CREATE TRIGGER t BEFORE INSERT ON boxed FOR EACH ROW EXECUTE FUNCTION regress_spy()'),
    ('CREATE RULE r AS ON INSERT TO boxed DO INSTEAD NOTHING'), ('CREATE POLICY p ON boxed'),
    ('CREATE PUBLICATION p FOR TABLE boxed'), ('CREATE STATISTICS s ON id, qty FROM boxed'), ('CREATE CAST (int AS text) WITH INOUT'),
    ('CREATE ROLE regress_r'), ('ALTER ROLE mend_healer SUPERUSER'), ('GRANT ALL ON boxed TO PUBLIC'),
    ('GRANT pg_execute_server_program TO mend_healer'), ('REVOKE ALL ON boxed FROM PUBLIC'), ('SET ROLE pg_monitor'),
    ('SET SESSION AUTHORIZATION mend_healer'), ('SET search_path = regress_other'), ('RESET ALL'), ('SHOW search_path'),
    ('COPY neighbour TO PROGRAM ''cat'''), ('COPY boxed FROM PROGRAM ''echo 1'''), ('COPY boxed TO STDOUT'),
    ('DO $d$ BEGIN PERFORM 1; END $d$'), ('CALL mend.wait_idle()'), ('PREPARE p AS SELECT 1'), ('LISTEN c'), ('NOTIFY c'),
    ('LOAD ''pg_mend'''), ('VACUUM boxed'), ('ANALYZE boxed'), ('CLUSTER boxed USING boxed_pkey'), ('REINDEX TABLE boxed'),
    ('LOCK TABLE neighbour'), ('COMMENT ON TABLE boxed IS ''x'''), ('SECURITY LABEL ON TABLE boxed IS ''x'''),
    ('CHECKPOINT'), ('ALTER SYSTEM SET work_mem = 1'), ('ALTER DATABASE postgres SET work_mem = 1'),
    ('ALTER TABLE boxed ALTER COLUMN qty TYPE bigint USING (SELECT 1)'), ('IMPORT FOREIGN SCHEMA s FROM SERVER x INTO public'),
    ('ALTER EXTENSION pg_mend ADD TABLE boxed'), ('REASSIGN OWNED BY postgres TO mend_healer'), ('DISCARD ALL'),
    ('CREATE DATABASE d'), ('DROP DATABASE template1'), ('CREATE TABLESPACE t LOCATION ''/tmp'''), ('CREATE FOREIGN DATA WRAPPER w'),
    ('CREATE SERVER s FOREIGN DATA WRAPPER w'), ('CREATE FOREIGN TABLE f (a int) SERVER s'), ('CREATE USER MAPPING FOR PUBLIC SERVER s'),
    ('CREATE SUBSCRIPTION s CONNECTION '''' PUBLICATION p'), ('CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION regress_spy()'),
    ('CREATE LANGUAGE l HANDLER plpgsql_call_handler'), ('CREATE TRANSFORM FOR int LANGUAGE plpgsql (FROM SQL WITH FUNCTION prsd_lextype(internal))'),
    ('CREATE ACCESS METHOD a TYPE INDEX HANDLER bthandler'), ('CREATE OPERATOR FAMILY o USING btree'),
    ('CREATE OPERATOR CLASS o FOR TYPE int USING btree AS STORAGE int'), ('CREATE AGGREGATE a (int) (SFUNC = int4pl, STYPE = int)'),
    ('CREATE PROCEDURE p() LANGUAGE sql AS '''''), ('CREATE COLLATION c FROM "C"'),
    ('CREATE CONVERSION c FOR ''LATIN1'' TO ''UTF8'' FROM iso8859_1_to_utf8'), ('CREATE TEXT SEARCH CONFIGURATION c (COPY = simple)'),
    ('CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)'), ('CREATE TEXT SEARCH TEMPLATE t (LEXIZE = dsimple_lexize)'),
    ('REFRESH MATERIALIZED VIEW m'), ('ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC'), ('DECLARE c CURSOR FOR SELECT 1'),
    ('EXPLAIN ANALYZE DELETE FROM neighbour'), ('EXECUTE p'), ('DEALLOCATE ALL'), ('UNLISTEN *'), ('DROP OWNED BY mend_healer'),
    ('ALTER FUNCTION regress_spy() SECURITY DEFINER'), ('COMMENT ON DATABASE postgres IS ''x'''), ('SELECT * INTO t FROM neighbour'),
    ('WITH d AS (DELETE FROM neighbour RETURNING 1) SELECT 1'), ('ALTER TABLE boxed RENAME TO b'), ('ALTER TABLE boxed RENAME COLUMN note TO n'),
    -- The table itself, otherwise than patches do.
    ('ALTER TABLE boxed OWNER TO mend_healer'), ('ALTER TABLE boxed DISABLE TRIGGER ALL'), ('ALTER TABLE boxed ENABLE ROW LEVEL SECURITY'),
    ('ALTER TABLE boxed SET TABLESPACE pg_default'), ('ALTER TABLE boxed SET UNLOGGED'), ('ALTER TABLE boxed ADD UNIQUE (note)'),
    ('ALTER TABLE boxed ADD CHECK (id > 0)'), ('ALTER TABLE boxed ADD EXCLUDE USING btree (note WITH =)'), ('ALTER TABLE boxed REPLICA IDENTITY FULL'),
    ('ALTER TABLE boxed CLUSTER ON boxed_pkey'), ('ALTER TABLE boxed OF regress_composite'), ('ALTER TABLE boxed DROP CONSTRAINT boxed_qty_check'),
    ('ALTER TABLE boxed SET (fillfactor = 10)'), ('ALTER TABLE boxed ALTER COLUMN note SET STATISTICS 1'), ('ALTER TABLE boxed DROP COLUMN id CASCADE'),
    ('ALTER TABLE boxed ADD COLUMN x int, OWNER TO mend_healer'),
    -- Expressions that PostgreSQL would compute for it, and types that bring code.
    ('ALTER TABLE boxed ADD COLUMN x bigint DEFAULT nextval(''loose'')'), ('ALTER TABLE boxed ADD COLUMN x bigint DEFAULT setval(''loose'', 99)::int8'),
    ('ALTER TABLE boxed ADD COLUMN x text DEFAULT pg_read_file(''postgresql.conf'')'), ('ALTER TABLE boxed ADD COLUMN x oid DEFAULT lo_creat(-1)'),
    ('ALTER TABLE boxed ADD COLUMN x int DEFAULT regress_double(1)'), ('ALTER TABLE boxed ADD COLUMN x timestamptz DEFAULT now()'),
    ('ALTER TABLE boxed ADD COLUMN x bool DEFAULT pg_reload_conf()'), ('ALTER TABLE boxed ADD COLUMN x text DEFAULT set_config(''role'', ''pg_monitor'', false)'),
    ('ALTER TABLE boxed ADD COLUMN x int CHECK (regress_double(1) = 2)'), ('ALTER TABLE boxed ADD COLUMN x int UNIQUE'),
    ('ALTER TABLE boxed ADD COLUMN x int GENERATED ALWAYS AS (id * 2) STORED'), ('ALTER TABLE boxed ADD COLUMN x regress_composite'),
    ('ALTER TABLE boxed ADD COLUMN x regress_domain DEFAULT ''1'''), ('ALTER TABLE boxed ADD COLUMN x neighbour[]'),
    ('ALTER TABLE boxed ALTER COLUMN note TYPE text USING pg_read_file(''postgresql.conf'')'),
    ('ALTER TABLE boxed ALTER COLUMN note TYPE bigint USING nextval(''loose'')'), ('ALTER TABLE boxed ALTER COLUMN note TYPE text USING note || name'),
    ('ALTER TABLE public.boxed ALTER COLUMN qty TYPE public.regress_domain'), ('ALTER TABLE public.boxed ALTER COLUMN qty TYPE bigint USING (qty::public.regress_domain)::bigint'),
    ('ALTER TABLE public.boxed ADD COLUMN x int DEFAULT 5::public.regress_domain');
CREATE TEMP TABLE answers AS SELECT h.id, h.ddl, probe_sandbox('boxed', h.ddl) AS answer FROM hostile h ORDER BY h.id;
SELECT count(*) AS tried, count(*) FILTER (WHERE answer = 'done') AS done FROM answers;
SELECT ddl, answer FROM answers WHERE answer NOT LIKE '42501 pg_mend: the sandbox refuses%' ORDER BY id;
SELECT is_called FROM loose;

-- A rewrite's transient copy is the table's, and not one that bears another table's name, or is called alike.
CREATE FUNCTION probe_sandbox_altered(regclass, regclass) RETURNS text LANGUAGE c STRICT AS 'mend_border_probe', 'probe_sandbox_altered';
CREATE FUNCTION regress_copy_of(original regclass) RETURNS regclass LANGUAGE plpgsql AS $$
DECLARE copy text := format('pg_temp_%s', original::oid);
BEGIN
    EXECUTE format('CREATE TABLE %I ()', copy);
    RETURN copy;
END
$$;
SELECT regexp_replace(probe_sandbox_altered('boxed', r), '\d{4,}', 'N') AS answer
    FROM unnest(ARRAY['boxed'::regclass, 'boxed_pkey', regress_copy_of('boxed'), regress_copy_of('neighbour'), 'neighbour', 'neighbour_pkey']) r;
DO $$ BEGIN EXECUTE format('DROP TABLE pg_temp_%s, pg_temp_%s', 'boxed'::regclass::oid, 'neighbour'::regclass::oid); END $$;
DROP FUNCTION regress_copy_of, probe_sandbox_altered;

-- Functions that the ALTER runs may not touch anything either.
CREATE FUNCTION regress_reader(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
$$ BEGIN RETURN (SELECT count(*) FROM public.neighbour); END $$;
CREATE TABLE trapped (id int, qty int);
CREATE INDEX ON trapped (regress_reader(id));
INSERT INTO trapped VALUES (1, 1);
SELECT probe_sandbox('trapped', 'ALTER TABLE public.trapped ALTER COLUMN qty TYPE bigint');
-- ... but what a superuser's event trigger does is the superuser's business.
CREATE TABLE ddl_log (tag text);
CREATE FUNCTION regress_log() RETURNS event_trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO public.ddl_log VALUES (tg_tag); END $$;
CREATE EVENT TRIGGER regress_logs ON ddl_command_end EXECUTE FUNCTION regress_log();
SELECT probe_sandbox('boxed', 'ALTER TABLE public.boxed ADD COLUMN logged int');
SELECT probe_sandbox('boxed', 'DROP TABLE neighbour');
DROP EVENT TRIGGER regress_logs;
SELECT * FROM ddl_log;

-- Nothing of it lasts: the session is as free as before.
SELECT count(*) FROM neighbour;
DROP TABLE boxed, slim, neighbour, ddl_log, trapped CASCADE;
DROP SEQUENCE loose;
DROP TYPE regress_composite;
DROP DOMAIN regress_domain;
DROP SCHEMA regress_other;
DROP FUNCTION regress_double, regress_spy, regress_log, regress_reader, probe_sandbox;
