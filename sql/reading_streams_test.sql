-- Streams of dirty values, as languages and vendors write them: each lands through its reading, with the values that are meant, and
-- without the reading none of its dirty values is stored as another.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE TABLE streams (id int GENERATED ALWAYS AS IDENTITY, habit text, type text, reading text, dirty jsonb[], meant text[]);
-- What stands for nothing, beside a value that fits.
INSERT INTO streams (habit, type, reading, dirty, meant)
SELECT format('nothing: %s', w), t.type, format('null_if(%s)', to_json(w)), ARRAY[to_jsonb(w), t.fits, to_jsonb(w)], ARRAY[NULL, t.sense, NULL]
FROM unnest('{"",-,N/A,n/a,"NULL",None,"k. A.",keine Angabe,s/o,néant,sin dato,n.d.,não informado,n.v.t.,brak,нет данных,δ/υ,لا يوجد,无,なし,없음}'::text[]) w,
     (VALUES ('integer', '5'::jsonb, '5'), ('timestamptz', '"2024-01-02T03:04:05Z"', '2024-01-02 03:04:05+00'), ('boolean', 'true', 'true')) t (type, fits, sense);
-- Numbers: the comma or the point before the fraction, and what stands between groups.
INSERT INTO streams (habit, type, reading, dirty, meant)
SELECT format('number: %s, groups by %s', c.kind, to_json(g)), t.type, c.kind,
       ARRAY[to_jsonb('1' || g || '234' || g || '567' || replace(t.fraction, '.', c.mark)), to_jsonb('-12' || g || '345'), to_jsonb('7' || replace(t.part, '.', c.mark)), '8'],
       ARRAY['1234567' || t.fraction, '-12345', '7' || t.part, '8']
FROM (VALUES ('number_comma', ',', ARRAY['.', ' ', U&'\00A0', U&'\202F', '''', U&'\2019']), ('number_point', '.', ARRAY[',', ' ', U&'\00A0', U&'\202F', '''', U&'\2019'])) c (kind, mark, groups),
     unnest(c.groups) g, (VALUES ('integer', '', ''), ('numeric', '.5', '.5'), ('double precision', '.25', '.25')) t (type, fraction, part);
INSERT INTO streams (habit, type, reading, dirty, meant)
SELECT 'number: as spreadsheets and mainframes pad it', t, 'number', '{"\"  5\"","\"0007\"","\"+12\"","\"5 \"","6"}', '{5,7,12,5,6}' FROM unnest('{smallint,integer,bigint,numeric,real}'::text[]) t;
-- Dates, in every order and with every mark.
INSERT INTO streams (habit, type, reading, dirty, meant)
SELECT format('date: %s with %s', o.kind, to_json(m)), t.type, o.kind,
       ARRAY[to_jsonb(to_char(date '2023-12-31', replace(o.form, '-', m)) || t.clock), to_jsonb(to_char(date '2024-02-29', replace(o.form, '-', m)) || t.clock)],
       ARRAY['2023-12-31' || t.sense, '2024-02-29' || t.sense]
FROM (VALUES ('date_ymd', 'YYYY-MM-DD'), ('date_dmy', 'DD-MM-YYYY'), ('date_mdy', 'MM-DD-YYYY')) o (kind, form), unnest('{.,/,-,""}'::text[]) m,
     (VALUES ('date', '', ''), ('timestamp', ' 9:05', ' 09:05:00'), ('timestamp', ', 9:05:06 PM', ' 21:05:06'), ('timestamptz', ' 09:05+02:00', ' 07:05:00+00')) t (type, clock, sense)
WHERE NOT (o.kind = 'date_ymd' AND m = '-' AND t.type = 'date');
-- Counted since 1970, as numbers and as text.
INSERT INTO streams (habit, type, reading, dirty, meant)
SELECT format('epoch: %s%s', u.kind, CASE WHEN quoted THEN ' as text' END), t.type, u.kind,
       ARRAY[CASE WHEN quoted THEN to_jsonb((1700000000 * u.units)::text) ELSE to_jsonb(1700000000 * u.units) END], ARRAY['2023-11-14 22:13:20' || t.zone]
FROM (VALUES ('epoch_s', 1::numeric), ('epoch_ms', 1000), ('epoch_us', 1000000), ('epoch_ns', 1000000000)) u (kind, units),
     (VALUES ('timestamptz', '+00'), ('timestamp', '')) t (type, zone), (VALUES (false), (true)) q (quoted);
INSERT INTO streams (habit, type, reading, dirty, meant) VALUES ('epoch: days', 'date', 'epoch_days', '{19675,"\"19676\""}', '{2023-11-14,2023-11-15}');
-- True and false in the words of a language or a system.
INSERT INTO streams (habit, type, reading, dirty, meant)
SELECT format('boolean: %s and %s', p[1], p[2]), 'boolean', format('boolean(%s | %s)', to_json(p[1]), to_json(p[2])), ARRAY[to_jsonb(p[1]), to_jsonb(p[2]), 'true'], '{true,false,true}'
FROM (SELECT string_to_array(s, '/') FROM unnest('{Y/N,yes/no,T/F,1/0,on/off,J/N,ja/nein,Oui/Non,O/N,S/N,sí/no,sim/não,tak/nie,ano/ne,igen/nem,evet/hayır,да/нет,ναι/όχι,نعم/لا,是/否,はい/いいえ,예/아니오}'::text[]) s) x (p);
-- Clocks without an offset, in zones with summer time, without, and at odd distances.
INSERT INTO streams (habit, type, reading, dirty, meant)
SELECT 'clock in ' || z, 'timestamptz', format('date_dmy, time_zone(%s)', to_json(z)), '{"\"2024-07-01 12:00:00.25\"","\"01.01.2024 00:30\""}',
       ARRAY[(timestamp '2024-07-01 12:00:00.25' AT TIME ZONE z)::text, (timestamp '2024-01-01 00:30' AT TIME ZONE z)::text]
FROM unnest('{Europe/Berlin,America/New_York,Asia/Kolkata,Australia/Lord_Howe,Asia/Tokyo,America/Sao_Paulo,Pacific/Chatham,UTC}'::text[]) z;
-- Bytes, and JSON within JSON.
INSERT INTO streams (habit, type, reading, dirty, meant) VALUES
    ('bytes: base64', 'bytea', 'base64', '{"\"aGVsbG8gd29ybGQ=\"","\"\\\\x6869\""}', '{"\\x68656c6c6f20776f726c64","\\x6869"}'),
    ('bytes: base64url', 'bytea', 'base64url', '{"\"_-8_-8_-8_-8_-8\""}', '{"\\xffef3ffbcffef3ffbcffef"}'),
    ('bytes: hexadecimal', 'bytea', 'hex', '{"\"00FF00FF00FF00\"","\"0x0a0b0c0d0e0f00\""}', '{"\\x00ff00ff00ff00","\\x0a0b0c0d0e0f00"}'), ('a record in a text', 'jsonb', 'parse_json', '{"\"[1, 2]\"","{\"a\": 1}"}', '{"[1, 2]","{\"a\": 1}"}'),
    ('a text of a record', 'text', 'json_text', '{"[1, 2]","\"a\""}', '{"[1, 2]",a}'),
    ('MongoDB: $oid', 'text', 'extended_json', '{"{\"$oid\": \"507f1f77bcf86cd799439011\"}"}', '{507f1f77bcf86cd799439011}'),
    ('MongoDB: $date', 'timestamptz', 'extended_json', '{"{\"$date\": \"2023-11-14T22:13:20Z\"}","{\"$date\": {\"$numberLong\": \"1700000000000\"}}"}', '{2023-11-14 22:13:20+00,2023-11-14 22:13:20+00}'),
    ('MongoDB: $numberLong', 'bigint', 'extended_json', '{"{\"$numberLong\": \"9007199254740993\"}","{\"$numberInt\": \"7\"}",8}', '{9007199254740993,7,8}'),
    ('MongoDB: $numberDecimal', 'numeric', 'extended_json', '{"{\"$numberDecimal\": \"1.50\"}"}', '{1.50}'),
    ('MongoDB: $uuid', 'uuid', 'extended_json', '{"{\"$uuid\": \"00000000-0000-0000-0000-000000000001\"}"}', '{00000000-0000-0000-0000-000000000001}');
CREATE TABLE wrong (stream int, habit text, why text);
DO $$
DECLARE
    s streams;
    stored text[];
    result mend.load_result;
BEGIN
    FOR s IN TABLE streams LOOP
        EXECUTE format('CREATE TABLE probe (n int, v %s)', s.type);
        PERFORM mend.enroll('probe', 'paused');
        -- Without the reading: what is stored is what is meant, or it waits; but for texts that JSON reads as numbers, "12.345", and any text in jsonb.
        PERFORM healing_insert('probe', jsonb_build_object('n', n, 'v', v)::text) FROM unnest(s.dirty) WITH ORDINALITY d (v, n);
        INSERT INTO wrong SELECT s.id, s.habit, format('plainly %s is stored as %s', s.dirty[n], v) FROM (SELECT n, v::text FROM probe) p WHERE v IS DISTINCT FROM s.meant[n] AND s.dirty[n] #>> '{}' !~ '^-?\d+\.\d+$' AND s.reading <> 'parse_json';
        TRUNCATE probe; DELETE FROM mend.queue; DELETE FROM mend.dead_letters;
        PERFORM mend.read_as('probe', 'v', s.reading);
        SELECT * INTO result FROM healing_load('probe', (SELECT string_agg(jsonb_build_object('n', n, 'v', v)::text, E'\n') FROM unnest(s.dirty) WITH ORDINALITY d (v, n)));
        INSERT INTO wrong SELECT s.id, s.habit, format('%s of %s landed: %s', result.inserted, cardinality(s.dirty), (SELECT string_agg(error, '; ') FROM mend.queue)) WHERE result.inserted <> cardinality(s.dirty);
        INSERT INTO wrong SELECT s.id, s.habit, format('%s is read as %s', s.dirty[n], v) FROM (SELECT n, v::text FROM probe) p WHERE v IS DISTINCT FROM s.meant[n];
        DELETE FROM mend.queue; DELETE FROM mend.dead_letters;
        PERFORM mend.unenroll('probe');
        DROP TABLE probe;
    END LOOP;
END
$$;
SELECT count(*) >= 200 AS "200 streams", count(*), sum(cardinality(dirty)) AS dirty_values FROM streams;
SELECT * FROM wrong ORDER BY stream;
SELECT count(DISTINCT r) AS readings FROM streams, regexp_split_to_table(regexp_replace(reading, '\([^)]*\)', '', 'g'), ', ') r;
-- Nobody has said how to read them: each stream ends stored or asked, with nothing but what is meant in its table.
DO $$
DECLARE
    s streams;
BEGIN
    FOR s IN TABLE streams LOOP
        EXECUTE format('CREATE TABLE asked_%s (n int, v %s)', s.id, s.type);
        EXECUTE format('INSERT INTO asked_%s SELECT 0, v::%s FROM unnest($1) v WHERE v IS NOT NULL LIMIT 1', s.id, s.type) USING s.meant;
        PERFORM mend.enroll(format('asked_%s', s.id)::regclass);
        PERFORM healing_insert(format('asked_%s', s.id)::regclass, jsonb_build_object('n', n, 'v', v)::text) FROM unnest(s.dirty) WITH ORDINALITY d (v, n);
    END LOOP;
END
$$;
CALL mend.wait_idle(timeout => '5 min');
CREATE VIEW ends AS
SELECT s.id, s.habit, s.reading, (SELECT count(*) FROM mend.dead_letters d WHERE d.target = r.oid) AS dead, (SELECT count(*) FROM mend.queue q WHERE q.target = r.oid) AS waits,
       (SELECT string_agg(substring(d.ddl FROM 'mend.read_as = E?''(.*)''\)'), '; ') FROM mend.decisions d WHERE d.target = r.oid) AS suggested,
       EXISTS (SELECT FROM mend.decisions d WHERE d.target = r.oid) AS asked
FROM streams s JOIN pg_class r ON r.relname = 'asked_' || s.id;
SELECT split_part(habit, ':', 1) AS habit, count(*) FILTER (WHERE dead > 0 OR waits > 0 AND NOT asked) AS lost, count(*) FILTER (WHERE asked) AS asked,
       count(*) FILTER (WHERE NOT asked AND waits + dead = 0) AS stored, count(suggested) AS by_a_reading
FROM ends GROUP BY 1 ORDER BY min(id);
SELECT habit, dead, waits, suggested FROM ends WHERE dead > 0 OR waits > 0 AND NOT asked ORDER BY id;
-- What is suggested is what was meant.
SELECT habit, reading, suggested FROM ends WHERE replace(replace(suggested, '''''', ''''), '\\', '\') <> regexp_replace(reading, ', time_zone.*', '') ORDER BY id;
DROP VIEW ends;
SELECT count(mend.unenroll_all(true)) FROM (SELECT) x;
DO $$ DECLARE s streams; BEGIN FOR s IN TABLE streams LOOP EXECUTE format('DROP TABLE asked_%s', s.id); END LOOP; END $$;
DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events;
DROP TABLE streams, wrong;
