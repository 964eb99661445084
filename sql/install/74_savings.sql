-- Accounting. An incident is one drift: one field of one table that did not fit, however many payloads showed it.
CREATE OR REPLACE VIEW mend.incidents AS
SELECT d.id, d.target, d.target_name, d.field, d.kind, d.row_count,
       d.first_seen,
       CASE WHEN d.state = 'healed' THEN coalesce(p.applied_at, d.last_seen) ELSE d.last_seen END AS ended_at,
       CASE
           WHEN d.state = 'dead_lettered' THEN 'failed'
           WHEN d.state <> 'healed' THEN 'open'
           -- A patch that a person took back has not healed anything.
           WHEN p.state = 'reverted' THEN 'failed'
           -- Whatever planned it: where somebody had to decide, a person was woken.
           WHEN p.id IS NULL OR p.planner NOT IN ('rules', 'claude') OR p.decided_by IS DISTINCT FROM 'pg_mend' THEN 'person'
           WHEN p.planner = 'rules' THEN 'rule'
           ELSE 'model'
       END AS outcome,
       CASE WHEN d.state = 'healed' AND p.applied_at >= d.first_seen THEN p.applied_at - d.first_seen END AS time_to_heal,
       -- A patch that covers three drifts was paid for once.
       coalesce(p.cost_usd / nullif(count(*) OVER (PARTITION BY p.id), 0), 0) AS cost_usd
FROM mend.drifts d LEFT JOIN mend.patches p ON p.id = d.patch_id;
COMMENT ON VIEW mend.incidents IS 'Every drift as an incident: who resolved it, how fast, at what price';
COMMENT ON COLUMN mend.incidents.id IS 'Identity of the drift';
COMMENT ON COLUMN mend.incidents.target IS 'The landing table';
COMMENT ON COLUMN mend.incidents.target_name IS 'Its schema-qualified name';
COMMENT ON COLUMN mend.incidents.field IS 'The payload field';
COMMENT ON COLUMN mend.incidents.kind IS 'Kind of the drift';
COMMENT ON COLUMN mend.incidents.row_count IS 'Payloads that showed it';
COMMENT ON COLUMN mend.incidents.first_seen IS 'When the first of them was offered';
COMMENT ON COLUMN mend.incidents.ended_at IS 'When it was healed; of others, when it was last seen';
COMMENT ON COLUMN mend.incidents.outcome IS 'rule or model: resolved without a person; person: somebody proposed, approved or changed something; failed; open';
COMMENT ON COLUMN mend.incidents.time_to_heal IS 'From the first such payload to the patch';
COMMENT ON COLUMN mend.incidents.cost_usd IS 'Its share of what the patch cost';
GRANT SELECT ON mend.incidents TO mend_admin, mend_agent, pg_monitor;

CREATE OR REPLACE FUNCTION mend.minutes_per_incident() RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN coalesce(nullif(current_setting('mend.minutes_per_incident', true), ''), '30')::numeric;
COMMENT ON FUNCTION mend.minutes_per_incident() IS
    'The setting mend.minutes_per_incident: what an incident costs an engineer, by assumption';
REVOKE ALL ON FUNCTION mend.minutes_per_incident() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.minutes_per_incident() TO mend_admin, mend_agent, pg_monitor;

CREATE OR REPLACE VIEW mend.savings AS
WITH days AS (
    SELECT i.ended_at::date AS day, i.target_name, i.outcome, i.row_count, i.time_to_heal,
           0 AS refused, 0 AS reverted, 0::bigint AS rescued, 0::bigint AS input_tokens, 0::bigint AS output_tokens, 0::numeric AS cost_usd
    FROM mend.incidents i WHERE i.outcome <> 'open'
    UNION ALL
    -- What the guard or a person refused of what a planner proposed; what was merely overtaken by events does not count.
    SELECT coalesce(p.applied_at, p.decided_at, p.created_at)::date, p.target_name, NULL, 0, NULL,
           (p.planner IN ('rules', 'claude') AND (p.state = 'rejected' OR p.state = 'refused' AND p.ddl IS NULL))::int,
           (p.state = 'reverted')::int, p.rows_healed, 0, 0, 0
    FROM mend.patches p
    UNION ALL
    -- What was asked, answered or not, is paid for.
    SELECT c.at::date, c.target_name, NULL, 0, NULL, 0, 0, 0,
           c.input_tokens + c.cache_write_tokens + c.cache_read_tokens, c.output_tokens, c.cost_usd
    FROM mend.calls c
)
SELECT day, target_name,
       count(*) FILTER (WHERE outcome = 'rule') AS by_rule,
       count(*) FILTER (WHERE outcome = 'model') AS by_model,
       count(*) FILTER (WHERE outcome = 'person') AS by_person,
       count(*) FILTER (WHERE outcome = 'failed') AS failed,
       sum(refused) AS refused,
       sum(reverted) AS reverted,
       sum(rescued)::bigint AS rows_rescued,
       sum(input_tokens)::bigint AS input_tokens,
       sum(output_tokens)::bigint AS output_tokens,
       sum(cost_usd) AS cost_usd,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY time_to_heal) AS median_time_to_heal,
       mend.minutes_per_incident() * (count(*) FILTER (WHERE outcome IN ('rule', 'model')) - sum(refused) - sum(reverted)) AS minutes_saved
FROM days
GROUP BY day, target_name;
COMMENT ON VIEW mend.savings IS 'What pg_mend did, a day and table: honest enough to show to whoever pays';
COMMENT ON COLUMN mend.savings.day IS 'The day, in the time zone of the session';
COMMENT ON COLUMN mend.savings.target_name IS 'The landing table';
COMMENT ON COLUMN mend.savings.by_rule IS 'Drifts that a rule healed without a person';
COMMENT ON COLUMN mend.savings.by_model IS 'Drifts that a model healed without a person';
COMMENT ON COLUMN mend.savings.by_person IS 'Drifts healed where a person proposed, approved or changed something';
COMMENT ON COLUMN mend.savings.failed IS 'Drifts whose payloads became dead letters, or whose patch was reverted';
COMMENT ON COLUMN mend.savings.refused IS 'Patches of a planner that the guard refused or a person rejected';
COMMENT ON COLUMN mend.savings.reverted IS 'Patches that a person took back';
COMMENT ON COLUMN mend.savings.rows_rescued IS 'Queued payloads stored thanks to patches';
COMMENT ON COLUMN mend.savings.input_tokens IS 'Tokens sent to the model';
COMMENT ON COLUMN mend.savings.output_tokens IS 'Tokens received from the model';
COMMENT ON COLUMN mend.savings.cost_usd IS 'What the model cost, in US dollars';
COMMENT ON COLUMN mend.savings.median_time_to_heal IS 'From the first payload that did not fit to the patch';
COMMENT ON COLUMN mend.savings.minutes_saved IS 'mend.minutes_per_incident times what was healed without a person, less refusals and reverts; negative where pg_mend made work';
GRANT SELECT ON mend.savings TO mend_admin, mend_agent, pg_monitor;

CREATE OR REPLACE FUNCTION mend.claim(since timestamptz DEFAULT '-infinity') RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    incidents record;
BEGIN
    SELECT count(*) FILTER (WHERE outcome <> 'open') AS ended,
           count(*) FILTER (WHERE outcome IN ('rule', 'model')) AS alone,
           count(*) FILTER (WHERE outcome = 'open') AS open,
           count(*) FILTER (WHERE outcome IN ('rule', 'model') AND cost_usd < 0.01) AS cheap,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY cost_usd) FILTER (WHERE outcome IN ('rule', 'model')) AS cost,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM time_to_heal)) FILTER (WHERE outcome IN ('rule', 'model')) AS seconds
    INTO incidents FROM mend.incidents i WHERE i.ended_at >= since;
    IF incidents.ended = 0 THEN
        RETURN format('no incident has ended yet; open: %s', incidents.open);
    END IF;
    RETURN format('%s of %s incidents (%s%%) resolved without a person; under one cent each: %s of %s; median cost: %s cents; median time: %s s; open: %s',
                  incidents.alone, incidents.ended, round(100.0 * incidents.alone / incidents.ended), incidents.cheap, incidents.alone,
                  round(coalesce(100 * incidents.cost, 0)::numeric, 3), round(coalesce(incidents.seconds, 0)::numeric, 2), incidents.open);
END
$$;
COMMENT ON FUNCTION mend.claim(timestamptz) IS
    'One sentence in the form of the claim that pg_mend is measured by: how many incidents were resolved without a person, at what price, how fast';
REVOKE ALL ON FUNCTION mend.claim(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.claim(timestamptz) TO mend_admin, mend_agent, pg_monitor;
