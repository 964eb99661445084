-- What the guard lets through, and the text that it would run.
CREATE SCHEMA drift;
SET search_path = drift, public;
CREATE TABLE orders (
    id     int PRIMARY KEY,
    qty    smallint NOT NULL,
    code   varchar(10),
    price  numeric(10,2) DEFAULT 1,
    ratio  real,
    addr   cidr,
    tags   varchar(5)[],
    at     timestamp(0),
    "Odd ""Name" int,
    active boolean
);
SELECT mend.enroll('orders', mode => 'paused', allow => '{add_column,widen_type,drop_not_null,set_default,map_field}');
CREATE TABLE ddl (id int GENERATED ALWAYS AS IDENTITY, statement text);
INSERT INTO ddl (statement) VALUES
-- Names.
('ALTER TABLE orders ADD COLUMN dropoff_at timestamptz'),
('alter table drift.orders add "GRANT" text'),
('ALTER TABLE "drift"."orders" ADD COLUMN IF NOT EXISTS update int'),
('ALTER TABLE orders ADD COLUMN "a b""; drop table t; --" text'),
('ALTER TABLE orders ADD COLUMN ' || repeat('n', 63) || ' int'),
('/* one /* nested ; DROP TABLE orders */ comment */ ALTER TABLE orders -- and another; DROP TABLE orders' || E'\n' ||
 'ADD COLUMN a int;;'),
('ALTER TABLE orders ADD COLUMN a int;'),
('ALTER TABLE orders * ADD COLUMN a int'),
-- Types.
('ALTER TABLE orders ADD a boolean, ADD b smallint, ADD c integer, ADD d bigint, ADD e int8, ADD f pg_catalog.int4'),
('ALTER TABLE orders ADD a numeric, ADD b decimal(12), ADD c dec(12,3), ADD d numeric(5,-2), ADD e real, ADD f float(20), ADD g double precision'),
('ALTER TABLE orders ADD a text, ADD b varchar, ADD c varchar(40), ADD d char, ADD e char(3), ADD f pg_catalog.bpchar, ADD g character varying(7)'),
('ALTER TABLE orders ADD a date, ADD b time, ADD c time(3), ADD d timetz, ADD e timestamp(3), ADD f timestamp with time zone, ADD g timestamptz(0)'),
('ALTER TABLE orders ADD a interval, ADD b interval(2), ADD c interval year to month, ADD d interval second(4)'),
('ALTER TABLE orders ADD a uuid, ADD b json, ADD c jsonb, ADD d bytea, ADD e inet, ADD f cidr, ADD g macaddr, ADD h macaddr8, ADD i bit(3), ADD j bit varying(9)'),
('ALTER TABLE orders ADD a text[], ADD b int ARRAY, ADD c numeric(10,2)[], ADD d varchar(4)[], ADD e timestamptz[]'),
-- Defaults.
('ALTER TABLE orders ADD a int DEFAULT 5, ADD b int DEFAULT -7, ADD c numeric DEFAULT 1e3, ADD d text DEFAULT 5, ADD e boolean DEFAULT true'),
('ALTER TABLE orders ADD a text DEFAULT ''it''''s \ here'', ADD b jsonb DEFAULT ''{}'', ADD c int[] DEFAULT ''{1,2}'', ADD d text DEFAULT NULL'),
('ALTER TABLE orders ADD a date DEFAULT ''2024-02-29'', ADD b timestamp DEFAULT ''2024-02-29T10:00:00.5'', ADD c timestamptz DEFAULT ''2024-02-29 10:00Z'''),
('ALTER TABLE orders ADD a text DEFAULT ''x''::text, ADD b date DEFAULT DATE ''2024-02-29'', ADD c bit(3) DEFAULT B''101'', ADD d date[] DEFAULT ''{}'''),
-- Columns that are there.
('ALTER TABLE orders ADD COLUMN IF NOT EXISTS id integer, ADD COLUMN IF NOT EXISTS z integer'),
('ALTER TABLE orders ALTER COLUMN qty TYPE bigint'),
('ALTER TABLE orders ALTER qty SET DATA TYPE numeric USING qty::numeric'),
('ALTER TABLE orders ALTER id TYPE bigint, ALTER code TYPE text, ALTER price TYPE numeric(12,2), ALTER ratio TYPE double precision'),
('ALTER TABLE orders ALTER addr TYPE inet, ALTER tags TYPE text[], ALTER at TYPE timestamp(3), ALTER "Odd ""Name" TYPE int8'),
('ALTER TABLE orders ALTER qty TYPE text'),
('ALTER TABLE orders ALTER COLUMN qty DROP NOT NULL'),
('ALTER TABLE orders ALTER qty TYPE int, ALTER qty DROP NOT NULL'),
('ALTER TABLE orders ALTER price SET DEFAULT -0.5, ALTER active SET DEFAULT false, ALTER code SET DEFAULT ''new''');
-- json is quoted from PostgreSQL 16 on.
SELECT id, allowed, replace(canonical, '"json"', 'json') AS canonical, reason FROM ddl, mend.check_ddl('orders', statement) ORDER BY id;

-- The database's own name may stand before the schema's.
SELECT allowed FROM mend.check_ddl('orders', format('ALTER TABLE %I.drift.orders ADD a int', current_database()));
-- The agent may ask.
GRANT USAGE ON SCHEMA drift TO mend_agent;
SET ROLE mend_agent;
SELECT allowed, canonical FROM mend.check_ddl('orders', 'ALTER TABLE orders ADD a int');
RESET ROLE;
-- What it would run does run, and what is understood again is the same.
DO $$
DECLARE
    r record;
    again record;
BEGIN
    FOR r IN SELECT id, canonical FROM ddl, mend.check_ddl('orders', statement) LOOP
        SELECT * INTO again FROM mend.check_ddl('orders', r.canonical);
        IF again.canonical IS DISTINCT FROM r.canonical THEN
            RAISE WARNING '% is understood as %', r.canonical, again;
        END IF;
        BEGIN
            EXECUTE r.canonical;
            RAISE EXCEPTION USING ERRCODE = 'PT000';
        EXCEPTION WHEN SQLSTATE 'PT000' THEN
            NULL;
        END;
    END LOOP;
END
$$;

-- The default arguments of enrolment allow no more than columns and types.
SELECT mend.configure('orders', allow => '{add_column,widen_type,map_field}');
SELECT allowed, reason FROM mend.check_ddl('orders', 'ALTER TABLE orders ALTER qty DROP NOT NULL');
SELECT allowed, reason FROM mend.check_ddl('orders', 'ALTER TABLE orders ALTER price SET DEFAULT 2');
SELECT mend.configure('orders', allow => '{map_field}');
SELECT allowed, reason FROM mend.check_ddl('orders', 'ALTER TABLE orders ADD a int');
SELECT allowed, reason FROM mend.check_ddl('orders', 'ALTER TABLE orders ALTER qty TYPE bigint');
SELECT mend.configure('orders', allow => '{}');
SELECT allowed, reason FROM mend.check_ddl('orders', 'ALTER TABLE orders ADD a int');
SELECT mend.unenroll('orders');
DROP SCHEMA drift CASCADE;
