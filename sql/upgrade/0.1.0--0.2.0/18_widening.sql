-- Widening online; its table is sql/install/26_widening_table.sql.
ALTER TABLE mend.enrollments ADD COLUMN online boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN mend.enrollments.online IS 'Whether the worker may widen columns of the table online, unasked, where it is larger than mend.max_rewrite_size';
ALTER TABLE mend.patches ADD COLUMN online boolean;
COMMENT ON COLUMN mend.patches.online IS 'Whether what rewrites the table is done without a long lock, in steps: mend.widenings';
DROP FUNCTION mend.approve(bigint);
DROP FUNCTION mend.revert(bigint);
