-- What mend-mcp, the bridge to MCP clients, needs besides the functions and tables that everybody uses. It logs in as
-- the user's own role: nothing here gives a role more than it has.
CREATE OR REPLACE FUNCTION mend.dry_run_patch(
    patch_id bigint,
    OUT ok boolean, OUT rows_tried bigint, OUT rows_healed bigint, OUT rewrites_table boolean, OUT reason text)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_dry_run_patch';
COMMENT ON FUNCTION mend.dry_run_patch(bigint) IS
    'Proves a recorded patch, with its field mappings, as mend.dry_run() does: in memory, without a lock, keeping nothing';
REVOKE ALL ON FUNCTION mend.dry_run_patch(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.dry_run_patch(bigint) TO mend_admin, mend_agent;

CREATE OR REPLACE FUNCTION mend.record_tool_call(
    tool text, sqlstate text, milliseconds bigint, table_name text DEFAULT NULL, patch_id bigint DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    a_minute_of CONSTANT bigint := 600;
    moment CONSTANT timestamptz := clock_timestamp();
    past mend.tool_calls;
    known_table text;
    known_patch bigint;
BEGIN
    IF record_tool_call.tool IS NULL OR record_tool_call.tool !~ '^[a-z_]{1,40}$'
       OR record_tool_call.sqlstate !~ '^[0-9A-Z]{5}$' THEN
        RAISE EXCEPTION 'a tool call has a tool''s name, and a SQLSTATE or null'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'mend-mcp calls this by itself, for every call of a tool.';
    END IF;
    INSERT INTO mend.tool_calls VALUES (session_user, moment, 0) ON CONFLICT DO NOTHING;
    SELECT * INTO past FROM mend.tool_calls c WHERE c.actor = session_user FOR UPDATE;
    IF past.since <= moment - interval '1 minute' THEN
        IF past.calls > a_minute_of THEN
            INSERT INTO mend.events (kind, detail)
            VALUES ('tool_calls_dropped', jsonb_build_object('calls', past.calls - a_minute_of, 'since', past.since));
        END IF;
        past.since := moment;
        past.calls := 0;
    END IF;
    UPDATE mend.tool_calls c SET since = past.since, calls = past.calls + 1 WHERE c.actor = session_user;
    IF past.calls >= a_minute_of THEN
        RETURN false;
    END IF;
    SELECT e.target_name INTO known_table FROM mend.enrollments e WHERE e.target_name = record_tool_call.table_name;
    SELECT p.id INTO known_patch FROM mend.patches p WHERE p.id = record_tool_call.patch_id;
    INSERT INTO mend.events (kind, target_name, patch_id, detail)
    VALUES ('tool_call', known_table, known_patch, jsonb_strip_nulls(jsonb_build_object(
        'tool', record_tool_call.tool,
        'outcome', CASE WHEN record_tool_call.sqlstate IS NULL THEN 'ok' ELSE 'error' END,
        'sqlstate', record_tool_call.sqlstate,
        'milliseconds', least(greatest(record_tool_call.milliseconds, 0), 86400000),
        'table', CASE WHEN known_table IS NULL THEN left(record_tool_call.table_name, 200) END,
        'patch', CASE WHEN known_patch IS NULL THEN record_tool_call.patch_id END)));
    RETURN true;
END
$$;
COMMENT ON FUNCTION mend.record_tool_call(text, text, bigint, text, bigint) IS
    'Keeps an event (kind tool_call, actor the session''s user) of one call of a tool by mend-mcp. False: the role has used up its 600 events of this minute; how many were left out becomes an event of its own
tool: its name
sqlstate: of the error it ended in; null: it went well
milliseconds: how long it took
table_name: the table it was about, as the client named it
patch_id: the patch it was about';
REVOKE ALL ON FUNCTION mend.record_tool_call(text, text, bigint, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.record_tool_call(text, text, bigint, text, bigint) TO mend_admin, mend_agent;

-- An agent sees that there are dead letters and what kind they are. Not payload, error and reason, which may quote values.
GRANT SELECT (id, target, target_name, submitted_at, died_at, sqlstate, kind, cause, field, patch_id) ON mend.dead_letters TO mend_agent;
