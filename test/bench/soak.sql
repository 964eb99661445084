-- The load of test/bench/soak: tables of several kinds, payloads that fit, drift, flip and conflict, and a ledger that is
-- written in the transaction of each offer.
CREATE EXTENSION pg_mend;
CREATE ROLE app_1 LOGIN;
CREATE ROLE app_2 LOGIN;
CREATE ROLE app_3 LOGIN;
CREATE SCHEMA soak;
GRANT USAGE ON SCHEMA soak TO PUBLIC;
CREATE SEQUENCE soak.uid;
CREATE TABLE soak.ledger (target text NOT NULL, uid bigint NOT NULL, payload text);
GRANT INSERT, SELECT ON soak.ledger TO PUBLIC;
GRANT USAGE ON SEQUENCE soak.uid TO PUBLIC;

CREATE TABLE plain (uid bigint, amount int, note varchar(20), spare text);
CREATE TABLE keyed (uid bigint PRIMARY KEY, amount int, note varchar(20), spare text);
CREATE TABLE checked (uid bigint UNIQUE, amount int CHECK (amount <> 13), note varchar(20), spare text);
CREATE TABLE rescued (uid bigint PRIMARY KEY, amount int, note varchar(20), spare text, _rescued jsonb);
CREATE TABLE slow (uid bigint, amount int, note varchar(20), spare text);
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 100);
CREATE TABLE child (uid bigint, amount int, note varchar(20), spare text, parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE parted (uid bigint, amount int, note varchar(20), spare text) PARTITION BY HASH (uid);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE FUNCTION soak.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.uid % 97 = 0 AND current_setting('soak.endless', true) = 'on' AND current_setting('application_name') = 'pg_mend worker' THEN
        PERFORM pg_sleep(1e6);
    END IF;
    PERFORM pg_sleep(0.0005);
    RETURN NULL;
END $$;
CREATE TRIGGER dawdle AFTER INSERT ON slow FOR EACH ROW EXECUTE FUNCTION soak.dawdle();
GRANT INSERT, SELECT, UPDATE ON plain, keyed, checked, rescued, slow, child, parted, parent TO PUBLIC;
SELECT mend.enroll('plain'), mend.enroll('keyed', on_conflict => 'ignore'), mend.enroll('checked'), mend.enroll('rescued', rescue => '_rescued'), mend.enroll('slow'),
       mend.enroll('child', carry => '{app.tenant}'), mend.enroll('parted', mode => 'review');

-- One payload. New fields come with time: one a minute and table.
CREATE FUNCTION soak.payload(uid bigint) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT format('{"uid": %s, "amount": %s%s%s%s}', uid,
        CASE WHEN random() < 0.9 THEN (random() * 1000)::int::text
             WHEN random() < 0.5 THEN (3000000000 + uid)::text
             WHEN random() < 0.5 THEN '"' || uid || ' EUR"'
             ELSE (uid % 100)::text || '.5' END,
        CASE WHEN random() < 0.7 THEN format(', "note": "%s"', repeat('n', CASE WHEN random() < 0.97 THEN 5 ELSE 40 END)) END,
        CASE WHEN random() < 0.1 THEN format(', "field_%s": %s', floor(extract(epoch FROM now()) / 60)::bigint % 60,
            CASE WHEN random() < 0.95 THEN uid::text ELSE '"word"' END) END,
        CASE WHEN random() < 0.01 THEN ', "amount": 7' WHEN random() < 0.01 THEN ', "nested": {"a": [1, 2, null]}' END)
$$;

-- Offers `rows` payloads for a random table, a tenth of them twice where a redelivery is ignored, and books them.
CREATE FUNCTION soak.offer(rows int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    chosen text := (ARRAY['plain', 'plain', 'keyed', 'checked', 'rescued', 'slow', 'child', 'parted'])[1 + floor(random() * 8)::int];
    payloads text;
BEGIN
    IF chosen = 'slow' THEN rows := rows / 10 + 1; END IF;
    PERFORM set_config('app.tenant', (random() * 3)::int::text, true);
    WITH made AS MATERIALIZED (
        SELECT uid, soak.payload(uid) AS payload FROM (SELECT nextval('soak.uid') AS uid FROM generate_series(1, rows)) n
    ), booked AS (
        INSERT INTO soak.ledger SELECT chosen, uid, CASE WHEN chosen = 'rescued' THEN payload END FROM made
    )
    SELECT string_agg(CASE WHEN chosen <> 'child' OR random() > 0.1 THEN payload
                           ELSE replace(payload, '{"uid"', format('{"parent": %s, "uid"', (1 + random() * 110)::int)) END, E'\n')
           || CASE WHEN chosen = 'keyed' THEN E'\n' || coalesce(string_agg(payload, E'\n') FILTER (WHERE random() < 0.1), '') ELSE '' END
    INTO payloads FROM made;
    PERFORM healing_load(chosen::regclass, payloads);
END $$;

-- Where every payload is: the truth of the matter.
CREATE VIEW soak.places AS
    SELECT 'plain' AS target, 'stored' AS place, uid FROM plain UNION ALL
    SELECT 'keyed', 'stored', uid FROM keyed UNION ALL
    SELECT 'checked', 'stored', uid FROM checked UNION ALL
    SELECT 'rescued', 'stored', uid FROM rescued UNION ALL
    SELECT 'slow', 'stored', uid FROM slow UNION ALL
    SELECT 'child', 'stored', uid FROM child UNION ALL
    SELECT 'parted', 'stored', uid FROM parted UNION ALL
    SELECT substr(target_name, 8), 'queued', substring(payload FROM '"uid": (\d+)')::bigint FROM mend.queue UNION ALL
    SELECT substr(target_name, 8), 'dead', substring(payload FROM '"uid": (\d+)')::bigint FROM mend.dead_letters;

CREATE FUNCTION soak.texts(object jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_object_agg(key, value #>> '{}') FROM jsonb_each(object) WHERE value <> 'null'
$$;

-- wrong: stored, and not what columns and rescue column say, field by field (rescued). lost: offered and nowhere. duplicated: in two places, but for redeliveries that only wait (keyed). strange: never offered.
CREATE FUNCTION soak.verdict(OUT offered bigint, OUT stored bigint, OUT queued bigint, OUT dead bigint, OUT lost bigint,
                             OUT duplicated bigint, OUT strange bigint, OUT wrong bigint) LANGUAGE sql AS $$
    WITH found AS (
        SELECT target, uid, count(*) FILTER (WHERE place = 'stored') AS stored, count(*) FILTER (WHERE place = 'queued') AS queued,
               count(*) FILTER (WHERE place = 'dead') AS dead
        FROM soak.places GROUP BY 1, 2
    )
    SELECT count(l.uid), sum(f.stored), sum(f.queued), sum(f.dead), count(*) FILTER (WHERE f.uid IS NULL),
           count(*) FILTER (WHERE f.stored > 1 OR l.target <> 'keyed' AND f.stored + f.queued + f.dead > 1),
           count(*) FILTER (WHERE l.uid IS NULL),
           (SELECT count(*) FROM rescued r JOIN soak.ledger o ON o.target = 'rescued' AND o.uid = r.uid
            WHERE soak.texts(o.payload::jsonb) IS DISTINCT FROM soak.texts(to_jsonb(r) - '_rescued' || coalesce(r._rescued, '{}')))
    FROM soak.ledger l FULL JOIN found f USING (target, uid)
$$;
