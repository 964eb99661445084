-- What was told when, by kind: more of it within mend.message_window waits, and is told in one message.
CREATE TABLE mend.told (
    kind  text NOT NULL,
    alert boolean NOT NULL,
    at    timestamptz NOT NULL,
    PRIMARY KEY (kind, alert)
);
COMMENT ON TABLE mend.told IS 'When a webhook was last told of events of a kind: more of them are told together, mend.message_window later';
COMMENT ON COLUMN mend.told.kind IS 'The kind of the events';
COMMENT ON COLUMN mend.told.alert IS 'Whether it was told to the URL for alerts';
COMMENT ON COLUMN mend.told.at IS 'When it arrived';
