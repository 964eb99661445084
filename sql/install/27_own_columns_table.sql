-- Columns that rules have added by themselves. Not dumped: after a restore they are like any other.
CREATE TABLE mend.own_columns (
    target      regclass NOT NULL,
    column_name name NOT NULL,
    attnum      smallint NOT NULL,
    type        text NOT NULL,
    profile     jsonb NOT NULL,
    patch_id    bigint NOT NULL,
    PRIMARY KEY (target, column_name)
);
COMMENT ON TABLE mend.own_columns IS 'Columns that rules have added by themselves: their type was a guess, which later values may better while nobody else has altered them';
COMMENT ON COLUMN mend.own_columns.target IS 'The landing table';
COMMENT ON COLUMN mend.own_columns.column_name IS 'The column';
COMMENT ON COLUMN mend.own_columns.attnum IS 'Its number: another column of the name is another column';
COMMENT ON COLUMN mend.own_columns.type IS 'The type that rules have given it; with another one it is not theirs any more';
COMMENT ON COLUMN mend.own_columns.profile IS 'JSON types, formats, widths and ranges of the values that it was made from; never a value';
COMMENT ON COLUMN mend.own_columns.patch_id IS 'The patch that gave it its type';
