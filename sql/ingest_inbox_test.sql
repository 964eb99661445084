-- An inbox: a view beside a landing table that takes payloads by INSERT and COPY.
SET client_min_messages = warning;
CREATE SCHEMA ingest_inbox_test;
SET search_path = ingest_inbox_test, public;
CREATE TABLE orders (id int PRIMARY KEY, note text);
SELECT mend.create_inbox('orders');
SELECT mend.enroll('orders', mode => 'paused');
SELECT mend.create_inbox('orders');
SELECT mend.create_inbox('orders');
SELECT mend.create_inbox(NULL);
\d orders_inbox
TABLE orders_inbox;
SET client_min_messages = notice;
COPY orders_inbox FROM STDIN (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
{"id": 1, "note": "a \"quoted\" word"}
{"id": 2}

{"id": 3, "new": true}
{"id": 2, "note": "again"}
no json
\.
INSERT INTO orders_inbox SELECT format('{"id": %s}', i) FROM generate_series(10, 3009) i;
INSERT INTO orders_inbox VALUES ('{"id": 4}'), ('{"id": 5}') RETURNING payload;
INSERT INTO orders_inbox (payload) VALUES (NULL);
SELECT count(*), max(id) FROM orders;
SELECT id, note FROM orders WHERE id < 10 ORDER BY id;
SELECT payload, kind FROM mend.queue WHERE target = 'orders'::regclass;
SELECT payload, kind, sqlstate FROM mend.dead_letters WHERE target = 'orders'::regclass ORDER BY id;
-- a statement that fails takes back all it has brought, also what was stored already
BEGIN;
SAVEPOINT before;
INSERT INTO orders_inbox SELECT CASE WHEN i = 2500 THEN (1 / (i - 2500))::text ELSE format('{"id": %s}', 10000 + i) END FROM generate_series(1, 3000) i;
ROLLBACK TO before;
INSERT INTO orders_inbox VALUES ('{"id": 6}');
COMMIT;
SELECT count(*), max(id) FROM orders;
DO $$ BEGIN
    BEGIN
        INSERT INTO ingest_inbox_test.orders_inbox SELECT CASE i WHEN 3 THEN (1 / (i - 3))::text ELSE format('{"id": %s}', 20000 + i) END FROM generate_series(1, 5) i;
    EXCEPTION WHEN division_by_zero THEN RAISE NOTICE 'caught';
    END;
    INSERT INTO ingest_inbox_test.orders_inbox VALUES ('{"id": 7}');
END $$;
SELECT count(*), max(id) FROM orders;
-- the rights that count are those on the table
CREATE ROLE regress_mend_inbox;
GRANT USAGE ON SCHEMA ingest_inbox_test TO regress_mend_inbox;
SET ROLE regress_mend_inbox;
INSERT INTO orders_inbox VALUES ('{"id": 8}');
SELECT mend.create_inbox('orders');
RESET ROLE;
GRANT INSERT ON orders TO regress_mend_inbox;
SET ROLE regress_mend_inbox;
INSERT INTO orders_inbox VALUES ('{"id": 8}');
INSERT INTO orders_inbox VALUES ('{"id": 9, "lost": 1}');
TABLE orders_inbox;
RESET ROLE;
SELECT submitted_by FROM mend.queue WHERE payload LIKE '%lost%';
-- one WITH feeds two
CREATE TABLE others (id int);
SELECT mend.enroll('others', mode => 'paused'), mend.create_inbox('others');
WITH first AS (INSERT INTO orders_inbox VALUES ('{"id": 25001}'), ('{"id": 25002, "note": [1]}')),
     again AS (INSERT INTO orders_inbox VALUES ('{"id": 25003}'))
INSERT INTO others_inbox VALUES ('{"id": 1}'), ('{"id": 2}');
SELECT id FROM orders WHERE id BETWEEN 25000 AND 26000 ORDER BY id;
SELECT * FROM others ORDER BY id;
-- a trigger of one landing table feeds the inbox of another
CREATE TABLE copies (id int);
SELECT mend.enroll('copies', mode => 'paused');
SELECT mend.create_inbox('copies');
CREATE FUNCTION pass_on() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO ingest_inbox_test.copies_inbox VALUES (format('{"id": %s}', NEW.id)); RETURN NEW; END$$;
CREATE TRIGGER pass_on AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION pass_on();
INSERT INTO orders_inbox SELECT format('{"id": %s}', 30000 + i) FROM generate_series(1, 1500) i;
SELECT count(*) FROM copies;
DROP TRIGGER pass_on ON orders;
-- it follows a new name, and goes with the enrolment
ALTER TABLE orders RENAME TO purchases;
INSERT INTO orders_inbox VALUES ('{"id": 40000}');
SELECT max(id) FROM purchases;
-- somebody else's view does not go, whatever trigger was hung on it
CREATE ROLE regress_mend_viewer;
GRANT USAGE, CREATE ON SCHEMA ingest_inbox_test TO regress_mend_viewer;
GRANT SELECT ON copies TO regress_mend_viewer;
SET ROLE regress_mend_viewer;
CREATE VIEW theirs AS SELECT id FROM copies;
RESET ROLE;
CREATE TRIGGER pg_mend_2_offer INSTEAD OF INSERT ON theirs FOR EACH ROW EXECUTE FUNCTION mend.take_inbox();
-- nor a superuser's, who has the rights of every owner
CREATE VIEW supers AS SELECT id FROM copies;
CREATE TRIGGER pg_mend_2_offer INSTEAD OF INSERT ON supers FOR EACH ROW EXECUTE FUNCTION mend.take_inbox();
SELECT mend.unenroll('copies');
SELECT to_regclass('theirs'), to_regclass('supers');
SELECT to_regclass('copies_inbox');
SELECT pg_describe_object(refclassid, refobjid, 0) FROM pg_depend WHERE objid = 'orders_inbox'::regclass AND deptype = 'a';
-- its function is no use by hand
SELECT mend.take_inbox();

SET client_min_messages = error;
DELETE FROM mend.queue WHERE target_name LIKE 'ingest_inbox_test.%';
DELETE FROM mend.dead_letters WHERE target_name LIKE 'ingest_inbox_test.%';
DROP SCHEMA ingest_inbox_test CASCADE;
DROP ROLE regress_mend_inbox, regress_mend_viewer;
