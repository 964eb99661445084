-- Proof of a load: what was offered, a landing table made from the first records, and whether every
-- stored row equals its payload. Used by scripts/quickstart and by the tests; no part of the product.
CREATE SCHEMA proof;

CREATE TABLE proof.offered (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target  text NOT NULL,
    payload text NOT NULL
);
CREATE INDEX ON proof.offered (target, id);

CREATE TABLE proof.made_columns (target text, column_name name, PRIMARY KEY (target, column_name));

-- The column name that a field gets: snake_case, as pg_mend resolves keys.
CREATE FUNCTION proof.column_for(field text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT lower(regexp_replace(regexp_replace(field, '([a-z0-9])([A-Z])', '\1_\2', 'g'), '[\x01-/:-@\x5b-`\x7b-\x7f]+', '_', 'g'))
$$;

-- null, [], {} and arrays of nulls bring no value.
CREATE FUNCTION proof.is_nothing(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT value IN ('null', '{}') OR (jsonb_typeof(value) = 'array' AND NOT jsonb_path_exists(value, '$[*] ? (@ != null)'))
$$;

-- The narrowest plain type for the values of one field; null where there are none to judge by.
CREATE FUNCTION proof.type_for(samples jsonb[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN count(*) = 0 THEN NULL
        WHEN count(DISTINCT jsonb_typeof(v)) > 1 OR bool_or(jsonb_typeof(v) IN ('object', 'array')) THEN 'jsonb'
        WHEN bool_and(jsonb_typeof(v) = 'boolean') THEN 'boolean'
        WHEN bool_and(jsonb_typeof(v) = 'string') THEN
            CASE WHEN bool_and(v #>> '{}' ~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$') THEN 'timestamptz'
                 ELSE format('varchar(%s)', greatest(1, max(length(v #>> '{}')))) END
        WHEN bool_or(n::text ~ '[.]') THEN 'double precision'
        WHEN max(abs(n)) < 2147483648 THEN 'integer'
        WHEN max(abs(n)) < 9223372036854775808 THEN 'bigint'
        ELSE 'numeric' END
    FROM (SELECT v, CASE WHEN jsonb_typeof(v) = 'number' THEN (v #>> '{}')::numeric END AS n FROM unnest(samples) AS v
          WHERE NOT proof.is_nothing(v)) AS values_seen
$$;

-- Creates the table that fits these records, and no more, and returns its DDL.
CREATE FUNCTION proof.make_table(target text, records jsonb[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ddl text;
BEGIN
    -- Three columns a line.
    SELECT format(E'CREATE TABLE %I (\n%s\n)', target, string_agg(line, E',\n' ORDER BY number))
    INTO ddl
    FROM (SELECT place / 3 AS number, '    ' || string_agg(format('%I %s', column_name, type), ', ' ORDER BY place) AS line
          FROM (SELECT column_name, type, row_number() OVER (ORDER BY first) - 1 AS place
                FROM (SELECT proof.column_for(field) AS column_name, proof.type_for(array_agg(value)) AS type,
                             min(place) AS first
                      FROM unnest(records) AS record, jsonb_each(record) WITH ORDINALITY AS each(field, value, place)
                      GROUP BY 1) AS fields
                WHERE type IS NOT NULL) AS columns
          GROUP BY 1) AS lines;
    EXECUTE ddl;
    INSERT INTO proof.made_columns
        SELECT target, attname FROM pg_attribute WHERE attrelid = target::regclass AND attnum > 0;
    RETURN ddl;
END
$$;

-- A value as its column would hold it, in a form in which equal means equal. An integer stays a number
-- in a wider type; a number in a text column is its text.
CREATE FUNCTION proof.canonical(value jsonb, type oid) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN proof.is_nothing(value) THEN NULL
        WHEN jsonb_typeof(value) IN ('object', 'array') OR type IN (114, 3802) THEN value
        -- What a column does not take may be in the rescue column.
        WHEN jsonb_typeof(value) = 'string' AND type IN (20, 21, 23, 700, 701, 1700) AND value #>> '{}' !~ '^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$'
          OR type IN (1082, 1114, 1184) AND value #>> '{}' !~ '^\d{4}-\d\d-\d\d' THEN to_jsonb(value #>> '{}')
        WHEN type IN (20, 21, 23, 1700) THEN to_jsonb((value #>> '{}')::numeric)
        WHEN type IN (700, 701) THEN to_jsonb((value #>> '{}')::float8)
        WHEN type = 1184 THEN to_jsonb((value #>> '{}')::timestamptz)
        WHEN type = 1114 THEN to_jsonb((value #>> '{}')::timestamp)
        WHEN type = 1082 THEN to_jsonb((value #>> '{}')::date)
        WHEN type = 2950 THEN to_jsonb((value #>> '{}')::uuid)
        ELSE to_jsonb(value #>> '{}') END
$$;

-- What fields of payloads mean to a table: a column, or nothing that it knows.
CREATE FUNCTION proof.meanings(landing text, names text[]) RETURNS TABLE (field text, column_name name, type oid, ignored boolean)
LANGUAGE sql STABLE AS $$
    SELECT keys.field, coalesce(recorded.column_name, exact.attname, alike.attname),
           coalesce(recorded.type, exact.atttypid, alike.atttypid),
           recorded.field IS NOT NULL AND recorded.column_name IS NULL
    FROM unnest(names) AS keys (field)
    LEFT JOIN (SELECT f.field, f.column_name, a.atttypid AS type FROM mend.fields AS f
               LEFT JOIN pg_attribute AS a ON a.attrelid = f.target AND a.attname = f.column_name
               WHERE f.target = landing::regclass) AS recorded USING (field)
    LEFT JOIN pg_attribute AS exact
        ON exact.attrelid = landing::regclass AND exact.attnum > 0 AND exact.attname = keys.field
    LEFT JOIN pg_attribute AS alike
        ON alike.attrelid = landing::regclass AND alike.attnum > 0
        AND proof.column_for(alike.attname) = proof.column_for(keys.field)
$$;

-- What a table should hold: every payload that is neither queued nor dead, mapped to its columns.
CREATE FUNCTION proof.expected(landing text) RETURNS TABLE (image jsonb) LANGUAGE sql STABLE AS $$
    WITH kept AS MATERIALIZED (
        SELECT payload::jsonb AS payload FROM proof.offered WHERE target = landing
        EXCEPT ALL
        (SELECT payload::jsonb FROM mend.queue WHERE target = landing::regclass
         UNION ALL
         SELECT payload::jsonb FROM mend.dead_letters WHERE target = landing::regclass)
    ), numbered AS MATERIALIZED (
        SELECT row_number() OVER () AS id, payload FROM kept
    ), fields AS MATERIALIZED (
        SELECT * FROM proof.meanings(landing, ARRAY(SELECT DISTINCT jsonb_object_keys(payload) FROM kept))
    )
    SELECT coalesce(jsonb_object_agg(coalesce(f.column_name, '?' || f.field), v.value)
                    FILTER (WHERE v.value IS NOT NULL AND NOT f.ignored), '{}')
    FROM numbered
    LEFT JOIN LATERAL jsonb_each(payload) AS pair ON true
    LEFT JOIN fields AS f ON f.field = pair.key
    LEFT JOIN LATERAL (SELECT proof.canonical(pair.value, f.type)) AS v(value) ON true
    GROUP BY id
$$;

-- What it does hold, in its columns and in its rescue column, in the same form.
CREATE FUNCTION proof.stored(landing text) RETURNS TABLE (image jsonb) LANGUAGE plpgsql STABLE AS $$
DECLARE
    rescue_column text := coalesce((SELECT e.rescue FROM mend.enrollments AS e WHERE e.target = landing::regclass), '');
    rescued text[];
BEGIN
    IF rescue_column <> '' THEN
        EXECUTE format('SELECT array_agg(DISTINCT key) FROM %s, jsonb_object_keys(%I) AS key', landing::regclass, rescue_column) INTO rescued;
    END IF;
    RETURN QUERY EXECUTE format($query$
        WITH fields AS MATERIALIZED (SELECT * FROM proof.meanings(%1$L, $2))
        SELECT coalesce(jsonb_object_agg(pair.key, v.value) FILTER (WHERE v.value IS NOT NULL), '{}')
        FROM (SELECT row_number() OVER () AS id, to_jsonb(t) AS record FROM %1$s AS t) AS numbered
        LEFT JOIN LATERAL (
            SELECT key, value, a.atttypid FROM jsonb_each(record - $1)
            LEFT JOIN pg_attribute AS a ON a.attrelid = %1$L::regclass AND a.attname = key AND a.attnum > 0
            UNION ALL
            SELECT coalesce(f.column_name, '?' || key), value, f.type
            FROM jsonb_each(CASE jsonb_typeof(record -> $1) WHEN 'object' THEN record -> $1 END) JOIN fields AS f ON f.field = key WHERE NOT f.ignored
        ) AS pair (key, value, type) ON true
        LEFT JOIN LATERAL (SELECT proof.canonical(pair.value, pair.type)) AS v(value) ON true
        GROUP BY id$query$, landing::regclass) USING rescue_column, rescued;
END
$$;

-- The books of one table. `lost`: payloads with no equal row; `strange`: rows with no equal payload.
CREATE FUNCTION proof.balance(landing text)
RETURNS TABLE (offered bigint, stored bigint, queued bigint, dead bigint, lost bigint, strange bigint)
LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMP TABLE proof_expected ON COMMIT DROP AS SELECT image FROM proof.expected(landing);
    CREATE TEMP TABLE proof_stored ON COMMIT DROP AS SELECT image FROM proof.stored(landing);
    RETURN QUERY SELECT
        (SELECT count(*) FROM proof.offered AS o WHERE o.target = landing),
        (SELECT count(*) FROM proof_stored),
        (SELECT count(*) FROM mend.queue AS q WHERE q.target = landing::regclass),
        (SELECT count(*) FROM mend.dead_letters AS d WHERE d.target = landing::regclass),
        (SELECT count(*) FROM (SELECT image FROM proof_expected EXCEPT ALL SELECT image FROM proof_stored) AS x),
        (SELECT count(*) FROM (SELECT image FROM proof_stored EXCEPT ALL SELECT image FROM proof_expected) AS x);
    DROP TABLE proof_expected, proof_stored;
END
$$;

-- Columns that were added although no row has a value in them.
CREATE FUNCTION proof.idle_columns(landing text) RETURNS SETOF name LANGUAGE plpgsql AS $$
DECLARE
    candidate name;
    used boolean;
BEGIN
    FOR candidate IN
        SELECT attname FROM pg_attribute AS a
        WHERE attrelid = landing::regclass AND attnum > 0 AND NOT attisdropped
          AND NOT EXISTS (SELECT FROM proof.made_columns AS m WHERE m.target = landing AND m.column_name = a.attname)
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I IS NOT NULL)', landing::regclass, candidate) INTO used;
        IF NOT used THEN
            RETURN NEXT candidate;
        END IF;
    END LOOP;
END
$$;

-- Offers what was collected for a table since the last call, in one healing_load.
CREATE TABLE proof.collected (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target  text NOT NULL,
    payload text NOT NULL,
    old     boolean NOT NULL
);

CREATE FUNCTION proof.old_records(landing text) RETURNS jsonb[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(payload::jsonb ORDER BY id) FROM proof.collected WHERE target = landing AND old
$$;
