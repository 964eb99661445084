-- What input functions would change without a word, what PostgreSQL itself writes in JSON, and one outcome through every door.
CREATE SCHEMA values_test;
SET search_path = values_test, public;
SET TimeZone = 'Europe/Berlin';
SET DateStyle = 'ISO, YMD';
CREATE EXTENSION IF NOT EXISTS citext SCHEMA values_test;
CREATE EXTENSION IF NOT EXISTS hstore SCHEMA values_test;
CREATE EXTENSION IF NOT EXISTS ltree SCHEMA values_test;
CREATE EXTENSION IF NOT EXISTS cube SCHEMA values_test;
CREATE EXTENSION IF NOT EXISTS seg SCHEMA values_test;
CREATE EXTENSION IF NOT EXISTS isn SCHEMA values_test;
CREATE EXTENSION IF NOT EXISTS intarray SCHEMA values_test;

-- Every type that goes through its input function, and texts of all kinds. What is stored prints as it was given, but for what
-- the types document; nothing else is stored.
CREATE TABLE forms (form text);
INSERT INTO forms VALUES ('12,34'), ('$12.345'), ('$1,234.50'), ('1234.5'), ('-$5.00'), ('$007.00'), ('1,23,4.00'),
    ('\101'), ('\x6162'), ('\x61 62'), ('\x616'), ('C:\\temp'), ('C:\temp'), ('aGVsbG8='), ('hello'), (''), (' '), ('''''hello'),
    ('10.0.0.1'), ('10.0.0.1/32'), ('010.0.0.1'), ('10'), ('10.1/16'), ('10.1.2.3/8'), ('192.168.0.0/16'), ('2001:DB8::0:1'), ('::ffff:1.2.3.4'), ('0x0a000001'),
    ('08:00:2B:01:02:03'), ('08002b010203'), ('8:0:2b:1:2:3'), ('08-00-2b-01-02-03-04-05'), ('101'), ('B101'), ('x1F'),
    ('(1,2)'), ('1,2'), ('( 1.50 , 2e0 )'), ('(01,2)'), ('(9007199254740993,0)'), ('(0.1234567890123456789,1)'), ('(1,2),(3,4)'), ('[(1,2),(3,4)]'),
    ('{1,2,3}'), ('<(1,2),3>'), ('((1,2),3)'), ('((0,0),(1,1),(2,0))'),
    ('the fat fat cat'), ('a:20000'), ('''a'':1A ''b'':2'), ('fat & cat'), ('fat <-> (cat | !rat:*A)'), ('$.a[*] ? (@ > 1.0)'), ('strict $.a'),
    ('16/b374d848'), ('10:20:10,14'), ('(0,1)'), ('( 0 , 1 )'), ('1 2 3'), (' 1  2'), ('01 2'), ('pg_class'), ('PG_CLASS'), ('1259'), ('0'), ('-1'),
    ('[1,5]'), ('[01,5)'), ('[1, 5)'), ('[1.50,2.0)'), ('empty'), ('[5,5)'), ('{[1,3),[2,5)}'), ('[2024-01-01,2024-02-01)'), ('[today,)'), ('[2024-01-01 10:00,2024-01-01 11:00)'),
    ('1 day'), ('PT1H'), ('1.5 months'), ('0.1234567 s'), ('0.3333 years'), ('1-2'), ('1:02'), ('-1 day +02:03:00.5'),
    ('<a>x</a>'), ('a=>1, b=>2'), ('a=>1, a=>2'), ('a=>1.0'), ('Top.Science'), ('*.a|b.*{,3}'), ('1.0 .. 2'), ('5(+-)0.3'), ('1.23456789'),
    ('978-0-393-04002-9'), ('9780393040029'), ('0-393-04002-X'), ('978039304002?'), ('1&(2|!3)'), ('Cased'), ('trailing  ');
CREATE TABLE verdicts (type regtype, form text, printed text, cause text);
CREATE FUNCTION offer_forms() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    type record;
    given record;
    outcome text;
    printed text;
BEGIN
    FOR type IN SELECT t.oid, format_type(t.oid, NULL) AS name FROM pg_type t JOIN pg_proc i ON i.oid = t.typinput
        WHERE t.typtype IN ('b', 'r', 'm') AND t.typelem = 0 AND t.typisdefined AND t.typname !~ '^_'
            AND t.typnamespace IN ('pg_catalog'::regnamespace, 'values_test'::regnamespace)
            AND t.typname NOT IN ('pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'pg_brin_bloom_summary',
                                  'pg_brin_minmax_multi_summary', 'gtsvector', 'ghstore', 'ltree_gist', 'gbtreekey_var', 'text', 'varchar', 'bpchar',
                                  'name', 'char', 'json', 'jsonb', 'refcursor', 'unknown', 'citext', 'xml')
            AND t.typname !~ '^(float|int[248]$|numeric|bool|date$|time|uuid)'
        UNION SELECT unnest(ARRAY['point', 'lseg', 'path', 'box', 'polygon', 'line', 'circle', 'int2vector', 'oidvector']::regtype[]), unnest(ARRAY['point', 'lseg', 'path', 'box', 'polygon', 'line', 'circle', 'int2vector', 'oidvector'])
        ORDER BY 2
    LOOP
        EXECUTE format('CREATE TABLE one (c %s)', type.name);
        PERFORM mend.enroll('one', 'paused');
        FOR given IN SELECT * FROM forms LOOP
            SELECT healing_insert('one', jsonb_build_object('c', given.form)::text) INTO outcome;
            printed := NULL;
            IF outcome = 'inserted' THEN
                EXECUTE 'SELECT c::text FROM one' INTO printed;
            END IF;
            INSERT INTO verdicts SELECT type.oid, given.form, printed, (SELECT cause FROM mend.queue WHERE target = 'one'::regclass);
            DELETE FROM mend.queue WHERE target = 'one'::regclass;
            DELETE FROM one;
        END LOOP;
        PERFORM mend.unenroll('one');
        DROP TABLE one;
    END LOOP;
END $$;
SELECT offer_forms();
SELECT count(DISTINCT type) > 45 AS types, count(printed) > 150 AS stored, count(*) FILTER (WHERE (printed IS NULL) <> (cause IS NOT NULL)) AS without_cause FROM verdicts;
-- What is stored in another form.
SELECT type, form, printed FROM verdicts WHERE printed <> form ORDER BY type::text, form COLLATE "C";
-- What would be changed.
-- From PostgreSQL 16 on, more types read hexadecimal numbers.
SELECT type, form FROM verdicts WHERE cause = 'changed_by_type' AND (type <> 'bytea'::regtype OR form ~ '^[Cahi\\ ]') AND NOT (form = '0x0a000001' AND type IN ('jsonpath'::regtype, 'oidvector'::regtype))
ORDER BY type::text, form COLLATE "C";
SELECT cause, count(*) > 0 AS found FROM verdicts WHERE cause IS NOT NULL GROUP BY 1 ORDER BY 1;

-- What to_jsonb() writes of a row comes back as it was, whatever the type.
CREATE TYPE mood AS ENUM ('fine', 'not so fine');
CREATE TYPE pair AS (a int, b text, c numeric[]);
CREATE DOMAIN positive AS numeric CHECK (VALUE > 0);
CREATE TYPE floatrange AS RANGE (subtype = float8);
CREATE TABLE samples (type text, literal text);
INSERT INTO samples VALUES ('bool', 't'), ('int2', '-32768'), ('int4', '2147483647'), ('int8', '-9223372036854775808'), ('numeric', '12345678901234567890.1234567890'),
    ('numeric', 'NaN'), ('numeric', '-Infinity'), ('numeric(6,2)', '1.50'), ('numeric(6,2)', 'NaN'), ('float4', '0.1'), ('float4', 'NaN'), ('float4', '-Infinity'), ('float8', '1e300'), ('float8', 'Infinity'),
    ('float8', '1e23'), ('float8', '5e-324'), ('float8', '-0'), ('float4', '3.4028235e38'), ('text', E'a "b" \\ \n é'), ('text', ''), ('varchar(5)', 'ab'), ('char(5)', 'ab'), ('name', 'x'), ('"char"', 'x'), ('bytea', '\x00ff'), ('date', '2024-02-29'), ('date', 'infinity'),
    ('date', '-infinity'), ('date', '0044-03-15 BC'), ('date', '12024-01-01'), ('time', '24:00:00'), ('time', '10:20:30.123456'), ('timetz', '10:00:00+05:30'), ('timestamp', '2024-01-02 03:04:05.678901'),
    ('timestamp', 'infinity'), ('timestamp', '0044-03-15 10:00 BC'), ('timestamp', '20240-01-01'), ('timestamptz', '2024-07-01 00:00:00.5+02'), ('timestamptz', '-infinity'), ('timestamptz', '1800-01-01 00:00'),
    ('timestamptz', '0044-03-15 10:00+00 BC'), ('interval', '1 year 2 mons 3 days 04:05:06.789'), ('interval', '-1 day'), ('money', '-1234.56'), ('oid', '4294967295'), ('xid', '7'), ('xid8', '18446744073709551615'), ('cid', '1'),
    ('regclass', 'pg_catalog.pg_class'), ('regtype', 'integer'), ('regproc', 'now'), ('regprocedure', 'abs(integer)'), ('regrole', 'mend_admin'), ('regnamespace', 'pg_catalog'),
    ('tid', '(1,2)'), ('pg_lsn', '16/B374D848'), ('pg_snapshot', '10:20:10,14'), ('inet', '10.0.0.1/8'), ('inet', '::1'), ('cidr', '10.0.0.0/8'), ('macaddr', '08:00:2b:01:02:03'), ('macaddr8', '08:00:2b:01:02:03:04:05'),
    ('bit(3)', '101'), ('varbit', '10'), ('uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'), ('json', '{"a": [1, null]}'), ('jsonb', '{"a": [1, null]}'), ('jsonpath', '$."a"'), ('xml', '<a>b</a>'), ('point', '(1,2.5)'), ('line', '{1,2,3}'),
    ('lseg', '[(1,2),(3,4)]'), ('box', '(3,4),(1,2)'), ('path', '((1,2),(3,4))'), ('path', '[(1,2),(3,4)]'), ('polygon', '((0,0),(1,1),(2,0))'), ('circle', '<(1,2),3>'), ('point', '(NaN,Infinity)'), ('tsvector', '''a'':1A ''b'':2,3'), ('tsquery', '''a'' & !''b'':*'),
    ('int4range', '[1,5)'), ('numrange', '[1.50,)'), ('tsrange', '["2024-01-01 00:00","2024-02-01 00:00")'), ('tstzrange', '[2024-01-01 00:00+00,infinity)'), ('daterange', 'empty'), ('floatrange', '[0.1,1e300)'),
    ('int4multirange', '{[1,3),[5,8)}'), ('tsmultirange', '{["2024-01-01 00:00","2024-02-01 00:00")}'), ('int2vector', '1 2'), ('oidvector', '1 2 3'), ('mood', 'not so fine'), ('pair', '(1,"x y","{1.0,NULL}")'), ('pair', '(,,)'), ('positive', '1.0'),
    ('int[]', '{}'), ('int[]', '{1,NULL,3}'), ('int[]', '{{1,2},{3,4}}'), ('float8[]', '{NaN,Infinity}'), ('text[]', '{"a b",NULL,""}'), ('date[]', '{infinity}'), ('pair[]', '{"(1,a,)"}'), ('jsonb[]', '{"{\"a\": 1}"}'), ('mood[]', '{fine}'), ('bytea[]', '{"\\x01"}'),
    ('int4range[]', '{"[1,2)"}'), ('citext', 'Cased'), ('hstore', '"a"=>"1", "b"=>NULL'), ('hstore', ''), ('ltree', 'Top.Science'), ('lquery', '*.a'), ('cube', '(1, 2),(3, 4)'), ('seg', '1.5 .. 2'), ('isbn13', '978-0-393-04002-9'), ('issn', '1436-4522'),
    ('query_int', '1 & ( 2 | !3 )');
CREATE TABLE returned (type text, literal text, door text, outcome text, same boolean);
CREATE FUNCTION return_samples() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    sample samples;
    given text;
    door text;
    outcome text;
    same boolean;
BEGIN
    FOR sample IN SELECT * FROM samples LOOP
        EXECUTE format('CREATE TABLE one (c %s)', sample.type);
        PERFORM mend.enroll('one', 'paused');
        EXECUTE format('SELECT to_jsonb(r) FROM (SELECT %L::%s AS c) r', sample.literal, sample.type) INTO given;
        FOREACH door IN ARRAY ARRAY['text', 'jsonb'] LOOP
            EXECUTE format('SELECT healing_insert(''one'', $1::%s)', door) INTO outcome USING given;
            EXECUTE format('SELECT bool_and(c::text IS NOT DISTINCT FROM %L::%s::text) AND count(*) = 1 FROM one', sample.literal, sample.type) INTO same;
            INSERT INTO returned VALUES (sample.type, sample.literal, door, outcome, same);
            DELETE FROM one; DELETE FROM mend.queue WHERE target = 'one'::regclass;
        END LOOP;
        PERFORM mend.unenroll('one');
        DROP TABLE one;
    END LOOP;
END $$;
SELECT return_samples();
SELECT count(*) > 200 AS many FROM returned;
-- A number in JSON has no minus zero that jsonb keeps.
SELECT type, literal, door, outcome, same FROM returned WHERE outcome <> 'inserted' OR same IS NOT TRUE ORDER BY 1, 2, 3;

-- Null, {}, [] and arrays of such are no value: no drift under an unknown key, NULL in a column, but where the type has a value for them.
CREATE TABLE nothing (id int, t text, n int, a int[], j jsonb, p pair, m text NOT NULL DEFAULT 'x', h hstore);
SELECT mend.enroll('nothing', 'paused');
SELECT healing_load('nothing', '{"id":1,"t":[],"n":{},"a":[],"j":[],"p":{},"h":{},"x":[null],"y":{},"z":[[],[null,{}]]}
{"id":2,"t":{},"n":[null],"a":{},"j":{},"p":[],"h":[]}
{"id":3,"t":[[null]],"n":[[],{}],"a":[null],"j":[null],"p":[null]}
{"id":4,"t":[0],"n":[[1]]}
{"id":5,"m":[]}
{"id":6,"x":{"a":null}}');
TABLE nothing;
SELECT kind, cause, field, fields, payload FROM mend.queue WHERE target = 'nothing'::regclass ORDER BY id;

-- One payload, one outcome, through every door.
CREATE TABLE doors (id int, f float8, r real, n numeric, i int8, t timestamptz, d timestamp, s text, b bytea);
SELECT mend.enroll('doors', 'paused');
SELECT mend.create_inbox('doors') IS NOT NULL AS made;
CREATE TABLE hostile (payload text);
INSERT INTO hostile SELECT format('{"%s":%s}', c, v) FROM unnest(ARRAY['f', 'r', 'n', 'i']) c,
    unnest(ARRAY['6.02e23', '6.02E+23', '602000000000000000000000', '1e23', '100000000000000000000000', '1e400', '1e-400', '9007199254740993', '9007199254740993.0', '1152921504606846976', '1152921504606846976.0',
                 '16777217', '16777217.0', '1.0', '1e2', '0.1', '5e-324', '0', '"NaN"', '"nan"', '"Infinity"', '" 1"', '"01"', '""', 'true', '[]', '{}', 'null', '[1]', '12345678901234567890', '0e999']) v;
INSERT INTO hostile SELECT format('{"%s":"%s"}', c, v) FROM unnest(ARRAY['t', 'd', 's']) c,
    unnest(ARRAY['2024-01-02t03:04:05z', '2024-01-02T03:04:05Z', '2024-01-02t03:04:05', '2024-01-02t03:04:05.5+01:00', '2024-01-02 03:04:05z', '2024-01-02x03:04:05z', 'infinity', 'Infinity', '0044-03-15T10:00:00Z BC', 'epoch']) v;
INSERT INTO hostile VALUES ('{"ID":1}'), ('{"i\u0064":1}'), ('{"id\u200b":1}'), ('{"\ufeffid":1}'), ('{"new\u200b":1}'), ('{"b":"\\x00"}'), ('{"b":"AA=="}'), (' {"id":1} '), ('{"id":1,"Id":2}'), ('[{"id":1}]'), ('1'), ('"x"'), ('null'), ('{}');
CREATE TABLE outcomes (payload text, door text, outcome text);
CREATE FUNCTION fate() RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((SELECT 'stored ' || to_jsonb(whole)::text FROM doors whole),
                    (SELECT concat_ws(' ', 'queued', kind, cause, about, field, fields) FROM mend.queue WHERE target = 'doors'::regclass),
                    (SELECT concat_ws(' ', 'dead', kind, cause, about, field, fields) FROM mend.dead_letters WHERE target = 'doors'::regclass), 'nothing')
$$;
CREATE FUNCTION offer_hostile() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    given hostile;
    door record;
BEGIN
    FOR given IN SELECT * FROM hostile LOOP
        FOR door IN SELECT * FROM (VALUES ('text', 'SELECT healing_insert(''doors'', $1)', ''), ('text with mark', 'SELECT healing_insert(''doors'', E''\ufeff'' || $1)', ''),
            ('json', 'SELECT healing_insert(''doors'', $1::json)', ''), ('jsonb', 'SELECT healing_insert(''doors'', $1::jsonb)', ''),
            ('lines', 'SELECT healing_load(''doors'', $1)', '^\s*\['), ('lines with mark', 'SELECT healing_load(''doors'', E''\n\ufeff'' || $1)', '^\s*\['),
            ('array', 'SELECT healing_load(''doors'', ''['' || $1 || '']'')', ''), ('json array', 'SELECT healing_load(''doors'', (''['' || $1 || '']'')::json)', ''),
            ('jsonb array', 'SELECT healing_load(''doors'', (''['' || $1 || '']'')::jsonb)', ''), ('inbox', 'INSERT INTO doors_inbox VALUES ($1)', ''),
            ('inbox with mark', 'INSERT INTO doors_inbox VALUES (E''\ufeff'' || $1)', '')) d (name, call, not_for)
        LOOP
            CONTINUE WHEN door.not_for <> '' AND given.payload ~ door.not_for;
            EXECUTE door.call USING given.payload;
            INSERT INTO outcomes VALUES (given.payload, door.name, fate());
            DELETE FROM doors; DELETE FROM mend.queue WHERE target = 'doors'::regclass; DELETE FROM mend.dead_letters WHERE target = 'doors'::regclass;
        END LOOP;
    END LOOP;
END $$;
SET client_min_messages = warning;
SELECT offer_hostile();
RESET client_min_messages;
SELECT count(*) > 1500 AS many FROM outcomes;
-- A jsonb has forgotten how a number was written, which text would keep.
SELECT payload, array_agg(DISTINCT outcome) AS outcomes FROM outcomes GROUP BY payload HAVING count(DISTINCT outcome) > 1 ORDER BY 1;
SELECT payload, min(outcome) AS outcome FROM outcomes WHERE payload !~ '^{"[rni]"' GROUP BY payload ORDER BY payload COLLATE "C";

-- A key finds its column however acronyms are split, also where CREATE TABLE has cut the name, and whatever cannot be seen in it.
CREATE TABLE names (id int, source_ip_address text, html_url text, apikey text, user_i_d text, user_ids text, "Shown Name" text, name text,
    a_very_long_name_that_is_longer_than_what_postgresql_takes_for_names text, both_ip text, xml_http text, xmlhttp text);
SELECT mend.enroll('names', 'paused');
CREATE FUNCTION resolve(key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    PERFORM healing_insert('names', jsonb_build_object(key, 'x')::text);
    SELECT string_agg(n.key, ',') INTO found FROM names t, jsonb_each(to_jsonb(t)) n WHERE n.value <> 'null';
    found := coalesce(found, (SELECT concat_ws(' ', kind, cause, about) FROM mend.queue WHERE target = 'names'::regclass),
                      (SELECT concat_ws(' ', kind, cause, about, reason) FROM mend.dead_letters WHERE target = 'names'::regclass));
    DELETE FROM names; DELETE FROM mend.queue WHERE target = 'names'::regclass; DELETE FROM mend.dead_letters WHERE target = 'names'::regclass;
    RETURN found;
END $$;
SELECT regexp_replace(key, '[^ -~]', '?', 'g') AS key, resolve(key) FROM unnest(ARRAY['sourceIPAddress', 'SourceIpAddress', 'sourceIPaddress', 'HTMLUrl', 'HTMLURL', 'htmlURL', 'APIKey', 'ApiKey', 'userID', 'userIDs', 'UserIds',
    'shownName', 'name', ' name', 'name ', U&'name\200B', U&'\FEFFname', U&'na\00ADme', U&'name\200E', U&'\00A0name', U&'new\200Bname', U&'\00A0other', U&'sourceIP\200BAddress',
    'a_very_long_name_that_is_longer_than_what_postgresql_takes_for_names', 'aVeryLongNameThatIsLongerThanWhatPostgresqlTakesForNames', 'bothIP', 'both_ip', 'XMLHttp', 'xml_http', 'xmlhttp']) key;
SELECT healing_insert('names', U&'{"name":"a","name\200B":"b"}');
SELECT kind, cause, about, reason FROM mend.dead_letters WHERE target = 'names'::regclass;

-- What refused a row, by name.
CREATE TABLE refusing (id int PRIMARY KEY, n int CONSTRAINT n_is_positive CHECK (n > 0), CONSTRAINT ids_differ EXCLUDE USING btree (n WITH =));
SELECT mend.enroll('refusing', 'paused');
SELECT healing_load('refusing', '{"id":1,"n":1}
{"id":1,"n":2}
{"id":2,"n":0}
{"id":3,"n":1}
{"id":4,"n":""}
{"id":5,"n":"007"}
{"id":6,"n":"N/A"}
{"id":7,"n":{}}
{"id":8,"n":[1]}');
SELECT kind, cause, about, reason FROM mend.dead_letters WHERE target = 'refusing'::regclass ORDER BY id;
SELECT kind, cause, about FROM mend.queue WHERE target = 'refusing'::regclass ORDER BY id;

DELETE FROM mend.queue; DELETE FROM mend.dead_letters; DELETE FROM mend.drifts;
SELECT count(mend.unenroll(target)) AS unenrolled FROM mend.enrollments WHERE target_name LIKE 'values_test.%';
SET client_min_messages = warning;
DROP SCHEMA values_test CASCADE;
