-- Generated streams, cut and shuffled, through every door, against an oracle of their own: test/streams runs more of them.
\if :{?streams}
\else
\set streams 24
\endif
\if :{?seed}
\else
\set seed 0
\endif
CREATE SCHEMA streams_test;
SET search_path = streams_test, public;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET client_min_messages = warning;

-- What a field of a stream may bring: how its key and its value are written, and what is then stored, as text; null: SQL NULL. Of a field
-- without a column `found` is its new column.
CREATE TABLE choices (field text, key text, value text, stored text);
INSERT INTO choices
SELECT 'n', k, v, s FROM unnest(ARRAY['n', 'N', ' n', E'n\u200b']) k, (VALUES ('7', '7'), ('-2147483648', '-2147483648'), ('3000000000', '3000000000'), ('"17"', '17'), ('5.0', '5'), ('1e2', '100'), ('null', NULL), ('[]', NULL)) v(v, s)
UNION ALL SELECT 't', k, v, s FROM unnest(ARRAY['t', 'T']) k, (VALUES ('"a"', 'a'), ('""', ''), ('"né\n\"q\""', E'né\n"q"'), ('12', '12'), ('true', 'true'), ('{}', NULL), ('[null]', NULL)) v(v, s)
UNION ALL SELECT 'seen_at', k, v, s FROM unnest(ARRAY['seen_at', 'seenAt', 'SeenAt', 'seen at']) k, (VALUES ('"2024-01-02T03:04:05Z"', '2024-01-02 03:04:05+00'), ('"2024-01-02t04:04:05.25+01:00"', '2024-01-02 03:04:05.25+00'), ('"infinity"', 'infinity'), ('null', NULL)) v(v, s)
UNION ALL SELECT 'f', 'f', v, s FROM (VALUES ('0.5', '0.5'), ('6.02e23', '6.02e+23'), ('602000000000000000000000', '6.02e+23'), ('"NaN"', 'NaN'), ('-3', '-3'), ('{}', NULL)) v(v, s)
UNION ALL SELECT 'source_ip_address', k, v, s FROM unnest(ARRAY['source_ip_address', 'sourceIPAddress', 'SourceIpAddress']) k, (VALUES ('"10.0.0.1"', '10.0.0.1/32'), ('"2001:DB8::0:1"', '2001:db8::1/128'), ('[]', NULL)) v(v, s)
UNION ALL SELECT 'b', 'b', v, s FROM (VALUES ('"\\x00ff"', '\x00ff'), ('null', NULL)) v(v, s)
UNION ALL SELECT 'doc', 'doc', v, v FROM unnest(ARRAY['{}', '[]', '{"a": [1, null]}', '"x"', '1.50']) v
UNION ALL SELECT 'fresh_count', k, v, v FROM unnest(ARRAY['freshCount', 'fresh_count', 'FreshCount', 'fresh count']) k, unnest(ARRAY['1', '22', '4000000000']) v
-- Whose type depends on all that come: it is the same however they come.
UNION ALL SELECT 'mixed', 'mixed', v, NULL FROM unnest(ARRAY['5', '5', '5.0', '2.5', '-0.5', '123456789012345678901', 'true', '"abc"', '"x y"', '{"a": 1}', '[1, "x"]', 'null']) v
UNION ALL SELECT 'plain', 'plain', v, NULL FROM unnest(ARRAY['7', '7.0', '70', '7.25', '4000000000', '99999999999999999999', '"8"', '"8.50"', '"-12"']) v
UNION ALL SELECT 'noted', 'noted', v, NULL FROM unnest(ARRAY['"2024-01-02T03:04:05Z"', '"later"', '"2024-01-02T03:04:05+01:00"']) v
UNION ALL SELECT 'fresh_word', 'fresh_word', to_json(v)::text, v FROM unnest(ARRAY['x', 'some words', '']) v
UNION ALL SELECT 'nothing', 'nothing', v, NULL FROM unnest(ARRAY['null', '[]', '{}', '[null, []]']) v;

-- One payload a line; `dead` ones are refused, and `alone` ones are not JSON: only doors of text take them.
CREATE TABLE payloads (stream int, position int, payload text, dead boolean, alone boolean);
CREATE TABLE expected (stream int, id int, field text, stored text);
-- Every third stream updates: several payloads mean one row, in their order.
CREATE FUNCTION updates(stream int) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN stream % 3 = 0;

CREATE FUNCTION generate(stream int) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    size int;
    row_id int;
    members text;
    chosen choices;
BEGIN
    PERFORM setseed((stream % 100000) / 100000.0);
    size := 3 + floor(random() * 12);
    FOR i IN 1..size LOOP
        row_id := CASE WHEN updates(stream) THEN 1 + floor(random() * 3) ELSE i END;
        IF random() < 0.08 THEN
            INSERT INTO payloads VALUES (stream, i, CASE WHEN random() < 0.5 THEN format('{"id":%s,"n":1,"N":2}', row_id) ELSE format('{"id":%s,"id":%1$s}{', row_id) END, true, false);
            UPDATE payloads p SET alone = p.payload ~ '}{$' WHERE p.stream = generate.stream AND p.position = i;
            CONTINUE;
        END IF;
        members := format('"id":%s', row_id);
        FOR chosen IN SELECT DISTINCT ON (c.field) c.* FROM (SELECT *, random() AS luck FROM choices) c ORDER BY c.field, c.luck LOOP
            CONTINUE WHEN random() < 0.5;
            members := members || format(',%s:%s', to_json(chosen.key), chosen.value);
            DELETE FROM expected e WHERE e.stream = generate.stream AND e.id = row_id AND e.field = chosen.field;
            INSERT INTO expected VALUES (stream, row_id, chosen.field, chosen.stored);
        END LOOP;
        INSERT INTO expected VALUES (stream, row_id, 'id', row_id);
        INSERT INTO payloads VALUES (stream, i, '{' || members || '}', false, false);
    END LOOP;
END $$;

-- Offers a stream to a table of its own: in pieces, each through some door, and in any order unless it updates; first some of it, and when
-- that is healed the rest.
CREATE FUNCTION offer(stream int, variant int, part int) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    name text := format('s%s_%s', stream, variant);
    piece text[] := '{}';
    given record;
BEGIN
    IF part = 1 THEN
        EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, n int, t text, seen_at timestamptz, f float8, source_ip_address inet, b bytea, doc jsonb)', name);
        PERFORM mend.enroll(name::regclass, on_conflict => CASE WHEN updates(stream) THEN 'update' ELSE 'dead_letter' END);
        PERFORM mend.create_inbox(name::regclass);
    END IF;
    PERFORM setseed(((stream * 7 + variant * 2 + part) % 100000) / 100000.0);
    FOR given IN SELECT o.payload, o.alone FROM (
            SELECT p.payload, p.alone, count(*) OVER () AS size,
                row_number() OVER (ORDER BY CASE WHEN updates(stream) THEN p.position ELSE hashint4extended(p.position, stream * 2 + variant) END) AS n
            FROM payloads p WHERE p.stream = offer.stream) o
        WHERE (o.n <= o.size * ((stream * 5 + variant * 3) % 11) / 10) = (part = 1) ORDER BY o.n
    LOOP
        IF given.alone AND piece <> '{}' THEN
            PERFORM offer_piece(name, piece, floor(random() * 7)::int);
            piece := '{}';
        END IF;
        piece := piece || given.payload;
        IF given.alone OR random() < 0.3 THEN
            PERFORM offer_piece(name, piece, CASE WHEN given.alone THEN (ARRAY[0, 3, 6])[1 + floor(random() * 3)::int] ELSE floor(random() * 7)::int END);
            piece := '{}';
        END IF;
    END LOOP;
    PERFORM offer_piece(name, piece, floor(random() * 7)::int);
END $$;
CREATE FUNCTION offer_piece(name text, piece text[], door int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CASE door
        WHEN 0 THEN PERFORM healing_insert(name::regclass, p) FROM unnest(piece) p;
        WHEN 1 THEN PERFORM healing_insert(name::regclass, p::json) FROM unnest(piece) p;
        WHEN 2 THEN PERFORM healing_insert(name::regclass, p::jsonb) FROM unnest(piece) p;
        WHEN 3 THEN PERFORM healing_load(name::regclass, array_to_string(piece, E'\n'));
        WHEN 4 THEN PERFORM healing_load(name::regclass, '[' || array_to_string(piece, ',') || ']');
        WHEN 5 THEN PERFORM healing_load(name::regclass, ('[' || array_to_string(piece, ',') || ']')::jsonb);
        WHEN 6 THEN EXECUTE format('INSERT INTO %I SELECT unnest($1)', name || '_inbox') USING piece;
    END CASE;
END $$;

-- What is wrong with the end of a stream.
CREATE FUNCTION wrong(stream int, variant int) RETURNS SETOF text LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    name text := format('s%s_%s', stream, variant);
BEGIN
    RETURN QUERY EXECUTE format($q$
        WITH stored AS (
            SELECT whole.id, c.attname::text AS field, v.text AS value
            FROM %1$I whole, pg_attribute c, LATERAL (SELECT text_of(whole, c.attname) AS text) v
            WHERE c.attrelid = '%1$I'::regclass AND c.attnum > 0 AND NOT c.attisdropped
        )
        SELECT format('%%s of %%s is %%L, not %%L', e.field, e.id, s.value, e.stored)
        FROM expected e LEFT JOIN stored s ON s.id = e.id AND s.field = e.field
        WHERE e.stream = %2$s AND e.field NOT IN ('nothing', 'mixed', 'plain', 'noted') AND NOT (e.field LIKE 'fresh%%' AND e.stored IS NULL)
            AND (CASE WHEN e.field = 'doc' THEN e.stored::jsonb::text ELSE e.stored END) IS DISTINCT FROM s.value
        UNION ALL
        SELECT format('%%s of %%s is %%L, and nothing brought it', s.field, s.id, s.value) FROM stored s
        WHERE s.value IS NOT NULL AND NOT EXISTS (SELECT FROM expected e WHERE e.stream = %2$s AND e.id = s.id AND e.field = s.field)
        UNION ALL
        SELECT 'a column for nothing' FROM pg_attribute WHERE attrelid = '%1$I'::regclass AND attname = 'nothing'
        UNION ALL
        SELECT format('a column too many: %%s', attname) FROM pg_attribute WHERE attrelid = '%1$I'::regclass AND attnum > 0
            AND attname NOT IN (SELECT field FROM choices) AND attname <> 'id'
        UNION ALL
        SELECT format('queued: %%s %%s %%s', kind, error, payload) FROM mend.queue WHERE target = '%1$I'::regclass
        UNION ALL
        SELECT format('%%s dead letters', d.count) FROM (SELECT count(*) FROM mend.dead_letters WHERE target = '%1$I'::regclass) d
        WHERE d.count <> (SELECT count(*) FROM payloads WHERE stream = %2$s AND dead)
        $q$, name, stream);
    IF variant = 2 THEN
        RETURN QUERY EXECUTE format($q$
            SELECT format('%%s is %%s in one order, and %%s in the other', coalesce(one.attname, other.attname), format_type(one.atttypid, one.atttypmod), format_type(other.atttypid, other.atttypmod))
            FROM (SELECT * FROM pg_attribute WHERE attrelid = '%1$I'::regclass AND attnum > 0) one
                 FULL JOIN (SELECT * FROM pg_attribute WHERE attrelid = '%2$I'::regclass AND attnum > 0) other ON one.attname = other.attname
            WHERE one.atttypid IS DISTINCT FROM other.atttypid
            UNION ALL
            SELECT format('%%s of %%s is %%s in one order, and %%s in the other', c, one.id, to_jsonb(one) -> c, to_jsonb(other) -> c)
            FROM %1$I one JOIN %2$I other ON one.id = other.id, unnest(ARRAY['mixed', 'plain', 'noted']) c
            WHERE (to_jsonb(one) -> c)::text IS DISTINCT FROM (to_jsonb(other) -> c)::text
            $q$, format('s%s_1', stream), name);
    END IF;
END $$;
CREATE FUNCTION text_of(r anyelement, field name) RETURNS text LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    value text;
BEGIN
    EXECUTE format('SELECT ($1).%I::text', field) INTO value USING r;
    RETURN value;
END $$;

CREATE TABLE problems (stream int, variant int, problem text);
CREATE FUNCTION drop_streams(first int, last int) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    name text;
BEGIN
    FOR name IN SELECT format('s%s_%s', s, v) FROM generate_series(first, last) s, generate_series(1, 2) v LOOP
        DELETE FROM mend.queue WHERE target = name::regclass;
        DELETE FROM mend.dead_letters WHERE target = name::regclass;
        PERFORM mend.unenroll(name::regclass);
        EXECUTE format('DROP TABLE %I', name);
    END LOOP;
END $$;

-- Some streams at a time, each twice.
\o /dev/null
SELECT format(step, b, least(b + 39, :seed + :streams)) FROM generate_series(:seed + 1, :seed + :streams, 40) b,
    unnest(ARRAY['SELECT generate(s) FROM generate_series(%s, %s) s',
                 'SELECT offer(s, v, 1) FROM generate_series(%s, %s) s, generate_series(1, 2) v', 'CALL mend.wait_idle(timeout => ''300 s'')',
                 'SELECT offer(s, v, 2) FROM generate_series(%s, %s) s, generate_series(1, 2) v', 'CALL mend.wait_idle(timeout => ''300 s'')',
                 'INSERT INTO problems SELECT s, v, wrong(s, v) FROM generate_series(%s, %s) s, generate_series(1, 2) v',
                 'SELECT drop_streams(%s, %s)']) WITH ORDINALITY step (step, n) ORDER BY b, n \gexec
\o
SELECT count(DISTINCT stream) = :streams AS all_ran, count(*) FILTER (WHERE dead) > 0 AS some_dead FROM payloads;
SELECT * FROM problems ORDER BY 1, 2, 3 LIMIT 20;

DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events;
DROP SCHEMA streams_test CASCADE;
