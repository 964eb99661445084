-- on_conflict update: what a payload lacks is no matter where the row is there; where it is not, the row cannot be made.
CREATE SCHEMA partial_update;
SET search_path = partial_update, public;
CREATE TABLE t (id int, sub text, name text NOT NULL, n int, must date NOT NULL, extra text DEFAULT 'def', PRIMARY KEY (sub, id));
SELECT mend.enroll('t', on_conflict => 'update');
SELECT healing_insert('t', '{"id":1,"sub":"x","name":"one","n":1,"must":"2024-01-01"}'), healing_insert('t', '{"id":2,"sub":"x","name":"two","n":2,"must":"2024-01-02","extra":"kept"}');
-- Present columns are updated, the others untouched; as text and jsonb, one and many, and behind the insert in the same call.
SELECT healing_insert('t', '{"id":1,"sub":"x","n":10}'), healing_insert('t', '{"id":2,"sub":"x","n":null}'::jsonb), healing_insert('t', '{"id":2,"sub":"x","name":"zwei"}');
SELECT healing_load('t', '[{"id":3,"sub":"x","name":"three","must":"2024-01-03"},{"id":3,"sub":"x","n":3},{"id":3,"sub":"x"},{"id":3,"sub":"x","extra":"e"}]');
SELECT * FROM t ORDER BY id;
-- Without the row, with another key, without a whole key, with null: missing_required.
SELECT mend.configure('t', 'paused');
SELECT healing_load('t', '[{"id":9,"sub":"x","n":1},{"id":1,"sub":"y","n":1},{"id":1,"n":1},{"id":1,"sub":"x","name":null},{"id":2,"sub":"x","n":20},{"id":8,"sub":"x"}]');
SELECT kind, cause, field, sqlstate, error, payload FROM mend.queue ORDER BY id;
-- What comes later for the key waits behind it; dead, it lets that go.
SELECT healing_insert('t', '{"id":9,"sub":"x","name":"nine","must":"2024-01-09"}');
SELECT mend.configure('t', 'auto');
CALL mend.wait_idle('t');
SELECT count(mend.reject(patch_id, 'payloads must say it')) FROM mend.decisions;
CALL mend.wait_idle('t');
SELECT * FROM t ORDER BY sub, id;
SELECT kind, field, payload, regexp_replace(reason, '(patch )\d+', '\1N') AS reason FROM mend.dead_letters ORDER BY id;
-- A retry finds the row by now; what was offered after it has overtaken the other.
INSERT INTO t VALUES (1, 'y', 'by hand', 0, '2024-01-01');
SELECT mend.retry('t', array_agg(id)) FROM mend.dead_letters WHERE payload LIKE '{"id":1,"sub":"y"%' OR payload LIKE '{"id":9%';
CALL mend.wait_idle('t');
SELECT * FROM t WHERE id = 9 OR sub = 'y' ORDER BY id;
SELECT count(*) FROM mend.dead_letters;
-- In replay: a new field and a value that does not fit, for rows that are there and one that is not.
SELECT healing_load('t', '[{"id":1,"sub":"x","colour":"red"},{"id":2,"sub":"x","n":5000000000},{"id":7,"sub":"x","colour":"blue"}]');
CALL mend.wait_idle('t');
SELECT * FROM t WHERE id IN (1, 2, 7) ORDER BY id;
SELECT kind, field, payload FROM mend.dead_letters ORDER BY id DESC LIMIT 1;
SELECT mend.discard(array_agg(id), 'test') FROM mend.dead_letters;

-- newer_by: older partial updates are ignored, and counted; one without a version is not newer.
CREATE TABLE v (id int PRIMARY KEY, status text NOT NULL, seq int, note text);
SELECT mend.enroll('v', on_conflict => 'update', newer_by => 'seq');
SELECT healing_load('v', '[{"id":1,"status":"new","seq":5},{"id":1,"seq":4,"note":"old"},{"id":1,"seq":6,"note":"newer"},{"id":1,"note":"none"},{"id":2,"status":"s"},{"id":2,"note":"first"}]');
SELECT * FROM v ORDER BY id;
SELECT value FROM mend.metrics WHERE name = 'mend_ignored_updates_total' AND labels ->> 'table' = 'partial_update.v';

-- BEFORE triggers on INSERT may supply what is missing; what they do not, a stored row may have.
CREATE TABLE b (id int PRIMARY KEY, tenant text NOT NULL, name text NOT NULL, n int);
CREATE FUNCTION give_tenant() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.tenant := coalesce(NEW.tenant, 'given'); RETURN NEW; END$$;
CREATE TRIGGER give_tenant BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION give_tenant();
SELECT mend.enroll('b', on_conflict => 'update');
SELECT healing_load('b', '[{"id":1,"name":"one"},{"id":2,"name":"two","tenant":"own"},{"id":1,"n":1},{"id":2,"n":2},{"id":3,"n":3},{"id":2,"name":"zwei"},{"id":1,"tenant":null,"n":4}]');
CALL mend.wait_idle('b');
SELECT count(mend.reject(patch_id, 'payloads must say it')) FROM mend.decisions;
CALL mend.wait_idle('b');
SELECT * FROM b ORDER BY id;
SELECT kind, field, payload FROM mend.dead_letters ORDER BY id;
SELECT mend.discard(array_agg(id), 'test') FROM mend.dead_letters;

-- Rescued values, generated columns, keys of types with their own equality, partitions, rights.
CREATE TABLE r (id int PRIMARY KEY, must int NOT NULL, n int, _rescued jsonb);
SELECT mend.enroll('r', 'paused', on_conflict => 'update', rescue => '_rescued');
SELECT healing_load('r', '[{"id":1,"must":1,"n":"many"},{"id":1,"extra":true},{"id":1,"n":5}]');
SELECT * FROM r;
CREATE TABLE g (id int PRIMARY KEY, must int NOT NULL, twice int GENERATED ALWAYS AS (must * 2) STORED, n int);
SELECT mend.enroll('g', 'paused', on_conflict => 'update');
SELECT healing_load('g', '[{"id":1,"must":4,"twice":8},{"id":1,"n":1},{"id":1,"twice":8,"n":2}]');
SELECT * FROM g;
CREATE TABLE p (id numeric, day date, must int NOT NULL, n int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
SELECT mend.enroll('p', 'paused', on_conflict => 'update');
SELECT healing_load('p', '[{"id":1.0,"day":"2024-02-02","must":1},{"id":1,"day":"2024-02-02","n":7},{"id":1,"day":"2030-02-02","n":7}]');
SELECT * FROM p;
SELECT kind, payload FROM mend.queue WHERE target = 'p'::regclass;
CREATE ROLE regress_partial;
GRANT USAGE ON SCHEMA partial_update TO regress_partial;
CREATE TABLE l (id int PRIMARY KEY, must int NOT NULL, n int);
SELECT mend.enroll('l', 'paused', on_conflict => 'update');
INSERT INTO l VALUES (1, 1, 1);
GRANT INSERT ON l TO regress_partial;
SET SESSION AUTHORIZATION regress_partial;
SELECT public.healing_insert('partial_update.l', '{"id":1,"n":2}');
RESET SESSION AUTHORIZATION;
GRANT SELECT, UPDATE (n) ON l TO regress_partial;
SET SESSION AUTHORIZATION regress_partial;
SELECT public.healing_insert('partial_update.l', '{"id":1,"n":2}');
RESET SESSION AUTHORIZATION;
-- Rows that a policy hides are not there.
ALTER TABLE l ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON l USING (must = 2) WITH CHECK (true);
SET SESSION AUTHORIZATION regress_partial;
SELECT public.healing_insert('partial_update.l', '{"id":1,"n":3}');
RESET SESSION AUTHORIZATION;
SELECT * FROM l;

-- Other terms than update know no partial rows.
CREATE TABLE o (id int PRIMARY KEY, must int NOT NULL, n int);
SELECT mend.enroll('o', 'paused', on_conflict => 'ignore');
INSERT INTO o VALUES (1, 1, 1);
SELECT healing_insert('o', '{"id":1,"n":2}');

SET client_min_messages = warning;
DELETE FROM mend.queue;
SELECT mend.unenroll(target) FROM mend.enrollments;
DROP SCHEMA partial_update CASCADE;
DROP ROLE regress_partial;
