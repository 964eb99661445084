-- Counting ten million rows takes seconds, and a status is looked at often: exact up to a hundred thousand rows a table,
-- past that PostgreSQL's own estimate. Functions, for their cost: with all in line, PostgreSQL would compile the view first.
-- Volatile, for EXPLAIN asks for it.
CREATE OR REPLACE FUNCTION mend.rows_of(books text, target regclass) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most CONSTANT bigint := 100000;
    counted bigint;
    plan json;
BEGIN
    IF books NOT IN ('queue', 'dead_letters') THEN
        RAISE EXCEPTION 'pg_mend keeps no such books: %', books USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('SELECT count(*) FROM (SELECT FROM mend.%1$I WHERE target >= %2$s AND target <= %2$s ORDER BY target, id LIMIT %3$s) bounded',
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

CREATE OR REPLACE FUNCTION mend.oldest_of(target regclass) RETURNS timestamptz
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
-- A range of one target: for an equal one the planner may walk the primary key, which is in order as well, through the rows of all
-- other tables.
RETURN (SELECT q.submitted_at FROM mend.queue q WHERE q.target >= oldest_of.target AND q.target <= oldest_of.target
        ORDER BY q.target, q.id LIMIT 1);
COMMENT ON FUNCTION mend.oldest_of(regclass) IS 'Internal: when the first queued row of a target, in order of id, was offered';
REVOKE ALL ON FUNCTION mend.oldest_of(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.oldest_of(regclass) TO mend_admin, mend_agent, pg_monitor;

CREATE OR REPLACE FUNCTION mend.is_due(target regclass) RETURNS boolean
LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN coalesce((SELECT w.due FROM mend.work w WHERE w.target = is_due.target), false);
COMMENT ON FUNCTION mend.is_due(regclass) IS 'Internal: whether a worker should heal the table now';
REVOKE ALL ON FUNCTION mend.is_due(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.is_due(regclass) TO mend_admin, mend_agent, pg_monitor;

-- For people: psql does not break long lines, so what it shows in a column must come broken.
CREATE OR REPLACE FUNCTION mend.in_lines(sentence text, width int) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN rtrim(regexp_replace(sentence, '(.{1,' || greatest(width, 8) || '})( +|$)', E'\\1\n', 'g'), E'\n');
COMMENT ON FUNCTION mend.in_lines(text, int) IS 'A sentence broken at blanks into lines of at most width characters, where its words allow';
REVOKE ALL ON FUNCTION mend.in_lines(text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.in_lines(text, int) TO mend_admin, mend_agent, pg_monitor;

-- An error of PostgreSQL may quote a value of a payload: those who may not see payloads see its SQLSTATE.
CREATE OR REPLACE FUNCTION mend.error_for_me(error text) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN pg_has_role('mend_admin', 'USAGE') OR error !~ '^[0-9A-Z]{5}: ' THEN error ELSE 'SQLSTATE ' || left(error, 5) END;
COMMENT ON FUNCTION mend.error_for_me(text) IS 'Internal: an error as "SQLSTATE: message" for members of mend_admin, its SQLSTATE for others; what has none is in words of ours';
REVOKE ALL ON FUNCTION mend.error_for_me(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.error_for_me(text) TO mend_admin, mend_agent, pg_monitor;

CREATE OR REPLACE FUNCTION mend.last_seen(target regclass, OUT offered timestamptz, OUT stored timestamptz)
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mend_last_seen';
COMMENT ON FUNCTION mend.last_seen(regclass) IS
    'When payloads were last offered to, and rows last stored in, a table through pg_mend: to a tenth of a second, since the server started';
REVOKE ALL ON FUNCTION mend.last_seen(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.last_seen(regclass) TO mend_admin, mend_agent, pg_monitor;

-- Of many dead letters the newest say what is the matter. Kinds and fields, no reason: that may quote a value.
CREATE OR REPLACE FUNCTION mend.why_dead(target regclass) RETURNS text
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT string_agg(c.what, ', ' ORDER BY c.n DESC, c.what) || CASE WHEN max(c.causes) > 2 THEN format(' and %s more', max(c.causes) - 2) ELSE '' END
        FROM (SELECT replace(d.kind, '_', ' ') || coalesce(' of ' || translate(left(d.field, 40), E'\n\r\t', '   '), '') AS what, count(*) AS n,
                     count(*) OVER () AS causes, row_number() OVER (ORDER BY count(*) DESC, d.kind, d.field) AS place
              FROM (SELECT l.kind, l.field FROM mend.dead_letters l WHERE l.target >= why_dead.target AND l.target <= why_dead.target
                    ORDER BY l.target DESC, l.id DESC LIMIT 1000) d
              GROUP BY d.kind, d.field) c
        WHERE c.place <= 2);
COMMENT ON FUNCTION mend.why_dead(regclass) IS 'Internal: the kinds and fields of a table''s newest dead letters';
REVOKE ALL ON FUNCTION mend.why_dead(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.why_dead(regclass) TO mend_admin, mend_agent, pg_monitor;

CREATE OR REPLACE FUNCTION mend.count_of(n bigint, thing text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN n || ' ' || thing || CASE WHEN n = 1 THEN '' ELSE 's' END;
COMMENT ON FUNCTION mend.count_of(bigint, text) IS 'Internal: a number of things, in words';
REVOKE ALL ON FUNCTION mend.count_of(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.count_of(bigint, text) TO mend_admin, mend_agent, pg_monitor;

CREATE OR REPLACE FUNCTION mend.ignored_updates(target regclass) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mend_ignored_updates';
COMMENT ON FUNCTION mend.ignored_updates(regclass) IS
    'Payloads that changed nothing because the stored row is newer (newer_by), since the server started';
REVOKE ALL ON FUNCTION mend.ignored_updates(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.ignored_updates(regclass) TO mend_admin, mend_agent, pg_monitor;

CREATE OR REPLACE VIEW mend.decisions AS
SELECT p.target, p.id AS patch_id, p.planner, p.proposed_by, p.created_at AS waits_since, p.reason,
       coalesce(p.ddl, '') AS ddl, p.field_map, p.rewrites_table,
       r.n AS rows,
       regexp_replace(concat(mend.count_of(r.n, 'row'), ' wait', CASE WHEN r.n = 1 THEN 's' END, ': ', coalesce(nullif(p.rationale, ''), p.ddl, p.field_map::text), '? ', p.reason), '\s+', ' ', 'g') AS question,
       format('SELECT mend.approve(%s);', p.id) AS answer,
       ARRAY(SELECT o.id FROM mend.patches o
             WHERE o.target = p.target AND o.id <> p.id AND o.state = 'proposed' AND o.proposed_by = 'pg_mend'
               AND mend.same_question(p.evidence, p.field_map, o.evidence, o.field_map) ORDER BY o.id) AS alternatives
FROM mend.patches p JOIN mend.enrollments e ON e.target = p.target
     -- A row has one cause a field.
     CROSS JOIN LATERAL (SELECT coalesce((SELECT max(f.n) FROM (SELECT sum(d.row_count)::bigint AS n FROM mend.drifts d
                             WHERE d.target = p.target AND d.state = 'waiting'
                               AND (d.patch_id = p.id OR EXISTS (SELECT FROM jsonb_array_elements(p.evidence -> 'drift') w
                                        WHERE d.field = w ->> 'field' AND d.kind = w ->> 'kind' AND d.cause = w ->> 'cause'))
                             GROUP BY d.field) f), (p.evidence #>> '{proof,rows_healed}')::bigint, 0) AS n) r
WHERE p.state = 'proposed';
COMMENT ON VIEW mend.decisions IS 'Patches that wait for mend.approve() or mend.reject(); mend.explain_patch(patch_id) says more';
COMMENT ON COLUMN mend.decisions.target IS 'The landing table';
COMMENT ON COLUMN mend.decisions.patch_id IS 'The patch';
COMMENT ON COLUMN mend.decisions.planner IS 'Who planned it: rules, claude, agent or person';
COMMENT ON COLUMN mend.decisions.proposed_by IS 'The role that proposed it; pg_mend for the worker';
COMMENT ON COLUMN mend.decisions.waits_since IS 'When it was proposed';
COMMENT ON COLUMN mend.decisions.reason IS 'Why it waits for a person';
COMMENT ON COLUMN mend.decisions.ddl IS 'What would run; empty for mappings only';
COMMENT ON COLUMN mend.decisions.field_map IS 'Field mappings it brings';
COMMENT ON COLUMN mend.decisions.rewrites_table IS 'Whether it rewrites the table';
COMMENT ON COLUMN mend.decisions.rows IS 'Rows on record that wait for it; where none do, those that it made fit when it was proposed';
COMMENT ON COLUMN mend.decisions.question IS 'How many rows wait, what approving it would do, and why that is asked, in one line';
COMMENT ON COLUMN mend.decisions.answer IS 'The statement that says yes; mend.reject(patch_id, reason) says no';
COMMENT ON COLUMN mend.decisions.alternatives IS 'Other patches that wait for a decision on the same drift: approving one of them withdraws the others';
GRANT SELECT ON mend.decisions TO mend_admin, mend_agent, pg_monitor;

-- With what the worker has not folded yet: it may be stopped, or the table paused.
CREATE OR REPLACE FUNCTION mend.rescued(target regclass)
RETURNS TABLE (field text, kinds text[], row_count bigint, first_seen timestamptz, last_seen timestamptz, patch_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT r.field, array_agg(DISTINCT r.kind ORDER BY r.kind), sum(r.row_count)::bigint, min(r.first_seen), max(r.last_seen), max(r.patch_id)
    FROM (SELECT d.field, d.kind, d.rescued, d.first_seen, d.last_seen,
                 (SELECT c.patch_id FROM mend.decisions c WHERE c.patch_id = d.patch_id AND c.target = rescued.target)
          FROM mend.drifts d
          WHERE d.target = rescued.target AND d.rescued > 0 AND d.state <> 'healed'
          UNION ALL
          SELECT s.field, s.kind, s.row_count, s.seen_at, s.seen_at, NULL
          FROM mend.rescues s WHERE s.target = rescued.target) r (field, kind, row_count, first_seen, last_seen, patch_id)
    GROUP BY r.field
    ORDER BY r.field;
END;
COMMENT ON FUNCTION mend.rescued(regclass) IS
    'The fields that have values in the rescue column of a table: why, in how many rows, since when, and which patch for them waits for a decision. Of what is on record: a session that stores many such rows tells of them once a second';
REVOKE ALL ON FUNCTION mend.rescued(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.rescued(regclass) TO mend_admin, mend_agent, pg_monitor;

-- At most 120 characters wide in psql, where the name of the table is of common length: what would not fit is in the
-- reason, in mend.decisions and in mend.freshness. Programs get the reason in one line.
CREATE OR REPLACE VIEW mend.status AS
SELECT e.target,
       e.mode,
       q.queued,
       date_trunc('second', q.oldest) AS oldest,
       d.dead AS dead_letters,
       s.state,
       CASE WHEN current_setting('application_name') = 'psql'
            THEN mend.in_lines(s.reason, 34 - max(length(e.target::text)) OVER ())
            ELSE s.reason END AS reason,
       w.pid AS worker_pid
FROM mend.enrollments e
     LEFT JOIN mend.progress p ON p.target = e.target
     LEFT JOIN mend.promotions m ON m.target = e.target AND e.rescue IS NOT NULL
     LEFT JOIN mend.workers() w ON w.target = e.target
     CROSS JOIN LATERAL (SELECT mend.rows_of('queue', e.target) AS queued,
                                mend.oldest_of(e.target) AS oldest) q
     CROSS JOIN LATERAL (SELECT mend.rows_of('dead_letters', e.target) AS dead) d
     CROSS JOIN LATERAL (SELECT min(patch_id) AS patch FROM mend.decisions WHERE decisions.target = e.target) o
     CROSS JOIN LATERAL (SELECT mend.is_due(e.target) AS due,
                                mend.at_home(e.system_identifier, e.database_oid) AS home,
                                (SELECT stopped FROM mend.control) AS stopped,
                                NOT EXISTS (SELECT FROM pg_class WHERE oid = e.target) AS gone) k
     CROSS JOIN LATERAL (SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' WHEN k.due AND w.pid IS NULL THEN mend.worker_outlook(true)
                                     ELSE 'ready' END AS outlook) a
     CROSS JOIN LATERAL (
         SELECT CASE
                    WHEN NOT k.home OR k.stopped OR k.gone THEN 'stopped'
                    WHEN e.mode = 'paused' THEN 'paused'
                    WHEN w.pid IS NOT NULL THEN 'healing'
                    WHEN a.outlook IN ('standby', 'off') THEN 'stopped'
                    WHEN a.outlook <> 'ready' THEN 'waiting'
                    WHEN k.due THEN 'due'
                    WHEN coalesce(p.state, 'idle') NOT IN ('idle', 'healing') THEN p.state
                    WHEN o.patch IS NOT NULL THEN 'review'
                    ELSE 'idle'
                END AS state,
                -- Nothing that it waits for, and yet not healthy.
                coalesce(nullif(concat_ws('; ',
                    CASE
                        WHEN NOT k.home THEN 'enrolled in another cluster or database: mend.start() adopts it'
                        WHEN k.gone AND EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                                                WHERE format('%I.%I', n.nspname, c.relname) = e.target_name)
                            THEN format('the table was made anew: SELECT mend.enroll(%1$L), mend.move(%1$L, %1$L)', e.target_name)
                        WHEN k.gone THEN format('the table is gone: SELECT mend.move(%L) ends its enrolment', e.target_name)
                        WHEN k.stopped THEN 'healing is switched off: mend.start() switches it on'
                        WHEN e.mode = 'paused' THEN 'the enrolment is paused: mend.configure(mode => ''auto'') resumes'
                        WHEN a.outlook = 'standby' THEN 'this is a standby: what waits is healed by the primary, or after the promotion'
                        WHEN a.outlook = 'off' THEN 'mend.max_workers is 0: no worker may heal'
                        WHEN a.outlook = 'no_room' THEN 'no free background worker: raise max_worker_processes'
                        WHEN a.outlook = 'busy'
                            THEN 'all workers are busy in other databases: it takes its turn, or raise mend.max_server_workers'
                        WHEN w.pid IS NOT NULL AND w.tried > 0 THEN format('%s rows tried so far in this round', w.tried)
                        WHEN p.last_error IS NOT NULL
                            THEN 'the last heal round ended in an error: ' || mend.error_for_me(p.last_error)
                        ELSE p.reason
                    END,
                    CASE WHEN m.wanted AND m.not_before > clock_timestamp() AND m.next_block < 0
                            THEN format('%s rows with rescued values moved; others have the rest locked, or may still store such rows', m.moved)
                         WHEN m.wanted AND m.next_block < 0 THEN format('%s rows with rescued values moved; looking for what is left', m.moved)
                         WHEN m.wanted AND m.started_at IS NOT NULL
                            THEN format('%s rows with rescued values moved, %s of %s blocks read', m.moved, m.next_block, m.block_count)
                         WHEN m.refusal IS NOT NULL AND NOT m.wanted
                            THEN 'rescued values could not all be moved: ' || mend.error_for_me(m.refusal) END,
                    mend.widening_in_words(e.target),
                    -- The reason of a table in review names its patch.
                    CASE WHEN o.patch IS NOT NULL AND (p.reason IS NULL OR p.state <> 'review')
                         THEN format('patch %s waits for mend.approve(%1$s)', o.patch) END,
                    (SELECT format('mend.model_prices has no price for %s: only its requests are counted', c.model)
                     FROM mend.calls c
                     WHERE NOT c.priced AND c.at > now() - interval '1 day' AND c.target_name = e.target_name
                     ORDER BY c.at DESC LIMIT 1)), ''),
                    CASE WHEN d.dead > 0 THEN format('%s: %s', mend.count_of(d.dead, 'dead letter'), mend.why_dead(e.target)) END) AS reason
     ) s;
COMMENT ON VIEW mend.status IS 'One row a landing table: what waits, and why';
COMMENT ON COLUMN mend.status.target IS 'The landing table';
COMMENT ON COLUMN mend.status.mode IS 'auto, review or paused';
COMMENT ON COLUMN mend.status.queued IS 'Payloads in the queue; past 100,000 an estimate';
COMMENT ON COLUMN mend.status.oldest IS 'When the first of them, in order of id, was offered';
COMMENT ON COLUMN mend.status.dead_letters IS 'Payloads that a person must look at; past 100,000 an estimate';
COMMENT ON COLUMN mend.status.state IS 'idle, due, healing, waiting, review, breaker, paused or stopped';
COMMENT ON COLUMN mend.status.reason IS 'Why, in plain words: with a patch that waits for a decision and the error that ended the last round. In psql broken into lines';
COMMENT ON COLUMN mend.status.worker_pid IS 'The worker that heals the table now';
GRANT SELECT ON mend.status TO mend_admin, mend_agent, pg_monitor;

CREATE OR REPLACE VIEW mend.freshness AS
SELECT e.target,
       date_trunc('second', s.stored) AS last_stored,
       date_trunc('second', greatest(s.offered, q.newest)) AS last_offered,
       CASE WHEN q.oldest IS NULL THEN interval '0' ELSE date_trunc('second', greatest(now() - q.oldest, interval '0')) END AS lag,
       date_trunc('second', p.last_heal) AS last_heal,
       coalesce((SELECT sum(r.row_count)::bigint FROM mend.rescued(e.target) r), 0) AS rescued
FROM mend.enrollments e
     LEFT JOIN mend.progress p ON p.target = e.target
     CROSS JOIN LATERAL mend.last_seen(e.target) s
     CROSS JOIN LATERAL (
         SELECT (SELECT submitted_at FROM mend.queue WHERE queue.target >= e.target AND queue.target <= e.target
                 ORDER BY queue.target, id LIMIT 1) AS oldest,
                (SELECT submitted_at FROM mend.queue WHERE queue.target >= e.target AND queue.target <= e.target
                 ORDER BY queue.target DESC, id DESC LIMIT 1) AS newest) q;
COMMENT ON VIEW mend.freshness IS 'One row a landing table: how far what is stored is behind what was offered';
COMMENT ON COLUMN mend.freshness.target IS 'The landing table';
COMMENT ON COLUMN mend.freshness.last_stored IS 'When a row was last stored through pg_mend; null: not since this server started, or too many other tables are busier';
COMMENT ON COLUMN mend.freshness.last_offered IS 'When a payload was last offered; null: not since this server started, and none waits';
COMMENT ON COLUMN mend.freshness.lag IS 'How long the first payload in the queue has waited; zero when none waits. Dead letters do not count';
COMMENT ON COLUMN mend.freshness.last_heal IS 'When a patch was last applied';
COMMENT ON COLUMN mend.freshness.rescued IS 'Values on record that are stored in the rescue column, and wait for a column that takes them';
GRANT SELECT ON mend.freshness TO mend_admin, mend_agent, pg_monitor;

-- Wide, for programs: mend.show('causes') is for people.
CREATE OR REPLACE VIEW mend.causes AS
SELECT r.target, r.field, r.cause, r.state, count(*) AS rows, date_trunc('second', min(r.submitted_at)) AS first,
       date_trunc('second', max(r.submitted_at)) AS last, min(r.id) AS sample,
       CASE WHEN r.state = 'waits' AND min(d.patch_id) IS NOT NULL THEN format('mend.approve(%s) or mend.reject(%1$s)', min(d.patch_id))
            WHEN r.state = 'waits' THEN 'see mend.status'
            WHEN bool_and(r.overtaken) THEN 'mend.discard()'
            WHEN r.cause IN ('not_json', 'malformed') THEN 'offer it anew, mend.discard()'
            WHEN r.field = '' THEN 'mend.retry() when it fits'
            ELSE 'mend.amend() or the table, then mend.retry()' END AS next
FROM (SELECT target, coalesce(field, '') AS field, coalesce(cause, kind) AS cause, 'dead' AS state, submitted_at, id, overtaken FROM mend.dead_letters
      UNION ALL
      SELECT target, coalesce(field, ''), coalesce(cause, kind), 'waits', submitted_at, id, false FROM mend.queue) r
     LEFT JOIN LATERAL (SELECT min(w.patch_id) AS patch_id FROM mend.drifts w
                        WHERE w.target = r.target AND w.state = 'waiting' AND w.field = r.field) d ON r.state = 'waits'
GROUP BY r.target, r.field, r.cause, r.state;
COMMENT ON VIEW mend.causes IS 'Dead letters and waiting rows by what is wrong with them: one row a cause';
COMMENT ON COLUMN mend.causes.target IS 'The landing table';
COMMENT ON COLUMN mend.causes.field IS 'The field that did not fit; empty when no single field is to blame';
COMMENT ON COLUMN mend.causes.cause IS 'Code of what is wrong: doc/reasons.md lists them; of rows of an earlier release their kind';
COMMENT ON COLUMN mend.causes.state IS 'dead: dead letters; waits: queued rows';
COMMENT ON COLUMN mend.causes.rows IS 'How many';
COMMENT ON COLUMN mend.causes.first IS 'When the first of them was offered';
COMMENT ON COLUMN mend.causes.last IS 'When the last of them was offered';
COMMENT ON COLUMN mend.causes.sample IS 'The id of one of them';
COMMENT ON COLUMN mend.causes.next IS 'What to do';
GRANT SELECT ON mend.causes TO mend_admin, mend_agent, pg_monitor;
