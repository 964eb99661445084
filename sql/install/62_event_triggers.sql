-- Statements of others that concern what is queued.
CREATE OR REPLACE FUNCTION mend.guard_drop() RETURNS event_trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_guard_drop';
COMMENT ON FUNCTION mend.guard_drop() IS 'Internal: a statement that would drop mend.queue with rows in it is refused';
REVOKE ALL ON FUNCTION mend.guard_drop() FROM PUBLIC;

DROP EVENT TRIGGER IF EXISTS mend_guard_drop;
CREATE EVENT TRIGGER mend_guard_drop ON ddl_command_start WHEN TAG IN ('DROP EXTENSION', 'DROP OWNED')
    EXECUTE FUNCTION mend.guard_drop();
COMMENT ON EVENT TRIGGER mend_guard_drop IS 'DROP EXTENSION does not lose payloads that are queued';

-- A person's own change may make waiting rows fit. What the worker alters itself needs no second look.
CREATE OR REPLACE FUNCTION mend.note_ddl() RETURNS event_trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    concerned regclass[];
BEGIN
    IF NOT EXISTS (SELECT FROM mend.queue) OR EXISTS (SELECT FROM mend.workers() w WHERE w.pid = pg_backend_pid()) THEN
        RETURN;
    END IF;
    SELECT array_agg(e.target ORDER BY e.target) INTO concerned
    FROM mend.enrollments e
    WHERE e.mode <> 'paused'
      AND (SELECT true FROM mend.queue q WHERE q.target >= e.target AND q.target <= e.target ORDER BY q.target, q.id LIMIT 1)
      AND (tg_tag IN ('ALTER TYPE', 'ALTER DOMAIN')
           OR EXISTS (SELECT FROM pg_event_trigger_ddl_commands() c
                      WHERE c.classid = 'pg_class'::regclass
                        AND (c.objid = e.target OR EXISTS (SELECT FROM pg_partition_ancestors(c.objid) a WHERE a.relid = e.target))));
    IF concerned IS NOT NULL THEN
        PERFORM mend.request_round(t, 'altered') FROM unnest(concerned) t;
        PERFORM mend.wake();
    END IF;
END
$$;
COMMENT ON FUNCTION mend.note_ddl() IS 'Internal: rows that wait for a table are tried again after a change of the table, of its partitions, or of a type';
REVOKE ALL ON FUNCTION mend.note_ddl() FROM PUBLIC;

DROP EVENT TRIGGER IF EXISTS mend_note_ddl;
CREATE EVENT TRIGGER mend_note_ddl ON ddl_command_end WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE', 'ALTER TYPE', 'ALTER DOMAIN')
    EXECUTE FUNCTION mend.note_ddl();
COMMENT ON EVENT TRIGGER mend_note_ddl IS 'Rows that wait are tried again after a person has changed their table';
