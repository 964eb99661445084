-- Records inside envelopes: what the pointer leads to is the payload's row, through every door.
CREATE SCHEMA record_place;
SET search_path = record_place, public;
CREATE TABLE t (id int PRIMARY KEY, name text, n smallint);
SELECT mend.enroll('t', at => 'data/object');
SELECT mend.enroll('t', at => '/data~2');
SELECT mend.enroll('t', at => '/' || repeat('x', 1024));
SELECT mend.enroll('t', at => '/data/object');
SELECT at FROM mend.enrollments WHERE target = 't'::regclass;

-- One payload, as text, json and jsonb; many, as an array, as lines, as jsonb; an inbox.
SELECT healing_insert('t', '{"type":"made","data":{"object":{"id":1,"name":"text"}},"id":99}'),
       healing_insert('t', '{"data":{"object":{"id":2,"name":"json"},"previous":null}}'::json),
       healing_insert('t', '{"data":{"a":1,"object":{"id":3,"name":"jsonb"}}}'::jsonb);
SELECT * FROM healing_load('t', '[{"data":{"object":{"id":4,"name":"array"}}},{"data":{"object":{"id":5}}}]');
SELECT * FROM healing_load('t', E'{"data":{"object":{"id":6,"name":"line"}}}\n{"data":{"object":{"name":"key later","id":7}}}');
SELECT * FROM healing_load('t', '[{"data":{"object":{"id":8,"name":"jsonb array"}}}]'::jsonb);
SELECT mend.create_inbox('t');
INSERT INTO t_inbox VALUES ('{"data":{"object":{"id":9,"name":"inbox"}}}');
SELECT * FROM t ORDER BY id;

-- No object there is a dead letter, whichever way it is missing, and the same through the doors of text and jsonb.
CREATE TABLE bad (n int, payload text);
INSERT INTO bad VALUES (1, '{"id":1}'), (2, '{"data":null}'), (3, '{"data":{"object":null}}'), (4, '{"data":{"object":[{"id":1}]}}'), (5, '[1]'), (6, '7'),
    (7, '{"data":[{"object":{"id":1}}]}'), (8, '{"data":{"object":"{}"}}'), (9, '{"Data":{"object":{"id":1}}}'), (10, 'null');
SELECT count(*), array_agg(DISTINCT healing_insert('t', payload)), array_agg(DISTINCT healing_insert('t', payload::jsonb)) FROM bad;
SELECT kind, cause, sqlstate, about, reason, count(*) FROM mend.dead_letters WHERE target = 't'::regclass GROUP BY 1, 2, 3, 4, 5;
SELECT healing_insert('t', '{"data":{"object":{"id":1}},"data":{"object":{"id":2}}}'), healing_insert('t', '{"data":{"object":{"id":100}},"x":1,"x":2}');
SELECT kind, cause, field, reason FROM mend.dead_letters WHERE target = 't'::regclass ORDER BY id DESC LIMIT 1;
SELECT count(*) FROM t;

-- Drift inside is healed, the envelope is kept in the queue and nothing of it in the table.
SELECT mend.configure('t', 'paused');
SELECT healing_insert('t', '{"seen":1,"data":{"object":{"id":20,"n":70000,"colour":"red"}}}'), healing_insert('t', '{"data":{"object":{"id":21,"Name":"twin"}}}');
SELECT payload, kind, fields FROM mend.queue WHERE target = 't'::regclass;
SELECT rows_tried, rows_healed FROM mend.dry_run('t', 'ALTER TABLE t ADD COLUMN colour text, ALTER COLUMN n TYPE int');
SELECT mend.configure('t', 'auto');
CALL mend.wait_idle('t');
SELECT * FROM t WHERE id > 9 ORDER BY id;

-- Dead letters of a place that was wrong come back once it is right; an empty place is none.
SELECT mend.configure('t', at => '/x~1y~01/1');
SELECT healing_insert('t', '{"x/y~1":[{"id":30},{"id":31}]}'), healing_insert('t', '{"x/y~1":[{"id":32},{"id":33}]}'::jsonb), healing_insert('t', '{"x/y~1":[{"id":34}]}'::jsonb);
SELECT mend.configure('t', at => '');
SELECT at FROM mend.enrollments WHERE target = 't'::regclass;
SELECT healing_insert('t', '{"id":40}');
DELETE FROM t WHERE id = 1;
SELECT mend.retry('t', array_agg(id)) FROM mend.dead_letters WHERE target = 't'::regclass AND payload = '{"id":1}';
CALL mend.wait_idle('t');
SELECT id FROM t WHERE id = 1;
SELECT mend.configure('t', at => '/records/0');
SELECT healing_insert('t', '{"records":[{"id":41}]}'), healing_insert('t', '{"records":[]}');
SELECT id FROM t WHERE id > 29 ORDER BY id;

-- The order of payloads for one key, and what is rescued, are those of the record.
CREATE TABLE k (id int PRIMARY KEY, s smallint, status text, _rescued jsonb);
SELECT mend.enroll('k', at => '/after', on_conflict => 'update', rescue => '_rescued');
SELECT healing_load('k', '[{"op":"c","after":{"id":1,"s":"many","status":"old"}},{"op":"u","after":{"id":1,"status":"new","extra":[1]}},{"op":"d","after":null}]');
CALL mend.wait_idle('k');
SELECT * FROM k;
SELECT healing_load('k', '[{"op":"c","after":{"id":2,"s":70000}},{"op":"u","after":{"id":2,"s":5}}]'::jsonb);
CALL mend.wait_idle('k');
SELECT *, pg_typeof(s) FROM k ORDER BY id;

-- The samples that a model sees under share values are of the record.
CREATE TABLE shared (id int PRIMARY KEY, price numeric(6,2) NOT NULL);
SELECT mend.enroll('shared', 'review', share => 'values', at => '/row');
SELECT healing_load('shared', '[{"amount":"outside","row":{"id":1,"amount":"12,50"}},{"amount":"outside","row":{"id":2,"amount":"13,50"}}]');
CALL mend.wait_idle('shared');
SELECT mend.preview_prompt('shared') LIKE '%12,50%' AS has_value, mend.preview_prompt('shared') LIKE '%outside%' AS has_envelope;

SET client_min_messages = warning;
DELETE FROM mend.queue;
SELECT mend.discard(array_agg(id), 'test') > 0 AS discarded FROM mend.dead_letters;
SELECT mend.unenroll(target) FROM mend.enrollments;
DROP SCHEMA record_place CASCADE;
