-- What ALTER TABLE could not change without touching more than the table, and a widening online makes anew: foreign keys of the
-- table, extended statistics, lists of columns of publications.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA online_parts_test;
SET search_path = online_parts_test, public;
ALTER DATABASE :"DBNAME" SET mend.patches_per_hour = 0;
ALTER DATABASE :"DBNAME" SET mend.column_cooldown = 0;
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ': ' || regexp_replace(sqlerrm, 'patch -?[0-9]+', 'patch N');
END $$;
CREATE PROCEDURE until(condition text) LANGUAGE plpgsql AS $$
DECLARE
    done boolean;
BEGIN
    FOR i IN 1 .. 6000 LOOP
        EXECUTE 'SELECT ' || condition INTO done;
        EXIT WHEN done;
        PERFORM pg_sleep(0.01);
    END LOOP;
    IF done IS NOT TRUE THEN
        RAISE 'never: %', condition;
    END IF;
END $$;

-- Owned by a role of no powers, which may refer to the other tables, and make statistics in the schema.
CREATE ROLE regress_online_owner;
GRANT USAGE, CREATE ON SCHEMA online_parts_test TO regress_online_owner;
CREATE TABLE account (id bigint PRIMARY KEY, name text);
CREATE TABLE place (country text, id bigint, PRIMARY KEY (country, id));
GRANT REFERENCES ON account, place TO regress_online_owner;
INSERT INTO account SELECT g, 'account ' || g FROM generate_series(1, 100) g;
INSERT INTO account VALUES (3000000000, 'new'), (3000000001, 'newer');
INSERT INTO place SELECT 'de', g FROM generate_series(1, 50) g;
CREATE TABLE bill (id int PRIMARY KEY, account int CONSTRAINT "bill REFERENCES (account)" REFERENCES account ON UPDATE CASCADE ON DELETE SET NULL
    DEFERRABLE INITIALLY DEFERRED, country text, place int, word text, follows int REFERENCES bill,
    CONSTRAINT bill_place FOREIGN KEY (country, place) REFERENCES place (country, id) MATCH FULL ON DELETE CASCADE);
ALTER TABLE bill ADD CONSTRAINT bill_old FOREIGN KEY (place) REFERENCES account NOT VALID;
INSERT INTO bill SELECT g, g % 100 + 1, 'de', g % 50 + 1, 'word ' || g % 7, nullif(g - 1, 0) FROM generate_series(1, 3000) g;
COMMENT ON CONSTRAINT bill_place ON bill IS 'where it is';
CREATE STATISTICS "bill statistics" (ndistinct, mcv) ON account, word, (account % 10) FROM bill;
ALTER STATISTICS "bill statistics" SET STATISTICS 55;
COMMENT ON STATISTICS "bill statistics" IS 'go together';
CREATE STATISTICS bill_expression ON (account * 2) FROM bill;
ALTER TABLE bill OWNER TO regress_online_owner;
ALTER STATISTICS "bill statistics" OWNER TO regress_online_owner;
ALTER STATISTICS bill_expression OWNER TO regress_online_owner;
SET client_min_messages = error;  -- of wal_level
CREATE PUBLICATION regress_online_list FOR TABLE bill (id, account, place);
SET client_min_messages = warning;
ANALYZE bill;
CREATE FUNCTION parts() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT 'constraint ' || to_jsonb(r)::text FROM (SELECT conname, contype, condeferrable, condeferred, convalidated, confupdtype, confdeltype, confmatchtype, conislocal,
            pg_get_constraintdef(oid) AS definition, obj_description(oid, 'pg_constraint') AS comment FROM pg_constraint WHERE conrelid = 'bill'::regclass) r
    UNION ALL SELECT 'statistics ' || to_jsonb(r)::text FROM (SELECT stxname, stxowner::regrole, stxstattarget, stxkind,
            (SELECT array_agg(attname ORDER BY attname) FROM pg_attribute WHERE attrelid = stxrelid AND attnum = ANY (stxkeys)) AS keys,
            pg_get_statisticsobjdef_expressions(oid) AS expressions, obj_description(oid, 'pg_statistic_ext') AS comment FROM pg_statistic_ext WHERE stxrelid = 'bill'::regclass) r
    UNION ALL SELECT 'publication ' || to_jsonb(r)::text FROM (SELECT pubname, (SELECT array_agg(a ORDER BY a) FROM unnest(attnames) a) AS columns FROM pg_publication_tables
            WHERE tablename = 'bill') r
    UNION ALL SELECT 'triggers of ' || to_jsonb(r)::text FROM (SELECT tgrelid::regclass AS on, tgfoid::regproc AS calls, count(*) FROM pg_trigger t JOIN pg_constraint k ON k.oid = t.tgconstraint
            WHERE k.conrelid = 'bill'::regclass GROUP BY 1, 2) r $$;
CREATE TABLE before AS SELECT * FROM parts() line;

-- A payload needs the wider type: rules ask, since the way is known.
SELECT mend.enroll('bill', allow_published => true);
SELECT * FROM healing_load('bill', '{"id": 5001, "account": 3000000000, "word": "a"}
{"id": 5002, "account": 3000000001, "word": "b"}');
CALL mend.wait_idle('bill');
SELECT state, ddl, reason FROM mend.patches WHERE target = 'bill'::regclass;
SELECT id AS patch FROM mend.patches WHERE target = 'bill'::regclass \gset
SELECT mend.why_online_only(:patch), mend.why_not_online(:patch);
SELECT attempt(format('SELECT mend.approve(%s)', :patch));
SELECT mend.explain_patch(:patch) ~ 'That way is closed: ALTER TABLE cannot change' AS told;
-- A key that refers to integers takes no other numbers.
SET client_min_messages = error;
SELECT mend.propose('bill', 'ALTER TABLE bill ALTER account TYPE numeric') > 0;
SET client_min_messages = warning;
SELECT state, reason FROM mend.patches WHERE target = 'bill'::regclass ORDER BY id DESC LIMIT 1;

-- Cancelled late, nothing is left of it.
ALTER DATABASE :"DBNAME" SET mend.online_pace = 0.01;
SELECT mend.approve(:patch, online => true);
CALL until('EXISTS (SELECT FROM mend.widenings WHERE rows > 0)');
SELECT mend.cancel_widening(:patch);
ALTER DATABASE :"DBNAME" RESET mend.online_pace;
CALL mend.wait_idle('bill');
SELECT step, error FROM mend.widenings;
SELECT 'more' AS what, * FROM (SELECT * FROM parts() EXCEPT ALL SELECT line FROM before) m UNION ALL SELECT 'less', * FROM (SELECT line FROM before EXCEPT ALL SELECT * FROM parts()) l;

-- The whole road.
SELECT mend.approve(:patch, online => true);
CALL mend.wait_idle('bill');
SELECT step, error FROM mend.widenings;
SELECT state, reason FROM mend.patches WHERE id = :patch;
SELECT * FROM bill WHERE id > 5000 ORDER BY id;
SELECT 'more' AS what, * FROM (SELECT * FROM parts() EXCEPT ALL SELECT line FROM before) m UNION ALL SELECT 'less', * FROM (SELECT line FROM before EXCEPT ALL SELECT * FROM parts()) l;
SELECT count(*) AS built FROM pg_statistic_ext_data d JOIN pg_statistic_ext s ON s.oid = d.stxoid WHERE s.stxrelid = 'bill'::regclass AND (d.stxdmcv IS NOT NULL OR d.stxdexpr IS NOT NULL);
-- The keys do what they did.
SELECT attempt('INSERT INTO bill (id, account) VALUES (6000, 4000000000); SET CONSTRAINTS ALL IMMEDIATE');
SELECT attempt('INSERT INTO bill (id, country, place) VALUES (6001, ''de'', 99)');
DELETE FROM account WHERE id = 3000000000;
UPDATE account SET id = 3000000009 WHERE id = 3000000001;
UPDATE bill SET follows = NULL WHERE follows IN (SELECT id FROM bill WHERE place = 7);
DELETE FROM place WHERE id = 7;
SELECT id, account FROM bill WHERE id > 5000 ORDER BY id;
SELECT count(*) FROM bill WHERE place = 7;
-- The same for each column that stands in a key, also the one that refers to its own table.
INSERT INTO place VALUES ('de', 3000000009);
SELECT * FROM healing_load('bill', '{"id": 5003, "country": "de", "place": 3000000009}');
CALL mend.wait_idle('bill');
SELECT mend.approve(max(id), online => true) FROM mend.patches WHERE target = 'bill'::regclass AND state = 'proposed';
SELECT mend.approve(mend.propose('bill', 'ALTER TABLE bill ALTER follows TYPE bigint'), online => true);
CALL mend.wait_idle('bill');
SELECT "column", step, error FROM mend.widenings ORDER BY 1;
SELECT kind, cause, error FROM mend.dead_letters;
SELECT id, place FROM bill WHERE id = 5003;
SELECT 'more' AS what, * FROM (SELECT * FROM parts() EXCEPT ALL SELECT line FROM before) m UNION ALL SELECT 'less', * FROM (SELECT line FROM before EXCEPT ALL SELECT * FROM parts()) l;
-- Taken back, the other way is closed as well; what a value stands in the way of is not.
SELECT attempt(format('SELECT mend.revert(%s)', :patch));
SELECT mend.revert(:patch, online => true);
CALL mend.wait_idle('bill');
SELECT step, narrows, error FROM mend.widenings WHERE patch = :patch;
SELECT state FROM mend.patches WHERE id = :patch;
UPDATE bill SET account = 1 WHERE account > 2147483647;
SELECT mend.revert(:patch, online => true);
CALL mend.wait_idle('bill');
SELECT step, narrows, error FROM mend.widenings WHERE patch = :patch;
SELECT state, decided_by = session_user AS decided FROM mend.patches WHERE id = :patch;
SELECT format_type(atttypid, atttypmod), count(account) FROM pg_attribute, bill WHERE attrelid = 'bill'::regclass AND attname = 'account' GROUP BY 1;
SELECT 'more' AS what, * FROM (SELECT * FROM parts() EXCEPT ALL SELECT line FROM before) m UNION ALL SELECT 'less', * FROM (SELECT line FROM before EXCEPT ALL SELECT * FROM parts()) l;
-- Its field is left alone from now on.
SELECT outcome FROM healing_insert('bill', '{"id": 5004, "account": 3000000009}') outcome;
CALL mend.wait_idle('bill');
SELECT kind, field, regexp_replace(reason, 'patch [0-9]+', 'patch N') AS reason FROM mend.dead_letters;
-- A value that comes in the midst of it ends it, and is kept.
SELECT p.id AS patch FROM mend.patches p WHERE p.ddl LIKE '% place %' AND p.state = 'applied' \gset
UPDATE bill SET place = 2 WHERE place > 50;
ALTER DATABASE :"DBNAME" SET mend.online_pace = 0.01;
SELECT mend.revert(:patch, online => true);
CALL until('EXISTS (SELECT FROM mend.widenings WHERE narrows AND step = ''backfill'' AND rows > 0)');
SELECT attempt('SELECT mend.revert(' || :patch || ', online => true)') ~ '^55000: .* is reverted online' AS once;
INSERT INTO bill (id, country, place) VALUES (5005, 'de', 3000000009);
ALTER DATABASE :"DBNAME" RESET mend.online_pace;
CALL mend.wait_idle('bill');
SELECT step, narrows, error FROM mend.widenings WHERE patch = :patch;
SELECT state FROM mend.patches WHERE id = :patch;
SELECT place FROM bill WHERE id = 5005;
SELECT attname FROM pg_attribute WHERE attrelid = 'bill'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1;
-- Numbers of every kind go back, where they are the same.
CREATE TABLE kinds (id int PRIMARY KEY, s smallint, i int NOT NULL DEFAULT 1 CHECK (i > 0), b bigint UNIQUE, r real, n int);
INSERT INTO kinds SELECT g, g, g, g * 10000000000, g + 0.5, nullif(g % 3, 0) FROM generate_series(1, 500) g;
CREATE TABLE kinds_before AS SELECT * FROM kinds;
SELECT mend.enroll('kinds', allow => '{widen_type,change_type}');
CREATE TABLE back AS SELECT mend.propose('kinds', format('ALTER TABLE kinds ALTER %I TYPE %s', c, t)) AS id, c FROM (VALUES ('s', 'int'), ('i', 'numeric'), ('b', 'numeric(30,2)'),
    ('r', 'float8'), ('n', 'numeric')) v (c, t);
SELECT mend.approve(id, online => true) FROM back;
CALL mend.wait_idle('kinds');
SELECT count(*) FROM mend.widenings WHERE target = 'kinds'::regclass AND step = 'done' AND NOT narrows;
UPDATE kinds SET n = 1.5 WHERE id = 7;
UPDATE kinds SET n = 'NaN' WHERE id = 8;
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT id FROM back LOOP
        PERFORM mend.revert(one.id, online => true);
        COMMIT;
        CALL mend.wait_idle('kinds');
    END LOOP;
END $$;
SELECT w."column", w.step, w.error, p.state FROM mend.widenings w JOIN mend.patches p ON p.id = w.patch WHERE w.target = 'kinds'::regclass ORDER BY 1;
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'kinds'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1;
SELECT count(*) FROM (SELECT id, s, i, b, r FROM kinds_before EXCEPT SELECT id, s, i, b, r FROM kinds) k;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'kinds'::regclass AND contype IN ('c', 'p', 'u') ORDER BY 1;
-- Where the enrolment lets the worker, nobody is asked.
CREATE TABLE own (id int PRIMARY KEY, account int REFERENCES account);
SELECT mend.enroll('own', online => true);
SELECT outcome FROM healing_insert('own', '{"id": 1, "account": 3000000009}') outcome;
CALL mend.wait_idle('own');
SELECT state, online, reason FROM mend.patches WHERE target = 'own'::regclass;
SELECT * FROM own;
-- What is not carried is refused by its name.
CREATE TABLE refused (id int PRIMARY KEY, a int, b int, c int, e text, FOREIGN KEY (e, a) REFERENCES place ON DELETE SET NULL (a));
CREATE FUNCTION tenth(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 10';
CREATE STATISTICS refused_statistics ON (tenth(b)) FROM refused;
SET client_min_messages = error;
CREATE PUBLICATION regress_online_filter FOR TABLE refused (id, c) WHERE (id > 0);
SELECT mend.enroll('refused', allow_published => true);
SET client_min_messages = error;  -- numbers of patches
SELECT mend.propose('refused', format('ALTER TABLE refused ALTER %I TYPE bigint', c)) > 0 FROM unnest('{id,a,b,c}'::text[]) c;
SELECT state, reason, mend.why_online_only(id) FROM mend.patches WHERE target = 'refused'::regclass ORDER BY id;

-- Leave nothing behind.
ALTER DATABASE :"DBNAME" RESET mend.patches_per_hour;
ALTER DATABASE :"DBNAME" RESET mend.column_cooldown;
DROP PUBLICATION regress_online_list, regress_online_filter;
SELECT target_name, mend.unenroll(target) FROM mend.enrollments ORDER BY target_name;
RESET search_path;
DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events; DELETE FROM mend.widenings;
SELECT (SELECT count(*) FROM mend.queue) AS queued, (SELECT count(*) FROM mend.widenings) AS widenings;
DROP SCHEMA online_parts_test CASCADE;
DROP ROLE regress_online_owner;
