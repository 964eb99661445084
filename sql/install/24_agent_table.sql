-- One row a role. Not dumped: it is about the last minute.
CREATE TABLE mend.tool_calls (
    actor name PRIMARY KEY,
    since timestamptz NOT NULL,
    calls bigint NOT NULL
);
COMMENT ON TABLE mend.tool_calls IS 'How many tool calls a role has recorded in the current minute';
COMMENT ON COLUMN mend.tool_calls.actor IS 'The role that calls';
COMMENT ON COLUMN mend.tool_calls.since IS 'When the minute began';
COMMENT ON COLUMN mend.tool_calls.calls IS 'Calls since then; past 600 they are counted, and not kept as events';
