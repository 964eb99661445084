-- Messages that no URL takes: another program has them from the outbox, also where the library has no network.
\set VERBOSITY terse
LOAD 'pg_mend';
SET mend.outbox_channels = 'webhook, pigeons';
ALTER DATABASE :"DBNAME" SET mend.outbox_channels = 'webhook, lineage';
SELECT mend.start();
CREATE TABLE regress_told (id int);
SELECT mend.enroll('regress_told');
\c
SELECT healing_insert('regress_told', '{"id": 1, "extra": 2}');
CALL mend.wait_idle('regress_told');
SELECT channel, kind, state, count(*) > 0 AS there FROM mend.outbox WHERE target_name = 'public.regress_told' AND channel <> 'notify' AND kind IN ('patch_applied', 'COMPLETE', 'START') GROUP BY 1, 2, 3 ORDER BY 1, 2;
BEGIN;
DELETE FROM mend.outbox WHERE kind <> 'patch_applied' OR target_name <> 'public.regress_told';
SELECT id AS message, body::jsonb ->> 'kind' AS kind, body::jsonb ->> 'table' AS of_table FROM mend.take_message('webhook', 'json', NULL) \gset
SELECT :'kind' AS kind, :'of_table' AS of_table;
SELECT mend.message_sent(:message);
SELECT state FROM mend.outbox WHERE id = :message;
COMMIT;
ALTER DATABASE :"DBNAME" RESET mend.outbox_channels;
SELECT mend.start();
SET client_min_messages = warning;
SELECT mend.unenroll('regress_told');
DROP TABLE regress_told;
