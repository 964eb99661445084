-- The books with a rescue column, for random payloads through every door: offered = stored + queued + dead, and of each stored row
-- payload = columns + rescue column, field by field; before a patch, after it, and after it is undone.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA rescue_books_test;
SET search_path = rescue_books_test, public;
SELECT setseed(0.29) \g /dev/null
-- A value for a field: one that fits mostly, or one of another form.
CREATE FUNCTION some_value(field text) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN random() < 0.75 OR field = 'u' THEN CASE field WHEN 'n' THEN to_jsonb((random() * 1000)::int) WHEN 't' THEN to_jsonb(md5(random()::text))
            WHEN 'b' THEN to_jsonb(random() < 0.5) WHEN 'd' THEN to_jsonb(round(random()::numeric * 100, 2)) WHEN 'u' THEN to_jsonb((random() * 1e9)::int)
            ELSE to_jsonb('x' || (random() * 5)::int) END
        ELSE (ARRAY['null', '""', '"1,5"', '12345678901234567890.5', '99999999999', '{"a": [1, {"b": null}]}', '[]', '[1, "x"]', 'true', '"n/a"', '1e3', '"\u00e9\n"', '{}'])[1 + (random() * 12)::int]::jsonb END $$;
CREATE FUNCTION some_payload(id int) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
    SELECT jsonb_build_object('id', id) || coalesce(jsonb_object_agg(f, some_value(f)), '{}') FROM unnest(ARRAY['n', 't', 'b', 'd', 'j', 'u', 'new1', 'new2', 'New 3']) f WHERE random() < 0.6 $$;
CREATE TABLE landing (id int PRIMARY KEY, n int, t text, b boolean DEFAULT true, d numeric(8,2), j jsonb, u int UNIQUE, _r jsonb);
CREATE TABLE slow_road (LIKE landing INCLUDING ALL);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE INSERT ON slow_road FOR EACH ROW EXECUTE FUNCTION touch();
SELECT mend.enroll('landing', 'review', rescue => '_r'), mend.enroll('slow_road', 'review', rescue => '_r');
CREATE TABLE offered AS SELECT target, id, some_payload(id) AS payload FROM (VALUES ('landing'), ('slow_road')) t (target), generate_series(1, 600) id;

-- By each door.
SELECT mend.create_inbox('landing') \g /dev/null
SELECT mend.create_inbox('slow_road') \g /dev/null
SELECT count(healing_insert(target::regclass, payload::text)) FROM offered WHERE id <= 100;
SELECT count(healing_insert(target::regclass, payload)) FROM offered WHERE id BETWEEN 101 AND 200;
SELECT count(healing_load(target::regclass, load)) FROM (SELECT target, string_agg(payload::text, E'\n') AS load FROM offered WHERE id BETWEEN 201 AND 300 GROUP BY 1) l;
SELECT count(healing_load(target::regclass, load)) FROM (SELECT target, jsonb_agg(payload) AS load FROM offered WHERE id BETWEEN 301 AND 400 GROUP BY 1) l;
SELECT count(healing_load(target::regclass, load::text)) FROM (SELECT target, jsonb_agg(payload) AS load FROM offered WHERE id BETWEEN 401 AND 500 GROUP BY 1) l;
SELECT relname FROM pg_class WHERE relnamespace = 'rescue_books_test'::regnamespace AND relkind = 'v' ORDER BY 1;
INSERT INTO landing_inbox SELECT payload::text FROM offered WHERE target = 'landing' AND id > 500;
INSERT INTO slow_road_inbox SELECT payload::text FROM offered WHERE target = 'slow_road' AND id > 500;
CALL mend.wait_idle('landing');
CALL mend.wait_idle('slow_road');

-- What is stored of each, as JSON; a column that a patch added is one of them.
CREATE FUNCTION stored(target text) RETURNS TABLE (id int, row_json jsonb) LANGUAGE plpgsql AS $$
BEGIN RETURN QUERY EXECUTE format('SELECT l.id, to_jsonb(l) FROM %I l', target); END $$;
-- A number and its text are one; nothing is nothing.
CREATE FUNCTION plain(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(value) = 'number' THEN trim_scale((value #>> '{}')::numeric)::text ELSE value #>> '{}' END $$;
CREATE VIEW wrong AS
SELECT o.target, o.id, f.key, f.value AS offered, s.row_json
FROM offered o CROSS JOIN (VALUES ('landing'), ('slow_road')) t (target) JOIN LATERAL stored(t.target) s ON o.target = t.target AND o.id = s.id, jsonb_each(o.payload) f
WHERE f.value NOT IN ('null', '[]', '{}') AND NOT coalesce(CASE WHEN coalesce(s.row_json -> '_r', '{}') ? f.key
    THEN s.row_json -> '_r' -> f.key = f.value AND (s.row_json -> f.key IS NULL OR s.row_json -> f.key = 'null')
    ELSE plain(f.value) = plain(s.row_json -> replace(lower(f.key), ' ', '_')) END, false);
CREATE VIEW books AS
SELECT t.target, count(*) AS offered, count(s.id) AS stored, count(q.id) AS queued, count(d.id) AS dead,
       count(*) = count(s.id) + count(q.id) + count(d.id) AS balance, count(*) FILTER (WHERE s.row_json -> '_r' <> 'null') > 0 AS rescued,
       count(*) FILTER (WHERE q.payload::jsonb <> o.payload OR d.payload::jsonb <> o.payload) AS changed
FROM (VALUES ('landing'), ('slow_road')) t (target) JOIN offered o USING (target) LEFT JOIN LATERAL (SELECT * FROM stored(t.target)) s ON s.id = o.id
     LEFT JOIN mend.queue q ON q.target = t.target::regclass AND (q.payload::jsonb ->> 'id')::int = o.id
     LEFT JOIN mend.dead_letters d ON d.target = t.target::regclass AND (d.payload::jsonb ->> 'id')::int = o.id GROUP BY 1 ORDER BY 1;
SELECT target, offered, balance, rescued, changed FROM books;
SELECT * FROM wrong LIMIT 5;
SELECT count(*) > 0 AS all_doors_stored, count(DISTINCT (id - 1) / 100) AS doors FROM stored('landing');

-- All that is proposed is approved, while somebody updates.
-- One after the other: the answer to one question may be the answer to another. But no readings, which keep no text of their own.
DO $$
DECLARE
    asked bigint;
BEGIN
    LOOP
        SELECT min(patch_id) INTO asked FROM mend.decisions WHERE target IN ('landing'::regclass, 'slow_road'::regclass) AND ddl NOT LIKE '%read_as%';
        EXIT WHEN asked IS NULL;
        PERFORM mend.approve(asked);
    END LOOP;
END $$;
UPDATE landing SET t = t WHERE id % 3 = 0;
CALL mend.wait_idle('landing');
CALL mend.wait_idle('slow_road');
SELECT target, offered, balance, changed FROM books;
SELECT * FROM wrong LIMIT 5;

-- Undone, all is as it was offered.
SELECT count(mend.revert(id)) > 0 AS reverted FROM (SELECT id FROM mend.patches WHERE target IN ('landing'::regclass, 'slow_road'::regclass) AND state = 'applied' ORDER BY id DESC) p;
SELECT target, offered, balance, changed FROM books;
SELECT * FROM wrong LIMIT 5;

SET client_min_messages = error;
SELECT mend.unenroll_all(force => true) > 0 AS unenrolled;
DELETE FROM mend.dead_letters WHERE target_name LIKE 'rescue_books_test.%';
DROP SCHEMA rescue_books_test CASCADE;
