-- The border between C++ and PostgreSQL (src/server/pg), by functions that fail on purpose (test/border).
\set SHOW_CONTEXT never
CREATE FUNCTION probe_throw(text) RETURNS int LANGUAGE c STRICT AS 'mend_border_probe', 'probe_throw';
CREATE FUNCTION probe_memory(text) RETURNS void LANGUAGE c STRICT AS 'mend_border_probe', 'probe_memory';
CREATE FUNCTION probe_living() RETURNS int LANGUAGE c AS 'mend_border_probe', 'probe_living';
CREATE FUNCTION probe_attempt() RETURNS text LANGUAGE c AS 'mend_border_probe', 'probe_attempt';
CREATE FUNCTION probe_attempt_forever() RETURNS void LANGUAGE c AS 'mend_border_probe', 'probe_attempt_forever';
CREATE FUNCTION probe_attempt_many(int) RETURNS int LANGUAGE c STRICT AS 'mend_border_probe', 'probe_attempt_many';

-- Every way to fail is an SQL error with its SQLSTATE, runs all destructors and leaves the session usable.
DO $$
DECLARE
    kind text;
    state text; message text; detail text; hint text; column_name text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['exception', 'no memory', 'unknown', 'error', 'postgres'] LOOP
        BEGIN
            PERFORM probe_throw(kind);
            RAISE NOTICE '% went through', kind;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
                                    hint = PG_EXCEPTION_HINT, column_name = COLUMN_NAME;
            RAISE INFO '%: % "%" detail "%" hint "%" column "%", living %',
                kind, state, message, detail, hint, column_name, probe_living();
        END;
    END LOOP;
END
$$;

-- Where no memory is left for the record of an error, the error is that.
SELECT probe_memory('reserve');
DO $$
DECLARE
    kind text;
    state text; message text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['huge exception', 'huge error', 'huge postgres'] LOOP
        BEGIN
            PERFORM probe_throw(kind);
            RAISE NOTICE '% went through', kind;
        EXCEPTION WHEN OTHERS THEN
            PERFORM probe_memory('unlimited');
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
            RAISE INFO '%: % "%", living %', kind, state, left(message, 20), probe_living();
        END;
    END LOOP;
END
$$;
SELECT probe_memory('release');

-- An attempt gives the error back as a value, and the caller goes on.
SELECT probe_attempt(), probe_living();

-- Cancel is never swallowed.
SET statement_timeout = '100ms';
DO $$
BEGIN
    PERFORM probe_attempt_forever();
    RAISE INFO 'the cancel was swallowed';
EXCEPTION WHEN query_canceled THEN
    RAISE INFO 'cancelled, living %', probe_living();
END
$$;
RESET statement_timeout;

-- Many errors in one session leave nothing behind.
SELECT probe_attempt_many(1000);
SELECT sum(total_bytes) AS before FROM pg_backend_memory_contexts WHERE name IN ('TopMemoryContext', 'ErrorContext') \gset
SELECT probe_attempt_many(10000);
SELECT sum(total_bytes) - :before < 100000 AS flat FROM pg_backend_memory_contexts WHERE name IN ('TopMemoryContext', 'ErrorContext');

DROP FUNCTION probe_throw, probe_memory, probe_living, probe_attempt, probe_attempt_forever, probe_attempt_many;
