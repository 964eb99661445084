-- The first screen: what needs a person, worst first. In psql at most 120 characters wide, whatever tables are called: a long name
-- comes in lines, and a command that names it takes its OID instead.
CREATE OR REPLACE FUNCTION mend.in_psql() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN current_setting('application_name') = 'psql';
COMMENT ON FUNCTION mend.in_psql() IS 'Internal: whether a person looks, to whom texts come in lines';
REVOKE ALL ON FUNCTION mend.in_psql() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.in_psql() TO mend_admin, mend_agent, pg_monitor;

CREATE OR REPLACE FUNCTION mend.dead_since(target regclass) RETURNS timestamptz
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT d.died_at FROM mend.dead_letters d WHERE d.target >= dead_since.target AND d.target <= dead_since.target ORDER BY d.target, d.id LIMIT 1);
COMMENT ON FUNCTION mend.dead_since(regclass) IS 'Internal: when the first of a table''s dead letters, in order of id, became one';
REVOKE ALL ON FUNCTION mend.dead_since(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.dead_since(regclass) TO mend_admin, mend_agent, pg_monitor;

-- Rows of tables that nobody has enrolled, or that are gone: what a restore or DROP TABLE leaves.
CREATE OR REPLACE FUNCTION mend.stranded(OUT target regclass, OUT target_name text, OUT queued bigint, OUT dead bigint, OUT since timestamptz) RETURNS SETOF record
LANGUAGE sql VOLATILE ROWS 10 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE queued (target) AS (
        (SELECT q.target FROM mend.queue q ORDER BY q.target, q.id LIMIT 1)
        UNION ALL
        SELECT (SELECT q.target FROM mend.queue q WHERE q.target > queued.target ORDER BY q.target, q.id LIMIT 1) FROM queued WHERE queued.target IS NOT NULL
    ), dead (target) AS (
        (SELECT d.target FROM mend.dead_letters d ORDER BY d.target, d.id LIMIT 1)
        UNION ALL
        SELECT (SELECT d.target FROM mend.dead_letters d WHERE d.target > dead.target ORDER BY d.target, d.id LIMIT 1) FROM dead WHERE dead.target IS NOT NULL
    ), all_targets AS (
        SELECT queued.target FROM queued WHERE queued.target IS NOT NULL UNION SELECT dead.target FROM dead WHERE dead.target IS NOT NULL
    )
    SELECT a.target,
           coalesce((SELECT q.target_name FROM mend.queue q WHERE q.target >= a.target AND q.target <= a.target ORDER BY q.target, q.id LIMIT 1),
                    (SELECT d.target_name FROM mend.dead_letters d WHERE d.target >= a.target AND d.target <= a.target ORDER BY d.target, d.id LIMIT 1)),
           mend.rows_of('queue', a.target), mend.rows_of('dead_letters', a.target),
           coalesce(mend.oldest_of(a.target), mend.dead_since(a.target))
    FROM all_targets a
    WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = a.target) OR NOT EXISTS (SELECT FROM mend.enrollments e WHERE e.target = a.target)
$$;
COMMENT ON FUNCTION mend.stranded() IS 'Internal: tables that are gone, or not enrolled, and for which rows are kept';
REVOKE ALL ON FUNCTION mend.stranded() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.stranded() TO mend_admin, mend_agent, pg_monitor;

CREATE OR REPLACE FUNCTION mend.lost_messages(OUT n bigint, OUT since timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT ROW(count(*), min(o.created_at)) FROM mend.outbox o WHERE o.state = 'dead');
COMMENT ON FUNCTION mend.lost_messages() IS 'Internal: how many messages were given up, and since when';
REVOKE ALL ON FUNCTION mend.lost_messages() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.lost_messages() TO mend_admin, mend_agent, pg_monitor;

CREATE OR REPLACE VIEW mend.attention AS
WITH tables AS MATERIALIZED (
    SELECT s.target, s.state, s.queued, s.oldest, s.dead_letters, regexp_replace(replace(s.reason, E'\n', ' '), '(; |^)\d+ dead letters?: .*$', '') AS cause, e.target_name, p.last_error, (SELECT count(*) FROM mend.decisions d WHERE d.target = s.target) AS decisions
    FROM mend.status s JOIN mend.enrollments e USING (target) LEFT JOIN mend.progress p USING (target)
    WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = s.target)
), found AS (
    SELECT 1 AS rank, 'critical' AS severity, 'its table is gone' AS what, g.target_name, g.target, g.queued AS row_count, g.since,
           'SELECT mend.move(' AS call, ')' AS rest, true AS by_name
    FROM mend.stranded() g WHERE g.queued > 0
    UNION ALL
    SELECT 2, 'critical', 'nothing is healed: ' || t.cause, t.target_name, t.target, t.queued, t.oldest, CASE
               WHEN t.cause LIKE '%max_worker_processes%' THEN 'SHOW max_worker_processes'
               WHEN t.cause LIKE 'mend.max_workers%' THEN 'SHOW mend.max_workers' ELSE 'SELECT mend.start()' END, NULL, false
    FROM tables t WHERE t.queued > 0 AND NOT pg_is_in_recovery()
      AND (t.state = 'stopped' OR t.state = 'waiting' AND t.cause LIKE 'no free background worker%')
    UNION ALL
    SELECT 3, 'critical', 'the breaker is open: ' || coalesce(t.cause, ''), t.target_name, t.target, t.queued, t.oldest, 'SELECT mend.reset_breaker(', ')', false
    FROM tables t WHERE t.state = 'breaker'
    UNION ALL
    SELECT 4, 'critical', 'rounds fail: ' || mend.error_for_me(t.last_error), t.target_name, t.target, t.queued, t.oldest, 'SELECT mend.reset_breaker(', ')', false
    FROM tables t WHERE t.last_error IS NOT NULL AND t.state NOT IN ('stopped', 'paused')
    UNION ALL
    SELECT 5, 'warning', 'patch ' || d.patch_id || ' waits: ' || coalesce(d.reason, ''), t.target_name, t.target, t.queued, d.waits_since, 'SELECT mend.explain_patch(' || d.patch_id || ')', NULL, false
    FROM mend.decisions d JOIN tables t USING (target)
    UNION ALL
    SELECT 6, 'warning', 'rows wait: ' || coalesce(t.cause, ''), t.target_name, t.target, t.queued, t.oldest, 'SELECT mend.retry(', ')', false
    FROM tables t WHERE t.state = 'waiting' AND t.queued > 0 AND t.last_error IS NULL AND t.decisions = 0 AND t.cause NOT LIKE 'no free background worker%'
      AND t.cause NOT LIKE '%column_cooldown%' AND t.cause NOT LIKE 'all workers are busy%'
    UNION ALL
    SELECT 7, 'warning', 'paused with rows queued', t.target_name, t.target, t.queued, t.oldest, 'SELECT mend.configure(', ', ''auto'')', false
    FROM tables t WHERE t.state = 'paused' AND t.queued > 0
    UNION ALL
    SELECT 8, 'warning', 'dead letters: ' || coalesce(mend.why_dead(t.target), ''), t.target_name, t.target, t.dead_letters, mend.dead_since(t.target), 'SELECT mend.retry(', ')', false
    FROM tables t WHERE t.dead_letters > 0
    UNION ALL
    SELECT 6, 'warning', 'patch ' || w.patch || CASE WHEN w.paused THEN ' widens online, and is paused' ELSE ' widens online, and does not get on' END
           || coalesce(': ' || CASE WHEN w.error ~ '^[0-9A-Z]{5}: ' THEN mend.error_for_me(w.error) ELSE w.error END, ''),
           t.target_name, t.target, t.queued, w.step_started,
           CASE WHEN w.paused THEN 'SELECT mend.resume_widening(' || w.patch || ')' ELSE 'TABLE mend.widenings' END, NULL, false
    FROM mend.widenings w JOIN tables t USING (target)
    WHERE w.finished IS NULL AND w.step <> 'cancelling' AND (w.paused OR w.error IS NOT NULL AND w.tries > 3)
    UNION ALL
    SELECT 9, 'warning', 'rescued values could not all be moved: ' || mend.error_for_me(m.refusal), t.target_name, t.target,
           coalesce((SELECT sum(r.row_count)::bigint FROM mend.rescued(t.target) r), 0), m.finished_at, 'SELECT mend.configure(', ')', false
    FROM mend.promotions m JOIN tables t USING (target) WHERE m.refusal IS NOT NULL AND NOT m.wanted
    UNION ALL
    SELECT 11, 'notice', 'cools down until ' || to_char(p.not_before, 'HH24:MI') || ': ' || t.cause, t.target_name, t.target, t.queued, t.oldest, 'TABLE mend.status', NULL, false
    FROM tables t JOIN mend.progress p USING (target) WHERE t.state = 'waiting' AND t.cause LIKE '%column_cooldown%' AND p.not_before > now()
    UNION ALL
    SELECT 9, 'warning', 'messages were given up', NULL, NULL, m.n, m.since, 'TABLE mend.outbox', NULL, false
    FROM mend.lost_messages() m WHERE m.n > 0
    UNION ALL
    SELECT 10, 'notice', 'dead letters of no table', g.target_name, g.target, g.dead, g.since, 'SELECT mend.move(', ', ''another.table'')', true
    FROM mend.stranded() g WHERE g.dead > 0 AND g.queued = 0
)
SELECT f.severity,
       CASE WHEN mend.in_psql() THEN mend.in_lines(f.what, 20) ELSE f.what END AS what,
       CASE WHEN mend.in_psql() THEN regexp_replace(f.target_name, '(.{16})(?=.)', E'\\1\n', 'g') ELSE f.target_name END AS target,
       f.row_count,
       CASE WHEN mend.in_psql() THEN to_char(f.since, 'MM-DD HH24:MI') ELSE to_json(date_trunc('second', f.since)) #>> '{}' END AS since,
       CASE WHEN f.rest IS NULL THEN f.call
            WHEN NOT mend.in_psql() OR f.target IS NULL OR f.target = 0 OR length(f.call || quote_literal(f.target_name) || f.rest) <= 38
            THEN f.call || quote_literal(f.target_name) || f.rest
            WHEN f.by_name THEN f.call || quote_literal(f.target::oid) || f.rest
            ELSE f.call || f.target::oid || f.rest END AS command
FROM found f
ORDER BY f.rank, f.row_count DESC NULLS LAST, f.since, f.target_name COLLATE "C";
COMMENT ON VIEW mend.attention IS 'What needs a person, worst first, one line each: at most 120 characters wide in psql';
COMMENT ON COLUMN mend.attention.severity IS 'critical: rows are not healed; warning: somebody should decide or look; notice';
COMMENT ON COLUMN mend.attention.what IS 'What is the matter. In psql broken into lines';
COMMENT ON COLUMN mend.attention.target IS 'The landing table, by its schema-qualified name. In psql broken into lines';
COMMENT ON COLUMN mend.attention.row_count IS 'Payloads concerned; past 100,000 an estimate';
COMMENT ON COLUMN mend.attention.since IS 'Since when: in psql month, day and minute, else ISO 8601';
COMMENT ON COLUMN mend.attention.command IS 'The one command that goes on from here. In psql it gives the OID of a table whose name is long';
GRANT SELECT ON mend.attention TO mend_admin, mend_agent, pg_monitor;
