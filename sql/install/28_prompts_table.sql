-- What left the database for a model: written before it is sent, never changed. An event of kind prompt_sent seals each digest.
CREATE TABLE mend.prompts (
    call_id     bigint PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    target_name text NOT NULL,
    provider    text NOT NULL,
    host        text NOT NULL,
    model       text NOT NULL,
    share       mend.share NOT NULL,
    bytes       bigint NOT NULL,
    sha256      text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    body        text
);
COMMENT ON TABLE mend.prompts IS 'Every request to a model, as mend.keep_prompts says: append-only; mend.verify_events() checks it against the sealed events';
COMMENT ON COLUMN mend.prompts.call_id IS 'The request in mend.calls; its status and cost are there';
COMMENT ON COLUMN mend.prompts.at IS 'When it was about to be sent';
COMMENT ON COLUMN mend.prompts.target_name IS 'The landing table it was about';
COMMENT ON COLUMN mend.prompts.provider IS 'anthropic, bedrock, vertex or foundry';
COMMENT ON COLUMN mend.prompts.host IS 'The host it was sent to';
COMMENT ON COLUMN mend.prompts.model IS 'The model that was asked';
COMMENT ON COLUMN mend.prompts.share IS 'What of the payloads it could hold: shape or values';
COMMENT ON COLUMN mend.prompts.bytes IS 'Size of its body';
COMMENT ON COLUMN mend.prompts.sha256 IS 'SHA-256 of its body, byte for byte';
COMMENT ON COLUMN mend.prompts.body IS 'Its body, byte for byte; null unless mend.keep_prompts is full';
SELECT pg_catalog.pg_extension_config_dump('mend.prompts', '');
