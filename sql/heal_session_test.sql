-- Replay is the submitter's session as far as rules can ask: session_user as well as current_user.
SET client_min_messages = warning;
CREATE ROLE regress_session;
CREATE TABLE ledger (id int PRIMARY KEY, who text DEFAULT current_user, session text DEFAULT session_user);
GRANT INSERT ON ledger TO regress_session;
ALTER TABLE ledger ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON ledger FOR INSERT WITH CHECK (id < 10 OR session_user <> 'regress_session');
SELECT mend.enroll('ledger');
SET SESSION AUTHORIZATION regress_session;
SELECT healing_insert('ledger', '{"id": 50}'), healing_insert('ledger', '{"id": 51, "note": 1}'),
       healing_insert('ledger', '{"id": 3, "note": 1}');
RESET SESSION AUTHORIZATION;
CALL mend.wait_idle('ledger');
SELECT * FROM ledger;
SELECT payload, kind, reason FROM mend.dead_letters WHERE target = 'ledger'::regclass ORDER BY payload;
-- The worker is itself again afterwards.
SELECT actor, count(*) FROM mend.events WHERE target_name = 'public.ledger' AND kind = 'patch_applied' GROUP BY 1;
DELETE FROM mend.dead_letters WHERE target = 'ledger'::regclass;
SELECT mend.unenroll('ledger');
DELETE FROM mend.events;
DROP TABLE ledger;
DROP ROLE regress_session;

-- A session whose settings change from row to row keeps none of them but the last.
CREATE TABLE toggles (id int);
SELECT mend.enroll('toggles', 'paused');
CREATE FUNCTION toggle(times int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. times LOOP
        PERFORM set_config('TimeZone', CASE i % 2 WHEN 0 THEN 'Asia/Tokyo' ELSE 'Europe/Berlin' END, false);
        PERFORM healing_insert('toggles', '{"id": "none"}');
    END LOOP;
END
$$;
SELECT toggle(100);
SELECT total_bytes AS before FROM pg_backend_memory_contexts WHERE name = 'TopMemoryContext' \gset
SELECT toggle(1000);
SELECT total_bytes - :before < 200000 AS flat FROM pg_backend_memory_contexts WHERE name = 'TopMemoryContext';
RESET TimeZone;
DELETE FROM mend.queue;
SELECT mend.unenroll('toggles');
DELETE FROM mend.events;
DROP TABLE toggles;
DROP FUNCTION toggle;
