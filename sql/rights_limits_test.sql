-- What one role can cause has a bound: payloads that wait, proposals, texts, events; and what others read quotes no value.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA rights_limits_test;
SET search_path = rights_limits_test, public;
CREATE ROLE regress_limits_flood;
CREATE ROLE regress_limits_other;
CREATE ROLE regress_limits_agent;
GRANT mend_agent TO regress_limits_agent;
GRANT USAGE ON SCHEMA rights_limits_test TO mend_healer, PUBLIC;
CREATE FUNCTION noise(n int) RETURNS text LANGUAGE sql AS $$SELECT string_agg(md5(n || '.' || i), '') FROM generate_series(1, 312) i$$;
CREATE TABLE small (id int CHECK (id > 0), note text);
GRANT INSERT ON small TO regress_limits_flood, regress_limits_other;
SELECT mend.enroll('small', mode => 'paused');

-- Half of mend.max_queue_size is one role's, dead letters included; then nothing of the statement is kept, and others go on.
-- What other tests have left is no part of it.
VACUUM FULL mend.queue;
VACUUM FULL mend.dead_letters;
SET mend.max_queue_size = '8MB';
SET ROLE regress_limits_flood;
SELECT healing_load('small', string_agg(format('{"id": %s, "note": "%s"}', n - 180, noise(n)), E'\n')) FROM generate_series(1, 180) n;
SELECT healing_load('small', string_agg(format('{"id": %s, "extra": "%s"}', n, noise(n)), E'\n')) FROM generate_series(1, 180) n;
SELECT healing_load('small', string_agg(format('{"id": %s, "extra": "%s"}', n, noise(n)), E'\n')) FROM generate_series(1, 180) n;
SELECT healing_insert('small', '{"id": 7}');
RESET ROLE;
SELECT (SELECT count(*) FROM mend.queue WHERE target = 'small'::regclass) AS queued, (SELECT count(*) FROM mend.dead_letters WHERE target = 'small'::regclass) AS dead;
SET ROLE regress_limits_other;
SELECT healing_load('small', string_agg(format('{"id": %s, "extra": "%s"}', n, noise(n)), E'\n')) FROM generate_series(1, 300) n;
RESET ROLE;
SELECT count(mend.discard(ARRAY[id], 'test')) FROM mend.dead_letters WHERE target = 'small'::regclass;
SET ROLE regress_limits_flood;
SELECT healing_load('small', string_agg(format('{"id": %s, "extra": "%s"}', n, noise(n)), E'\n')) FROM generate_series(1, 50) n;
RESET ROLE;
RESET mend.max_queue_size;
DELETE FROM mend.queue WHERE target = 'small'::regclass;

-- Proposals of one role, refused ones too, and the texts that come with them.
SET mend.proposals_per_hour = 3;
SET ROLE regress_limits_agent;
SET client_min_messages = error;
SELECT count(mend.propose('small', 'DROP TABLE small')) FROM generate_series(1, 3);
SELECT mend.propose('small', 'DROP TABLE small');
SELECT mend.propose('small', 'ALTER TABLE small ADD a int', '{}', repeat('x', 10001));
SELECT mend.propose('small', 'ALTER TABLE small ADD a int -- ' || repeat('x', 100000));
SET client_min_messages = warning;
RESET ROLE;
RESET mend.proposals_per_hour;
SELECT DISTINCT e.kind, mend.severity_of(e.kind, e.patch_id) FROM mend.events e WHERE e.target_name = 'rights_limits_test.small' AND e.actor = 'postgres' AND e.kind LIKE 'patch%';

-- Round after round of dead letters: a few are told at once, the others in one event.
CREATE TABLE noisy (id int PRIMARY KEY);
SELECT mend.enroll('noisy');
\o /dev/null
SELECT unnest(ARRAY[format('SELECT healing_insert(''noisy'', ''{"id": "x%s"}'')', n), 'CALL mend.wait_idle(''rights_limits_test.noisy'')']) FROM generate_series(1, 14) n \gexec
\o
SELECT count(*) AS events, sum((detail ->> 'rows')::int) AS told FROM mend.events WHERE target_name = 'rights_limits_test.noisy' AND kind = 'dead_lettered';
SELECT untold_dead, not_before > clock_timestamp() AS will_be_told FROM mend.progress WHERE target = 'noisy'::regclass;
UPDATE mend.progress SET told_since = told_since - interval '1 min', not_before = clock_timestamp() WHERE target = 'noisy'::regclass;
SELECT healing_insert('noisy', '{"id": "last"}');
CALL mend.wait_idle('noisy');
SELECT count(*) AS events, sum((detail ->> 'rows')::int) AS told FROM mend.events WHERE target_name = 'rights_limits_test.noisy' AND kind = 'dead_lettered';

-- A trigger quotes a value when the row is stored, and when its transaction ends: agents read why a patch failed, and no value.
CREATE TABLE cards (id int, card text);
CREATE FUNCTION quote_card() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'card % is not known', NEW.card USING ERRCODE = TG_ARGV[0]; END$$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON cards DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION quote_card('55006');
SELECT mend.enroll('cards');
SELECT healing_insert('cards', '{"id": 1, "card": "4111-CANARY", "extra": 1}');
CALL mend.wait_idle('cards');
DROP TRIGGER late ON cards;
CREATE TRIGGER soon BEFORE INSERT ON cards FOR EACH ROW EXECUTE FUNCTION quote_card('22012');
SELECT healing_insert('cards', '{"id": 1, "card": "4111-CANARY", "more": 1}');
CALL mend.wait_idle('cards');
SELECT state, reason FROM mend.patches WHERE target = 'cards'::regclass ORDER BY id;
SELECT field, state, regexp_replace(reason, '\mpatch \d+', 'patch N') AS reason FROM mend.drifts WHERE target = 'cards'::regclass ORDER BY id;
SELECT count(*) FILTER (WHERE detail ->> 'message' LIKE '%CANARY%') AS in_events FROM mend.events WHERE target_name = 'rights_limits_test.cards';
SELECT count(*) FROM mend.patches p WHERE p::text LIKE '%CANARY%';
SELECT count(*) FROM mend.drifts d WHERE d::text LIKE '%CANARY%';

-- A key that is stored already, or a row referred to that is not there, with a number that no column holds: the table is not
-- rewritten for such a row, but for the one that can be stored.
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent VALUES (1);
CREATE TABLE keyed (id int PRIMARY KEY, n int, parent int REFERENCES parent);
INSERT INTO keyed SELECT i, 1 FROM generate_series(1, 10) i;
SELECT mend.enroll('keyed');
\o /dev/null
SELECT unnest(ARRAY[format('SELECT healing_insert(''keyed'', ''{"id": %s, "n": 3000000000}'')', n), 'CALL mend.wait_idle(''rights_limits_test.keyed'')']) FROM generate_series(1, 5) n \gexec
SELECT healing_insert('keyed', '{"id": 11, "n": 3000000000, "parent": 7}');
CALL mend.wait_idle('keyed');
\o
SELECT count(*) AS rewrites FROM mend.patches WHERE target = 'keyed'::regclass;
SELECT reason, count(*) FROM mend.dead_letters WHERE target = 'keyed'::regclass GROUP BY 1;
SELECT payload, not_before IS NOT NULL AS backs_off FROM mend.queue WHERE target = 'keyed'::regclass;
SELECT healing_insert('keyed', '{"id": 12, "n": 3000000000, "parent": 1}');
CALL mend.wait_idle('keyed');
SELECT state, rows_healed FROM mend.patches WHERE target = 'keyed'::regclass;
SELECT count(*), max(n) FROM keyed;
-- Where the owner may not see all rows, it cannot be known.
CREATE TABLE forced (id int PRIMARY KEY, n int);
INSERT INTO forced VALUES (1, 1);
ALTER TABLE forced ENABLE ROW LEVEL SECURITY;
ALTER TABLE forced FORCE ROW LEVEL SECURITY;
SELECT mend.enroll('forced');
SELECT healing_insert('forced', '{"id": 2, "n": 3000000000}');
CALL mend.wait_idle('forced');
SELECT * FROM forced;
-- One that fails for another reason counts for the cool-down.
CREATE TABLE checked (n int);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.n > 2147483647 THEN RAISE check_violation; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON checked FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT mend.enroll('checked');
\o /dev/null
SELECT unnest(ARRAY['SELECT healing_insert(''checked'', ''{"n": 3000000000}'')', 'CALL mend.wait_idle(''rights_limits_test.checked'')']) FROM generate_series(1, 5) n \gexec
\o
SELECT count(*) AS rewrites, max(state) AS state FROM mend.patches WHERE target = 'checked'::regclass;
SELECT count(*) AS rows_wait FROM mend.queue WHERE target = 'checked'::regclass;
SELECT reason FROM mend.drifts WHERE target = 'checked'::regclass AND state = 'waiting';
SELECT mend.reset_breaker('checked');
CALL mend.wait_idle('checked');
SELECT count(*) AS rewrites FROM mend.patches WHERE target = 'checked'::regclass;

-- One sender's failures hold back what he asks for, and not what others do.
CREATE TABLE shared (id int, who name DEFAULT current_user);
CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF current_user = 'regress_flooder' THEN RAISE check_violation; END IF; RETURN NEW; END $$;
CREATE TRIGGER picky BEFORE INSERT ON shared FOR EACH ROW EXECUTE FUNCTION picky();
CREATE ROLE regress_flooder;
GRANT USAGE ON SCHEMA rights_limits_test TO regress_flooder;
GRANT INSERT ON shared TO regress_flooder;
SELECT mend.enroll('shared');
ALTER DATABASE :"DBNAME" SET mend.patches_per_hour = 2;
SELECT mend.start();
\o /dev/null
SELECT unnest(ARRAY['SET ROLE regress_flooder', format('SELECT healing_insert(''shared'', ''{"id": %s, "made_up_%s": 1}'')', n, n), 'RESET ROLE',
    'CALL mend.wait_idle(''rights_limits_test.shared'')']) FROM generate_series(1, 4) n \gexec
SELECT healing_insert('shared', '{"id": 5, "meant": 1}');
CALL mend.wait_idle('shared');
\o
SELECT count(*) FILTER (WHERE state = 'failed') AS failed, count(*) FILTER (WHERE state = 'applied') AS applied FROM mend.patches WHERE target = 'shared'::regclass;
SELECT id, meant FROM shared;
SELECT submitted_by, count(*) FROM mend.queue WHERE target = 'shared'::regclass GROUP BY 1;
SELECT state, reason FROM mend.status WHERE target = 'shared'::regclass;
ALTER DATABASE :"DBNAME" RESET mend.patches_per_hour;

-- Names past the number of those that are recorded have the worker look once, and not again and again.
CREATE TABLE many_names (id int, r jsonb);
SELECT mend.enroll('many_names', rescue => 'r');
INSERT INTO many_names VALUES (1, '{"r": 1, "ctid": "(0,1)", "tableoid": 5, "g": 1}'), (2, '{"": 1, "x": 2}');
INSERT INTO many_names SELECT 3, jsonb_object_agg('k' || i, i) FROM generate_series(1, 2500) i;
INSERT INTO many_names SELECT 4, jsonb_object_agg('q' || i, i % 50) FROM generate_series(1, 2500) i;
SELECT healing_insert('many_names', '{"id": 5, "fresh": 1}');
CALL mend.wait_idle('many_names');
SELECT wanted, moved FROM mend.promotions WHERE target = 'many_names'::regclass;

-- Small ones: a price that is no number, a call for a channel.
INSERT INTO mend.model_prices VALUES ('cheap', 'NaN', 1, 1, 1, 1);
SELECT mend.slack_text('{"severity": "warning", "text": "table\n@channel: <!channel> all is well", "what_to_do": "@here"}');

SET client_min_messages = error;
CALL mend.wait_idle();
DELETE FROM mend.queue WHERE target_name LIKE 'rights_limits_test.%';
SELECT count(mend.discard(ARRAY[id], 'test')) > 0 AS discarded FROM mend.dead_letters WHERE target_name LIKE 'rights_limits_test.%';
SELECT count(mend.unenroll(target)) FROM mend.enrollments WHERE target_name LIKE 'rights_limits_test.%';
DROP SCHEMA rights_limits_test CASCADE;
DROP ROLE regress_flooder;
DROP ROLE regress_limits_flood, regress_limits_other, regress_limits_agent;
