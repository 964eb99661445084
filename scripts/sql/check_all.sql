-- The check at the end; a table that does not balance fails the script.
\set QUIET 1
CREATE TEMP TABLE books AS
    SELECT tables.target AS "table", b.*
    FROM (SELECT target, min(id) AS first FROM proof.offered GROUP BY target) AS tables, proof.balance(target) AS b
    ORDER BY first;
SELECT "table", offered, stored, queued, dead, lost AS "lost or changed",
       CASE WHEN offered = stored + queued + dead AND lost = 0 AND strange = 0 THEN 'equal, field by field' ELSE 'WRONG' END AS "stored rows"
FROM books;

CREATE TEMP TABLE seen AS
    SELECT target::text AS "table", string_agg(DISTINCT kind, ', ') AS drift,
           bool_or(kind = 'new_field') AS new_field, bool_or(kind = 'out_of_range') AS out_of_range,
           bool_or(kind = 'too_long') AS too_long,
           EXISTS (SELECT FROM pg_attribute AS a
                   WHERE a.attrelid = d.target AND a.atttypid = 'jsonb'::regtype AND NOT a.attisdropped
                     AND NOT EXISTS (SELECT FROM proof.made_columns AS m
                                     WHERE m.target = d.target::text AND m.column_name = a.attname)) AS nested
    FROM mend.drifts AS d WHERE state = 'healed' GROUP BY target;
SELECT "table", new_field AS "new field", out_of_range AS "wider number", too_long AS "longer string", nested AS "nested value"
FROM seen ORDER BY "table";
DO $$
BEGIN
    IF EXISTS (SELECT FROM books WHERE offered <> stored + queued + dead OR lost <> 0 OR strange <> 0) THEN
        RAISE EXCEPTION 'a table does not balance';
    ELSIF NOT EXISTS (SELECT FROM seen WHERE new_field AND out_of_range AND too_long AND nested) THEN
        RAISE EXCEPTION 'no table saw new fields, a wider number, a longer string and nested values';
    END IF;
END
$$;
