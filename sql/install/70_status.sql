-- Counting ten million rows takes seconds, and a status is looked at often: exact up to a hundred thousand rows a table,
-- past that PostgreSQL's own estimate. A function, for its cost: counted in line, PostgreSQL would compile the view first.
CREATE FUNCTION mend.rows_of(books text, target regclass) RETURNS bigint
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most CONSTANT bigint := 100000;
    counted bigint;
    plan json;
BEGIN
    IF books NOT IN ('queue', 'dead_letters') THEN
        RAISE EXCEPTION 'pg_mend keeps no such books: %', books USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('SELECT count(*) FROM (SELECT FROM mend.%I WHERE target = %s ORDER BY target, id LIMIT %s) bounded',
                   books, target::oid, most + 1) INTO counted;
    IF counted > most THEN
        EXECUTE format('EXPLAIN (FORMAT JSON) SELECT FROM mend.%I WHERE target = %s', books, target::oid) INTO plan;
        counted := greatest(counted, (plan -> 0 -> 'Plan' ->> 'Plan Rows')::bigint);
    END IF;
    RETURN counted;
END
$$;
COMMENT ON FUNCTION mend.rows_of(text, regclass) IS
    'Internal: rows of mend.queue or mend.dead_letters for a target; past a hundred thousand an estimate';
REVOKE ALL ON FUNCTION mend.rows_of(text, regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.rows_of(text, regclass) TO mend_admin, mend_agent, pg_monitor;

CREATE VIEW mend.status AS
SELECT e.target,
       e.mode,
       q.queued,
       q.oldest,
       mend.rows_of('dead_letters', e.target) AS dead_letters,
       s.state,
       s.reason,
       w.pid AS worker_pid,
       p.last_heal,
       o.patch AS open_patch,
       p.last_error
FROM mend.enrollments e
     LEFT JOIN mend.progress p ON p.target = e.target
     LEFT JOIN mend.workers() w ON w.target = e.target
     CROSS JOIN LATERAL (SELECT mend.rows_of('queue', e.target) AS queued,
                                (SELECT f.submitted_at FROM mend.queue f WHERE f.target = e.target
                                 ORDER BY f.target, f.id LIMIT 1) AS oldest) q
     CROSS JOIN LATERAL (SELECT min(id) AS patch FROM mend.patches
                         WHERE patches.target = e.target AND patches.state = 'proposed') o
     CROSS JOIN LATERAL (
         SELECT CASE
                    WHEN NOT mend.at_home(e.system_identifier, e.database_oid) THEN 'stopped'
                    WHEN (SELECT stopped FROM mend.control) THEN 'stopped'
                    WHEN e.mode = 'paused' THEN 'paused'
                    WHEN w.pid IS NOT NULL THEN 'healing'
                    WHEN k.due AND mend.worker_refused_at() IS NOT NULL THEN 'waiting'
                    WHEN k.due THEN 'due'
                    WHEN coalesce(p.state, 'idle') NOT IN ('idle', 'healing') THEN p.state
                    WHEN o.patch IS NOT NULL THEN 'review'
                    ELSE 'idle'
                END AS state,
                CASE
                    WHEN NOT mend.at_home(e.system_identifier, e.database_oid)
                        THEN 'enrolled in another cluster or database: mend.start() adopts it'
                    WHEN (SELECT stopped FROM mend.control) THEN 'healing is switched off: mend.start() switches it on'
                    WHEN e.mode = 'paused' THEN 'the enrolment is paused: mend.configure(mode => ''auto'') resumes'
                    WHEN k.due AND w.pid IS NULL AND mend.worker_refused_at() IS NOT NULL
                        THEN 'no free background worker: raise max_worker_processes'
                    WHEN p.reason IS NULL AND o.patch IS NOT NULL
                        THEN format('patch %s waits for mend.approve(%1$s)', o.patch)
                    ELSE p.reason
                END AS reason
         FROM (SELECT coalesce((SELECT due FROM mend.work WHERE work.target = e.target), false) AS due) k
     ) s;
COMMENT ON VIEW mend.status IS 'One row a landing table: what waits, and why';
COMMENT ON COLUMN mend.status.target IS 'The landing table';
COMMENT ON COLUMN mend.status.mode IS 'auto, review or paused';
COMMENT ON COLUMN mend.status.queued IS 'Payloads in the queue; past 100,000 an estimate';
COMMENT ON COLUMN mend.status.oldest IS 'When the first of them, in order of id, was offered';
COMMENT ON COLUMN mend.status.dead_letters IS 'Payloads that a person must look at; past 100,000 an estimate';
COMMENT ON COLUMN mend.status.state IS 'idle, due, healing, waiting, review, breaker, paused or stopped';
COMMENT ON COLUMN mend.status.reason IS 'Why, in plain words';
COMMENT ON COLUMN mend.status.worker_pid IS 'The worker that heals the table now';
COMMENT ON COLUMN mend.status.last_heal IS 'When a patch was last applied';
COMMENT ON COLUMN mend.status.open_patch IS 'The oldest patch that waits for a decision';
COMMENT ON COLUMN mend.status.last_error IS 'The error that ended the last heal round, if one did';
GRANT SELECT ON mend.status TO mend_admin, mend_agent, pg_monitor;
