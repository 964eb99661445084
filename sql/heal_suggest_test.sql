-- What is lossless but would be noticed is asked: one question a cause, whose rows wait.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA heal_suggest_test;
GRANT USAGE ON SCHEMA heal_suggest_test TO mend_healer;
SET search_path = heal_suggest_test, public;
CREATE VIEW asked AS SELECT target::regclass AS target, rows, ddl, field_map AS map, regexp_replace(question, '(patch )\d+', '\1N', 'g') AS question, cardinality(alternatives) AS others
    FROM mend.decisions WHERE target::regclass::text NOT LIKE '%.%' ORDER BY target::regclass::text, patch_id;
CREATE VIEW dead AS SELECT target::regclass AS target, field, regexp_replace(reason, '(patch )\d+', '\1N', 'g') AS reason, count(*) AS rows FROM mend.dead_letters
    WHERE target_name LIKE 'heal_suggest_test.%' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
CREATE FUNCTION approve_all(relation regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    one bigint;
    n bigint := 0;
BEGIN
    FOR one IN SELECT patch_id FROM mend.decisions WHERE target = relation ORDER BY patch_id LOOP
        PERFORM mend.approve(one);
        n := n + 1;
    END LOOP;
    RETURN n;
END
$$;

-- Codes come for numbers, nothing comes for what is required: two questions, and rows that need both answers.
CREATE TABLE codes (id int NOT NULL, code int, note text NOT NULL);
INSERT INTO codes VALUES (0, 7, 'x');
SELECT mend.enroll('codes');
SELECT * FROM healing_load('codes', '[{"id": 1, "code": "007", "note": "y"}, {"id": 2, "code": 8}, {"id": 3, "code": "N/A"}, {"id": 4, "code": 9, "note": "z"}]');
CALL mend.wait_idle('codes');
SELECT * FROM asked WHERE target = 'codes'::regclass;
SELECT queued, dead_letters, state FROM mend.status WHERE target = 'codes'::regclass;
-- More of the same asks nothing more.
SELECT healing_insert('codes', '{"id": 5, "code": "A-1"}');
CALL mend.wait_idle('codes');
SELECT rows, ddl FROM asked WHERE target = 'codes'::regclass;
SELECT mend.approve(patch_id) FROM mend.decisions WHERE target = 'codes'::regclass AND ddl LIKE '%text';
CALL mend.wait_idle('codes');
SELECT * FROM codes ORDER BY id;
SELECT rows, ddl FROM asked WHERE target = 'codes'::regclass;
SELECT approve_all('codes');
CALL mend.wait_idle('codes');
SELECT * FROM codes ORDER BY id;
SELECT state, ddl, rows_healed FROM mend.patches WHERE target = 'codes'::regclass ORDER BY id;

-- What a rejected suggestion would have healed dies with the reason, and so do later rows like it; nothing is asked twice.
CREATE TABLE refused (id int, code int, other int NOT NULL);
INSERT INTO refused VALUES (0, 7, 7);
SELECT mend.enroll('refused');
SELECT (healing_load('refused', '[{"id": 1, "code": "007", "other": 1}, {"id": 2, "code": 8}]')).queued;
CALL mend.wait_idle('refused');
SELECT mend.reject(patch_id, 'codes are numbers') FROM mend.decisions WHERE target = 'refused'::regclass;
CALL mend.wait_idle('refused');
SELECT (healing_load('refused', '[{"id": 3, "code": "A7", "other": 1}, {"id": 4, "code": 8}, {"id": 5, "code": 3000000000, "other": 2}]')).queued;
CALL mend.wait_idle('refused');
SELECT * FROM dead WHERE target = 'refused'::regclass;
SELECT count(*) FROM asked WHERE target = 'refused'::regclass;
SELECT * FROM refused ORDER BY id;

-- What is allowed is done.
CREATE TABLE allowed (id int, code int, note text NOT NULL);
INSERT INTO allowed VALUES (0, 7, 'x');
SELECT mend.enroll('allowed', allow => '{add_column,widen_type,map_field,change_type,drop_not_null}');
SELECT (healing_load('allowed', '[{"id": 1, "code": "007", "note": "y"}, {"id": 2, "code": 1.5}, {"id": 3, "code": {"a": 1}, "note": "z"}]')).queued;
CALL mend.wait_idle('allowed');
SELECT * FROM allowed ORDER BY id;
SELECT count(*) FROM asked WHERE target = 'allowed'::regclass;
SELECT rows FROM dead WHERE target = 'allowed'::regclass;

-- What can be widened is; the rest is asked against the type as it is then.
CREATE TABLE both_ways (id int, n int);
INSERT INTO both_ways VALUES (0, 7);
SELECT mend.enroll('both_ways');
SELECT (healing_load('both_ways', '[{"id": 1, "n": 3000000000}, {"id": 2, "n": "05"}]')).queued;
CALL mend.wait_idle('both_ways');
SELECT * FROM both_ways ORDER BY id;
SELECT rows, question FROM asked WHERE target = 'both_ways'::regclass;
-- Where nothing is done unasked it is one question.
CREATE TABLE reviewed (id int, n int);
INSERT INTO reviewed VALUES (0, 7);
SELECT mend.enroll('reviewed', 'review');
SELECT (healing_load('reviewed', '[{"id": 1, "n": 3000000000}, {"id": 2, "n": "05"}, {"id": 3, "more": true}]')).queued;
CALL mend.wait_idle('reviewed');
SELECT rows, ddl, question FROM asked WHERE target = 'reviewed'::regclass;
SELECT approve_all('reviewed');
CALL mend.wait_idle('reviewed');
SELECT * FROM reviewed ORDER BY id;

-- Objects come: another answer takes the place of the one that waits.
CREATE TABLE nested (id int, n int);
INSERT INTO nested VALUES (0, 7);
SELECT mend.enroll('nested');
SELECT healing_insert('nested', '{"id": 1, "n": "x7"}');
CALL mend.wait_idle('nested');
SELECT healing_insert('nested', '{"id": 2, "n": {"amount": 7}}');
CALL mend.wait_idle('nested');
SELECT state, ddl FROM mend.patches WHERE target = 'nested'::regclass ORDER BY id;
SELECT rows, question FROM asked WHERE target = 'nested'::regclass;
SELECT approve_all('nested');
CALL mend.wait_idle('nested');
SELECT * FROM nested ORDER BY id;

-- What the enrolment does not name is asked.
CREATE TABLE narrow (id int, n int);
SELECT mend.enroll('narrow', allow => '{}');
INSERT INTO narrow VALUES (0, 7);
SELECT (healing_load('narrow', '[{"id": 1, "n": 3000000000}, {"id": 2, "a": 1, "Big B": "x"}, {"id": 3, "a": 1}]')).queued;
CALL mend.wait_idle('narrow');
SELECT rows, ddl, map, question FROM asked WHERE target = 'narrow'::regclass;
SELECT approve_all('narrow');
CALL mend.wait_idle('narrow');
SELECT * FROM narrow ORDER BY id;

-- A person's own answer takes the place of the suggestion.
CREATE TABLE own_answer (id int, total int);
INSERT INTO own_answer VALUES (0, 7);
SELECT mend.enroll('own_answer', 'review');
SELECT healing_insert('own_answer', '{"id": 1, "grand_sum": 8}');
CALL mend.wait_idle('own_answer');
SELECT mend.propose('own_answer', '', '{"grand_sum": "total"}') AS patch \gset
SELECT mend.approve(:patch);
CALL mend.wait_idle('own_answer');
SELECT planner, state, ddl, field_map FROM mend.patches WHERE target = 'own_answer'::regclass ORDER BY id;
SELECT healing_insert('own_answer', '{"id": 2, "grand_sum": 9}');
SELECT * FROM own_answer ORDER BY id;
-- And where he was first nothing else is suggested.
SELECT mend.configure('own_answer', mode => 'paused');
SELECT healing_insert('own_answer', '{"id": 3, "note": "x"}');
SELECT mend.propose('own_answer', 'ALTER TABLE own_answer ADD COLUMN note varchar') > 0 AS proposed;
SELECT mend.configure('own_answer', mode => 'review');
CALL mend.wait_idle('own_answer');
SELECT planner, state FROM mend.patches WHERE target = 'own_answer'::regclass AND ddl LIKE '%note%' ORDER BY id;

-- Renames: the field goes to the column, or both stand beside each other.
CREATE TABLE renamed (id int, customer_name text NOT NULL, qty int);
INSERT INTO renamed VALUES (0, 'x', 1);
SELECT mend.enroll('renamed');
SELECT (healing_load('renamed', '[{"id": 1, "cust_name": "y", "qty": 2}, {"id": 2, "cust_name": "z"}]')).queued;
CALL mend.wait_idle('renamed');
SELECT * FROM asked WHERE target = 'renamed'::regclass;
SELECT mend.approve(min(patch_id)) FROM mend.decisions WHERE target = 'renamed'::regclass;
SELECT count(*) AS withdrawn FROM mend.patches WHERE target = 'renamed'::regclass AND state = 'superseded';
CALL mend.wait_idle('renamed');
SELECT * FROM renamed ORDER BY id;
-- One that need not be there, but has been so far.
SELECT (healing_load('renamed', '[{"id": 3, "cust_name": "y", "quantity": 2}, {"id": 4, "cust_name": "z", "quantity": 3}]')).queued;
CALL mend.wait_idle('renamed');
SELECT rows, ddl, map FROM asked WHERE target = 'renamed'::regclass;
SELECT mend.approve(max(patch_id)) FROM mend.decisions WHERE target = 'renamed'::regclass;
CALL mend.wait_idle('renamed');
SELECT * FROM renamed ORDER BY id;
-- No rename: rows bring both, types differ, or two could be meant.
CREATE TABLE apart (id int, customer_name text, qty int, total int NOT NULL);
INSERT INTO apart VALUES (0, 'x', 1, 1);
SELECT mend.enroll('apart');
SELECT (healing_load('apart', '[{"id": 1, "customer_name": "a", "cust_name": "y", "total": 1}, {"id": 2, "quantity": "many", "total": 1}, {"id": 3, "net_total": 1, "gross_total": 2}]')).queued;
CALL mend.wait_idle('apart');
SELECT attname FROM pg_attribute WHERE attrelid = 'apart'::regclass AND attnum > 4 ORDER BY attname;
SELECT rows, ddl, map FROM asked WHERE target = 'apart'::regclass;

-- A column that a person dropped, or a patch that he took back: again, or never.
CREATE TABLE taken (id int);
SELECT mend.enroll('taken');
SELECT healing_insert('taken', '{"id": 1, "a": 1, "b B": 2, "c": 3}');
CALL mend.wait_idle('taken');
ALTER TABLE taken DROP COLUMN a, DROP COLUMN b_b;
SELECT (healing_load('taken', '[{"id": 2, "a": 1}, {"id": 3, "b B": 2}, {"id": 4, "a": 5}]')).queued;
CALL mend.wait_idle('taken');
SELECT rows, ddl, map, question, others FROM asked WHERE target = 'taken'::regclass ORDER BY map::text COLLATE "C";
SELECT mend.approve(patch_id) FROM mend.decisions WHERE target = 'taken'::regclass AND (ddl LIKE '%a pg_catalog%' OR field_map = '{"b B": null}');
CALL mend.wait_idle('taken');
SELECT healing_insert('taken', '{"id": 5, "a": 6, "b B": 7}');
SELECT * FROM taken ORDER BY id;
SELECT count(*) FROM asked WHERE target = 'taken'::regclass;
SELECT healing_insert('taken', '{"id": 6, "d": true}');
CALL mend.wait_idle('taken');
SELECT mend.revert(max(id)) FROM mend.patches WHERE target = 'taken'::regclass;
SELECT healing_insert('taken', '{"id": 7, "d": false}');
CALL mend.wait_idle('taken');
SELECT rows, ddl, map FROM asked WHERE target = 'taken'::regclass;
SELECT mend.reject(patch_id, 'no') FROM mend.decisions WHERE target = 'taken'::regclass;
CALL mend.wait_idle('taken');
SELECT healing_insert('taken', '{"id": 8, "d": false}');
CALL mend.wait_idle('taken');
SELECT field, reason, rows FROM dead WHERE target = 'taken'::regclass;

-- A table that holds nothing yet is asked about as well: its types are somebody's word.
CREATE TABLE fresh (id int, code int, at date);
SELECT mend.enroll('fresh');
SELECT (healing_load('fresh', '[{"id": 1, "code": "A7"}, {"id": 2, "at": "2024-01-02T03:04:05Z"}]')).queued;
CALL mend.wait_idle('fresh');
SELECT rows, ddl FROM asked WHERE target = 'fresh'::regclass;

-- Payloads that share no key with the table.
CREATE TABLE enveloped (id int PRIMARY KEY, name text);
CREATE TABLE blank (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT now());
SELECT mend.enroll('enveloped'), mend.enroll('blank');
SELECT healing_insert('enveloped', '{"op": "c", "ts": 17, "source": "x"}'), healing_insert('blank', '{"op": "c", "n": 17}');
CALL mend.wait_idle();
SELECT rows, ddl, question FROM asked WHERE target = 'enveloped'::regclass;
SELECT field, reason, rows FROM dead WHERE target = 'enveloped'::regclass;
SELECT op, n FROM blank;
SELECT healing_insert('enveloped', '{"op": "c", "other": 17}');
CALL mend.wait_idle('enveloped');
SELECT rows, ddl FROM asked WHERE target = 'enveloped'::regclass;
-- The place of the record is the answer.
SELECT healing_insert('enveloped', '{"op": "u", "after": {"id": 2, "name": "x"}}');
CALL mend.wait_idle('enveloped');
SELECT count(*) FROM asked WHERE target = 'enveloped'::regclass;
SELECT mend.configure('enveloped', at => '/after');
CALL mend.wait_idle('enveloped');
SELECT * FROM enveloped;
SELECT kind, cause, count(*) FROM mend.dead_letters WHERE target = 'enveloped'::regclass GROUP BY 1, 2 ORDER BY 1, 2;
SELECT state, count(*) FROM mend.patches WHERE target = 'enveloped'::regclass GROUP BY 1 ORDER BY 1;

-- A new label of an enum: exactly those that wait, with somebody's word, and for good.
CREATE TYPE "Mood" AS ENUM ('glad', 'sad');
CREATE TABLE moods (id int, mood "Mood", other "Mood" NOT NULL DEFAULT 'sad');
SELECT mend.enroll('moods');
SELECT (healing_load('moods', '[{"id": 1, "mood": "it''s fine"}, {"id": 2, "other": "a\\b"}, {"id": 3, "mood": "glad", "more": 1}, {"id": 4, "mood": ""}]')).queued;
CALL mend.wait_idle('moods');
SELECT rows, ddl, question FROM asked WHERE target = 'moods'::regclass;
-- Another label comes: the question is asked for both.
SELECT healing_insert('moods', '{"id": 5, "mood": "mad"}');
CALL mend.wait_idle('moods');
SELECT rows, ddl FROM asked WHERE target = 'moods'::regclass;
SELECT t.ok, t.rows_healed, t.reason FROM mend.decisions d, mend.dry_run_patch(d.patch_id) t WHERE d.target = 'moods'::regclass ORDER BY d.patch_id;
SELECT approve_all('moods');
CALL mend.wait_idle('moods');
SELECT enumlabel FROM pg_enum WHERE enumtypid = '"Mood"'::regtype ORDER BY enumsortorder;
SELECT id, mood, other, more FROM moods ORDER BY id;
SELECT payload, regexp_replace(reason, '(patch )\d+', '\1N') AS reason FROM mend.dead_letters WHERE target = 'moods'::regclass;
SELECT typowner = current_user::regrole AS owned, typacl FROM pg_type WHERE oid = '"Mood"'::regtype;
SELECT state, inverse_ddl FROM mend.patches WHERE target = 'moods'::regclass AND ddl LIKE 'ALTER TYPE%' ORDER BY id;
DO $$ BEGIN PERFORM mend.revert(max(id)) FROM mend.patches WHERE ddl LIKE 'ALTER TYPE%' AND state = 'applied'; EXCEPTION WHEN OTHERS THEN RAISE WARNING '% %', SQLSTATE, regexp_replace(SQLERRM, '\d+', 'N'); END $$;
-- Allowed, it is done; rejected, it is not asked again.
SELECT mend.configure('moods', allow => '{add_column,widen_type,map_field,add_enum_value}');
SELECT (healing_load('moods', '[{"id": 6, "mood": "calm", "extra": 1}, {"id": 7, "mood": "calm", "other": "calm"}]')).queued;
CALL mend.wait_idle('moods');
SELECT id, mood, other, extra FROM moods WHERE id > 5 ORDER BY id;
SELECT mend.configure('moods', allow => '{add_column,widen_type,map_field}');
SELECT healing_insert('moods', '{"id": 8, "mood": "bad"}');
CALL mend.wait_idle('moods');
-- First whether "" is nothing, then the label.
SELECT mend.reject(patch_id, 'no such mood') FROM mend.decisions WHERE target = 'moods'::regclass;
CALL mend.wait_idle('moods');
SELECT rows, ddl FROM asked WHERE target = 'moods'::regclass;
SELECT mend.reject(patch_id, 'no such mood') FROM mend.decisions WHERE target = 'moods'::regclass;
CALL mend.wait_idle('moods');
SELECT healing_insert('moods', '{"id": 9, "mood": "worse"}');
CALL mend.wait_idle('moods');
SELECT field, reason, rows FROM dead WHERE target = 'moods'::regclass;
-- A person's own, and what the guard keeps out.
SELECT mend.check_ddl('moods', 'ALTER TYPE "Mood" ADD VALUE ''x''');
SELECT mend.configure('moods', allow => '{add_enum_value}');
CREATE TYPE foreign_mood AS ENUM ('a');
SELECT text, mend.check_ddl('moods', text) FROM unnest(ARRAY['ALTER TYPE "Mood" ADD VALUE ''x''; ALTER TYPE heal_suggest_test."Mood" ADD VALUE IF NOT EXISTS ''y''',
    'ALTER TYPE "Mood" ADD VALUE ''x'' BEFORE ''glad''', 'ALTER TYPE "Mood" RENAME VALUE ''glad'' TO ''x''', 'ALTER TYPE foreign_mood ADD VALUE ''x''',
    'ALTER TYPE "Mood" ADD VALUE ''x''; ALTER TABLE moods ADD COLUMN y int', 'ALTER TYPE "Mood" ADD VALUE ''x''; ALTER TYPE "Mood" ADD VALUE ''x''',
    'ALTER TYPE "Mood" RENAME TO x', 'ALTER TYPE nothing ADD VALUE ''x''', format('ALTER TYPE "Mood" ADD VALUE %L', repeat('x', 64))]) text;
CREATE ROLE regress_suggest_other;
ALTER TYPE "Mood" OWNER TO regress_suggest_other;
SELECT mend.check_ddl('moods', 'ALTER TYPE "Mood" ADD VALUE ''x''');
ALTER TYPE "Mood" OWNER TO CURRENT_USER;
DROP ROLE regress_suggest_other;

-- Nobody can place these.
CREATE TABLE hopeless (id int PRIMARY KEY, u int[]);
CREATE VIEW watcher AS SELECT id FROM hopeless;
SELECT mend.enroll('hopeless');
SELECT (healing_load('hopeless', '[{"id": "x1"}, {"id": 1, "u": {"a": 1}}]')).queued;
CALL mend.wait_idle('hopeless');
SELECT field, reason FROM dead WHERE target = 'hopeless'::regclass;
SELECT count(*) FROM asked WHERE target = 'hopeless'::regclass;

-- Addresses have no text that is theirs, but JSON; and a time of our own is asked about as anybody's.
CREATE TABLE hosts (id int, a inet, c cidr, m macaddr);
CREATE TABLE guessed (id int);
SELECT mend.enroll('hosts'), mend.enroll('guessed');
SELECT healing_load('hosts', '[{"id": 1, "a": "10.0.0.1", "c": "10.0.0.0/8", "m": "08:00:2b:01:02:03"}, {"id": 2, "a": "2001:db8::1/64"}]');
SELECT healing_insert('hosts', '{"id": 3, "a": "host.example"}'), healing_insert('hosts', '{"id": 4, "a": {"v4": "10.0.0.1"}}'),
       healing_insert('hosts', '{"id": 5, "m": {"of": "none"}}');
SELECT healing_insert('guessed', '{"id": 1, "created_at": "2024-03-01T08:00:00Z"}');
CALL mend.wait_idle('guessed');
SELECT healing_insert('guessed', '{"id": 2, "created_at": 1711953600}');
CALL mend.wait_idle();
SELECT * FROM asked WHERE target IN ('hosts'::regclass, 'guessed'::regclass);
SELECT approve_all('hosts'), mend.approve(max(patch_id)) FROM mend.decisions WHERE target = 'guessed'::regclass;
CALL mend.wait_idle();
SELECT to_jsonb(hosts) FROM hosts ORDER BY id;
SELECT to_jsonb(guessed) FROM guessed ORDER BY id;
SELECT * FROM dead WHERE target IN ('hosts'::regclass, 'guessed'::regclass);
-- Taken back, addresses are addresses.
DELETE FROM hosts WHERE id IN (3, 4);
SELECT mend.revert(max(id)) FROM mend.patches WHERE target = 'hosts'::regclass AND ddl LIKE '%COLUMN a %' AND state = 'applied';
SELECT id, a, pg_typeof(a) FROM hosts ORDER BY id;

SELECT mend.unenroll_all(force => true) > 0 AS unenrolled;
DO $$
DECLARE
    undo regclass;
BEGIN
    FOR undo IN SELECT oid FROM pg_class WHERE relnamespace = 'mend'::regnamespace AND relname ~ '^undo_' LOOP
        EXECUTE format('DROP TABLE %s', undo);
    END LOOP;
END
$$;
DROP SCHEMA heal_suggest_test CASCADE;
DELETE FROM mend.dead_letters;
DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.fields;
DELETE FROM mend.events;
