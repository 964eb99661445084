COMMENT ON TYPE mend.action IS 'What a patch may do to a table';
