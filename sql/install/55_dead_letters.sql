CREATE OR REPLACE FUNCTION mend.requeue(ids bigint[]) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH back AS (
        DELETE FROM mend.dead_letters d WHERE d.id = ANY (requeue.ids) RETURNING d.*
    ), queued AS (
        INSERT INTO mend.queue (id, target, target_name, payload, submitter, submitted_by, submitted_at,
                                sqlstate, error, kind, field, fields, context,
                                session_submitter, session_submitted_by, code, key_hash, original)
        SELECT b.id, b.target, coalesce(e.target_name, b.target_name), b.payload, b.submitter, b.submitted_by,
               b.submitted_at, b.sqlstate, b.error, b.kind, b.field, b.fields, b.context,
               b.session_submitter, b.session_submitted_by, b.code, b.key_hash, b.original
        FROM back b LEFT JOIN mend.enrollments e ON e.target = b.target
        RETURNING 1
    )
    SELECT count(*) FROM queued;
END;
COMMENT ON FUNCTION mend.requeue(bigint[]) IS 'Internal: moves dead letters to the queue';
REVOKE ALL ON FUNCTION mend.requeue(bigint[]) FROM PUBLIC;

-- A payload whose table runs other code by now (SQLSTATE MD001) is offered anew by being retried: that is for whoever offered it.
CREATE OR REPLACE FUNCTION mend.may_release(caller oid, letter mend.dead_letters) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN EXISTS (SELECT FROM pg_roles r WHERE r.oid = may_release.caller AND r.rolsuper)
    OR EXISTS (SELECT FROM pg_roles s JOIN pg_roles u ON true
               WHERE s.oid = coalesce((letter).session_submitter, (letter).submitter)
                 AND s.rolname = coalesce((letter).session_submitted_by, (letter).submitted_by)
                 AND u.oid = (letter).submitter AND u.rolname = (letter).submitted_by
                 AND pg_has_role(may_release.caller, s.oid, 'USAGE') AND pg_has_role(may_release.caller, u.oid, 'USAGE'));
COMMENT ON FUNCTION mend.may_release(oid, mend.dead_letters) IS
    'Internal: whether a role may offer a dead letter anew in the name of those who offered it';
REVOKE ALL ON FUNCTION mend.may_release(oid, mend.dead_letters) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.context_of(offered jsonb, session jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN session || coalesce((SELECT jsonb_object_agg(s.key, s.value) FROM jsonb_each(offered) s
    WHERE s.key IN ('TimeZone', 'timezone_abbreviations', 'DateStyle', 'IntervalStyle', 'lc_monetary', 'xmloption')), '{}');
COMMENT ON FUNCTION mend.context_of(jsonb, jsonb) IS
    'Internal: the settings of a session that offers anew what was offered under others: those by which dates and numbers were written, and of what code may heed its own';
REVOKE ALL ON FUNCTION mend.context_of(jsonb, jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.retry_as(caller oid, target regclass, ids bigint[], kind text, field text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen bigint[];
    kept bigint[];
    overtaken bigint;
    tables regclass[];
    moved bigint;
BEGIN
    SELECT coalesce(array_agg(d.id) FILTER (WHERE may AND NOT late), '{}'),
           coalesce(array_agg(d.id) FILTER (WHERE NOT may AND NOT late), '{}'),
           coalesce(array_agg(DISTINCT d.target) FILTER (WHERE may AND NOT late), '{}'),
           count(*) FILTER (WHERE late)
    INTO chosen, kept, tables, overtaken
    FROM mend.dead_letters d JOIN mend.enrollments e ON e.target = d.target
         CROSS JOIN LATERAL (SELECT d.sqlstate <> 'MD001' OR mend.may_release(caller, d),
                                    d.overtaken AND e.on_conflict = 'update' AND e.newer_by IS NULL) m (may, late)
    WHERE (retry_as.target IS NULL OR d.target = retry_as.target) AND (retry_as.ids IS NULL OR d.id = ANY (retry_as.ids))
        AND (retry_as.kind IS NULL OR retry_as.kind IN (d.kind, d.cause)) AND (retry_as.field IS NULL OR d.field = retry_as.field);
    UPDATE mend.dead_letters d SET code = coalesce(mend.code_of(d.target), '{}') WHERE d.id = ANY (chosen) AND d.sqlstate = 'MD001';
    moved := mend.requeue(chosen);
    IF retry_as.ids IS NULL THEN
        -- Nor are rows that wait for a time of their own to wait any longer.
        PERFORM mend.request_round(e.target, 'retry') FROM mend.enrollments e
        WHERE (retry_as.target IS NULL OR e.target = retry_as.target)
            AND EXISTS (SELECT FROM mend.queue q WHERE q.target = e.target AND q.not_before IS NOT NULL
                AND (retry_as.kind IS NULL OR retry_as.kind IN (q.kind, q.cause)) AND (retry_as.field IS NULL OR q.field = retry_as.field));
    END IF;
    IF moved > 0 THEN
        PERFORM mend.request_round(t) FROM unnest(tables) t;
        INSERT INTO mend.events (kind, target_name, detail)
        SELECT 'retried', e.target_name, jsonb_build_object('rows', moved)
        FROM mend.enrollments e WHERE e.target = ANY (tables);
    END IF;
    IF kept <> '{}' THEN
        RAISE NOTICE 'dead letters that stay, since their tables run other code than they were offered for: %', cardinality(kept)
            USING HINT = 'Whoever offered them may retry them, or a superuser: see their reasons in mend.dead_letters.';
    END IF;
    IF overtaken > 0 THEN
        RAISE NOTICE 'dead letters that stay, since newer payloads for their rows are stored: %', overtaken
            USING HINT = 'mend.configure(newer_by => ...) compares them; what mend.amend() has changed is new; mend.discard() deletes them.';
    END IF;
    RETURN moved;
END
$$;
COMMENT ON FUNCTION mend.retry_as(oid, regclass, bigint[], text, text) IS 'Internal: mend.retry() in the name of a role';
REVOKE ALL ON FUNCTION mend.retry_as(oid, regclass, bigint[], text, text) FROM PUBLIC;

-- With the caller's rights, which a SECURITY DEFINER function would not know.
CREATE OR REPLACE FUNCTION mend.retry(target regclass DEFAULT NULL, ids bigint[] DEFAULT NULL, kind text DEFAULT NULL, field text DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_retry';
COMMENT ON FUNCTION mend.retry(regclass, bigint[], text, text) IS
    'Moves dead letters back to the queue and returns how many: of one enrolled table or of all, of these ids or of all, of one kind or cause (doc/reasons.md) or of all, of one field or of all. Without ids, queued rows that back off (a missing partition, a foreign key) are tried again at once. What a table''s code has changed for (SQLSTATE MD001) only a superuser moves, or who has the rights of the roles that offered it: it is offered anew then. What a newer payload for the same row has overtaken stays, unless the table has newer_by';
REVOKE ALL ON FUNCTION mend.retry(regclass, bigint[], text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.retry(regclass, bigint[], text, text) TO mend_admin;

CREATE OR REPLACE FUNCTION mend.amend(ids bigint[], merge_patch jsonb, dry_run boolean DEFAULT false, OUT changed bigint, OUT fits bigint)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_amend';
COMMENT ON FUNCTION mend.amend(bigint[], jsonb, boolean) IS
    'Changes the payloads of dead letters by a JSON merge patch (RFC 7396), and returns how many it has changed and how many of them all fit their tables then, as far as values tell. The original stays beside (mend.dead_letters.original), an event says who did it; mend.retry() offers them anew: in the name of those who offered them where the caller has their rights, else in his own, and only where he may insert. What is no JSON stays as it is. The caller is in mend_admin; for SQLSTATE MD001 as with mend.retry()
ids: the dead letters
merge_patch: an object of what is to change in the payload: {"price": 12.5}; null takes a key away
dry_run: changes nothing';
CREATE OR REPLACE FUNCTION mend.amend(target regclass, kind text, field text, merge_patch jsonb, dry_run boolean DEFAULT false, OUT changed bigint, OUT fits bigint)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_amend_cause';
COMMENT ON FUNCTION mend.amend(regclass, text, text, jsonb, boolean) IS
    'The same for all dead letters of one cause
target: the landing table
kind: a kind of drift or the code of a cause (mend.causes); null: any
field: the field that did not fit; null: any
merge_patch: an object of what is to change in the payloads; null takes a key away
dry_run: changes nothing';
REVOKE ALL ON FUNCTION mend.amend(bigint[], jsonb, boolean), mend.amend(regclass, text, text, jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.amend(bigint[], jsonb, boolean), mend.amend(regclass, text, text, jsonb, boolean) TO mend_admin;

CREATE OR REPLACE FUNCTION mend.discard(ids bigint[], reason text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    at_once CONSTANT int := 10000000;  -- characters
    gone bigint;
BEGIN
    PERFORM mend.check_decider();
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
               || CASE WHEN t.original IS NULL THEN '{}'
                       ELSE jsonb_build_object('original', substr(t.original, 1 + (part - 1) * at_once, at_once)) END
               || CASE WHEN parts > 1 THEN jsonb_build_object('part', part, 'parts', parts) ELSE '{}' END
        FROM taken t, LATERAL (SELECT greatest(1, (length(t.payload) + at_once - 1) / at_once, (length(t.original) + at_once - 1) / at_once)) p (parts), generate_series(1, parts) part
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

-- Payloads of 0.1 know of no code: whoever upgrades consents to what there is now.
UPDATE mend.queue q SET code = coalesce(mend.code_of(q.target), '{}') WHERE q.code = '{}';
UPDATE mend.dead_letters d SET code = coalesce(mend.code_of(d.target), '{}') WHERE d.code = '{}';
