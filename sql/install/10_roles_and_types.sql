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
