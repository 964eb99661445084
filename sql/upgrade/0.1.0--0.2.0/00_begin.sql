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
