-- What an input function finds wrong with a value is told as INSERT would tell it, whether the function raises it or
-- (from PostgreSQL 16 on) reports it softly: state and message, in a column, an array, and where loss is accepted.
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA ingest_soft_test;
SET search_path = ingest_soft_test, public;
CREATE TABLE candidates (type text, literal text);
INSERT INTO candidates SELECT type, unnest(literals) FROM (VALUES
    ('interval', '{x,"","1 day 1 day","99999999999 years","PT","1-13","9223372036854775807 days"}'::text[]),
    ('interval(3)', '{x}'),
    ('money', '{x,"99999999999999999999","$1,2,x"}'), ('bytea', '{"\\\\xZZ","\\\\x0","\\\\9"}'),
    ('inet', '{x,10.0.0,"10.0.0.1/33",::1::}'), ('cidr', '{x,10.0.0.1/8,1.2.3.4/x}'),
    ('macaddr', '{x,"08:00:2b:01:02:zz",300:0:0:0:0:0}'), ('macaddr8', '{x,"08:00"}'),
    ('bit(3)', '{10,102,x1}'), ('bit varying(3)', '{1010,102}'),
    ('point', '{x,"(1,2","(1,1e400)"}'), ('line', '{"{0,0,3}","[(1,1),(1,1)]",x}'), ('lseg', '{x}'), ('box', '{x,"(1,2"}'),
    ('path', '{x,"[(1,2)"}'), ('polygon', '{x,"((1,2)"}'), ('circle', '{"<(1,2),-3>",x}'),
    ('oid', '{x,-1x,99999999999}'), ('xid', '{x,99999999999}'), ('xid8', '{x}'), ('cid', '{x}'), ('tid', '{x,"(1,99999)"}'),
    ('pg_lsn', '{x,0/x}'), ('pg_snapshot', '{x,"20:10:"}'), ('txid_snapshot', '{x}'), ('tsvector', '{"a:x","''"}'),
    ('int2vector', '{"1 x",99999}'), ('oidvector', '{"1 x"}'),
    ('int4range', '{"[5,1]",x,"[1,x]","[1,2147483647]"}'), ('int8range', '{"[2,1]"}'), ('numrange', '{"[x,2]"}'),
    ('tsrange', '{"[2026-13-01,)"}'), ('tstzrange', '{"[x,)"}'), ('daterange', '{"[2026-02-30,]","[2026-01-01,5874897-12-31]"}'),
    ('int4multirange', '{"{[5,1)}",x,"{[1,2147483647]}"}'), ('datemultirange', '{"{[x,)}"}'),
    -- these raise on every version
    ('tsquery', '{"a &"}'), ('jsonpath', '{"$."}'), ('regclass', '{no_such_table}'), ('regtype', '{no_such_type}'),
    ('regproc', '{no_such_function}'), ('aclitem', '{x}'), ('xml', '{<a>}')
) t(type, literals);
CREATE TABLE lossy_candidates (type text, literal text);
INSERT INTO lossy_candidates TABLE candidates;
INSERT INTO lossy_candidates SELECT type, unnest(literals) FROM (VALUES
    ('boolean', '{maybe}'::text[]), ('smallint', '{x,32768}'), ('integer', '{x,2147483648,1.5}'), ('bigint', '{x,9223372036854775808}'),
    ('numeric', '{x,1.2.3}'), ('numeric(6,2)', '{10000}'), ('real', '{x,1e39}'), ('double precision', '{x,1e309}'),
    ('uuid', '{x}'), ('date', '{x,2026-02-30,99999999-01-01}'), ('time', '{25:00}'), ('timetz', '{x}'), ('timestamp', '{x,"2026-13-01 00:00"}'),
    ('timestamptz', '{"2026-01-01 00:00 Nowhere/City","2026-01-01 00:00+99"}'), ('timestamptz(0)', '{x}'),
    ('integer[]', '{"{1,x}","{1","{{1},{2,3}}","[5:1]={1}",x}'), ('text[]', '{"{\"a","{a,{b}}"}'), ('inet[]', '{"{x}"}'), ('daterange[]', '{"{x}"}'),
    ('jsonpath[]', '{"{$.}"}')
) t(type, literals);

CREATE TABLE results (how text, type text, literal text, ours text, theirs text);
CREATE PROCEDURE compare(how text, what text, given text, payload text, by_insert text) LANGUAGE plpgsql AS $$
DECLARE ours text; theirs text; outcome mend.outcome;
BEGIN
    outcome := healing_insert('probe', payload);
    BEGIN
        EXECUTE format('INSERT INTO probe VALUES (%L)', by_insert);
        theirs := 'stored';
    EXCEPTION WHEN others THEN theirs := SQLSTATE || ' ' || SQLERRM;
    END;
    SELECT sqlstate || ' ' || error INTO ours FROM mend.queue WHERE target = 'probe'::regclass;
    INSERT INTO results VALUES (how, what, given, coalesce(ours, outcome::text), theirs);
    DELETE FROM mend.queue WHERE target = 'probe'::regclass;
    DELETE FROM probe;
END $$;
DO $$ DECLARE c record; BEGIN
    FOR c IN SELECT 'column' AS how, true AS lossless, type AS column_type, json_build_object('c', literal)::text AS payload, literal AS by_insert, * FROM candidates
             UNION ALL SELECT 'array', true, type || '[]', json_build_object('c', json_build_array(literal))::text, ARRAY[literal]::text, * FROM candidates WHERE type <> 'box'
             UNION ALL SELECT 'lossy', false, type, json_build_object('c', literal)::text, literal, * FROM lossy_candidates LOOP
        EXECUTE format('CREATE TABLE probe (c %s)', c.column_type);
        PERFORM mend.enroll('probe', 'paused', lossless => c.lossless);
        CALL compare(c.how, c.type, c.literal, c.payload, c.by_insert);
        PERFORM mend.unenroll('probe');
        DROP TABLE probe;
    END LOOP;
END $$;
SELECT how, count(*) > 60 AS many, count(*) FILTER (WHERE theirs <> 'stored') > 60 AS refused FROM results GROUP BY 1 ORDER BY 1;
SELECT * FROM results WHERE ours <> theirs AND theirs <> 'stored' ORDER BY how, type COLLATE "C", literal COLLATE "C";

-- one batch: what is good around the bad is stored, and nothing is left over from the errors
CREATE TABLE mixed (id int, address inet, span daterange, bits varbit(2)[]);
SELECT mend.enroll('mixed', 'paused');
SELECT * FROM healing_load('mixed', (SELECT string_agg(format('{"id": %s, "address": "%s", "span": "[2026-01-01,%s]", "bits": ["%s"]}', i,
    CASE WHEN i % 7 = 0 THEN '10.0.0' ELSE '10.0.0.' || i % 256 END, CASE WHEN i % 11 = 0 THEN '2025-01-01' ELSE '2026-01-31' END,
    CASE WHEN i % 13 = 0 THEN '111' ELSE '11' END), E'\n') FROM generate_series(1, 2000) i));
SELECT count(*) FILTER (WHERE i % 7 = 0 OR i % 11 = 0 OR i % 13 = 0) AS bad FROM generate_series(1, 2000) i;
SELECT count(*), count(DISTINCT address), min(upper(span)) FROM mixed;
SELECT kind, field, sqlstate, min(error), count(*) FROM mend.queue WHERE target = 'mixed'::regclass GROUP BY 1, 2, 3 ORDER BY 2;

SET client_min_messages = error;
DELETE FROM mend.queue WHERE target_name LIKE 'ingest_soft_test.%';
DROP SCHEMA ingest_soft_test CASCADE;
