-- Offering payloads. Ordinary users need no more than INSERT on the landing table.
CREATE OR REPLACE FUNCTION @extschema@.healing_insert(target regclass, payload text) RETURNS mend.outcome
    AS 'MODULE_PATHNAME', 'mend_insert_text' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.healing_insert(regclass, text) IS
    'Stores one JSON object in an enrolled table, or keeps it, byte for byte, for healing or for a person';

CREATE OR REPLACE FUNCTION @extschema@.healing_insert(target regclass, payload json) RETURNS mend.outcome
    AS 'MODULE_PATHNAME', 'mend_insert_text' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.healing_insert(regclass, json) IS
    'Stores one JSON object in an enrolled table, or keeps it for healing or for a person';

CREATE OR REPLACE FUNCTION @extschema@.healing_insert(target regclass, payload jsonb) RETURNS mend.outcome
    AS 'MODULE_PATHNAME', 'mend_insert_jsonb' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.healing_insert(regclass, jsonb) IS
    'Stores one JSON object in an enrolled table, or keeps it for healing or for a person';

CREATE OR REPLACE FUNCTION @extschema@.healing_load(target regclass, payloads text) RETURNS mend.load_result
    AS 'MODULE_PATHNAME', 'mend_load_text' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.healing_load(regclass, text) IS
    'Stores or keeps many JSON objects: a JSON array, or one object a line';

CREATE OR REPLACE FUNCTION @extschema@.healing_load(target regclass, payloads json) RETURNS mend.load_result
    AS 'MODULE_PATHNAME', 'mend_load_json' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.healing_load(regclass, json) IS
    'Stores or keeps the JSON objects of an array; a value that is no array is one payload';

CREATE OR REPLACE FUNCTION @extschema@.healing_load(target regclass, payloads jsonb) RETURNS mend.load_result
    AS 'MODULE_PATHNAME', 'mend_load_jsonb' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.healing_load(regclass, jsonb) IS
    'Stores or keeps the JSON objects of an array; a value that is no array is one payload';

-- What a session has cached of a landing table must go, in every session, when its terms change.
CREATE OR REPLACE FUNCTION mend.invalidate_target() RETURNS trigger
    AS 'MODULE_PATHNAME', 'mend_invalidate_target' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION mend.invalidate_target() FROM PUBLIC;
COMMENT ON FUNCTION mend.invalidate_target() IS 'Makes every session forget what it has cached of a landing table';

CREATE OR REPLACE TRIGGER invalidate_target AFTER INSERT OR UPDATE OR DELETE ON mend.enrollments
    FOR EACH ROW EXECUTE FUNCTION mend.invalidate_target();
COMMENT ON TRIGGER invalidate_target ON mend.enrollments IS 'The next payload is judged under the new terms';
CREATE OR REPLACE TRIGGER invalidate_target AFTER INSERT OR UPDATE OR DELETE ON mend.fields
    FOR EACH ROW EXECUTE FUNCTION mend.invalidate_target();
COMMENT ON TRIGGER invalidate_target ON mend.fields IS 'The next payload is resolved with the new mappings';
CREATE OR REPLACE TRIGGER invalidate_target AFTER INSERT OR UPDATE OR DELETE ON mend.own_columns
    FOR EACH ROW EXECUTE FUNCTION mend.invalidate_target();
COMMENT ON TRIGGER invalidate_target ON mend.own_columns IS 'The next payload is judged with what is known of the columns';

-- Citus reads the rows of a statement that it plans from a function: it sees no named tuplestore.
CREATE OR REPLACE FUNCTION mend.batch_rows() RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'mend_batch_rows' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION mend.batch_rows() IS
    'For pg_mend''s own INSERT into a table of Citus: the rows of the batch at hand. Anybody else gets 55000';
