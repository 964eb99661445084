-- What waits to be told: digests by kind, and a queue of its own for each URL.
\set VERBOSITY terse
SET client_min_messages = warning;
LOAD 'pg_mend';
SELECT mend.stop();
BEGIN;
DELETE FROM mend.outbox;
SET LOCAL mend.webhook_url = 'http://127.0.0.1:1/news';
SET LOCAL mend.webhook_alert_url = 'http://127.0.0.1:1/alert';
SET LOCAL mend.report_url = 'https://reports.example/mend|x';
CREATE TABLE regress_told (id int);
CREATE TABLE regress_also (id int);
INSERT INTO mend.patches (target, target_name, planner, proposed_ddl, ddl, state, reason, proposed_by)
SELECT CASE WHEN i % 2 = 0 THEN 'regress_told' ELSE 'regress_also' END::regclass, CASE WHEN i % 2 = 0 THEN 'public.regress_told' ELSE 'public.regress_also' END,
       'rules', '', 'ALTER TABLE x ADD named int', 'proposed', 'the table is in review mode', 'pg_mend' FROM generate_series(1, 14) i;
SELECT min(id) AS p FROM mend.patches WHERE target = 'regress_also'::regclass \gset
UPDATE mend.patches SET state = 'refused', reason = 'superseded by patch ' || (:p + 3) WHERE id = :p + 1;
INSERT INTO mend.events (kind, target_name, patch_id) SELECT 'patch_proposed', target_name, id FROM mend.patches WHERE id >= :p ORDER BY id LIMIT 1;
INSERT INTO mend.events (kind, target_name) VALUES ('stopped', NULL);
-- At once, the first of a kind; nothing of it says more than one happened.
SELECT m.severity, replace(m.body, :p::text, 'P') AS body, m.tries FROM mend.take_message('webhook', 'text', true) m;
-- A URL that does not answer keeps its own messages waiting, not those of the other.
SELECT mend.message_not_sent(id, 1, 'no answer', 3600000, false) FROM mend.outbox WHERE kind = 'patch_proposed' AND channel = 'webhook';
SELECT m.id FROM mend.take_message('webhook', 'text', true) m;
SELECT m.severity, m.body FROM mend.take_message('webhook', 'text', false) m;
SELECT mend.next_message_at(true) < clock_timestamp() + interval '2 minutes' AS "the living one is next";
-- Where one URL takes all of them, it is one queue.
SELECT m.id FROM mend.take_message('webhook', 'text', NULL) m;
UPDATE mend.outbox SET next_try = now();
SELECT m.tries FROM mend.take_message('webhook', 'json', true) m;
SELECT mend.message_sent(id) FROM mend.outbox WHERE kind = 'patch_proposed' AND channel = 'webhook';
SELECT mend.message_sent(id) FROM mend.outbox WHERE kind = 'stopped' AND channel = 'webhook';
-- What follows of the same kind waits for the end of the window, other kinds do not.
INSERT INTO mend.events (kind, target_name, patch_id) SELECT 'patch_proposed', target_name, id FROM mend.patches WHERE id > :p ORDER BY id;
INSERT INTO mend.events (kind, target_name, detail) VALUES ('breaker_opened', 'public.regress_told', '{"reason": "30 patches in an hour"}');
SELECT m.severity, m.body FROM mend.take_message('webhook', 'text', true) m;
SELECT m.id FROM mend.take_message('webhook', 'text', true) m;
SELECT mend.message_sent(id) FROM mend.outbox WHERE kind = 'breaker_opened' AND channel = 'webhook';
DELETE FROM mend.outbox WHERE channel = 'notify';
SELECT mend.next_message_at(true) BETWEEN clock_timestamp() + interval '30 s' AND clock_timestamp() + interval '61 s' AS "at the end of the window";
UPDATE mend.told SET at = at - interval '1 minute';
CREATE TEMPORARY TABLE digest AS SELECT * FROM mend.take_message('webhook', 'text', true);
SELECT regexp_replace(regexp_replace(body, '\m' || (:p + 1) || '\M', 'P1', 'g'), '\m' || (:p + 3) || '\M', 'P3', 'g') ~ 'no longer waiting: patches P1 \(superseded by patch P3\)' AS "names what was superseded",
       body ~ '^12 times patch proposed, of 2 tables: the table is in review mode \(12\)\n- public\.regress_also: patch \d+ waits' AS "says how many and why",
       body ~ 'mend\.approve\(\d+\)' AS "and the command", body ~ '\nand 2 more\n' AS bounded, body ~ '\nTo do: TABLE mend\.attention\nReport: https://reports\.example/mend\|x$' AS link
FROM digest;
SELECT count(*) FROM mend.outbox WHERE channel = 'webhook' AND kind = 'patch_proposed';
SELECT mend.message_sent(id) FROM digest;
SELECT count(*) FROM mend.outbox WHERE channel = 'webhook';
-- Given up, all of them are, with one event.
UPDATE mend.told SET at = at - interval '1 minute';
INSERT INTO mend.events (kind, target_name, patch_id) SELECT 'patch_proposed', target_name, id FROM mend.patches WHERE id >= :p + 10 ORDER BY id;
SELECT mend.message_not_sent(m.id, m.tries, 'refused', 1000, true) FROM mend.take_message('webhook', 'json', true) m;
SELECT state, count(*) FROM mend.outbox WHERE channel = 'webhook' GROUP BY 1;
SELECT count(*) FROM mend.events WHERE kind = 'message_lost';
-- The other formats.
UPDATE mend.told SET at = at - interval '1 minute';
DELETE FROM mend.outbox;
INSERT INTO mend.events (kind, target_name, patch_id) SELECT 'patch_proposed', target_name, id FROM mend.patches WHERE id >= :p + 10 ORDER BY id;
SELECT body::jsonb ->> 'count' AS count, jsonb_array_length(body::jsonb -> 'messages') AS messages, body::jsonb ->> 'report' AS report, body::jsonb ? 'patch' AS one_patch
FROM mend.take_message('webhook', 'json', true);
UPDATE mend.outbox SET next_try = now();
SELECT body::jsonb ->> 'text' ~ '^Warning: 4 times patch proposed.*\n- .*\n<https://reports\.example/mendx\|Report>$' AS slack FROM mend.take_message('webhook', 'slack', true);
-- Without a window, each by itself.
SET LOCAL mend.message_window = 0;
UPDATE mend.outbox SET next_try = now();
SELECT body ~ '^public\.regress_' AS alone FROM mend.take_message('webhook', 'text', true);
ROLLBACK;
SELECT mend.start();
