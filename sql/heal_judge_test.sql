-- A proof judges values without making them. What it says of a row is what storing the row says, for values of every kind that
-- it takes a short cut with.
SET client_min_messages = warning;
CREATE SCHEMA heal_judge_test;
SET search_path = heal_judge_test, public;
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN three AS text CHECK (length(VALUE) = 3);
CREATE TYPE pair AS (a int, b three);
CREATE TABLE judged (id int, j jsonb, js json, t text, v varchar(3), c char(2), s name, n text[], i int[], d positive, w three,
    da positive[], ja jsonb[], p pair);
CREATE TABLE doubled (id int, twice int GENERATED ALWAYS AS (id * 2) STORED, j jsonb);
CREATE TABLE stored_judged (LIKE judged, extra int);
CREATE TABLE stored_doubled (LIKE doubled INCLUDING GENERATED, extra int);
SELECT mend.enroll('judged', 'paused'), mend.enroll('doubled', 'paused'), mend.enroll('stored_judged', 'paused'),
    mend.enroll('stored_doubled', 'paused');
CREATE FUNCTION keys(n int, last text) RETURNS text LANGUAGE sql AS
    $$ SELECT '{' || string_agg(format('"k%s": %s', k, k), ', ') || format(', "%s": 0}', last) FROM generate_series(1, n) k $$;
CREATE FUNCTION list(n int, last text) RETURNS text LANGUAGE sql AS
    $$ SELECT '[' || repeat('1, ', n) || last || ']' $$;
CREATE TABLE cases (id int GENERATED ALWAYS AS IDENTITY, target text, what text, members text);
INSERT INTO cases (target, what, members) VALUES
    ('judged', 'object', '"j": {"a": 1, "b": {"a": [1, 2.50, -3e2, true, null, "x"]}}'),
    ('judged', 'key twice', '"j": {"a": 1, "a": 2}'),
    ('judged', 'key twice, within', '"j": [{"b": {"a": 1, "bb": 0, "a": 1}}]'),
    ('judged', 'key twice, escaped', '"j": {"a": 1, "\u0061": 2}'),
    ('judged', 'key once in each', '"j": {"a": {"a": {"a": 1}}, "b": {"a": 1}}'),
    ('judged', 'sixteen keys', '"j": ' || keys(15, 'k16')),
    ('judged', 'sixteen keys, one twice', '"j": ' || keys(15, 'k15')),
    ('judged', 'many keys', '"j": ' || keys(40, 'k41')),
    ('judged', 'many keys, one twice', '"j": ' || keys(40, 'k7')),
    ('judged', 'number too large', '"j": {"a": 1e200000}'),
    ('judged', 'number too large, in capitals', '"j": [1, 1E+200000]'),
    ('judged', 'number with many digits', '"j": ' || repeat('9', 5000)),
    ('judged', 'number with too many digits', '"j": ' || repeat('9', 140000)),
    ('judged', 'scalar', '"j": "x"'),
    ('judged', 'long list', '"j": ' || list(3000, '{"a": 1}')),
    ('judged', 'long list, key twice', '"j": ' || list(3000, '{"a": 1, "a": 1}')),
    ('judged', 'json, key twice', '"js": {"a": 1, "a": 1e200000}'),
    ('judged', 'text', '"t": 12.50'),
    ('judged', 'text of an object', '"t": {}'),
    ('judged', 'varchar', '"v": "äöü"'),
    ('judged', 'varchar too long', '"v": "äöüß"'),
    ('judged', 'char padded', '"c": "a"'),
    ('judged', 'char with blanks', '"c": "a     "'),
    ('judged', 'char too long', '"c": "abc"'),
    ('judged', 'name too long', '"s": "' || repeat('s', 64) || '"'),
    ('judged', 'texts', '"n": ["a", null, "c"]'),
    ('judged', 'texts, ragged', '"n": [["a"], ["b", "c"]]'),
    ('judged', 'no texts', '"n": []'),
    ('judged', 'many texts', '"n": ' || list(2000, '"x"')),
    ('judged', 'integers', '"i": [[1, 2], [3, 4]]'),
    ('judged', 'integers, one too large', '"i": [1, 3000000000]'),
    ('judged', 'many integers, one a word', '"i": ' || list(2000, '"x"')),
    ('judged', 'domain', '"d": 1'),
    ('judged', 'domain refuses', '"d": 0'),
    ('judged', 'domain over text', '"w": "abc"'),
    ('judged', 'domain over text refuses', '"w": "abcd"'),
    ('judged', 'domains', '"da": [1, 2]'),
    ('judged', 'domains, one refuses', '"da": [1, -2]'),
    ('judged', 'jsonbs', '"ja": [{"a": 1}, 2]'),
    ('judged', 'jsonbs, key twice', '"ja": [{"a": 1}, {"b": 1, "b": 1}]'),
    ('judged', 'composite', '"p": {"a": 1, "b": "abc"}'),
    ('judged', 'composite, domain refuses', '"p": {"a": 1, "b": "ab"}'),
    ('judged', 'composite, no such field', '"p": {"a": 1, "b": "abc", "c": 1}'),
    ('doubled', 'computed the same', '"twice": "CASE"'),
    ('doubled', 'computed otherwise', '"twice": 1'),
    ('doubled', 'key twice', '"j": {"a": 1, "a": 1}');
CREATE TABLE verdicts (id int, proof bool, storing bool);
DO $$
DECLARE
    one record;
    stored record;
    proved record;
    payload text;
BEGIN
    FOR one IN SELECT * FROM cases ORDER BY id LOOP
        payload := format('{"id": %s, %s, "extra": 1}', one.id, replace(one.members, '"CASE"', (2 * one.id)::text));
        SELECT * INTO stored FROM healing_load(('stored_' || one.target)::regclass, payload);
        PERFORM healing_load(one.target::regclass, payload);
        SELECT * INTO proved FROM mend.dry_run(one.target::regclass, format('ALTER TABLE heal_judge_test.%I ADD extra int', one.target));
        INSERT INTO verdicts VALUES (one.id, coalesce(proved.rows_healed, 0) = 1, stored.inserted = 1);
        DELETE FROM mend.queue;
    END LOOP;
END
$$;
SELECT target, what, proof AS fits FROM cases JOIN verdicts USING (id) ORDER BY id;
-- None.
SELECT target, what, proof, storing FROM cases JOIN verdicts USING (id) WHERE proof IS DISTINCT FROM storing ORDER BY id;

DELETE FROM mend.dead_letters;
SELECT mend.unenroll(target) FROM mend.enrollments;
DROP SCHEMA heal_judge_test CASCADE;
DELETE FROM mend.queue; DELETE FROM mend.progress; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.fields;
