CREATE OR REPLACE FUNCTION mend.enroll(
    target          regclass,
    mode            mend.label    DEFAULT 'auto',
    allow           mend.label[]  DEFAULT '{add_column,widen_type,map_field}',
    healer          regrole       DEFAULT NULL,
    share           mend.label    DEFAULT 'shape',
    lossless        boolean       DEFAULT true,
    on_conflict     text          DEFAULT 'dead_letter',
    carry           text[]        DEFAULT '{}',
    naive_zone      text          DEFAULT NULL,
    allow_published boolean       DEFAULT false,
    rescue          name          DEFAULT NULL,
    online          boolean       DEFAULT false,
    null_if         text[]        DEFAULT '{}',
    hints           jsonb         DEFAULT '{}',
    at              text          DEFAULT NULL,
    newer_by        name          DEFAULT NULL
) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mend_enroll';
COMMENT ON FUNCTION mend.enroll IS
'Makes a table a landing table. Nothing about the table changes. The caller owns it and is in mend_admin.
target: a plain or partitioned table; of a partitioned one, the root
mode: auto (the worker heals), review (every patch waits for mend.approve()), paused (the worker leaves the table alone)
allow: what a patch may do
healer: the limited role that is lent the table for one ALTER TABLE; null: mend_healer; another needs the right to SET ROLE to it
share: what a planner outside the database may see: shape (masks, lengths, ranges) or values (a few samples, truncated)
lossless: whether a value that the column''s type would silently change is drift
on_conflict: what a duplicate key does: dead_letter, ignore, update (on the primary key, only the columns present) or raise
carry: settings of the submitter''s session that replay restores, such as app.tenant_id
naive_zone: time zone of times without an offset; null or empty: such a time does not fit timestamptz
allow_published: whether patches may be applied without review though the table is in a publication
rescue: a nullable jsonb column of the table that keeps values which do not fit, so that their rows are stored at once
online: whether the worker may widen a column of the table online, unasked in mode auto, where the table is larger than mend.max_rewrite_size
null_if: texts that stand for nothing in all columns that are not text, such as an empty text and N/A: exactly these, and only where they do not fit
hints: types for new columns, by patterns of their names, where all values fit: {"*_at": "timestamptz", "price": "numeric(12,2)"}
at: where the record is in a payload, for envelopes: a JSON Pointer such as /data/object; what is outside is not stored; null: the payload is the record
newer_by: with on_conflict update, the column that says which of two rows is newer: a row is updated only where its value there is not less than
the stored one; null: the order in which payloads are offered';

CREATE OR REPLACE FUNCTION mend.configure(
    target          regclass,
    mode            mend.label    DEFAULT NULL,
    allow           mend.label[]  DEFAULT NULL,
    healer          regrole       DEFAULT NULL,
    share           mend.label    DEFAULT NULL,
    lossless        boolean       DEFAULT NULL,
    on_conflict     text          DEFAULT NULL,
    carry           text[]        DEFAULT NULL,
    naive_zone      text          DEFAULT NULL,
    allow_published boolean       DEFAULT NULL,
    rescue          name          DEFAULT NULL,
    online          boolean       DEFAULT NULL,
    null_if         text[]        DEFAULT NULL,
    hints           jsonb         DEFAULT NULL,
    at              text          DEFAULT NULL,
    newer_by        name          DEFAULT NULL
) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mend_configure';
COMMENT ON FUNCTION mend.configure IS
'Changes the terms of a landing table. The arguments are those of mend.enroll; null leaves a term as it is, an empty
naive_zone takes the zone away, an empty rescue ends rescuing (values that are rescued stay where they are), an empty at
makes payloads the records, and an empty newer_by takes the column away.';

CREATE OR REPLACE FUNCTION mend.unenroll(target regclass) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mend_unenroll';
COMMENT ON FUNCTION mend.unenroll IS
'Makes a landing table an ordinary table again, with its recorded mappings forgotten. Refused while rows are queued; dead
letters stay. A table that was dropped is given by its OID.';

CREATE OR REPLACE FUNCTION mend.unenroll_all(force boolean DEFAULT false) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mend_unenroll_all';
COMMENT ON FUNCTION mend.unenroll_all IS
'Makes all landing tables ordinary tables again and returns how many there were. The caller owns them.
force: rows that are still queued become dead letters; without it they are a reason to refuse';

CREATE OR REPLACE FUNCTION mend.move(target text, to_table regclass DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mend_move';
COMMENT ON FUNCTION mend.move IS
'Gets the rows of a table out of the queue, whatever state the table is in, and returns how many. Of a table that was dropped
the enrolment goes as well. The caller owns the table, if it is still there.
target: its name as mend.queue.target_name has it, or its OID; where a table of that name was dropped, its rows are meant
to_table: a landing table to which its queued rows and dead letters are offered anew, in the caller''s name; null: queued rows become dead letters';

CREATE OR REPLACE FUNCTION mend.map_field(target regclass, field text, column_name name) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mend_map_field';
COMMENT ON FUNCTION mend.map_field IS
'Records that a payload field goes to a column, and tries the queued rows again.
field: the key as the payloads write it
column_name: an existing column; null: ignore the field';

CREATE OR REPLACE FUNCTION mend.read_as(target regclass, column_name name, reading text, field text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mend_read_as';
COMMENT ON FUNCTION mend.read_as IS
'Records how values for a column are read that do not fit as they are, and tries the queued rows again.
column_name: an existing column
reading: null_if("", "N/A"), epoch_s, epoch_ms, epoch_us, epoch_ns, epoch_days, number, number_comma, number_point, boolean("Y" | "N"),
date_ymd, date_dmy, date_mdy, time_zone("Europe/Berlin"), base64, base64url, hex, json_text, parse_json or extended_json; several are
separated by commas and tried in their order; they take the place of those before; null: plainly again
field: the key of whose values it is said, which goes to the column; null: all keys that do';

CREATE OR REPLACE FUNCTION mend.accept_loss(target regclass, column_name name) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mend_accept_loss';
COMMENT ON FUNCTION mend.accept_loss IS
'Gives one column PostgreSQL''s own coercion back: values that its type changes silently are stored, not queued.';

REVOKE ALL ON FUNCTION mend.enroll, mend.configure, mend.unenroll, mend.unenroll_all, mend.move, mend.map_field, mend.accept_loss,
    mend.read_as FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.configure, mend.unenroll, mend.unenroll_all, mend.move, mend.map_field, mend.accept_loss,
    mend.read_as TO mend_admin;
-- Whoever may not is told what he lacks.
GRANT EXECUTE ON FUNCTION mend.enroll TO PUBLIC;
