-- What the benchmark compares: twelve mixed columns, and what a careful DBA would write by hand.
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE EXTENSION IF NOT EXISTS pg_mend;
DELETE FROM mend.queue q WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = q.target::oid);
CREATE SCHEMA bench;

CREATE TABLE bench.orders (
    id bigint, qty int, customer text, amount numeric(12,2), placed timestamptz, paid boolean, token uuid,
    meta jsonb, ship_on date, weight float8, city varchar(64), tags text[]
) WITH (autovacuum_enabled = false);
CREATE TABLE bench.keyed (LIKE bench.orders, PRIMARY KEY (id)) WITH (autovacuum_enabled = false);
CREATE TABLE bench.heals (id bigint, qty int) WITH (autovacuum_enabled = false);

CREATE TABLE bench.dba_queue (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, target text NOT NULL,
    payload jsonb NOT NULL, sqlstate text NOT NULL, error text NOT NULL, at timestamptz NOT NULL DEFAULT now())
    WITH (autovacuum_enabled = false);

-- One row for any table, as healing_insert takes it: typed by populate_record, unknown keys noticed by the catalog,
-- whatever fails is kept.
CREATE FUNCTION bench.dba_insert_any(target regclass, payload jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE unknown jsonb;
BEGIN
    unknown := payload - ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = target AND attnum > 0 AND NOT attisdropped);
    IF unknown <> '{}'::jsonb THEN
        INSERT INTO bench.dba_queue (target, payload, sqlstate, error) VALUES (target, payload, '42703', 'unknown keys: ' || unknown::text);
        RETURN 'queued';
    END IF;
    EXECUTE format('INSERT INTO %s SELECT * FROM jsonb_populate_record(NULL::%s, $1)', target, target) USING payload;
    RETURN 'inserted';
EXCEPTION WHEN others THEN
    INSERT INTO bench.dba_queue (target, payload, sqlstate, error) VALUES (target, payload, SQLSTATE, SQLERRM);
    RETURN 'queued';
END $$;

-- The same written for one table, with nothing left to look up.
CREATE FUNCTION bench.dba_insert(payload jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE unknown jsonb;
BEGIN
    unknown := payload - '{id,qty,customer,amount,placed,paid,token,meta,ship_on,weight,city,tags}'::text[];
    IF unknown <> '{}'::jsonb THEN
        INSERT INTO bench.dba_queue (target, payload, sqlstate, error) VALUES ('orders', payload, '42703', 'unknown keys: ' || unknown::text);
        RETURN 'queued';
    END IF;
    INSERT INTO bench.orders SELECT * FROM jsonb_populate_record(NULL::bench.orders, payload);
    RETURN 'inserted';
EXCEPTION WHEN others THEN
    INSERT INTO bench.dba_queue (target, payload, sqlstate, error) VALUES ('orders', payload, SQLSTATE, SQLERRM);
    RETURN 'queued';
END $$;

-- Many rows: the same, row by row.
CREATE FUNCTION bench.dba_load(payloads jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE element jsonb; stored bigint := 0;
BEGIN
    FOR element IN SELECT value FROM jsonb_array_elements(payloads) LOOP
        BEGIN
            INSERT INTO bench.orders SELECT * FROM jsonb_populate_record(NULL::bench.orders, element);
            stored := stored + 1;
        EXCEPTION WHEN others THEN
            INSERT INTO bench.dba_queue (target, payload, sqlstate, error) VALUES ('orders', element, SQLSTATE, SQLERRM);
        END;
    END LOOP;
    RETURN stored;
END $$;

CREATE TABLE bench.staging (line text) WITH (autovacuum_enabled = false);

SELECT mend.enroll('bench.orders', mode => 'paused');
SELECT mend.enroll('bench.keyed', mode => 'paused');
