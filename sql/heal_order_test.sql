-- The rows of a submitter are stored in the order in which they arrived, whichever of them a patch is tried with first.
CREATE SCHEMA order_test;
SET search_path = order_test, public;
CREATE ROLE regress_order_one;
CREATE ROLE regress_order_two;
GRANT USAGE ON SCHEMA order_test TO PUBLIC;
CREATE SEQUENCE stored;
GRANT USAGE ON stored TO PUBLIC;
CREATE TABLE arrivals (id int, amount int, place bigint DEFAULT nextval('order_test.stored'), who name DEFAULT current_user, zone text DEFAULT current_setting('app.zone', true));
GRANT INSERT ON arrivals TO PUBLIC;
CREATE TABLE latest (id int PRIMARY KEY, amount int, version int);
GRANT INSERT, UPDATE, SELECT ON latest TO PUBLIC;
SELECT mend.enroll('arrivals', carry => '{app.zone}'), mend.enroll('latest', on_conflict => 'update');
SELECT mend.stop();
-- Three kinds of drift, of which two show late; two submitters in turns, and one of them with changing settings.
BEGIN;
DO $$
BEGIN
    FOR n IN 1 .. 200 LOOP
        EXECUTE format('SET LOCAL ROLE regress_order_%s', CASE n % 2 WHEN 0 THEN 'one' ELSE 'two' END);
        PERFORM set_config('app.zone', CASE WHEN n % 8 IN (0, 1) THEN 'a' ELSE 'b' END, true);
        PERFORM healing_insert('order_test.arrivals', format('{"id": %s, "amount": 3000000000%s}', n,
            CASE WHEN n IN (151, 152) THEN ', "late": 1' WHEN n > 190 THEN ', "later": true' ELSE '' END));
        PERFORM healing_insert('order_test.latest', format('{"id": %s, "amount": 3000000000, "version": %s%s}', n % 3, n,
            CASE WHEN n % 50 = 49 THEN ', "late": 1' ELSE '' END));
    END LOOP;
END $$;
COMMIT;
SELECT mend.start();
CALL mend.wait_idle();
SELECT who, count(*), count(*) FILTER (WHERE place < before) AS out_of_order, count(*) FILTER (WHERE zone IS NULL) AS without_zone
    FROM (SELECT *, lag(place) OVER (PARTITION BY who ORDER BY id) AS before FROM arrivals) a GROUP BY 1 ORDER BY 1;
SELECT (SELECT count(*) FROM mend.queue) AS queued, (SELECT count(*) FROM mend.dead_letters) AS dead;
-- Redelivery with 'update': the last of each submitter's wins, not one that was tried under the lock.
SELECT id, version >= 195 AS is_latest FROM latest ORDER BY id;
SET client_min_messages = warning;
DROP SCHEMA order_test CASCADE;
SELECT mend.unenroll(target) FROM mend.enrollments;
DROP OWNED BY regress_order_one, regress_order_two;
DROP ROLE regress_order_one, regress_order_two;
DELETE FROM mend.progress; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.fields;
