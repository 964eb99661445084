-- New fields: the type follows from all the evidence, the name from the field.
SET client_min_messages = warning;
CREATE SCHEMA heal_new_field_test;
GRANT USAGE ON SCHEMA heal_new_field_test TO mend_healer;
SET search_path = heal_new_field_test, public;
CREATE VIEW shape AS
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull, a.atthasdef
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'heal_new_field_test'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname, a.attnum;
CREATE VIEW patches AS
    SELECT target::regclass::text AS target, planner, state, reason, ddl, inverse_ddl, field_map, rows_healed, rows_failed
    FROM mend.patches WHERE target_name LIKE 'heal_new_field_test.%' ORDER BY id;
CREATE VIEW dead AS
    SELECT target::regclass::text AS target, payload, kind, field, reason
    FROM mend.dead_letters WHERE target_name LIKE 'heal_new_field_test.%' ORDER BY id;

-- Types by evidence: one batch, one patch.
CREATE TABLE t (id int);
SELECT mend.enroll('t');
SELECT healing_load('t', $$
{"id": 1, "b": true, "i": 1, "big": 9223372036854775807, "n": 1, "huge": 1, "ts": "2024-01-02T03:04:05Z", "mixed_ts": "2024-01-02T03:04:05Z", "naive": "2024-01-02T03:04:05", "day": "2024-01-02", "uid": "7f1d6a0e-1b2c-4d3e-8f90-a1b2c3d4e5f6", "obj": {"a": 1}, "arr": [1, 2], "mixed": 1, "boolnum": true, "s": "x", "nul": null, "empty": [], "ip": "10.0.0.1", "numstr": "12"}
{"id": 2, "b": false, "i": -5, "big": -9223372036854775808, "n": 1.5, "huge": 9223372036854775808, "ts": "2024-01-02 03:04:05+02:00", "mixed_ts": "2024-01-02T03:04:05", "naive": "2024-01-02 03:04:05", "day": "2024-02-02", "uid": "7f1d6a0e-1b2c-4d3e-8f90-a1b2c3d4e5f7", "obj": {"b": [2]}, "arr": ["x"], "mixed": {"a": 1}, "boolnum": 7, "s": "y", "nul": null, "empty": [], "ip": "::1", "numstr": "13"}
{"id": 3, "i": 5.0, "n": 1e3, "obj": null, "arr": []}
$$);
CALL mend.wait_idle('t');
SELECT attname, type, attnotnull, atthasdef FROM shape WHERE relname = 't';
\x
SET TimeZone = 'UTC';
SET DateStyle = ISO;
SELECT * FROM t ORDER BY id;
SELECT * FROM patches;
\x
RESET TimeZone;
RESET DateStyle;
SELECT * FROM dead;
SELECT count(*) AS queued FROM mend.queue;
SELECT field, column_name, held FROM mend.fields WHERE target = 't'::regclass ORDER BY field;
SELECT field, column_name, kind, row_count, state, reason FROM mend.drifts WHERE target = 't'::regclass ORDER BY field;
SELECT mode, queued, dead_letters, state, reason, last_heal IS NOT NULL AS healed FROM mend.status JOIN mend.freshness USING (target) WHERE target = 't'::regclass;
SELECT kind, actor = 'pg_mend' AS by_worker, patch_id IS NOT NULL AS of_patch FROM mend.events WHERE target_name = 'heal_new_field_test.t' ORDER BY id;
SELECT mend.unenroll('t');

-- Names: snake_case, collisions, case variants, system columns, length, anything in quotes.
CREATE TABLE names (id int);
SELECT mend.enroll('names');
SELECT healing_insert('names', jsonb_build_object('id', 1,
    'userName', 1, 'HTTPServer', 2, 'a b', 3, 'ctid', 4, 'xmin', 5, 'TableOID', 6, 'select', 7, '1st', 8, 'a"c', 9,
    'x; DROP TABLE names; --', 10, 'größe', 11, repeat('long_', 20) || 'one', 12, repeat('long_', 20) || 'two', 13,
    repeat('ä', 40), 14, 'order', 15, 'dotted.name', 16, '$ref', 17, '@type', 18)),
    healing_insert('names', '{"id": 2, "": 1, "__": 2, "-": 3}');
CALL mend.wait_idle('names');
SELECT attname, type, octet_length(attname) AS bytes FROM shape WHERE relname = 'names';
SELECT field, column_name FROM mend.fields WHERE target = 'names'::regclass ORDER BY field COLLATE "C";
SELECT state, rows_healed, rows_failed FROM patches WHERE target = 'names';
SELECT * FROM dead;
SELECT count(*) FROM names;

-- Fields that are spelled as one name are one column; a row with two of them is ambiguous.
CREATE TABLE twins (id int);
SELECT mend.enroll('twins');
SELECT healing_insert('twins', '{"id": 1, "fooBar": 1}'), healing_insert('twins', '{"id": 2, "foo_bar": 2}'),
       healing_insert('twins', '{"id": 3, "foo-bar": "x", "fooBar": 3}'), healing_insert('twins', '{"id": 4, "foo-bar": 1, "foo_bar": 5, "fooBar": 4}');
CALL mend.wait_idle('twins');
SELECT attname, type FROM shape WHERE relname = 'twins';
SELECT to_jsonb(twins) FROM twins ORDER BY id;
SELECT field, column_name FROM mend.fields WHERE target = 'twins'::regclass ORDER BY field COLLATE "C";
SELECT * FROM dead WHERE target = 'twins';

-- What a column becomes does not depend on what came first: plain integers or fractions, numbers or their text, one absurd number.
CREATE TABLE pieces (id int);
SELECT mend.enroll('pieces');
SELECT healing_insert('pieces', '{"id": 1, "a": 5, "b": "102", "c": "2.50", "d": "102", "e": 1, "held": 5, "seen": "2024-05-01T00:00:00Z"}');
CALL mend.wait_idle('pieces');
CREATE VIEW holds AS SELECT held FROM pieces;
SELECT healing_insert('pieces', '{"id": 2, "a": 5.0, "b": 103, "c": 7, "d": "abc", "held": 7.0}'), healing_insert('pieces', '{"id": 3, "a": 6.00}'::jsonb);
CALL mend.wait_idle('pieces');
SELECT healing_insert('pieces', '{"id": 4, "d": 5}'), healing_insert('pieces', format('{"id": 5, "e": %s}', repeat('9', 300)));
CALL mend.wait_idle('pieces');
SELECT attname, type FROM shape WHERE relname = 'pieces';
SELECT id, a, b, c, d, e, held FROM pieces ORDER BY id;
SELECT question, rows FROM mend.decisions WHERE target = 'pieces'::regclass;
SELECT payload::json ->> 'id' AS id, field, cause FROM mend.dead_letters WHERE target = 'pieces'::regclass ORDER BY 1;
DROP VIEW holds;
DELETE FROM mend.queue;

-- The same for one absurd number among others of a new field, and for text of booleans: three orders, three doors.
CREATE TABLE orders_1 (id int);
CREATE TABLE orders_2 (id int);
CREATE TABLE orders_3 (id int);
SELECT mend.enroll(t) FROM unnest('{orders_1,orders_2,orders_3}'::regclass[]) t;
CREATE TABLE given (n int, payload text);
INSERT INTO given VALUES (1, '{"id": 1, "n": 5, "b": "true", "c": "false", "d": 1.5}'), (2, format('{"id": 2, "n": %s}', repeat('9', 260))),
    (3, '{"id": 3, "n": 7, "b": false, "c": "maybe"}'), (4, '{"id": 4, "b": "false", "c": true, "d": 1e300}'), (5, '{"id": 5, "d": 2e300}');
SELECT (healing_load('orders_1', string_agg(payload, E'\n'))).queued FROM given;
CALL mend.wait_idle('orders_1');
DO $$
DECLARE
    p text;
BEGIN
    FOR p IN SELECT payload FROM given ORDER BY n LOOP
        PERFORM healing_insert('orders_2', p);
        COMMIT;
        CALL mend.wait_idle('orders_2');
    END LOOP;
    FOR p IN SELECT payload FROM given ORDER BY n DESC LOOP
        PERFORM healing_insert('orders_3', p::jsonb);
        COMMIT;
        CALL mend.wait_idle('orders_3');
    END LOOP;
END $$;
SELECT attname, type FROM shape WHERE relname = 'orders_1';
SELECT id, n, b, c, left(d::text, 5) AS d FROM orders_1 ORDER BY id;
SELECT o.relname, count(*) FROM shape o JOIN shape one ON one.relname = 'orders_1' AND one.attname = o.attname AND one.type = o.type WHERE o.relname LIKE 'orders__' GROUP BY 1 ORDER BY 1;
SELECT count(*) AS same FROM orders_1 JOIN orders_2 USING (id) JOIN orders_3 USING (id)
WHERE to_jsonb(orders_1) = to_jsonb(orders_2) AND to_jsonb(orders_1) = to_jsonb(orders_3);
SELECT target, rows, left(question, 150) AS question FROM mend.decisions WHERE target IN ('orders_1'::regclass, 'orders_2'::regclass, 'orders_3'::regclass) ORDER BY 1, 3;
-- Alone it waits; with a person's word it is stored.
CREATE TABLE lone (id int);
SELECT mend.enroll('lone');
SELECT healing_insert('lone', format('{"id": 1, "n": %s, "ok": 1}', repeat('9', 260))), healing_insert('lone', '{"id": 2, "ok": 2}');
CALL mend.wait_idle('lone');
SELECT attname, type FROM shape WHERE relname = 'lone';
SELECT rows, question FROM mend.decisions WHERE target = 'lone'::regclass;
SELECT mend.approve(patch_id) FROM mend.decisions WHERE target = 'lone'::regclass;
CALL mend.wait_idle('lone');
SELECT id, length(n::text) AS digits, ok FROM lone ORDER BY id;
DELETE FROM mend.queue;

-- A field like an existing column goes there, without a patch; a second batch uses the mapping.
CREATE TABLE again (id int, "userName" text);
SELECT mend.enroll('again');
SELECT healing_insert('again', '{"id": 1, "user_name": "a"}'), healing_insert('again', '{"id": 2, "itemCount": 1}');
CALL mend.wait_idle('again');
SELECT healing_insert('again', '{"id": 3, "USER_NAME": "b", "itemCount": 2}'), healing_insert('again', '{"id": 4, "item_count": 3}'),
       healing_insert('again', '{"id": 5, "itemCount": 4, "item_count": 5}');
CALL mend.wait_idle('again');
SELECT * FROM again ORDER BY id;
SELECT * FROM patches WHERE target = 'again';
SELECT * FROM dead WHERE target = 'again';

-- No column that no row needed: a row with a new field and a misfit that nothing heals.
CREATE TABLE unneeded (id int PRIMARY KEY, b boolean CHECK (b OR NOT b));
SELECT mend.enroll('unneeded');
SELECT healing_insert('unneeded', '{"id": 1, "extra": 1, "b": "maybe"}'), healing_insert('unneeded', '{"b": true, "other": 1}');
CALL mend.wait_idle('unneeded');
SELECT attname FROM shape WHERE relname = 'unneeded';
SELECT * FROM patches WHERE target = 'unneeded';
SELECT * FROM dead WHERE target = 'unneeded';
SELECT field, kind, row_count, state, reason FROM mend.drifts WHERE target = 'unneeded'::regclass ORDER BY field;
SELECT healing_insert('unneeded', '{"id": 2, "extra": true}');
CALL mend.wait_idle('unneeded');
SELECT attname, type FROM shape WHERE relname = 'unneeded';
SELECT field, kind, row_count, state, reason FROM mend.drifts WHERE target = 'unneeded'::regclass ORDER BY field;

-- What rules may not do: no add_column; no map_field where a mapping would be needed; a table that is full.
CREATE TABLE strict (id int);
SELECT mend.enroll('strict', allow => '{widen_type}');
SELECT healing_insert('strict', '{"id": 1, "plain": 1}');
CALL mend.wait_idle('strict');
SELECT mend.configure('strict', allow => '{add_column}');
SELECT healing_insert('strict', '{"id": 2, "userName": 1}'), healing_insert('strict', '{"id": 3, "ctid": 1}');
CALL mend.wait_idle('strict');
SELECT to_jsonb(strict) FROM strict ORDER BY id;
SELECT * FROM dead WHERE target = 'strict';
-- What is allowed by now is healed on request.
SELECT mend.configure('strict', allow => '{add_column,map_field}');
SELECT mend.retry('strict');
CALL mend.wait_idle('strict');
SELECT to_jsonb(strict) FROM strict ORDER BY id;
SELECT * FROM dead WHERE target = 'strict';
SELECT field, column_name FROM mend.fields WHERE target = 'strict'::regclass ORDER BY field;

-- Columns of partitions and inheritance children follow; other columns, defaults and keys stay.
CREATE TABLE parted (id int, region text DEFAULT 'eu') PARTITION BY LIST (region);
CREATE TABLE parted_eu PARTITION OF parted FOR VALUES IN ('eu');
CREATE TABLE parted_us PARTITION OF parted FOR VALUES IN ('us');
CREATE TABLE parent (id int);
CREATE TABLE child (more text) INHERITS (parent);
SELECT mend.enroll('parted'), mend.enroll('parent');
SELECT healing_load('parted', '[{"id": 1, "amount": 1.5}, {"id": 2, "region": "us", "amount": 2}]'), healing_insert('parent', '{"id": 1, "amount": 2}');
CALL mend.wait_idle();
SELECT * FROM shape WHERE relname ~ '^(part|parent|child)';
SELECT tableoid::regclass, * FROM parted ORDER BY id;
SELECT tableoid::regclass, * FROM parent;

-- The 64 rows of the first transaction and the others: all land once.
CREATE TABLE many (id int);
SELECT mend.enroll('many');
SELECT healing_load('many', (SELECT jsonb_agg(jsonb_build_object('id', g, 'f' || g % 3, g, 'rare', CASE WHEN g = 299 THEN 'x' END)) FROM generate_series(1, 300) g));
CALL mend.wait_idle('many');
SELECT count(*), count(DISTINCT id), count(f0), count(f1), count(f2), count(rare) FROM many;
SELECT state, rows_healed, rows_failed FROM patches WHERE target = 'many';

-- Leave nothing behind.
SELECT mend.unenroll_all(force => true) AS unenrolled;
RESET search_path;
DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events;
SELECT (SELECT count(*) FROM mend.queue) AS queued, (SELECT count(*) FROM mend.fields) AS fields, (SELECT count(*) FROM mend.progress) AS progress;
DROP SCHEMA heal_new_field_test CASCADE;
