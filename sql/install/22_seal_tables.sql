-- The hash chain over mend.events: sql/install/65_seals.sql.
CREATE TABLE mend.event_seals (
    position  bigint PRIMARY KEY CHECK (position > 0),
    event_id  bigint NOT NULL UNIQUE,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    head      text NOT NULL CHECK (head ~ '^[0-9a-f]{64}$')
);
COMMENT ON TABLE mend.event_seals IS 'The hash chain over mend.events, in the order in which events could first be seen; written by the worker alone';
COMMENT ON COLUMN mend.event_seals.position IS 'Place in the chain, from 1 on, without a gap';
COMMENT ON COLUMN mend.event_seals.event_id IS 'The event that is sealed';
COMMENT ON COLUMN mend.event_seals.sealed_at IS 'When it was sealed';
COMMENT ON COLUMN mend.event_seals.head IS 'SHA-256 over the head before it, the place, the time and the event: it stands for all events up to here';
SELECT pg_catalog.pg_extension_config_dump('mend.event_seals', '');

-- Not dumped: a restore fills it again by the trigger.
CREATE TABLE mend.unsealed_events (
    event_id bigint PRIMARY KEY
) WITH (autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON TABLE mend.unsealed_events IS 'Events that the worker has yet to seal';
COMMENT ON COLUMN mend.unsealed_events.event_id IS 'The event';
