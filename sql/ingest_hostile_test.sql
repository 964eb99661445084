-- Callers and payloads that want more than a row.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_attacker;
GRANT CREATE ON DATABASE :DBNAME TO regress_attacker;
CREATE TABLE landing (id int PRIMARY KEY, doc jsonb);
GRANT INSERT ON landing TO regress_attacker;
SELECT mend.enroll('landing', 'paused');

-- Operators and functions of the caller's search_path are never run with pg_mend's rights.
SET ROLE regress_attacker;
CREATE SCHEMA regress_evil;
CREATE FUNCTION regress_evil.strike(text, text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        EXECUTE 'ALTER ROLE regress_attacker SUPERUSER';
    END IF;
    RETURN $1 OPERATOR(pg_catalog.=) $2;
END $$;
CREATE FUNCTION regress_evil.unnest(text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN PERFORM regress_evil.strike('', ''); RETURN QUERY SELECT pg_catalog.unnest($1); END $$;
CREATE OPERATOR regress_evil.= (leftarg = text, rightarg = text, function = regress_evil.strike);
CREATE DOMAIN regress_evil.text AS pg_catalog.text CHECK (regress_evil.strike(VALUE, VALUE));
SET search_path = regress_evil, pg_catalog, public;
SELECT healing_insert('public.landing', '{"id": 1, "x": 1}'), healing_insert('public.landing', '{"id": }'),
       healing_load('public.landing', '[{"id": 2, "x": 1}, {"id": 3}, 4]');
RESET search_path;
RESET ROLE;
SELECT rolsuper FROM pg_roles WHERE rolname = 'regress_attacker';

-- Nesting: the text form and the jsonb form agree, and the server stays up.
SELECT form, count(*) FROM (
    SELECT 'text' AS form, healing_insert('landing', '{"id":10,"doc":' || repeat('[', 3000) || repeat(']', 3000) || '}') AS outcome
    UNION ALL
    SELECT 'jsonb', healing_insert('landing', ('{"id":11,"doc":' || repeat('[', 3000) || repeat(']', 3000) || '}')::jsonb)
    UNION ALL
    SELECT 'json', healing_insert('landing', ('{"id":12,"doc":' || repeat('[', 3000) || repeat(']', 3000) || '}')::json)) t
WHERE outcome = 'dead_lettered' GROUP BY 1 ORDER BY 1;
SELECT healing_insert('landing', ('{"id":13,"doc":' || repeat('[', 900) || repeat(']', 900) || '}')::jsonb);

-- Keys too long for a name, and more keys than a table can have columns.
SELECT healing_insert('landing', jsonb_build_object('id', 20, string_agg(md5(g::text), ''), 1)) FROM generate_series(1, 300) g;
SELECT healing_insert('landing', jsonb_object_agg('k' || g, g)) FROM generate_series(1, 100000) g;
SELECT kind, sqlstate, error, cardinality(fields) < 1700 AS bounded, count(*) FROM mend.dead_letters
WHERE target = 'landing'::regclass AND kind = 'malformed' GROUP BY 1, 2, 3, 4 ORDER BY 2, 3;

-- An extension that was dropped and made again knows nothing of former enrolments, in the same session too.
CREATE DATABASE regress_mend_again;
\c regress_mend_again
SET client_min_messages = warning;
CREATE EXTENSION pg_mend;
CREATE TABLE was_enrolled (id int);
SELECT mend.enroll('was_enrolled', 'paused');
SELECT healing_insert('was_enrolled', '{"id": 1}');
DROP EXTENSION pg_mend;
CREATE EXTENSION pg_mend;
SELECT healing_insert('was_enrolled', '{"id": 2}');
\c contrib_regression
SET client_min_messages = warning;
DROP DATABASE regress_mend_again;

-- Without an encoding, a byte is a character.
CREATE DATABASE regress_mend_bytes ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\c regress_mend_bytes
SET client_min_messages = warning;
CREATE EXTENSION pg_mend;
CREATE TABLE bytes (v varchar(3), c char(4));
SELECT mend.enroll('bytes', 'paused');
SELECT healing_load('bytes', '[{"v": "\u00e9", "c": "\u00e9"}, {"v": "\u00e9\u00e9"}]');
SELECT octet_length(v), octet_length(c) FROM bytes;
\c contrib_regression
SET client_min_messages = warning;
DROP DATABASE regress_mend_bytes;

DELETE FROM mend.queue WHERE target = 'landing'::regclass;
DELETE FROM mend.dead_letters WHERE target = 'landing'::regclass;
SELECT mend.unenroll('landing');
DELETE FROM mend.events;
DROP TABLE landing;
DROP OWNED BY regress_attacker CASCADE;
DROP ROLE regress_attacker;
