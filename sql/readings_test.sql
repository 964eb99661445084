-- Values that do not fit as they are, read as somebody said, on every door.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
-- What is no reading, or not one for the column.
CREATE TABLE t (id int PRIMARY KEY, n int, price numeric, at timestamptz, note text, twice int GENERATED ALWAYS AS (n * 2) STORED);
SELECT mend.enroll('t', 'paused');
\set VERBOSITY default
SELECT mend.read_as('t', 'n', 'numbr');
SELECT mend.read_as('t', 'n', 'null_if(N/A)');
SELECT mend.read_as('t', 'n', 'number, number');
SELECT mend.read_as('t', 'at', 'number_comma');
SELECT mend.read_as('t', 'note', 'null_if("")');
SELECT mend.read_as('t', 'at', 'time_zone("Europe/Atlantis")');
SELECT mend.read_as('t', 'nothing', 'number');
SELECT mend.read_as('t', 'twice', 'number');
SELECT mend.read_as('t', 'n', 'number', 'price');
SELECT mend.read_as('t', NULL, 'number');
SELECT mend.enroll('t', null_if => '{a,a}');
SELECT mend.configure('t', null_if => ARRAY[NULL]);
\set VERBOSITY terse
SELECT mend.read_as('t', 'price', ' null_if( "" ,"N/A")|number_comma ');
SELECT field, column_name, reading FROM mend.fields;
SELECT kind, detail FROM mend.events WHERE kind = 'reading_set';
SELECT mend.read_as('t', 'price', NULL);
SELECT field, column_name, reading FROM mend.fields;
SELECT mend.unenroll('t');
DROP TABLE t;

-- One value of each kind of dirt through each door; all doors agree.
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE DOMAIN whole AS int;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE cases (id int GENERATED ALWAYS AS IDENTITY, type text, reading text, value text, result text);
INSERT INTO cases (type, reading, value) VALUES
    ('int', 'null_if("", "N/A")', '""'), ('int', 'null_if("", "N/A")', '"N/A"'), ('int', 'null_if("", "N/A")', '"n/a"'), ('int', 'null_if("", "N/A")', '5'),
    ('int', 'null_if("-1")', '-1'), ('date', 'null_if("0000-00-00")', '"0000-00-00"'), ('uuid', 'null_if("")', '""'), ('inet', 'null_if("-")', '"-"'),
    ('boolean', 'null_if("unknown")', '"unknown"'), ('mood', 'null_if("k. A.")', '"k. A."'), ('mood', 'null_if("good")', '"good"'), ('interval', 'null_if("")', '""'),
    ('positive', 'null_if("-1")', '-1'), ('positive', 'null_if("-1")', '-2'), ('int[]', 'null_if("-")', '[1, "-", 3]'), ('int[]', 'null_if("")', '""'),
    ('bigint', 'null_if("нет", "なし")', '"нет"'), ('bigint', 'null_if("нет", "なし")', '"なし"'), ('money', 'null_if("")', '""'), ('int4range', 'null_if("")', '""'),
    ('timestamptz', 'epoch_s', '1700000000'), ('timestamptz', 'epoch_s', '1700000000.25'), ('timestamptz', 'epoch_s', '"1700000000"'), ('timestamptz', 'epoch_s', '-1'),
    ('timestamptz', 'epoch_s', '1.7e9'), ('timestamptz', 'epoch_s', '1700000000123'), ('timestamptz(0)', 'epoch_ms', '1700000000123'), ('timestamptz', 'epoch_ms', '1700000000123'),
    ('timestamptz', 'epoch_us', '1700000000123456'), ('timestamptz', 'epoch_ns', '1700000000123456000'), ('timestamptz', 'epoch_ns', '1700000000123456789'),
    ('timestamp', 'epoch_s', '1700000000'), ('date', 'epoch_s', '1699920000'), ('date', 'epoch_s', '1700000000'), ('date', 'epoch_days', '19675'), ('date', 'epoch_days', '"19675"'),
    ('timestamptz[]', 'epoch_s', '[0, 1]'),
    ('int', 'number', '" 5"'), ('int', 'number', '"007"'), ('int', 'number', '"+5"'), ('int', 'number', '"102.0"'), ('int', 'number', '"102.5"'), ('int', 'number', '"99999999999"'),
    ('int', 'number', '"+99999999999"'), ('numeric(5,2)', 'number', '" 001.50 "'), ('numeric(5,2)', 'number', '"01.555"'), ('float8', 'number', '".5"'), ('int', 'number', '"1,5"'),
    ('int', 'number', '"-0"'), ('whole', 'number', '"007"'), ('float8', 'number', '"+9007199254740993"'), ('numeric', 'number', '"0x1F"'),
    ('numeric', 'number_comma', '"1.234,56"'), ('numeric', 'number_comma', '"1.234"'), ('numeric', 'number_comma', '1.234'), ('int', 'number_comma', '"1.234"'),
    ('numeric', 'number_comma', '"12.34"'), ('numeric', 'number_comma', '"1,5"'), ('numeric', 'number_comma', '"1 234,56"'), ('numeric', 'number_comma', E'"1\u202F234,56"'),
    ('numeric', 'number_comma', '"1,234.56"'), ('numeric', 'number_comma', '"1.23,4"'), ('numeric(4,3)', 'number_comma', '"1.234"'), ('numeric(3,3)', 'number_comma', '"1.234"'),
    ('numeric', 'number_comma', '"-1.234.567,8"'), ('numeric', 'number_comma', '"0.123"'), ('int', 'number_comma', '"1.234,5"'), ('numeric(6,1)', 'number_comma', '"1.234,56"'),
    ('numeric', 'number_point', '"1,234.56"'), ('numeric', 'number_point', '"1,234"'), ('numeric', 'number_point', '"12,34"'), ('numeric', 'number_point', E'"1\u2019234.5"'),
    ('numeric', 'number_point', '"1.234"'), ('numeric[]', 'number_point', '["1,234.5", 2]'),
    ('boolean', 'boolean("Y" | "N")', '"Y"'), ('boolean', 'boolean("Y" | "N")', '"N"'), ('boolean', 'boolean("Y" | "N")', '"y"'), ('boolean', 'boolean("1" | "0")', '1'),
    ('boolean', 'boolean("1" | "0")', '"0"'), ('boolean', 'boolean("1" | "0")', '2'), ('boolean', 'boolean("ja", "Ja" | "nein", "Nein")', '"Ja"'), ('boolean', 'boolean("да" | "нет")', '"нет"'),
    ('boolean', 'boolean("false" | "true")', 'true'),
    ('date', 'date_dmy', '"31.12.2023"'), ('date', 'date_dmy', '"1/2/2024"'), ('date', 'date_mdy', '"1/2/2024"'), ('date', 'date_mdy', '"13/1/2024"'), ('date', 'date_dmy', '"29.02.2023"'),
    ('date', 'date_dmy', '"31.12.23"'), ('date', 'date_ymd', '"20231231"'), ('date', 'date_ymd', '20231231'), ('date', 'date_ymd', '"2023/12/31"'), ('date', 'date_dmy', '"31122023"'),
    ('date', 'date_dmy', '"2023-12-31"'), ('timestamp', 'date_mdy', '"1/2/2024 3:04:05 PM"'), ('timestamp', 'date_dmy', '"31.12.2023 10:00"'), ('timestamptz', 'date_dmy', '"31.12.2023 10:00"'),
    ('timestamptz', 'date_dmy', '"31.12.2023 10:00+01:00"'), ('timestamptz', 'date_dmy, time_zone("Europe/Berlin")', '"31.12.2023 10:00"'), ('timestamptz', 'date_ymd', '"20231231T100000Z"'),
    ('date', 'date_dmy', '"31.12.2023 10:00"'),
    ('timestamptz', 'time_zone("Europe/Berlin")', '"2024-07-01 12:00"'), ('timestamptz', 'time_zone("Europe/Berlin")', '"2024-01-01T12:00:00.5"'),
    ('timestamptz', 'time_zone("Europe/Berlin")', '"2024-03-31 02:30"'), ('timestamptz', 'time_zone("Europe/Berlin")', '"2024-10-27 02:30"'),
    ('timestamptz', 'time_zone("Europe/Berlin")', '"2024-10-27 03:00"'), ('timestamptz', 'time_zone("Europe/Berlin")', '"2024-10-27 01:59:59"'),
    ('timestamptz', 'time_zone("Europe/Berlin")', '"2024-07-01 12:00+05"'), ('timestamptz', 'time_zone("Australia/Lord_Howe")', '"2024-04-07 01:45"'),
    ('timestamptz', 'time_zone("Australia/Lord_Howe")', '"2024-04-07 02:00"'), ('timestamptz', 'time_zone("Pacific/Apia")', '"2011-12-30 12:00"'),
    ('timestamptz', 'time_zone("America/New_York")', '"2024-02-29"'), ('timestamptz', 'time_zone("Asia/Kolkata")', '"9999-12-31 23:59:59.999999"'),
    ('bytea', 'base64', '"aGVsbG8="'), ('bytea', 'base64', '"aGVsbG8"'), ('bytea', 'base64', '"aGVsbG9="'), ('bytea', 'base64url', '"_-8"'), ('bytea', 'hex', '"00fF"'), ('bytea', 'hex', '"0x00ff"'),
    ('bytea', 'hex', '"0ff"'), ('bytea', 'base64', '"\\x6869"'), ('bytea[]', 'base64', '["aGk="]'),
    ('text', 'json_text', '{"a": [1, 2]}'), ('text', 'json_text', '[1, 2]'), ('text', 'json_text', '"a"'), ('text', 'json_text', '5'), ('varchar(5)', 'json_text', '{"a": [1, 2]}'),
    ('jsonb', 'parse_json', '"{\"a\": [1, 2.50]}"'), ('jsonb', 'parse_json', '"[1"'), ('jsonb', 'parse_json', '"5"'), ('jsonb', 'parse_json', '{"a": 1}'), ('json', 'parse_json', '"[1, 2]"'),
    ('jsonb', 'parse_json', '"{\"a\": 1, \"a\": 2}"'),
    ('text', 'extended_json', '{"$oid": "507f1f77bcf86cd799439011"}'), ('text[]', 'extended_json', '[{"$oid": "507f1f77bcf86cd799439011"}]'), ('bigint', 'extended_json', '{"$numberLong": "9223372036854775807"}'),
    ('int', 'extended_json', '{"$numberLong": "9223372036854775807"}'), ('int', 'extended_json', '{"$numberInt": "5"}'), ('numeric', 'extended_json', '{"$numberDecimal": "1.50"}'),
    ('float8', 'extended_json', '{"$numberDouble": "NaN"}'), ('timestamptz', 'extended_json', '{"$date": "2023-11-14T22:13:20.123Z"}'),
    ('timestamptz', 'extended_json', '{"$date": {"$numberLong": "1700000000123"}}'), ('bytea', 'extended_json', '{"$binary": {"base64": "aGk=", "subType": "00"}}'),
    ('uuid', 'extended_json', '{"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAQ==", "subType": "04"}}'), ('uuid', 'extended_json', '{"$uuid": "00000000-0000-0000-0000-000000000001"}'),
    ('int', 'extended_json', '{"$numberInt": "5", "x": 1}'), ('int', 'extended_json', '{"a": 5}'),
    ('numeric', 'null_if("-"), number_comma', '"-"'), ('numeric', 'null_if("-"), number_comma', '"-1,5"'), ('date', 'date_ymd, date_dmy', '"1/2/2024"'), ('date', 'null_if("9999-12-31")', '"9999-12-31"'),
    ('int NOT NULL', 'null_if("")', '""');
CREATE FUNCTION outcome_of(door text, payload text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    outcome text;
BEGIN
    CASE door
        WHEN 'text' THEN outcome := healing_insert('probe', payload);
        WHEN 'jsonb' THEN outcome := healing_insert('probe', payload::jsonb);
        WHEN 'load' THEN PERFORM healing_load('probe', payload || E'\n');
        WHEN 'load jsonb' THEN PERFORM healing_load('probe', ('[' || payload || ']')::jsonb);
        WHEN 'inbox' THEN INSERT INTO probe_inbox VALUES (payload);
    END CASE;
    SELECT coalesce(p.v::text, 'NULL') INTO outcome FROM probe p;
    IF NOT FOUND THEN
        SELECT kind || ' ' || coalesce(cause, '') INTO outcome FROM (SELECT kind, cause FROM mend.queue UNION ALL SELECT kind, cause FROM mend.dead_letters) q;
    END IF;
    DELETE FROM probe; DELETE FROM mend.queue; DELETE FROM mend.dead_letters;
    RETURN outcome;
END
$$;
-- The way of storing: directly, as a set (a trigger of the statement), row by row (a rule).
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
DO $$
DECLARE
    c cases;
    door text;
    way text;
    one text;
BEGIN
    FOR c IN TABLE cases LOOP
        FOREACH way IN ARRAY '{direct,set,row}'::text[] LOOP
            EXECUTE format('CREATE TABLE probe (v %s)', c.type);
            IF way = 'set' THEN
                CREATE TRIGGER after_all AFTER INSERT ON probe FOR EACH STATEMENT EXECUTE FUNCTION nothing();
            ELSIF way = 'row' THEN
                CREATE RULE also AS ON INSERT TO probe DO ALSO SELECT 1;
            END IF;
            PERFORM mend.enroll('probe', 'paused');
            PERFORM mend.create_inbox('probe');
            PERFORM mend.read_as('probe', 'v', c.reading);
            FOREACH door IN ARRAY CASE way WHEN 'direct' THEN '{text,jsonb,load,"load jsonb",inbox}'::text[] ELSE '{load}' END LOOP
                one := outcome_of(door, '{"v": ' || c.value || '}');
                -- How jsonb prints an object is its own.
                IF c.result IS NULL THEN
                    c.result := one;
                ELSIF c.result <> one THEN
                    c.result := format('%s, but by %s %s: %s', c.result, door, way, one);
                END IF;
            END LOOP;
            PERFORM mend.unenroll('probe');
            DROP TABLE probe;
        END LOOP;
        UPDATE cases SET result = c.result WHERE id = c.id;
    END LOOP;
END
$$;
SELECT type, reading, value, result FROM cases ORDER BY id;
DROP TABLE cases;
DROP FUNCTION outcome_of(text, text);
DROP DOMAIN positive, whole;
DROP TYPE mood;
-- Waiting rows are tried at once, dead letters when somebody says so.
\set VERBOSITY default
RESET client_min_messages;
CREATE TABLE t (id int PRIMARY KEY, price numeric, day date, note text, flag boolean);
SELECT mend.enroll('t', on_conflict => 'update');
SELECT healing_insert('t', '{"id": 1, "price": "1.234,50", "note": ""}'), healing_insert('t', '{"id": 2, "day": "31.12.2023"}'),
       healing_insert('t', '{"id": 1, "price": "7,5"}');
CALL mend.wait_idle('t');
SELECT count(mend.reject(patch_id, 'they are to be read')) FROM mend.decisions;
CALL mend.wait_idle('t');
SELECT payload, kind, cause FROM mend.dead_letters ORDER BY id;
SELECT mend.read_as('t', 'price', 'number_comma');
SELECT mend.read_as('t', 'day', 'date_dmy');
SELECT mend.retry('t', field => 'price') AS price, mend.retry('t', field => 'day') AS day;
CALL mend.wait_idle('t');
SELECT count(*) FROM mend.dead_letters;
TABLE t ORDER BY id;
-- While the worker is away rows wait, and are stored once the reading is there.
SELECT mend.configure('t', 'paused');
SELECT healing_insert('t', '{"id": 3, "flag": "oui", "price": "3,5"}');
SELECT mend.read_as('t', 'flag', 'boolean("oui" | "non")');
SELECT mend.configure('t', 'auto');
CALL mend.wait_idle('t');
TABLE t ORDER BY id;
-- An update of the columns present, through the reading; nothing in a column without a reading of its own.
SELECT mend.configure('t', null_if => '{"",N/A,-}');
SELECT healing_insert('t', '{"id": 3, "flag": "N/A", "price": "-", "note": "-", "day": ""}'), healing_insert('t', '{"id": 2, "price": "-1,5"}');
TABLE t ORDER BY id;
SELECT healing_insert('t', '{"id": "", "note": "a key is not nothing"}');
CALL mend.wait_idle('t');
-- A field that has its own reading.
SELECT mend.map_field('t', 'Preis', 'price');
SELECT mend.read_as('t', 'price', 'number_point');
SELECT mend.read_as('t', 'price', 'number_comma', 'Preis');
SELECT healing_insert('t', '{"id": 4, "Preis": "1.234,5"}'), healing_insert('t', '{"id": 5, "price": "1,234.5"}'), healing_insert('t', '{"id": 6, "Price": "1,234.5"}');
TABLE t ORDER BY id;
SELECT field, column_name, reading FROM mend.fields ORDER BY field COLLATE "C";
-- Plainly again.
SELECT mend.read_as('t', 'price', NULL, 'Preis');
SELECT mend.read_as('t', 'price', NULL);
SELECT mend.configure('t', null_if => '{}');
SELECT healing_insert('t', '{"id": 7, "Preis": "1.234,5"}');
CALL mend.wait_idle('t');
SELECT payload, cause FROM mend.dead_letters ORDER BY id;
-- A column of a time zone has its own say, whatever the table's is.
CREATE TABLE z (id int PRIMARY KEY, a timestamptz, b timestamptz, c timestamp);
SELECT mend.enroll('z', naive_zone => 'Asia/Tokyo');
SELECT mend.read_as('z', 'a', 'epoch_s, date_dmy, time_zone("Europe/Berlin")'), mend.read_as('z', 'b', 'date_dmy'), mend.read_as('z', 'c', 'epoch_s');
SELECT healing_insert('z', '{"id": 1, "a": "2024-07-01 12:00", "b": "2024-07-01 12:00", "c": 1719835200}'),
       healing_insert('z', '{"id": 2, "a": "01.07.2024 12:00", "b": "01.07.2024 12:00", "c": "2024-07-01T12:00:00Z"}');
SET datestyle = 'ISO';
TABLE z ORDER BY id;
-- Values that wait in the rescue column go to their column once they can be read.
CREATE TABLE r (id int PRIMARY KEY, n int, rest jsonb);
SELECT mend.enroll('r', rescue => 'rest');
SELECT healing_insert('r', '{"id": 0, "n": 5}');
SELECT healing_load('r', E'{"id": 1, "n": "007"}\n{"id": 2, "n": "+8"}\n{"id": 3, "n": "x"}');
CALL mend.wait_idle('r');
SELECT mend.read_as('r', 'n', 'number');
CALL mend.wait_idle('r');
TABLE r ORDER BY id;
SET client_min_messages = warning;
SELECT mend.unenroll_all(true);
DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events;
DROP TABLE t, z, r;
DROP FUNCTION nothing();
