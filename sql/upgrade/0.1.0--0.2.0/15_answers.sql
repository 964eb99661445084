-- Where the record is in a payload.
ALTER TABLE mend.enrollments ADD COLUMN at text;
COMMENT ON COLUMN mend.enrollments.at IS 'Where the record is in a payload: a JSON Pointer; null: the payload is the record';

-- Types for new columns.
ALTER TABLE mend.enrollments ADD COLUMN hints jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN mend.enrollments.hints IS 'Types for new columns, by patterns of their names';

-- Correcting dead letters. mend.retry() of 0.1 is dropped in 13_rights.sql.
ALTER TABLE mend.queue ADD COLUMN original text;
COMMENT ON COLUMN mend.queue.original IS 'The payload as it was offered, where mend.amend() has changed it';
ALTER TABLE mend.dead_letters ADD COLUMN original text;
COMMENT ON COLUMN mend.dead_letters.original IS 'The payload as it was offered, where mend.amend() has changed it';
COMMENT ON COLUMN mend.dead_letters.payload IS 'The payload; byte for byte as offered when it came as text, unless mend.amend() has changed it';
ALTER TABLE mend.dead_letters ADD COLUMN overtaken boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN mend.dead_letters.overtaken IS 'Whether a newer payload for the same row is stored: a retry would bring an older version back';
CREATE INDEX dead_letters_target_key ON mend.dead_letters (target, key_hash) WHERE key_hash IS NOT NULL;
