-- Where the record is in a payload.
ALTER TABLE mend.enrollments ADD COLUMN at text;
COMMENT ON COLUMN mend.enrollments.at IS 'Where the record is in a payload: a JSON Pointer; null: the payload is the record';
