-- CREATE EXTENSION binds to nothing that others have made in its schema beforehand: functions with exact argument types,
-- operators, types and casts of every name that the script uses.
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT current_database() AS home \gset
CREATE DATABASE regress_install_path TEMPLATE template0 ENCODING 'UTF8';
\connect regress_install_path
CREATE SCHEMA bait;
-- Every function of pg_catalog that takes arguments, with the arguments that a call may have after resolution: an exact match wins.
DO $do$
DECLARE
    made int := 0;
    f record;
BEGIN
    FOR f IN
        SELECT p.proname, p.prokind, p.oid, pg_get_function_identity_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
        FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND p.pronargs > 0
    LOOP
        BEGIN
            EXECUTE format('CREATE FUNCTION bait.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', f.proname, f.arguments, f.result, 'BEGIN RAISE ''hijacked''; END');
            made := made + 1;
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
    -- Overloads that beat VARIADIC "any" and VARIADIC text[].
    FOR f IN
        SELECT n.name, array_to_string(array_fill('text'::text, ARRAY[c]), ', ') AS arguments
        FROM (VALUES ('jsonb_build_object'), ('jsonb_build_array'), ('json_build_object'), ('format'), ('concat'), ('concat_ws'), ('coalesce')) n (name),
             generate_series(1, 8) c
        UNION ALL
        VALUES ('jsonb_build_array', 'text, bigint, numeric, bigint, numeric, text, text, bigint, text, jsonb')
    LOOP
        BEGIN
            EXECUTE format('CREATE FUNCTION bait.%I(%s) RETURNS jsonb LANGUAGE plpgsql AS %L', f.name, f.arguments, 'BEGIN RAISE ''hijacked''; END');
            made := made + 1;
        EXCEPTION WHEN duplicate_function THEN
            NULL;
        END;
    END LOOP;
    FOR f IN SELECT o.oprname, format_type(o.oprleft, NULL) AS l, format_type(o.oprright, NULL) AS r, o.oprcode::regproc AS code
             FROM pg_operator o WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprleft <> 0 LOOP
        BEGIN
            EXECUTE format('CREATE OPERATOR bait.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = %s)', f.oprname, f.l, f.r, f.code);
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
    FOR f IN SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'p') AND typname NOT LIKE '\_%' LOOP
        EXECUTE format('CREATE DOMAIN bait.%I AS pg_catalog.text', f.typname);
    END LOOP;
    EXECUTE 'CREATE VIEW bait.pg_class AS SELECT 1 AS nothing';
    EXECUTE 'CREATE VIEW bait.pg_roles AS SELECT 1 AS nothing';
    EXECUTE 'CREATE VIEW bait.pg_stat_activity AS SELECT 1 AS nothing';
    IF made < 2000 THEN
        RAISE 'only % functions were made', made;
    END IF;
END
$do$;
CREATE EXTENSION pg_mend SCHEMA bait;
-- What of mend depends on anything there: columns, defaults and rules of views included.
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS object, pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) AS depends_on
FROM pg_depend d
JOIN LATERAL pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid) r ON r.schema = 'bait' OR r.identity LIKE 'bait.%'
JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) o ON o.identity LIKE '%mend.%' OR o.schema = 'mend'
WHERE d.deptype = 'n'
ORDER BY 1, 2;
SET search_path = bait, pg_catalog;
SELECT count(*) > 5 AS "metrics can be read" FROM mend.metrics;
SELECT mend.event_digest(NULL, 1, now(), NULL) ~ '^[0-9a-f]{64}$' AS "the digest is PostgreSQL's own";
RESET search_path;
\connect :home
DROP DATABASE regress_install_path WITH (FORCE);
