-- Hints: the type of a new column by its name, where all values fit it exactly.
CREATE SCHEMA hints_test;
SET search_path = hints_test, public;
CREATE TABLE t (id int PRIMARY KEY);
SELECT mend.enroll('t', hints => '["*_at"]');
SELECT mend.enroll('t', hints => '{"*_at": 5}');
SELECT mend.enroll('t', hints => '{"*_at": "no_such_type"}');
SELECT mend.enroll('t', hints => '{"*_at": "numeric(12,"}');
SELECT mend.enroll('t', hints => '{"*_at": "regclass"}');
SELECT mend.enroll('t', hints => '{"*_at": "numeric(2000)"}');
SELECT mend.enroll('t', hints => '{"": "text"}');
CREATE DOMAIN hints_test.text AS pg_catalog.text CHECK (false);
SET search_path = hints_test, pg_catalog, public;
SELECT mend.enroll('t', hints => '{"*": "text"}');
SET search_path = hints_test, public;
DROP DOMAIN hints_test.text;
SELECT mend.enroll('t', hints => '{"*_at": "timestamptz", "price": "numeric(12,2)", "p*": "text", "code": "varchar(4)", "ip": "inet", "tags": "text[]", "n?": "int", "day": "date"}');
SELECT hints FROM mend.enrollments WHERE target = 't'::regclass;

-- All values fit: fewer than rules would ask for as evidence, types that rules never choose, text of numbers.
SELECT healing_load('t', '[{"id":1,"seen_at":"2024-05-01T00:00:00Z","price":1.50,"phone":"123","code":"ab","ip":"10.0.0.1","tags":["a"],"n1":1,"day":"2024-05-01"},
  {"id":2,"seen_at":"2024-05-01T00:00:00.5+02:00","price":"2","phone":555,"code":"abcd","ip":"::1","tags":[],"n1":"7","day":null}]');
CALL mend.wait_idle('t');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 1 ORDER BY attname;
SELECT count(*) FROM t;
SELECT rationale FROM mend.patches WHERE target = 't'::regclass;
SELECT column_name FROM mend.own_columns WHERE target = 't'::regclass ORDER BY 1;
SELECT count(*) FROM mend.events WHERE kind = 'hint_unfit';
-- Text that somebody asked for takes numbers.
SELECT healing_insert('t', '{"id":3,"phone":777,"code":12}');
SELECT phone, code FROM t WHERE id = 3;

-- One value that does not fit: as without a hint, and the event says so.
CREATE TABLE u (id int PRIMARY KEY);
SELECT mend.enroll('u', hints => '{"*_at": "timestamptz", "price": "numeric(12,2)", "n?": "int", "ip": "inet", "day": "date"}');
SELECT healing_load('u', '[{"id":1,"sentAt":"2024-05-01T00:00:00Z","price":1.505,"n1":3000000000,"ip":"10.0.0.1","day":"2024-05-01"},
  {"id":2,"sentAt":"tomorrow","price":7,"n1":1,"ip":"gateway","day":"2024-05-01"}]');
CALL mend.wait_idle('u');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'u'::regclass AND attnum > 1 ORDER BY attname;
SELECT * FROM u ORDER BY id;
SELECT detail FROM mend.events WHERE kind = 'hint_unfit' ORDER BY detail ->> 'column';
SELECT unnest(string_to_array(rationale, '; ')) FROM mend.patches WHERE target = 'u'::regclass ORDER BY 1;

-- A column of a hint widens as any of its family; hints bring no column that holds nothing; null leaves them, {} takes them away.
SELECT healing_load('t', '[{"id":10,"price":1.505},{"id":11,"code":"longer"},{"id":12,"new_at":null}]');
CALL mend.wait_idle('t');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname IN ('price', 'code', 'new_at') ORDER BY 1;
SELECT mend.configure('t', share => 'values');
SELECT hints = '{}' AS none FROM mend.enrollments WHERE target = 't'::regclass;
SELECT mend.configure('t', hints => '{}');
SELECT hints = '{}' AS none FROM mend.enrollments WHERE target = 't'::regclass;

-- Envelopes that wait for a person, and rescued values, follow hints too.
CREATE TABLE r (id int PRIMARY KEY, _rescued jsonb);
SELECT mend.enroll('r', rescue => '_rescued', hints => '{"*_at": "timestamptz", "n": "int"}');
SELECT healing_load('r', '[{"id":1,"made_at":"2024-05-01T00:00:00Z","n":1},{"id":2,"made_at":"2024-05-02T00:00:00Z","n":"many"}]');
CALL mend.wait_idle('r');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'r'::regclass AND attnum > 2 ORDER BY attname;
SELECT id, _rescued, made_at, n FROM r ORDER BY id;

-- What a model is told.
CREATE TABLE asked (id int PRIMARY KEY, amount numeric NOT NULL);
SELECT mend.enroll('asked', 'review', hints => '{"*_at": "timestamptz"}');
SELECT healing_insert('asked', '{"id":1,"total":5}');
CALL mend.wait_idle('asked');
SELECT mend.preview_prompt('asked') LIKE '%type_hints%*_at%timestamp with time zone%' AS shown;

SET client_min_messages = warning;
DELETE FROM mend.queue;
SELECT field, reason, mend.discard(ARRAY[id], 'test') FROM mend.dead_letters;
SELECT mend.unenroll(target) FROM mend.enrollments;
DROP SCHEMA hints_test CASCADE;
