-- Joined by the Makefile into pg_mend--VERSION.sql, in the order of the file names.
\echo Use "CREATE EXTENSION pg_mend" to load this file. \quit

-- PostgreSQL runs this script under the path of the extension's schema, where others may have made functions, operators
-- and types that fit a call better than PostgreSQL's own. Nothing here may bind to one.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Roles are cluster-wide: created if absent, verified if present, never dropped.
DO $do$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['mend_admin', 'mend_agent', 'mend_healer'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
        ELSIF EXISTS (SELECT FROM pg_catalog.pg_roles
                      WHERE rolname = wanted
                        AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)) THEN
            RAISE EXCEPTION 'role "%" exists with more rights than pg_mend allows', wanted
                USING ERRCODE = 'insufficient_privilege',
                      DETAIL = 'It is superuser, CREATEROLE, CREATEDB, REPLICATION or BYPASSRLS.',
                      HINT = pg_catalog.format('ALTER ROLE %I NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS;', wanted);
        ELSIF wanted = 'mend_healer'
              AND (SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            RAISE EXCEPTION 'role "mend_healer" exists and can log in'
                USING ERRCODE = 'insufficient_privilege', HINT = 'ALTER ROLE mend_healer NOLOGIN;';
        END IF;
    END LOOP;
END
$do$;

CREATE SCHEMA mend;
COMMENT ON SCHEMA mend IS 'pg_mend: queue, drift, patches and controls of self-healing ingestion';

CREATE TYPE mend.outcome AS ENUM ('inserted', 'queued', 'dead_lettered');
COMMENT ON TYPE mend.outcome IS 'What became of one payload: stored, kept for healing, or kept for a person';

CREATE TYPE mend.load_result AS (inserted bigint, queued bigint, dead_lettered bigint);
COMMENT ON TYPE mend.load_result IS 'How many payloads of one healing_load call were stored, queued and dead-lettered';

CREATE TYPE mend.mode AS ENUM ('auto', 'review', 'paused');
COMMENT ON TYPE mend.mode IS 'auto: the worker heals; review: every patch waits for mend.approve(); paused: the worker leaves the table alone';

CREATE TYPE mend.action AS ENUM
    ('add_column', 'widen_type', 'drop_not_null', 'set_default', 'map_field', 'add_enum_value');
COMMENT ON TYPE mend.action IS 'What a patch may do to a table; add_enum_value is reserved';

CREATE TYPE mend.share AS ENUM ('shape', 'values');
COMMENT ON TYPE mend.share IS 'What a planner outside the database may see: shapes of values only, or a few truncated samples';
CREATE TABLE mend.enrollments (
    target            regclass PRIMARY KEY,
    target_name       text NOT NULL,
    mode              mend.mode NOT NULL DEFAULT 'auto',
    allow             mend.action[] NOT NULL DEFAULT '{add_column,widen_type,map_field}',
    healer            name NOT NULL DEFAULT 'mend_healer',
    share             mend.share NOT NULL DEFAULT 'shape',
    lossless          boolean NOT NULL DEFAULT true,
    on_conflict       text NOT NULL DEFAULT 'dead_letter'
                      CHECK (on_conflict IN ('dead_letter', 'ignore', 'update', 'raise')),
    carry             text[] NOT NULL DEFAULT '{}',
    naive_zone        text,
    allow_published   boolean NOT NULL DEFAULT false,
    lossy_columns     name[] NOT NULL DEFAULT '{}',
    enrolled_by       name NOT NULL DEFAULT session_user,
    enrolled_at       timestamptz NOT NULL DEFAULT now(),
    system_identifier bigint NOT NULL,
    database_oid      oid NOT NULL
);
COMMENT ON TABLE mend.enrollments IS 'The landing tables: the only tables pg_mend ever alters, and under which terms';
COMMENT ON COLUMN mend.enrollments.target IS 'The landing table';
COMMENT ON COLUMN mend.enrollments.target_name IS 'Its schema-qualified name when it was enrolled: an OID alone may be reused after a restore';
COMMENT ON COLUMN mend.enrollments.mode IS 'auto, review or paused';
COMMENT ON COLUMN mend.enrollments.allow IS 'The actions that a patch may contain';
COMMENT ON COLUMN mend.enrollments.healer IS 'The limited role that is lent the table for the length of one ALTER TABLE';
COMMENT ON COLUMN mend.enrollments.share IS 'What a planner outside the database may see of the payloads';
COMMENT ON COLUMN mend.enrollments.lossless IS 'Whether a value that the column''s type would silently change counts as drift';
COMMENT ON COLUMN mend.enrollments.on_conflict IS 'What to do with a duplicate key: dead_letter, ignore, update (on the primary key) or raise';
COMMENT ON COLUMN mend.enrollments.carry IS 'Settings of the submitter''s session that replay restores';
COMMENT ON COLUMN mend.enrollments.naive_zone IS 'Time zone for times that lack an offset, or null: such a time is no value for timestamptz';
COMMENT ON COLUMN mend.enrollments.allow_published IS 'Whether patches of a table in a publication may be applied without review';
COMMENT ON COLUMN mend.enrollments.lossy_columns IS 'Columns for which mend.accept_loss() gave PostgreSQL''s own coercion back';
COMMENT ON COLUMN mend.enrollments.enrolled_by IS 'Who enrolled the table';
COMMENT ON COLUMN mend.enrollments.enrolled_at IS 'When the table was enrolled';
COMMENT ON COLUMN mend.enrollments.system_identifier IS 'The cluster in which the enrolment heals; in a copy nothing heals until mend.start()';
COMMENT ON COLUMN mend.enrollments.database_oid IS 'The database in which the enrolment heals';

CREATE TABLE mend.fields (
    target      regclass NOT NULL,
    target_name text NOT NULL,
    field       text NOT NULL,
    column_name name,
    held        text,
    patch_id    bigint,
    PRIMARY KEY (target, field)
);
COMMENT ON TABLE mend.fields IS 'Recorded mappings from payload fields to columns';
COMMENT ON COLUMN mend.fields.target IS 'The landing table';
COMMENT ON COLUMN mend.fields.target_name IS 'Its schema-qualified name';
COMMENT ON COLUMN mend.fields.field IS 'The key in the payload, as it is written there';
COMMENT ON COLUMN mend.fields.column_name IS 'The column that takes it; null: the field is ignored, unless held';
COMMENT ON COLUMN mend.fields.held IS 'Why the field is never given a column again by itself; null: it is free';
COMMENT ON COLUMN mend.fields.patch_id IS 'The patch that recorded the mapping; null: a person did';

CREATE TABLE mend.queue (
    id           bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    target       regclass NOT NULL,
    target_name  text NOT NULL,
    payload      text NOT NULL,
    submitter    oid NOT NULL,
    submitted_by name NOT NULL,
    submitted_at timestamptz NOT NULL DEFAULT now(),
    sqlstate     text NOT NULL,
    error        text NOT NULL,
    kind         text NOT NULL
                 CHECK (kind IN ('new_field', 'type_conflict', 'out_of_range', 'too_long', 'missing_required', 'lossy',
                                 'ambiguous', 'generated', 'no_partition', 'constraint', 'malformed')),
    field        text,
    fields       text[] NOT NULL DEFAULT '{}',
    context      jsonb NOT NULL DEFAULT '{}',
    attempts     int NOT NULL DEFAULT 0,
    crashes      int NOT NULL DEFAULT 0,
    not_before   timestamptz,
    patch_id     bigint,
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id()
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX queue_target_id ON mend.queue (target, id);
CREATE INDEX queue_target_xid ON mend.queue (target, xid, id);
CREATE INDEX queue_not_before ON mend.queue (target, not_before) WHERE not_before IS NOT NULL;
COMMENT ON TABLE mend.queue IS 'Payloads that did not fit and wait to be healed; written in the caller''s transaction';
COMMENT ON COLUMN mend.queue.id IS 'Identity of the payload for life: kept when it becomes a dead letter and when it is retried';
COMMENT ON COLUMN mend.queue.target IS 'The landing table';
COMMENT ON COLUMN mend.queue.target_name IS 'Its schema-qualified name when the payload was offered';
COMMENT ON COLUMN mend.queue.payload IS 'The payload; byte for byte as offered when it came as text';
COMMENT ON COLUMN mend.queue.submitter IS 'OID of the role that offered it, as whom it is replayed';
COMMENT ON COLUMN mend.queue.submitted_by IS 'Name of that role; replay needs OID and name to agree';
COMMENT ON COLUMN mend.queue.submitted_at IS 'When it was offered';
COMMENT ON COLUMN mend.queue.sqlstate IS 'SQLSTATE of the first misfit';
COMMENT ON COLUMN mend.queue.error IS 'Message of the first misfit; may quote the value';
COMMENT ON COLUMN mend.queue.kind IS 'Kind of the first misfit';
COMMENT ON COLUMN mend.queue.field IS 'The first field that did not fit; null when no single field is to blame';
COMMENT ON COLUMN mend.queue.fields IS 'Every field that did not fit';
COMMENT ON COLUMN mend.queue.context IS 'The session settings that INSERT depends on';
COMMENT ON COLUMN mend.queue.attempts IS 'How often the payload was tried again';
COMMENT ON COLUMN mend.queue.crashes IS 'How often the worker went down while it judged or replayed the payload';
COMMENT ON COLUMN mend.queue.not_before IS 'When it is next tried, if it waits for a back-off';
COMMENT ON COLUMN mend.queue.patch_id IS 'The patch after which it was last tried; a second failure makes a dead letter';
COMMENT ON COLUMN mend.queue.xid IS 'The transaction that queued it: sequence order is not commit order';

CREATE TABLE mend.dead_letters (
    id           bigint PRIMARY KEY DEFAULT nextval('mend.queue_id_seq'),
    target       regclass NOT NULL,
    target_name  text NOT NULL,
    payload      text NOT NULL,
    submitter    oid NOT NULL,
    submitted_by name NOT NULL,
    submitted_at timestamptz NOT NULL DEFAULT now(),
    died_at      timestamptz NOT NULL DEFAULT now(),
    sqlstate     text NOT NULL,
    error        text NOT NULL,
    kind         text NOT NULL
                 CHECK (kind IN ('new_field', 'type_conflict', 'out_of_range', 'too_long', 'missing_required', 'lossy',
                                 'ambiguous', 'generated', 'no_partition', 'constraint', 'malformed')),
    field        text,
    fields       text[] NOT NULL DEFAULT '{}',
    context      jsonb NOT NULL DEFAULT '{}',
    reason       text NOT NULL,
    patch_id     bigint
);
CREATE INDEX dead_letters_target ON mend.dead_letters (target, id);
COMMENT ON TABLE mend.dead_letters IS 'Payloads that a person must look at; never deleted by the software';
COMMENT ON COLUMN mend.dead_letters.id IS 'Identity of the payload, the same as it had in the queue';
COMMENT ON COLUMN mend.dead_letters.target IS 'The landing table';
COMMENT ON COLUMN mend.dead_letters.target_name IS 'Its schema-qualified name when the payload was offered';
COMMENT ON COLUMN mend.dead_letters.payload IS 'The payload; byte for byte as offered when it came as text';
COMMENT ON COLUMN mend.dead_letters.submitter IS 'OID of the role that offered it';
COMMENT ON COLUMN mend.dead_letters.submitted_by IS 'Name of that role';
COMMENT ON COLUMN mend.dead_letters.submitted_at IS 'When it was offered';
COMMENT ON COLUMN mend.dead_letters.died_at IS 'When it became a dead letter';
COMMENT ON COLUMN mend.dead_letters.sqlstate IS 'SQLSTATE of what was wrong';
COMMENT ON COLUMN mend.dead_letters.error IS 'The message; may quote the value';
COMMENT ON COLUMN mend.dead_letters.kind IS 'Kind of the misfit';
COMMENT ON COLUMN mend.dead_letters.field IS 'The field that did not fit; null when no single field is to blame';
COMMENT ON COLUMN mend.dead_letters.fields IS 'Every field that did not fit';
COMMENT ON COLUMN mend.dead_letters.context IS 'The session settings that INSERT depends on';
COMMENT ON COLUMN mend.dead_letters.reason IS 'Why nothing healed it, in plain words';
COMMENT ON COLUMN mend.dead_letters.patch_id IS 'The patch after which it failed again, if any';

CREATE TABLE mend.drifts (
    id          bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    target      regclass NOT NULL,
    target_name text NOT NULL,
    field       text NOT NULL,
    column_name name,
    kind        text NOT NULL
                CHECK (kind IN ('new_field', 'type_conflict', 'out_of_range', 'too_long', 'missing_required', 'lossy',
                                'ambiguous', 'generated', 'no_partition', 'constraint', 'malformed')),
    row_count   bigint NOT NULL DEFAULT 0,
    profile     jsonb NOT NULL DEFAULT '{}',
    first_seen  timestamptz NOT NULL DEFAULT now(),
    last_seen   timestamptz NOT NULL DEFAULT now(),
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'waiting', 'healed', 'dead_lettered')),
    reason      text,
    patch_id    bigint
);
CREATE UNIQUE INDEX drifts_unsettled ON mend.drifts (target, field, kind) WHERE state IN ('open', 'waiting');
CREATE INDEX drifts_buried ON mend.drifts (target, field, kind) WHERE state = 'dead_lettered';
COMMENT ON TABLE mend.drifts IS 'One field of one table not fitting: its kind and the profile of its values';
COMMENT ON COLUMN mend.drifts.id IS 'Identity of the drift';
COMMENT ON COLUMN mend.drifts.target IS 'The landing table';
COMMENT ON COLUMN mend.drifts.target_name IS 'Its schema-qualified name';
COMMENT ON COLUMN mend.drifts.field IS 'The payload field; empty when no single field is to blame';
COMMENT ON COLUMN mend.drifts.column_name IS 'The column that the field resolves to; null for a new field';
COMMENT ON COLUMN mend.drifts.kind IS 'Kind of the drift';
COMMENT ON COLUMN mend.drifts.row_count IS 'Queued rows that showed it';
COMMENT ON COLUMN mend.drifts.profile IS 'JSON types, formats, widths and ranges seen; never a value';
COMMENT ON COLUMN mend.drifts.first_seen IS 'When the first such row was offered';
COMMENT ON COLUMN mend.drifts.last_seen IS 'When the last such row was offered';
COMMENT ON COLUMN mend.drifts.state IS 'open: to be planned; waiting: for a person or a time; healed; dead_lettered';
COMMENT ON COLUMN mend.drifts.reason IS 'Why it is in that state, in plain words';
COMMENT ON COLUMN mend.drifts.patch_id IS 'The patch that healed it or waits for a decision';

CREATE TABLE mend.patches (
    id            bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    target        regclass NOT NULL,
    target_name   text NOT NULL,
    planner       text NOT NULL,
    model         text,
    proposed_ddl  text NOT NULL,
    ddl           text,
    inverse_ddl   text,
    field_map     jsonb NOT NULL DEFAULT '{}',
    rationale     text NOT NULL DEFAULT '',
    state         text NOT NULL
                  CHECK (state IN ('proposed', 'refused', 'approved', 'applied', 'failed', 'rejected', 'reverted')),
    reason        text,
    evidence      jsonb NOT NULL DEFAULT '{}',
    fingerprint   text,
    rewrites_table boolean NOT NULL DEFAULT false,
    rows_healed   bigint NOT NULL DEFAULT 0,
    rows_failed   bigint NOT NULL DEFAULT 0,
    input_tokens  bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cost_usd      numeric NOT NULL DEFAULT 0,
    proposed_by   name NOT NULL DEFAULT session_user,
    decided_by    name,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at    timestamptz,
    applied_at    timestamptz
);
CREATE INDEX patches_target ON mend.patches (target, id);
COMMENT ON TABLE mend.patches IS 'Every patch ever proposed, what it proved, and what became of it';
COMMENT ON COLUMN mend.patches.id IS 'Identity of the patch';
COMMENT ON COLUMN mend.patches.target IS 'The landing table';
COMMENT ON COLUMN mend.patches.target_name IS 'Its schema-qualified name';
COMMENT ON COLUMN mend.patches.planner IS 'Who planned it: rules, claude, or person';
COMMENT ON COLUMN mend.patches.model IS 'The model that was asked, if one was';
COMMENT ON COLUMN mend.patches.proposed_ddl IS 'The DDL text as proposed; never executed';
COMMENT ON COLUMN mend.patches.ddl IS 'The DDL rendered from the checked actions: what runs or ran; empty for mappings only';
COMMENT ON COLUMN mend.patches.inverse_ddl IS 'The DDL that takes it back';
COMMENT ON COLUMN mend.patches.field_map IS 'Field mappings: {field: column, or null to ignore the field}';
COMMENT ON COLUMN mend.patches.rationale IS 'Why, in the planner''s words';
COMMENT ON COLUMN mend.patches.state IS 'proposed, refused, approved, applied, failed, rejected or reverted';
COMMENT ON COLUMN mend.patches.reason IS 'Why it is in that state, in plain words';
COMMENT ON COLUMN mend.patches.evidence IS 'The drift it answers to and what the proof showed';
COMMENT ON COLUMN mend.patches.fingerprint IS 'Hash of table shape and drift, by which the same trouble is recognised';
COMMENT ON COLUMN mend.patches.rewrites_table IS 'Whether applying it rewrites the table';
COMMENT ON COLUMN mend.patches.rows_healed IS 'Queued rows stored thanks to it';
COMMENT ON COLUMN mend.patches.rows_failed IS 'Queued rows that failed again after it and became dead letters';
COMMENT ON COLUMN mend.patches.input_tokens IS 'Tokens sent to the model, cache reads and writes included';
COMMENT ON COLUMN mend.patches.output_tokens IS 'Tokens received from the model';
COMMENT ON COLUMN mend.patches.cost_usd IS 'What the model cost, in US dollars';
COMMENT ON COLUMN mend.patches.proposed_by IS 'The role that proposed it';
COMMENT ON COLUMN mend.patches.decided_by IS 'The role that approved, rejected or reverted it';
COMMENT ON COLUMN mend.patches.created_at IS 'When it was proposed';
COMMENT ON COLUMN mend.patches.decided_at IS 'When it was last decided on';
COMMENT ON COLUMN mend.patches.applied_at IS 'When it was applied';

CREATE TABLE mend.events (
    id          bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind        text NOT NULL,
    target_name text,
    patch_id    bigint,
    actor       name NOT NULL DEFAULT session_user,
    detail      jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE mend.events IS 'What happened, by whom, in order; append-only';
COMMENT ON COLUMN mend.events.id IS 'Identity of the event';
COMMENT ON COLUMN mend.events.at IS 'When it happened';
COMMENT ON COLUMN mend.events.kind IS 'What happened: enrolled, patch_applied, dead_lettered, ...';
COMMENT ON COLUMN mend.events.target_name IS 'The landing table, if one is concerned';
COMMENT ON COLUMN mend.events.patch_id IS 'The patch, if one is concerned';
COMMENT ON COLUMN mend.events.actor IS 'The role that did it; pg_mend for the worker';
COMMENT ON COLUMN mend.events.detail IS 'Particulars, by kind';

-- What people ask of the worker. Rows of their own, so that an open transaction with an approval does not keep the worker
-- waiting, nor a heal the person: mend.progress is the worker's alone. Not dumped: mend.start() asks for every table.
CREATE TABLE mend.requests (
    id           bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    target       regclass NOT NULL,
    kind         text NOT NULL DEFAULT 'round' CHECK (kind IN ('round', 'retry', 'reset_breaker')),
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX requests_target ON mend.requests (target);
COMMENT ON TABLE mend.requests IS 'Requests for a heal round that the worker has not taken up yet';
COMMENT ON COLUMN mend.requests.id IS 'Identity of the request';
COMMENT ON COLUMN mend.requests.target IS 'The landing table';
COMMENT ON COLUMN mend.requests.kind IS 'round; retry: rows that back off are tried at once; reset_breaker';
COMMENT ON COLUMN mend.requests.requested_at IS 'When it was asked for';

-- One row a table, written by the worker alone. Not dumped: transaction numbers mean nothing in another cluster, and a
-- table without a row is profiled anew.
CREATE TABLE mend.progress (
    target     regclass PRIMARY KEY,
    folded     pg_snapshot,
    requested  bigint NOT NULL DEFAULT 1,
    done       bigint NOT NULL DEFAULT 0,
    not_before timestamptz,
    state      text NOT NULL DEFAULT 'idle'
               CHECK (state IN ('idle', 'healing', 'waiting', 'review', 'breaker')),
    reason     text,
    breaker_until timestamptz,
    breaker_reset timestamptz,
    breaker_tries int NOT NULL DEFAULT 0,
    low_id     bigint NOT NULL DEFAULT 0,
    in_flight  int8multirange,
    lock_tries int NOT NULL DEFAULT 0,
    lock_until timestamptz,
    waits_for  text,
    unrecorded bigint NOT NULL DEFAULT 0,
    last_heal  timestamptz,
    last_error text,
    failures   int NOT NULL DEFAULT 0
);
COMMENT ON TABLE mend.progress IS 'How far the worker is with each table';
COMMENT ON COLUMN mend.progress.target IS 'The landing table';
COMMENT ON COLUMN mend.progress.folded IS 'The snapshot up to which queued rows are folded into mend.drifts';
COMMENT ON COLUMN mend.progress.requested IS 'Counts the requests taken up: there is work while it exceeds done';
COMMENT ON COLUMN mend.progress.done IS 'The request that the last finished round answered';
COMMENT ON COLUMN mend.progress.not_before IS 'When the table is next due by itself';
COMMENT ON COLUMN mend.progress.state IS 'idle, healing, waiting, review or breaker';
COMMENT ON COLUMN mend.progress.reason IS 'Why, in plain words';
COMMENT ON COLUMN mend.progress.breaker_until IS 'Until when the breaker keeps the worker from patching the table';
COMMENT ON COLUMN mend.progress.breaker_reset IS 'When mend.reset_breaker() was last called: patches before it do not count';
COMMENT ON COLUMN mend.progress.breaker_tries IS 'How often in a row the breaker has opened: each time for longer';
COMMENT ON COLUMN mend.progress.low_id IS 'No queued row of the table has a lower id: looking does not scan the dead';
COMMENT ON COLUMN mend.progress.in_flight IS 'Ids of the rows that are being replayed, or of the one with whose profile a worker went down: what a crash leaves here is tried alone';
COMMENT ON COLUMN mend.progress.lock_tries IS 'How often in a row the lock on the table was not to be had';
COMMENT ON COLUMN mend.progress.lock_until IS 'Until when the lock is not tried for again';
COMMENT ON COLUMN mend.progress.waits_for IS 'The question, another table''s too, after whose answer this table is looked at again';
COMMENT ON COLUMN mend.progress.unrecorded IS 'How often a payload showed a new field for which mend.drifts had no room: such rows wait, and are profiled anew when there is';
COMMENT ON COLUMN mend.progress.last_heal IS 'When a patch was last applied';
COMMENT ON COLUMN mend.progress.last_error IS 'The last error of a round';
COMMENT ON COLUMN mend.progress.failures IS 'How many rounds in a row have ended in an error: the pauses grow with them';

-- One row: whether healing is switched on in this database.
CREATE TABLE mend.control (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    stopped  boolean NOT NULL DEFAULT false
);
INSERT INTO mend.control DEFAULT VALUES;
COMMENT ON TABLE mend.control IS 'Whether healing is switched on in this database: one row';
COMMENT ON COLUMN mend.control.only_row IS 'Always true: there is one row';
COMMENT ON COLUMN mend.control.stopped IS 'Set by mend.stop(), cleared by mend.start()';

-- The OID of a dropped table is dumped as a number, and is somebody else's after the restore. What keys on it, or would
-- be acted on by it, stays behind; payloads never do.
SELECT pg_catalog.pg_extension_config_dump('mend.enrollments',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = target)');
SELECT pg_catalog.pg_extension_config_dump('mend.fields',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = target)');
SELECT pg_catalog.pg_extension_config_dump('mend.queue', '');
SELECT pg_catalog.pg_extension_config_dump('mend.queue_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mend.dead_letters', '');
SELECT pg_catalog.pg_extension_config_dump('mend.drifts',
    $$WHERE state IN ('healed', 'dead_lettered') OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = target)$$);
SELECT pg_catalog.pg_extension_config_dump('mend.drifts_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mend.patches',
    $$WHERE state NOT IN ('proposed', 'approved') OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = target)$$);
SELECT pg_catalog.pg_extension_config_dump('mend.patches_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mend.events', '');
SELECT pg_catalog.pg_extension_config_dump('mend.events_id_seq', '');

-- A large payload is compressed in one go, which no cancel interrupts: lz4 takes a tenth of the time. Servers are built with it or not.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        ALTER TABLE mend.queue ALTER COLUMN payload SET COMPRESSION lz4;
        ALTER TABLE mend.dead_letters ALTER COLUMN payload SET COMPRESSION lz4;
    END IF;
END
$$;
-- The claude planner's books: what its models cost, what was asked, what was answered, and why it is not asked now.
CREATE TABLE mend.model_prices (
    model              text PRIMARY KEY,
    input              numeric NOT NULL CHECK (input >= 0),
    output             numeric NOT NULL CHECK (output >= 0),
    cache_write        numeric NOT NULL CHECK (cache_write >= 0),
    cache_write_hour   numeric NOT NULL CHECK (cache_write_hour >= 0),
    cache_read         numeric NOT NULL CHECK (cache_read >= 0),
    long_prompt_tokens bigint CHECK (long_prompt_tokens > 0),
    long_prompt_factor numeric NOT NULL DEFAULT 1 CHECK (long_prompt_factor >= 0),
    listed             boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE mend.model_prices IS
    'What models cost, in US dollars a million tokens. Edit it: a row of yours takes the place of the one that came with pg_mend';
COMMENT ON COLUMN mend.model_prices.model IS 'The model''s name; also that of its dated versions, such as NAME-20251001';
COMMENT ON COLUMN mend.model_prices.input IS 'Of a million tokens read';
COMMENT ON COLUMN mend.model_prices.output IS 'Of a million tokens written, thinking included';
COMMENT ON COLUMN mend.model_prices.cache_write IS 'Of a million tokens written to the cache for five minutes';
COMMENT ON COLUMN mend.model_prices.cache_write_hour IS 'Of a million tokens written to the cache for an hour';
COMMENT ON COLUMN mend.model_prices.cache_read IS 'Of a million tokens read from the cache';
COMMENT ON COLUMN mend.model_prices.long_prompt_tokens IS 'Past this many tokens of prompt the whole request costs more; null: never';
COMMENT ON COLUMN mend.model_prices.long_prompt_factor IS 'How many times as much it then costs';
COMMENT ON COLUMN mend.model_prices.listed IS 'Whether the row came with pg_mend, and may change with an upgrade; false once edited';

-- List prices of November 2026.
INSERT INTO mend.model_prices VALUES
    ('claude-haiku-5-5', 0.10, 0.50, 0.125, 0.20, 0.01, 100000, 5, true),
    ('claude-haiku-4-5', 1, 5, 1.25, 2, 0.10, NULL, 1, true),
    ('claude-sonnet-5-5', 2, 10, 2.50, 4, 0.10, NULL, 1, true),
    ('claude-sonnet-5', 2, 10, 2.50, 4, 0.20, NULL, 1, true),
    ('claude-sonnet-4-6', 3, 15, 3.75, 6, 0.30, NULL, 1, true),
    ('claude-sonnet-4-5', 3, 15, 3.75, 6, 0.30, NULL, 1, true),
    ('claude-opus-5-5', 4, 20, 5, 8, 0.20, NULL, 1, true),
    ('claude-opus-5', 5, 25, 6.25, 10, 0.50, NULL, 1, true),
    ('claude-opus-4-8', 5, 25, 6.25, 10, 0.50, NULL, 1, true),
    ('claude-opus-4-7', 5, 25, 6.25, 10, 0.50, NULL, 1, true),
    ('claude-opus-4-6', 5, 25, 6.25, 10, 0.50, NULL, 1, true),
    ('claude-opus-4-5', 5, 25, 6.25, 10, 0.50, NULL, 1, true),
    ('claude-fable-5-2', 8, 40, 10, 16, 0.20, NULL, 1, true),
    ('claude-fable-5-1', 10, 50, 12.50, 20, 0.25, NULL, 1, true),
    ('claude-fable-5', 10, 50, 12.50, 20, 1, NULL, 1, true),
    ('claude-mythos-5-2', 8, 40, 10, 16, 0.20, NULL, 1, true),
    ('claude-mythos-5-1', 10, 50, 12.50, 20, 0.25, NULL, 1, true),
    ('claude-mythos-5', 10, 50, 12.50, 20, 1, NULL, 1, true);

-- A listed row gives way to a person's; so does it to the row that a restore brings back.
CREATE FUNCTION mend.edit_price() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        DELETE FROM mend.model_prices p WHERE p.model = NEW.model AND p.listed;
    END IF;
    NEW.listed := false;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION mend.edit_price() IS 'Internal: keeps apart the prices that came with pg_mend and those that a person gave';
REVOKE ALL ON FUNCTION mend.edit_price() FROM PUBLIC;
CREATE TRIGGER edited BEFORE INSERT OR UPDATE ON mend.model_prices FOR EACH ROW EXECUTE FUNCTION mend.edit_price();
COMMENT ON TRIGGER edited ON mend.model_prices IS 'A row that a person writes is no longer a listed one';
GRANT INSERT, UPDATE, DELETE ON mend.model_prices TO mend_admin;

CREATE TABLE mend.calls (
    id                 bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at                 timestamptz NOT NULL DEFAULT clock_timestamp(),
    target_name        text NOT NULL,
    model              text NOT NULL,
    status             int,
    request_id         text,
    request_bytes      bigint,
    input_tokens       bigint NOT NULL DEFAULT 0,
    output_tokens      bigint NOT NULL DEFAULT 0,
    cache_write_tokens bigint NOT NULL DEFAULT 0,
    cache_read_tokens  bigint NOT NULL DEFAULT 0,
    cost_usd           numeric NOT NULL DEFAULT 0,
    patch_id           bigint
);
CREATE INDEX calls_at ON mend.calls (at);
CREATE INDEX calls_patch ON mend.calls (patch_id) WHERE patch_id IS NOT NULL;
COMMENT ON TABLE mend.calls IS 'Every request to a model: what budgets count';
COMMENT ON COLUMN mend.calls.id IS 'Identity of the call';
COMMENT ON COLUMN mend.calls.at IS 'When it was sent';
COMMENT ON COLUMN mend.calls.target_name IS 'The landing table it was about';
COMMENT ON COLUMN mend.calls.model IS 'The model that was asked';
COMMENT ON COLUMN mend.calls.status IS 'HTTP status; 0: no answer came; null: under way, or its worker died';
COMMENT ON COLUMN mend.calls.request_id IS 'The API''s name for it, for its support';
COMMENT ON COLUMN mend.calls.request_bytes IS 'Size of what was sent';
COMMENT ON COLUMN mend.calls.input_tokens IS 'Tokens read, those of the cache apart';
COMMENT ON COLUMN mend.calls.output_tokens IS 'Tokens written, thinking included';
COMMENT ON COLUMN mend.calls.cache_write_tokens IS 'Tokens written to the cache';
COMMENT ON COLUMN mend.calls.cache_read_tokens IS 'Tokens read from the cache';
COMMENT ON COLUMN mend.calls.cost_usd IS 'What it cost by mend.model_prices, in US dollars';
COMMENT ON COLUMN mend.calls.patch_id IS 'The patch that came of it, refused ones too; null: none did';

CREATE TABLE mend.plans (
    fingerprint text PRIMARY KEY,
    state       text NOT NULL CHECK (state IN ('asking', 'accepted', 'refused')),
    model       text,
    ddl         text NOT NULL DEFAULT '',
    field_map   jsonb NOT NULL DEFAULT '{}',
    rationale   text NOT NULL DEFAULT '',
    reason      text,
    patch_id    bigint,
    made_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    forget_at   timestamptz,
    asked_by    int,
    asked_for   oid
);
COMMENT ON TABLE mend.plans IS
    'What Claude answered to which drift: the same drift of another table of the same shape is not asked about again. Delete a row to have it asked anew';
COMMENT ON COLUMN mend.plans.fingerprint IS 'Hash of shape, drift, terms and models: what mend.patches calls fingerprint';
COMMENT ON COLUMN mend.plans.state IS 'asking: a worker is at it; accepted; refused: no patch was to be had';
COMMENT ON COLUMN mend.plans.model IS 'The model that answered';
COMMENT ON COLUMN mend.plans.ddl IS 'The subcommands of the ALTER TABLE, rendered from checked actions; checked anew for each table';
COMMENT ON COLUMN mend.plans.field_map IS 'Field mappings: {field: column, or null to ignore the field}';
COMMENT ON COLUMN mend.plans.rationale IS 'Why, in the model''s words';
COMMENT ON COLUMN mend.plans.reason IS 'Why no patch was to be had, in plain words';
COMMENT ON COLUMN mend.plans.patch_id IS 'The patch that was first made of it';
COMMENT ON COLUMN mend.plans.made_at IS 'When it was answered, or the asking began';
COMMENT ON COLUMN mend.plans.forget_at IS 'When it is forgotten; null: never';
COMMENT ON COLUMN mend.plans.asked_by IS 'Process id of the worker that asks now';
COMMENT ON COLUMN mend.plans.asked_for IS 'OID of the table that it asks for';

CREATE TABLE mend.holds (
    target      oid PRIMARY KEY,
    target_name text,
    kind        text NOT NULL CHECK (kind IN ('key_refused', 'rate_limited', 'spend_limit', 'overloaded', 'network',
                                              'bad_request', 'key_file', 'budget', 'price')),
    reason      text NOT NULL,
    since       timestamptz NOT NULL DEFAULT clock_timestamp(),
    until       timestamptz NOT NULL,
    failures    int NOT NULL DEFAULT 1,
    config      text NOT NULL DEFAULT ''
);
COMMENT ON TABLE mend.holds IS 'Why Claude is not asked now, and until when: survives restarts, so that no restart hammers the API';
COMMENT ON COLUMN mend.holds.target IS 'OID of the landing table that may not ask; 0: none may';
COMMENT ON COLUMN mend.holds.target_name IS 'Its schema-qualified name; null: all tables';
COMMENT ON COLUMN mend.holds.kind IS 'What stands in the way';
COMMENT ON COLUMN mend.holds.reason IS 'The same in plain words';
COMMENT ON COLUMN mend.holds.since IS 'Since when';
COMMENT ON COLUMN mend.holds.until IS 'When it is tried again';
COMMENT ON COLUMN mend.holds.failures IS 'How often in a row it was met';
COMMENT ON COLUMN mend.holds.config IS 'Hash of the settings it was met with: others are tried at once';

-- An administrator may have anything asked anew.
GRANT DELETE ON mend.plans, mend.holds TO mend_admin;

-- What is under way, and what the API said of late, means nothing in a restored copy.
SELECT pg_catalog.pg_extension_config_dump('mend.model_prices', 'WHERE NOT listed');
SELECT pg_catalog.pg_extension_config_dump('mend.calls', '');
SELECT pg_catalog.pg_extension_config_dump('mend.calls_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mend.plans', $$WHERE state <> 'asking'$$);

CREATE FUNCTION mend.preview_prompt(target regclass) RETURNS text
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_preview_prompt';
COMMENT ON FUNCTION mend.preview_prompt(regclass) IS
    'The request that Claude would be sent about the table''s drift now, to the byte; null, with a notice, when it would not be asked. Drift of dead letters counts when there is no other';
REVOKE ALL ON FUNCTION mend.preview_prompt(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.preview_prompt(regclass) TO mend_admin;
-- Offering payloads. Ordinary users need no more than INSERT on the landing table.
CREATE FUNCTION @extschema@.healing_insert(target regclass, payload text) RETURNS mend.outcome
    AS 'MODULE_PATHNAME', 'mend_insert_text' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.healing_insert(regclass, text) IS
    'Stores one JSON object in an enrolled table, or keeps it, byte for byte, for healing or for a person';

CREATE FUNCTION @extschema@.healing_insert(target regclass, payload json) RETURNS mend.outcome
    AS 'MODULE_PATHNAME', 'mend_insert_text' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.healing_insert(regclass, json) IS
    'Stores one JSON object in an enrolled table, or keeps it for healing or for a person';

CREATE FUNCTION @extschema@.healing_insert(target regclass, payload jsonb) RETURNS mend.outcome
    AS 'MODULE_PATHNAME', 'mend_insert_jsonb' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.healing_insert(regclass, jsonb) IS
    'Stores one JSON object in an enrolled table, or keeps it for healing or for a person';

CREATE FUNCTION @extschema@.healing_load(target regclass, payloads text) RETURNS mend.load_result
    AS 'MODULE_PATHNAME', 'mend_load_text' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.healing_load(regclass, text) IS
    'Stores or keeps many JSON objects: a JSON array, or one object a line';

CREATE FUNCTION @extschema@.healing_load(target regclass, payloads json) RETURNS mend.load_result
    AS 'MODULE_PATHNAME', 'mend_load_json' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.healing_load(regclass, json) IS
    'Stores or keeps the JSON objects of an array; a value that is no array is one payload';

CREATE FUNCTION @extschema@.healing_load(target regclass, payloads jsonb) RETURNS mend.load_result
    AS 'MODULE_PATHNAME', 'mend_load_jsonb' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.healing_load(regclass, jsonb) IS
    'Stores or keeps the JSON objects of an array; a value that is no array is one payload';

-- What a session has cached of a landing table must go, in every session, when its terms change.
CREATE FUNCTION mend.invalidate_target() RETURNS trigger
    AS 'MODULE_PATHNAME', 'mend_invalidate_target' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION mend.invalidate_target() FROM PUBLIC;
COMMENT ON FUNCTION mend.invalidate_target() IS 'Makes every session forget what it has cached of a landing table';

CREATE TRIGGER invalidate_target AFTER INSERT OR UPDATE OR DELETE ON mend.enrollments
    FOR EACH ROW EXECUTE FUNCTION mend.invalidate_target();
COMMENT ON TRIGGER invalidate_target ON mend.enrollments IS 'The next payload is judged under the new terms';
CREATE TRIGGER invalidate_target AFTER INSERT OR UPDATE OR DELETE ON mend.fields
    FOR EACH ROW EXECUTE FUNCTION mend.invalidate_target();
COMMENT ON TRIGGER invalidate_target ON mend.fields IS 'The next payload is resolved with the new mappings';
CREATE FUNCTION mend.take_inbox() RETURNS trigger
    AS 'MODULE_PATHNAME', 'mend_take_inbox' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION mend.take_inbox() IS
    'Trigger of inbox views: offers the payloads of a statement in batches, with the rights of whoever inserts';

CREATE FUNCTION mend.create_inbox(target regclass) RETURNS regclass
    AS 'MODULE_PATHNAME', 'mend_create_inbox' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION mend.create_inbox IS
'Makes a view beside a landing table, called after it with _inbox behind, whose one column takes payloads by INSERT or COPY.
Whoever may insert into the table may insert into the view. The caller owns the table; DROP VIEW, mend.unenroll() and
DROP EXTENSION take the view away.
target: the landing table';
-- A trigger runs with no right on its function; to make one takes it.
REVOKE ALL ON FUNCTION mend.take_inbox(), mend.create_inbox(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.take_inbox(), mend.create_inbox(regclass) TO mend_admin;
CREATE FUNCTION mend.enroll(
    target          regclass,
    mode            mend.mode     DEFAULT 'auto',
    allow           mend.action[] DEFAULT '{add_column,widen_type,map_field}',
    healer          regrole       DEFAULT NULL,
    share           mend.share    DEFAULT 'shape',
    lossless        boolean       DEFAULT true,
    on_conflict     text          DEFAULT 'dead_letter',
    carry           text[]        DEFAULT '{}',
    naive_zone      text          DEFAULT NULL,
    allow_published boolean       DEFAULT false
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
allow_published: whether patches may be applied without review though the table is in a publication';

CREATE FUNCTION mend.configure(
    target          regclass,
    mode            mend.mode     DEFAULT NULL,
    allow           mend.action[] DEFAULT NULL,
    healer          regrole       DEFAULT NULL,
    share           mend.share    DEFAULT NULL,
    lossless        boolean       DEFAULT NULL,
    on_conflict     text          DEFAULT NULL,
    carry           text[]        DEFAULT NULL,
    naive_zone      text          DEFAULT NULL,
    allow_published boolean       DEFAULT NULL
) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mend_configure';
COMMENT ON FUNCTION mend.configure IS
'Changes the terms of a landing table. The arguments are those of mend.enroll; null leaves a term as it is, an empty
naive_zone takes the zone away.';

CREATE FUNCTION mend.unenroll(target regclass) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mend_unenroll';
COMMENT ON FUNCTION mend.unenroll IS
'Makes a landing table an ordinary table again, with its recorded mappings forgotten. Refused while rows are queued; dead
letters stay. A table that was dropped is given by its OID.';

CREATE FUNCTION mend.map_field(target regclass, field text, column_name name) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mend_map_field';
COMMENT ON FUNCTION mend.map_field IS
'Records that a payload field goes to a column, and tries the queued rows again.
field: the key as the payloads write it
column_name: an existing column; null: ignore the field';

CREATE FUNCTION mend.accept_loss(target regclass, column_name name) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mend_accept_loss';
COMMENT ON FUNCTION mend.accept_loss IS
'Gives one column PostgreSQL''s own coercion back: values that its type changes silently are stored, not queued.';

REVOKE ALL ON FUNCTION mend.enroll, mend.configure, mend.unenroll, mend.map_field, mend.accept_loss FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.enroll, mend.configure, mend.unenroll, mend.map_field, mend.accept_loss TO mend_admin;
CREATE FUNCTION mend.check_ddl(target regclass, ddl text, OUT allowed boolean, OUT canonical text, OUT reason text)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mend_check_ddl';
COMMENT ON FUNCTION mend.check_ddl IS
'Says whether a patch of a landing table may consist of this DDL. Executes nothing; no text is an error.
target: a landing table
ddl: one ALTER TABLE; an unqualified table name follows the caller''s search_path
allowed: whether the guard lets it through, by the actions that the enrolment allows
canonical: with allowed: the text that would run, rendered from what was understood
reason: without: why, in plain words';
REVOKE ALL ON FUNCTION mend.check_ddl FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.check_ddl TO mend_admin, mend_agent;
-- Deciding on patches. What changes a table's shape is done by the worker; these functions only decide.
CREATE FUNCTION mend.wake() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_wake';
COMMENT ON FUNCTION mend.wake() IS 'Internal: asks for a worker when the transaction commits';
REVOKE ALL ON FUNCTION mend.wake() FROM PUBLIC;

CREATE FUNCTION mend.request_round(target regclass, kind text DEFAULT 'round') RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO mend.requests (target, kind) VALUES (request_round.target, request_round.kind);
    SELECT mend.wake();
END;
COMMENT ON FUNCTION mend.request_round(regclass, text) IS 'Internal: has the worker look at all waiting rows of a table';
REVOKE ALL ON FUNCTION mend.request_round(regclass, text) FROM PUBLIC;

CREATE FUNCTION mend.dry_run(
    target regclass, ddl text, live boolean DEFAULT false,
    OUT ok boolean, OUT rows_tried bigint, OUT rows_healed bigint, OUT rewrites_table boolean, OUT reason text)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_dry_run';
COMMENT ON FUNCTION mend.dry_run(regclass, text, boolean) IS
    'Proves a patch on the waiting payloads and dead letters of its table without keeping anything. In memory and without a lock; live (mend_admin only) also alters the table in a subtransaction that is rolled back, under mend.lock_timeout, and holds the lock until the end of the transaction';
REVOKE ALL ON FUNCTION mend.dry_run(regclass, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.dry_run(regclass, text, boolean) TO mend_admin, mend_agent;

CREATE FUNCTION mend.propose(target regclass, ddl text, field_map jsonb DEFAULT '{}', rationale text DEFAULT '')
RETURNS bigint LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_propose';
COMMENT ON FUNCTION mend.propose(regclass, text, jsonb, text) IS
    'Records a patch that waits for mend.approve(), and returns its id. What the guard does not let through is recorded as refused, with a warning that says why';
REVOKE ALL ON FUNCTION mend.propose(regclass, text, jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.propose(regclass, text, jsonb, text) TO mend_admin, mend_agent;

-- An event that no worker can seal would keep all that follow from being sealed.
CREATE FUNCTION mend.check_reason(reason text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF length(reason) > 10000 THEN
        RAISE EXCEPTION 'a reason of % characters is too long', length(reason)
            USING ERRCODE = 'string_data_right_truncation', HINT = '10,000 characters are kept.';
    END IF;
END
$$;
COMMENT ON FUNCTION mend.check_reason(text) IS 'Internal: refuses reasons that are too long to be kept';
REVOKE ALL ON FUNCTION mend.check_reason(text) FROM PUBLIC;

CREATE FUNCTION mend.decide(patch_id bigint, new_state text, new_reason text) RETURNS mend.patches
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    patch mend.patches;
BEGIN
    PERFORM mend.check_reason(new_reason);
    IF patch_id IS NULL THEN
        RAISE EXCEPTION 'the patch must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT * INTO patch FROM mend.patches p WHERE p.id = patch_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no patch %', patch_id
            USING ERRCODE = 'undefined_object', HINT = 'See mend.patches.';
    ELSIF patch.state <> 'proposed' THEN
        RAISE EXCEPTION 'patch % is %, not proposed', patch_id, patch.state
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Only a proposed patch can be approved or rejected.';
    ELSIF NOT EXISTS (SELECT FROM mend.enrollments e WHERE e.target = patch.target) THEN
        RAISE EXCEPTION 'table % of patch % is not enrolled', patch.target_name, patch_id
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Enroll it again: mend.enroll().';
    END IF;
    UPDATE mend.patches p
    SET state = new_state, reason = new_reason, decided_by = session_user, decided_at = clock_timestamp()
    WHERE p.id = patch_id RETURNING * INTO patch;
    INSERT INTO mend.events (kind, target_name, patch_id, detail)
    VALUES ('patch_' || new_state, patch.target_name, patch.id,
            jsonb_strip_nulls(jsonb_build_object('reason', new_reason)));
    RETURN patch;
END
$$;
COMMENT ON FUNCTION mend.decide(bigint, text, text) IS 'Internal: moves a proposed patch to its next state, and records who did';
REVOKE ALL ON FUNCTION mend.decide(bigint, text, text) FROM PUBLIC;

CREATE FUNCTION mend.approve(patch_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM mend.request_round((mend.decide(patch_id, 'approved', NULL)).target);
END
$$;
COMMENT ON FUNCTION mend.approve(bigint) IS
    'Lets the worker apply a proposed patch. Dead letters that the patch makes fit go back to the queue';
REVOKE ALL ON FUNCTION mend.approve(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.approve(bigint) TO mend_admin;

CREATE FUNCTION mend.hold_fields(patch mend.patches, why text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO mend.fields AS f (target, target_name, field, column_name, held, patch_id)
    SELECT (patch).target, (patch).target_name, d ->> 'field', NULL, why, (patch).id
    FROM jsonb_array_elements((patch).evidence -> 'drift') d
    WHERE d ->> 'kind' = 'new_field'
    UNION
    SELECT (patch).target, (patch).target_name, m.key, NULL, why, (patch).id
    FROM jsonb_each((patch).field_map) m
    ON CONFLICT ON CONSTRAINT fields_pkey
    DO UPDATE SET column_name = NULL, held = excluded.held, patch_id = excluded.patch_id;
END;
COMMENT ON FUNCTION mend.hold_fields(mend.patches, text) IS 'Internal: keeps the fields of a patch from being given a column again';
REVOKE ALL ON FUNCTION mend.hold_fields(mend.patches, text) FROM PUBLIC;

CREATE FUNCTION mend.reject(patch_id bigint, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    patch mend.patches := mend.decide(patch_id, 'rejected', reason);
BEGIN
    PERFORM mend.hold_fields(patch, format('patch %s was rejected by %s%s', patch.id, session_user, ': ' || reason));
    PERFORM mend.request_round(patch.target);
END
$$;
COMMENT ON FUNCTION mend.reject(bigint, text) IS
    'Refuses a proposed patch: its rows become dead letters with the reason, and it is not proposed again by itself';
REVOKE ALL ON FUNCTION mend.reject(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.reject(bigint, text) TO mend_admin;

CREATE FUNCTION mend.revert(patch_id bigint) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_revert';
COMMENT ON FUNCTION mend.revert(bigint) IS
    'Takes an applied patch back. Values of a dropped column are kept in mend.undo_<patch_id>; a type is narrowed only if no value changes, else 55000';
REVOKE ALL ON FUNCTION mend.revert(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.revert(bigint) TO mend_admin;
CREATE FUNCTION mend.requeue(ids bigint[]) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH back AS (
        DELETE FROM mend.dead_letters d WHERE d.id = ANY (requeue.ids) RETURNING d.*
    ), queued AS (
        INSERT INTO mend.queue (id, target, target_name, payload, submitter, submitted_by, submitted_at,
                                sqlstate, error, kind, field, fields, context)
        SELECT b.id, b.target, coalesce(e.target_name, b.target_name), b.payload, b.submitter, b.submitted_by,
               b.submitted_at, b.sqlstate, b.error, b.kind, b.field, b.fields, b.context
        FROM back b LEFT JOIN mend.enrollments e ON e.target = b.target
        RETURNING 1
    )
    SELECT count(*) FROM queued;
END;
COMMENT ON FUNCTION mend.requeue(bigint[]) IS 'Internal: moves dead letters to the queue';
REVOKE ALL ON FUNCTION mend.requeue(bigint[]) FROM PUBLIC;

CREATE FUNCTION mend.retry(target regclass DEFAULT NULL, ids bigint[] DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen bigint[];
    tables regclass[];
    moved bigint;
BEGIN
    SELECT coalesce(array_agg(d.id), '{}'), coalesce(array_agg(DISTINCT d.target), '{}') INTO chosen, tables
    FROM mend.dead_letters d JOIN mend.enrollments e ON e.target = d.target
    WHERE (retry.target IS NULL OR d.target = retry.target) AND (retry.ids IS NULL OR d.id = ANY (retry.ids));
    moved := mend.requeue(chosen);
    IF retry.ids IS NULL THEN
        -- Nor are rows that wait for a time of their own to wait any longer.
        PERFORM mend.request_round(e.target, 'retry') FROM mend.enrollments e
        WHERE (retry.target IS NULL OR e.target = retry.target)
            AND EXISTS (SELECT FROM mend.queue q WHERE q.target = e.target AND q.not_before IS NOT NULL);
    END IF;
    IF moved > 0 THEN
        PERFORM mend.request_round(t) FROM unnest(tables) t;
        INSERT INTO mend.events (kind, target_name, detail)
        SELECT 'retried', e.target_name, jsonb_build_object('rows', moved)
        FROM mend.enrollments e WHERE e.target = ANY (tables);
    END IF;
    RETURN moved;
END
$$;
COMMENT ON FUNCTION mend.retry(regclass, bigint[]) IS
    'Moves dead letters back to the queue and returns how many: of one enrolled table or of all, of these ids or of all. Without ids, queued rows that back off (a missing partition, a foreign key) are tried again at once';
REVOKE ALL ON FUNCTION mend.retry(regclass, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.retry(regclass, bigint[]) TO mend_admin;

CREATE FUNCTION mend.discard(ids bigint[], reason text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    at_once CONSTANT int := 10000000;  -- characters
    gone bigint;
BEGIN
    PERFORM mend.check_reason(reason);
    IF ids IS NULL OR coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'discarding dead letters needs their ids and a reason'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'mend.discard(''{1,2}'', ''why'')';
    END IF;
    -- A jsonb takes 256 MB, and the text of one that is sealed a gigabyte: what a large payload says is kept in several events.
    WITH taken AS (
        DELETE FROM mend.dead_letters d WHERE d.id = ANY (discard.ids) RETURNING *
    ), logged AS (
        INSERT INTO mend.events (kind, target_name, detail)
        SELECT 'discarded', t.target_name,
               jsonb_build_object('id', t.id, 'reason', discard.reason, 'payload', substr(t.payload, 1 + (part - 1) * at_once, at_once),
                                  'submitted_by', t.submitted_by, 'submitted_at', t.submitted_at)
               || CASE WHEN parts > 1 THEN jsonb_build_object('part', part, 'parts', parts) ELSE '{}' END
        FROM taken t, LATERAL (SELECT greatest(1, (length(t.payload) + at_once - 1) / at_once)) p (parts), generate_series(1, parts) part
        ORDER BY t.id, part
    )
    SELECT count(*) INTO gone FROM taken;
    RETURN gone;
END
$$;
COMMENT ON FUNCTION mend.discard(bigint[], text) IS
    'Deletes dead letters for good and returns how many; who, why and the payload stay in mend.events';
REVOKE ALL ON FUNCTION mend.discard(bigint[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.discard(bigint[], text) TO mend_admin;
-- The worker: what it may do now, and how it is told.
CREATE FUNCTION mend.at_home(system_identifier bigint, database_oid oid) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mend_at_home';
COMMENT ON FUNCTION mend.at_home(bigint, oid) IS
    'Whether an enrolment that carries these was made in this database, or adopted by mend.start()';
REVOKE ALL ON FUNCTION mend.at_home(bigint, oid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.at_home(bigint, oid) TO mend_admin, mend_agent, pg_monitor;

-- The one definition of work, for the worker and for mend.wait_idle(). A row that fails keeps a table due: what the
-- worker has seen of the queue is progress.folded, and it looks at newer rows only. After an error nothing is due
-- before not_before, short of mend.reset_breaker(); otherwise new rows are, whatever the older ones wait for.
CREATE VIEW mend.work AS
SELECT e.target,
       e.target_name,
       EXISTS (SELECT FROM mend.requests r WHERE r.target = e.target AND (r.kind = 'reset_breaker' OR NOT backing_off))
       OR NOT backing_off AND (
           p.requested > p.done
           OR p.not_before IS NOT NULL AND p.not_before <= clock_timestamp()
           OR CASE
                  -- In order, so that no plan walks the rows of other tables, or those that were seen already; a range of one,
                  -- for under an equal target the primary key would do for the order.
                  WHEN p.folded IS NULL THEN (SELECT true FROM mend.queue q WHERE q.target >= e.target AND q.target <= e.target
                                              ORDER BY q.target, q.id LIMIT 1) IS NOT NULL
                  ELSE (SELECT true FROM mend.queue q
                        WHERE q.target = e.target
                          AND q.xid >= pg_snapshot_xmin(p.folded)
                          AND NOT pg_visible_in_snapshot(q.xid, p.folded)
                        ORDER BY q.target, q.xid, q.id LIMIT 1) IS NOT NULL
              END) AS due,
       CASE WHEN p.not_before > clock_timestamp() THEN p.not_before END AS next_at,
       p.last_error IS NOT NULL AS failing
FROM mend.enrollments e
     LEFT JOIN mend.progress p USING (target),
     LATERAL (SELECT coalesce(p.last_error IS NOT NULL AND p.not_before > clock_timestamp(), false)) b (backing_off)
WHERE e.mode <> 'paused'
  AND mend.at_home(e.system_identifier, e.database_oid)
  AND NOT (SELECT c.stopped FROM mend.control c);
COMMENT ON VIEW mend.work IS 'The tables that the worker may heal, and whether there is something to do now';
COMMENT ON COLUMN mend.work.target IS 'The landing table';
COMMENT ON COLUMN mend.work.target_name IS 'Its schema-qualified name when it was enrolled';
COMMENT ON COLUMN mend.work.due IS 'Whether a worker should heal it now';
COMMENT ON COLUMN mend.work.next_at IS 'When it is next due by itself';
COMMENT ON COLUMN mend.work.failing IS 'Whether its last heal round ended in an error';

CREATE PROCEDURE mend.wait_idle(target regclass DEFAULT NULL, timeout interval DEFAULT '60 s')
LANGUAGE c AS 'MODULE_PATHNAME', 'mend_wait_idle';
COMMENT ON PROCEDURE mend.wait_idle(regclass, interval) IS
    'Waits until nothing is left that the worker can do now; waiting for a person, a breaker or a back-off is idle';

CREATE FUNCTION mend.start() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_start';
COMMENT ON FUNCTION mend.start() IS
    'Switches healing on in this database, adopts enrolments that came with a restore or a copy, and wakes the worker';
REVOKE ALL ON FUNCTION mend.start() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.start() TO mend_admin;

CREATE FUNCTION mend.stop() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_stop';
COMMENT ON FUNCTION mend.stop() IS
    'Switches healing off in this database until mend.start(); rows are stored and queued as ever';
REVOKE ALL ON FUNCTION mend.stop() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.stop() TO mend_admin;

CREATE FUNCTION mend.reset_breaker(target regclass) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_reset_breaker';
COMMENT ON FUNCTION mend.reset_breaker(regclass) IS 'Closes the breaker of a table and has it healed now';
REVOKE ALL ON FUNCTION mend.reset_breaker(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.reset_breaker(regclass) TO mend_admin;

CREATE FUNCTION mend.workers(OUT pid int, OUT target regclass, OUT state text, OUT tried bigint) RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 4 AS 'MODULE_PATHNAME', 'mend_workers';
COMMENT ON FUNCTION mend.workers() IS
    'The workers of this database: starting (no pid yet), idle, or healing a table, with the rows that it has tried to store so far';
REVOKE ALL ON FUNCTION mend.workers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.workers() TO mend_admin, mend_agent, pg_monitor;

CREATE FUNCTION mend.worker_refused_at() RETURNS timestamptz
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_worker_refused_at';
COMMENT ON FUNCTION mend.worker_refused_at() IS
    'When PostgreSQL last had no room for a worker of this database (max_worker_processes); null: the last one started';
REVOKE ALL ON FUNCTION mend.worker_refused_at() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.worker_refused_at() TO mend_admin, mend_agent, pg_monitor;
-- The audit trail: events are only ever added, and the worker seals them in a hash chain. Whoever acts adds an event and
-- its id to mend.unsealed_events, and waits for nobody; what is committed there can be seen, and is sealed next. So a
-- transaction that commits late is sealed late, and never missed, whatever its ids are.
CREATE FUNCTION mend.append_only() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION '% of mend.% is not allowed: it is append-only', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege', HINT = 'Only a superuser can, and mend.verify_events() shows it.';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mend.append_only() IS 'Internal: refuses changes of the audit trail, to its owner too';
REVOKE ALL ON FUNCTION mend.append_only() FROM PUBLIC;

CREATE TABLE mend.event_seals (
    position  bigint PRIMARY KEY CHECK (position > 0),
    event_id  bigint NOT NULL UNIQUE,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    head      text NOT NULL CHECK (head ~ '^[0-9a-f]{64}$')
);
COMMENT ON TABLE mend.event_seals IS 'The hash chain over mend.events, in the order in which events could first be seen; written by the worker alone';
COMMENT ON COLUMN mend.event_seals.position IS 'Place in the chain, from 1 on, without a gap';
COMMENT ON COLUMN mend.event_seals.event_id IS 'The event that is sealed';
COMMENT ON COLUMN mend.event_seals.sealed_at IS 'When it was sealed';
COMMENT ON COLUMN mend.event_seals.head IS 'SHA-256 over the head before it, the place, the time and the event: it stands for all events up to here';
SELECT pg_catalog.pg_extension_config_dump('mend.event_seals', '');

-- Not dumped: a restore fills it again by the trigger.
CREATE TABLE mend.unsealed_events (
    event_id bigint PRIMARY KEY
) WITH (autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON TABLE mend.unsealed_events IS 'Events that the worker has yet to seal';
COMMENT ON COLUMN mend.unsealed_events.event_id IS 'The event';

-- As the owner: whoever may add an event may not touch this table.
CREATE FUNCTION mend.note_unsealed() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO mend.unsealed_events SELECT n.id FROM new_events n ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mend.note_unsealed() IS 'Internal: tells the worker of new events';
REVOKE ALL ON FUNCTION mend.note_unsealed() FROM PUBLIC;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mend.events
    FOR EACH STATEMENT EXECUTE FUNCTION mend.append_only();
COMMENT ON TRIGGER append_only ON mend.events IS 'Events are only ever added';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mend.event_seals
    FOR EACH STATEMENT EXECUTE FUNCTION mend.append_only();
COMMENT ON TRIGGER append_only ON mend.event_seals IS 'Seals are only ever added';
CREATE TRIGGER note_unsealed AFTER INSERT ON mend.events REFERENCING NEW TABLE AS new_events
    FOR EACH STATEMENT EXECUTE FUNCTION mend.note_unsealed();
COMMENT ON TRIGGER note_unsealed ON mend.events IS 'The worker seals what was added';
-- Replication roles are no way around them.
ALTER TABLE mend.events ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mend.event_seals ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mend.events ENABLE ALWAYS TRIGGER note_unsealed;

-- Numbers, and text that jsonb writes in one way only: the same in every version, time zone and encoding. A database
-- without an encoding (SQL_ASCII) has its bytes as they are.
CREATE FUNCTION mend.event_digest(previous text, place bigint, sealed_at timestamptz, event mend.events) RETURNS text
LANGUAGE sql STABLE
RETURN encode(sha256(convert_to(
    jsonb_build_array(previous, place, extract(epoch FROM sealed_at), event.id, extract(epoch FROM event.at), event.kind,
                      event.target_name, event.patch_id, event.actor, event.detail)::text,
    CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END)), 'hex');
COMMENT ON FUNCTION mend.event_digest(text, bigint, timestamptz, mend.events) IS
    'Internal: the head of the chain after an event, given the head before it';
REVOKE ALL ON FUNCTION mend.event_digest(text, bigint, timestamptz, mend.events) FROM PUBLIC;

CREATE FUNCTION mend.seal_events(rescan boolean, OUT sealed bigint, OUT place bigint, OUT head text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    event mend.events;
    now_at timestamptz;
BEGIN
    sealed := 0;
    IF NOT rescan AND NOT EXISTS (SELECT FROM mend.unsealed_events) THEN
        RETURN;
    END IF;
    -- One worker at a time; whoever comes second has nothing to wait for.
    PERFORM FROM mend.control FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF rescan THEN
        INSERT INTO mend.unsealed_events
        SELECT e.id FROM mend.events e WHERE NOT EXISTS (SELECT FROM mend.event_seals s WHERE s.event_id = e.id)
        ON CONFLICT DO NOTHING;
    END IF;
    SELECT s.position, s.head INTO place, head FROM mend.event_seals s ORDER BY s.position DESC LIMIT 1;
    place := coalesce(place, 0);
    FOR event IN
        WITH taken AS (
            DELETE FROM mend.unsealed_events u
            WHERE u.event_id IN (SELECT n.event_id FROM mend.unsealed_events n ORDER BY n.event_id LIMIT 10000)
            RETURNING u.event_id
        )
        SELECT e.* FROM taken t JOIN mend.events e ON e.id = t.event_id
        WHERE NOT EXISTS (SELECT FROM mend.event_seals s WHERE s.event_id = e.id)
        ORDER BY e.id
    LOOP
        now_at := clock_timestamp();
        place := place + 1;
        head := mend.event_digest(head, place, now_at, event);
        INSERT INTO mend.event_seals (position, event_id, sealed_at, head) VALUES (place, event.id, now_at, head);
        sealed := sealed + 1;
    END LOOP;
END
$$;
COMMENT ON FUNCTION mend.seal_events(boolean) IS
    'Internal: seals up to 10,000 events that can be seen and are not sealed; rescan: looks for such as were never announced';
REVOKE ALL ON FUNCTION mend.seal_events(boolean) FROM PUBLIC;

CREATE FUNCTION mend.verify_events(
    expected_head text DEFAULT NULL,
    OUT ok boolean, OUT sealed bigint, OUT unsealed bigint, OUT head text, OUT problem_count bigint, OUT problems text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT count(*), (array_agg(s.head ORDER BY s.position DESC))[1] INTO sealed, verify_events.head FROM mend.event_seals s;
    SELECT count(*) INTO unsealed
    FROM mend.events e WHERE NOT EXISTS (SELECT FROM mend.event_seals s WHERE s.event_id = e.id);
    -- Each link is judged by the stored head before it: one changed event is one problem, not all that follow.
    WITH chain AS (
        SELECT s.position, s.event_id, s.sealed_at, s.head, lag(s.head) OVER w AS previous,
               coalesce(lag(s.position) OVER w, 0) AS before
        FROM mend.event_seals s WINDOW w AS (ORDER BY s.position)
    ), judged AS (
        SELECT c.position AS place,
               CASE
                   WHEN c.position <> c.before + 1
                       THEN format('seals %s to %s are missing', c.before + 1, c.position - 1)
                   WHEN e.id IS NULL THEN format('event %s, sealed at position %s, is missing', c.event_id, c.position)
                   WHEN c.head IS DISTINCT FROM mend.event_digest(c.previous, c.position, c.sealed_at, e)
                       THEN format('event %s is not what was sealed at position %s', c.event_id, c.position)
               END AS problem
        FROM chain c LEFT JOIN mend.events e ON e.id = c.event_id
        UNION ALL
        SELECT NULL, 'no seal has the expected head: the end of the chain is cut off, or it was written anew'
        WHERE expected_head IS NOT NULL
          AND NOT EXISTS (SELECT FROM mend.event_seals s WHERE s.head = lower(btrim(expected_head)))
    ), numbered AS (
        SELECT j.problem, row_number() OVER (ORDER BY j.place NULLS FIRST) AS n FROM judged j WHERE j.problem IS NOT NULL
    )
    SELECT count(*), coalesce(array_agg(b.problem ORDER BY b.n) FILTER (WHERE b.n <= 100), '{}') INTO problem_count, problems
    FROM numbered b;
    ok := problem_count = 0;
END
$$;
COMMENT ON FUNCTION mend.verify_events(text) IS
'Recomputes the hash chain over mend.events: any edit, deletion or reordering of sealed events is a problem.
expected_head: a head that the server log or a webhook has told; null: a chain that was cut at its end, or written anew as a whole, passes
ok: whether there is no problem
sealed: events in the chain
unsealed: events that the worker has yet to seal; nothing protects them
head: the head of the chain now: keep it elsewhere, and give it next time
problem_count: how many problems there are
problems: the first hundred, in the order of the chain';
REVOKE ALL ON FUNCTION mend.verify_events(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.verify_events(text) TO mend_admin, pg_monitor;
-- Counting ten million rows takes seconds, and a status is looked at often: exact up to a hundred thousand rows a table,
-- past that PostgreSQL's own estimate. Functions, for their cost: with all in line, PostgreSQL would compile the view first.
-- Volatile, for EXPLAIN asks for it.
CREATE FUNCTION mend.rows_of(books text, target regclass) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most CONSTANT bigint := 100000;
    counted bigint;
    plan json;
BEGIN
    IF books NOT IN ('queue', 'dead_letters') THEN
        RAISE EXCEPTION 'pg_mend keeps no such books: %', books USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('SELECT count(*) FROM (SELECT FROM mend.%1$I WHERE target >= %2$s AND target <= %2$s ORDER BY target, id LIMIT %3$s) bounded',
                   books, target::oid, most + 1) INTO counted;
    IF counted > most THEN
        EXECUTE format('EXPLAIN (FORMAT JSON) SELECT FROM mend.%I WHERE target = %s', books, target::oid) INTO plan;
        counted := greatest(counted, (plan -> 0 -> 'Plan' ->> 'Plan Rows')::bigint);
    END IF;
    RETURN counted;
END
$$;
COMMENT ON FUNCTION mend.rows_of(text, regclass) IS
    'Internal: rows of mend.queue or mend.dead_letters for a target; past a hundred thousand an estimate';
REVOKE ALL ON FUNCTION mend.rows_of(text, regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.rows_of(text, regclass) TO mend_admin, mend_agent, pg_monitor;

CREATE FUNCTION mend.oldest_of(target regclass) RETURNS timestamptz
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
-- A range of one target: for an equal one the planner may walk the primary key, which is in order as well, through the rows of all
-- other tables.
RETURN (SELECT q.submitted_at FROM mend.queue q WHERE q.target >= oldest_of.target AND q.target <= oldest_of.target
        ORDER BY q.target, q.id LIMIT 1);
COMMENT ON FUNCTION mend.oldest_of(regclass) IS 'Internal: when the first queued row of a target, in order of id, was offered';
REVOKE ALL ON FUNCTION mend.oldest_of(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.oldest_of(regclass) TO mend_admin, mend_agent, pg_monitor;

CREATE FUNCTION mend.is_due(target regclass) RETURNS boolean
LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN coalesce((SELECT w.due FROM mend.work w WHERE w.target = is_due.target), false);
COMMENT ON FUNCTION mend.is_due(regclass) IS 'Internal: whether a worker should heal the table now';
REVOKE ALL ON FUNCTION mend.is_due(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.is_due(regclass) TO mend_admin, mend_agent, pg_monitor;

-- For people: psql does not break long lines, so what it shows in a column must come broken.
CREATE FUNCTION mend.in_lines(sentence text, width int) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN rtrim(regexp_replace(sentence, '(.{1,' || greatest(width, 8) || '})( +|$)', E'\\1\n', 'g'), E'\n');
COMMENT ON FUNCTION mend.in_lines(text, int) IS 'A sentence broken at blanks into lines of at most width characters, where its words allow';
REVOKE ALL ON FUNCTION mend.in_lines(text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.in_lines(text, int) TO mend_admin, mend_agent, pg_monitor;

-- An error of PostgreSQL may quote a value of a payload: those who may not see payloads see its SQLSTATE.
CREATE FUNCTION mend.error_for_me(error text) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN pg_has_role('mend_admin', 'USAGE') THEN error ELSE 'SQLSTATE ' || split_part(error, ':', 1) END;
COMMENT ON FUNCTION mend.error_for_me(text) IS 'Internal: an error as "SQLSTATE: message" for members of mend_admin, its SQLSTATE for others';
REVOKE ALL ON FUNCTION mend.error_for_me(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.error_for_me(text) TO mend_admin, mend_agent, pg_monitor;

CREATE FUNCTION mend.last_seen(target regclass, OUT offered timestamptz, OUT stored timestamptz)
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mend_last_seen';
COMMENT ON FUNCTION mend.last_seen(regclass) IS
    'When payloads were last offered to, and rows last stored in, a table through pg_mend: to a tenth of a second, since the server started';
REVOKE ALL ON FUNCTION mend.last_seen(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.last_seen(regclass) TO mend_admin, mend_agent, pg_monitor;

CREATE VIEW mend.decisions AS
SELECT p.target, p.id AS patch_id, p.planner, p.proposed_by, p.created_at AS waits_since, p.reason,
       coalesce(p.ddl, '') AS ddl, p.field_map, p.rewrites_table
FROM mend.patches p JOIN mend.enrollments e ON e.target = p.target
WHERE p.state = 'proposed';
COMMENT ON VIEW mend.decisions IS 'Patches that wait for mend.approve() or mend.reject(); mend.explain_patch(patch_id) says more';
COMMENT ON COLUMN mend.decisions.target IS 'The landing table';
COMMENT ON COLUMN mend.decisions.patch_id IS 'The patch';
COMMENT ON COLUMN mend.decisions.planner IS 'Who planned it: rules, claude, agent or person';
COMMENT ON COLUMN mend.decisions.proposed_by IS 'The role that proposed it; pg_mend for the worker';
COMMENT ON COLUMN mend.decisions.waits_since IS 'When it was proposed';
COMMENT ON COLUMN mend.decisions.reason IS 'Why it waits for a person';
COMMENT ON COLUMN mend.decisions.ddl IS 'What would run; empty for mappings only';
COMMENT ON COLUMN mend.decisions.field_map IS 'Field mappings it brings';
COMMENT ON COLUMN mend.decisions.rewrites_table IS 'Whether it rewrites the table';
GRANT SELECT ON mend.decisions TO mend_admin, mend_agent, pg_monitor;

-- At most 120 characters wide in psql, where the name of the table is of common length: what would not fit is in the
-- reason, in mend.decisions and in mend.freshness. Programs get the reason in one line.
CREATE VIEW mend.status AS
SELECT e.target,
       e.mode,
       q.queued,
       date_trunc('second', q.oldest) AS oldest,
       mend.rows_of('dead_letters', e.target) AS dead_letters,
       s.state,
       CASE WHEN current_setting('application_name') = 'psql'
            THEN mend.in_lines(s.reason, 34 - max(length(e.target::text)) OVER ())
            ELSE s.reason END AS reason,
       w.pid AS worker_pid
FROM mend.enrollments e
     LEFT JOIN mend.progress p ON p.target = e.target
     LEFT JOIN mend.workers() w ON w.target = e.target
     CROSS JOIN LATERAL (SELECT mend.rows_of('queue', e.target) AS queued,
                                mend.oldest_of(e.target) AS oldest) q
     CROSS JOIN LATERAL (SELECT min(patch_id) AS patch FROM mend.decisions WHERE decisions.target = e.target) o
     CROSS JOIN LATERAL (SELECT mend.is_due(e.target) AS due,
                                mend.at_home(e.system_identifier, e.database_oid) AS home,
                                (SELECT stopped FROM mend.control) AS stopped,
                                mend.worker_refused_at() IS NOT NULL AS refused) k
     CROSS JOIN LATERAL (
         SELECT CASE
                    WHEN NOT k.home OR k.stopped THEN 'stopped'
                    WHEN e.mode = 'paused' THEN 'paused'
                    WHEN w.pid IS NOT NULL THEN 'healing'
                    WHEN k.due AND k.refused THEN 'waiting'
                    WHEN k.due THEN 'due'
                    WHEN coalesce(p.state, 'idle') NOT IN ('idle', 'healing') THEN p.state
                    WHEN o.patch IS NOT NULL THEN 'review'
                    ELSE 'idle'
                END AS state,
                nullif(concat_ws('; ',
                    CASE
                        WHEN NOT k.home THEN 'enrolled in another cluster or database: mend.start() adopts it'
                        WHEN k.stopped THEN 'healing is switched off: mend.start() switches it on'
                        WHEN e.mode = 'paused' THEN 'the enrolment is paused: mend.configure(mode => ''auto'') resumes'
                        WHEN k.due AND w.pid IS NULL AND k.refused
                            THEN 'no free background worker: raise max_worker_processes'
                        WHEN w.pid IS NOT NULL AND w.tried > 0 THEN format('%s rows tried so far in this round', w.tried)
                        WHEN p.last_error IS NOT NULL
                            THEN 'the last heal round ended in an error: ' || mend.error_for_me(p.last_error)
                        ELSE p.reason
                    END,
                    CASE WHEN o.patch IS NOT NULL AND (p.reason IS NULL OR p.reason NOT LIKE '%mend.approve(%')
                         THEN format('patch %s waits for mend.approve(%1$s)', o.patch) END), '') AS reason
     ) s;
COMMENT ON VIEW mend.status IS 'One row a landing table: what waits, and why';
COMMENT ON COLUMN mend.status.target IS 'The landing table';
COMMENT ON COLUMN mend.status.mode IS 'auto, review or paused';
COMMENT ON COLUMN mend.status.queued IS 'Payloads in the queue; past 100,000 an estimate';
COMMENT ON COLUMN mend.status.oldest IS 'When the first of them, in order of id, was offered';
COMMENT ON COLUMN mend.status.dead_letters IS 'Payloads that a person must look at; past 100,000 an estimate';
COMMENT ON COLUMN mend.status.state IS 'idle, due, healing, waiting, review, breaker, paused or stopped';
COMMENT ON COLUMN mend.status.reason IS 'Why, in plain words: with a patch that waits for a decision and the error that ended the last round. In psql broken into lines';
COMMENT ON COLUMN mend.status.worker_pid IS 'The worker that heals the table now';
GRANT SELECT ON mend.status TO mend_admin, mend_agent, pg_monitor;

CREATE VIEW mend.freshness AS
SELECT e.target,
       date_trunc('second', s.stored) AS last_stored,
       date_trunc('second', greatest(s.offered, q.newest)) AS last_offered,
       CASE WHEN q.oldest IS NULL THEN interval '0' ELSE date_trunc('second', greatest(now() - q.oldest, interval '0')) END AS lag,
       date_trunc('second', p.last_heal) AS last_heal
FROM mend.enrollments e
     LEFT JOIN mend.progress p ON p.target = e.target
     CROSS JOIN LATERAL mend.last_seen(e.target) s
     CROSS JOIN LATERAL (
         SELECT (SELECT submitted_at FROM mend.queue WHERE queue.target >= e.target AND queue.target <= e.target
                 ORDER BY queue.target, id LIMIT 1) AS oldest,
                (SELECT submitted_at FROM mend.queue WHERE queue.target >= e.target AND queue.target <= e.target
                 ORDER BY queue.target DESC, id DESC LIMIT 1) AS newest) q;
COMMENT ON VIEW mend.freshness IS 'One row a landing table: how far what is stored is behind what was offered';
COMMENT ON COLUMN mend.freshness.target IS 'The landing table';
COMMENT ON COLUMN mend.freshness.last_stored IS 'When a row was last stored through pg_mend; null: not since this server started, or too many other tables are busier';
COMMENT ON COLUMN mend.freshness.last_offered IS 'When a payload was last offered; null: not since this server started, and none waits';
COMMENT ON COLUMN mend.freshness.lag IS 'How long the first payload in the queue has waited; zero when none waits. Dead letters do not count';
COMMENT ON COLUMN mend.freshness.last_heal IS 'When a patch was last applied';
GRANT SELECT ON mend.freshness TO mend_admin, mend_agent, pg_monitor;
-- Telling people. A message is written in the transaction of its event, and sent by the worker later: neither a payload
-- nor a heal ever waits for a stranger's server. Not dumped: a copy of the database must not tell old news.
CREATE TABLE mend.outbox (
    id          bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    channel     text NOT NULL CHECK (channel IN ('notify', 'webhook', 'lineage')),
    kind        text NOT NULL,
    severity    text NOT NULL DEFAULT 'info' CHECK (severity IN ('info', 'notice', 'warning', 'critical')),
    event_id    bigint,
    target_name text,
    patch_id    bigint,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'dead')),
    tries       int NOT NULL DEFAULT 0,
    next_try    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_error  text
);
CREATE INDEX outbox_pending ON mend.outbox (channel, id) WHERE state = 'pending';
COMMENT ON TABLE mend.outbox IS 'What the worker has still to tell: NOTIFY, webhook and OpenLineage messages; gone when sent, but for the START of a run that has not ended';
COMMENT ON COLUMN mend.outbox.id IS 'Identity of the message; messages of a channel are sent in this order';
COMMENT ON COLUMN mend.outbox.channel IS 'notify, webhook or lineage';
COMMENT ON COLUMN mend.outbox.kind IS 'The kind of the event; of a lineage message START, COMPLETE or FAIL';
COMMENT ON COLUMN mend.outbox.severity IS 'info, notice, warning or critical';
COMMENT ON COLUMN mend.outbox.event_id IS 'The event it tells of';
COMMENT ON COLUMN mend.outbox.target_name IS 'The landing table, if one is concerned';
COMMENT ON COLUMN mend.outbox.patch_id IS 'The patch, if one is concerned';
COMMENT ON COLUMN mend.outbox.created_at IS 'When there was something to tell';
COMMENT ON COLUMN mend.outbox.state IS 'pending; sent; dead: given up after too many tries';
COMMENT ON COLUMN mend.outbox.tries IS 'How often it was tried';
COMMENT ON COLUMN mend.outbox.next_try IS 'When it is tried next';
COMMENT ON COLUMN mend.outbox.last_error IS 'Why the last try failed';

-- What a webhook is told of, and how urgent it is; null: people's own acts and what a message of another event says.
CREATE FUNCTION mend.severity_of(kind text, patch_id bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN kind IN ('breaker_opened', 'quarantined', 'round_failed') THEN 'critical'
    WHEN kind IN ('patch_proposed', 'patch_refused', 'patch_failed', 'dead_lettered', 'claude_held') THEN 'warning'
    WHEN kind = 'patch_applied' THEN
        CASE WHEN EXISTS (SELECT FROM mend.patches p, jsonb_array_elements(p.evidence -> 'actions') a
                          WHERE p.id = severity_of.patch_id AND a ->> 'kind' <> 'add_column') THEN 'notice' ELSE 'info' END
    WHEN kind IN ('enrolled', 'configured', 'unenrolled', 'field_mapped', 'loss_accepted', 'retried', 'discarded', 'adopted',
                  'breaker_reset', 'patch_approved', 'replayed', 'message_lost') THEN NULL
    ELSE 'notice'
END;
COMMENT ON FUNCTION mend.severity_of(text, bigint) IS
    'Internal: info (a column was added), notice, warning (a person should look) or critical (healing of a table has stopped); null: not for a webhook';
REVOKE ALL ON FUNCTION mend.severity_of(text, bigint) FROM PUBLIC;

CREATE FUNCTION mend.is_severe(severity text, at_least text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN array_position(ARRAY['info', 'notice', 'warning', 'critical'], severity) >= array_position(ARRAY['info', 'notice', 'warning', 'critical'], at_least);
COMMENT ON FUNCTION mend.is_severe(text, text) IS 'Internal: whether a severity is at least another';
REVOKE ALL ON FUNCTION mend.is_severe(text, text) FROM PUBLIC;

-- A session may give any name a value for as long as the library is not loaded there: written in C, this loads it.
CREATE FUNCTION mend.setting(name text) RETURNS text
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'mend_setting';
COMMENT ON FUNCTION mend.setting(text) IS 'Internal: a setting of pg_mend, as somebody who may set it has set it';
REVOKE ALL ON FUNCTION mend.setting(text) FROM PUBLIC;

-- As the owner: whoever may add an event may not touch this table.
CREATE FUNCTION mend.note_news() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    webhook boolean := mend.setting('mend.webhook_url') <> '';
    lineage boolean := mend.setting('mend.lineage_url') <> '';
    at_least text := mend.setting('mend.webhook_severity');
BEGIN
    -- An event that is older than its transaction came with a restore.
    INSERT INTO mend.outbox (channel, kind, event_id, target_name, patch_id)
    SELECT 'notify', n.kind, n.id, n.target_name, n.patch_id FROM new_events n WHERE n.at >= transaction_timestamp() ORDER BY n.id;
    IF webhook THEN
        INSERT INTO mend.outbox (channel, kind, severity, event_id, target_name, patch_id)
        SELECT 'webhook', n.kind, s.severity, n.id, n.target_name, n.patch_id
        FROM new_events n CROSS JOIN LATERAL mend.severity_of(n.kind, n.patch_id) s (severity)
        WHERE n.at >= transaction_timestamp() AND mend.is_severe(s.severity, at_least)
        ORDER BY n.id;
    END IF;
    IF lineage THEN
        PERFORM mend.note_run(n.patch_id, CASE n.kind WHEN 'patch_applied' THEN 'COMPLETE' ELSE 'FAIL' END)
        FROM new_events n WHERE n.kind IN ('patch_applied', 'patch_failed') AND n.at >= transaction_timestamp();
    END IF;
    IF EXISTS (SELECT FROM new_events n WHERE n.actor <> 'pg_mend' AND n.at >= transaction_timestamp()) THEN
        PERFORM mend.wake();
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mend.note_news() IS 'Internal: leaves word for the worker to tell of new events';
REVOKE ALL ON FUNCTION mend.note_news() FROM PUBLIC;
CREATE TRIGGER note_news AFTER INSERT ON mend.events REFERENCING NEW TABLE AS new_events
    FOR EACH STATEMENT EXECUTE FUNCTION mend.note_news();
COMMENT ON TRIGGER note_news ON mend.events IS 'The worker tells the world of it';

-- A run is one heal: START, then COMPLETE or FAIL, once each, in this order.
CREATE FUNCTION mend.note_run(patch_id bigint, transition text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    step text;
BEGIN
    FOREACH step IN ARRAY CASE transition WHEN 'START' THEN ARRAY['START'] ELSE ARRAY['START', transition] END LOOP
        INSERT INTO mend.outbox (channel, kind, target_name, patch_id)
        SELECT 'lineage', step, p.target_name, p.id FROM mend.patches p
        WHERE p.id = note_run.patch_id AND mend.setting('mend.lineage_url') <> ''
          AND NOT EXISTS (SELECT FROM mend.outbox o WHERE o.channel = 'lineage' AND o.patch_id = p.id AND o.kind = step);
    END LOOP;
END
$$;
COMMENT ON FUNCTION mend.note_run(bigint, text) IS 'Internal: leaves word for the worker to tell of a run: START, COMPLETE or FAIL';
REVOKE ALL ON FUNCTION mend.note_run(bigint, text) FROM PUBLIC;

-- NOTIFY takes a lock of the whole cluster at commit, and fails when its queue is full: it has a transaction of its own.
CREATE FUNCTION mend.send_notifications() RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH taken AS (
        DELETE FROM mend.outbox o WHERE o.id IN (SELECT n.id FROM mend.outbox n WHERE n.channel = 'notify' AND n.state = 'pending'
                                                 ORDER BY n.id LIMIT 1000 FOR UPDATE SKIP LOCKED)
        RETURNING o.*
    ), told AS (
        SELECT pg_notify('mend', jsonb_build_object('kind', t.kind, 'table', t.target_name, 'patch', t.patch_id)::text)
        FROM (SELECT * FROM taken ORDER BY id) t
    )
    SELECT count(*) FROM told;
END;
COMMENT ON FUNCTION mend.send_notifications() IS 'Internal: tells listeners on channel mend of up to a thousand events';
REVOKE ALL ON FUNCTION mend.send_notifications() FROM PUBLIC;

CREATE FUNCTION mend.message_sent(id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    news mend.outbox;
BEGIN
    UPDATE mend.outbox o SET state = 'sent', last_error = NULL WHERE o.id = message_sent.id RETURNING * INTO news;
    -- A START is remembered until its run has ended, so that there is one.
    DELETE FROM mend.outbox o
    WHERE news.kind <> 'START'
      AND (o.id = news.id
           OR news.channel = 'lineage' AND o.channel = 'lineage' AND o.patch_id = news.patch_id AND o.state = 'sent');
END
$$;
COMMENT ON FUNCTION mend.message_sent(bigint) IS 'Internal: a message has arrived';
REVOKE ALL ON FUNCTION mend.message_sent(bigint) FROM PUBLIC;

-- Only the try that was taken last has a say: an answer that comes after its minute must not raise the dead.
CREATE FUNCTION mend.message_not_sent(id bigint, tries int, error text, wait_ms bigint, give_up boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    news mend.outbox;
BEGIN
    UPDATE mend.outbox o
    SET last_error = error, next_try = clock_timestamp() + wait_ms * interval '1 millisecond',
        state = CASE WHEN give_up THEN 'dead' ELSE 'pending' END
    WHERE o.id = message_not_sent.id AND o.tries = message_not_sent.tries AND o.state = 'pending' RETURNING * INTO news;
    IF FOUND AND give_up THEN
        INSERT INTO mend.events (kind, target_name, patch_id, actor, detail)
        VALUES ('message_lost', news.target_name, news.patch_id, 'pg_mend',
                jsonb_build_object('channel', news.channel, 'message', news.kind, 'tries', news.tries, 'error', error));
    END IF;
END
$$;
COMMENT ON FUNCTION mend.message_not_sent(bigint, int, text, bigint, boolean) IS
    'Internal: a message has not arrived: it is tried again later, or given up';
REVOKE ALL ON FUNCTION mend.message_not_sent(bigint, int, text, bigint, boolean) FROM PUBLIC;
-- What a monitoring system scrapes: cheap beside a queue of millions of rows.
CREATE VIEW mend.metrics AS
WITH t AS NOT MATERIALIZED (
    -- Two enrolments may have one name: a table that was renamed or dropped, and the next of that name. The same series twice is
    -- an error to Prometheus, of all that it scrapes.
    SELECT e.target, e.target_name,
           jsonb_build_object('table', e.target_name || CASE WHEN e.target::oid <> n.last THEN format(' (OID %s)', e.target::oid) ELSE '' END) AS labels
    FROM mend.enrollments e
         LEFT JOIN (SELECT target_name, max(target::oid) AS last FROM mend.enrollments GROUP BY 1 HAVING count(*) > 1) n USING (target_name)
), p AS NOT MATERIALIZED (
    SELECT p.*, jsonb_build_object('table', p.target_name, 'planner', p.planner) AS by_planner FROM mend.patches p
)
SELECT 'mend_enabled' AS name, '{}'::jsonb AS labels, (NOT stopped)::int::float8 AS value,
       'Whether healing is switched on in this database' AS help, 'gauge' AS type
FROM mend.control
UNION ALL
SELECT 'mend_workers', '{}', (SELECT count(*) FROM mend.workers()), 'Workers of this database', 'gauge'
UNION ALL
SELECT 'mend_worker_refused', '{}', (mend.worker_refused_at() IS NOT NULL)::int,
       'Whether PostgreSQL had no room for a worker when one was last wanted', 'gauge'
UNION ALL
SELECT 'mend_table_info', t.labels || jsonb_build_object('mode', e.mode), 1, 'The landing tables, by mode', 'gauge'
FROM t JOIN mend.enrollments e USING (target)
UNION ALL
SELECT 'mend_queue_rows', t.labels, mend.rows_of('queue', t.target),
       'Payloads in the queue: exact up to a hundred thousand, an estimate above', 'gauge' FROM t
UNION ALL
SELECT 'mend_queue_oldest_seconds', t.labels,
       coalesce(greatest(extract(epoch FROM now() - (SELECT q.submitted_at FROM mend.queue q WHERE q.target >= t.target AND q.target <= t.target
                                                     ORDER BY q.target, q.id LIMIT 1)), 0), 0),
       'How long the first payload in the queue has waited; 0 when none waits', 'gauge' FROM t
UNION ALL
SELECT 'mend_dead_letters', t.labels, mend.rows_of('dead_letters', t.target),
       'Payloads that a person must look at: exact up to a hundred thousand, an estimate above', 'gauge' FROM t
UNION ALL
SELECT 'mend_waiting', t.labels, (coalesce(r.state, 'idle') = 'waiting')::int,
       'Whether the worker waits with this table: a cooldown, a lock, a back-off, rows that only a person can help', 'gauge'
FROM t LEFT JOIN mend.progress r USING (target)
UNION ALL
SELECT 'mend_breaker_open', t.labels, (coalesce(r.state, 'idle') = 'breaker')::int, 'Whether the breaker keeps the worker from patching the table', 'gauge'
FROM t LEFT JOIN mend.progress r USING (target)
UNION ALL
SELECT 'mend_round_failing', t.labels, (r.last_error IS NOT NULL)::int, 'Whether the last heal round ended in an error', 'gauge'
FROM t LEFT JOIN mend.progress r USING (target)
UNION ALL
SELECT 'mend_patches_waiting', t.labels, (SELECT count(*) FROM mend.decisions d WHERE d.target = t.target),
       'Patches that wait for a decision', 'gauge' FROM t
UNION ALL
SELECT 'mend_last_stored_timestamp_seconds', t.labels, extract(epoch FROM s.stored),
       'When a row was last stored through pg_mend, since the server started', 'gauge'
FROM t, mend.last_seen(t.target) s WHERE s.stored IS NOT NULL
UNION ALL
SELECT 'mend_last_offered_timestamp_seconds', t.labels, extract(epoch FROM s.offered),
       'When a payload was last offered, since the server started', 'gauge'
FROM t, mend.last_seen(t.target) s WHERE s.offered IS NOT NULL
UNION ALL
SELECT 'mend_last_heal_timestamp_seconds', t.labels, extract(epoch FROM r.last_heal), 'When a patch was last applied', 'gauge'
FROM t JOIN mend.progress r USING (target) WHERE r.last_heal IS NOT NULL
UNION ALL
SELECT 'mend_drift_rows_total', jsonb_build_object('table', d.target_name, 'kind', d.kind), sum(d.row_count),
       'Queued payloads that showed a drift of this kind', 'counter'
FROM mend.drifts d GROUP BY d.target_name, d.kind
UNION ALL
SELECT 'mend_patches_applied_total', p.by_planner, count(*), 'Patches applied, those reverted since included', 'counter'
FROM p WHERE p.applied_at IS NOT NULL GROUP BY 2
UNION ALL
SELECT 'mend_patches_failed_total', p.by_planner, count(*), 'Patches that did not work', 'counter'
FROM p WHERE p.state = 'failed' GROUP BY 2
UNION ALL
SELECT 'mend_patches_refused_total', p.by_planner, count(*), 'Patches that the guard did not let through', 'counter'
FROM p WHERE p.state = 'refused' AND p.ddl IS NULL GROUP BY 2
UNION ALL
SELECT 'mend_patches_rejected_total', p.by_planner, count(*), 'Patches that a person rejected', 'counter'
FROM p WHERE p.state = 'rejected' GROUP BY 2
UNION ALL
SELECT 'mend_patches_reverted_total', p.by_planner, count(*), 'Patches that a person took back', 'counter'
FROM p WHERE p.state = 'reverted' GROUP BY 2
UNION ALL
SELECT 'mend_rows_healed_total', p.by_planner, sum(p.rows_healed), 'Queued payloads stored thanks to a patch', 'counter'
FROM p GROUP BY 2
UNION ALL
SELECT 'mend_rows_failed_total', p.by_planner, sum(p.rows_failed), 'Queued payloads that failed again after a patch and became dead letters', 'counter'
FROM p GROUP BY 2
UNION ALL
SELECT 'mend_model_input_tokens_total', jsonb_build_object('model', p.model), sum(p.input_tokens + p.cache_write_tokens + p.cache_read_tokens), 'Tokens sent to the model', 'counter'
FROM mend.calls p GROUP BY p.model
UNION ALL
SELECT 'mend_model_output_tokens_total', jsonb_build_object('model', p.model), sum(p.output_tokens), 'Tokens received from the model', 'counter'
FROM mend.calls p GROUP BY p.model
UNION ALL
SELECT 'mend_model_cost_dollars_total', jsonb_build_object('model', p.model), sum(p.cost_usd), 'What the model cost', 'counter'
FROM mend.calls p GROUP BY p.model
UNION ALL
SELECT 'mend_outbox_messages', jsonb_build_object('channel', c.channel), (SELECT count(*) FROM mend.outbox o WHERE o.channel = c.channel AND o.state = 'pending'),
       'Messages that wait to be sent', 'gauge'
FROM (VALUES ('notify'), ('webhook'), ('lineage')) c (channel)
UNION ALL
SELECT 'mend_outbox_dead_messages', jsonb_build_object('channel', c.channel), (SELECT count(*) FROM mend.outbox o WHERE o.channel = c.channel AND o.state = 'dead'),
       'Messages that were given up', 'gauge'
FROM (VALUES ('webhook'), ('lineage')) c (channel);
COMMENT ON VIEW mend.metrics IS 'Metrics of this database for a monitoring system; counters come from tables, and survive restarts';
COMMENT ON COLUMN mend.metrics.name IS 'Name of the metric, by the conventions of Prometheus';
COMMENT ON COLUMN mend.metrics.labels IS 'Its labels, as an object of texts';
COMMENT ON COLUMN mend.metrics.value IS 'Its value now';
COMMENT ON COLUMN mend.metrics.help IS 'What it says';
COMMENT ON COLUMN mend.metrics.type IS 'gauge, or counter: it only grows, restarts included';
GRANT SELECT ON mend.metrics TO mend_admin, mend_agent, pg_monitor;
-- Deciding, and taking home what was decided: patches as pages and as migration files.

-- Names, fields and reasons come from strangers: on one line, none of them can end a comment or begin a statement.
-- Nor can one make what stands beside it read otherwise: the characters that turn the direction of text become question marks.
CREATE FUNCTION mend.in_order(words text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN regexp_replace(words, E'[\\u202a-\\u202e\\u2066-\\u2069]', '?', 'g');
COMMENT ON FUNCTION mend.in_order(text) IS 'A text as it is read: characters that would show it in another order become question marks';
REVOKE ALL ON FUNCTION mend.in_order(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.in_order(text) TO mend_admin, mend_agent;

CREATE FUNCTION mend.one_line(words text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN btrim(regexp_replace(mend.in_order(words), E'[[:cntrl:][:space:]\\u2028\\u2029]+', ' ', 'g'));
COMMENT ON FUNCTION mend.one_line(text) IS 'A text on one line: line ends and control characters become blanks';
REVOKE ALL ON FUNCTION mend.one_line(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.one_line(text) TO mend_admin, mend_agent;

-- What the profile of a drift says, for a person. Never a value: the profile has none.
CREATE FUNCTION mend.describe_profile(profile jsonb) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN concat_ws(', ',
    (SELECT string_agg(n || ' ' || CASE kind WHEN 'absent' THEN 'without it' ELSE kind END, ', ' ORDER BY n DESC, kind)
     FROM unnest(ARRAY['integers', 'fractions', 'booleans', 'objects', 'arrays', 'nulls', 'absent']) kind,
          LATERAL (SELECT (profile ->> kind)::bigint) c (n) WHERE n > 0),
    (SELECT string_agg(s.value || ' ' || CASE s.key WHEN 'other' THEN 'texts' ELSE 'texts that are ' || mend.one_line(s.key) END, ', ' ORDER BY s.value::text DESC, s.key)
     FROM jsonb_each_text(CASE jsonb_typeof(profile -> 'strings') WHEN 'object' THEN profile -> 'strings' ELSE '{}' END) s),
    CASE WHEN (profile ->> 'max_length')::bigint > 0
         THEN format('of %s to %s characters', profile ->> 'min_length', profile ->> 'max_length') END,
    CASE WHEN (profile ->> 'max_integer_digits')::bigint > 0
         THEN format('up to %s digits before the point', profile ->> 'max_integer_digits') END,
    CASE WHEN (profile ->> 'max_scale')::bigint > 0
         THEN format('up to %s digits after it', profile ->> 'max_scale') END);
COMMENT ON FUNCTION mend.describe_profile(jsonb) IS 'The profile of a drift in words: JSON types, formats, lengths and digits, never a value';
REVOKE ALL ON FUNCTION mend.describe_profile(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.describe_profile(jsonb) TO mend_admin, mend_agent;

-- What stands on a table or on one of its columns. Functions whose body is a text are found by the names in it.
CREATE FUNCTION mend.dependents(target regclass, columns name[], OUT column_name name, OUT dependent text)
RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE family AS (
        SELECT dependents.target::oid AS relid
        UNION SELECT i.inhrelid FROM pg_inherits i JOIN family f ON i.inhparent = f.relid
    ), touched AS (
        SELECT a.attrelid, a.attnum, a.attname FROM family f JOIN pg_attribute a ON a.attrelid = f.relid
        WHERE a.attname = ANY (dependents.columns) AND a.attnum > 0 AND NOT a.attisdropped
    )
    SELECT DISTINCT t.attname, CASE
        WHEN d.classid = 'pg_rewrite'::regclass THEN
            (SELECT CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' ELSE 'rule ' || quote_ident(r.rulename) || ' on ' END || c.oid::regclass
             FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.oid = d.objid)
        WHEN d.classid = 'pg_class'::regclass THEN
            (SELECT CASE WHEN c.relkind IN ('i', 'I') THEN 'index ' WHEN c.relkind = 'S' THEN 'sequence ' ELSE 'relation ' END || c.oid::regclass
             FROM pg_class c WHERE c.oid = d.objid AND c.oid <> t.attrelid)
        WHEN d.classid = 'pg_constraint'::regclass THEN
            (SELECT CASE c.contype WHEN 'f' THEN CASE WHEN c.confrelid = t.attrelid AND c.conrelid <> t.attrelid THEN 'foreign key of another table: ' ELSE 'foreign key ' END
                                   WHEN 'c' THEN 'CHECK constraint ' WHEN 'p' THEN 'primary key ' WHEN 'u' THEN 'unique constraint ' ELSE 'constraint ' END
                    || quote_ident(c.conname) || ' of ' || c.conrelid::regclass
             FROM pg_constraint c WHERE c.oid = d.objid)
        WHEN d.classid = 'pg_attrdef'::regclass THEN
            (SELECT 'generated column ' || quote_ident(a.attname) FROM pg_attrdef g JOIN pg_attribute a ON a.attrelid = g.adrelid AND a.attnum = g.adnum
             WHERE g.oid = d.objid AND g.adnum <> t.attnum)
        ELSE pg_describe_object(d.classid, d.objid, d.objsubid)
        END
    FROM touched t JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.attrelid AND d.refobjsubid = t.attnum
    UNION
    SELECT t.attname, 'publication ' || quote_ident(p.pubname) || ' (names the column)'
    FROM touched t JOIN pg_publication_rel r ON r.prrelid = t.attrelid JOIN pg_publication p ON p.oid = r.prpubid
    WHERE t.attnum = ANY (coalesce((to_jsonb(r) ->> 'prattrs'), '')::int2vector::int2[])
    UNION
    SELECT NULL, 'publication ' || quote_ident(p.pubname)
    FROM pg_publication p JOIN pg_publication_tables v ON v.pubname = p.pubname
         JOIN pg_class c ON c.relname = v.tablename JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = v.schemaname
    WHERE c.oid = dependents.target OR c.oid IN (SELECT relid FROM family)
    UNION
    SELECT NULL, 'function ' || p.oid::regprocedure || ' (its body names the table)'
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('internal', 'c')
         JOIN pg_class c ON c.oid = dependents.target
    WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'mend'::regnamespace)
      -- Backslashes that mean the same where standard_conforming_strings is off.
      AND p.prosrc ~* (E'\\m' || regexp_replace(c.relname, '([^[:alnum:]_])', E'\\\\\\1', 'g') || E'\\M')
    UNION
    SELECT NULL, 'trigger ' || quote_ident(g.tgname) FROM pg_trigger g WHERE g.tgrelid = dependents.target AND NOT g.tgisinternal
$$;
COMMENT ON FUNCTION mend.dependents(regclass, name[]) IS
'Views, indexes, constraints, foreign keys, generated columns, publications, triggers and functions that stand on a table.
target: the table
columns: the columns whose dependents are wanted
column_name: the column it stands on; null: the table as a whole
dependent: what it is';
REVOKE ALL ON FUNCTION mend.dependents(regclass, name[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.dependents(regclass, name[]) TO mend_admin, mend_agent;

CREATE FUNCTION mend.explain_locks(patch mend.patches) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN (patch).ddl IS NULL THEN '    nothing: it only records where fields go' || E'\n'
    ELSE format(E'    ACCESS EXCLUSIVE on %s: nobody reads or writes it meanwhile.\n'
                '    It waits for the lock for mend.lock_timeout (%s) at most, then tries again later;\n'
                '    past mend.max_lock_hold (%s) with it, everything is rolled back.\n%s',
                mend.one_line((patch).target_name), coalesce(current_setting('mend.lock_timeout', true), '2s'),
                coalesce(current_setting('mend.max_lock_hold', true), '10s'),
                CASE WHEN (patch).rewrites_table
                     THEN format(E'    It rewrites the table and its indexes, under that lock: %s now, about twice that on disk meanwhile.\n',
                                 coalesce((SELECT pg_size_pretty(sum(pg_total_relation_size(f.relid)))
                                           FROM (SELECT (patch).target::oid UNION SELECT relid::oid FROM pg_partition_tree((patch).target)) f (relid)
                                           WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = f.relid)), 'size unknown'))
                     ELSE E'    It does not rewrite the table: it changes the catalogs only.\n' END)
END;
COMMENT ON FUNCTION mend.explain_locks(mend.patches) IS 'Internal: the part of mend.explain_patch() about locks';
REVOKE ALL ON FUNCTION mend.explain_locks(mend.patches) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.explain_locks(mend.patches) TO mend_admin, mend_agent;

CREATE FUNCTION mend.explain_changes(patch mend.patches) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN coalesce(nullif(concat(
    CASE WHEN coalesce((patch).ddl, '') <> '' THEN '    ' || mend.in_order(translate((patch).ddl, E'\n\r', '  ')) || E';\n' END,
    CASE WHEN (patch).ddl IS NULL AND (patch).state = 'refused' THEN '    ' || mend.one_line((patch).proposed_ddl) || E'\n    (as proposed: none of it ever runs)\n' END,
    (SELECT string_agg('    field ' || to_json(mend.one_line(m.key)) || CASE WHEN m.value IS NULL THEN ' is ignored' ELSE ' goes to column ' || mend.one_line(quote_ident(m.value)) END || E'\n', '' ORDER BY m.key)
     FROM jsonb_each_text((patch).field_map) m)), ''), E'    nothing\n');
COMMENT ON FUNCTION mend.explain_changes(mend.patches) IS 'Internal: the part of mend.explain_patch() about what is proposed';
REVOKE ALL ON FUNCTION mend.explain_changes(mend.patches) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.explain_changes(mend.patches) TO mend_admin, mend_agent;

CREATE FUNCTION mend.explain_what_now(patch mend.patches) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE (patch).state
    WHEN 'proposed' THEN format(E'    SELECT mend.approve(%s);\n    SELECT mend.reject(%1$s, ''why'');   -- its rows become dead letters, and it is not proposed again\n', (patch).id)
    WHEN 'approved' THEN E'    nothing: the worker applies it; see mend.status\n'
    WHEN 'applied' THEN format(E'    SELECT mend.revert(%s);      -- loses nothing: values of a dropped column are kept in mend.undo_%1$s\n    SELECT mend.migration(%1$s);   -- for your repository\n', (patch).id)
    WHEN 'reverted' THEN E'    nothing: its fields are never given a column again by themselves; mend.map_field() gives them one\n'
    ELSE E'    correct what the reason names, then SELECT mend.retry(' || quote_literal(mend.one_line((patch).target_name)) || E');\n'
         '    or propose another: SELECT mend.propose(' || quote_literal(mend.one_line((patch).target_name)) || E', ''ALTER TABLE ...'');\n' END;
COMMENT ON FUNCTION mend.explain_what_now(mend.patches) IS 'Internal: the part of mend.explain_patch() about what a person can do';
REVOKE ALL ON FUNCTION mend.explain_what_now(mend.patches) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.explain_what_now(mend.patches) TO mend_admin, mend_agent;

CREATE FUNCTION mend.explain_patch(id bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    patch mend.patches;
    columns name[];
    page text;
BEGIN
    SELECT * INTO patch FROM mend.patches p WHERE p.id = explain_patch.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no patch %', id USING ERRCODE = 'undefined_object', HINT = 'See mend.patches.';
    END IF;
    columns := ARRAY(SELECT (a ->> 'column')::name FROM jsonb_array_elements(patch.evidence -> 'actions') a
                     UNION SELECT m.value::name FROM jsonb_each_text(patch.field_map) m WHERE m.value IS NOT NULL);
    page := format(E'Patch %s of %s is %s%s\nproposed %s by %s (planner: %s%s)\n', patch.id, mend.one_line(patch.target_name), patch.state,
                   ': ' || mend.one_line(patch.reason), date_trunc('second', patch.created_at), mend.one_line(patch.proposed_by), patch.planner,
                   ', model: ' || mend.one_line(patch.model));
    IF patch.decided_at IS NOT NULL AND patch.decided_by IS DISTINCT FROM 'pg_mend' THEN
        page := page || format(E'decided %s by %s\n', date_trunc('second', patch.decided_at), mend.one_line(patch.decided_by));
    END IF;
    page := page || E'\nWhat it does\n' || mend.explain_changes(patch)
        || E'\nWhat takes it back\n    ' || coalesce(mend.in_order(translate(patch.inverse_ddl, E'\n\r', '  ')) || ';', 'nothing to take back in the table') || E'\n'
        || E'\nWhy\n    ' || coalesce(nullif(replace(mend.in_lines(mend.one_line(patch.rationale), 100), E'\n', E'\n    '), ''), 'no reason was given') || E'\n'
        || E'\nThe evidence\n' || coalesce((
               SELECT string_agg(format(E'    field %s: %s, %s payloads: %s\n', to_json(mend.one_line(d ->> 'field')), d ->> 'kind',
                                        d ->> 'rows', mend.describe_profile(d -> 'profile')), '' ORDER BY n)
               FROM jsonb_array_elements(patch.evidence -> 'drift') WITH ORDINALITY x (d, n)), E'    no drift that is waiting\n')
        || E'\nWhat the dry run showed\n    ' || CASE
               WHEN patch.evidence ? 'proof' THEN format('%s of %s waiting payloads that do not fit the table fit with it; converted in memory, nothing was altered',
                                                         patch.evidence #>> '{proof,rows_healed}', patch.evidence #>> '{proof,rows_tried}')
               ELSE 'there was none: the guard did not let it through' END
        || CASE WHEN patch.applied_at IS NOT NULL
                THEN format(E'\n    Applied %s: %s payloads stored, %s failed again', date_trunc('second', patch.applied_at), patch.rows_healed, patch.rows_failed)
                ELSE '' END
        || E'\n\nWhat it locks\n' || mend.explain_locks(patch)
        || E'\nWhat depends on it\n' || coalesce((
               SELECT string_agg(format(E'    %s%s\n', mend.one_line('column ' || quote_ident(d.column_name)) || ': ', mend.one_line(d.dependent)), '' ORDER BY d.column_name, d.dependent)
               FROM mend.dependents(patch.target, columns) d WHERE d.dependent IS NOT NULL), E'    nothing that PostgreSQL knows of\n')
        || E'\nWhat you can do\n' || mend.explain_what_now(patch);
    RETURN page;
END
$$;
COMMENT ON FUNCTION mend.explain_patch(bigint) IS
    'A page about one patch: what it does, on what evidence, what it locks, whether it rewrites, what depends on its columns, what the dry run showed, and how to decide';
REVOKE ALL ON FUNCTION mend.explain_patch(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.explain_patch(bigint) TO mend_admin, mend_agent;

CREATE FUNCTION mend.migration(id bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    patch mend.patches;
BEGIN
    SELECT * INTO patch FROM mend.patches p WHERE p.id = migration.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no patch %', id USING ERRCODE = 'undefined_object', HINT = 'See mend.patches.';
    ELSIF patch.applied_at IS NULL THEN
        RAISE EXCEPTION 'patch % is %: it was never applied', id, patch.state
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Only what was applied has a migration.';
    END IF;
    RETURN format(E'-- pg_mend: patch %s of %s, applied %s%s\n', patch.id, mend.one_line(patch.target_name), date_trunc('second', patch.applied_at),
                  CASE WHEN patch.state = 'reverted' THEN format(', reverted %s', date_trunc('second', patch.decided_at)) ELSE '' END)
        || format(E'-- planner: %s%s%s; payloads stored: %s\n', patch.planner, ' (' || mend.one_line(patch.model) || ')',
                  CASE WHEN patch.decided_by IS DISTINCT FROM 'pg_mend' AND patch.state <> 'reverted' THEN '; approved by ' || mend.one_line(patch.decided_by) ELSE '' END, patch.rows_healed)
        || coalesce('-- ' || nullif(mend.one_line(patch.rationale), '') || E'\n', '')
        || coalesce((SELECT string_agg(format(E'-- drift: %s, %s, %s payloads\n', to_json(mend.one_line(d ->> 'field')), d ->> 'kind', d ->> 'rows'), '' ORDER BY n)
                     FROM jsonb_array_elements(patch.evidence -> 'drift') WITH ORDINALITY x (d, n)), '')
        || E'-- The database that it comes from has it already: mark it as applied there.\n'
        || CASE WHEN coalesce(patch.ddl, '') = '' THEN E'\n-- The table stays as it is.\n' ELSE E'\n' || patch.ddl || E';\n' END
        || coalesce((SELECT E'\n-- Where pg_mend runs, fields also find their columns by:\n'
                            || string_agg(format(E'-- SELECT mend.map_field(%L, %L, %L);\n', mend.one_line(patch.target_name), mend.one_line(m.key), mend.one_line(m.value)), '' ORDER BY m.key)
                     FROM jsonb_each_text(patch.field_map) m HAVING count(*) > 0), '')
        || CASE WHEN coalesce(patch.inverse_ddl, '') = '' THEN '' ELSE E'\n-- To take it back:\n-- ' || mend.one_line(patch.inverse_ddl) || E';\n' END;
END
$$;
COMMENT ON FUNCTION mend.migration(bigint) IS
    'An applied patch as a migration file: a header with its origin, the DDL as it ran, and the inverse as a comment';
REVOKE ALL ON FUNCTION mend.migration(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.migration(bigint) TO mend_admin, mend_agent;

CREATE FUNCTION mend.migrations(since timestamptz) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.file FROM (
        SELECT p.applied_at AS at, p.id, mend.migration(p.id) AS file FROM mend.patches p WHERE p.applied_at >= since
        UNION ALL
        SELECT p.decided_at, p.id, format(E'-- pg_mend: patch %s of %s, applied %s, reverted %s by %s\n\n%s;\n', p.id, mend.one_line(p.target_name),
                                          date_trunc('second', p.applied_at), date_trunc('second', p.decided_at), mend.one_line(p.decided_by), p.inverse_ddl)
        FROM mend.patches p WHERE p.state = 'reverted' AND p.decided_at >= since AND coalesce(p.inverse_ddl, '') <> ''
    ) f ORDER BY f.at, f.id
$$;
COMMENT ON FUNCTION mend.migrations(timestamptz) IS
    'What was applied, and what was reverted, since a time: one migration file a row, in the order in which it happened';
REVOKE ALL ON FUNCTION mend.migrations(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.migrations(timestamptz) TO mend_admin, mend_agent;
-- Accounting. An incident is one drift: one field of one table that did not fit, however many payloads showed it.
CREATE VIEW mend.incidents AS
SELECT d.id, d.target, d.target_name, d.field, d.kind, d.row_count,
       d.first_seen,
       CASE WHEN d.state = 'healed' THEN coalesce(p.applied_at, d.last_seen) ELSE d.last_seen END AS ended_at,
       CASE
           WHEN d.state = 'dead_lettered' THEN 'failed'
           WHEN d.state <> 'healed' THEN 'open'
           -- A patch that a person took back has not healed anything.
           WHEN p.state = 'reverted' THEN 'failed'
           -- Whatever planned it: where somebody had to decide, a person was woken.
           WHEN p.id IS NULL OR p.planner NOT IN ('rules', 'claude') OR p.decided_by IS DISTINCT FROM 'pg_mend' THEN 'person'
           WHEN p.planner = 'rules' THEN 'rule'
           ELSE 'model'
       END AS outcome,
       CASE WHEN d.state = 'healed' AND p.applied_at >= d.first_seen THEN p.applied_at - d.first_seen END AS time_to_heal,
       -- A patch that covers three drifts was paid for once.
       coalesce(p.cost_usd / nullif(count(*) OVER (PARTITION BY p.id), 0), 0) AS cost_usd
FROM mend.drifts d LEFT JOIN mend.patches p ON p.id = d.patch_id;
COMMENT ON VIEW mend.incidents IS 'Every drift as an incident: who resolved it, how fast, at what price';
COMMENT ON COLUMN mend.incidents.id IS 'Identity of the drift';
COMMENT ON COLUMN mend.incidents.target IS 'The landing table';
COMMENT ON COLUMN mend.incidents.target_name IS 'Its schema-qualified name';
COMMENT ON COLUMN mend.incidents.field IS 'The payload field';
COMMENT ON COLUMN mend.incidents.kind IS 'Kind of the drift';
COMMENT ON COLUMN mend.incidents.row_count IS 'Payloads that showed it';
COMMENT ON COLUMN mend.incidents.first_seen IS 'When the first of them was offered';
COMMENT ON COLUMN mend.incidents.ended_at IS 'When it was healed; of others, when it was last seen';
COMMENT ON COLUMN mend.incidents.outcome IS 'rule or model: resolved without a person; person: somebody proposed, approved or changed something; failed; open';
COMMENT ON COLUMN mend.incidents.time_to_heal IS 'From the first such payload to the patch';
COMMENT ON COLUMN mend.incidents.cost_usd IS 'Its share of what the patch cost';
GRANT SELECT ON mend.incidents TO mend_admin, mend_agent, pg_monitor;

CREATE FUNCTION mend.minutes_per_incident() RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN coalesce(nullif(current_setting('mend.minutes_per_incident', true), ''), '30')::numeric;
COMMENT ON FUNCTION mend.minutes_per_incident() IS
    'The setting mend.minutes_per_incident: what an incident costs an engineer, by assumption';
REVOKE ALL ON FUNCTION mend.minutes_per_incident() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.minutes_per_incident() TO mend_admin, mend_agent, pg_monitor;

CREATE VIEW mend.savings AS
WITH days AS (
    SELECT i.ended_at::date AS day, i.target_name, i.outcome, i.row_count, i.time_to_heal,
           0 AS refused, 0 AS reverted, 0::bigint AS rescued, 0::bigint AS input_tokens, 0::bigint AS output_tokens, 0::numeric AS cost_usd
    FROM mend.incidents i WHERE i.outcome <> 'open'
    UNION ALL
    -- What the guard or a person refused of what a planner proposed; what was merely overtaken by events does not count.
    SELECT coalesce(p.applied_at, p.decided_at, p.created_at)::date, p.target_name, NULL, 0, NULL,
           (p.planner IN ('rules', 'claude') AND (p.state = 'rejected' OR p.state = 'refused' AND p.ddl IS NULL))::int,
           (p.state = 'reverted')::int, p.rows_healed, 0, 0, 0
    FROM mend.patches p
    UNION ALL
    -- What was asked, answered or not, is paid for.
    SELECT c.at::date, c.target_name, NULL, 0, NULL, 0, 0, 0,
           c.input_tokens + c.cache_write_tokens + c.cache_read_tokens, c.output_tokens, c.cost_usd
    FROM mend.calls c
)
SELECT day, target_name,
       count(*) FILTER (WHERE outcome = 'rule') AS by_rule,
       count(*) FILTER (WHERE outcome = 'model') AS by_model,
       count(*) FILTER (WHERE outcome = 'person') AS by_person,
       count(*) FILTER (WHERE outcome = 'failed') AS failed,
       sum(refused) AS refused,
       sum(reverted) AS reverted,
       sum(rescued)::bigint AS rows_rescued,
       sum(input_tokens)::bigint AS input_tokens,
       sum(output_tokens)::bigint AS output_tokens,
       sum(cost_usd) AS cost_usd,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY time_to_heal) AS median_time_to_heal,
       mend.minutes_per_incident() * (count(*) FILTER (WHERE outcome IN ('rule', 'model')) - sum(refused) - sum(reverted)) AS minutes_saved
FROM days
GROUP BY day, target_name;
COMMENT ON VIEW mend.savings IS 'What pg_mend did, a day and table: honest enough to show to whoever pays';
COMMENT ON COLUMN mend.savings.day IS 'The day, in the time zone of the session';
COMMENT ON COLUMN mend.savings.target_name IS 'The landing table';
COMMENT ON COLUMN mend.savings.by_rule IS 'Drifts that a rule healed without a person';
COMMENT ON COLUMN mend.savings.by_model IS 'Drifts that a model healed without a person';
COMMENT ON COLUMN mend.savings.by_person IS 'Drifts healed where a person proposed, approved or changed something';
COMMENT ON COLUMN mend.savings.failed IS 'Drifts whose payloads became dead letters, or whose patch was reverted';
COMMENT ON COLUMN mend.savings.refused IS 'Patches of a planner that the guard refused or a person rejected';
COMMENT ON COLUMN mend.savings.reverted IS 'Patches that a person took back';
COMMENT ON COLUMN mend.savings.rows_rescued IS 'Queued payloads stored thanks to patches';
COMMENT ON COLUMN mend.savings.input_tokens IS 'Tokens sent to the model';
COMMENT ON COLUMN mend.savings.output_tokens IS 'Tokens received from the model';
COMMENT ON COLUMN mend.savings.cost_usd IS 'What the model cost, in US dollars';
COMMENT ON COLUMN mend.savings.median_time_to_heal IS 'From the first payload that did not fit to the patch';
COMMENT ON COLUMN mend.savings.minutes_saved IS 'mend.minutes_per_incident times what was healed without a person, less refusals and reverts; negative where pg_mend made work';
GRANT SELECT ON mend.savings TO mend_admin, mend_agent, pg_monitor;

CREATE FUNCTION mend.claim(since timestamptz DEFAULT '-infinity') RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    incidents record;
BEGIN
    SELECT count(*) FILTER (WHERE outcome <> 'open') AS ended,
           count(*) FILTER (WHERE outcome IN ('rule', 'model')) AS alone,
           count(*) FILTER (WHERE outcome = 'open') AS open,
           count(*) FILTER (WHERE outcome IN ('rule', 'model') AND cost_usd < 0.01) AS cheap,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY cost_usd) FILTER (WHERE outcome IN ('rule', 'model')) AS cost,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM time_to_heal)) FILTER (WHERE outcome IN ('rule', 'model')) AS seconds
    INTO incidents FROM mend.incidents i WHERE i.ended_at >= since;
    IF incidents.ended = 0 THEN
        RETURN format('no incident has ended yet; open: %s', incidents.open);
    END IF;
    RETURN format('%s of %s incidents (%s%%) resolved without a person; under one cent each: %s of %s; median cost: %s cents; median time: %s s; open: %s',
                  incidents.alone, incidents.ended, round(100.0 * incidents.alone / incidents.ended), incidents.cheap, incidents.alone,
                  round(coalesce(100 * incidents.cost, 0)::numeric, 3), round(coalesce(incidents.seconds, 0)::numeric, 2), incidents.open);
END
$$;
COMMENT ON FUNCTION mend.claim(timestamptz) IS
    'One sentence in the form of the claim that pg_mend is measured by: how many incidents were resolved without a person, at what price, how fast';
REVOKE ALL ON FUNCTION mend.claim(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.claim(timestamptz) TO mend_admin, mend_agent, pg_monitor;
-- What mend-mcp, the bridge to MCP clients, needs besides the functions and tables that everybody uses. It logs in as
-- the user's own role: nothing here gives a role more than it has.
CREATE FUNCTION mend.dry_run_patch(
    patch_id bigint,
    OUT ok boolean, OUT rows_tried bigint, OUT rows_healed bigint, OUT rewrites_table boolean, OUT reason text)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_dry_run_patch';
COMMENT ON FUNCTION mend.dry_run_patch(bigint) IS
    'Proves a recorded patch, with its field mappings, as mend.dry_run() does: in memory, without a lock, keeping nothing';
REVOKE ALL ON FUNCTION mend.dry_run_patch(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.dry_run_patch(bigint) TO mend_admin, mend_agent;

-- One row a role. Not dumped: it is about the last minute.
CREATE TABLE mend.tool_calls (
    actor name PRIMARY KEY,
    since timestamptz NOT NULL,
    calls bigint NOT NULL
);
COMMENT ON TABLE mend.tool_calls IS 'How many tool calls a role has recorded in the current minute';
COMMENT ON COLUMN mend.tool_calls.actor IS 'The role that calls';
COMMENT ON COLUMN mend.tool_calls.since IS 'When the minute began';
COMMENT ON COLUMN mend.tool_calls.calls IS 'Calls since then; past 600 they are counted, and not kept as events';

CREATE FUNCTION mend.record_tool_call(
    tool text, sqlstate text, milliseconds bigint, table_name text DEFAULT NULL, patch_id bigint DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    a_minute_of CONSTANT bigint := 600;
    moment CONSTANT timestamptz := clock_timestamp();
    past mend.tool_calls;
    known_table text;
    known_patch bigint;
BEGIN
    IF record_tool_call.tool IS NULL OR record_tool_call.tool !~ '^[a-z_]{1,40}$'
       OR record_tool_call.sqlstate !~ '^[0-9A-Z]{5}$' THEN
        RAISE EXCEPTION 'a tool call has a tool''s name, and a SQLSTATE or null'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'mend-mcp calls this by itself, for every call of a tool.';
    END IF;
    INSERT INTO mend.tool_calls VALUES (session_user, moment, 0) ON CONFLICT DO NOTHING;
    SELECT * INTO past FROM mend.tool_calls c WHERE c.actor = session_user FOR UPDATE;
    IF past.since <= moment - interval '1 minute' THEN
        IF past.calls > a_minute_of THEN
            INSERT INTO mend.events (kind, detail)
            VALUES ('tool_calls_dropped', jsonb_build_object('calls', past.calls - a_minute_of, 'since', past.since));
        END IF;
        past.since := moment;
        past.calls := 0;
    END IF;
    UPDATE mend.tool_calls c SET since = past.since, calls = past.calls + 1 WHERE c.actor = session_user;
    IF past.calls >= a_minute_of THEN
        RETURN false;
    END IF;
    SELECT e.target_name INTO known_table FROM mend.enrollments e WHERE e.target_name = record_tool_call.table_name;
    SELECT p.id INTO known_patch FROM mend.patches p WHERE p.id = record_tool_call.patch_id;
    INSERT INTO mend.events (kind, target_name, patch_id, detail)
    VALUES ('tool_call', known_table, known_patch, jsonb_strip_nulls(jsonb_build_object(
        'tool', record_tool_call.tool,
        'outcome', CASE WHEN record_tool_call.sqlstate IS NULL THEN 'ok' ELSE 'error' END,
        'sqlstate', record_tool_call.sqlstate,
        'milliseconds', least(greatest(record_tool_call.milliseconds, 0), 86400000),
        'table', CASE WHEN known_table IS NULL THEN left(record_tool_call.table_name, 200) END,
        'patch', CASE WHEN known_patch IS NULL THEN record_tool_call.patch_id END)));
    RETURN true;
END
$$;
COMMENT ON FUNCTION mend.record_tool_call(text, text, bigint, text, bigint) IS
    'Keeps an event (kind tool_call, actor the session''s user) of one call of a tool by mend-mcp. False: the role has used up its 600 events of this minute; how many were left out becomes an event of its own
tool: its name
sqlstate: of the error it ended in; null: it went well
milliseconds: how long it took
table_name: the table it was about, as the client named it
patch_id: the patch it was about';
REVOKE ALL ON FUNCTION mend.record_tool_call(text, text, bigint, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.record_tool_call(text, text, bigint, text, bigint) TO mend_admin, mend_agent;

-- An agent sees that there are dead letters and what kind they are. Not payload, error and reason, which may quote values.
GRANT SELECT (id, target, target_name, submitted_at, died_at, sqlstate, kind, field, patch_id) ON mend.dead_letters TO mend_agent;
-- A page to look at. Everything that comes from outside passes mend.html(): the one place where text becomes markup.
CREATE FUNCTION mend.html(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN coalesce(replace(replace(replace(replace(replace(mend.in_order(words), '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;'), '');
COMMENT ON FUNCTION mend.html(text) IS 'A text as it stands in HTML, in attributes too';
REVOKE ALL ON FUNCTION mend.html(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.html(text) TO mend_admin;

-- On a narrow screen a row becomes a card, and each cell says what it is.
CREATE FUNCTION mend.html_table(title text, labels text[], rows jsonb, if_empty text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN '<section><h2>' || mend.html(title) || '</h2>' || coalesce(
    '<table><thead><tr>' || (SELECT string_agg('<th scope="col">' || mend.html(l) || '</th>', '' ORDER BY n) FROM unnest(labels) WITH ORDINALITY u (l, n))
    || '</tr></thead><tbody>' || (
        SELECT string_agg('<tr>' || (
            SELECT string_agg('<td data-label="' || mend.html(labels[n]) || CASE WHEN length(cell) <= 22 THEN '" class="s">' ELSE '">' END ||
                              CASE WHEN labels[n] = 'DDL' THEN '<code>' || mend.html(cell) || '</code>' ELSE '<span>' || mend.html(cell) || '</span>' END || '</td>', '' ORDER BY n)
            FROM jsonb_array_elements_text(r.row) WITH ORDINALITY c (cell, n)) || '</tr>', E'\n' ORDER BY r.n)
        FROM jsonb_array_elements(rows) WITH ORDINALITY r (row, n)) || '</tbody></table>',
    '<p class="none">' || mend.html(if_empty) || '</p>') || '</section>';
COMMENT ON FUNCTION mend.html_table(text, text[], jsonb, text) IS
    'Internal: a section of a page: a title and a table of texts, given as an array of arrays; all of it is escaped';
REVOKE ALL ON FUNCTION mend.html_table(text, text[], jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.html_table(text, text[], jsonb, text) TO mend_admin;

-- Sixty columns of time: drifts that began, patches applied, and rounds of dead letters.
CREATE FUNCTION mend.html_timeline(since timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (
    WITH marks AS (
        SELECT first_seen AS at, 1 AS what FROM mend.drifts WHERE first_seen >= since
        UNION ALL SELECT applied_at, 2 FROM mend.patches WHERE applied_at >= since
        UNION ALL SELECT died_at, 3 FROM (SELECT died_at FROM mend.dead_letters WHERE died_at >= since LIMIT 100000) d
    ), span AS (
        SELECT least(min(at), now() - interval '1 minute') AS first, greatest(max(at), now()) AS last FROM marks
    ), columns AS (
        SELECT least(floor(60 * extract(epoch FROM m.at - s.first) / extract(epoch FROM s.last - s.first)), 59)::int AS place, m.what, count(*) AS n
        FROM marks m, span s GROUP BY 1, 2
    ), heights AS (
        SELECT place, what, ln(1 + n) AS height, max(ln(1 + n)) OVER () AS most FROM columns
    )
    SELECT '<section><h2>Timeline</h2><p class="legend"><span class="k k1"></span>drift begins <span class="k k2"></span>patch applied '
        || '<span class="k k3"></span>dead letters</p><svg viewBox="0 0 600 90" preserveAspectRatio="none" role="img" aria-label="Drift, patches and dead letters over time">'
        || coalesce((SELECT string_agg(format('<rect class="k%s" x="%s" y="%s" width="9" height="%s"></rect>', what, place * 10,
                                              round((30 * what - 28 * height / most)::numeric, 1), round((28 * height / most)::numeric, 1)), '' ORDER BY what, place)
                     FROM heights), '')
        || '</svg><p class="ends"><span>' || mend.html(to_char(s.first, 'YYYY-MM-DD HH24:MI')) || '</span><span>' || mend.html(to_char(s.last, 'YYYY-MM-DD HH24:MI')) || '</span></p></section>'
    FROM span s);
COMMENT ON FUNCTION mend.html_timeline(timestamptz) IS 'Internal: the timeline of mend.report_html()';
REVOKE ALL ON FUNCTION mend.html_timeline(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.html_timeline(timestamptz) TO mend_admin;

CREATE FUNCTION mend.html_style() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN $css$
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fbfbf9; --card: #fff; --line: #dcdfe4; --soft: #5b6675; --k1: #d9822b; --k2: #2e8b57; --k3: #b3404a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #14181d; --card: #1d232b; --line: #333c47; --soft: #9aa7b6; --k1: #e8a152; --k2: #57b57f; --k3: #e0737c; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 72rem; margin: 0 auto; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; } p { margin: .25rem 0; }
.soft, .none, .legend, .ends { color: var(--soft); } .claim { font-size: 1.05rem; margin: 1rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin-top: 1rem; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem; } .tile b { display: block; font-size: 1.4rem; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); } th { color: var(--soft); font-weight: 600; overflow-wrap: normal; }
code { font: 13px/1.4 ui-monospace, monospace; white-space: pre-wrap; }
svg { display: block; width: 100%; height: 6rem; background: var(--card); border: 1px solid var(--line); }
rect.k1 { fill: var(--k1); } rect.k2 { fill: var(--k2); } rect.k3 { fill: var(--k3); }
.k { display: inline-block; width: .75em; height: .75em; margin: 0 .3em 0 .6em; } .k.k1 { background: var(--k1); } .k.k2 { background: var(--k2); } .k.k3 { background: var(--k3); }
.ends { display: flex; justify-content: space-between; }
@media (min-width: 1000px) { td.s { white-space: nowrap; } }
@media (max-width: 640px) { body { padding: .75rem; } thead { display: none; } tr { display: block; padding: .4rem 0; border-bottom: 2px solid var(--line); }
  td { display: grid; grid-template-columns: 6.5rem minmax(0, 1fr); gap: .5rem; border: 0; padding: .15rem .6rem; } td::before { content: attr(data-label); color: var(--soft); } }
$css$;
COMMENT ON FUNCTION mend.html_style() IS 'Internal: the style of mend.report_html(): light and dark, wide and narrow';
REVOKE ALL ON FUNCTION mend.html_style() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.html_style() TO mend_admin;

CREATE FUNCTION mend.report_html(since timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most CONSTANT int := 1000;  -- rows of a table; the newest
    tiles jsonb;
    page text;
BEGIN
    IF since IS NULL THEN
        RAISE EXCEPTION 'since must not be null' USING ERRCODE = 'null_value_not_allowed', HINT = 'For all there is: ''-infinity''.';
    END IF;
    SELECT jsonb_build_array(
        jsonb_build_array('queued', (SELECT sum(s.queued) FROM mend.status s)),
        jsonb_build_array('dead letters', (SELECT sum(s.dead_letters) FROM mend.status s)),
        jsonb_build_array('decisions that wait', (SELECT count(*) FROM mend.decisions)),
        jsonb_build_array('payloads rescued', (SELECT sum(v.rows_rescued) FROM mend.savings v WHERE v.day >= since::date)),
        jsonb_build_array('minutes saved', (SELECT sum(v.minutes_saved) FROM mend.savings v WHERE v.day >= since::date)),
        jsonb_build_array('model, US dollars', (SELECT round(sum(v.cost_usd), 4) FROM mend.savings v WHERE v.day >= since::date))) INTO tiles;
    page := '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src ''none''; style-src ''unsafe-inline''">'
        || '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer"><title>pg_mend: '
        || mend.html(current_database()) || '</title><style>' || mend.html_style() || '</style></head><body><main><h1>pg_mend: ' || mend.html(current_database())
        || '</h1><p class="soft">' || mend.html(format('%s to %s', CASE WHEN isfinite(since) THEN date_trunc('second', since)::text ELSE 'the beginning' END, date_trunc('second', now())))
        || '</p><p class="claim">' || mend.html(mend.claim(since)) || '</p><div class="tiles">'
        || (SELECT string_agg('<div class="tile"><b>' || mend.html(coalesce(t ->> 1, '0')) || '</b>' || mend.html(t ->> 0) || '</div>', '' ORDER BY n)
            FROM jsonb_array_elements(tiles) WITH ORDINALITY u (t, n)) || '</div>'
        || mend.html_timeline(since);
    page := page || mend.html_table('Decisions that wait', ARRAY['Patch', 'Table', 'Since', 'Why', 'DDL'],
            (SELECT jsonb_agg(jsonb_build_array(d.patch_id, d.target::text, date_trunc('second', d.waits_since)::text, d.reason,
                                                concat_ws(E'\n', nullif(d.ddl, ''), nullif(d.field_map, '{}')::text)) ORDER BY d.patch_id)
             FROM (SELECT * FROM mend.decisions ORDER BY patch_id DESC LIMIT most) d), 'none')
        || mend.html_table('Tables', ARRAY['Table', 'Mode', 'State', 'Queued', 'Dead letters', 'Oldest', 'Why'],
            (SELECT jsonb_agg(jsonb_build_array(s.target::text, s.mode, s.state, s.queued, s.dead_letters, coalesce(s.oldest::text, ''), coalesce(s.reason, '')) ORDER BY s.queued DESC, s.target::text)
             FROM (SELECT * FROM mend.status ORDER BY queued DESC LIMIT most) s), 'no table is enrolled')
        || mend.html_table('Dead letters', ARRAY['Table', 'Kind', 'Field', 'Why', 'Payloads', 'Last'],
            (SELECT jsonb_agg(jsonb_build_array(g.target_name, g.kind, coalesce(g.field, ''), g.reason, g.n, date_trunc('second', g.last)::text) ORDER BY g.n DESC)
             FROM (SELECT d.target_name, d.kind, d.field, d.reason, count(*) AS n, max(d.died_at) AS last
                   FROM (SELECT * FROM mend.dead_letters WHERE died_at >= since ORDER BY id DESC LIMIT 100000) d GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC LIMIT 100) g), 'none')
        || mend.html_table('Patches', ARRAY['Patch', 'Table', 'State', 'When', 'Stored', 'DDL'],
            (SELECT jsonb_agg(jsonb_build_array(p.id, p.target_name, p.state, date_trunc('second', coalesce(p.applied_at, p.created_at))::text, p.rows_healed, coalesce(p.ddl, p.proposed_ddl)) ORDER BY p.id DESC)
             FROM (SELECT * FROM mend.patches WHERE created_at >= since ORDER BY id DESC LIMIT most) p), 'none')
        || mend.html_table('Savings', ARRAY['Day', 'Table', 'By rule', 'By model', 'By a person', 'Failed', 'Rescued', 'Minutes saved'],
            (SELECT jsonb_agg(jsonb_build_array(v.day, v.target_name, v.by_rule, v.by_model, v.by_person, v.failed, v.rows_rescued, v.minutes_saved) ORDER BY v.day DESC, v.target_name)
             FROM (SELECT * FROM mend.savings WHERE day >= since::date ORDER BY day DESC LIMIT most) v), 'none')
        || mend.html_table('Events', ARRAY['When', 'What', 'Table', 'Patch', 'Who', 'Particulars'],
            (SELECT jsonb_agg(jsonb_build_array(date_trunc('second', e.at)::text, e.kind, coalesce(e.target_name, ''), coalesce(e.patch_id::text, ''), e.actor,
                                                left(coalesce(e.detail ->> 'reason', e.detail ->> 'rows', ''), 500)) ORDER BY e.id DESC)
             FROM (SELECT * FROM mend.events WHERE at >= since ORDER BY id DESC LIMIT most) e), 'none')
        || '</main></body></html>';
    RETURN page;
END
$$;
COMMENT ON FUNCTION mend.report_html(timestamptz) IS
    'One self-contained HTML page: timeline, decisions that wait, queue and dead letters, patches, savings and events since a time; the newest thousand of each';
REVOKE ALL ON FUNCTION mend.report_html(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.report_html(timestamptz) TO mend_admin;
-- What messages say. Nothing here quotes a payload: reasons that PostgreSQL wrote may, and stay at home.
CREATE FUNCTION mend.message(news mend.outbox) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    event mend.events;
    patch mend.patches;
    what text;
    todo text;
    rows bigint;
BEGIN
    SELECT * INTO event FROM mend.events e WHERE e.id = news.event_id;
    SELECT * INTO patch FROM mend.patches p WHERE p.id = news.patch_id;
    rows := coalesce((event.detail ->> 'rows')::bigint, patch.rows_healed);
    what := CASE news.kind
        WHEN 'patch_applied' THEN format('%s was healed by patch %s: %s payloads stored, %s failed again',
                                         news.target_name, patch.id, patch.rows_healed, patch.rows_failed)
        WHEN 'patch_proposed' THEN format('%s: patch %s waits for a decision: %s', news.target_name, patch.id, patch.reason)
        WHEN 'patch_refused' THEN format('%s: patch %s, proposed by %s, was refused: %s', news.target_name, patch.id, patch.proposed_by, patch.reason)
        WHEN 'patch_failed' THEN format('%s: patch %s failed, and the table is as it was', news.target_name, patch.id)
        WHEN 'patch_reverted' THEN format('%s: patch %s was taken back by %s', news.target_name, patch.id, event.actor)
        WHEN 'patch_rejected' THEN format('%s: patch %s was rejected by %s', news.target_name, patch.id, event.actor)
        WHEN 'dead_lettered' THEN format('%s: %s payloads became dead letters', news.target_name, rows)
        WHEN 'breaker_opened' THEN format('%s: healing has stopped: %s', news.target_name, event.detail ->> 'reason')
        WHEN 'quarantined' THEN format('%s: payload %s took the worker or the server down twice, and is now a dead letter',
                                       news.target_name, event.detail ->> 'id')
        WHEN 'round_failed' THEN format('%s: the heal round ended in an error (SQLSTATE %s), and is tried again',
                                        news.target_name, event.detail ->> 'sqlstate')
        WHEN 'stopped' THEN format('healing was switched off in database %s by %s', current_database(), event.actor)
        WHEN 'started' THEN format('healing was switched on in database %s by %s', current_database(), event.actor)
        ELSE concat_ws(': ', news.target_name, replace(news.kind, '_', ' ') || ' by ' || event.actor) END;
    todo := CASE
        WHEN news.kind = 'patch_applied' THEN format('nothing; to take it back: SELECT mend.revert(%s)', patch.id)
        WHEN news.kind = 'patch_proposed' AND patch.state <> 'proposed' THEN format('nothing any more: it is %s', patch.state)
        WHEN news.kind = 'patch_proposed'
            THEN format('SELECT mend.explain_patch(%s); then mend.approve(%1$s) or mend.reject(%1$s, ''why'')', patch.id)
        WHEN news.kind IN ('patch_refused', 'patch_failed') THEN format('SELECT mend.explain_patch(%s)', patch.id)
        WHEN news.kind = 'patch_reverted' THEN 'nothing; its fields are not given a column again by themselves'
        WHEN news.kind IN ('dead_lettered', 'quarantined', 'patch_rejected')
            THEN format('SELECT kind, field, reason, count(*) FROM mend.dead_letters WHERE target_name = %L GROUP BY 1, 2, 3', news.target_name)
        WHEN news.kind = 'breaker_opened'
            THEN format('find out who sends so much that is new; then SELECT mend.reset_breaker(%L)', news.target_name)
        WHEN news.kind = 'round_failed' THEN 'read mend.status and the server''s log'
        WHEN news.kind = 'stopped' THEN 'SELECT mend.start() when it may go on'
        ELSE 'nothing' END;
    RETURN jsonb_strip_nulls(jsonb_build_object(
        'kind', news.kind, 'severity', news.severity, 'database', current_database(), 'table', news.target_name,
        'patch', news.patch_id, 'ddl', patch.ddl, 'rows', rows, 'at', coalesce(event.at, news.created_at), 'actor', event.actor,
        'event', news.event_id, 'text', what, 'what_to_do', todo,
        'audit_head', (SELECT s.head FROM mend.event_seals s ORDER BY s.position DESC LIMIT 1)));
END
$$;
COMMENT ON FUNCTION mend.message(mend.outbox) IS
    'Internal: what a webhook is told: what happened, to which table, by which DDL, how many rows, and what to do';
REVOKE ALL ON FUNCTION mend.message(mend.outbox) FROM PUBLIC;

-- Slack reads <!channel> and <url|text> in a text: its three characters are written as it wants them.
CREATE FUNCTION mend.slack_text(message jsonb) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN replace(replace(replace(
    CASE message ->> 'severity' WHEN 'critical' THEN 'CRITICAL: ' WHEN 'warning' THEN 'Warning: ' ELSE '' END
    || mend.one_line(message ->> 'text')
    || coalesce(E'\n```' || mend.in_order(translate(message ->> 'ddl', '`', '''')) || '```', '')
    || E'\nTo do: ' || mend.one_line(message ->> 'what_to_do'), '&', '&amp;'), '<', '&lt;'), '>', '&gt;');
COMMENT ON FUNCTION mend.slack_text(jsonb) IS 'Internal: a message as the text of a Slack message';
REVOKE ALL ON FUNCTION mend.slack_text(jsonb) FROM PUBLIC;

-- OpenLineage, an open standard of data observability: the run is the heal, the dataset is the landing table. What an owner wrote has an
-- end: a message that no jsonb takes would keep all others waiting.
CREATE FUNCTION mend.lineage_namespace() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN coalesce(nullif(current_setting('mend.lineage_namespace', true), ''),
                format('postgres://%s:%s', coalesce(nullif(current_setting('cluster_name'), ''), 'localhost'), current_setting('port')));
COMMENT ON FUNCTION mend.lineage_namespace() IS 'Internal: the setting mend.lineage_namespace, else postgres://cluster_name:port';
REVOKE ALL ON FUNCTION mend.lineage_namespace() FROM PUBLIC;

-- The same for every event of a run, whichever process tells it.
CREATE FUNCTION mend.run_id(patch_id bigint) RETURNS uuid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN overlay(overlay(md5(concat_ws('.', (SELECT system_identifier FROM pg_control_system()),
                                     (SELECT oid FROM pg_database WHERE datname = current_database()), patch_id))
                       PLACING '8' FROM 13 FOR 1) PLACING 'a' FROM 17 FOR 1)::uuid;
COMMENT ON FUNCTION mend.run_id(bigint) IS 'Internal: the identity of the heal that applies a patch, the same in every event';
REVOKE ALL ON FUNCTION mend.run_id(bigint) FROM PUBLIC;

CREATE FUNCTION mend.facet(file text, content jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('_producer', 'https://pgxn.org/dist/pg_mend/', '_schemaURL', file) || content;
COMMENT ON FUNCTION mend.facet(text, jsonb) IS 'Internal: an OpenLineage facet, with the URL of its schema';
REVOKE ALL ON FUNCTION mend.facet(text, jsonb) FROM PUBLIC;

CREATE FUNCTION mend.run_event(news mend.outbox) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object(
        'eventType', news.kind,
        'eventTime', to_char(news.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'producer', 'https://pgxn.org/dist/pg_mend/',
        'schemaURL', 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent',
        'run', jsonb_build_object('runId', mend.run_id(p.id), 'facets',
            CASE news.kind WHEN 'FAIL' THEN jsonb_build_object('errorMessage',
                mend.facet('https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet',
                           jsonb_build_object('message', format('patch %s failed: see mend.explain_patch(%1$s)', p.id), 'programmingLanguage', 'SQL')))
            ELSE '{}' END),
        'job', jsonb_build_object(
            'namespace', mend.lineage_namespace(),
            'name', format('%s.%s.heal', current_database(), p.target_name),
            'facets', jsonb_build_object('jobType',
                mend.facet('https://openlineage.io/spec/facets/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet',
                           jsonb_build_object('processingType', 'BATCH', 'integration', 'PG_MEND', 'jobType', 'HEAL')))
                || CASE WHEN coalesce(p.ddl, '') = '' THEN '{}' ELSE jsonb_build_object('sql',
                mend.facet('https://openlineage.io/spec/facets/1-0-1/SQLJobFacet.json#/$defs/SQLJobFacet', jsonb_build_object('query', p.ddl))) END),
        'inputs', '[]'::jsonb,
        'outputs', jsonb_build_array(jsonb_build_object(
            'namespace', mend.lineage_namespace(),
            'name', format('%s.%s', current_database(), p.target_name),
            'facets', jsonb_build_object(
                'schema',
                mend.facet('https://openlineage.io/spec/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet',
                    jsonb_build_object('fields', coalesce(
                        (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                                                                               'description', left(col_description(a.attrelid, a.attnum), 10000))) ORDER BY a.attnum)
                         FROM pg_attribute a WHERE a.attrelid = p.target AND a.attnum > 0 AND NOT a.attisdropped), '[]'))),
                'pgMend_deadLetters',
                mend.facet('https://pgxn.org/dist/pg_mend/contrib/openlineage/DeadLettersDatasetFacet.json#/$defs/DeadLettersDatasetFacet',
                    jsonb_build_object('deadLetters', mend.rows_of('dead_letters', p.target), 'queued', mend.rows_of('queue', p.target),
                                       'healed', p.rows_healed, 'failed', p.rows_failed))))))
    FROM mend.patches p WHERE p.id = news.patch_id
$$;
COMMENT ON FUNCTION mend.run_event(mend.outbox) IS 'Internal: an OpenLineage RunEvent, with the schema of the table and its dead letters as facets';
REVOKE ALL ON FUNCTION mend.run_event(mend.outbox) FROM PUBLIC;

CREATE FUNCTION mend.message_body(news mend.outbox, format text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    message jsonb;
BEGIN
    IF news.channel = 'lineage' THEN
        RETURN mend.run_event(news);
    END IF;
    message := mend.message(news);
    RETURN CASE format
        WHEN 'slack' THEN jsonb_build_object('text', mend.slack_text(message))::text
        WHEN 'text' THEN mend.in_order(concat_ws(E'\n', message ->> 'text', message ->> 'ddl', 'To do: ' || (message ->> 'what_to_do')))
        ELSE message::text END;
END
$$;
COMMENT ON FUNCTION mend.message_body(mend.outbox, text) IS
    'Internal: a message as it is sent: an OpenLineage event, or in the format slack, json or text';
REVOKE ALL ON FUNCTION mend.message_body(mend.outbox, text) FROM PUBLIC;

-- The first message of a channel that is due is taken for a while: should the worker die meanwhile, it is sent again.
-- Those behind a message that could not be sent wait with it: a server that is down is asked once, not once a message.
CREATE FUNCTION mend.take_message(of_channel text, format text, OUT id bigint, OUT severity text, OUT body text, OUT tries int)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    news mend.outbox;
BEGIN
    SELECT o.* INTO news FROM mend.outbox o WHERE o.channel = of_channel AND o.state = 'pending' ORDER BY o.id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND OR news.next_try > clock_timestamp() THEN
        RETURN;
    END IF;
    UPDATE mend.outbox o SET tries = o.tries + 1, next_try = clock_timestamp() + interval '1 minute' WHERE o.id = news.id;
    id := news.id;
    severity := news.severity;
    tries := news.tries + 1;
    body := mend.message_body(news, format);
END
$$;
COMMENT ON FUNCTION mend.take_message(text, text) IS 'Internal: the next message of a channel that is due, taken for a minute; null: none is';
REVOKE ALL ON FUNCTION mend.take_message(text, text) FROM PUBLIC;
-- Functions: beside their definitions. Payloads (queue, dead_letters) are for mend_admin alone.
GRANT USAGE ON SCHEMA mend TO PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA mend FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA mend FROM PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA mend TO mend_admin;
GRANT SELECT ON mend.drifts, mend.patches, mend.fields, mend.enrollments TO mend_agent;
-- Not detail: the event of a discarded dead letter keeps its payload.
GRANT SELECT (id, at, kind, target_name, patch_id, actor) ON mend.events TO mend_agent;
