-- Dead letters are corrected by a merge patch, and come back by mend.retry alone.
CREATE SCHEMA amend_test;
SET search_path = amend_test, public;
CREATE TABLE t (id int PRIMARY KEY, price numeric(8,2) CHECK (price = price), state text CHECK (state <> 'bad'), n int NOT NULL CHECK (n = n));
SELECT mend.enroll('t', allow => '{add_column}');
SELECT healing_load('t', E'{"id": 1, "price": "n/a", "n": 1}\n{ "id":2,  "price":"n/a", "n":2, "extra": {"a": 1.50} }\n{"id":3,"price":"1.234,56","n":3}\n{"id":4,"price":1}\n{"id":5,"state":"bad","n":5}\nno json');
CALL mend.wait_idle('t');
SELECT count(mend.reject(patch_id, 'payloads must say it')) FROM mend.decisions;
CALL mend.wait_idle('t');
SELECT kind, cause, field, payload FROM mend.dead_letters ORDER BY id;
-- What is no patch is refused.
SELECT * FROM mend.amend(NULL::bigint[], '{}');
SELECT * FROM mend.amend('{1,NULL}', '{}');
SELECT * FROM mend.amend('{1}', NULL);
SELECT * FROM mend.amend('{1}', '[1]');
SELECT * FROM mend.amend('{1}', jsonb_build_object('a', repeat('x', 100000)));
SELECT * FROM mend.amend('t', 'no_such_kind', 'price', '{}');
SELECT * FROM mend.amend('pg_class', 'type_conflict', 'price', '{}');
SELECT * FROM mend.amend('{-1}', '{"a":1}');
-- A dry run says how many would fit, and changes nothing.
SELECT * FROM mend.amend('t', 'type_conflict', 'price', '{"price": null}', dry_run => true);
SELECT * FROM mend.amend('t', 'word_for_none', 'price', '{"price": "still none"}', dry_run => true);
SELECT count(*) FILTER (WHERE original IS NOT NULL) AS amended, count(*) FROM mend.dead_letters;
-- By kind or cause and field; what is not touched stays as it is written, the original beside; a second time changes nothing more.
SELECT * FROM mend.amend('t', 'word_for_none', 'price', '{"price": null, "note": {"why": "none"}}');
SELECT * FROM mend.amend('t', 'word_for_none', 'price', '{"price": null, "note": {"why": "none"}}');
SELECT payload, original FROM mend.dead_letters WHERE cause = 'word_for_none' ORDER BY id;
SELECT actor = session_user AS by_me, detail - 'ids', jsonb_array_length(detail -> 'ids') FROM mend.events WHERE kind = 'amended';
SELECT count(*) FROM t;
-- By id: several patches one after another, and back to what it was.
SELECT a.* FROM mend.dead_letters, mend.amend(ARRAY[id], '{"price": 1234.56}') a WHERE payload LIKE '{"id":3%';
SELECT a.* FROM mend.dead_letters, mend.amend(ARRAY[id], '{"state": "ok"}') a WHERE payload LIKE '{"id":3%';
SELECT payload, original FROM mend.dead_letters WHERE payload LIKE '{"id":3%';
SELECT a.* FROM mend.dead_letters, mend.amend(ARRAY[id], '{"n": 4}') a WHERE payload LIKE '{"id":4%';
SELECT a.* FROM mend.dead_letters, mend.amend(ARRAY[id], '{"n": null}') a WHERE payload LIKE '{"id":4%';
SELECT payload, original FROM mend.dead_letters WHERE payload LIKE '{"id":4%';
-- What is no JSON stays; a constraint is seen by storing alone.
SELECT * FROM mend.amend('t', NULL, NULL, '{"n": 9}', true);
SELECT a.* FROM mend.dead_letters, mend.amend(ARRAY[id], '{"n": 9}') a WHERE kind = 'malformed';
SELECT * FROM mend.amend('t', 'check_violation', NULL, '{"state": "bad"}');
-- Retry by kind and field.
SELECT mend.retry('t', kind => 'no_such');
SELECT mend.retry('t', kind => 'type_conflict', field => 'nothing');
SELECT mend.retry('t', kind => 'type_conflict', field => 'price');
CALL mend.wait_idle('t');
SELECT * FROM t ORDER BY id;
SELECT kind, payload FROM mend.dead_letters ORDER BY id;
SELECT mend.retry(kind => 'check_violation', ids => (SELECT array_agg(id) FROM mend.dead_letters));
CALL mend.wait_idle('t');
-- A letter that was amended and died again keeps its original.
SELECT a.* FROM mend.dead_letters, mend.amend(ARRAY[id], '{"n": "x"}') a WHERE kind = 'constraint';
SELECT mend.retry('t', kind => 'constraint');
CALL mend.wait_idle('t');
SELECT kind, payload, original FROM mend.dead_letters WHERE original IS NOT NULL;

-- The key of a payload goes with it: a later one waits behind.
CREATE TABLE k (id int PRIMARY KEY, s text CHECK (s <> 'bad'));
SELECT mend.enroll('k', 'paused', on_conflict => 'update', at => '/row');
SELECT healing_insert('k', '{"row":{"id":1,"s":"bad"}}');
SELECT a.* FROM mend.dead_letters, mend.amend(ARRAY[id], '{"row": {"id": 2, "s": "good"}}') a WHERE target = 'k'::regclass;
SELECT mend.retry('k');
SELECT healing_insert('k', '{"row":{"id":1,"s":"free"}}'), healing_insert('k', '{"row":{"id":2,"s":"later"}}');
SELECT kind, payload FROM mend.queue WHERE target = 'k'::regclass ORDER BY id;

-- Not for code of a landing table, nor for those who are no members of mend_admin.
CREATE FUNCTION decide() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM mend.amend('{1}', '{}'); RETURN NEW; END$$;
CREATE TABLE x (id int);
CREATE TRIGGER decide BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION decide();
SELECT mend.enroll('x', 'paused');
SELECT healing_insert('x', '{"id":1,"fresh":1}');
ALTER TABLE x ADD COLUMN fresh int;
SELECT mend.configure('x', 'auto');
CALL mend.wait_idle('x');
SELECT error FROM mend.dead_letters WHERE target = 'x'::regclass;
CREATE ROLE regress_amend IN ROLE mend_agent;
SET ROLE regress_amend;
SELECT * FROM mend.amend('{1}', '{"a":1}');
SELECT original FROM mend.dead_letters;
RESET ROLE;
DROP ROLE regress_amend;

SET client_min_messages = warning;
DELETE FROM mend.queue;
SELECT mend.discard(array_agg(id), 'test') > 0 AS discarded FROM mend.dead_letters;
SELECT detail ->> 'payload' AS payload, detail ->> 'original' AS original FROM mend.events WHERE kind = 'discarded' AND detail ? 'original' ORDER BY id;
SELECT mend.unenroll(target) FROM mend.enrollments;
DROP SCHEMA amend_test CASCADE;
