-- People decide: propose, approve, reject, revert, dry runs, mappings, accepted losses.
SET client_min_messages = warning;
CREATE SCHEMA heal_review_test;
SET search_path = heal_review_test, public;
CREATE ROLE regress_heal_admin;
CREATE ROLE regress_heal_agent;
GRANT mend_admin TO regress_heal_admin;
GRANT mend_agent TO regress_heal_agent;
GRANT USAGE ON SCHEMA heal_review_test TO mend_healer, regress_heal_admin, regress_heal_agent;
CREATE VIEW shape AS
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required, pg_get_expr(d.adbin, d.adrelid) AS "default"
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'heal_review_test'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname, a.attnum;
CREATE VIEW patches AS
    SELECT target::regclass::text AS target, planner, state, regexp_replace(reason, '\mpatch \d+', 'patch N', 'g') AS reason, ddl, field_map AS map, rows_healed AS healed, rows_failed AS failed
    FROM mend.patches WHERE target_name LIKE 'heal_review_test.%' ORDER BY id;
CREATE VIEW dead AS
    SELECT target::regclass::text AS target, payload, field, regexp_replace(reason, '\mpatch \d+', 'patch N', 'g') AS reason
    FROM mend.dead_letters WHERE target_name LIKE 'heal_review_test.%' ORDER BY id;
CREATE VIEW status AS
    SELECT target::text, queued, dead_letters AS dead, state, regexp_replace(reason, '(\mpatch |approve\()\d+', '\1N', 'g') AS reason, EXISTS (SELECT FROM mend.decisions d WHERE d.target = status.target) AS open
    FROM mend.status ORDER BY 1;
CREATE VIEW log AS
    SELECT kind, actor, patch_id IS NOT NULL AS patch, detail FROM mend.events WHERE target_name LIKE 'heal_review_test.%' ORDER BY id;
CREATE FUNCTION last_of(target regclass) RETURNS bigint LANGUAGE sql AS $$ SELECT max(id) FROM mend.patches p WHERE p.target = last_of.target $$;
CREATE FUNCTION state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '00000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || regexp_replace(SQLERRM, '\d{2,}|patch \d+', 'N', 'g');
END
$$;

-- Review mode: proposed once, more rows join, approved, applied.
CREATE TABLE t (id int, n int);
SELECT mend.enroll('t', 'review');
SELECT healing_insert('t', '{"id": 1, "extra": 1}'), healing_insert('t', '{"id": 2}');
CALL mend.wait_idle('t');
SELECT healing_insert('t', '{"id": 3, "extra": 2}');
CALL mend.wait_idle('t');
SELECT * FROM patches;
SELECT * FROM status WHERE target = 't';
SELECT field, row_count, state, regexp_replace(reason, '\d+', 'N') AS reason FROM mend.drifts WHERE target = 't'::regclass;
-- What comes on top supersedes it.
SELECT healing_insert('t', '{"id": 4, "extra": 2.5, "n": 3000000000}');
CALL mend.wait_idle('t');
SELECT state, reason, ddl FROM patches;
SELECT mend.approve(last_of('t'));
CALL mend.wait_idle('t');
SELECT state, reason, healed, failed FROM patches;
SELECT * FROM t ORDER BY id;
SELECT * FROM status WHERE target = 't';
SELECT state_of(format('SELECT mend.approve(%s)', last_of('t'))), state_of(format('SELECT mend.reject(%s, ''x'')', last_of('t'))),
       state_of('SELECT mend.approve(0)'), state_of('SELECT mend.approve(NULL)'), state_of('SELECT mend.revert(0)'), state_of('SELECT mend.revert(NULL)');

-- Rejected: rows are dead letters with the reason, and it is not proposed again.
SELECT healing_insert('t', '{"id": 5, "junk": 1}'), healing_insert('t', '{"id": 6, "junk": 2}');
CALL mend.wait_idle('t');
SELECT mend.reject(last_of('t'), 'we do not want junk');
CALL mend.wait_idle('t');
SELECT healing_insert('t', '{"id": 7, "junk": 3}');
CALL mend.wait_idle('t');
SELECT mend.configure('t', mode => 'auto');
SELECT healing_insert('t', '{"id": 8, "junk": 4}');
CALL mend.wait_idle('t');
SELECT state, reason, ddl FROM patches;
SELECT * FROM dead;
SELECT field, column_name, regexp_replace(held, '\d+', 'N') AS held FROM mend.fields WHERE target = 't'::regclass;
-- A person may still change their mind: map the field, or ignore it.
SELECT mend.map_field('t', 'junk', NULL), mend.retry('t');
CALL mend.wait_idle('t');
SELECT id, extra FROM t WHERE id > 4 ORDER BY id;
SELECT kind, actor, patch, CASE WHEN kind NOT IN ('enrolled', 'configured') THEN detail END AS detail FROM log;

-- Proposals: of an administrator, of an agent, refused ones.
CREATE TABLE p (id int, n int NOT NULL, d int NOT NULL, renamed int);
SELECT mend.enroll('p');
SELECT healing_insert('p', '{"id": 1, "d": 1}'), healing_insert('p', '{"id": 2, "n": 2}'), healing_insert('p', '{"id": 3, "n": 3, "d": 3, "alias": 30}');
CALL mend.wait_idle('p');
SELECT count(mend.reject(id, 'ask me later')) FROM mend.patches WHERE target = 'p'::regclass AND state = 'proposed';
SELECT mend.configure('p', allow => '{add_column,widen_type,map_field,drop_not_null,set_default}');
CALL mend.wait_idle('p');
SELECT * FROM dead WHERE target = 'p';
SET client_min_messages = error; -- the warning names the patch
SET ROLE regress_heal_agent;
SELECT mend.propose('p', 'ALTER TABLE heal_review_test.p ALTER COLUMN n DROP NOT NULL', '{}', 'n may be missing') > 0 AS proposed;
SELECT mend.propose('p', 'GRANT ALL ON heal_review_test.p TO PUBLIC') > 0 AS recorded;
SELECT mend.propose('p', 'ALTER TABLE heal_review_test.p DROP COLUMN n') > 0 AS recorded;
SELECT mend.propose('p', '') > 0 AS recorded;
SELECT mend.propose('p', '', '{"x": "no_such_column"}') > 0 AS recorded;
SELECT mend.propose('p', '', '[1]') > 0 AS recorded;
SET client_min_messages = warning;
SELECT mend.propose('p', NULL);
SELECT mend.approve(last_of('p'));
SELECT mend.dry_run('p', 'ALTER TABLE heal_review_test.p ALTER COLUMN n DROP NOT NULL', true);
SELECT * FROM mend.dry_run('p', 'ALTER TABLE heal_review_test.p ALTER COLUMN n DROP NOT NULL');
RESET ROLE;
SET ROLE regress_heal_admin;
SELECT mend.propose('p', 'ALTER TABLE heal_review_test.p ALTER COLUMN d SET DEFAULT 42') > 0 AS proposed;
RESET ROLE;
SELECT state, planner, reason, ddl, map FROM patches WHERE target = 'p';
SELECT * FROM status WHERE target = 'p';
-- In one go, and dead letters that the approved patches heal land.
SELECT count(mend.approve(id)) FROM mend.patches WHERE target = 'p'::regclass AND state = 'proposed';
CALL mend.wait_idle('p');
SELECT * FROM p ORDER BY id;
SELECT * FROM dead WHERE target = 'p';
SELECT attname, required, "default" FROM shape WHERE relname = 'p';
SELECT state, reason, ddl, healed, failed FROM patches WHERE target = 'p' AND state <> 'refused';
SELECT field, column_name FROM mend.fields WHERE target = 'p'::regclass;
SELECT field, kind, state, reason FROM mend.drifts WHERE target = 'p'::regclass ORDER BY field, kind;

-- A mapping as a patch, in place of the column that rules propose.
CREATE TABLE q (id int, amount int);
SELECT mend.enroll('q', 'review');
SELECT healing_insert('q', '{"id": 1, "alias": 30}'), healing_insert('q', '{"id": 2, "noise": true}');
CALL mend.wait_idle('q');
SELECT mend.propose('q', '', '{"alias": "amount", "noise": null}', 'amounts were renamed') > 0 AS proposed;
SELECT mend.approve(last_of('q'));
CALL mend.wait_idle('q');
SELECT * FROM q ORDER BY id;
SELECT state, planner, reason, ddl, map, healed FROM patches WHERE target = 'q';
SELECT field, column_name FROM mend.fields WHERE target = 'q'::regclass ORDER BY 1;
SELECT * FROM status WHERE target = 'q';
SELECT mend.revert(last_of('q'));
SELECT healing_insert('q', '{"id": 3, "alias": 30}'), healing_insert('q', '{"id": 4, "noise": true}');
CALL mend.wait_idle('q');
SELECT * FROM dead WHERE target = 'q';

-- A patch that helps no row proves nothing.
SELECT mend.propose('p', 'ALTER TABLE heal_review_test.p ADD COLUMN useless int') > 0 AS proposed;
SELECT mend.approve(last_of('p'));
CALL mend.wait_idle('p');
SELECT state, reason FROM patches WHERE target = 'p' AND ddl LIKE '%useless%';
SELECT count(*) FROM shape WHERE attname = 'useless';

-- Reverts: NOT NULL refused while nulls are there; defaults and mappings go.
SELECT state_of(format('SELECT mend.revert(%s)', id)) FROM mend.patches WHERE target = 'p'::regclass AND ddl LIKE '%NOT NULL%' AND state = 'applied';
UPDATE p SET n = 0 WHERE n IS NULL;
SELECT p.ddl, mend.revert(p.id) FROM mend.patches p WHERE p.target = 'p'::regclass AND p.state = 'applied' ORDER BY id;
SELECT attname, required, "default" FROM shape WHERE relname = 'p';
SELECT state, ddl FROM patches WHERE target = 'p' AND state <> 'refused';
SELECT healing_insert('p', '{"id": 4, "n": 4, "d": 4, "alias": 40}'), healing_insert('p', '{"id": 5, "d": 5}');
CALL mend.wait_idle('p');
SELECT * FROM dead WHERE target = 'p';
SELECT * FROM p ORDER BY id;

-- Reverting an added column keeps its values; nobody adds it again.
CREATE TABLE v (id int PRIMARY KEY, n int);
SELECT mend.enroll('v');
SELECT healing_insert('v', '{"id": 1, "someField": "a", "n": 5}'), healing_insert('v', '{"id": 2, "someField": "b"}'), healing_insert('v', '{"id": 3}');
CALL mend.wait_idle('v');
SELECT last_of('v') AS patch \gset
SET ROLE regress_heal_admin;
SELECT mend.revert(:patch);
RESET ROLE;
SELECT attname FROM shape WHERE relname = 'v';
SELECT format('SELECT id, some_field, undo_table FROM mend.undo_%s ORDER BY id', :'patch') AS query \gset
:query;
SELECT has_table_privilege('mend_admin', format('mend.undo_%s', :'patch'), 'SELECT') AS admin, has_table_privilege('mend_agent', format('mend.undo_%s', :'patch'), 'SELECT') AS agent;
SELECT state_of(format('SELECT mend.revert(%s)', :'patch'));
SELECT healing_insert('v', '{"id": 4, "someField": "c"}'), healing_insert('v', '{"id": 5, "some_field": "d"}');
CALL mend.wait_idle('v');
SELECT attname FROM shape WHERE relname = 'v';
SELECT * FROM dead WHERE target = 'v';
SELECT format('DROP TABLE mend.undo_%s', :'patch') AS query \gset
:query;

-- Fields that are called like the columns of the table that keeps their values.
CREATE TABLE undone (undo_row_ int PRIMARY KEY, n int);
SELECT mend.enroll('undone');
SELECT healing_insert('undone', '{"undo_row_": 1, "undo_row": "a", "undo_table": true}');
CALL mend.wait_idle('undone');
SELECT last_of('undone') AS patch \gset
SELECT state_of(format('SELECT mend.revert(%s)', :'patch'));
SELECT attname FROM shape WHERE relname = 'undone';
SELECT format('TABLE mend.undo_%s', :'patch') AS query \gset
:query;
SELECT format('DROP TABLE mend.undo_%s', :'patch') AS query \gset
:query;

-- What partitions and children have of their own could not be given back.
CREATE TABLE part (id int, label varchar(3), code text NOT NULL) PARTITION BY LIST (id);
CREATE TABLE part1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE parent (label varchar(3), code text NOT NULL);
CREATE TABLE heir () INHERITS (parent);
SELECT mend.enroll('part', 'review', allow => '{widen_type,set_default,drop_not_null}'), mend.enroll('parent', 'review', allow => '{widen_type,set_default,drop_not_null}');
CREATE VIEW judged AS
    SELECT t AS target, allowed, reason FROM unnest(ARRAY['part', 'parent']) t, unnest(ARRAY['label TYPE text', 'code SET DEFAULT ''x''', 'code DROP NOT NULL']) a,
           mend.check_ddl(t::regclass, format('ALTER TABLE %s ALTER %s', t, a));
SELECT * FROM judged;
ALTER TABLE part1 ALTER label SET STORAGE EXTERNAL, ALTER code SET DEFAULT 'one';
ALTER TABLE heir ALTER label SET COMPRESSION pglz, ALTER code SET DEFAULT 'one';
SELECT * FROM judged;
ALTER TABLE part1 ALTER label SET STORAGE EXTENDED;
CREATE INDEX part_label ON part (label);
CREATE INDEX own ON part1 (label);
ALTER TABLE part1 CLUSTER ON own;
SELECT allowed, reason FROM mend.check_ddl('part', 'ALTER TABLE part ALTER label TYPE text');
ALTER TABLE part1 CLUSTER ON part1_label_idx;
SELECT allowed, reason FROM mend.check_ddl('part', 'ALTER TABLE part ALTER label TYPE text');
ALTER TABLE part1 SET WITHOUT CLUSTER;
SELECT allowed, reason FROM mend.check_ddl('part', 'ALTER TABLE part ALTER label TYPE text');
ALTER INDEX part1_label_idx SET (fillfactor = 60);
SELECT allowed, reason FROM mend.check_ddl('part', 'ALTER TABLE part ALTER label TYPE text');
CREATE TABLE keyed (id int, n int, PRIMARY KEY (id, n)) PARTITION BY LIST (id);
CREATE TABLE keyed1 PARTITION OF keyed FOR VALUES IN (1);
ALTER TABLE keyed1 REPLICA IDENTITY USING INDEX keyed1_pkey;
SELECT mend.enroll('keyed', 'paused');
SELECT allowed, reason FROM mend.check_ddl('keyed', 'ALTER TABLE keyed ALTER n TYPE bigint');

-- A column that a person dropped is not added again.
SELECT healing_insert('v', '{"id": 6, "otherField": "a"}'), healing_insert('v', '{"id": 60, "plain": "a"}');
CALL mend.wait_idle('v');
ALTER TABLE v DROP COLUMN other_field, DROP COLUMN plain;
SELECT healing_insert('v', '{"id": 7, "otherField": "a"}'), healing_insert('v', '{"id": 8, "plain": "a"}');
CALL mend.wait_idle('v');
SELECT attname FROM shape WHERE relname = 'v';
SELECT * FROM dead WHERE target = 'v';

-- A widening is narrowed again only while no value needs it.
SELECT healing_insert('v', '{"id": 10, "n": 3000000000}');
CALL mend.wait_idle('v');
SELECT attname, type FROM shape WHERE relname = 'v';
SELECT state_of(format('SELECT mend.revert(%s)', last_of('v')));
DELETE FROM v WHERE id = 10;
SELECT mend.revert(last_of('v'));
SELECT attname, type FROM shape WHERE relname = 'v';
SELECT healing_insert('v', '{"id": 11, "n": 3000000000}');
CALL mend.wait_idle('v');
SELECT * FROM dead WHERE target = 'v' AND payload LIKE '%11%';
SELECT attname, type FROM shape WHERE relname = 'v';

-- Dry runs keep nothing.
CREATE TABLE d (id int, n int, CHECK (id < 100));
SELECT mend.enroll('d', 'review');
SELECT healing_insert('d', '{"id": 1, "n": 3000000000}'), healing_insert('d', '{"id": 2, "extra": 1}'), healing_insert('d', '{"id": 100, "other": 1}');
CALL mend.wait_idle('d');
CREATE TEMP TABLE was AS SELECT * FROM shape;
SELECT * FROM mend.dry_run('d', 'ALTER TABLE heal_review_test.d ALTER COLUMN n TYPE bigint');
SELECT * FROM mend.dry_run('d', 'ALTER TABLE heal_review_test.d ALTER COLUMN n TYPE bigint', live => true);
SELECT * FROM mend.dry_run('d', 'ALTER TABLE heal_review_test.d ADD COLUMN extra text, ALTER COLUMN n TYPE bigint', live => true);
SELECT * FROM mend.dry_run('d', 'ALTER TABLE heal_review_test.d ADD COLUMN unheard int', live => true);
SELECT * FROM mend.dry_run('d', 'ALTER TABLE heal_review_test.d ADD COLUMN other int');
SELECT * FROM mend.dry_run('d', 'ALTER TABLE heal_review_test.d ADD COLUMN other int', live => true);
SELECT * FROM mend.dry_run('d', 'DROP TABLE heal_review_test.d', live => true);
SELECT * FROM mend.dry_run('d', 'ALTER TABLE heal_review_test.d ADD COLUMN');
SELECT count(*) FROM (SELECT * FROM was EXCEPT SELECT * FROM shape UNION ALL SELECT * FROM shape EXCEPT SELECT * FROM was) different;
SELECT count(*) AS stored, (SELECT count(*) FROM mend.queue WHERE target = 'd'::regclass) AS queued, (SELECT count(*) FROM mend.dead_letters WHERE target = 'd'::regclass) AS dead FROM d;
SELECT count(*) FROM mend.patches WHERE target = 'd'::regclass;
SELECT current_user, current_setting('lock_timeout');
-- A live one that is cancelled undoes what the block around it has done, and leaves the session as it was.
CREATE TABLE slow (id int, n int);
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
CREATE TRIGGER dawdle BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION dawdle();
SELECT mend.enroll('slow', 'review');
SELECT healing_insert('slow', '{"id": 1, "n": 3000000000}');
CALL mend.wait_idle('slow');
CREATE TABLE witness (what text);
SET statement_timeout = '1s';
DO $$
BEGIN
    INSERT INTO witness VALUES ('before the dry run');
    PERFORM mend.dry_run('slow', 'ALTER TABLE heal_review_test.slow ALTER COLUMN n TYPE bigint', live => true);
EXCEPTION WHEN query_canceled THEN
    INSERT INTO witness SELECT 'after the cancel, with n of ' || type FROM shape WHERE relname = 'slow' AND attname = 'n';
END
$$;
RESET statement_timeout;
BEGIN;
SET LOCAL statement_timeout = '1s';
SELECT mend.dry_run('slow', 'ALTER TABLE heal_review_test.slow ALTER COLUMN n TYPE bigint', live => true);
ROLLBACK;
SELECT * FROM witness;
SELECT mend.reject(last_of('slow'), 'it is not needed');
CALL mend.wait_idle('slow');

-- Mappings and accepted losses put waiting rows in.
CREATE TABLE m (id int, n int, d date);
SELECT mend.enroll('m', 'review');
SELECT healing_insert('m', '{"id": 1, "number": 10}'), healing_insert('m', '{"id": 2, "d": "2024-01-02T03:04:05"}'), healing_insert('m', '{"id": 3, "noise": 1}');
CALL mend.wait_idle('m');
SELECT mend.map_field('m', 'number', 'n'), mend.map_field('m', 'noise', NULL), mend.accept_loss('m', 'd');
CALL mend.wait_idle('m');
SELECT id, n, d IS NOT NULL AS d FROM m ORDER BY id;
SELECT * FROM status WHERE target = 'm';
SELECT state, reason FROM patches WHERE target = 'm';
SELECT field, kind, state, regexp_replace(reason, '\d+', 'N') AS reason FROM mend.drifts WHERE target = 'm'::regclass ORDER BY field;

-- A patch whose table was changed meanwhile, or whose terms no longer allow it.
SELECT healing_insert('m', '{"id": 4, "late": 1}');
CALL mend.wait_idle('m');
-- In one transaction: no worker is to see the terms before the approval.
BEGIN;
SELECT mend.configure('m', allow => '{widen_type}');
SELECT mend.approve(last_of('m'));
COMMIT;
CALL mend.wait_idle('m');
SELECT state, reason FROM patches WHERE target = 'm' AND ddl LIKE '%late%';
SELECT * FROM dead WHERE target = 'm';

-- Unenrolling closes what is still open; approving then is refused.
CREATE TABLE gone (id int);
SELECT mend.enroll('gone', 'review');
SELECT mend.propose('gone', 'ALTER TABLE heal_review_test.gone ADD COLUMN a int') > 0 AS proposed;
SELECT mend.unenroll('gone');
SELECT state, reason FROM patches WHERE target = 'gone';
SELECT state_of(format('SELECT mend.approve(%s)', last_of('gone')));
UPDATE mend.patches SET state = 'proposed' WHERE id = last_of('gone');
SELECT state_of(format('SELECT mend.approve(%s)', last_of('gone'))), state_of(format('SELECT mend.reject(%s, '''')', last_of('gone')));
SELECT count(*) FROM mend.progress WHERE target = 'gone'::regclass;
SELECT mend.propose('gone', 'ALTER TABLE heal_review_test.gone ADD COLUMN a int');
SELECT mend.dry_run('gone', 'ALTER TABLE heal_review_test.gone ADD COLUMN a int');

-- Leave nothing behind.
SELECT count(mend.reject(id, 'over')) > 10 AS rejected FROM mend.patches WHERE state = 'proposed' AND target <> 'gone'::regclass;
CALL mend.wait_idle();
SELECT target_name, mend.unenroll(target) FROM mend.enrollments ORDER BY target_name;
RESET search_path;
DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events;
SELECT (SELECT count(*) FROM mend.queue) AS queued, (SELECT count(*) FROM mend.fields) AS fields, (SELECT count(*) FROM mend.progress) AS progress;
DROP SCHEMA heal_review_test CASCADE;
DROP ROLE regress_heal_admin, regress_heal_agent;
