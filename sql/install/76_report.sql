-- A page to look at. Everything that comes from outside passes mend.html(): the one place where text becomes markup.
CREATE OR REPLACE FUNCTION mend.html(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN coalesce(replace(replace(replace(replace(replace(mend.in_order(words), '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;'), '');
COMMENT ON FUNCTION mend.html(text) IS 'A text as it stands in HTML, in attributes too';
REVOKE ALL ON FUNCTION mend.html(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.html(text) TO mend_admin;

-- DDL reads better with an action a line.
CREATE OR REPLACE FUNCTION mend.ddl_in_lines(ddl text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN regexp_replace(regexp_replace(ddl, '^(ALTER TABLE ([^" ]|"([^"]|"")*")+) ', E'\\1\n    '), ', (ADD|ALTER|DROP) COLUMN ', E',\n    \\1 COLUMN ', 'g');
COMMENT ON FUNCTION mend.ddl_in_lines(text) IS 'Internal: the DDL of a patch, for people';
REVOKE ALL ON FUNCTION mend.ddl_in_lines(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.ddl_in_lines(text) TO mend_admin;

CREATE OR REPLACE FUNCTION mend.html_rows(labels text[], rows jsonb, skip bigint, most bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN '<table><thead><tr>' || (SELECT string_agg('<th scope="col">' || mend.html(l) || '</th>', '' ORDER BY n) FROM unnest(labels) WITH ORDINALITY u (l, n))
    || '</tr></thead><tbody>' || (
        SELECT string_agg('<tr>' || (
            SELECT string_agg('<td data-label="' || mend.html(labels[n]) || CASE WHEN length(cell) <= 22 THEN '" class="s">' ELSE '">' END ||
                              CASE WHEN labels[n] IN ('DDL', 'Command') THEN '<code>' || mend.html(cell) || '</code>'
                                   WHEN labels[n] = 'Severity' THEN '<span class="badge ' || CASE WHEN cell IN ('critical', 'warning') THEN cell ELSE 'notice' END || '">' || mend.html(cell) || '</span>'
                                   ELSE '<span>' || mend.html(cell) || '</span>' END || '</td>', '' ORDER BY n)
            FROM jsonb_array_elements_text(r.row) WITH ORDINALITY c (cell, n)) || '</tr>', E'\n' ORDER BY r.n)
        FROM jsonb_array_elements(rows) WITH ORDINALITY r (row, n) WHERE r.n > skip AND r.n <= skip + most) || '</tbody></table>';
COMMENT ON FUNCTION mend.html_rows(text[], jsonb, bigint, bigint) IS 'Internal: some of the rows of a table of a page; all of it is escaped';
REVOKE ALL ON FUNCTION mend.html_rows(text[], jsonb, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.html_rows(text[], jsonb, bigint, bigint) TO mend_admin;

-- On a narrow screen a row becomes a card, and each cell says what it is. What is more than a screen is folded; what is empty is
-- no section.
CREATE OR REPLACE FUNCTION mend.html_table(title text, labels text[], rows jsonb, anchor text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN coalesce(jsonb_array_length(rows), 0) = 0 THEN '' ELSE
    '<section id="' || mend.html(anchor) || '"><h2>' || mend.html(title) || ' <span class="soft">' || jsonb_array_length(rows) || '</span></h2>'
    || mend.html_rows(labels, rows, 0, 10)
    || CASE WHEN jsonb_array_length(rows) > 10
            THEN '<details><summary>' || (jsonb_array_length(rows) - 10) || ' more</summary>' || mend.html_rows(labels, rows, 10, 1000) || '</details>' ELSE '' END
    || '</section>' END;
COMMENT ON FUNCTION mend.html_table(text, text[], jsonb, text) IS
    'Internal: a section of a page: a title and a table of texts, given as an array of arrays; all of it is escaped. Empty: nothing';
REVOKE ALL ON FUNCTION mend.html_table(text, text[], jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.html_table(text, text[], jsonb, text) TO mend_admin;

-- Sixty columns of the time that the page is about, in lanes of their own: every event is in one of them. Each lane says what a
-- full column is.
CREATE OR REPLACE FUNCTION mend.html_timeline(since timestamptz, target_name text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH marks AS MATERIALIZED (
        SELECT d.first_seen AS at, 1 AS lane FROM mend.drifts d WHERE d.first_seen >= since AND (html_timeline.target_name IS NULL OR d.target_name = html_timeline.target_name)
        UNION ALL
        SELECT e.at, CASE WHEN e.kind IN ('patch_applied', 'replayed', 'breaker_closed', 'claude_resumed') THEN 2
                          WHEN e.kind IN ('patch_proposed', 'patch_refused', 'patch_failed', 'dead_lettered', 'claude_held', 'drift_capped') THEN 3
                          WHEN e.kind IN ('breaker_opened', 'quarantined', 'round_failed', 'stopped', 'message_lost') THEN 4
                          ELSE 5 END
        FROM mend.events e WHERE e.at >= since AND (html_timeline.target_name IS NULL OR e.target_name = html_timeline.target_name)
    ), span AS (
        SELECT CASE WHEN isfinite(since) THEN since ELSE least(coalesce(min(at), now()), now() - interval '1 hour') END AS first, greatest(coalesce(max(at), now()), now()) AS last FROM marks
    ), columns AS (
        SELECT m.lane, least(greatest(floor(60 * extract(epoch FROM m.at - s.first) / greatest(extract(epoch FROM s.last - s.first), 1)), 0), 59)::int AS place, count(*) AS n
        FROM marks m, span s GROUP BY 1, 2
    ), lanes AS (
        SELECT l.lane, l.name, coalesce(max(c.n), 0) AS most, coalesce(sum(c.n), 0) AS total
        FROM (VALUES (1, 'drift begins'), (2, 'healed'), (3, 'needs a person'), (4, 'healing stopped'), (5, 'people and other events')) l (lane, name)
             LEFT JOIN columns c USING (lane) GROUP BY 1, 2
    )
    SELECT CASE WHEN NOT EXISTS (SELECT FROM marks) THEN '' ELSE
        '<section id="timeline"><h2>Timeline</h2>' || (
            SELECT string_agg('<div class="lane"><span>' || mend.html(l.name) || ' <b>' || l.total || '</b></span><svg viewBox="0 0 600 30" preserveAspectRatio="none" role="img" aria-label="'
                              || mend.html(format('%s: %s in all, at most %s at a time', l.name, l.total, l.most)) || '">'
                              || coalesce((SELECT string_agg(format('<rect class="k%s" x="%s" y="%s" width="9" height="%s"></rect>', c.lane, c.place * 10,
                                                                    round(30 - greatest(29.0 * c.n / l.most, 3), 1), round(greatest(29.0 * c.n / l.most, 3), 1)), '' ORDER BY c.place)
                                           FROM columns c WHERE c.lane = l.lane), '')
                              || '</svg><span class="soft">to ' || l.most || '</span></div>', E'\n' ORDER BY l.lane)
            FROM lanes l)
        || '<p class="ends">' || (SELECT string_agg('<span>' || to_char(s.first + (s.last - s.first) * tick / 4, 'YYYY-MM-DD HH24:MI') || '</span>', '' ORDER BY tick) FROM generate_series(0, 4) tick)
        || '</p></section>' END
    FROM span s
$$;
COMMENT ON FUNCTION mend.html_timeline(timestamptz, text) IS 'Internal: the timeline of a page: of one table, or of all';
REVOKE ALL ON FUNCTION mend.html_timeline(timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.html_timeline(timestamptz, text) TO mend_admin;

CREATE OR REPLACE FUNCTION mend.html_style() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN $css$
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fbfbf9; --card: #fff; --line: #dcdfe4; --soft: #5b6675; --k1: #d9822b; --k2: #2e8b57; --k3: #b3404a; --k4: #7a1f6b; --k5: #4a6fa5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #14181d; --card: #1d232b; --line: #333c47; --soft: #9aa7b6; --k1: #e8a152; --k2: #57b57f; --k3: #e0737c; --k4: #d08bc5; --k5: #86a8dc; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 72rem; margin: 0 auto; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; } p { margin: .25rem 0; }
.soft, .none, .legend, .ends { color: var(--soft); } .claim { font-size: 1.05rem; margin: 1rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin-top: 1rem; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem; } .tile b { display: block; font-size: 1.4rem; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); } th { color: var(--soft); font-weight: 600; overflow-wrap: normal; }
code { font: 13px/1.4 ui-monospace, monospace; white-space: pre-wrap; }
svg { display: block; width: 100%; height: 2.2rem; background: var(--card); border: 1px solid var(--line); }
rect.k1 { fill: var(--k1); } rect.k2 { fill: var(--k2); } rect.k3 { fill: var(--k3); } rect.k4 { fill: var(--k4); } rect.k5 { fill: var(--k5); }
.lane { display: grid; grid-template-columns: 13rem minmax(0, 1fr) 4.5rem; gap: .6rem; align-items: center; margin: .2rem 0; }
.ends { margin-left: 13.6rem; margin-right: 5.1rem; font-size: .8rem; gap: .5rem; }
nav { margin: 1rem 0; } nav a { color: inherit; margin-right: 1rem; white-space: nowrap; }
summary { cursor: pointer; padding: .4rem 0; color: var(--soft); } code { user-select: all; }
.badge { display: inline-block; justify-self: start; padding: 0 .5em; border-radius: .3rem; color: #fff; background: #4a5a70; } .badge.critical { background: #a02030; } .badge.warning { background: #8a5200; }
.tile.bad { border-color: var(--k3); } .tile small { color: var(--soft); display: block; }
.ends { display: flex; justify-content: space-between; }
@media (min-width: 1000px) { td.s { white-space: nowrap; } }
@media (max-width: 640px) { body { padding: .75rem; } .lane { grid-template-columns: minmax(0, 1fr) 4.5rem; } .lane svg { grid-row: 2; grid-column: 1 / 3; } .ends { margin: 0; } .ends span:nth-child(even) { display: none; } thead { display: none; } tr { display: block; padding: .4rem 0; border-bottom: 2px solid var(--line); }
  td { display: grid; grid-template-columns: 6.5rem minmax(0, 1fr); gap: .5rem; border: 0; padding: .15rem .6rem; } td::before { content: attr(data-label); color: var(--soft); } td:has(span:empty) { display: none; } }
$css$;
COMMENT ON FUNCTION mend.html_style() IS 'Internal: the style of mend.report_html(): light and dark, wide and narrow';
REVOKE ALL ON FUNCTION mend.html_style() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.html_style() TO mend_admin;

CREATE OR REPLACE FUNCTION mend.report_page(since timestamptz, target regclass) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most CONSTANT int := 1000;  -- rows of a table; the newest
    one_table text;
    title text := current_database();
    looks text := current_setting('application_name');
    tiles jsonb;
    sections text[];
    names text[];
    body text;
    used boolean := EXISTS (SELECT FROM mend.enrollments) OR EXISTS (SELECT FROM mend.events);
BEGIN
    IF since IS NULL THEN
        RAISE EXCEPTION 'since must not be null' USING ERRCODE = 'null_value_not_allowed', HINT = 'For all there is: ''-infinity''.';
    END IF;
    IF report_page.target IS NOT NULL THEN
        SELECT e.target_name INTO one_table FROM mend.enrollments e WHERE e.target = report_page.target;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'table % is not enrolled', report_page.target USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'See mend.enrollments.';
        END IF;
        title := title || ', ' || one_table;
    END IF;
    -- What views write for a narrow screen is not for a page.
    PERFORM set_config('application_name', 'pg_mend report', true);
    SELECT jsonb_build_array(
        jsonb_build_array('queued', sum(s.queued), sum(s.queued) > 0, ''),
        jsonb_build_array('dead letters', sum(s.dead_letters), sum(s.dead_letters) > 0, ''),
        jsonb_build_array('decisions that wait', (SELECT count(*) FROM mend.decisions d WHERE one_table IS NULL OR d.target = report_page.target),
                          EXISTS (SELECT FROM mend.decisions d WHERE one_table IS NULL OR d.target = report_page.target), ''),
        jsonb_build_array('open breakers', count(*) FILTER (WHERE s.state = 'breaker'), count(*) FILTER (WHERE s.state = 'breaker') > 0, '')) INTO tiles
    FROM mend.status s WHERE one_table IS NULL OR s.target = report_page.target;
    SELECT tiles || jsonb_build_array(
        jsonb_build_array('payloads rescued', coalesce(sum(v.rows_rescued), 0), false, ''),
        jsonb_build_array('minutes saved', coalesce(sum(v.minutes_saved), 0), false, format('at %s minutes an incident, an assumption', mend.minutes_per_incident())),
        jsonb_build_array('US dollars, model', coalesce(round(sum(v.cost_usd), 4), 0), false, '')) INTO tiles
    FROM mend.savings v WHERE v.day >= since::date AND (one_table IS NULL OR v.target_name = one_table);
    names := ARRAY['What needs you', 'Timeline', 'Decisions that wait', 'Tables', 'Dead letters by cause', 'Patches', 'Savings', 'Events'];
    sections := ARRAY[
        mend.html_table(names[1], ARRAY['Severity', 'What', 'Table', 'Rows', 'Since', 'Command'],
            (SELECT jsonb_agg(jsonb_build_array(a.severity, a.what, coalesce(a.target, ''), coalesce(a.row_count::text, ''), coalesce(replace(left(a.since, 16), 'T', ' '), ''), a.command) ORDER BY a.place)
             FROM (SELECT n.*, row_number() OVER () AS place FROM mend.attention n WHERE one_table IS NULL OR n.target = one_table) a WHERE a.place <= most), 's1'),
        mend.html_timeline(since, one_table),
        mend.html_table(names[3], ARRAY['Patch', 'Table', 'Since', 'Why', 'DDL'],
            (SELECT jsonb_agg(jsonb_build_array(d.patch_id, d.target::text, date_trunc('second', d.waits_since)::text, d.reason,
                                                concat_ws(E'\n', nullif(mend.ddl_in_lines(d.ddl), ''), nullif(d.field_map, '{}')::text)) ORDER BY d.patch_id)
             FROM (SELECT * FROM mend.decisions WHERE one_table IS NULL OR decisions.target = report_page.target ORDER BY patch_id DESC LIMIT most) d), 's3'),
        mend.html_table(names[4], ARRAY['Table', 'Mode', 'State', 'Queued', 'Dead letters', 'Oldest', 'Why'],
            (SELECT jsonb_agg(jsonb_build_array(s.target::text, s.mode, s.state, s.queued, s.dead_letters, coalesce(s.oldest::text, ''), coalesce(s.reason, '')) ORDER BY s.queued DESC, s.dead_letters DESC, s.target::text)
             FROM (SELECT * FROM mend.status WHERE one_table IS NULL OR status.target = report_page.target ORDER BY queued DESC, dead_letters DESC LIMIT most) s), 's4'),
        -- Reasons that differ in numbers and quoted names alone have one cause.
        mend.html_table(names[5], ARRAY['Table', 'Kind', 'Fields', 'Why', 'Payloads', 'Last'],
            (SELECT jsonb_agg(jsonb_build_array(g.target_name, g.kind, g.fields, g.why, g.n, date_trunc('second', g.last)::text) ORDER BY g.n DESC)
             FROM (SELECT d.target_name, d.kind, min(d.reason) AS why, count(*) AS n, max(d.died_at) AS last,
                          (SELECT string_agg(f.field, ', ' ORDER BY f.field) FROM (SELECT unnest((array_agg(DISTINCT d.field) FILTER (WHERE d.field IS NOT NULL))[1:5]) AS field) f)
                          || CASE WHEN count(DISTINCT d.field) > 5 THEN format(' and %s more', count(DISTINCT d.field) - 5) ELSE '' END AS fields
                   FROM (SELECT * FROM mend.dead_letters WHERE died_at >= since AND (one_table IS NULL OR target_name = one_table) ORDER BY id DESC LIMIT 100000) d
                   GROUP BY d.target_name, d.kind, regexp_replace(d.reason, '"[^"]*"|\d+', '#', 'g') ORDER BY 4 DESC LIMIT 100) g), 's5'),
        mend.html_table(names[6], ARRAY['Patch', 'Table', 'State', 'When', 'Stored', 'DDL'],
            (SELECT jsonb_agg(jsonb_build_array(p.id, p.target_name, p.state, date_trunc('second', coalesce(p.applied_at, p.created_at))::text, p.rows_healed, mend.ddl_in_lines(coalesce(p.ddl, p.proposed_ddl))) ORDER BY p.id DESC)
             FROM (SELECT * FROM mend.patches WHERE created_at >= since AND (one_table IS NULL OR target_name = one_table) ORDER BY id DESC LIMIT most) p), 's6'),
        mend.html_table(names[7], ARRAY['Day', 'Table', 'By rule', 'By model', 'By a person', 'Failed', 'Rescued', 'Minutes saved'],
            (SELECT jsonb_agg(jsonb_build_array(v.day, v.target_name, v.by_rule, v.by_model, v.by_person, v.failed, v.rows_rescued, v.minutes_saved) ORDER BY v.day DESC, v.target_name)
             FROM (SELECT * FROM mend.savings WHERE day >= since::date AND (one_table IS NULL OR target_name = one_table) ORDER BY day DESC LIMIT most) v), 's7'),
        mend.html_table(names[8], ARRAY['When', 'What', 'Table', 'Patch', 'Who', 'Particulars'],
            (SELECT jsonb_agg(jsonb_build_array(date_trunc('second', e.at)::text, replace(e.kind, '_', ' '), coalesce(e.target_name, ''), coalesce(e.patch_id::text, ''), e.actor,
                                                left(coalesce(e.detail ->> 'reason', e.detail ->> 'rows', ''), 500)) ORDER BY e.id DESC)
             FROM (SELECT * FROM mend.events WHERE at >= since AND (one_table IS NULL OR target_name = one_table) ORDER BY id DESC LIMIT most) e), 's8')];
    SELECT '<nav>' || string_agg('<a href="#' || CASE WHEN n = 2 THEN 'timeline' ELSE 's' || n END || '">' || mend.html(names[n]) || '</a>', ' ' ORDER BY n) || '</nav>' INTO body
    FROM generate_subscripts(sections, 1) n WHERE sections[n] <> '';
    PERFORM set_config('application_name', looks, true);
    RETURN '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src ''none''; style-src ''unsafe-inline''">'
        || '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer"><title>pg_mend: '
        || mend.html(title) || '</title><style>' || mend.html_style() || '</style></head><body><main><h1>pg_mend: ' || mend.html(title)
        || '</h1><p class="soft">' || mend.html(format('%s to %s', CASE WHEN isfinite(since) THEN date_trunc('second', since)::text ELSE 'the beginning' END, date_trunc('second', now())))
        || '</p>' || CASE WHEN one_table IS NULL AND used THEN '<p class="claim">' || mend.html(mend.claim(since)) || '</p>' ELSE '' END
        || CASE WHEN sections[1] = '' THEN '<p class="claim">' || CASE WHEN EXISTS (SELECT FROM mend.enrollments) THEN 'Nothing needs you.' ELSE 'No table is enrolled yet: <code>SELECT mend.enroll(''schema.table'')</code>' END || '</p>' ELSE '' END
        || coalesce(body, '') || sections[1] || CASE WHEN used THEN '<div class="tiles">'
        || (SELECT string_agg('<div class="tile' || CASE WHEN (t ->> 2)::boolean THEN ' bad' ELSE '' END || '"><b>' || mend.html(coalesce(t ->> 1, '0')) || '</b>' || mend.html(t ->> 0)
                              || CASE WHEN t ->> 3 <> '' THEN '<small>' || mend.html(t ->> 3) || '</small>' ELSE '' END || '</div>', '' ORDER BY n)
            FROM jsonb_array_elements(tiles) WITH ORDINALITY u (t, n)) || '</div>' ELSE '' END
        || array_to_string(sections[2:], '') || '</main></body></html>';
END
$$;
COMMENT ON FUNCTION mend.report_page(timestamptz, regclass) IS 'Internal: the page of mend.report_html() and mend.table_report_html()';
REVOKE ALL ON FUNCTION mend.report_page(timestamptz, regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.report_page(timestamptz, regclass) TO mend_admin;

CREATE OR REPLACE FUNCTION mend.report_html(since timestamptz DEFAULT now() - interval '7 days') RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN mend.report_page(since, NULL);
COMMENT ON FUNCTION mend.report_html(timestamptz) IS
    'One self-contained HTML page: what needs a person, a timeline, decisions that wait, queue and dead letters, patches, savings and events since a time (a week ago); the newest thousand of each, folded past ten';
REVOKE ALL ON FUNCTION mend.report_html(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.report_html(timestamptz) TO mend_admin;

CREATE OR REPLACE FUNCTION mend.table_report_html(target regclass, since timestamptz DEFAULT now() - interval '7 days') RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN mend.report_page(since, target);
COMMENT ON FUNCTION mend.table_report_html(regclass, timestamptz) IS 'The page of mend.report_html() for one landing table';
REVOKE ALL ON FUNCTION mend.table_report_html(regclass, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.table_report_html(regclass, timestamptz) TO mend_admin;
