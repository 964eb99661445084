-- A profile that gives way to other tables goes on where it was.
ALTER TABLE mend.progress ADD COLUMN folding pg_snapshot, ADD COLUMN folding_xid xid8, ADD COLUMN folding_id bigint;
COMMENT ON COLUMN mend.progress.folding IS 'The snapshot whose rows are being folded, where a round has given way to other tables meanwhile: they are, up to folding_xid and folding_id';
COMMENT ON COLUMN mend.progress.folding_xid IS 'The transaction of the last row that was folded then';
COMMENT ON COLUMN mend.progress.folding_id IS 'Its id';
