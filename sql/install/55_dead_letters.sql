CREATE OR REPLACE FUNCTION mend.requeue(ids bigint[]) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH back AS (
        DELETE FROM mend.dead_letters d WHERE d.id = ANY (requeue.ids) RETURNING d.*
    ), queued AS (
        INSERT INTO mend.queue (id, target, target_name, payload, submitter, submitted_by, submitted_at,
                                sqlstate, error, kind, field, fields, context, key_hash)
        SELECT b.id, b.target, coalesce(e.target_name, b.target_name), b.payload, b.submitter, b.submitted_by,
               b.submitted_at, b.sqlstate, b.error, b.kind, b.field, b.fields, b.context, b.key_hash
        FROM back b LEFT JOIN mend.enrollments e ON e.target = b.target
        RETURNING 1
    )
    SELECT count(*) FROM queued;
END;
COMMENT ON FUNCTION mend.requeue(bigint[]) IS 'Internal: moves dead letters to the queue';
REVOKE ALL ON FUNCTION mend.requeue(bigint[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.retry(target regclass DEFAULT NULL, ids bigint[] DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen bigint[];
    tables regclass[];
    moved bigint;
BEGIN
    SELECT coalesce(array_agg(d.id), '{}'), coalesce(array_agg(DISTINCT d.target), '{}') INTO chosen, tables
    FROM mend.dead_letters d JOIN mend.enrollments e ON e.target = d.target
    WHERE (retry.target IS NULL OR d.target = retry.target) AND (retry.ids IS NULL OR d.id = ANY (retry.ids));
    moved := mend.requeue(chosen);
    IF retry.ids IS NULL THEN
        -- Nor are rows that wait for a time of their own to wait any longer.
        PERFORM mend.request_round(e.target, 'retry') FROM mend.enrollments e
        WHERE (retry.target IS NULL OR e.target = retry.target)
            AND EXISTS (SELECT FROM mend.queue q WHERE q.target = e.target AND q.not_before IS NOT NULL);
    END IF;
    IF moved > 0 THEN
        PERFORM mend.request_round(t) FROM unnest(tables) t;
        INSERT INTO mend.events (kind, target_name, detail)
        SELECT 'retried', e.target_name, jsonb_build_object('rows', moved)
        FROM mend.enrollments e WHERE e.target = ANY (tables);
    END IF;
    RETURN moved;
END
$$;
COMMENT ON FUNCTION mend.retry(regclass, bigint[]) IS
    'Moves dead letters back to the queue and returns how many: of one enrolled table or of all, of these ids or of all. Without ids, queued rows that back off (a missing partition, a foreign key) are tried again at once';
REVOKE ALL ON FUNCTION mend.retry(regclass, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.retry(regclass, bigint[]) TO mend_admin;

CREATE OR REPLACE FUNCTION mend.discard(ids bigint[], reason text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    at_once CONSTANT int := 10000000;  -- characters
    gone bigint;
BEGIN
    PERFORM mend.check_reason(reason);
    IF ids IS NULL OR coalesce(reason, '') = '' THEN
        RAISE EXCEPTION 'discarding dead letters needs their ids and a reason'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'mend.discard(''{1,2}'', ''why'')';
    END IF;
    -- A jsonb takes 256 MB, and the text of one that is sealed a gigabyte: what a large payload says is kept in several events.
    WITH taken AS (
        DELETE FROM mend.dead_letters d WHERE d.id = ANY (discard.ids) RETURNING *
    ), logged AS (
        INSERT INTO mend.events (kind, target_name, detail)
        SELECT 'discarded', t.target_name,
               jsonb_build_object('id', t.id, 'reason', discard.reason, 'payload', substr(t.payload, 1 + (part - 1) * at_once, at_once),
                                  'submitted_by', t.submitted_by, 'submitted_at', t.submitted_at)
               || CASE WHEN parts > 1 THEN jsonb_build_object('part', part, 'parts', parts) ELSE '{}' END
        FROM taken t, LATERAL (SELECT greatest(1, (length(t.payload) + at_once - 1) / at_once)) p (parts), generate_series(1, parts) part
        ORDER BY t.id, part
    )
    SELECT count(*) INTO gone FROM taken;
    RETURN gone;
END
$$;
COMMENT ON FUNCTION mend.discard(bigint[], text) IS
    'Deletes dead letters for good and returns how many; who, why and the payload stay in mend.events';
REVOKE ALL ON FUNCTION mend.discard(bigint[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.discard(bigint[], text) TO mend_admin;
