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
    database_oid      oid NOT NULL,
    rescue            name,
    newer_by          name,
    at                text,
    hints             jsonb NOT NULL DEFAULT '{}',
    null_if           text[] NOT NULL DEFAULT '{}',
    online            boolean NOT NULL DEFAULT false
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
COMMENT ON COLUMN mend.enrollments.rescue IS 'The column that keeps values which do not fit, so that their rows are stored at once; null: such rows are queued';
COMMENT ON COLUMN mend.enrollments.online IS 'Whether the worker may widen columns of the table online, unasked, where it is larger than mend.max_rewrite_size';
COMMENT ON COLUMN mend.enrollments.newer_by IS 'The column by which a row is newer than the stored one; null: the order in which payloads are offered';
COMMENT ON COLUMN mend.enrollments.null_if IS 'Texts that stand for nothing in columns that are not text';
COMMENT ON COLUMN mend.enrollments.at IS 'Where the record is in a payload: a JSON Pointer; null: the payload is the record';
COMMENT ON COLUMN mend.enrollments.hints IS 'Types for new columns, by patterns of their names';

CREATE TABLE mend.fields (
    target      regclass NOT NULL,
    target_name text NOT NULL,
    field       text NOT NULL,
    column_name name,
    held        text,
    patch_id    bigint,
    reading     text,
    column_number smallint,
    PRIMARY KEY (target, field)
);
COMMENT ON TABLE mend.fields IS 'Recorded mappings from payload fields to columns, and how values are read that do not fit as they are';
COMMENT ON COLUMN mend.fields.target IS 'The landing table';
COMMENT ON COLUMN mend.fields.target_name IS 'Its schema-qualified name';
COMMENT ON COLUMN mend.fields.field IS 'The key in the payload, as it is written there';
COMMENT ON COLUMN mend.fields.column_name IS 'The column that takes it; null: the field is ignored, unless held';
COMMENT ON COLUMN mend.fields.held IS 'Why the field is never given a column again by itself; null: it is free';
COMMENT ON COLUMN mend.fields.patch_id IS 'The patch that recorded the mapping; null: a person did';
COMMENT ON COLUMN mend.fields.column_number IS 'The column''s number, by which a rename is followed';
COMMENT ON COLUMN mend.fields.reading IS 'How values are read that do not fit as they are: of the field, and of all keys of the column where the field is called as the column is; null: not at all';

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
                                 'ambiguous', 'generated', 'no_partition', 'constraint', 'malformed', 'behind')),
    field        text,
    fields       text[] NOT NULL DEFAULT '{}',
    context      jsonb NOT NULL DEFAULT '{}',
    attempts     int NOT NULL DEFAULT 0,
    crashes      int NOT NULL DEFAULT 0,
    not_before   timestamptz,
    patch_id     bigint,
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    cause        text,
    about        text,
    first_error  text,
    session_submitter oid,
    session_submitted_by name,
    code         jsonb NOT NULL DEFAULT '{}',
    key_hash     bigint,
    original     text
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX queue_target_id ON mend.queue (target, id);
CREATE INDEX queue_target_xid ON mend.queue (target, xid, id);
CREATE INDEX queue_target_key ON mend.queue (target, key_hash, id) WHERE key_hash IS NOT NULL;
CREATE INDEX queue_not_before ON mend.queue (target, not_before) WHERE not_before IS NOT NULL;
COMMENT ON TABLE mend.queue IS 'Payloads that did not fit and wait to be healed; written in the caller''s transaction';
COMMENT ON COLUMN mend.queue.id IS 'Identity of the payload for life: kept when it becomes a dead letter and when it is retried';
COMMENT ON COLUMN mend.queue.target IS 'The landing table';
COMMENT ON COLUMN mend.queue.target_name IS 'Its schema-qualified name when the payload was offered';
COMMENT ON COLUMN mend.queue.payload IS 'The payload; byte for byte as offered when it came as text';
COMMENT ON COLUMN mend.queue.submitter IS 'OID of the role that offered it, as whom it is replayed';
COMMENT ON COLUMN mend.queue.submitted_by IS 'Name of that role; replay needs OID and name to agree';
COMMENT ON COLUMN mend.queue.submitted_at IS 'When it was offered';
COMMENT ON COLUMN mend.queue.sqlstate IS 'SQLSTATE of the first misfit, by the last try';
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
COMMENT ON COLUMN mend.queue.cause IS 'Code of what is wrong with the value of the first misfit: doc/reasons.md lists them';
COMMENT ON COLUMN mend.queue.about IS 'What the cause is about: a constraint, another key; null when it is about nothing';
COMMENT ON COLUMN mend.queue.first_error IS 'The message of the first try, where the last one had another';
COMMENT ON COLUMN mend.queue.session_submitter IS 'OID of the session user who offered it; null: the submitter himself';
COMMENT ON COLUMN mend.queue.session_submitted_by IS 'Name of that role; replay needs OID and name to agree';
COMMENT ON COLUMN mend.queue.code IS 'The table''s owner, and digests of the code that storing a row ran when it was offered; empty: unknown';
COMMENT ON COLUMN mend.queue.key_hash IS 'Hash of the primary key that the payload brings, where on_conflict is update: payloads for one row are stored in their order';
COMMENT ON COLUMN mend.queue.original IS 'The payload as it was offered, where mend.amend() has changed it';

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
                                 'ambiguous', 'generated', 'no_partition', 'constraint', 'malformed', 'behind')),
    field        text,
    fields       text[] NOT NULL DEFAULT '{}',
    context      jsonb NOT NULL DEFAULT '{}',
    reason       text NOT NULL,
    patch_id     bigint,
    cause        text,
    about        text,
    first_error  text,
    session_submitter oid,
    session_submitted_by name,
    code         jsonb NOT NULL DEFAULT '{}',
    key_hash     bigint,
    original     text,
    overtaken    boolean NOT NULL DEFAULT false
);
CREATE INDEX dead_letters_target ON mend.dead_letters (target, id);
CREATE INDEX dead_letters_target_key ON mend.dead_letters (target, key_hash) WHERE key_hash IS NOT NULL;
COMMENT ON TABLE mend.dead_letters IS 'Payloads that a person must look at; never deleted by the software';
COMMENT ON COLUMN mend.dead_letters.id IS 'Identity of the payload, the same as it had in the queue';
COMMENT ON COLUMN mend.dead_letters.target IS 'The landing table';
COMMENT ON COLUMN mend.dead_letters.target_name IS 'Its schema-qualified name when the payload was offered';
COMMENT ON COLUMN mend.dead_letters.payload IS 'The payload; byte for byte as offered when it came as text, unless mend.amend() has changed it';
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
COMMENT ON COLUMN mend.dead_letters.cause IS 'Code of what is wrong: doc/reasons.md lists them';
COMMENT ON COLUMN mend.dead_letters.about IS 'What the cause is about: a constraint, another key; null when it is about nothing';
COMMENT ON COLUMN mend.dead_letters.first_error IS 'The message of the first try, where the last one had another';
COMMENT ON COLUMN mend.dead_letters.session_submitter IS 'OID of the session user who offered it; null: the submitter himself';
COMMENT ON COLUMN mend.dead_letters.session_submitted_by IS 'Name of that role; replay needs OID and name to agree';
COMMENT ON COLUMN mend.dead_letters.code IS 'The table''s owner, and digests of the code that storing a row ran when it was offered; empty: unknown';
COMMENT ON COLUMN mend.dead_letters.key_hash IS 'As in the queue, for a retry';
COMMENT ON COLUMN mend.dead_letters.overtaken IS 'Whether a newer payload for the same row is stored: a retry would bring an older version back';
COMMENT ON COLUMN mend.dead_letters.original IS 'The payload as it was offered, where mend.amend() has changed it';

CREATE TABLE mend.drifts (
    id          bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    target      regclass NOT NULL,
    target_name text NOT NULL,
    field       text NOT NULL,
    column_name name,
    kind        text NOT NULL
                CHECK (kind IN ('new_field', 'type_conflict', 'out_of_range', 'too_long', 'missing_required', 'lossy',
                                'ambiguous', 'generated', 'no_partition', 'constraint', 'malformed', 'behind')),
    row_count   bigint NOT NULL DEFAULT 0,
    profile     jsonb NOT NULL DEFAULT '{}',
    first_seen  timestamptz NOT NULL DEFAULT now(),
    last_seen   timestamptz NOT NULL DEFAULT now(),
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'waiting', 'healed', 'dead_lettered')),
    reason      text,
    patch_id    bigint,
    cause       text NOT NULL DEFAULT 'unspecified',
    rescued     bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX drifts_unsettled ON mend.drifts (target, field, kind, cause) WHERE state IN ('open', 'waiting');
CREATE INDEX drifts_buried ON mend.drifts (target, field, kind, cause) WHERE state = 'dead_lettered';
COMMENT ON TABLE mend.drifts IS 'One field of one table not fitting: its kind and the profile of its values';
COMMENT ON COLUMN mend.drifts.id IS 'Identity of the drift';
COMMENT ON COLUMN mend.drifts.target IS 'The landing table';
COMMENT ON COLUMN mend.drifts.target_name IS 'Its schema-qualified name';
COMMENT ON COLUMN mend.drifts.field IS 'The payload field; empty when no single field is to blame';
COMMENT ON COLUMN mend.drifts.column_name IS 'The column that the field resolves to; null for a new field';
COMMENT ON COLUMN mend.drifts.kind IS 'Kind of the drift';
COMMENT ON COLUMN mend.drifts.row_count IS 'Rows that showed it, queued or rescued';
COMMENT ON COLUMN mend.drifts.profile IS 'JSON types, formats, widths and ranges seen; never a value';
COMMENT ON COLUMN mend.drifts.first_seen IS 'When the first such row was offered';
COMMENT ON COLUMN mend.drifts.last_seen IS 'When the last such row was offered';
COMMENT ON COLUMN mend.drifts.state IS 'open: to be planned; waiting: for a person or a time; healed; dead_lettered';
COMMENT ON COLUMN mend.drifts.reason IS 'Why it is in that state, in plain words';
COMMENT ON COLUMN mend.drifts.patch_id IS 'The patch that healed it or waits for a decision';
COMMENT ON COLUMN mend.drifts.cause IS 'Code of what is wrong with the values: doc/reasons.md lists them';
COMMENT ON COLUMN mend.drifts.rescued IS 'Of its rows, those on record as stored with the value in the rescue column';

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
                  CHECK (state IN ('proposed', 'refused', 'approved', 'applied', 'failed', 'rejected', 'reverted', 'superseded')),
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
    applied_at    timestamptz,
    code_change   jsonb,
    online        boolean
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
COMMENT ON COLUMN mend.patches.state IS 'proposed, refused, approved, applied, failed, rejected, reverted or superseded';
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
COMMENT ON COLUMN mend.patches.online IS 'Whether what rewrites the table is done without a long lock, in steps: mend.widenings';
COMMENT ON COLUMN mend.patches.code_change IS 'What it has changed of the table''s code: {part: [digest before, digest after]}; null: nothing';

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
    kind         text NOT NULL DEFAULT 'round' CHECK (kind IN ('round', 'retry', 'altered', 'reset_breaker')),
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX requests_target ON mend.requests (target);
COMMENT ON TABLE mend.requests IS 'Requests for a heal round that the worker has not taken up yet';
COMMENT ON COLUMN mend.requests.id IS 'Identity of the request';
COMMENT ON COLUMN mend.requests.target IS 'The landing table';
COMMENT ON COLUMN mend.requests.kind IS 'round; retry: rows that back off are tried at once; altered: so, because somebody has changed the table; reset_breaker';
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
    failures   int NOT NULL DEFAULT 0,
    told_since timestamptz,
    told       int NOT NULL DEFAULT 0,
    untold_dead bigint NOT NULL DEFAULT 0,
    untold_stored bigint NOT NULL DEFAULT 0,
    folding    pg_snapshot,
    folding_xid xid8,
    folding_id bigint
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
COMMENT ON COLUMN mend.progress.told_since IS 'Since when rounds with the same kinds of events are counted: a minute at most';
COMMENT ON COLUMN mend.progress.told IS 'How many rounds since then left an event of the rows that they stored or buried';
COMMENT ON COLUMN mend.progress.untold_dead IS 'Rows that became dead letters and are still to be told of, in one event';
COMMENT ON COLUMN mend.progress.untold_stored IS 'Rows that were stored and are still to be told of, in one event';
COMMENT ON COLUMN mend.progress.folding IS 'The snapshot whose rows are being folded, where a round has given way to other tables meanwhile: they are, up to folding_xid and folding_id';
COMMENT ON COLUMN mend.progress.folding_xid IS 'The transaction of the last row that was folded then';
COMMENT ON COLUMN mend.progress.folding_id IS 'Its id';

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
