-- Big tables whose columns get a wider type without a long lock. Not dumped: what it says is of this cluster; mend.approve()
-- begins anew.
CREATE TABLE mend.widenings (
    patch        bigint NOT NULL,
    "column"     name NOT NULL,
    step         text NOT NULL DEFAULT 'column'
                 CHECK (step IN ('column', 'backfill', 'verify', 'indexes', 'statistics', 'swap', 'done', 'cancelling', 'cancelled')),
    position     bigint NOT NULL DEFAULT 0,
    rows         bigint NOT NULL DEFAULT 0,
    started      timestamptz NOT NULL DEFAULT clock_timestamp(),
    paused       boolean NOT NULL DEFAULT false,
    error        text,
    target       regclass NOT NULL,
    target_name  text NOT NULL,
    attnum       smallint NOT NULL,
    new_attnum   smallint,
    type         text NOT NULL,
    trigger      oid,
    blocks       bigint NOT NULL DEFAULT 0,
    passed_over  bigint NOT NULL DEFAULT 0,
    passes       int NOT NULL DEFAULT 0,
    tries        int NOT NULL DEFAULT 0,
    not_before   timestamptz,
    step_started timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished     timestamptz,
    narrows      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (patch, "column")
);
CREATE INDEX widenings_target ON mend.widenings (target);
COMMENT ON TABLE mend.widenings IS 'Columns that are, or were, widened online: how far the worker is';
COMMENT ON COLUMN mend.widenings.patch IS 'The patch';
COMMENT ON COLUMN mend.widenings."column" IS 'The column';
COMMENT ON COLUMN mend.widenings.step IS 'What is done now, or next: column, backfill, verify, indexes, statistics, swap, done; cancelling, cancelled';
COMMENT ON COLUMN mend.widenings.position IS 'backfill: the first block of the table that was not read yet in this pass; indexes: how many are built';
COMMENT ON COLUMN mend.widenings.rows IS 'Rows whose value was copied so far, but those that were stored or changed meanwhile';
COMMENT ON COLUMN mend.widenings.started IS 'When it began';
COMMENT ON COLUMN mend.widenings.paused IS 'Whether it waits for mend.resume_widening() or mend.cancel_widening(): a person paused it, or an error did';
COMMENT ON COLUMN mend.widenings.error IS 'The last error, or what it waits for, in plain words';
COMMENT ON COLUMN mend.widenings.target IS 'The landing table';
COMMENT ON COLUMN mend.widenings.target_name IS 'Its schema-qualified name';
COMMENT ON COLUMN mend.widenings.attnum IS 'The column''s number before';
COMMENT ON COLUMN mend.widenings.new_attnum IS 'The number of the second column, while it is there';
COMMENT ON COLUMN mend.widenings.type IS 'The wider type';
COMMENT ON COLUMN mend.widenings.trigger IS 'OID of the trigger that keeps the second column in step, while it is there';
COMMENT ON COLUMN mend.widenings.blocks IS 'Blocks of the table when the pass began; indexes: how many are wanted';
COMMENT ON COLUMN mend.widenings.passed_over IS 'Rows that somebody had locked in this pass: there is another one';
COMMENT ON COLUMN mend.widenings.passes IS 'Passes over the table so far';
COMMENT ON COLUMN mend.widenings.tries IS 'How often in a row the step has failed, or its lock was not to be had';
COMMENT ON COLUMN mend.widenings.not_before IS 'When it goes on, if it waits';
COMMENT ON COLUMN mend.widenings.step_started IS 'When the step began';
COMMENT ON COLUMN mend.widenings.finished IS 'When it was done, or cancelled';
COMMENT ON COLUMN mend.widenings.narrows IS 'Whether the column gets its former, narrower type back: mend.revert(patch_id, online => true)';
