-- Every built-in type: a payload's string stores what INSERT ... VALUES stores of the same text, or fails where it fails,
-- or is drift where PostgreSQL would take it and change it. Never anything else.
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET intervalstyle = 'postgres';
CREATE SCHEMA ingest_differential_test;
SET search_path = ingest_differential_test, public;
CREATE TYPE mood AS ENUM ('sad', 'so so');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE span AS RANGE (subtype = float8);
CREATE TABLE candidates (type text, literal text);
INSERT INTO candidates SELECT type, unnest(literals) FROM (VALUES
    ('boolean', '{true,false,t,yes,on,1,0,TRUE," true",maybe,""}'::text[]),
    ('smallint', '{0,1,-1,32767,-32768,32768,"05","+5"," 5","-0",1.5,5.0,1e2,x,""}'),
    ('integer', '{0,2147483647,-2147483648,2147483648,007,"5 ",0x10,1_000,NaN}'),
    ('bigint', '{9223372036854775807,-9223372036854775808,9223372036854775808,"+1"," 1"}'),
    ('numeric', '{0,-0,1.50,123456789012345678901234567890.123456789,1e5,1E-7,NaN,Infinity,"+1"," 1",.5,5.,x}'),
    ('numeric(6,2)', '{1,1.5,1.50,1.500,1.005,9999.99,10000,-9999.99,0.00,0.001,1e3,1e4}'),
    ('numeric(3,0)', '{999,1000,1.0,1.5}'),
    ('real', '{0,1.5,16777216,16777217,3.4e38,3.5e38,1e-46,0.1,NaN,-Infinity,"+1"}'),
    ('double precision', '{0,0.1,9007199254740992,9007199254740993,1e308,1e309,1e-400,-0,NaN,infinity," 1"}'),
    ('money', '{1.50,"$1,234.56",x}'),
    ('text', '{"",a," a ","quote ''\" back\\\\slash","tab\ttab",é,日本}'),
    ('varchar(3)', '{abc,abcd,"abc ",éàü,éàüo}'),
    ('char(3)', '{a,abc,abcd,"abc  ",é}'),
    ('name', '{a,"A b"}'),
    ('"char"', '{a,ab,""}'),
    ('bytea', '{"\\\\x00ff","\\\\xZZ",abc,"\\\\001"}'),
    ('date', '{2026-01-31,2026-02-29,2026-1-5,01/02/2026,today,infinity,0001-01-01,9999-12-31,"2026-01-31 10:00","2026-01-31 BC"}'),
    ('time', '{10:00,10:00:01.123456,24:00,25:00,10:00:00.1234567,now,"10:00 PM","10:00:00+02"}'),
    ('time(0)', '{10:00:01,10:00:01.5}'),
    ('timetz', '{10:00:00+02,10:00,10:00Z,"10:00 Europe/Berlin"}'),
    ('timestamp', '{"2026-01-31 10:00:00","2026-01-31T10:00:00","2026-01-31","2026-01-31T10:00:00Z","2026-01-31 10:00:00.1234567",now,-infinity,"2026-13-01 00:00"}'),
    ('timestamptz', '{"2026-01-31T10:00:00Z","2026-01-31 10:00:00+02","2026-01-31T10:00:00","2026-01-31","2026-03-29 02:30 Europe/Berlin","2026-01-31T10:00:60Z",epoch,"2026-01-31T10:00:00+15:59","2026-01-31T10:00:00+16:00"}'),
    ('timestamptz(0)', '{"2026-01-31T10:00:00.4Z","2026-01-31T10:00:00Z"}'),
    ('interval', '{"1 day","P1DT2H","1 fortnight","",x,"1-2"}'),
    ('uuid', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11,a0eebc999c0b4ef8bb6d6bb9bd380a11,"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1,x}'),
    ('inet', '{10.0.0.1,10.0.0.1/8,::1,10.0.0,x}'), ('cidr', '{10.0.0.0/8,10.0.0.1/8}'),
    ('macaddr', '{08:00:2b:01:02:03,08002b010203,x}'), ('macaddr8', '{08:00:2b:01:02:03:04:05,08:00:2b:01:02:03}'),
    ('bit(3)', '{101,10,102}'), ('bit varying(3)', '{101,1,1010}'),
    ('point', '{"(1,2)","1,2",x}'), ('line', '{"{1,2,3}","{0,0,3}"}'), ('lseg', '{"[(1,2),(3,4)]"}'), ('box', '{"(3,4),(1,2)"}'),
    ('path', '{"[(1,2),(3,4)]","((1,2))"}'), ('polygon', '{"((1,2),(3,4))"}'), ('circle', '{"<(1,2),3>","<(1,2),-3>"}'),
    ('tsvector', '{"a b:2",""}'), ('tsquery', '{"a & b","a &"}'),
    ('xml', '{<a/>,<a>}'), ('pg_lsn', '{0/16B3748,x}'), ('txid_snapshot', '{10:20:10}'), ('pg_snapshot', '{10:20:10,20:10:}'),
    ('int4range', '{"[1,5)","[1,5]",empty,"(,)","[5,1]"}'), ('int8range', '{"[1,5)"}'), ('numrange', '{"[1.50,2]"}'),
    ('tsrange', '{"[2026-01-01,2026-01-02)"}'), ('tstzrange', '{"[2026-01-01 00:00+00,)"}'), ('daterange', '{"[2026-01-01,2026-01-02]"}'),
    ('int4multirange', '{"{[1,5),[7,9)}","{}"}'), ('int8multirange', '{"{[1,5)}"}'), ('nummultirange', '{"{[1,2)}"}'),
    ('tsmultirange', '{"{[2026-01-01,2026-01-02)}"}'), ('tstzmultirange', '{"{}"}'), ('datemultirange', '{"{[2026-01-01,2026-01-03)}"}'),
    ('oid', '{1,4294967295,-1,x}'), ('xid', '{1,4294967295}'), ('xid8', '{1,18446744073709551615}'), ('cid', '{1}'), ('tid', '{"(1,2)",x}'),
    ('regclass', '{pg_class,no_such_table,1259}'), ('regtype', '{integer,no_such_type}'), ('regproc', '{now,no_such_function}'),
    ('regprocedure', '{now(),x}'), ('regoper', '{!~~*,x}'), ('regoperator', '{"+(integer,integer)"}'), ('regrole', '{no_such_role}'),
    ('regnamespace', '{pg_catalog,nowhere}'), ('regconfig', '{english,klingon}'), ('regdictionary', '{simple}'), ('regcollation', '{"\"C\""}'),
    ('jsonpath', '{"$.a[*]","$."}'), ('int2vector', '{"1 2 3"}'), ('oidvector', '{"1 2"}'), ('refcursor', '{c}'), ('aclitem', '{=r/postgres}'),
    ('gtsvector', '{x}'),
    ('mood', '{sad,"so so",Sad," sad",""}'), ('positive', '{1,0,-1,x,"01"}'), ('span', '{"[1,2)","[2,1)"}'), ('span_multirange', '{"{[1,2)}"}')
) t(type, literals);

CREATE TABLE results (type text, literal text, verdict text, theirs text);
CREATE PROCEDURE compare(what text, given text) LANGUAGE plpgsql AS $$
DECLARE ours text; theirs text; outcome text; failed text; kinds text;
BEGIN
    EXECUTE format('CREATE TABLE ingest_differential_test.ours (v %s); CREATE TABLE ingest_differential_test.theirs (v %s)', what, what);
    PERFORM mend.enroll('ingest_differential_test.ours', mode => 'paused');
    outcome := healing_insert('ingest_differential_test.ours'::regclass, json_build_object('v', given)::text);
    BEGIN
        EXECUTE format('INSERT INTO ingest_differential_test.theirs VALUES (%L)', given);
    EXCEPTION WHEN others THEN failed := SQLSTATE;
    END;
    SELECT v::text INTO ours FROM ingest_differential_test.ours;
    SELECT v::text INTO theirs FROM ingest_differential_test.theirs;
    INSERT INTO results VALUES (what, given, CASE
        WHEN outcome = 'inserted' AND failed IS NULL AND ours IS NOT DISTINCT FROM theirs THEN 'same'
        WHEN outcome <> 'inserted' AND failed IS NOT NULL THEN 'both refuse'
        WHEN outcome <> 'inserted' AND theirs IS DISTINCT FROM given THEN 'drift: it would be changed'
        WHEN outcome <> 'inserted' THEN 'drift'
        ELSE 'DIFFERENT: ' || outcome || ' ' || coalesce(ours, '') || ', INSERT: ' || coalesce(failed, theirs) END, theirs);
    DELETE FROM mend.queue WHERE target = 'ingest_differential_test.ours'::regclass;
    DELETE FROM mend.dead_letters WHERE target = 'ingest_differential_test.ours'::regclass;
    PERFORM mend.unenroll('ingest_differential_test.ours');
    DROP TABLE ingest_differential_test.ours, ingest_differential_test.theirs;
END $$;
DO $$ DECLARE c record; BEGIN
    FOR c IN SELECT * FROM ingest_differential_test.candidates LOOP
        CALL ingest_differential_test.compare(c.type, c.literal);
    END LOOP;
END $$;
-- and the same within a domain, an array and a composite of each type
CREATE TABLE nested_results (type text, literal text, within text, verdict text);
CREATE PROCEDURE compare_within(what text) LANGUAGE plpgsql AS $$
DECLARE c record; failed text; outcome text; ours text; theirs text;
BEGIN
    EXECUTE format('CREATE DOMAIN ingest_differential_test.d AS %s; CREATE TYPE ingest_differential_test.c AS (v %s)', what, what);
    EXECUTE format('CREATE TABLE ingest_differential_test.ours (domain ingest_differential_test.d, array_of %s[], composite ingest_differential_test.c)', what);
    CREATE TABLE ingest_differential_test.theirs (LIKE ingest_differential_test.ours);
    PERFORM mend.enroll('ingest_differential_test.ours', mode => 'paused');
    FOR c IN SELECT literal, form.* FROM ingest_differential_test.candidates, LATERAL (VALUES
                 ('domain', to_json(literal), literal), ('array_of', json_build_array(literal, NULL, literal),
                     CASE type WHEN 'box' THEN format('{%1$s;NULL;%1$s}', literal) ELSE ARRAY[literal, NULL, literal]::text END),
                 ('composite', json_build_object('v', literal), ROW(literal)::text)) AS form (within, given, as_text)
             WHERE type = what LOOP
        failed := NULL;
        outcome := healing_insert('ingest_differential_test.ours'::regclass, json_build_object(c.within, c.given)::text);
        BEGIN
            EXECUTE format('INSERT INTO ingest_differential_test.theirs (%I) VALUES (%L)', c.within, c.as_text);
        EXCEPTION WHEN others THEN failed := SQLSTATE;
        END;
        EXECUTE format('SELECT %I::text FROM ingest_differential_test.ours', c.within) INTO ours;
        EXECUTE format('SELECT %I::text FROM ingest_differential_test.theirs', c.within) INTO theirs;
        INSERT INTO ingest_differential_test.nested_results VALUES (what, c.literal, c.within, CASE
            WHEN outcome = 'inserted' AND failed IS NULL AND ours IS NOT DISTINCT FROM theirs THEN 'same'
            WHEN outcome <> 'inserted' AND failed IS NOT NULL THEN 'both refuse'
            WHEN outcome <> 'inserted' THEN 'drift'
            ELSE 'DIFFERENT: ' || outcome || ' ' || coalesce(ours, '') || ', INSERT: ' || coalesce(failed, theirs) END);
        DELETE FROM ingest_differential_test.ours;
        DELETE FROM ingest_differential_test.theirs;
    END LOOP;
    DELETE FROM mend.queue WHERE target = 'ingest_differential_test.ours'::regclass;
    DELETE FROM mend.dead_letters WHERE target = 'ingest_differential_test.ours'::regclass;
    PERFORM mend.unenroll('ingest_differential_test.ours');
    DROP TABLE ingest_differential_test.ours, ingest_differential_test.theirs;
    DROP TYPE ingest_differential_test.c;
    DROP DOMAIN ingest_differential_test.d;
END $$;
DO $$ DECLARE t text; BEGIN
    FOR t IN SELECT DISTINCT type FROM ingest_differential_test.candidates ORDER BY 1 LOOP
        CALL ingest_differential_test.compare_within(t);
    END LOOP;
END $$;
SELECT count(*) = 3 * (SELECT count(*) FROM candidates) AS all_compared, count(*) FILTER (WHERE verdict = 'same') > 400 AS many_stored FROM nested_results;
-- the text of an integer with a fraction of zeros is that integer, as the number is
SELECT * FROM nested_results WHERE verdict LIKE 'DIFFERENT%' AND NOT (type = 'smallint' AND literal IN ('5.0', '1e2') AND verdict ~ 'inserted .*(5|100)') ORDER BY type, literal COLLATE "C", within;
-- a value that a column takes is taken within another type, and the other way round
SELECT n.*, r.verdict AS in_a_column FROM nested_results n JOIN results r USING (type, literal)
WHERE (n.verdict = 'same') <> (r.verdict = 'same') ORDER BY type COLLATE "C", literal COLLATE "C", within;
SELECT count(*) > 250 AS many_compared FROM results;
-- nothing is stored otherwise than INSERT stores it
SELECT * FROM results WHERE verdict LIKE 'DIFFERENT%' AND NOT (type = 'smallint' AND literal IN ('5.0', '1e2') AND verdict ~ 'inserted (5|100),') ORDER BY type, literal COLLATE "C";
-- what PostgreSQL takes and pg_mend asks about (it takes 0x10 and 1_000 from 16 on)
SELECT type, literal, CASE WHEN literal IN ('now', 'today') THEN 'the clock' ELSE theirs END AS theirs, verdict FROM results WHERE verdict LIKE 'drift%' AND literal NOT IN ('0x10', '1_000') ORDER BY type COLLATE "C", literal COLLATE "C";
-- no type of PostgreSQL's own is left out, but those that no table can have or that take no text
SELECT typname FROM pg_type t
WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') AND typelem = 0
  AND typname NOT IN ('pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary',
                      'json', 'jsonb')
  AND NOT EXISTS (SELECT FROM candidates c WHERE format_type(t.oid, NULL) = regexp_replace(c.type, '\(.*\)', '') OR t.oid = c.type::regtype)
ORDER BY 1;

-- numbers and nested values: every byte as numeric_in and jsonb_in make it
CREATE TABLE bytes (n numeric, m numeric(12,3), j jsonb, original text);
SELECT mend.enroll('bytes', mode => 'paused');
CREATE TABLE numbers AS SELECT n::text AS n FROM (VALUES
    ('0'), ('-0'), ('0.0'), ('0.000'), ('-0.00'), ('1'), ('10'), ('100'), ('1000'), ('9999'), ('10000'), ('10001'), ('100000000'), ('99999999'),
    ('0.1'), ('0.01'), ('0.001'), ('0.0001'), ('0.00001'), ('0.00010000'), ('1.10'), ('12345.6789'), ('123456789.123'), ('-1.5'), ('1e3'),
    ('1E-3'), ('1.5e+10'), ('0e5'), ('12345678901234567890123456789012345678901234567890.5'), ('0.00000000000000000000000000000000000000001')) v(n)
    UNION ALL SELECT (CASE i % 2 WHEN 0 THEN '-' ELSE '' END) || (i * 7919 % 100000000)::text || '.' || lpad((i * 104729 % 1000)::text, 3, '0') FROM generate_series(1, 300) i
    UNION ALL SELECT '0.' || repeat('0', i % 12) || (i * 31)::text FROM generate_series(1, 100) i;
CREATE TABLE documents AS SELECT format('{"n": %s, "j": %s}', n, j) AS payload, n, j FROM (
    SELECT n, format(v, n, n, n) AS j FROM numbers, (VALUES ('[%s, %s, "x", null, true, {"b": %s, "a": []}]'), ('{"long key": %s, "k": {"z": %s, "yy": [false]}, "": %s}'),
        ('{"a": %s, "b": [], "c": {}, "d": [[[%s]]], "e": "\u00e9\n", "f": %s}')) f(v)) d
    UNION ALL SELECT format('{"n": 1, "j": %s}', j), '1', j FROM (VALUES ('"x"'), ('5'), ('true'), ('[]'), ('{}'), ('""'), ('[null]'), ('{"a": null}')) s(j)
    UNION ALL SELECT format('{"n": 2, "j": %s}', j), '2', j FROM (SELECT json_agg(i)::text FROM generate_series(1, 100) i UNION ALL
        SELECT json_object_agg('key' || i, repeat('v', i))::text FROM generate_series(1, 100) i UNION ALL
        SELECT repeat('[', 200) || repeat(']', 200)) s(j);
SELECT healing_load('bytes', (SELECT string_agg(payload, E'\n') FROM documents));
SELECT count(*) > 1000 AS many, count(*) FILTER (WHERE true) = (SELECT count(*) FROM documents) AS all_stored FROM bytes;
SELECT count(*) AS wrong FROM (SELECT numeric_send(n), jsonb_send(j), pg_column_size(j || '[]'::jsonb) FROM bytes
    EXCEPT ALL SELECT numeric_send(n::numeric), jsonb_send(j::jsonb), pg_column_size(j::jsonb || '[]'::jsonb) FROM documents) d;
SELECT count(*) AS wrong FROM bytes b JOIN documents d ON b.n = d.n::numeric AND b.j = d.j::jsonb WHERE hash_numeric(b.n) <> hash_numeric(d.n::numeric) OR jsonb_hash(b.j) <> jsonb_hash(d.j::jsonb);
-- every key is found, at whatever place the search looks
SELECT count(*) AS lost FROM bytes, LATERAL jsonb_object_keys(CASE jsonb_typeof(j) WHEN 'object' THEN j END) k WHERE j -> k IS NULL;
-- with a scale
TRUNCATE bytes;
SELECT inserted > 300, queued > 0, dead_lettered FROM healing_load('bytes', (SELECT string_agg(format('{"m": %s, "original": "%s"}', n, n), E'\n') FROM numbers));
SELECT count(*) AS wrong FROM bytes WHERE numeric_send(m) <> numeric_send(original::numeric(12,3)) OR m <> original::numeric;
-- and back: jsonb payloads give their numbers as they are
TRUNCATE bytes;
SELECT healing_load('bytes', (SELECT jsonb_agg(jsonb_build_object('n', n::numeric, 'original', n)) FROM numbers));
SELECT count(*) AS wrong FROM bytes WHERE numeric_send(n) <> numeric_send(original::numeric);

SET client_min_messages = error;
DELETE FROM mend.queue WHERE target_name LIKE 'ingest_differential_test.%';
DELETE FROM mend.dead_letters WHERE target_name LIKE 'ingest_differential_test.%';
DROP SCHEMA ingest_differential_test CASCADE;
