-- Rescued values; their tables are sql/install/25_rescue_tables.sql.
ALTER TYPE mend.load_result ADD ATTRIBUTE rescued bigint;
COMMENT ON TYPE mend.load_result IS 'How many payloads of one healing_load call were stored, queued and dead-lettered; rescued: stored with values in the rescue column';

ALTER TABLE mend.enrollments ADD COLUMN rescue name;
COMMENT ON COLUMN mend.enrollments.rescue IS 'The column that keeps values which do not fit, so that their rows are stored at once; null: such rows are queued';

ALTER TABLE mend.drifts ADD COLUMN rescued bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN mend.drifts.row_count IS 'Rows that showed it, queued or rescued';
COMMENT ON COLUMN mend.drifts.rescued IS 'Of its rows, those on record as stored with the value in the rescue column';

DROP FUNCTION IF EXISTS mend.enroll(regclass, mend.mode, mend.action[], regrole, mend.share, boolean, text, text[], text, boolean);
DROP FUNCTION IF EXISTS mend.configure(regclass, mend.mode, mend.action[], regrole, mend.share, boolean, text, text[], text, boolean);
