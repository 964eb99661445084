-- Some trouble for the log, under settings that make its records richer. Errors are what is wanted here.
\set ON_ERROR_STOP 0
SET log_statement = 'all';
SET log_error_verbosity = 'verbose';
SET log_min_error_statement = 'error';
SET log_duration = on;
SET compute_query_id = on;
SET application_name = 'an application with a longer name than the ones before it';
CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, amount numeric CHECK (amount >= 0));
INSERT INTO orders SELECT n, 'customer ' || n, n FROM generate_series(1, 200) AS n;
INSERT INTO orders VALUES (1, 'again', 1);
INSERT INTO orders VALUES (1001, NULL, 1);
INSERT INTO orders VALUES (1002, 'too cheap', -1);
SELECT amount / 0 FROM orders;
SELECT customr FROM orders;
SELECT no_such_function(1);
SELECT * FROM orders WHRE id = 1;
SELECT 'twelve'::int;
SELECT count(*) FROM orders AS a JOIN orders AS b USING (id) JOIN orders AS c USING (id) WHERE a.customer LIKE '%7';
DO $$ BEGIN PERFORM 1 / (id - id) FROM orders; END $$;
DO $$ BEGIN EXECUTE 'SELECT nothing FROM nowhere'; END $$;
DO $$ BEGIN RAISE WARNING 'stock is low' USING DETAIL = 'Three are left.', HINT = 'Order more.'; END $$;
SET statement_timeout = '20ms';
SELECT pg_sleep(5);
RESET statement_timeout;
SET force_parallel_mode = on;
SELECT sum(1 / (id - 100)) FROM orders;
RESET force_parallel_mode;
SELECT format('SELECT count(*) FROM orders WHERE id = %s AND amount < %s', n, n * 2) FROM generate_series(1, 200) AS n \gexec
DROP TABLE orders;
