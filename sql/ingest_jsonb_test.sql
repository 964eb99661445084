-- A jsonb's values are taken where they stand: the same rows, and the same drift, as of the same jsonb's text.
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA ingest_jsonb_test;
SET search_path = ingest_jsonb_test, public;
CREATE TYPE mood AS ENUM ('sad', 'so so');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN price AS numeric(6,2) NOT NULL;
CREATE DOMAIN document AS jsonb CHECK (jsonb_typeof(VALUE) = 'object');
CREATE TYPE pair AS (a int, b numeric(4,1));

CREATE TABLE given (n serial, v jsonb);
INSERT INTO given (v) SELECT unnest(ARRAY['null', 'true', 'false', '{}', '[]', '""', '"a"', '"é日本"', '"a long text of more than ten"', '"true"', '"q\"\\\n\u001f"',
    '"NaN"', '"Infinity"', '"-0"', '"05"', '"+5"', '" 5"', '"5"', '"5.0"', '"1e2"', '"1.50"', '"sad"', '"Sad"',
    '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"', '"2026-01-31"', '"2026-02-30"', '"2026-01-31T10:00:00Z"', '"2026-01-31T10:00:00.123456789"', '"10:00"',
    '[1, 2, 3]', '[1, null]', '[[1, 2], [3, 4]]', '[[1, 2], [3]]', '["x", "y"]', '[2.50, 1e3]', '[{"a": 1}]', '[{"a": 1, "b": 2.5}]', '[true]', '[40000]',
    '{"a": 1}', '{"a": 1, "b": 2.50}', '{"a": "x"}', '{"a": 1, "c": null}', '{"a": 1, "c": 2}', '{"b": 2.55}', '{"k": {"l": [1, {"m": "n"}]}, "o": 1.500}',
    '{"a": 1, "a": 2}', '{"a": {"b": 1, "c": 2, "b": 3}}']::jsonb[]);
-- numbers at every edge, of both signs
INSERT INTO given (v) SELECT (sign || number)::jsonb FROM unnest(ARRAY['', '-']) sign, unnest(ARRAY['0', '0.0', '0.00000', '1', '5', '5.0', '5.5', '9', '10', '99', '100', '999',
    '1000', '9999', '10000', '10001', '32767', '32768', '32769', '99999', '100000000', '2147483647', '2147483648', '2147483649', '9007199254740991', '9007199254740992',
    '9007199254740993', '9007199254740994', '9999999999999999', '10000000000000000', '9223372036854775807', '9223372036854775808', '9223372036854775809',
    '12345678901234567890', '1e10', '1e15', '1e16', '1e18', '1e19', '1e22', '1e23', '1e38', '3.5e38', '1e39', '1e100', '1.7976931348623157e308', '1e308', '1e309', '1e400', '1e4000',
    '0.1', '0.10', '0.5', '0.01', '0.001', '0.0001', '0.00001', '0.30', '1.005', '1.50', '1.500', '1.5000', '1.55', '12.34', '99.99', '99.994', '999.9', '999.95', '9999.99', '10000.00',
    '12345.6789', '1234567.891', '123456789.12345678', '0.1234567890123456789', '16777217', '16777216.5', '1e-5', '1e-7', '1e-20', '1e-22', '1e-24', '1e-45', '1e-46', '1e-300', '1e-324', '1e-400',
    '0.3333333333333333', '0.12345678901234567', '2.2250738585072014e-308', '123456789012345678901234567890.123456789']) number;
INSERT INTO given (v) SELECT jsonb_build_array(v, v) FROM given WHERE n % 3 = 0;
INSERT INTO given (v) SELECT jsonb_build_object('a', v, 'b', v) FROM given WHERE n % 5 = 0 AND jsonb_typeof(v) = 'number';

CREATE TABLE verdicts (type text, terms text, door text, n int, verdict text, UNIQUE (type, terms, door, n));
CREATE PROCEDURE offer(type text, terms text, lossless boolean, zone text) LANGUAGE plpgsql AS $$
DECLARE
    door text;
BEGIN
    EXECUTE format('CREATE TABLE probe (n int, c %s)', type);
    PERFORM mend.enroll('probe', 'paused', naive_zone => zone, lossless => offer.lossless);
    FOREACH door IN ARRAY ARRAY['text', 'jsonb'] LOOP
        IF door = 'text' THEN
            PERFORM healing_load('probe', (SELECT string_agg(jsonb_build_object('n', n, 'c', v)::text, E'\n') FROM given));
        ELSE
            PERFORM healing_load('probe', (SELECT jsonb_agg(jsonb_build_object('n', n, 'c', v)) FROM given));
        END IF;
        EXECUTE 'INSERT INTO verdicts SELECT $1, $2, $3, n, format(''stored %s in %s'', c, pg_column_size(c)) FROM probe' USING type, terms, door;
        -- A message quotes the beginning of a nested value as it was given: here, without its blanks.
        INSERT INTO verdicts SELECT type, terms, door, (payload::jsonb->>'n')::int,
            format('%s %s %s %s', q.kind, q.sqlstate, q.field, left(replace(replace(q.error, ', ', ','), ': ', ':'), 200))
            FROM (SELECT payload, kind, sqlstate, field, error FROM mend.queue UNION ALL SELECT payload, kind, sqlstate, field, error FROM mend.dead_letters) q;
        EXECUTE 'DELETE FROM probe';
        DELETE FROM mend.queue;
        DELETE FROM mend.dead_letters;
    END LOOP;
    PERFORM mend.unenroll('probe');
    DROP TABLE probe;
END
$$;
DO $$
DECLARE
    type text;
BEGIN
    FOREACH type IN ARRAY ARRAY['smallint', 'integer', 'bigint', 'numeric', 'numeric(6,2)', 'numeric(4,0)', 'numeric(3,5)', 'numeric(6,-2)', 'numeric(100,70)', 'real', 'double precision',
        'boolean', 'text', 'varchar(10)', 'char(5)', 'name', '"char"', 'uuid', 'date', 'time', 'timestamp', 'timestamptz', 'interval', 'json', 'jsonb', 'money', 'inet',
        'mood', 'positive', 'price', 'document', 'pair', 'int[]', 'bigint[]', 'numeric(6,2)[]', 'float8[]', 'text[]', 'jsonb[]', 'positive[]', 'pair[]', 'int4range'] LOOP
        CALL offer(type, 'lossless', true, NULL);
        CALL offer(type, 'lossy', false, 'Europe/Berlin');
    END LOOP;
END $$;
-- json, and where a loss is accepted any type, is given the text of nested values, which has its blanks in one form only.
SELECT type, terms, v, a.verdict AS text, b.verdict AS jsonb FROM verdicts a FULL JOIN verdicts b USING (type, terms, n) JOIN given USING (n) WHERE a.door = 'text' AND b.door = 'jsonb'
    AND a.verdict IS DISTINCT FROM b.verdict AND (terms = 'lossless' AND type <> 'json' OR jsonb_typeof(v) NOT IN ('array', 'object')) ORDER BY type, terms, n LIMIT 20;
SELECT door, count(*) = 82 * (SELECT count(*) FROM given) AS all_judged FROM verdicts GROUP BY door ORDER BY door;
-- so that the comparison means something
SELECT type, count(*) FILTER (WHERE verdict LIKE 'stored%') AS stored, count(*) FILTER (WHERE verdict NOT LIKE 'stored%') AS kept
    FROM verdicts JOIN given USING (n) WHERE door = 'jsonb' AND terms = 'lossless'
    AND (type <> 'interval' OR v::text !~* 'inf') -- which PostgreSQL 17 has learned
    GROUP BY type ORDER BY type;
SELECT type, left(v::text, 20) AS given, verdict FROM verdicts JOIN given USING (n) WHERE door = 'jsonb' AND terms = 'lossless'
    AND (type, v) IN (('integer', '2147483648'), ('integer', '5.0'), ('integer', '5.5'), ('smallint', '-32768'), ('bigint', '-9223372036854775808'), ('numeric(6,2)', '1.500'), ('numeric(6,2)', '1.005'),
        ('numeric(6,2)', '9999.99'), ('numeric(6,2)', '10000.00'), ('numeric', '1.500'), ('double precision', '9007199254740993'), ('double precision', '0.1'), ('real', '16777217'),
        ('numeric', '"NaN"'), ('bigint', '"-0"')) ORDER BY 1, 3;

-- Whole payloads: what the keys bring, in jsonb's own order.
CREATE TABLE whole (id int NOT NULL, "camelCase" int, doc jsonb, total int GENERATED ALWAYS AS (id * 2) STORED, serial int GENERATED ALWAYS AS IDENTITY, ignored text);
SELECT mend.enroll('whole', 'paused');
SELECT mend.map_field('whole', 'nobody''s', NULL);
CREATE TABLE payloads (n int, p jsonb);
INSERT INTO payloads SELECT row_number() OVER (), p FROM unnest(ARRAY['{"id": 1, "doc": {"b": [1, 2.50, {"c": null}], "a": "x"}, "camelCase": 7}', '{"id": 2, "camelcase": 3, "camelCase": 4}', '{}', '{"id": null}',
    '{"id": 5, "new": 1, "new2": null, "new3": [], "new4": {}}', '{"id": 6, "total": 12}', '{"id": 7, "total": 13}', '{"id": 8, "total": "x"}', '{"id": 9, "serial": 1}', '{"id": "x", "camelCase": "y"}',
    '[]', '[{"id": 1}]', '7', '"s"', 'null', 'true']::jsonb[]) p;
INSERT INTO payloads VALUES (100, jsonb_build_object('id', 100, repeat('k', 2000), 1));
-- As many children as make offsets in the middle of a container, and a number behind strings of every length.
INSERT INTO payloads SELECT 200 + i, jsonb_build_object('id', 200 + i, 'doc', (SELECT jsonb_object_agg(repeat('k', k), CASE k % 4 WHEN 0 THEN to_jsonb(k * 1.5) WHEN 1 THEN to_jsonb(repeat('v', k)) WHEN 2 THEN 'null'
    ELSE jsonb_build_array(k, jsonb_build_object('x', repeat('y', k))) END) FROM generate_series(1, i * 10) k)) FROM generate_series(1, 10) i;
INSERT INTO payloads SELECT 300 + i, (SELECT jsonb_object_agg('key' || k, k) FROM generate_series(1, i * 30) k) || jsonb_build_object('id', 300 + i) FROM generate_series(1, 4) i;
-- A thousand levels are taken, one more is not, wherever they are.
INSERT INTO payloads SELECT 400 + i, format('{"id": %s, "doc": [%s%s%s, 1]}', 400 + i, repeat('[', 998 + i), wide, repeat(']', 998 + i))::jsonb
    FROM generate_series(-1, 1) i, (SELECT string_agg(k::text, ',') AS wide FROM generate_series(1, 3000) k) w;
INSERT INTO payloads SELECT 500 + i, format('{"id": %s, "doc": %s1%s}', 500 + i, repeat('{"a":', 998 + i), repeat('}', 998 + i))::jsonb FROM generate_series(0, 2) i;
INSERT INTO payloads SELECT 600 + i, format('{"id": %s, "ignored": %s%s}', 600 + i, repeat('[', 998 + i), repeat(']', 998 + i))::jsonb FROM generate_series(0, 2) i;
INSERT INTO payloads SELECT 700 + i, format('{"id": %s, "unknown": %s%s}', 700 + i, repeat('[', 998 + i), repeat(']', 998 + i))::jsonb FROM generate_series(0, 2) i;
INSERT INTO payloads SELECT 800 + i, format('{"id": %s, "nobody''s": %s%s}', 800 + i, repeat('[', 998 + i), repeat(']', 998 + i))::jsonb FROM generate_series(0, 2) i;
CREATE TABLE fates (door text, n int, fate text);
CREATE PROCEDURE offer_whole() LANGUAGE plpgsql AS $$
DECLARE
    door text;
    offered record;
    outcome mend.outcome;
BEGIN
    FOR offered IN SELECT * FROM payloads ORDER BY n LOOP
        FOREACH door IN ARRAY ARRAY['text', 'jsonb'] LOOP
            outcome := CASE door WHEN 'text' THEN healing_insert('whole', offered.p::text) ELSE healing_insert('whole', offered.p) END;
            INSERT INTO fates SELECT door, offered.n, outcome || ' ' || s FROM (
                SELECT md5(format('%s %s %s %s %s', id, "camelCase", doc, total, ignored)) || coalesce(pg_column_size(doc), 0) FROM whole UNION ALL
                SELECT concat_ws(' ', kind, sqlstate, field, fields, left(error, 100), payload = offered.p::text) FROM mend.queue UNION ALL
                -- The depth has its own words in either form.
                SELECT concat_ws(' ', kind, field, fields, CASE WHEN error !~ 'nested' THEN sqlstate || left(error, 100) END, payload = offered.p::text) FROM mend.dead_letters) s(s);
            DELETE FROM whole; DELETE FROM mend.queue; DELETE FROM mend.dead_letters;
        END LOOP;
    END LOOP;
END $$;
CALL offer_whole();
SELECT n, a.fate AS text, b.fate AS jsonb FROM fates a JOIN fates b USING (n) WHERE a.door = 'text' AND b.door = 'jsonb' AND a.fate IS DISTINCT FROM b.fate ORDER BY n;
SELECT n / 100 * 100 AS from, count(DISTINCT n), string_agg(DISTINCT split_part(fate, ' ', 1), ', ') AS fates FROM fates WHERE door = 'jsonb' GROUP BY 1 ORDER BY 1;
SELECT n, fate FROM fates WHERE door = 'jsonb' AND n BETWEEN 399 AND 899 AND fate NOT LIKE 'inserted%' ORDER BY n;

-- What json and text keep of a jsonb is its text, as of one that waits in the queue.
CREATE TYPE noted AS (doc json);
CREATE TABLE texts (a json, b json[], c noted, d text);
SELECT mend.enroll('texts', 'paused');
SELECT mend.accept_loss('texts', 'd');
CREATE TABLE offered AS SELECT jsonb_build_object('a', v, 'b', jsonb_build_array(v), 'c', jsonb_build_object('doc', v), 'd', v) AS v FROM given WHERE jsonb_typeof(v) <> 'null';
SELECT inserted > 200 AS many, queued, dead_lettered FROM healing_load('texts', (SELECT jsonb_agg(v) FROM offered));
SELECT count(*) AS wrong FROM (SELECT t::text FROM texts t
    EXCEPT ALL SELECT ROW((v -> 'a')::text::json, ARRAY[(v -> 'a')::text::json], ROW((v -> 'a')::text::json)::noted, v ->> 'd')::texts::text FROM offered) d;

-- Values that stay where they stand are there until the batch is stored, however many there are and however they came.
CREATE TABLE stays (id int, n numeric, m numeric(20,3), doc jsonb, t text);
SELECT mend.enroll('stays', 'paused');
CREATE TABLE toasted (all_of_them jsonb);
INSERT INTO toasted SELECT jsonb_agg(jsonb_build_object('id', i, 'n', i * 1.125, 'm', i / 8.0, 'doc', jsonb_build_object('i', i, 'a', jsonb_build_array(i, i * 1.5)), 't', md5(i::text))) FROM generate_series(1, 5000) i;
SELECT l.* FROM toasted, healing_load('stays', all_of_them) l;
SELECT count(*), count(*) FILTER (WHERE n = id * 1.125 AND m = id / 8.0 AND doc = jsonb_build_object('i', id, 'a', jsonb_build_array(id, id * 1.5)) AND t = md5(id::text)) AS whole FROM stays;

RESET search_path;
DELETE FROM mend.queue; DELETE FROM mend.dead_letters; DELETE FROM mend.fields; DELETE FROM mend.enrollments; DELETE FROM mend.events;
DROP SCHEMA ingest_jsonb_test CASCADE;
