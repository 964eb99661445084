-- Many payloads at once.
SET client_min_messages = warning;
CREATE SCHEMA ingest_load_test;
SET search_path = ingest_load_test, public;
CREATE TABLE t (id int PRIMARY KEY, v text);
SELECT mend.enroll('t', 'paused');
CREATE FUNCTION clean() RETURNS TABLE (outcome text, kind text, sqlstate text, payload text, error text) LANGUAGE sql AS $$
    WITH q AS (DELETE FROM mend.queue RETURNING id, 'queued', kind, sqlstate, payload, error),
         d AS (DELETE FROM mend.dead_letters RETURNING id, 'dead', kind, sqlstate, payload, error),
         t AS (DELETE FROM t)
    SELECT a.o, a.k, a.s, a.p, a.e FROM (SELECT * FROM q UNION ALL SELECT * FROM d) a(i, o, k, s, p, e) ORDER BY i
$$;

-- NDJSON: blank lines, CR LF, a last line without an end, broken lines, lines that are no object.
SELECT * FROM healing_load('t', E'{"id":1}\r\n\r\n  \n\t{"id":2} \n{"id":3\n[{"id":4}]\n"x"\nnull\n{"id":5} {"id":6}\n{"id":7}');
SELECT * FROM t ORDER BY id;
SELECT * FROM clean();
SELECT healing_load('t', ''), healing_load('t', E' \n\n'), healing_load('t', '[]'), healing_load('t', ' [ ] '), healing_load('t', '[]'::jsonb);

-- An array: whole or not at all. What is no object, or cannot be stored, is one dead letter.
SELECT * FROM healing_load('t', E'\n [ {"id":1} ,\n{"id":2,"v":"a,]}"}, 5, "x", null, [1], [], {"id":3,"v":"\\u0000"}, {"id":4,"v":"\\ud800"}, {"id":5,"new":1} ] ');
SELECT * FROM t ORDER BY id;
SELECT * FROM clean();
SELECT * FROM healing_load('t', '[{"id":1},{"id":2}');
SELECT * FROM healing_load('t', '[{"id":1},{"id":2},]');
SELECT * FROM healing_load('t', '[,{"id":1}]');
SELECT * FROM healing_load('t', '[{"id":1} {"id":2}]');
SELECT * FROM healing_load('t', '[{"id":1}] x');
SELECT * FROM healing_load('t', '[{"id":1},{"id":2,"v":tru}]');
SELECT * FROM healing_load('t', '[{"id":1}}]');
SELECT * FROM healing_load('t', '[');
SELECT * FROM t;
SELECT * FROM clean();
-- Nested too deeply.
SELECT * FROM healing_load('t', '[{"id":1},{"id":2,"v":' || repeat('[', 2000) || repeat(']', 2000) || '}]');
SELECT outcome, kind, length(payload), error FROM clean();
SELECT healing_load('t', '[{"id":1},{"v":' || repeat('[', 100000) || repeat(']', 100000) || '},{"id":2}]'), healing_load('t', repeat('[', 1000000));
SELECT outcome, kind, length(payload), error FROM clean();
SELECT healing_insert('t', repeat('[', 1000000)), healing_insert('t', repeat('{"a":', 1000000));
SELECT outcome, kind, length(payload), error FROM clean();

-- json and jsonb: an array, or one payload.
SELECT * FROM healing_load('t', '[{"id":1}, {"id":2}, 7, {"id":3, "x":[1,{"y":2}]}]'::json);
SELECT * FROM clean();
SELECT * FROM healing_load('t', '[{"id":1}, {"id":2}, 7, "s", [], null, {"id":3, "x":[1,{"y":2.50}], "z":"q\"q"}]'::jsonb);
SELECT * FROM clean();
SELECT healing_load('t', '{"id":1}'::json), healing_load('t', '{"id":2}'::jsonb), healing_load('t', '5'::jsonb), healing_load('t', '"x"'::json);
SELECT * FROM clean();

-- One bad row stores all others, wherever it stands, whatever the size of the batch.
CREATE FUNCTION bad(rows int, VARIADIC bad int[]) RETURNS mend.load_result LANGUAGE sql AS $$
    SELECT healing_load('t', (SELECT string_agg(CASE WHEN i = ANY (bad) THEN '{"id":-1}' ELSE '{"id":' || i || '}' END, E'\n' ORDER BY i)
                              FROM generate_series(1, rows) i))
$$;
INSERT INTO t VALUES (-1);
SELECT bad(10, 1);
DELETE FROM t WHERE id > 0;
SELECT bad(10, 10);
SELECT count(*), max(id) FROM t; DELETE FROM t WHERE id > 0; DELETE FROM mend.dead_letters;
SELECT * FROM bad(2500, 1, 2, 3, 999, 1000, 1001, 1777, 2500);
SELECT count(*), max(id) FROM t; DELETE FROM t WHERE id > 0; DELETE FROM mend.dead_letters;
SET mend.batch_size = 1;
SELECT * FROM bad(20, 1, 7, 20);
SET mend.batch_size = 7;
TRUNCATE t; INSERT INTO t VALUES (-1);
SELECT * FROM bad(20, 1, 7, 8, 20);
RESET mend.batch_size;
SELECT count(*), max(id) FROM t;
SELECT kind, sqlstate, count(*) FROM mend.dead_letters GROUP BY 1, 2;
TRUNCATE t; DELETE FROM mend.dead_letters;

-- Order is kept, in the table and in the queue.
CREATE TABLE ordered (n serial, id int, v int);
SELECT mend.enroll('ordered', 'paused');
SELECT * FROM healing_load('ordered', (SELECT jsonb_agg(CASE WHEN i % 3 = 0 THEN jsonb_build_object('id', i, 'x', 1)
                                                         ELSE jsonb_build_object('id', i, 'v', i) END ORDER BY i) FROM generate_series(1, 3000) i));
SELECT count(*) FILTER (WHERE o <> n) AS out_of_order, count(*) FROM (SELECT row_number() OVER (ORDER BY id) AS o, n FROM ordered) s;
SELECT bool_and(v > before) FROM (SELECT (payload::jsonb->>'id')::int AS v, lag((payload::jsonb->>'id')::int, 1, 0) OVER (ORDER BY id) AS before FROM mend.queue) s;
DELETE FROM mend.queue;

-- Different sets of keys, more than are planned for.
CREATE TABLE wide (a int, b int, c int, d int, e int, f int, g int, h int);
SELECT mend.enroll('wide', 'paused');
SELECT * FROM healing_load('wide', (SELECT string_agg((SELECT '{' || coalesce(string_agg(format('"%s":%s', chr(97 + b), i), ','), '') || '}'
                                    FROM generate_series(0, 7) b WHERE i & (1 << b) <> 0), E'\n') FROM generate_series(0, 255) i));
SELECT count(*), sum(a), sum(h), count(*) FILTER (WHERE (a, b, c, d, e, f, g, h) IS NULL) AS empty FROM wide;

-- Large values.
SELECT healing_insert('t', json_build_object('id', 1, 'v', repeat('x', 10000000))::text);
SELECT healing_insert('t', '{"id": 2, "v": ' || repeat('9', 100000) || '}');
SELECT healing_insert('t', '{"id": ' || repeat('9', 100000) || '}');
SELECT healing_insert('t', '{"id": 3, "new": "' || repeat('x', 1000000) || '"}');
SELECT id, length(v) FROM t;
SELECT kind, length(payload), length(error) FROM mend.queue ORDER BY id;

-- A long call is seen in pg_stat_progress_copy, a short one is not.
CREATE TABLE long (id int, pad text);
CREATE TABLE seen (given text, command text, type text, relid regclass, bytes_total bigint, bytes_processed bigint, tuples_processed bigint, tuples_excluded bigint);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_stat_clear_snapshot();
    INSERT INTO seen SELECT current_setting('test.given'), command, type, relid, bytes_total, bytes_processed, tuples_processed, tuples_excluded
    FROM pg_stat_progress_copy WHERE pid = pg_backend_pid();
    RETURN NULL;
END $$;
CREATE TRIGGER look AFTER INSERT ON long FOR EACH ROW WHEN (NEW.id % 500 = 1) EXECUTE FUNCTION look();
SELECT mend.enroll('long', 'paused');
CREATE TABLE given AS SELECT string_agg(row, E'\n') AS ndjson, '[' || string_agg(row, ',') || ']' AS list, string_agg(row, E'\n') FILTER (WHERE i < 100) AS short
FROM (SELECT i, json_build_object('id', CASE i WHEN 10 THEN 'ten' ELSE i::text END, 'pad', repeat('x', 1000))::text AS row FROM generate_series(1, 3000) i) r;
SET test.given = 'lines';
SELECT load.* FROM given, healing_load('long', ndjson) load;
SET test.given = 'array';
SELECT load.* FROM given, healing_load('long', list) load;
SET test.given = 'jsonb';
SELECT load.* FROM given, healing_load('long', list::jsonb) load;
SET test.given = 'short';
SELECT load.* FROM given, healing_load('long', short) load;
SELECT seen.given, command, type, relid, bool_and(bytes_total = CASE seen.given WHEN 'lines' THEN octet_length(ndjson) ELSE octet_length(list) END OR seen.given = 'jsonb') AS of_all, bool_and(bytes_processed BETWEEN 0 AND bytes_total) AS within,
       max(bytes_processed) > max(bytes_total) / 2 AS moves, max(tuples_processed) AS processed, max(tuples_excluded) AS excluded
FROM seen, given GROUP BY 1, 2, 3, 4 ORDER BY 1;
SELECT count(*) AS left_over FROM pg_stat_progress_copy WHERE pid = pg_backend_pid();

-- Leave nothing behind.
RESET search_path;
DELETE FROM mend.queue; DELETE FROM mend.dead_letters; DELETE FROM mend.fields; DELETE FROM mend.enrollments; DELETE FROM mend.events;
DROP SCHEMA ingest_load_test CASCADE;
