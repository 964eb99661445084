-- Payloads for one row are stored in the order in which they were offered, whatever they wait for.
CREATE SCHEMA order_test;
SET search_path = order_test, public;

CREATE TABLE t (id text PRIMARY KEY, status text, seq int);
SELECT mend.enroll('t', on_conflict => 'update');
SELECT healing_load('t', '[{"id":"a","status":"active","seq":2147483648},{"id":"a","status":"canceled","seq":3},{"id":"b","status":"other","seq":1}]');
CALL mend.wait_idle('t');
SELECT *, pg_typeof(seq) FROM t ORDER BY id;

-- In calls of their own, and in one statement.
CREATE TABLE calls (id int, sub text, status text, n smallint, PRIMARY KEY (sub, id));
SELECT mend.enroll('calls', 'paused', on_conflict => 'update');
SELECT healing_insert('calls', '{"id":1,"sub":"x","status":"first","n":99999}');
SELECT healing_insert('calls', '{"id":1,"sub":"x","status":"second"}'::jsonb);
SELECT healing_insert('calls', '{"id":1,"sub":"y","status":"free"}');
SELECT healing_insert('calls', '{"id":"1","sub":"x","status":"third"}');
SELECT array_agg(healing_insert('calls', p)) FROM (VALUES ('{"id":2,"sub":"x","new":1}'), ('{"id":2,"sub":"x","status":"after"}'), ('{"id":3,"sub":"x"}')) v(p);
SELECT kind, cause, payload FROM mend.queue WHERE target = 'calls'::regclass ORDER BY id;
TABLE calls;
SELECT mend.configure('calls', mode => 'auto');
CALL mend.wait_idle('calls');
SELECT id, sub, status, n, new FROM calls ORDER BY sub, id;
SELECT count(*) AS left FROM mend.queue;

-- What waits for the row that it refers to is overtaken by nobody; what dies lets the others go.
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents, status text CHECK (status <> 'bad'));
SELECT mend.enroll('children', on_conflict => 'update');
SELECT healing_load('children', '{"id":1,"parent":7,"status":"older"}
{"id":1,"status":"newer"}
{"id":2,"parent":8,"status":"bad"}
{"id":2,"status":"good"}');
CALL mend.wait_idle('children');
TABLE children;
SELECT kind, payload FROM mend.queue WHERE target = 'children'::regclass ORDER BY id;
INSERT INTO parents VALUES (7);
SELECT mend.retry('children');
CALL mend.wait_idle('children');
SELECT * FROM children ORDER BY id;

-- What a newer payload has overtaken stays dead, whichever way that one was stored; what dies after it does not, nor what somebody has amended.
CREATE TABLE late (id int PRIMARY KEY, status text CHECK (status <> 'bad'), n int, extra int);
SELECT mend.enroll('late', on_conflict => 'update');
SELECT healing_load('late', '[{"id":1,"status":"bad","n":1},{"id":1,"status":"newer"},{"id":2,"status":"first"},{"id":2,"status":"bad","n":2},{"id":3,"status":"bad"},{"id":4,"status":"bad"},{"id":5,"status":"bad"}]');
SELECT healing_insert('late', '{"id":3,"status":"newer"}'), healing_insert('late', '{"id":4,"fresh":1}');
CALL mend.wait_idle('late');
SELECT payload, overtaken FROM mend.dead_letters WHERE target = 'late'::regclass ORDER BY id;
ALTER TABLE late DROP CONSTRAINT late_status_check;
SELECT mend.retry('late');
CALL mend.wait_idle('late');
SELECT id, status, n, fresh FROM late ORDER BY id;
SELECT changed FROM mend.dead_letters, mend.amend(ARRAY[id], '{"status": null}') WHERE payload LIKE '{"id":1%';
SELECT mend.retry('late');
CALL mend.wait_idle('late');
SELECT id, status, n FROM late WHERE id = 1;
SELECT mend.configure('late', newer_by => 'n');
SELECT mend.retry('late');
CALL mend.wait_idle('late');
SELECT payload FROM mend.dead_letters WHERE target = 'late'::regclass;

-- A dead letter that is tried again stands before what came later and waits, and behind what came earlier.
CREATE TABLE again (id int PRIMARY KEY, status text CHECK (status <> 'bad'), n int);
SELECT mend.enroll('again', 'paused', on_conflict => 'update');
SELECT healing_insert('again', '{"id":1,"status":"bad"}');
SELECT healing_insert('again', '{"id":1,"status":"new field","extra":1}');
SELECT healing_insert('again', '{"id":1,"status":"last"}');
ALTER TABLE again DROP CONSTRAINT again_status_check;
SELECT mend.retry('again');
SELECT kind, cause FROM mend.queue WHERE target = 'again'::regclass ORDER BY id;
SELECT mend.configure('again', mode => 'auto');
CALL mend.wait_idle('again');
SELECT id, status, extra FROM again;

-- Only what is not older than the stored row updates it.
CREATE TABLE versions (id int PRIMARY KEY, status text, seq int, at timestamptz);
SELECT mend.enroll('versions', on_conflict => 'update', newer_by => 'seq');
SELECT healing_load('versions', '{"id":1,"status":"two","seq":2}
{"id":1,"status":"one","seq":1}
{"id":1,"status":"two again","seq":2}
{"id":1,"status":"unknown"}
{"id":2,"status":"none yet"}
{"id":2,"status":"now","seq":1}');
SELECT id, status, seq FROM versions ORDER BY id;
SELECT value FROM mend.metrics WHERE name = 'mend_ignored_updates_total' AND labels ->> 'table' = 'order_test.versions';
-- Also a dead letter that comes back when a newer version is stored.
SELECT healing_insert('versions', '{"id":3,"seq":1,"status":"old","Status":"twice"}');
SELECT healing_insert('versions', '{"id":3,"seq":2,"status":"new"}');
SELECT mend.map_field('versions', 'Status', NULL);
SELECT mend.retry('versions');
CALL mend.wait_idle('versions');
SELECT status FROM versions WHERE id = 3;
SELECT mend.configure('versions', newer_by => '');
SELECT healing_insert('versions', '{"id":1,"status":"any","seq":0}');
SELECT status FROM versions WHERE id = 1;
SELECT mend.configure('versions', newer_by => 'gone');
CREATE TABLE unordered (id int PRIMARY KEY, j json);
SELECT mend.enroll('unordered', on_conflict => 'update', newer_by => 'j');
SELECT newer_by FROM mend.enrollments WHERE target = 'versions'::regclass;

DELETE FROM mend.queue; DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events;
SELECT count(mend.unenroll(target)) AS unenrolled FROM mend.enrollments WHERE target_name LIKE 'order_test.%';
SET client_min_messages = warning;
DROP SCHEMA order_test CASCADE;
