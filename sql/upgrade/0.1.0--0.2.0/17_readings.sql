-- How values are read that do not fit as they are.
ALTER TYPE mend.action ADD VALUE 'read_as';
ALTER TABLE mend.enrollments ADD COLUMN null_if text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN mend.enrollments.null_if IS 'Texts that stand for nothing in columns that are not text';
ALTER TABLE mend.fields ADD COLUMN reading text;
ALTER TABLE mend.fields ADD COLUMN column_number smallint;
COMMENT ON COLUMN mend.fields.column_number IS 'The column''s number, by which a rename is followed';
COMMENT ON TABLE mend.fields IS 'Recorded mappings from payload fields to columns, and how values are read that do not fit as they are';
COMMENT ON COLUMN mend.fields.reading IS 'How values are read that do not fit as they are: of the field, and of all keys of the column where the field is called as the column is; null: not at all';
DROP FUNCTION mend.propose(regclass, text, jsonb, text);
