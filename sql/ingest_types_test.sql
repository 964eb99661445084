-- Every row of the lossless table: what is stored, and what is queued as drift.
SET datestyle = 'ISO, MDY';
SET timezone = 'America/New_York';
SET client_min_messages = warning;
CREATE SCHEMA ingest_types_test;
SET search_path = ingest_types_test, public;

-- Offers each value for a column of the given type: the value as stored, or the drift.
CREATE FUNCTION offer(type text, VARIADIC vals text[]) RETURNS TABLE (value text, result text) LANGUAGE plpgsql AS $$
DECLARE
    outcome mend.outcome;
BEGIN
    EXECUTE format('CREATE TABLE probe (c %s)', type);
    PERFORM mend.enroll('probe', 'paused', naive_zone => nullif(current_setting('test.naive_zone', true), ''),
                        lossless => coalesce(nullif(current_setting('test.lossless', true), ''), 'on')::boolean);
    FOREACH value IN ARRAY vals LOOP
        outcome := healing_insert('probe', '{"c": ' || value || '}');
        IF outcome = 'inserted' THEN
            EXECUTE 'SELECT coalesce(c::text, ''NULL'') FROM probe' INTO result;
        ELSE
            EXECUTE 'SELECT format(''%s: %s %s %s %s'', $1, kind, sqlstate, field, error) FROM '
                || CASE outcome WHEN 'queued' THEN 'mend.queue' ELSE 'mend.dead_letters' END INTO result USING outcome;
        END IF;
        DELETE FROM probe;
        DELETE FROM mend.queue;
        DELETE FROM mend.dead_letters;
        RETURN NEXT;
    END LOOP;
    PERFORM mend.unenroll('probe');
    DROP TABLE probe;
END
$$;

SELECT * FROM offer('smallint', '5', '-32768', '32767', '32768', '-32769', '5.0', '5.5', '1e2', '1e-2', '1.50e1', '"5"', '"-5"',
                    '"05"', '"+5"', '" 5"', '"5.0"', '"abc"', '""', '"40000"', 'true', '[1]', '{"a":1}', 'null', '-0', '0.0e99', '"-0"');
SELECT * FROM offer('integer', '2147483647', '2147483648', '-2147483648', '1e9', '1e10', '1e1000000000', '12345678901234567890', '3.7');
SELECT * FROM offer('bigint', '9223372036854775807', '9223372036854775808', '-9223372036854775808', '9.223372036854775807e18',
                    '"9223372036854775808"', '1e-1000000000', '0e1000000000', '1e1000000000');
SELECT * FROM offer('numeric', '5.00', '0.10', '1e3', '1e-3', '1.5e2', '"5.50"', '"05"', '"+5"', '"NaN"', '"Infinity"', '"abc"', 'true',
                    '1e131071000', '1e1000000000', '1e-1000000000', '123456789012345678901234567890.123456789', '[]', '-0.00');
SELECT * FROM offer('numeric(5,2)', '123.45', '123.4500', '123.456', '1234', '999.99', '999.999', '1000', '-999.99', '12345e-2', '0.001',
                    '"1.10"', '1e2', '0e-1000000000', '0.000000000000000000', '1e-1000000000');
SELECT * FROM offer('numeric(2,-3)', '12000', '12500', '99000', '100000');
SELECT * FROM offer('numeric(3,5)', '0.00123', '0.01', '0.001234');
SELECT * FROM offer('real', '1.5', '0.1', '16777216', '16777217', '16777217.0', '1e38', '1e39', '1e-46', '"2.5"', '"NaN"', '" 1"', '3.4028235e38');
SELECT * FROM offer('double precision', '1.5', '0.1', '9007199254740992', '9007199254740993', '9007199254740993.0', '1e400', '-1e400',
                    '1e-400', '1e22', '6.02e23', '100000000000000000000000', '12345678901234567890', '"1e5"', '"Infinity"', 'false', '0e999', '5e-324');
SELECT * FROM offer('boolean', 'true', 'false', '"true"', '"false"', '"t"', '"yes"', '1', '0', '"TRUE"', 'null');
SELECT * FROM offer('text', '"abc"', '""', '12.50', '1e5', 'true', 'null', '{"a":1}', '["a", 1]', '[]', '"\u00e9\ud83d\ude00"');
SELECT * FROM offer('varchar(3)', '"abc"', '"abcd"', '"abc "', '"\u00e9\u00e9\u00e9"', '"\u00e9\u00e9\u00e9\u00e9"', '1234', '123', 'true');
SELECT value, '<' || result || '>' AS result FROM offer('char(3)', '"ab"', '"abc"', '"abc  "', '"abcd"', '5', '"\u00e9"');
SELECT * FROM offer('name', '"abc"', '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"');
SELECT * FROM offer('"char"', '"a"', '"ab"', '""');
SELECT * FROM offer('date', '"2024-02-29"', '"2023-02-29"', '"2024-13-01"', '"2024-02-30"', '"yesterday"', '"now"', '"infinity"', '"2024-2-9"',
                    '"01/02/2024"', '"20240229"', '"2024-02-29T00:00:00"', '20240229', '"0000-01-01"', '"9999-12-31"', '" 2024-02-29"', '"2024-02-29 BC"');
SELECT * FROM offer('timestamp', '"2024-01-02T03:04:05"', '"2024-01-02 03:04:05"', '"2024-01-02"', '"2024-01-02T03:04"', '"2024-01-02T03:04:05.123456"',
                    '"2024-01-02T03:04:05.1234567"', '"2024-01-02T23:59:59.9999999"', '"2024-01-02T03:04:05Z"', '"2024-01-02T03:04:05+02:00"',
                    '"2024-01-02T24:00:00"', '"2024-01-02T24:00:01"', '"2024-01-02T03:60:00"', '"2016-12-31T23:59:60"', '"infinity"', '"now"', '1704164645',
                    '"2024-01-02T03"', '"03:04:05"', '"2024-01-02  03:04:05"', '"2024-01-02T03:04:05 Europe/Berlin"');
SELECT * FROM offer('timestamp(0)', '"2024-01-02T03:04:05.000"', '"2024-01-02T03:04:05.9"');
SELECT * FROM offer('timestamptz', '"2024-01-02T03:04:05Z"', '"2024-01-02T03:04:05+02"', '"2024-01-02T03:04:05+0230"', '"2024-01-02T03:04:05+02:30"',
                    '"2024-01-02T03:04:05-02:30:15"', '"2024-01-02 03:04:05 +02"', '"2024-07-02T03:04:05 Europe/Berlin"', '"2024-07-02 03:04:05 UTC"',
                    '"2024-07-02 03:04:05 EST"', '"2024-07-02 03:04:05 XYZ5"', '"2024-07-02 03:04:05 Mon5"', '"2024-07-02 03:04:05 now+5"', '"2024-07-02 03:04:05 Nowhere/City"', '"2024-07-02 03:04:05 BC"', '"2024-07-02 03:04:05 PM"', '"2024-01-02T03:04:05"', '"2024-01-02"',
                    '"2024-01-02T03:04:05+16:00"', '"epoch"', '0', '"2024-01-02T03:04:05.1234567Z"');
SELECT * FROM offer('time', '"03:04:05"', '"03:04"', '"03:04:05.123456789"', '"24:00:00"', '"25:00:00"', '"03:04:05Z"', '"3:04"', '"allballs"', '5');
SELECT * FROM offer('timetz', '"03:04:05Z"', '"03:04:05+02:00"', '"03:04:05"', '"03:04:05 Europe/Berlin"');
SELECT * FROM offer('interval', '"1 day"', '"P1Y2M"', '"abc"', '5');
SELECT * FROM offer('interval(0)', '"1.5 s"', '"1.0 s"', '"2.5"', '"1 day"', '5');
SELECT * FROM offer('interval year to month', '"1 year 2 mons"', '"1 year 2 days"', '"1-2"', '"P1Y"');
SELECT * FROM offer('interval minute to second', '"1:02"', '"1 min 2.5 s"', '"1 day"');
SELECT * FROM offer('interval(1)[]', '["1.5 s", null]', '["1.55 s"]');
SET test.naive_zone = 'Asia/Tokyo';
SELECT * FROM offer('timestamptz', '"2024-01-02T03:04:05"', '"2024-01-02"', '"2024-01-02T03:04:05Z"');
SELECT * FROM offer('timestamp', '"2024-01-02T03:04:05"', '"2024-01-02T03:04:05Z"', '"2024-01-02T03:04:05+09:00"');
RESET test.naive_zone;
SELECT * FROM offer('uuid', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"', '"A0EEBC999C0B4EF8BB6D6BB9BD380A11"', '"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"',
                    '"a0eebc99"', '""', '5');
SELECT * FROM offer('jsonb', '{"b": 1, "a": [1, 2.50, null, true, "x"]}', '"s"', '5.00', 'true', 'null', '[]', '{}', '{"a":1,"a":1}', '{"x":{"a":1,"b":2,"a":3}}',
                    '[{"a":1},{"a":1}]', '[1e1000000]', '[[[[]]]]', '{"a":{"b":{}},"c":[{}]}');
SELECT * FROM offer('json', '{"b": 1,   "a": 2, "a": 3}', '"s"', '5.00', 'null', '1e1000000');
SELECT * FROM offer('integer[]', '[1, 2, null]', '[]', '[[1,2],[3,4]]', '[[1,2],[3]]', '[[1,2],3]', '[1,[2]]', '["1", 2.0]', '[1, 2.5]', '[1, "x"]', '[99999999999]',
                    '5', '"{1,2}"', '{"a":1}', 'null', '[[]]', '[[[[[[[1]]]]]]]');
SELECT * FROM offer('text[]', '["a", "b,c", null, 5, true]', '[{"a":1}]', '[["a"],["b"]]');
SELECT * FROM offer('varchar(2)[]', '["ab"]', '["abc"]');
SELECT * FROM offer('numeric(4,1)[]', '[1.5]', '[1.55]');
SELECT * FROM offer('jsonb[]', '[{"a":1}, [1,2], null, 5]', '[{"a":1,"a":2}]');
SELECT * FROM offer('timestamptz[]', '["2024-01-02T03:04:05Z"]', '["2024-01-02T03:04:05"]');
CREATE TYPE mood AS ENUM ('sad', 'happy', '5');
SELECT * FROM offer('mood', '"sad"', '"Sad"', '"angry"', '5', '{"a":1}', 'null');
SELECT * FROM offer('mood[]', '["sad", null]', '["angry"]');
CREATE TYPE pair AS (a integer, "B" text);
CREATE TYPE nest AS (p pair, list pair[]);
SELECT * FROM offer('pair', '{"a":1,"B":"x"}', '{"B":"x"}', '{}', '{"a":1,"b":"x"}', '{"a":1,"other":null}', '{"a":"x"}', '{"a":1.5}', '{"a":1,"a":2}', '[1,"x"]', '"(1,x)"', 'null');
SELECT * FROM offer('nest', '{"p":{"a":1},"list":[{"B":"y"},null]}', '{"list":[{"B":{}}]}');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN short AS varchar(3);
CREATE DOMAIN filled AS text NOT NULL;
CREATE DOMAIN ints AS integer[] CHECK (cardinality(VALUE) < 3);
SELECT * FROM offer('positive', '5', '0', '"x"', '1.5', 'null');
SELECT * FROM offer('short', '"abc"', '"abcd"');
SELECT * FROM offer('filled', '"a"', 'null');
SELECT * FROM offer('ints', '[1,2]', '[1,2,3]', '["x"]');
SELECT * FROM offer('positive[]', '[1,2]', '[1,0]');
SELECT * FROM offer('int4range', '"[1,5)"', '"empty"', '"[5,1)"', '"x"', '5', '[1,5]');
SELECT * FROM offer('tstzrange', '"[2024-01-01 00:00:00+00,)"');
SELECT * FROM offer('tstzrange', '"[2024-01-01T00:00:00Z,2024-01-02 00:00:00 Europe/Berlin]"', '"[\"2024-01-01 00:00:00+02\",infinity]"', '"[2024-01-01 00:00:00Z,2024-01-02]"', '"empty"', '"(,)"');
SELECT * FROM offer('tsrange', '"[2024-01-01T00:00:00,2024-01-02)"', '"[2024-01-01T00:00:00,\"2024-01-02T00:00:00+02\")"', '"[2024-01-01T23:59:60,)"', '"[-infinity,)"', '"x"', '5');
SELECT * FROM offer('daterange', '"[2024-01-01,2024-01-02]"', '"[2024-01-01,2024-01-02T10:00:00]"', '"[2024-01-01,,2]"');
SELECT * FROM offer('tsmultirange', '"{[2024-01-01,2024-01-02),[2024-02-01,2024-02-02)}"', '"{[2024-01-01,2024-01-02),[2024-02-01,2024-02-02 00:00+02)}"', '"{}"');
SELECT * FROM offer('tsrange[]', '["[2024-01-01,2024-01-02)", null]', '["[2024-01-01T00:00:00Z,)"]');
SELECT * FROM offer('int4multirange', '"{[1,5),[7,8)}"', '"x"');
SELECT * FROM offer('inet', '"10.0.0.1"', '"10.0.0.256"', '5', '{}');
SELECT * FROM offer('bytea', '"\\x0102"', '"\\x01zz"');
SELECT * FROM offer('bit(3)', '"101"', '"10"', '101');
SELECT * FROM offer('point', '"(1,2)"', '"x"');
SELECT * FROM offer('oid', '5', '"x"', '5000000000', '-1', '"05"', '"5"');
SELECT * FROM offer('xid', '4294967295', '4294967296', '"x"', '-1', '"0x10"');
SELECT * FROM offer('cid', '5', '4294967296', '"x"');
SELECT * FROM offer('xid8', '18446744073709551615', '18446744073709551616', '"x"', '-1');
SELECT * FROM offer('money', '1.50', '1.5', '1.505', '"$1,234.50"', '-2', '1e2', 'true', '[1]');
SELECT * FROM offer('regclass', '"pg_class"', '"no_such_table"');
SELECT * FROM offer('tsvector', '"a b"');
SELECT * FROM offer('xml', '"<a/>"', '"<a"');

-- A type that refuses with an internal error, as hstore does in some versions: that is still a verdict on the value.
CREATE EXTENSION hstore SCHEMA public;
SELECT value, CASE WHEN result LIKE 'queued: type_conflict %' THEN 'queued: type_conflict' ELSE result END AS result FROM offer('hstore', '"a=>1"', '"a=>"');
DROP EXTENSION hstore;

-- PostgreSQL's own coercion.
SET test.lossless = off;
SELECT * FROM offer('numeric(5,2)', '1.239', '123456', '"NaN"');
SELECT * FROM offer('integer', '5', '" 5"', '3.7', '"05"');
SELECT * FROM offer('money', '1.505');
SELECT * FROM offer('interval(0)', '"1.5 s"');
SELECT * FROM offer('double precision', '9007199254740993', '"Infinity"');
SELECT * FROM offer('text', '{"a": 1}', '[1, 2]');
SELECT * FROM offer('varchar(3)', '"abc  "', '"abcd"');
SELECT * FROM offer('boolean', '"yes"', '1', '"maybe"');
SELECT * FROM offer('timestamp', '"2024-01-02T03:04:05+02:00"', '"Jan 2 2024"');
SELECT * FROM offer('timestamptz', '"2024-01-02T03:04:05"', '"infinity"');
SELECT * FROM offer('date', '"2024-01-02T03:04:05"');
SELECT * FROM offer('integer[]', '"{1,2}"', '[" 1"]');
SELECT * FROM offer('jsonb', '{"a":1,"a":2}');
SELECT * FROM offer('pair', '"(1,x)"', '{"a":" 7"}');
RESET test.lossless;

-- Only one column.
CREATE TABLE partly (a numeric(3,1), b numeric(3,1));
SELECT mend.enroll('partly', 'paused');
SELECT mend.accept_loss('partly', 'a');
SELECT healing_insert('partly', '{"a": 1.25}'), healing_insert('partly', '{"b": 1.25}');
SELECT * FROM partly;

-- Leave nothing behind.
RESET search_path;
DELETE FROM mend.queue; DELETE FROM mend.dead_letters; DELETE FROM mend.fields; DELETE FROM mend.enrollments; DELETE FROM mend.events;
DROP SCHEMA ingest_types_test CASCADE;
