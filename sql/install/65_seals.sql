-- The audit trail: events are only ever added, and the worker seals them in a hash chain. Whoever acts adds an event and
-- its id to mend.unsealed_events, and waits for nobody; what is committed there can be seen, and is sealed next. So a
-- transaction that commits late is sealed late, and never missed, whatever its ids are.
CREATE OR REPLACE FUNCTION mend.append_only() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION '% of mend.% is not allowed: it is append-only', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege', HINT = 'Only a superuser can, and mend.verify_events() shows it.';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mend.append_only() IS 'Internal: refuses changes of the audit trail, to its owner too';
REVOKE ALL ON FUNCTION mend.append_only() FROM PUBLIC;

-- As the owner: whoever may add an event may not touch this table.
CREATE OR REPLACE FUNCTION mend.note_unsealed() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO mend.unsealed_events SELECT n.id FROM new_events n ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mend.note_unsealed() IS 'Internal: tells the worker of new events';
REVOKE ALL ON FUNCTION mend.note_unsealed() FROM PUBLIC;

CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mend.events
    FOR EACH STATEMENT EXECUTE FUNCTION mend.append_only();
COMMENT ON TRIGGER append_only ON mend.events IS 'Events are only ever added';
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mend.event_seals
    FOR EACH STATEMENT EXECUTE FUNCTION mend.append_only();
COMMENT ON TRIGGER append_only ON mend.event_seals IS 'Seals are only ever added';
CREATE OR REPLACE TRIGGER note_unsealed AFTER INSERT ON mend.events REFERENCING NEW TABLE AS new_events
    FOR EACH STATEMENT EXECUTE FUNCTION mend.note_unsealed();
COMMENT ON TRIGGER note_unsealed ON mend.events IS 'The worker seals what was added';
-- Replication roles are no way around them.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mend.prompts
    FOR EACH STATEMENT EXECUTE FUNCTION mend.append_only();
COMMENT ON TRIGGER append_only ON mend.prompts IS 'Prompts are only ever added';
ALTER TABLE mend.prompts ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mend.events ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mend.event_seals ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mend.events ENABLE ALWAYS TRIGGER note_unsealed;

-- Numbers, and text that jsonb writes in one way only: the same in every version, time zone and encoding. A database
-- without an encoding (SQL_ASCII) has its bytes as they are.
CREATE OR REPLACE FUNCTION mend.event_digest(previous text, place bigint, sealed_at timestamptz, event mend.events) RETURNS text
LANGUAGE sql STABLE
RETURN encode(sha256(convert_to(
    jsonb_build_array(previous, place, extract(epoch FROM sealed_at), event.id, extract(epoch FROM event.at), event.kind,
                      event.target_name, event.patch_id, event.actor, event.detail)::text,
    CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END)), 'hex');
COMMENT ON FUNCTION mend.event_digest(text, bigint, timestamptz, mend.events) IS
    'Internal: the head of the chain after an event, given the head before it';
REVOKE ALL ON FUNCTION mend.event_digest(text, bigint, timestamptz, mend.events) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.seal_events(rescan boolean, OUT sealed bigint, OUT place bigint, OUT head text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    event mend.events;
    now_at timestamptz;
BEGIN
    sealed := 0;
    IF NOT rescan AND NOT EXISTS (SELECT FROM mend.unsealed_events) THEN
        RETURN;
    END IF;
    -- One worker at a time; whoever comes second has nothing to wait for.
    PERFORM FROM mend.control FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF rescan THEN
        INSERT INTO mend.unsealed_events
        SELECT e.id FROM mend.events e WHERE NOT EXISTS (SELECT FROM mend.event_seals s WHERE s.event_id = e.id)
        ON CONFLICT DO NOTHING;
    END IF;
    SELECT s.position, s.head INTO place, head FROM mend.event_seals s ORDER BY s.position DESC LIMIT 1;
    place := coalesce(place, 0);
    FOR event IN
        WITH taken AS (
            DELETE FROM mend.unsealed_events u
            WHERE u.event_id IN (SELECT n.event_id FROM mend.unsealed_events n ORDER BY n.event_id LIMIT 10000)
            RETURNING u.event_id
        )
        SELECT e.* FROM taken t JOIN mend.events e ON e.id = t.event_id
        WHERE NOT EXISTS (SELECT FROM mend.event_seals s WHERE s.event_id = e.id)
        ORDER BY e.id
    LOOP
        now_at := clock_timestamp();
        place := place + 1;
        head := mend.event_digest(head, place, now_at, event);
        INSERT INTO mend.event_seals (position, event_id, sealed_at, head) VALUES (place, event.id, now_at, head);
        sealed := sealed + 1;
    END LOOP;
END
$$;
COMMENT ON FUNCTION mend.seal_events(boolean) IS
    'Internal: seals up to 10,000 events that can be seen and are not sealed; rescan: looks for such as were never announced';
REVOKE ALL ON FUNCTION mend.seal_events(boolean) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.verify_events(
    expected_head text DEFAULT NULL,
    OUT ok boolean, OUT sealed bigint, OUT unsealed bigint, OUT head text, OUT problem_count bigint, OUT problems text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT count(*), (array_agg(s.head ORDER BY s.position DESC))[1] INTO sealed, verify_events.head FROM mend.event_seals s;
    SELECT count(*) INTO unsealed
    FROM mend.events e WHERE NOT EXISTS (SELECT FROM mend.event_seals s WHERE s.event_id = e.id);
    -- Each link is judged by the stored head before it: one changed event is one problem, not all that follow.
    WITH chain AS (
        SELECT s.position, s.event_id, s.sealed_at, s.head, lag(s.head) OVER w AS previous,
               coalesce(lag(s.position) OVER w, 0) AS before
        FROM mend.event_seals s WINDOW w AS (ORDER BY s.position)
    ), judged AS (
        SELECT c.position AS place,
               CASE
                   WHEN c.position <> c.before + 1
                       THEN format('seals %s to %s are missing', c.before + 1, c.position - 1)
                   WHEN e.id IS NULL THEN format('event %s, sealed at position %s, is missing', c.event_id, c.position)
                   WHEN c.head IS DISTINCT FROM mend.event_digest(c.previous, c.position, c.sealed_at, e)
                       THEN format('event %s is not what was sealed at position %s', c.event_id, c.position)
               END AS problem
        FROM chain c LEFT JOIN mend.events e ON e.id = c.event_id
        UNION ALL
        -- The ledger of prompts: each is what its event says, and none is missing.
        SELECT NULL, format('the prompt of call %s is not what event %s says', e.detail ->> 'call_id', e.id)
        FROM mend.events e LEFT JOIN mend.prompts r ON r.call_id = (e.detail ->> 'call_id')::bigint
        WHERE e.kind = 'prompt_sent'
          AND (r.sha256 IS DISTINCT FROM e.detail ->> 'sha256' OR r.model IS DISTINCT FROM e.detail ->> 'model'
               OR r.provider IS DISTINCT FROM e.detail ->> 'provider' OR r.target_name IS DISTINCT FROM e.target_name
               OR r.body IS NOT NULL AND encode(sha256(convert_to(r.body, 'UTF8')), 'hex') <> r.sha256)
        UNION ALL
        SELECT NULL, format('the prompt of call %s has no event', r.call_id)
        FROM mend.prompts r
        WHERE NOT EXISTS (SELECT FROM mend.events e WHERE e.kind = 'prompt_sent' AND (e.detail ->> 'call_id')::bigint = r.call_id)
        UNION ALL
        SELECT NULL, 'no seal has the expected head: the end of the chain is cut off, or it was written anew'
        WHERE expected_head IS NOT NULL
          AND NOT EXISTS (SELECT FROM mend.event_seals s WHERE s.head = lower(btrim(expected_head)))
    ), numbered AS (
        SELECT j.problem, row_number() OVER (ORDER BY j.place NULLS FIRST) AS n FROM judged j WHERE j.problem IS NOT NULL
    )
    SELECT count(*), coalesce(array_agg(b.problem ORDER BY b.n) FILTER (WHERE b.n <= 100), '{}') INTO problem_count, problems
    FROM numbered b;
    ok := problem_count = 0;
END
$$;
COMMENT ON FUNCTION mend.verify_events(text) IS
'Recomputes the hash chain over mend.events: any edit, deletion or reordering of sealed events is a problem, and any prompt that is not what its event says.
expected_head: a head that the server log or a webhook has told; null: a chain that was cut at its end, or written anew as a whole, passes
ok: whether there is no problem
sealed: events in the chain
unsealed: events that the worker has yet to seal; nothing protects them
head: the head of the chain now: keep it elsewhere, and give it next time
problem_count: how many problems there are
problems: the first hundred, in the order of the chain';
REVOKE ALL ON FUNCTION mend.verify_events(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.verify_events(text) TO mend_admin, pg_monitor;
