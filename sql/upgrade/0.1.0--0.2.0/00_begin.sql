-- Joined by the Makefile into pg_mend--0.1.0--0.2.0.sql: first these pieces, in the order of their names, which change types and
-- tables and drop what changes its signature; then the pieces of sql/install from 30 on, which replace functions, views and triggers;
-- then the pieces here from 90 on.
\echo Use "ALTER EXTENSION pg_mend UPDATE" to load this file. \quit

-- As in the install script: nothing here may bind to what others have made in the extension's schema.
SET LOCAL search_path = pg_catalog, pg_temp;

-- The library that this session runs must be the new one.
DO $do$
BEGIN
    CREATE FUNCTION mend.wake_of_this_release() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'mend_wake';
    DROP FUNCTION mend.wake_of_this_release();
EXCEPTION WHEN undefined_function THEN
    RAISE EXCEPTION 'this session has loaded the library of an older release of pg_mend'
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'Connect anew; where shared_preload_libraries names pg_mend, restart the server first.';
END
$do$;

-- Workers run the old library: those who come after them run the new one, once this transaction has committed. Then all tables at
-- once, for whoever holds one may be waiting for another. What is in use is not waited for with anything held.
DO $do$
DECLARE
    tables pg_catalog.text := (SELECT pg_catalog.string_agg(c.oid::pg_catalog.regclass::text, ', ' ORDER BY c.oid) FROM pg_catalog.pg_class c
        WHERE c.relnamespace = 'mend'::pg_catalog.regnamespace AND c.relkind = 'r');
    lock_timeout pg_catalog.text := pg_catalog.current_setting('lock_timeout');
    give_up pg_catalog.timestamptz := pg_catalog.clock_timestamp() + '60 seconds';
BEGIN
    LOOP
        PERFORM pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a
        WHERE a.backend_type = 'pg_mend worker' AND a.datname = pg_catalog.current_database();
        BEGIN
            PERFORM pg_catalog.set_config('lock_timeout', '500ms', true);
            EXECUTE 'LOCK TABLE ' || tables || ' IN ACCESS EXCLUSIVE MODE';
            EXIT;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            IF pg_catalog.clock_timestamp() > give_up THEN
                RAISE EXCEPTION 'the tables of pg_mend have been in use for 60 seconds'
                    USING ERRCODE = 'lock_not_available',
                          HINT = 'A transaction that has offered payloads is open: see pg_stat_activity, column xact_start.';
            END IF;
            PERFORM pg_catalog.pg_sleep(0.1);
        END;
    END LOOP;
    PERFORM pg_catalog.set_config('lock_timeout', lock_timeout, true);
END
$do$;

-- What people have granted and revoked since the installation is put aside and taken up again at the end: a GRANT in this script
-- would make all that an object has then its privileges at installation, and no dump would carry those.
CREATE TEMPORARY TABLE mend_privileges (object text, given boolean, how text, grantee text, option text);
INSERT INTO mend_privileges
WITH members AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.extname = 'pg_mend' AND d.refobjid = e.oid
    WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
), objects AS (
    SELECT m.classid, m.objid, 0 AS part, '' AS of_column, 'ROUTINE ' || p.oid::regprocedure AS object,
        coalesce(p.proacl, acldefault('f', p.proowner)) AS now, acldefault('f', p.proowner) AS plain
    FROM members m JOIN pg_catalog.pg_proc p ON m.classid = 'pg_catalog.pg_proc'::regclass AND m.objid = p.oid
    UNION ALL
    SELECT m.classid, m.objid, 0, '', CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass,
        coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)),
        acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)
    FROM members m JOIN pg_catalog.pg_class c ON m.classid = 'pg_catalog.pg_class'::regclass AND m.objid = c.oid AND c.relkind IN ('r', 'v', 'S')
    UNION ALL
    SELECT m.classid, m.objid, a.attnum, format(' (%I)', a.attname), 'TABLE ' || a.attrelid::regclass, a.attacl, NULL
    FROM members m JOIN pg_catalog.pg_attribute a ON m.classid = 'pg_catalog.pg_class'::regclass AND m.objid = a.attrelid AND a.attnum > 0
        AND NOT a.attisdropped
    UNION ALL
    SELECT m.classid, m.objid, 0, '', 'TYPE ' || t.oid::regtype, coalesce(t.typacl, acldefault('T', t.typowner)), acldefault('T', t.typowner)
    FROM members m JOIN pg_catalog.pg_type t ON m.classid = 'pg_catalog.pg_type'::regclass AND m.objid = t.oid
    UNION ALL
    SELECT m.classid, m.objid, 0, '', 'SCHEMA ' || n.oid::regnamespace, coalesce(n.nspacl, acldefault('n', n.nspowner)), acldefault('n', n.nspowner)
    FROM members m JOIN pg_catalog.pg_namespace n ON m.classid = 'pg_catalog.pg_namespace'::regclass AND m.objid = n.oid
), privileges AS (
    SELECT o.object, o.of_column, o.now, coalesce(i.initprivs, o.plain) AS before
    FROM objects o LEFT JOIN pg_catalog.pg_init_privs i ON i.classoid = o.classid AND i.objoid = o.objid AND i.objsubid = o.part
), changed AS (
    SELECT p.object, p.of_column, true AS given, x.* FROM privileges p,
        LATERAL (SELECT grantee, privilege_type, is_grantable FROM aclexplode(p.now) EXCEPT SELECT grantee, privilege_type, is_grantable FROM aclexplode(p.before)) x
    UNION ALL
    SELECT p.object, p.of_column, false, x.* FROM privileges p,
        LATERAL (SELECT grantee, privilege_type, is_grantable FROM aclexplode(p.before) EXCEPT SELECT grantee, privilege_type, is_grantable FROM aclexplode(p.now)) x
)
SELECT c.object, c.given, format('%s%s ON %s', c.privilege_type, c.of_column, c.object),
    CASE c.grantee WHEN 0 THEN 'PUBLIC' ELSE c.grantee::regrole::text END, CASE WHEN c.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
FROM changed c;
DO $do$
DECLARE
    p record;
BEGIN
    FOR p IN SELECT * FROM mend_privileges ORDER BY given DESC LOOP
        EXECUTE CASE WHEN p.given THEN format('REVOKE %s FROM %s CASCADE', p.how, p.grantee) ELSE format('GRANT %s TO %s%s', p.how, p.grantee, p.option) END;
    END LOOP;
END
$do$;
