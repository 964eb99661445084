-- CREATE EXTENSION takes roles that exist already only where whoever made them has kept no way in: by login, by membership in
-- either direction, by ADMIN OPTION. Members whom a superuser chose stay: another database of the cluster has them.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SELECT current_database() AS home \gset
CREATE ROLE regress_install_mallory CREATEROLE;
CREATE ROLE regress_install_reader;
CREATE ROLE regress_install_member;
CREATE DATABASE regress_install_roles TEMPLATE template0 ENCODING 'UTF8';
\connect regress_install_roles
SET client_min_messages = warning;
ALTER ROLE mend_agent LOGIN;
CREATE EXTENSION pg_mend;
ALTER ROLE mend_agent NOLOGIN CREATEDB;
CREATE EXTENSION pg_mend;
ALTER ROLE mend_agent NOCREATEDB;
GRANT regress_install_reader TO mend_admin;
CREATE EXTENSION pg_mend;
REVOKE regress_install_reader FROM mend_admin;
GRANT mend_admin TO regress_install_mallory WITH ADMIN OPTION;
CREATE EXTENSION pg_mend;
-- Whom mallory has made a member while he could. (From PostgreSQL 16 on the grant goes with his ADMIN OPTION.)
SET client_min_messages = error;
SET ROLE regress_install_mallory;
GRANT mend_admin TO regress_install_member;
RESET ROLE;
REVOKE ADMIN OPTION FOR mend_admin FROM regress_install_mallory CASCADE;
REVOKE mend_admin FROM regress_install_mallory CASCADE;
DO $$
BEGIN
    EXECUTE 'CREATE EXTENSION pg_mend';
    IF EXISTS (SELECT FROM pg_auth_members WHERE roleid = 'mend_admin'::regrole AND member = 'regress_install_member'::regrole) THEN
        RAISE EXCEPTION 'mallory''s friend is an administrator';
    END IF;
    EXECUTE 'DROP EXTENSION pg_mend';
EXCEPTION WHEN insufficient_privilege THEN
    IF SQLERRM NOT LIKE 'role "mend_admin" exists with more%' THEN
        RAISE;
    END IF;
END
$$;
REVOKE mend_admin FROM regress_install_member;
SET client_min_messages = warning;
-- Nobody is a member of the healer, whoever made him one.
GRANT mend_healer TO regress_install_member;
CREATE EXTENSION pg_mend;
REVOKE mend_healer FROM regress_install_member;
-- Somebody else's schema.
CREATE SCHEMA mend AUTHORIZATION regress_install_mallory;
CREATE EXTENSION pg_mend;
DROP SCHEMA mend;
-- Another database has members, whom a superuser has made.
GRANT mend_admin, mend_agent TO regress_install_member;
CREATE EXTENSION pg_mend;
SELECT pg_has_role('regress_install_member', 'mend_admin', 'USAGE') AS member_stays;
REVOKE mend_admin, mend_agent FROM regress_install_member;
\connect :home
DROP DATABASE regress_install_roles;
DROP ROLE regress_install_mallory, regress_install_reader, regress_install_member;
