-- Where the record is in a payload.
ALTER TABLE mend.enrollments ADD COLUMN at text;
COMMENT ON COLUMN mend.enrollments.at IS 'Where the record is in a payload: a JSON Pointer; null: the payload is the record';

-- Types for new columns.
ALTER TABLE mend.enrollments ADD COLUMN hints jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN mend.enrollments.hints IS 'Types for new columns, by patterns of their names';
