-- Plans of this server's own queries, node by node, as EXPLAIN (FORMAT JSON) gives them. Old: plain plans of
-- simple look-ups. New: joins, sorts and aggregates, run with ANALYZE, BUFFERS, WAL and VERBOSE.
CREATE FUNCTION proof.plan_nodes(query text, options text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE format('EXPLAIN (FORMAT JSON%s) %s', options, query) INTO plan;
    RETURN QUERY SELECT node::text FROM jsonb_path_query(plan::jsonb, 'strict $.** ? (exists(@."Node Type"))') AS node;
END
$$;

CREATE TABLE proof.measures AS
    SELECT n AS id, n / 100 AS station, sin(n) AS value, 'sensor ' || n % 7 AS sensor FROM generate_series(1, 20000) AS n;
CREATE INDEX ON proof.measures (station);
ANALYZE proof.measures;

INSERT INTO proof.collected (target, payload, old)
    SELECT 'plans', node, true
    FROM (VALUES ('SELECT * FROM pg_class'), ('SELECT * FROM pg_class WHERE relname = ''pg_type'''),
                 ('SELECT * FROM pg_attribute WHERE attnum > 3'), ('SELECT * FROM pg_proc WHERE oid = 1242'),
                 ('SELECT relname FROM pg_class WHERE relpages > 9'), ('SELECT * FROM pg_type WHERE typlen = 4'),
                 ('SELECT * FROM pg_namespace'), ('SELECT * FROM pg_am WHERE amname = ''heap'''),
                 ('SELECT * FROM pg_index WHERE indrelid = 1259')) AS queries(query),
         proof.plan_nodes(query, '') AS node;

INSERT INTO proof.collected (target, payload, old)
    SELECT 'plans', node, false
    FROM (VALUES ('SELECT sensor, count(*), avg(value) FROM proof.measures GROUP BY sensor HAVING count(*) > 10 ORDER BY 2'),
                 ('SELECT * FROM proof.measures ORDER BY station, value'),
                 ('SELECT a.id FROM proof.measures a JOIN proof.measures b ON a.station = b.id WHERE b.value > 0.5 AND a.sensor IN (''sensor 1'', ''sensor 2'')'),
                 ('WITH busy AS MATERIALIZED (SELECT station, max(value) AS peak FROM proof.measures GROUP BY 1) SELECT * FROM busy WHERE peak > 0.9'),
                 ('SELECT *, rank() OVER (PARTITION BY station ORDER BY value) FROM proof.measures WHERE id < 500'),
                 ('SELECT c.relname, (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid) FROM pg_class c WHERE relkind = ''r'''),
                 ('SELECT relname, attname, typname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid WHERE relkind = ''v'''),
                 ('SELECT DISTINCT sensor FROM proof.measures UNION SELECT relname::text FROM pg_class')) AS queries(query),
         (VALUES (', ANALYZE, BUFFERS, WAL, VERBOSE'), (', ANALYZE, TIMING OFF'), (', COSTS OFF')) AS options(options),
         proof.plan_nodes(query, options) AS node
    UNION ALL
    SELECT 'plans', node, false
    FROM (VALUES ('SELECT count(*) FROM proof.measures a, proof.measures b, proof.measures c'),
                 ('SELECT * FROM generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 100000) c')) AS queries(query),
         proof.plan_nodes(query, '') AS node;
