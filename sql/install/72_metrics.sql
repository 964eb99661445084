-- What a monitoring system scrapes: cheap beside a queue of millions of rows.
CREATE OR REPLACE VIEW mend.metrics AS
WITH t AS NOT MATERIALIZED (
    -- Two enrolments may have one name: a table that was renamed or dropped, and the next of that name. The same series twice is
    -- an error to Prometheus, of all that it scrapes.
    SELECT e.target, e.target_name,
           jsonb_build_object('table', e.target_name || CASE WHEN e.target::oid <> n.last THEN format(' (OID %s)', e.target::oid) ELSE '' END) AS labels
    FROM mend.enrollments e
         LEFT JOIN (SELECT target_name, max(target::oid) AS last FROM mend.enrollments GROUP BY 1 HAVING count(*) > 1) n USING (target_name)
), p AS NOT MATERIALIZED (
    SELECT p.*, jsonb_build_object('table', p.target_name, 'planner', p.planner) AS by_planner FROM mend.patches p
)
SELECT 'mend_enabled' AS name, '{}'::jsonb AS labels, (NOT stopped)::int::float8 AS value,
       'Whether healing is switched on in this database' AS help, 'gauge' AS type
FROM mend.control
UNION ALL
SELECT 'mend_workers', '{}', (SELECT count(*) FROM mend.workers()), 'Workers of this database', 'gauge'
UNION ALL
SELECT 'mend_worker_refused', '{}', (mend.worker_refused_at() IS NOT NULL)::int,
       'Whether PostgreSQL had no room for a worker when one was last wanted', 'gauge'
UNION ALL
SELECT 'mend_table_info', t.labels || jsonb_build_object('mode', e.mode), 1, 'The landing tables, by mode', 'gauge'
FROM t JOIN mend.enrollments e USING (target)
UNION ALL
SELECT 'mend_queue_rows', t.labels, mend.rows_of('queue', t.target),
       'Payloads in the queue: exact up to a hundred thousand, an estimate above', 'gauge' FROM t
UNION ALL
SELECT 'mend_queue_oldest_seconds', t.labels,
       coalesce(greatest(extract(epoch FROM now() - (SELECT q.submitted_at FROM mend.queue q WHERE q.target >= t.target AND q.target <= t.target
                                                     ORDER BY q.target, q.id LIMIT 1)), 0), 0),
       'How long the first payload in the queue has waited; 0 when none waits', 'gauge' FROM t
UNION ALL
SELECT 'mend_dead_letters', t.labels, mend.rows_of('dead_letters', t.target),
       'Payloads that a person must look at: exact up to a hundred thousand, an estimate above', 'gauge' FROM t
UNION ALL
SELECT 'mend_rescued_values', t.labels, (SELECT coalesce(sum(r.row_count), 0) FROM mend.rescued(t.target) r),
       'Values in the rescue column, on record, that wait for a column that takes them', 'gauge' FROM t
UNION ALL
SELECT 'mend_promotion_running', t.labels, coalesce(m.wanted, false)::int, 'Whether rescued values are being moved to their columns', 'gauge'
FROM t LEFT JOIN mend.promotions m USING (target)
UNION ALL
SELECT 'mend_waiting', t.labels, (coalesce(r.state, 'idle') = 'waiting')::int,
       'Whether the worker waits with this table: a cooldown, a lock, a back-off, rows that only a person can help', 'gauge'
FROM t LEFT JOIN mend.progress r USING (target)
UNION ALL
SELECT 'mend_breaker_open', t.labels, (coalesce(r.state, 'idle') = 'breaker')::int, 'Whether the breaker keeps the worker from patching the table', 'gauge'
FROM t LEFT JOIN mend.progress r USING (target)
UNION ALL
SELECT 'mend_round_failing', t.labels, (r.last_error IS NOT NULL)::int, 'Whether the last heal round ended in an error', 'gauge'
FROM t LEFT JOIN mend.progress r USING (target)
UNION ALL
SELECT 'mend_patches_waiting', t.labels, (SELECT count(*) FROM mend.decisions d WHERE d.target = t.target),
       'Patches that wait for a decision', 'gauge' FROM t
UNION ALL
SELECT 'mend_last_stored_timestamp_seconds', t.labels, extract(epoch FROM s.stored),
       'When a row was last stored through pg_mend, since the server started', 'gauge'
FROM t, mend.last_seen(t.target) s WHERE s.stored IS NOT NULL
UNION ALL
SELECT 'mend_last_offered_timestamp_seconds', t.labels, extract(epoch FROM s.offered),
       'When a payload was last offered, since the server started', 'gauge'
FROM t, mend.last_seen(t.target) s WHERE s.offered IS NOT NULL
UNION ALL
SELECT 'mend_ignored_updates_total', t.labels, mend.ignored_updates(t.target),
       'Payloads that changed nothing because the stored row is newer, since the server started', 'counter'
FROM t JOIN mend.enrollments e USING (target) WHERE e.newer_by IS NOT NULL
UNION ALL
SELECT 'mend_last_heal_timestamp_seconds', t.labels, extract(epoch FROM r.last_heal), 'When a patch was last applied', 'gauge'
FROM t JOIN mend.progress r USING (target) WHERE r.last_heal IS NOT NULL
UNION ALL
SELECT 'mend_drift_rows_total', jsonb_build_object('table', d.target_name, 'kind', d.kind), sum(d.row_count),
       'Payloads that showed a drift of this kind, queued or rescued', 'counter'
FROM mend.drifts d GROUP BY d.target_name, d.kind
UNION ALL
SELECT 'mend_patches_applied_total', p.by_planner, count(*), 'Patches applied, those reverted since included', 'counter'
FROM p WHERE p.applied_at IS NOT NULL GROUP BY 2
UNION ALL
SELECT 'mend_patches_failed_total', p.by_planner, count(*), 'Patches that did not work', 'counter'
FROM p WHERE p.state = 'failed' GROUP BY 2
UNION ALL
SELECT 'mend_patches_refused_total', p.by_planner, count(*), 'Patches that the guard did not let through', 'counter'
FROM p WHERE p.state = 'refused' AND p.ddl IS NULL GROUP BY 2
UNION ALL
SELECT 'mend_patches_rejected_total', p.by_planner, count(*), 'Patches that a person rejected', 'counter'
FROM p WHERE p.state = 'rejected' GROUP BY 2
UNION ALL
SELECT 'mend_patches_reverted_total', p.by_planner, count(*), 'Patches that a person took back', 'counter'
FROM p WHERE p.state = 'reverted' GROUP BY 2
UNION ALL
SELECT 'mend_rows_healed_total', p.by_planner, sum(p.rows_healed), 'Queued payloads stored thanks to a patch', 'counter'
FROM p GROUP BY 2
UNION ALL
SELECT 'mend_rows_failed_total', p.by_planner, sum(p.rows_failed), 'Queued payloads that failed again after a patch and became dead letters', 'counter'
FROM p GROUP BY 2
UNION ALL
SELECT 'mend_model_input_tokens_total', jsonb_build_object('model', p.model), sum(p.input_tokens + p.cache_write_tokens + p.cache_read_tokens), 'Tokens sent to the model', 'counter'
FROM mend.calls p GROUP BY p.model
UNION ALL
SELECT 'mend_model_output_tokens_total', jsonb_build_object('model', p.model), sum(p.output_tokens), 'Tokens received from the model', 'counter'
FROM mend.calls p GROUP BY p.model
UNION ALL
SELECT 'mend_model_cost_dollars_total', jsonb_build_object('model', p.model), sum(p.cost_usd), 'What the model cost', 'counter'
FROM mend.calls p GROUP BY p.model
UNION ALL
SELECT 'mend_outbox_messages', jsonb_build_object('channel', c.channel), (SELECT count(*) FROM mend.outbox o WHERE o.channel = c.channel AND o.state = 'pending'),
       'Messages that wait to be sent', 'gauge'
FROM (VALUES ('notify'), ('webhook'), ('lineage')) c (channel)
UNION ALL
SELECT 'mend_outbox_dead_messages', jsonb_build_object('channel', c.channel), (SELECT count(*) FROM mend.outbox o WHERE o.channel = c.channel AND o.state = 'dead'),
       'Messages that were given up', 'gauge'
FROM (VALUES ('webhook'), ('lineage')) c (channel);
COMMENT ON VIEW mend.metrics IS 'Metrics of this database for a monitoring system; counters come from tables, and survive restarts';
COMMENT ON COLUMN mend.metrics.name IS 'Name of the metric, by the conventions of Prometheus';
COMMENT ON COLUMN mend.metrics.labels IS 'Its labels, as an object of texts';
COMMENT ON COLUMN mend.metrics.value IS 'Its value now';
COMMENT ON COLUMN mend.metrics.help IS 'What it says';
COMMENT ON COLUMN mend.metrics.type IS 'gauge, or counter: it only grows, restarts included';
GRANT SELECT ON mend.metrics TO mend_admin, mend_agent, pg_monitor;
