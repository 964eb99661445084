-- What goes wrong ten thousand times in one session leaves no memory behind.
SET client_min_messages = warning;
CREATE SCHEMA border_test;
SET search_path = border_test, public;
CREATE TABLE t (id int PRIMARY KEY, v text, addr inet, n numeric(5,2), pos int CHECK (pos > 0));
SELECT mend.enroll('t', 'paused');
INSERT INTO t VALUES (1);
CREATE FUNCTION misfits(rounds int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. rounds LOOP
        PERFORM healing_insert('t', '{"id": 1}');                       -- caught in a subtransaction
        PERFORM healing_insert('t', '{"id": 2, "addr": "x", "n": "y"}'); -- an input function, a verdict
        PERFORM healing_insert('t', '{"id": 2, "pos": 0}');
        PERFORM healing_insert('t', '{"id":');
        BEGIN
            PERFORM healing_insert('t', NULL);                          -- thrown, and raised again
        EXCEPTION WHEN null_value_not_allowed THEN NULL;
        END;
        BEGIN
            PERFORM healing_insert('pg_class', '{}');
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    DELETE FROM mend.queue;
    DELETE FROM mend.dead_letters;
END
$$;
SELECT misfits(100);
CREATE TEMP TABLE before AS SELECT sum(used_bytes) AS used FROM pg_backend_memory_contexts;
SELECT misfits(1700);
SELECT sum(used_bytes) - (SELECT used FROM before) < 300000 AS flat FROM pg_backend_memory_contexts;

-- A long load neither.
SELECT healing_load('t', (SELECT string_agg('{"id":' || i || ',"v":"' || repeat('x', 100) || '","addr":"10.0.0.1"}', E'\n') FROM generate_series(10, 20000) i));
SELECT sum(used_bytes) - (SELECT used FROM before) < 500000 AS flat FROM pg_backend_memory_contexts;
SELECT count(*) FROM t;

-- Leave nothing behind.
RESET search_path;
DELETE FROM mend.queue; DELETE FROM mend.dead_letters; DELETE FROM mend.fields; DELETE FROM mend.enrollments; DELETE FROM mend.events;
DROP SCHEMA border_test CASCADE;
