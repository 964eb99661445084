-- ALTER EXTENSION pg_mend UPDATE leads to the same catalog as CREATE EXTENSION. test/upgrade/catalog.sql says what is compared;
-- test/t/070_upgrade.pl does it with the library of the old release, with rows in every table.
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT current_database() AS home \gset
\getenv here PG_ABS_SRCDIR
\set catalog :here '/test/upgrade/catalog.sql'
CREATE DATABASE regress_upgrade_fresh TEMPLATE template0 ENCODING 'UTF8';
CREATE DATABASE regress_upgrade_old TEMPLATE template0 ENCODING 'UTF8';
\connect regress_upgrade_fresh
CREATE EXTENSION pg_mend;
\set ECHO none
\i :catalog
\set ECHO all
SELECT json_agg(c) AS fresh FROM catalog c \gset
\connect regress_upgrade_old
CREATE EXTENSION pg_mend VERSION '0.1.0';
ALTER EXTENSION pg_mend UPDATE;
\set ECHO none
\i :catalog
\set ECHO all
CREATE TEMPORARY TABLE fresh AS SELECT * FROM json_to_recordset(:'fresh') AS f (object text, property text, value text);
SELECT count(*) > 2000 AS "there are facts" FROM fresh;
-- No fact is there twice, for then the comparison would miss one.
SELECT object, property, count(*) FROM fresh GROUP BY 1, 2 HAVING count(*) > 1 ORDER BY 1, 2;
SELECT object, property, f.value AS "of CREATE EXTENSION", u.value AS "of ALTER EXTENSION UPDATE"
FROM fresh f FULL JOIN catalog u USING (object, property)
WHERE f.value IS DISTINCT FROM u.value
ORDER BY 1, 2;
\connect :home
DROP DATABASE regress_upgrade_fresh;
DROP DATABASE regress_upgrade_old;
