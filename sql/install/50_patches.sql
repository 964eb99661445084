-- Deciding on patches. What changes a table's shape is done by the worker; these functions only decide.
CREATE OR REPLACE FUNCTION mend.wake() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_wake';
COMMENT ON FUNCTION mend.wake() IS 'Internal: asks for a worker when the transaction commits';
REVOKE ALL ON FUNCTION mend.wake() FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.check_decider() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_check_decider';
COMMENT ON FUNCTION mend.check_decider() IS
    'Internal: refuses to decide anything for code of a landing table, which runs in the name of whoever offered a payload';
REVOKE ALL ON FUNCTION mend.check_decider() FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.request_round(target regclass, kind text DEFAULT 'round') RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO mend.requests (target, kind) VALUES (request_round.target, request_round.kind);
    SELECT mend.wake();
END;
COMMENT ON FUNCTION mend.request_round(regclass, text) IS 'Internal: has the worker look at all waiting rows of a table';
REVOKE ALL ON FUNCTION mend.request_round(regclass, text) FROM PUBLIC;

-- The labels are for those who may read them.
CREATE OR REPLACE FUNCTION mend.full_ddl(patch mend.patches) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added text[];
BEGIN
    IF coalesce(patch.evidence #>> '{actions,0,kind}' = 'add_enum_value', false) AND has_table_privilege('mend.enum_labels', 'SELECT') THEN
        SELECT l.labels INTO added FROM mend.enum_labels l WHERE l.patch = full_ddl.patch.id;
    END IF;
    IF added IS NULL THEN
        RETURN patch.ddl;
    END IF;
    RETURN (SELECT string_agg(regexp_replace(patch.ddl, ' \(\d+ labels?\)$', '') || ' IF NOT EXISTS ' || quote_literal(a.label), '; ' ORDER BY a.n)
            FROM unnest(added) WITH ORDINALITY a (label, n));
END
$$;
COMMENT ON FUNCTION mend.full_ddl(mend.patches) IS
    'The DDL of a patch with the labels that it adds to an enum, for whoever may read mend.enum_labels';
REVOKE ALL ON FUNCTION mend.full_ddl(mend.patches) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.full_ddl(mend.patches) TO mend_admin, mend_agent;

CREATE OR REPLACE FUNCTION mend.dry_run(
    target regclass, ddl text, live boolean DEFAULT false,
    OUT ok boolean, OUT rows_tried bigint, OUT rows_healed bigint, OUT rewrites_table boolean, OUT reason text)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_dry_run';
COMMENT ON FUNCTION mend.dry_run(regclass, text, boolean) IS
    'Proves a patch on the waiting payloads and dead letters of its table without keeping anything. In memory and without a lock; live (mend_admin only) also alters the table in a subtransaction that is rolled back, under mend.lock_timeout, and holds the lock until the end of the transaction';
REVOKE ALL ON FUNCTION mend.dry_run(regclass, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.dry_run(regclass, text, boolean) TO mend_admin, mend_agent;

CREATE OR REPLACE FUNCTION mend.propose(target regclass, ddl text, field_map jsonb DEFAULT '{}', rationale text DEFAULT '',
    readings jsonb DEFAULT '[]')
RETURNS bigint LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_propose';
COMMENT ON FUNCTION mend.propose(regclass, text, jsonb, text, jsonb) IS
    'Records a patch that waits for mend.approve(), and returns its id. readings: [{"field": ..., "column": ..., "reading": ...}], as mend.read_as() takes them. What the guard does not let through is recorded as refused, with a warning that says why';
REVOKE ALL ON FUNCTION mend.propose(regclass, text, jsonb, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.propose(regclass, text, jsonb, text, jsonb) TO mend_admin, mend_agent;

-- An event that no worker can seal would keep all that follow from being sealed.
CREATE OR REPLACE FUNCTION mend.check_reason(reason text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF length(reason) > 10000 THEN
        RAISE EXCEPTION 'a reason of % characters is too long', length(reason)
            USING ERRCODE = 'string_data_right_truncation', HINT = '10,000 characters are kept.';
    END IF;
END
$$;
COMMENT ON FUNCTION mend.check_reason(text) IS 'Internal: refuses reasons that are too long to be kept';
REVOKE ALL ON FUNCTION mend.check_reason(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.decide(patch_id bigint, new_state text, new_reason text) RETURNS mend.patches
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    patch mend.patches;
BEGIN
    PERFORM mend.check_decider();
    PERFORM mend.check_reason(new_reason);
    IF patch_id IS NULL THEN
        RAISE EXCEPTION 'the patch must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT * INTO patch FROM mend.patches p WHERE p.id = patch_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no patch %', patch_id
            USING ERRCODE = 'undefined_object', HINT = 'See mend.patches.';
    ELSIF patch.state <> 'proposed' THEN
        RAISE EXCEPTION 'patch % is %, not proposed', patch_id, patch.state
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Only a proposed patch can be approved or rejected.';
    ELSIF NOT EXISTS (SELECT FROM mend.enrollments e WHERE e.target = patch.target) THEN
        RAISE EXCEPTION 'table % of patch % is not enrolled', patch.target_name, patch_id
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Enroll it again: mend.enroll().';
    END IF;
    UPDATE mend.patches p
    SET state = new_state, reason = new_reason, decided_by = session_user, decided_at = clock_timestamp()
    WHERE p.id = patch_id RETURNING * INTO patch;
    INSERT INTO mend.events (kind, target_name, patch_id, detail)
    VALUES ('patch_' || new_state, patch.target_name, patch.id,
            jsonb_strip_nulls(jsonb_build_object('reason', new_reason)));
    RETURN patch;
END
$$;
COMMENT ON FUNCTION mend.decide(bigint, text, text) IS 'Internal: moves a proposed patch to its next state, and records who did';
REVOKE ALL ON FUNCTION mend.decide(bigint, text, text) FROM PUBLIC;

-- Whether two patches answer the same drift, or do to one column what is done once. What a column lacks and what type it
-- has are two questions.
CREATE OR REPLACE FUNCTION mend.same_question(evidence jsonb, field_map jsonb, other_evidence jsonb, other_map jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM jsonb_array_elements(evidence -> 'drift') d JOIN jsonb_array_elements(other_evidence -> 'drift') o
                   ON (d ->> 'field', d ->> 'kind', d ->> 'cause') IS NOT DISTINCT FROM (o ->> 'field', o ->> 'kind', o ->> 'cause'))
        OR EXISTS (SELECT FROM jsonb_array_elements(evidence -> 'actions') a JOIN jsonb_array_elements(other_evidence -> 'actions') o
                   ON a ->> 'column' = o ->> 'column'
                   AND (a ->> 'kind' IN ('drop_not_null', 'set_default')) = (o ->> 'kind' IN ('drop_not_null', 'set_default')))
        OR EXISTS (SELECT FROM jsonb_each_text(field_map) m JOIN jsonb_each_text(other_map) o ON m.key = o.key)
        OR EXISTS (SELECT FROM jsonb_each_text(field_map) m JOIN jsonb_array_elements(other_evidence -> 'drift') o
                   ON o ->> 'kind' = 'new_field' AND o ->> 'field' = m.key)
        OR EXISTS (SELECT FROM jsonb_each_text(field_map) m JOIN jsonb_array_elements(other_evidence -> 'actions') o
                   ON o ->> 'kind' IN ('add_column', 'drop_not_null', 'set_default') AND o ->> 'column' = m.value)
        OR EXISTS (SELECT FROM jsonb_array_elements(evidence -> 'actions') a JOIN jsonb_array_elements(other_evidence -> 'drift') o
                   ON a ->> 'kind' = 'add_column' AND o ->> 'kind' = 'new_field' AND a ->> 'column' = o ->> 'field');
END;
COMMENT ON FUNCTION mend.same_question(jsonb, jsonb, jsonb, jsonb) IS 'Internal: whether two patches, by evidence and field map, are answers to one question';
REVOKE ALL ON FUNCTION mend.same_question(jsonb, jsonb, jsonb, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.same_question(jsonb, jsonb, jsonb, jsonb) TO mend_admin, mend_agent, pg_monitor;

-- Not what somebody is deciding on: the worker holds the table's lock, and must not wait for people.
CREATE OR REPLACE FUNCTION mend.supersede(patch_id bigint, of_rules boolean, keep bigint[]) RETURNS SETOF bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH answered AS (
        SELECT o.id FROM mend.patches n JOIN mend.patches o ON o.target = n.target AND o.id <> n.id
        WHERE n.id = supersede.patch_id AND o.state = 'proposed' AND o.proposed_by = 'pg_mend' AND o.id <> ALL (keep)
          AND (NOT of_rules OR o.planner = 'rules' AND o.decided_at IS NULL)
          AND mend.same_question(n.evidence, n.field_map, o.evidence, o.field_map)
        FOR UPDATE OF o SKIP LOCKED)
    UPDATE mend.patches p SET state = 'superseded', reason = format('superseded by patch %s', supersede.patch_id)
    FROM answered a WHERE p.id = a.id RETURNING p.id;
END;
COMMENT ON FUNCTION mend.supersede(bigint, boolean, bigint[]) IS
    'Internal: withdraws what the worker has proposed (of_rules: by rule) for what a patch answers, but for some, and returns it';
REVOKE ALL ON FUNCTION mend.supersede(bigint, boolean, bigint[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.approve(patch_id bigint, online boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    patch mend.patches := mend.decide(patch_id, 'approved', NULL);
    why text;
BEGIN
    IF online AND patch.rewrites_table THEN
        why := mend.why_not_online(patch_id);
        IF why IS NOT NULL THEN
            RAISE EXCEPTION 'patch % cannot be applied online: %', patch_id, why
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'mend.explain_patch() says what the plain way takes.';
        END IF;
        UPDATE mend.patches p SET online = true WHERE p.id = patch_id;
    ELSIF patch.rewrites_table AND mend.why_online_only(patch_id) IS NOT NULL THEN
        RAISE EXCEPTION 'patch %: %', patch_id, mend.why_online_only(patch_id)
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('Online it can: mend.approve(%s, online => true).', patch_id);
    ELSIF online THEN
        RAISE NOTICE 'patch % does not rewrite the table: it is applied plainly', patch_id;
    END IF;
    INSERT INTO mend.events (kind, target_name, patch_id, detail)
    SELECT 'patch_superseded', patch.target_name, s, jsonb_build_object('by', patch.id)
    FROM mend.supersede(patch.id, false, '{}') s;
    PERFORM mend.request_round(patch.target);
END
$$;
COMMENT ON FUNCTION mend.approve(bigint, boolean) IS
    'Lets the worker apply a proposed patch. What else pg_mend has proposed for the same drift is superseded; dead letters that the patch makes fit go back to the queue. online: a column of a big table is widened without a long lock, in steps (mend.widenings)';
REVOKE ALL ON FUNCTION mend.approve(bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.approve(bigint, boolean) TO mend_admin;

CREATE OR REPLACE FUNCTION mend.hold_fields(patch mend.patches, why text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO mend.fields AS f (target, target_name, field, column_name, held, patch_id)
    SELECT (patch).target, (patch).target_name, d ->> 'field', NULL, why, (patch).id
    FROM jsonb_array_elements((patch).evidence -> 'drift') d
    WHERE d ->> 'kind' = 'new_field'
    UNION
    SELECT (patch).target, (patch).target_name, m.key, NULL, why, (patch).id
    FROM jsonb_each((patch).field_map) m
    ON CONFLICT ON CONSTRAINT fields_pkey
    DO UPDATE SET column_name = NULL, held = excluded.held, patch_id = excluded.patch_id;
END;
COMMENT ON FUNCTION mend.hold_fields(mend.patches, text) IS 'Internal: keeps the fields of a patch from being given a column again';
REVOKE ALL ON FUNCTION mend.hold_fields(mend.patches, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.reject(patch_id bigint, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    patch mend.patches := mend.decide(patch_id, 'rejected', reason);
BEGIN
    PERFORM mend.hold_fields(patch, format('patch %s was rejected by %s%s', patch.id, session_user, ': ' || reason));
    PERFORM mend.request_round(patch.target);
END
$$;
COMMENT ON FUNCTION mend.reject(bigint, text) IS
    'Refuses a proposed patch: its rows become dead letters with the reason, and it is not proposed again by itself';
REVOKE ALL ON FUNCTION mend.reject(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.reject(bigint, text) TO mend_admin;

CREATE OR REPLACE FUNCTION mend.revert(patch_id bigint, online boolean DEFAULT false) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_revert';
COMMENT ON FUNCTION mend.revert(bigint, boolean) IS
    'Takes an applied patch back. Values of a dropped column are kept in mend.undo_<patch_id>; a type is narrowed only if no value changes, else 55000. online: a column that was widened gets its former type back without a long lock, in steps (mend.widenings)';
REVOKE ALL ON FUNCTION mend.revert(bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.revert(bigint, boolean) TO mend_admin;
