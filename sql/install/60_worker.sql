-- The worker: what it may do now, and how it is told.
CREATE OR REPLACE FUNCTION mend.at_home(system_identifier bigint, database_oid oid) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mend_at_home';
COMMENT ON FUNCTION mend.at_home(bigint, oid) IS
    'Whether an enrolment that carries these was made in this database, or adopted by mend.start()';
REVOKE ALL ON FUNCTION mend.at_home(bigint, oid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.at_home(bigint, oid) TO mend_admin, mend_agent, pg_monitor;

-- The one definition of work, for the worker and for mend.wait_idle(). A row that fails keeps a table due: what the
-- worker has seen of the queue is progress.folded, and it looks at newer rows only. After an error nothing is due
-- before not_before, short of mend.reset_breaker(); otherwise new rows are, whatever the older ones wait for.
CREATE OR REPLACE VIEW mend.work AS
SELECT e.target,
       e.target_name,
       EXISTS (SELECT FROM mend.requests r WHERE r.target = e.target AND (r.kind = 'reset_breaker' OR NOT backing_off))
       OR NOT backing_off AND (
           p.requested > p.done
           OR p.not_before IS NOT NULL AND p.not_before <= clock_timestamp()
           OR CASE
                  -- In order, so that no plan walks the rows of other tables, or those that were seen already; a range of one,
                  -- for under an equal target the primary key would do for the order.
                  WHEN p.folded IS NULL THEN (SELECT true FROM mend.queue q WHERE q.target >= e.target AND q.target <= e.target
                                              ORDER BY q.target, q.id LIMIT 1) IS NOT NULL
                  ELSE (SELECT true FROM mend.queue q
                        WHERE q.target = e.target
                          AND q.xid >= pg_snapshot_xmin(p.folded)
                          AND NOT pg_visible_in_snapshot(q.xid, p.folded)
                        ORDER BY q.target, q.xid, q.id LIMIT 1) IS NOT NULL
              END
           OR EXISTS (SELECT FROM mend.rescues s WHERE s.target = e.target)
           OR e.rescue IS NOT NULL AND coalesce(m.wanted AND coalesce(m.not_before <= clock_timestamp(), true), false)
           OR coalesce(o.goes_on AND coalesce(o.not_before <= clock_timestamp(), true), false)) AS due,
       least(CASE WHEN o.goes_on AND o.not_before > clock_timestamp() THEN o.not_before END,
             CASE WHEN p.not_before > clock_timestamp() THEN p.not_before END,
             CASE WHEN e.rescue IS NOT NULL AND m.wanted AND m.not_before > clock_timestamp() THEN m.not_before END) AS next_at,
       p.last_error IS NOT NULL AS failing
FROM mend.enrollments e
     LEFT JOIN mend.progress p USING (target)
     LEFT JOIN mend.promotions m USING (target)
     LEFT JOIN LATERAL (SELECT w.step = 'cancelling' OR NOT w.paused AS goes_on, w.not_before FROM mend.widenings w
                        WHERE w.target = e.target AND w.finished IS NULL ORDER BY w.patch LIMIT 1) o ON true,
     LATERAL (SELECT coalesce(p.last_error IS NOT NULL AND p.not_before > clock_timestamp(), false)) b (backing_off)
WHERE e.mode <> 'paused'
  AND mend.at_home(e.system_identifier, e.database_oid)
  AND NOT (SELECT c.stopped FROM mend.control c)
UNION ALL
-- What a restore has left for tables that are not enrolled, for which mend.start() asks: dead letters are made of it.
SELECT r.target, r.target::text, min(r.requested_at) <= clock_timestamp(),
       CASE WHEN min(r.requested_at) > clock_timestamp() THEN min(r.requested_at) END, false
FROM mend.requests r
WHERE NOT EXISTS (SELECT FROM mend.enrollments e WHERE e.target = r.target)
  AND NOT (SELECT c.stopped FROM mend.control c)
GROUP BY r.target;
COMMENT ON VIEW mend.work IS 'The tables that the worker may heal, and whether there is something to do now';
COMMENT ON COLUMN mend.work.target IS 'The landing table';
COMMENT ON COLUMN mend.work.target_name IS 'Its schema-qualified name when it was enrolled';
COMMENT ON COLUMN mend.work.due IS 'Whether a worker should heal it now';
COMMENT ON COLUMN mend.work.next_at IS 'When it is next due by itself';
COMMENT ON COLUMN mend.work.failing IS 'Whether its last heal round ended in an error';

CREATE OR REPLACE PROCEDURE mend.wait_idle(target regclass DEFAULT NULL, timeout interval DEFAULT '60 s')
LANGUAGE c AS 'MODULE_PATHNAME', 'mend_wait_idle';
COMMENT ON PROCEDURE mend.wait_idle(regclass, interval) IS
    'Waits until nothing is left that the worker can do now; waiting for a person, a breaker or a back-off is idle';

CREATE OR REPLACE FUNCTION mend.start() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_start';
COMMENT ON FUNCTION mend.start() IS
    'Switches healing on in this database, adopts enrolments that came with a restore or a copy, and wakes the worker';
REVOKE ALL ON FUNCTION mend.start() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.start() TO mend_admin;

CREATE OR REPLACE FUNCTION mend.stop() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_stop';
COMMENT ON FUNCTION mend.stop() IS
    'Switches healing off in this database until mend.start(); rows are stored and queued as ever';
REVOKE ALL ON FUNCTION mend.stop() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.stop() TO mend_admin;

CREATE OR REPLACE FUNCTION mend.reset_breaker(target regclass) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_reset_breaker';
COMMENT ON FUNCTION mend.reset_breaker(regclass) IS 'Closes the breaker of a table and has it healed now';
REVOKE ALL ON FUNCTION mend.reset_breaker(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.reset_breaker(regclass) TO mend_admin;

CREATE OR REPLACE FUNCTION mend.workers(OUT pid int, OUT target regclass, OUT state text, OUT tried bigint) RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 4 AS 'MODULE_PATHNAME', 'mend_workers';
COMMENT ON FUNCTION mend.workers() IS
    'The workers of this database: starting (no pid yet), idle, or healing a table, with the rows that it has tried to store so far';
REVOKE ALL ON FUNCTION mend.workers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.workers() TO mend_admin, mend_agent, pg_monitor;

CREATE OR REPLACE FUNCTION mend.worker_refused_at() RETURNS timestamptz
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_worker_refused_at';
COMMENT ON FUNCTION mend.worker_refused_at() IS
    'When PostgreSQL last had no room for a worker of this database (max_worker_processes); null: the last one started';
CREATE OR REPLACE FUNCTION mend.worker_outlook(due boolean) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'mend_worker_outlook';
COMMENT ON FUNCTION mend.worker_outlook(boolean) IS
    'Internal: what hinders a worker of this database: standby, off (mend.max_workers), no_room, busy (mend.max_server_workers), else ready; with due, one is started where none is there';
REVOKE ALL ON FUNCTION mend.worker_outlook(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.worker_outlook(boolean) TO mend_admin, mend_agent, pg_monitor;
REVOKE ALL ON FUNCTION mend.worker_refused_at() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.worker_refused_at() TO mend_admin, mend_agent, pg_monitor;
