-- What waits behind an older payload of the same key.
ALTER TABLE mend.queue DROP CONSTRAINT queue_kind_check,
    ADD CONSTRAINT queue_kind_check
    CHECK (kind IN ('new_field', 'type_conflict', 'out_of_range', 'too_long', 'missing_required', 'lossy',
                    'ambiguous', 'generated', 'no_partition', 'constraint', 'malformed', 'behind'));
ALTER TABLE mend.dead_letters DROP CONSTRAINT dead_letters_kind_check,
    ADD CONSTRAINT dead_letters_kind_check
    CHECK (kind IN ('new_field', 'type_conflict', 'out_of_range', 'too_long', 'missing_required', 'lossy',
                    'ambiguous', 'generated', 'no_partition', 'constraint', 'malformed', 'behind'));
ALTER TABLE mend.drifts DROP CONSTRAINT drifts_kind_check,
    ADD CONSTRAINT drifts_kind_check
    CHECK (kind IN ('new_field', 'type_conflict', 'out_of_range', 'too_long', 'missing_required', 'lossy',
                    'ambiguous', 'generated', 'no_partition', 'constraint', 'malformed', 'behind'));
ALTER TABLE mend.queue ADD COLUMN key_hash bigint;
COMMENT ON COLUMN mend.queue.key_hash IS 'Hash of the primary key that the payload brings, where on_conflict is update: payloads for one row are stored in their order';
ALTER TABLE mend.dead_letters ADD COLUMN key_hash bigint;
COMMENT ON COLUMN mend.dead_letters.key_hash IS 'As in the queue, for a retry';
CREATE INDEX queue_target_key ON mend.queue (target, key_hash, id) WHERE key_hash IS NOT NULL;

-- Which of two payloads for one row is newer.
ALTER TABLE mend.enrollments ADD COLUMN newer_by name;
COMMENT ON COLUMN mend.enrollments.newer_by IS 'The column by which a row is newer than the stored one; null: the order in which payloads are offered';
DROP FUNCTION IF EXISTS mend.enroll(regclass, mend.mode, mend.action[], regrole, mend.share, boolean, text, text[], text, boolean);
DROP FUNCTION IF EXISTS mend.configure(regclass, mend.mode, mend.action[], regrole, mend.share, boolean, text, text[], text, boolean);
