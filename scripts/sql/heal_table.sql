-- One table's story: make it from the old records, offer all, wait for the worker, and tell. :name is the table; with :rescue, a
-- column of that name keeps what does not fit until it has a column.
\set QUIET 1
\pset tuples_only on
\pset format unaligned
SELECT format('-- made from the first %s of %s records', count(*) FILTER (WHERE old), count(*))
FROM proof.collected WHERE target = :'name';
SELECT proof.make_table(:'name', proof.old_records(:'name')) || ';';
\if :{?rescue}
ALTER TABLE :"name" ADD COLUMN :"rescue" jsonb;
INSERT INTO proof.made_columns VALUES (:'name', :'rescue');
SELECT format('ALTER TABLE %I ADD COLUMN %I jsonb;', :'name', :'rescue');
SELECT mend.enroll(:'name', rescue => :'rescue') IS NULL AS enrolled \gset
\else
SELECT mend.enroll(:'name') IS NULL AS enrolled \gset
\endif
GRANT INSERT ON :"name" TO app;
INSERT INTO proof.offered (target, payload) SELECT target, payload FROM proof.collected WHERE target = :'name' ORDER BY id;

SET ROLE app;
-- In FROM: (healing_load(...)).* would call it once a column.
SELECT result.* FROM (SELECT string_agg(payload, E'\n' ORDER BY id) AS lines FROM proof.offered WHERE target = :'name') AS all_lines,
    healing_load(:'name', lines) AS result \gset
RESET ROLE;
SELECT count(*) AS offered FROM proof.offered WHERE target = :'name' \gset
\echo
\echo 'offered' :offered 'records:' :inserted 'stored at once, of these' :rescued 'with values in a rescue column,' :queued 'queued,' :dead_lettered 'dead letters'

CALL mend.wait_idle(:'name', '120 s');

\echo 'drift found:'
SELECT format('    %-32s %-16s %6s rows', field, kind, row_count)
FROM mend.drifts WHERE target = :'name'::regclass ORDER BY row_count DESC, field;
\echo 'patches applied:'
SELECT coalesce(string_agg('    ' || regexp_replace(ddl, ', (?=(ADD|ALTER) COLUMN )', E',\n        ', 'g') || ';', E'\n' ORDER BY id),
                '    none')
FROM mend.patches WHERE target = :'name'::regclass AND state = 'applied' AND ddl <> '';
SELECT 'rows replayed: ' || coalesce(sum(rows_healed), 0)
FROM mend.patches WHERE target = :'name'::regclass AND state = 'applied';
\if :{?rescue}
SELECT format('rows whose rescued values moved to their columns: %s; still in the rescue column: %s', moved, (SELECT rescued FROM mend.freshness WHERE target = :'name'::regclass))
FROM mend.promotions WHERE target = :'name'::regclass;
\endif
SELECT 'dead letters: ' || CASE count(*) WHEN 0 THEN 'none' ELSE count(*)::text END
FROM mend.dead_letters WHERE target = :'name'::regclass;
SELECT format('    %s x %s %s: %s', count(*), kind, coalesce(field, ''), reason)
FROM mend.dead_letters WHERE target = :'name'::regclass GROUP BY kind, field, reason ORDER BY count(*) DESC, field;
SELECT format('still queued: %s (%s)', count(*), (SELECT coalesce(reason, state) FROM mend.status WHERE target = :'name'::regclass))
FROM mend.queue WHERE target = :'name'::regclass HAVING count(*) > 0;
