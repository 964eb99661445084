-- Joined by the Makefile into pg_mend--0.1.0--0.2.0.sql: first these pieces, in the order of their names, which change types and
-- tables and drop what changes its signature; then the pieces of sql/install from 30 on, which replace functions, views and triggers.
\echo Use "ALTER EXTENSION pg_mend UPDATE" to load this file. \quit

-- As in the install script: nothing here may bind to what others have made in the extension's schema.
SET LOCAL search_path = pg_catalog, pg_temp;
