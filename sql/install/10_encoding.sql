-- Joined by the Makefile into pg_mend--VERSION.sql, in the order of the file names.
\echo Use "CREATE EXTENSION pg_mend" to load this file. \quit

-- PostgreSQL runs this script under the path of the extension's schema, where others may have made functions, operators
-- and types that fit a call better than PostgreSQL's own. Nothing here may bind to one.
SET LOCAL search_path = pg_catalog, pg_temp;

-- JSON is UTF-8. Another encoding lacks characters that any payload may bring; SQL_ASCII takes the bytes as they are.
DO $do$
BEGIN
    IF getdatabaseencoding() NOT IN ('UTF8', 'SQL_ASCII') THEN
        RAISE EXCEPTION 'pg_mend needs a database in encoding UTF8, and this one is in %', getdatabaseencoding()
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Make one with CREATE DATABASE ... TEMPLATE template0 ENCODING ''UTF8'', and CREATE EXTENSION pg_mend there.';
    END IF;
END
$do$;

