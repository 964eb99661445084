-- Statements of others that concern what is queued.
CREATE OR REPLACE FUNCTION mend.guard_drop() RETURNS event_trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_guard_drop';
COMMENT ON FUNCTION mend.guard_drop() IS 'Internal: a statement that would drop mend.queue with rows in it is refused';
REVOKE ALL ON FUNCTION mend.guard_drop() FROM PUBLIC;

DROP EVENT TRIGGER IF EXISTS mend_guard_drop;
CREATE EVENT TRIGGER mend_guard_drop ON ddl_command_start WHEN TAG IN ('DROP EXTENSION', 'DROP OWNED')
    EXECUTE FUNCTION mend.guard_drop();
COMMENT ON EVENT TRIGGER mend_guard_drop IS 'DROP EXTENSION does not lose payloads that are queued';
