-- Roles are cluster-wide: created if absent, verified if present, never dropped. Whoever made them beforehand must have kept no
-- way in, and given none. Members are for superusers to choose: another database of the cluster may have had them for years.
DO $do$
DECLARE
    wanted text;
    present pg_roles;
    why text;
    hint text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['mend_admin', 'mend_agent', 'mend_healer'] LOOP
        SELECT * INTO present FROM pg_roles WHERE rolname = wanted;
        IF NOT FOUND THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            CONTINUE;
        END IF;
        IF present.rolsuper OR present.rolcreaterole OR present.rolcreatedb OR present.rolreplication OR present.rolbypassrls THEN
            why := 'It is superuser, CREATEROLE, CREATEDB, REPLICATION or BYPASSRLS.';
            hint := format('ALTER ROLE %I NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS;', wanted);
        ELSIF present.rolcanlogin THEN
            why := 'It can log in.';
            hint := format('ALTER ROLE %I NOLOGIN;', wanted);
        ELSE
            SELECT format('It is a member of %I.', pg_get_userbyid(m.roleid)),
                   format('REVOKE %I FROM %I;', pg_get_userbyid(m.roleid), wanted)
            INTO why, hint FROM pg_auth_members m WHERE m.member = present.oid ORDER BY m.roleid LIMIT 1;
            IF NOT FOUND THEN
                SELECT CASE WHEN m.admin_option THEN format('Role %I is a member WITH ADMIN OPTION.', pg_get_userbyid(m.member))
                            WHEN wanted = 'mend_healer' THEN format('Role %I is a member.', pg_get_userbyid(m.member))
                            ELSE format('Role %I was made a member by %I, who is no superuser.', pg_get_userbyid(m.member),
                                        coalesce(g.rolname, 'a role')) END,
                       format('REVOKE %I FROM %I%s;', wanted, pg_get_userbyid(m.member),
                              CASE WHEN wanted = 'mend_healer' THEN ' CASCADE'
                                   ELSE ' CASCADE, and as a superuser GRANT it again to those who are to have it' END)
                INTO why, hint
                FROM pg_auth_members m LEFT JOIN pg_roles g ON g.oid = m.grantor
                WHERE m.roleid = present.oid AND (m.admin_option OR wanted = 'mend_healer' OR NOT coalesce(g.rolsuper, false))
                ORDER BY m.admin_option DESC, m.member LIMIT 1;
            END IF;
        END IF;
        IF why IS NOT NULL THEN
            RAISE EXCEPTION 'role "%" exists with more than pg_mend allows', wanted
                USING ERRCODE = 'insufficient_privilege', DETAIL = why, HINT = hint;
        END IF;
    END LOOP;
END
$do$;

CREATE SCHEMA mend;
COMMENT ON SCHEMA mend IS 'pg_mend: queue, drift, patches and controls of self-healing ingestion';

CREATE TYPE mend.outcome AS ENUM ('inserted', 'queued', 'dead_lettered');
COMMENT ON TYPE mend.outcome IS 'What became of one payload: stored, kept for healing, or kept for a person';

CREATE TYPE mend.load_result AS (inserted bigint, queued bigint, dead_lettered bigint, rescued bigint);
COMMENT ON TYPE mend.load_result IS 'How many payloads of one healing_load call were stored, queued and dead-lettered; rescued: stored with values in the rescue column';

CREATE TYPE mend.mode AS ENUM ('auto', 'review', 'paused');
COMMENT ON TYPE mend.mode IS 'auto: the worker heals; review: every patch waits for mend.approve(); paused: the worker leaves the table alone';

CREATE TYPE mend.action AS ENUM
    ('add_column', 'widen_type', 'drop_not_null', 'set_default', 'map_field', 'add_enum_value', 'change_type', 'read_as');
COMMENT ON TYPE mend.action IS 'What a patch may do to a table';

CREATE TYPE mend.share AS ENUM ('shape', 'values');
COMMENT ON TYPE mend.share IS 'What a planner outside the database may see: shapes of values only, or a few truncated samples';
