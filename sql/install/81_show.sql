-- For people: what views and tables say in as few columns as a terminal has room for. One text a line, at most 120 characters.
CREATE OR REPLACE FUNCTION mend.show_line(cells text[], widths int[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT rtrim(string_agg(CASE WHEN length(c.cell) > w.width THEN left(c.cell, w.width - 1) || '~' ELSE rpad(c.cell, w.width) END, ' ' ORDER BY w.n))
        FROM unnest(widths) WITH ORDINALITY w (width, n) JOIN LATERAL (SELECT mend.in_order(translate(coalesce(cells[w.n::int], ''), E'\n\r\t', '   ')) AS cell) c ON true);
COMMENT ON FUNCTION mend.show_line(text[], int[]) IS 'Internal: cells in columns of given widths; what is longer is cut, with ~ at its end';
REVOKE ALL ON FUNCTION mend.show_line(text[], int[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.show_line(text[], int[]) TO mend_admin;

CREATE OR REPLACE FUNCTION mend.show(what text, target regclass DEFAULT NULL, most int DEFAULT 20) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known CONSTANT jsonb := '{
        "patches": ["id state table stored when ddl", "7 10 28 7 11 50",
            "SELECT id, state, target_name, rows_healed, to_char(coalesce(applied_at, created_at), ''MM-DD HH24:MI''), coalesce(ddl, proposed_ddl) FROM mend.patches WHERE $1 IS NULL OR target = $1 ORDER BY id DESC LIMIT $2"],
        "decisions": ["patch table since why ddl", "7 26 11 32 38",
            "SELECT patch_id, target::text, to_char(waits_since, ''MM-DD HH24:MI''), reason, ddl FROM mend.decisions WHERE $1 IS NULL OR target = $1 ORDER BY patch_id LIMIT $2"],
        "causes": ["table field cause state rows last sample next", "24 14 15 5 8 11 7 29",
            "SELECT c.target::text, c.field, c.cause, c.state, c.rows, to_char(c.last, ''MM-DD HH24:MI''), c.sample, c.next FROM mend.causes c WHERE $1 IS NULL OR c.target = $1 ORDER BY c.rows DESC, c.target::text, c.field, c.cause LIMIT $2"],
        "drifts": ["table field kind rows state last reason", "24 16 16 8 13 11 24",
            "SELECT target_name, field, kind, row_count, state, to_char(last_seen, ''MM-DD HH24:MI''), reason FROM mend.drifts WHERE $1 IS NULL OR target = $1 ORDER BY last_seen DESC, id DESC LIMIT $2"],
        "dead_letters": ["id table kind field died reason", "9 24 16 14 11 40",
            "SELECT id, target_name, kind, field, to_char(died_at, ''MM-DD HH24:MI''), reason FROM mend.dead_letters WHERE $1 IS NULL OR target = $1 ORDER BY id DESC LIMIT $2"],
        "events": ["at kind table patch actor particulars", "14 16 26 7 14 38",
            "SELECT to_char(at, ''MM-DD HH24:MI:SS''), kind, target_name, patch_id, actor, coalesce(detail ->> ''reason'', detail ->> ''rows'') FROM mend.events WHERE $1 IS NULL OR target_name = (SELECT e.target_name FROM mend.enrollments e WHERE e.target = $1) ORDER BY id DESC LIMIT $2"],
        "incidents": ["table field kind rows outcome ended", "30 22 18 9 8 11",
            "SELECT target_name, field, kind, row_count, outcome, to_char(ended_at, ''MM-DD HH24:MI'') FROM mend.incidents WHERE $1 IS NULL OR target = $1 ORDER BY ended_at DESC, id DESC LIMIT $2"],
        "savings": ["day table rule model person failed rescued minutes", "10 36 6 6 6 6 10 8",
            "SELECT day, target_name, by_rule, by_model, by_person, failed, rows_rescued, minutes_saved FROM mend.savings WHERE $1 IS NULL OR target_name = (SELECT e.target_name FROM mend.enrollments e WHERE e.target = $1) ORDER BY day DESC, target_name LIMIT $2"]}';
    form jsonb := known -> show.what;
    labels text[];
    widths int[];
BEGIN
    IF form IS NULL THEN
        RAISE EXCEPTION 'there is nothing to show of that name: %', coalesce(show.what, 'null') USING ERRCODE = 'invalid_parameter_value',
            HINT = 'It takes ' || (SELECT string_agg(k, ', ' ORDER BY k) FROM jsonb_object_keys(known) k) || '.';
    END IF;
    labels := string_to_array(form ->> 0, ' ');
    widths := string_to_array(form ->> 1, ' ')::int[];
    RETURN NEXT mend.show_line(labels, widths);
    -- The cells by their places: a query of ours, and a row as an array of texts.
    RETURN QUERY EXECUTE format('SELECT mend.show_line(ARRAY(SELECT v.value FROM json_each_text(row_to_json(q)) WITH ORDINALITY v (key, value, n) ORDER BY v.n), $3) FROM (SELECT * FROM (%s) s (%s)) q',
                                form ->> 2, (SELECT string_agg('c' || n, ', ' ORDER BY n) FROM generate_subscripts(labels, 1) n))
        USING show.target, greatest(show.most, 0), widths;
END
$$;
COMMENT ON FUNCTION mend.show(text, regclass, int) IS
'The newest of something, for people: one text a line, at most 120 characters wide. Programs read the views and tables themselves.
what: patches, decisions, causes, drifts, dead_letters, events, incidents or savings
target: a landing table; null: all
most: how many';
REVOKE ALL ON FUNCTION mend.show(text, regclass, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.show(text, regclass, int) TO mend_admin;
