-- What is wrong with a value, as a code.
ALTER TABLE mend.queue ADD COLUMN cause text, ADD COLUMN about text;
COMMENT ON COLUMN mend.queue.cause IS 'Code of what is wrong with the value of the first misfit: doc/reasons.md lists them';
COMMENT ON COLUMN mend.queue.about IS 'What the cause is about: a constraint, another key; null when it is about nothing';
ALTER TABLE mend.dead_letters ADD COLUMN cause text, ADD COLUMN about text;
COMMENT ON COLUMN mend.dead_letters.cause IS 'Code of what is wrong: doc/reasons.md lists them';
COMMENT ON COLUMN mend.dead_letters.about IS 'What the cause is about: a constraint, another key; null when it is about nothing';
ALTER TABLE mend.drifts ADD COLUMN cause text NOT NULL DEFAULT 'unspecified';
COMMENT ON COLUMN mend.drifts.cause IS 'Code of what is wrong with the values: doc/reasons.md lists them';
DROP INDEX mend.drifts_unsettled, mend.drifts_buried;
CREATE UNIQUE INDEX drifts_unsettled ON mend.drifts (target, field, kind, cause) WHERE state IN ('open', 'waiting');
CREATE INDEX drifts_buried ON mend.drifts (target, field, kind, cause) WHERE state = 'dead_lettered';
-- What waits is profiled anew, by cause.
UPDATE mend.progress SET folded = NULL;
-- What was taken back with its table, and by no person's decision.
UPDATE mend.patches SET evidence = evidence || '{"unenrolled": true}'
WHERE state = 'rejected' AND reason = 'the table was unenrolled';
ALTER TABLE mend.queue ADD COLUMN first_error text;
ALTER TABLE mend.dead_letters ADD COLUMN first_error text;
COMMENT ON COLUMN mend.queue.first_error IS 'The message of the first try, where the last one had another';
COMMENT ON COLUMN mend.dead_letters.first_error IS 'The message of the first try, where the last one had another';
COMMENT ON COLUMN mend.queue.sqlstate IS 'SQLSTATE of the first misfit, by the last try';
