CREATE OR REPLACE FUNCTION mend.check_ddl(target regclass, ddl text, OUT allowed boolean, OUT canonical text, OUT reason text)
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
