-- Statements of others that concern what is queued.
CREATE OR REPLACE FUNCTION mend.guard_drop() RETURNS event_trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_guard_drop';
COMMENT ON FUNCTION mend.guard_drop() IS 'Internal: a statement that would drop mend.queue with rows in it is refused';
REVOKE ALL ON FUNCTION mend.guard_drop() FROM PUBLIC;

DROP EVENT TRIGGER IF EXISTS mend_guard_drop;
CREATE EVENT TRIGGER mend_guard_drop ON ddl_command_start WHEN TAG IN ('DROP EXTENSION', 'DROP OWNED')
    EXECUTE FUNCTION mend.guard_drop();
COMMENT ON EVENT TRIGGER mend_guard_drop IS 'DROP EXTENSION does not lose payloads that are queued';

-- A person's own change may make waiting rows, and rescued values, fit. What the worker alters itself needs no second look.
CREATE OR REPLACE FUNCTION mend.note_ddl() RETURNS event_trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    concerned regclass[];
BEGIN
    IF NOT EXISTS (SELECT FROM mend.queue) AND NOT EXISTS (SELECT FROM mend.promotions)
       OR EXISTS (SELECT FROM mend.workers() w WHERE w.pid = pg_backend_pid()) THEN
        RETURN;
    END IF;
    SELECT array_agg(e.target ORDER BY e.target) INTO concerned
    FROM mend.enrollments e
    WHERE e.mode <> 'paused'
      AND ((SELECT true FROM mend.queue q WHERE q.target >= e.target AND q.target <= e.target ORDER BY q.target, q.id LIMIT 1)
           OR e.rescue IS NOT NULL AND EXISTS (SELECT FROM mend.promotions m WHERE m.target = e.target))
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
COMMENT ON FUNCTION mend.note_ddl() IS 'Internal: rows that wait for a table, and rescued values, are tried again after a change of the table, of its partitions, or of a type';
REVOKE ALL ON FUNCTION mend.note_ddl() FROM PUBLIC;

-- What is recorded of a column is recorded by its name, which a person may change.
CREATE OR REPLACE FUNCTION mend.number_column() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.column_number := (SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = NEW.target AND a.attname = NEW.column_name AND a.attnum > 0);
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION mend.number_column() IS 'Internal: keeps the number of a column with its name';
REVOKE ALL ON FUNCTION mend.number_column() FROM PUBLIC;
CREATE OR REPLACE TRIGGER number_column BEFORE INSERT OR UPDATE ON mend.fields FOR EACH ROW EXECUTE FUNCTION mend.number_column();
COMMENT ON TRIGGER number_column ON mend.fields IS 'A mapping and a reading follow their column when it is renamed';

CREATE OR REPLACE FUNCTION mend.follow_renames() RETURNS event_trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    altered oid[];
BEGIN
    IF NOT EXISTS (SELECT FROM mend.fields WHERE column_number IS NOT NULL) THEN
        RETURN;
    END IF;
    altered := ARRAY(SELECT c.objid FROM pg_event_trigger_ddl_commands() c WHERE c.classid = 'pg_class'::regclass);
    -- A column that has taken the place of another bears its name: the number is what has changed.
    UPDATE mend.fields f SET column_name = f.column_name
    FROM pg_attribute a
    WHERE f.target = ANY (altered) AND a.attrelid = f.target AND a.attname = f.column_name AND a.attnum <> f.column_number;
    -- While the worker puts one in the place of another, the name is nobody's for a moment.
    IF EXISTS (SELECT FROM mend.workers() w WHERE w.pid = pg_backend_pid()) THEN
        RETURN;
    END IF;
    UPDATE mend.fields f
    SET column_name = a.attname,
        field = CASE WHEN f.field = f.column_name AND NOT EXISTS (SELECT FROM mend.fields o WHERE o.target = f.target AND o.field = a.attname)
                     THEN a.attname ELSE f.field END
    FROM pg_attribute a
    WHERE f.target = ANY (altered) AND a.attrelid = f.target AND a.attnum = f.column_number AND NOT a.attisdropped AND a.attname <> f.column_name
      AND NOT EXISTS (SELECT FROM pg_attribute n WHERE n.attrelid = f.target AND n.attname = f.column_name);
END
$$;
COMMENT ON FUNCTION mend.follow_renames() IS 'Internal: mappings and readings of a column that was renamed are those of its new name';
REVOKE ALL ON FUNCTION mend.follow_renames() FROM PUBLIC;

DROP EVENT TRIGGER IF EXISTS mend_follow_renames;
CREATE EVENT TRIGGER mend_follow_renames ON ddl_command_end WHEN TAG IN ('ALTER TABLE')
    EXECUTE FUNCTION mend.follow_renames();
COMMENT ON EVENT TRIGGER mend_follow_renames IS 'What is recorded of a column follows it when it is renamed';

DROP EVENT TRIGGER IF EXISTS mend_note_ddl;
CREATE EVENT TRIGGER mend_note_ddl ON ddl_command_end WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE', 'ALTER TYPE', 'ALTER DOMAIN')
    EXECUTE FUNCTION mend.note_ddl();
COMMENT ON EVENT TRIGGER mend_note_ddl IS 'Rows that wait are tried again after a person has changed their table';
