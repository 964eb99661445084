-- A page to look at. Everything that comes from outside passes mend.html(): the one place where text becomes markup.
CREATE OR REPLACE FUNCTION mend.html(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN coalesce(replace(replace(replace(replace(replace(mend.in_order(words), '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;'), '');
COMMENT ON FUNCTION mend.html(text) IS 'A text as it stands in HTML, in attributes too';
REVOKE ALL ON FUNCTION mend.html(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.html(text) TO mend_admin;

-- On a narrow screen a row becomes a card, and each cell says what it is.
CREATE OR REPLACE FUNCTION mend.html_table(title text, labels text[], rows jsonb, if_empty text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN '<section><h2>' || mend.html(title) || '</h2>' || coalesce(
    '<table><thead><tr>' || (SELECT string_agg('<th scope="col">' || mend.html(l) || '</th>', '' ORDER BY n) FROM unnest(labels) WITH ORDINALITY u (l, n))
    || '</tr></thead><tbody>' || (
        SELECT string_agg('<tr>' || (
            SELECT string_agg('<td data-label="' || mend.html(labels[n]) || CASE WHEN length(cell) <= 22 THEN '" class="s">' ELSE '">' END ||
                              CASE WHEN labels[n] = 'DDL' THEN '<code>' || mend.html(cell) || '</code>' ELSE '<span>' || mend.html(cell) || '</span>' END || '</td>', '' ORDER BY n)
            FROM jsonb_array_elements_text(r.row) WITH ORDINALITY c (cell, n)) || '</tr>', E'\n' ORDER BY r.n)
        FROM jsonb_array_elements(rows) WITH ORDINALITY r (row, n)) || '</tbody></table>',
    '<p class="none">' || mend.html(if_empty) || '</p>') || '</section>';
COMMENT ON FUNCTION mend.html_table(text, text[], jsonb, text) IS
    'Internal: a section of a page: a title and a table of texts, given as an array of arrays; all of it is escaped';
REVOKE ALL ON FUNCTION mend.html_table(text, text[], jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.html_table(text, text[], jsonb, text) TO mend_admin;

-- Sixty columns of time: drifts that began, patches applied, and rounds of dead letters.
CREATE OR REPLACE FUNCTION mend.html_timeline(since timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (
    WITH marks AS (
        SELECT first_seen AS at, 1 AS what FROM mend.drifts WHERE first_seen >= since
        UNION ALL SELECT applied_at, 2 FROM mend.patches WHERE applied_at >= since
        UNION ALL SELECT died_at, 3 FROM (SELECT died_at FROM mend.dead_letters WHERE died_at >= since LIMIT 100000) d
    ), span AS (
        SELECT least(min(at), now() - interval '1 minute') AS first, greatest(max(at), now()) AS last FROM marks
    ), columns AS (
        SELECT least(floor(60 * extract(epoch FROM m.at - s.first) / extract(epoch FROM s.last - s.first)), 59)::int AS place, m.what, count(*) AS n
        FROM marks m, span s GROUP BY 1, 2
    ), heights AS (
        SELECT place, what, ln(1 + n) AS height, max(ln(1 + n)) OVER () AS most FROM columns
    )
    SELECT '<section><h2>Timeline</h2><p class="legend"><span class="k k1"></span>drift begins <span class="k k2"></span>patch applied '
        || '<span class="k k3"></span>dead letters</p><svg viewBox="0 0 600 90" preserveAspectRatio="none" role="img" aria-label="Drift, patches and dead letters over time">'
        || coalesce((SELECT string_agg(format('<rect class="k%s" x="%s" y="%s" width="9" height="%s"></rect>', what, place * 10,
                                              round((30 * what - 28 * height / most)::numeric, 1), round((28 * height / most)::numeric, 1)), '' ORDER BY what, place)
                     FROM heights), '')
        || '</svg><p class="ends"><span>' || mend.html(to_char(s.first, 'YYYY-MM-DD HH24:MI')) || '</span><span>' || mend.html(to_char(s.last, 'YYYY-MM-DD HH24:MI')) || '</span></p></section>'
    FROM span s);
COMMENT ON FUNCTION mend.html_timeline(timestamptz) IS 'Internal: the timeline of mend.report_html()';
REVOKE ALL ON FUNCTION mend.html_timeline(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.html_timeline(timestamptz) TO mend_admin;

CREATE OR REPLACE FUNCTION mend.html_style() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN $css$
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fbfbf9; --card: #fff; --line: #dcdfe4; --soft: #5b6675; --k1: #d9822b; --k2: #2e8b57; --k3: #b3404a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #14181d; --card: #1d232b; --line: #333c47; --soft: #9aa7b6; --k1: #e8a152; --k2: #57b57f; --k3: #e0737c; } }
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
svg { display: block; width: 100%; height: 6rem; background: var(--card); border: 1px solid var(--line); }
rect.k1 { fill: var(--k1); } rect.k2 { fill: var(--k2); } rect.k3 { fill: var(--k3); }
.k { display: inline-block; width: .75em; height: .75em; margin: 0 .3em 0 .6em; } .k.k1 { background: var(--k1); } .k.k2 { background: var(--k2); } .k.k3 { background: var(--k3); }
.ends { display: flex; justify-content: space-between; }
@media (min-width: 1000px) { td.s { white-space: nowrap; } }
@media (max-width: 640px) { body { padding: .75rem; } thead { display: none; } tr { display: block; padding: .4rem 0; border-bottom: 2px solid var(--line); }
  td { display: grid; grid-template-columns: 6.5rem minmax(0, 1fr); gap: .5rem; border: 0; padding: .15rem .6rem; } td::before { content: attr(data-label); color: var(--soft); } }
$css$;
COMMENT ON FUNCTION mend.html_style() IS 'Internal: the style of mend.report_html(): light and dark, wide and narrow';
REVOKE ALL ON FUNCTION mend.html_style() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.html_style() TO mend_admin;

CREATE OR REPLACE FUNCTION mend.report_html(since timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most CONSTANT int := 1000;  -- rows of a table; the newest
    tiles jsonb;
    page text;
BEGIN
    IF since IS NULL THEN
        RAISE EXCEPTION 'since must not be null' USING ERRCODE = 'null_value_not_allowed', HINT = 'For all there is: ''-infinity''.';
    END IF;
    SELECT jsonb_build_array(
        jsonb_build_array('queued', (SELECT sum(s.queued) FROM mend.status s)),
        jsonb_build_array('dead letters', (SELECT sum(s.dead_letters) FROM mend.status s)),
        jsonb_build_array('decisions that wait', (SELECT count(*) FROM mend.decisions)),
        jsonb_build_array('payloads rescued', (SELECT sum(v.rows_rescued) FROM mend.savings v WHERE v.day >= since::date)),
        jsonb_build_array('minutes saved', (SELECT sum(v.minutes_saved) FROM mend.savings v WHERE v.day >= since::date)),
        jsonb_build_array('model, US dollars', (SELECT round(sum(v.cost_usd), 4) FROM mend.savings v WHERE v.day >= since::date))) INTO tiles;
    page := '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src ''none''; style-src ''unsafe-inline''">'
        || '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer"><title>pg_mend: '
        || mend.html(current_database()) || '</title><style>' || mend.html_style() || '</style></head><body><main><h1>pg_mend: ' || mend.html(current_database())
        || '</h1><p class="soft">' || mend.html(format('%s to %s', CASE WHEN isfinite(since) THEN date_trunc('second', since)::text ELSE 'the beginning' END, date_trunc('second', now())))
        || '</p><p class="claim">' || mend.html(mend.claim(since)) || '</p><div class="tiles">'
        || (SELECT string_agg('<div class="tile"><b>' || mend.html(coalesce(t ->> 1, '0')) || '</b>' || mend.html(t ->> 0) || '</div>', '' ORDER BY n)
            FROM jsonb_array_elements(tiles) WITH ORDINALITY u (t, n)) || '</div>'
        || mend.html_timeline(since);
    page := page || mend.html_table('Decisions that wait', ARRAY['Patch', 'Table', 'Since', 'Why', 'DDL'],
            (SELECT jsonb_agg(jsonb_build_array(d.patch_id, d.target::text, date_trunc('second', d.waits_since)::text, d.reason,
                                                concat_ws(E'\n', nullif(d.ddl, ''), nullif(d.field_map, '{}')::text)) ORDER BY d.patch_id)
             FROM (SELECT * FROM mend.decisions ORDER BY patch_id DESC LIMIT most) d), 'none')
        || mend.html_table('Tables', ARRAY['Table', 'Mode', 'State', 'Queued', 'Dead letters', 'Oldest', 'Why'],
            (SELECT jsonb_agg(jsonb_build_array(s.target::text, s.mode, s.state, s.queued, s.dead_letters, coalesce(s.oldest::text, ''), coalesce(s.reason, '')) ORDER BY s.queued DESC, s.target::text)
             FROM (SELECT * FROM mend.status ORDER BY queued DESC LIMIT most) s), 'no table is enrolled')
        || mend.html_table('Dead letters', ARRAY['Table', 'Kind', 'Field', 'Why', 'Payloads', 'Last'],
            (SELECT jsonb_agg(jsonb_build_array(g.target_name, g.kind, coalesce(g.field, ''), g.reason, g.n, date_trunc('second', g.last)::text) ORDER BY g.n DESC)
             FROM (SELECT d.target_name, d.kind, d.field, d.reason, count(*) AS n, max(d.died_at) AS last
                   FROM (SELECT * FROM mend.dead_letters WHERE died_at >= since ORDER BY id DESC LIMIT 100000) d GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC LIMIT 100) g), 'none')
        || mend.html_table('Patches', ARRAY['Patch', 'Table', 'State', 'When', 'Stored', 'DDL'],
            (SELECT jsonb_agg(jsonb_build_array(p.id, p.target_name, p.state, date_trunc('second', coalesce(p.applied_at, p.created_at))::text, p.rows_healed, coalesce(p.ddl, p.proposed_ddl)) ORDER BY p.id DESC)
             FROM (SELECT * FROM mend.patches WHERE created_at >= since ORDER BY id DESC LIMIT most) p), 'none')
        || mend.html_table('Savings', ARRAY['Day', 'Table', 'By rule', 'By model', 'By a person', 'Failed', 'Rescued', 'Minutes saved'],
            (SELECT jsonb_agg(jsonb_build_array(v.day, v.target_name, v.by_rule, v.by_model, v.by_person, v.failed, v.rows_rescued, v.minutes_saved) ORDER BY v.day DESC, v.target_name)
             FROM (SELECT * FROM mend.savings WHERE day >= since::date ORDER BY day DESC LIMIT most) v), 'none')
        || mend.html_table('Events', ARRAY['When', 'What', 'Table', 'Patch', 'Who', 'Particulars'],
            (SELECT jsonb_agg(jsonb_build_array(date_trunc('second', e.at)::text, e.kind, coalesce(e.target_name, ''), coalesce(e.patch_id::text, ''), e.actor,
                                                left(coalesce(e.detail ->> 'reason', e.detail ->> 'rows', ''), 500)) ORDER BY e.id DESC)
             FROM (SELECT * FROM mend.events WHERE at >= since ORDER BY id DESC LIMIT most) e), 'none')
        || '</main></body></html>';
    RETURN page;
END
$$;
COMMENT ON FUNCTION mend.report_html(timestamptz) IS
    'One self-contained HTML page: timeline, decisions that wait, queue and dead letters, patches, savings and events since a time; the newest thousand of each';
REVOKE ALL ON FUNCTION mend.report_html(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.report_html(timestamptz) TO mend_admin;
