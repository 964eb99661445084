-- Enrolling landing tables: who may, what may be enrolled, under which terms.
SELECT coalesce(max(id), 0) AS first_event FROM mend.events \gset
SELECT coalesce(max(id), 0) AS first_drift FROM mend.drifts \gset
CREATE ROLE regress_admin;
CREATE ROLE regress_owner;
CREATE ROLE regress_member;
CREATE ROLE regress_healer NOLOGIN;
CREATE ROLE regress_strong NOLOGIN CREATEDB;
CREATE ROLE regress_reader NOLOGIN;
GRANT pg_read_server_files TO regress_reader;
GRANT mend_admin TO regress_admin, regress_owner;
GRANT regress_owner TO regress_member;
GRANT mend_admin TO regress_member;
CREATE SCHEMA shop;
GRANT ALL ON SCHEMA shop TO regress_owner, regress_admin;
SET ROLE regress_owner;
CREATE TABLE shop.orders (id int PRIMARY KEY, note text, total numeric, made text GENERATED ALWAYS AS ('x') STORED);
RESET ROLE;

-- The healer is let into the schema by whoever may do so, else the hint says how.
SET ROLE regress_owner;
SELECT mend.enroll('shop.orders');
RESET ROLE;
SELECT mend.enroll('shop.orders');
SELECT has_schema_privilege('mend_healer', 'shop', 'USAGE');
SELECT mend.enroll('shop.orders');

-- Defaults, and what the log keeps.
CREATE VIEW terms AS
    SELECT target_name, mode, allow, healer, share, lossless, on_conflict, carry, naive_zone, allow_published, lossy_columns,
           system_identifier = (SELECT system_identifier FROM pg_control_system()) AS this_cluster,
           database_oid = (SELECT oid FROM pg_database WHERE datname = current_database()) AS this_database
    FROM mend.enrollments;
CREATE VIEW log AS SELECT kind, target_name, actor = session_user AS by_me, detail FROM mend.events WHERE id > :first_event ORDER BY id;
\x
SELECT * FROM terms;
SELECT * FROM log;
\x

-- A null term leaves it as it is.
SELECT mend.configure('shop.orders');
SELECT mend.configure('shop.orders', mode => 'auto', share => NULL);
SELECT count(*) AS rounds_requested FROM mend.requests;
SELECT mend.configure('shop.orders', mode => 'paused', allow => '{add_column,drop_not_null}', share => 'values',
                      lossless => false, on_conflict => 'update', carry => '{app.tenant_id,TimeZone}',
                      naive_zone => 'europe/berlin', allow_published => true);
SELECT mend.configure('shop.orders', naive_zone => '', allow => '{}');
\x
SELECT * FROM terms;
SELECT * FROM log OFFSET 1;
\x
SELECT count(*) AS requested FROM mend.requests WHERE target = 'shop.orders'::regclass;

-- Terms that make no sense.
SELECT mend.configure('shop.orders', allow => '{add_column,add_column}');
SELECT mend.configure('shop.orders', allow => '{add_column,NULL}');
SELECT mend.configure('shop.orders', allow => '{drop_column}');
SELECT mend.configure('shop.orders', on_conflict => 'overwrite');
SELECT mend.configure('shop.orders', carry => ARRAY['app.x', NULL]);
SELECT mend.configure('shop.orders', carry => '{app.x,app.x}');
SELECT mend.configure('shop.orders', naive_zone => 'Mars/Olympus');
DO $$
DECLARE
    setting text;
BEGIN
    FOREACH setting IN ARRAY ARRAY['role', 'session_authorization', 'is_superuser', 'no_such_setting', 'log_min_messages',
        'session_replication_role', 'shared_buffers', 'transaction_isolation', 'statement_timeout', 'client_encoding',
        'mend.api_url', 'app.', '.app', 'app.te nant', 'app.x;reset role', '', 'APP.1x'] LOOP
        BEGIN
            PERFORM mend.configure('shop.orders', carry => ARRAY[setting]);
            RAISE NOTICE 'carried: %', setting;
        EXCEPTION WHEN invalid_parameter_value THEN
            RAISE NOTICE '%', SQLERRM;
        END;
    END LOOP;
END
$$;
CREATE TABLE keyless (a int);
SELECT mend.enroll('keyless', on_conflict => 'update');

-- Words of closed lists: what there is is said; enums, texts, and literals are taken.
SELECT mend.enroll('keyless', 'manual');
SELECT mend.enroll('keyless', allow => '{add_columns}');
SELECT mend.configure('shop.orders', mode => '');
SELECT mend.configure('shop.orders', share => 'everything');
SELECT mend.retry(kind => 'new_fields');
SELECT mend.amend('shop.orders', 'wrong', NULL, '{}');
SELECT mend.read_as('shop.orders', 'id', 'numbers');
SELECT mend.show('patch');
BEGIN;
SELECT mend.enroll('keyless', e.mode, e.allow, NULL, e.share) FROM mend.enrollments e WHERE e.target = 'shop.orders'::regclass;
SELECT mend.configure('keyless', mode => 'paused'::text, allow => ARRAY['add_column', 'widen_type'], share => 'values'::varchar);
SELECT mend.configure('keyless', allow => array_append(e.allow, 'change_type')) FROM mend.enrollments e WHERE e.target = 'keyless'::regclass;
PREPARE configure AS SELECT mend.configure('keyless', mode => $1, allow => $2);
EXECUTE configure ('review', '{read_as}');
SELECT mode, allow, share FROM mend.enrollments WHERE target = 'keyless'::regclass;
ROLLBACK;

-- The healer.
SELECT mend.enroll('keyless', healer => 'regress_strong');
SELECT mend.enroll('keyless', healer => 'regress_reader');
SELECT mend.enroll('keyless', healer => 'mend_admin');
GRANT SELECT ON keyless TO regress_healer;
SELECT mend.enroll('keyless', healer => 'regress_healer');
REVOKE SELECT ON keyless FROM regress_healer;
CREATE TABLE owned (a int);
ALTER TABLE owned OWNER TO regress_healer;
SELECT mend.enroll('keyless', healer => 'regress_healer');
DROP TABLE owned;
ALTER TABLE keyless OWNER TO regress_owner;
SET ROLE regress_owner;
SELECT mend.enroll('keyless', healer => 'regress_healer');
RESET ROLE;
GRANT regress_healer TO regress_owner;
SET ROLE regress_owner;
SELECT mend.enroll('keyless', mode => 'paused', healer => 'regress_healer');
RESET ROLE;
SELECT healer FROM mend.enrollments WHERE target = 'keyless'::regclass;

-- Who: the owner or a member of it, and in mend_admin.
CREATE TABLE theirs (a int);
SET ROLE regress_admin;
SELECT mend.enroll('theirs');
SELECT mend.configure('keyless', mode => 'paused');
SELECT mend.unenroll('keyless');
SET ROLE regress_healer;
SELECT mend.enroll('theirs');
SELECT mend.configure('theirs');
SELECT mend.unenroll('theirs');
SELECT mend.map_field('theirs', 'a', 'a');
SELECT mend.accept_loss('theirs', 'a');
SELECT * FROM mend.enrollments;
SET ROLE regress_member;
SELECT mend.unenroll('keyless');
RESET ROLE;
ALTER TABLE theirs OWNER TO regress_owner;
SET ROLE regress_member;
SELECT mend.enroll('theirs');
SELECT mend.unenroll('theirs');
RESET ROLE;

-- What: plain and partitioned tables.
CREATE VIEW a_view AS SELECT 1 AS a;
CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS a;
CREATE SEQUENCE a_sequence;
CREATE TYPE a_type AS (a int);
CREATE TABLE of_type OF a_type;
CREATE TEMP TABLE temporary_one (a int);
CREATE UNLOGGED TABLE unlogged_one (a int);
CREATE TABLE root_one (a int) PARTITION BY LIST (a);
CREATE TABLE leaf_one PARTITION OF root_one FOR VALUES IN (1);
CREATE INDEX an_index ON unlogged_one (a);
CREATE FOREIGN DATA WRAPPER regress_wrapper;
CREATE SERVER regress_server FOREIGN DATA WRAPPER regress_wrapper;
CREATE FOREIGN TABLE far_one (a int) SERVER regress_server;
SELECT mend.enroll(NULL);
SELECT mend.enroll('a_view');
SELECT mend.enroll('a_matview');
SELECT mend.enroll('a_sequence');
SELECT mend.enroll('an_index');
SELECT mend.enroll('a_type');
SELECT mend.enroll('far_one');
SELECT mend.enroll('of_type');
SELECT mend.enroll('temporary_one');
SELECT mend.enroll('pg_catalog.pg_class');
SELECT mend.enroll('information_schema.sql_features');
SELECT mend.enroll('mend.queue');
SELECT mend.enroll('leaf_one');
SELECT mend.enroll(4000000000::regclass);
SELECT mend.enroll('unlogged_one'), mend.enroll('root_one', mode => 'paused', naive_zone => NULL);

-- The SQLSTATEs that programs may rely on.
CREATE FUNCTION state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '00000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
SELECT statement, state_of('SELECT mend.' || statement) AS sqlstate
FROM unnest(ARRAY['enroll(NULL)', 'enroll(4000000000::regclass)', 'enroll(''a_view'')', 'enroll(''temporary_one'')',
    'enroll(''of_type'')', 'enroll(''leaf_one'')', 'enroll(''mend.queue'')', 'enroll(''shop.orders'')',
    'enroll(''theirs'', allow => ''{NULL}'')',
    'enroll(''theirs'', on_conflict => ''x'')', 'enroll(''theirs'', on_conflict => ''update'')',
    'enroll(''theirs'', carry => ''{role}'')', 'enroll(''theirs'', naive_zone => ''x'')',
    'enroll(''theirs'', healer => ''regress_strong'')', 'configure(''theirs'')', 'unenroll(''theirs'')',
    'map_field(''theirs'', ''a'', ''a'')', 'map_field(''shop.orders'', ''a'', ''a'')',
    'map_field(''shop.orders'', ''a'', ''ctid'')', 'accept_loss(''shop.orders'', ''a'')']) AS statement;

-- Mappings and accepted losses.
SELECT mend.map_field('shop.orders', 'Betrag', 'total'), mend.map_field('shop.orders', 'junk', NULL);
SELECT mend.map_field('shop.orders', 'Betrag', 'note');
SELECT target_name, field, column_name, held, patch_id FROM mend.fields ORDER BY field;
SELECT mend.map_field('shop.orders', NULL, 'note');
SELECT mend.map_field('shop.orders', 'x', 'nothing');
SELECT mend.map_field('shop.orders', 'x', 'ctid');
SELECT mend.map_field('shop.orders', 'x', 'made');
SELECT mend.map_field('theirs', 'x', 'a');
SELECT mend.accept_loss('shop.orders', 'total'), mend.accept_loss('shop.orders', 'total');
SELECT mend.accept_loss('shop.orders', 'nothing');
SELECT mend.accept_loss('shop.orders', NULL);
SELECT mend.accept_loss('theirs', 'a');
SELECT lossy_columns FROM terms WHERE target_name = 'shop.orders';
SELECT * FROM log WHERE kind IN ('field_mapped', 'loss_accepted');
SELECT target, count(*) AS requested FROM mend.requests WHERE target = 'shop.orders'::regclass GROUP BY target;

-- Unenrolling waits for the queue; dead letters stay.
INSERT INTO mend.queue (target, target_name, payload, submitter, submitted_by, sqlstate, error, kind)
    SELECT 'shop.orders', 'shop.orders', '{}', 10, 'postgres', '23502', 'e', 'missing_required' FROM generate_series(1, 2);
SELECT mend.unenroll('shop.orders');
SELECT state_of('SELECT mend.unenroll(''shop.orders'')');
DELETE FROM mend.queue WHERE id = (SELECT min(id) FROM mend.queue);
SELECT mend.unenroll('shop.orders');
DELETE FROM mend.queue;
INSERT INTO mend.dead_letters (target, target_name, payload, submitter, submitted_by, sqlstate, error, kind, reason)
    VALUES ('shop.orders', 'shop.orders', '{}', 10, 'postgres', '23502', 'e', 'missing_required', 'r');
INSERT INTO mend.drifts (target, target_name, field, kind, state)
    VALUES ('shop.orders', 'shop.orders', 'a', 'new_field', 'open'), ('shop.orders', 'shop.orders', 'b', 'new_field', 'healed');
SELECT mend.unenroll('shop.orders');
SELECT mend.unenroll('shop.orders');
SELECT (SELECT count(*) FROM mend.enrollments WHERE target = 'shop.orders'::regclass) AS enrollments,
       (SELECT count(*) FROM mend.fields) AS fields,
       (SELECT count(*) FROM mend.progress WHERE target = 'shop.orders'::regclass) AS progress,
       (SELECT count(*) FROM mend.requests WHERE target = 'shop.orders'::regclass) AS requests,
       (SELECT string_agg(state, ',') FROM mend.drifts WHERE id > :first_drift) AS drifts,
       (SELECT count(*) FROM mend.dead_letters) AS dead_letters;
SELECT kind, target_name FROM log WHERE kind = 'unenrolled' ORDER BY target_name;

-- A table that was dropped is unenrolled by its OID.
SELECT 'unlogged_one'::regclass::oid AS gone \gset
DROP TABLE unlogged_one;
SELECT mend.unenroll(:gone);
SELECT kind, target_name FROM log WHERE target_name = 'public.unlogged_one';
\set VERBOSITY sqlstate
SELECT mend.unenroll(:gone);
\set VERBOSITY default
SELECT mend.unenroll('root_one');

-- Rights on the tables: the agent sees no payload.
SELECT c.relname, has_table_privilege('mend_admin', c.oid, 'SELECT') AS admin_reads,
       has_table_privilege('mend_agent', c.oid, 'SELECT') AS agent_reads,
       has_table_privilege('mend_admin', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AS admin_writes,
       has_table_privilege('mend_agent', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AS agent_writes,
       has_table_privilege('regress_reader', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') AS anyone
FROM pg_class c
WHERE c.oid IN ('mend.queue'::regclass, 'mend.dead_letters'::regclass, 'mend.drifts'::regclass, 'mend.patches'::regclass,
                'mend.fields'::regclass, 'mend.enrollments'::regclass, 'mend.events'::regclass, 'mend.progress'::regclass,
                'mend.control'::regclass, 'mend.requests'::regclass)
ORDER BY 1;
SELECT has_column_privilege('mend_agent', 'mend.events', 'kind', 'SELECT') AS agent_reads_kind,
       has_column_privilege('mend_agent', 'mend.events', 'detail', 'SELECT') AS agent_reads_detail;
SELECT proname FROM pg_proc
WHERE pronamespace = 'mend'::regnamespace AND has_function_privilege('regress_reader', oid, 'EXECUTE')
  AND proname IN ('enroll', 'configure', 'unenroll', 'map_field', 'accept_loss', 'check_ddl');

DROP FUNCTION state_of;
DROP VIEW terms, log;
DROP SERVER regress_server CASCADE;
DROP FOREIGN DATA WRAPPER regress_wrapper;
DROP TABLE keyless, theirs, of_type, root_one, temporary_one;
DROP TYPE a_type;
DROP VIEW a_view;
DROP MATERIALIZED VIEW a_matview;
DROP SEQUENCE a_sequence;
DROP SCHEMA shop CASCADE;
DELETE FROM mend.dead_letters;
DELETE FROM mend.drifts;
DROP ROLE regress_admin, regress_member, regress_owner, regress_healer, regress_strong, regress_reader;
