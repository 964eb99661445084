-- What rules cannot prove, and Claude is asked about: an amount with its unit, a renamed field, a field that is not known.
\set QUIET 1
\pset footer off
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO app, mend_healer;
CREATE TABLE shop.orders (id bigint PRIMARY KEY, customer_name text NOT NULL, amount integer, placed date);
CREATE TABLE shop.customers (id bigint PRIMARY KEY, full_name text NOT NULL, city text);
CREATE TABLE shop.returns (id bigint PRIMARY KEY, order_id bigint NOT NULL, reason text NOT NULL);
GRANT INSERT ON ALL TABLES IN SCHEMA shop TO app;
-- An amount that becomes text is another family: that is asked first, unless change_type is allowed.
SELECT mend.enroll('shop.orders', allow => '{add_column,widen_type,map_field,change_type}'), mend.enroll('shop.customers'),
       mend.enroll('shop.returns', allow => '{add_column,widen_type,map_field,drop_not_null}') \g /dev/null
SET ROLE app;
SELECT 'orders' AS "table", * FROM healing_load('shop.orders', '
{"id": 1, "customer_name": "Ann", "amount": 12, "placed": "2026-11-02"}
{"id": 2, "customer_name": "Bob", "amount": "12.50 USD", "placed": "2026-11-03", "coupon": "AUTUMN"}
{"id": 3, "customer_name": "Cy", "amount": "7.00 EUR", "placed": "2026-11-04"}'::text)
UNION ALL SELECT 'customers', * FROM healing_load('shop.customers', '
{"id": 1, "full_name": "Ann Archer", "city": "Leeds"}
{"id": 2, "name": "Bob Baker", "city": "York"}
{"id": 3, "name": "Cy Carter", "city": "Hull"}'::text)
UNION ALL SELECT 'returns', * FROM healing_load('shop.returns', '
{"id": 1, "order_id": 2, "reason": "too small"}
{"id": 2, "order_id": 3}
{"id": 3, "order_id": 3, "reason": null}'::text);
RESET ROLE;
CALL mend.wait_idle(timeout => '120 s');
SELECT id, customer_name, amount, placed, coupon FROM shop.orders ORDER BY id;
TABLE shop.customers ORDER BY id;
TABLE shop.returns ORDER BY id;
SELECT id AS patch, target_name AS "table", model, state, rows_healed AS healed, input_tokens AS "in", output_tokens AS "out", cost_usd * 100 AS cents
FROM mend.patches WHERE planner = 'claude' ORDER BY id;
-- For scripts/conversation.
\pset tuples_only on
\pset format unaligned
\o :verdicts
SELECT jsonb_build_object('request_id', c.request_id, 'patch', p.id, 'table', p.target_name, 'state', p.state, 'reason', p.reason,
                          'ddl', p.ddl, 'field_map', p.field_map, 'proof', p.evidence -> 'proof')
FROM mend.calls c JOIN mend.patches p ON p.id = c.patch_id ORDER BY c.id;
\o
DO $$
BEGIN
    IF (SELECT count(*) FROM shop.orders) + (SELECT count(*) FROM shop.customers) + (SELECT count(*) FROM shop.returns) <> 9 THEN
        RAISE EXCEPTION 'not all of the nine payloads are stored';
    END IF;
END
$$;
