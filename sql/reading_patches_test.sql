-- Readings as a part of patches: proposed, judged, proved, approved, taken back; PostgreSQL is never told of them.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE TABLE t (id int PRIMARY KEY, n int, price numeric, note text, twice int GENERATED ALWAYS AS (n * 2) STORED);
SELECT mend.enroll('t');
-- What the guard lets through, and what not.
SELECT d.ddl, c.allowed, coalesce(c.canonical, c.reason) AS result
FROM (VALUES ('ALTER TABLE t ALTER COLUMN price SET (mend.read_as = '' number_comma ,null_if("") '')'), ('ALTER TABLE t ALTER price SET (mend.read_as = ''number''), ADD COLUMN x int'),
             ('ALTER TABLE t ALTER COLUMN price SET (n_distinct = 5)'), ('ALTER TABLE t ALTER COLUMN price SET (mend.read_as = number)'), ('ALTER TABLE t ALTER COLUMN price SET (mend.read_as = ''numbr'')'),
             ('ALTER TABLE t ALTER COLUMN price SET (mend.read_as = ''number'', n_distinct = 5)'), ('ALTER TABLE t ALTER COLUMN price SET (toast.read_as = ''number'')'),
             ('ALTER TABLE t ALTER COLUMN price SET (mend.read_as)'), ('ALTER TABLE t ALTER COLUMN price RESET (mend.read_as)'), ('ALTER TABLE t ALTER COLUMN note SET (mend.read_as = ''number'')'),
             ('ALTER TABLE t ALTER COLUMN twice SET (mend.read_as = ''number'')'), ('ALTER TABLE t ALTER COLUMN nothing SET (mend.read_as = ''number'')'),
             ('ALTER TABLE t SET (mend.read_as = ''number'')')) d (ddl), mend.check_ddl('t', d.ddl) c;
-- A proposal waits for a person, and heals what waits.
SELECT mend.configure('t', 'paused');
SELECT healing_insert('t', '{"id": 1, "price": "1.234,50"}'), healing_insert('t', '{"id": 2, "price": "", "n": "+7"}'), healing_insert('t', '{"id": 3, "price": "x"}');
SELECT mend.propose('t', '', readings => '[{"field": "price", "column": "price", "reading": "number_comma, null_if(\"\")"}, {"field": "n", "column": "n", "reading": "number"}]') AS patch \gset
SELECT state, ddl, inverse_ddl, rewrites_table, evidence -> 'actions' AS actions, evidence #> '{proof,rows_healed}' AS healed FROM mend.patches WHERE id = :patch;
SELECT ok, rows_tried, rows_healed, rewrites_table FROM mend.dry_run_patch(:patch);
SET client_min_messages = error;
SELECT count(mend.propose('t', '', readings => r.readings))
FROM (VALUES ('[{"field": "price", "column": "price", "reading": "epoch_s"}]'::jsonb), ('[{"column": "price"}]'), ('{}'), ('[]')) r (readings);
SELECT reason FROM mend.patches WHERE state = 'refused' AND target = 't'::regclass ORDER BY id;
SET client_min_messages = warning;
\set VERBOSITY terse
SELECT mend.approve(:patch);
SELECT mend.configure('t', 'auto');
CALL mend.wait_idle('t');
SELECT * FROM t ORDER BY id;
SELECT state, rows_healed FROM mend.patches WHERE id = :patch;
SELECT field, column_name, reading FROM mend.fields ORDER BY 1;
SELECT payload, cause FROM mend.dead_letters;
SELECT split_part(mend.explain_patch(:patch), 'What takes it back', 1) ~ 'column price is read by number_comma, null_if' AS explained;
SELECT regexp_replace(mend.migration(:patch), '^.*?The database', 'The database') AS migration;
-- Further readings come behind those that are there, and go alone.
SELECT mend.configure('t', 'paused');
SELECT healing_insert('t', '{"id": 4, "price": "-", "colour": "red"}');
SELECT mend.propose('t', 'ALTER TABLE t ADD COLUMN colour text', readings => '[{"field": "price", "column": "price", "reading": "null_if(\"-\")"}]') AS second \gset
SELECT mend.approve(:second);
SELECT mend.configure('t', 'auto');
CALL mend.wait_idle('t');
SELECT id, price, colour FROM t ORDER BY id;
SELECT ddl, inverse_ddl FROM mend.patches WHERE id = :second;
SELECT regexp_replace(mend.migration(:second), '^.*?The database', 'The database') AS migration;
SELECT reading FROM mend.fields WHERE field = 'price';
SET client_min_messages = notice;
\set VERBOSITY sqlstate
SELECT mend.revert(:patch);
\set VERBOSITY terse
SELECT mend.revert(:second);
SELECT reading FROM mend.fields WHERE field = 'price';
SELECT mend.revert(:patch);
SELECT field, reading FROM mend.fields WHERE reading IS NOT NULL;
SELECT state FROM mend.patches WHERE id IN (:patch, :second);
-- Later values drift again.
SELECT healing_insert('t', '{"id": 5, "price": "1.234,50"}');
SET client_min_messages = warning;
SELECT mend.unenroll_all(true);
DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events;
DROP TABLE t;
\set undo mend.undo_:second
DROP TABLE :undo;
