-- Widening columns of big tables online.
CREATE OR REPLACE FUNCTION mend.copy_column() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_copy_column';
COMMENT ON FUNCTION mend.copy_column() IS
    'Internal: trigger that keeps the second column of a widening in step with the first; rows that it does not understand it leaves as they are';
-- The healer makes the trigger: it may be any role. It copies within a row of the table whose owner has hung it there.
GRANT EXECUTE ON FUNCTION mend.copy_column() TO PUBLIC;

CREATE OR REPLACE FUNCTION mend.why_not_online(patch_id bigint) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'mend_why_not_online';
COMMENT ON FUNCTION mend.why_not_online(bigint) IS
    'What stands in the way of applying a patch online, by its name; null: nothing does, or nothing of the patch rewrites its table';
REVOKE ALL ON FUNCTION mend.why_not_online(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.why_not_online(bigint) TO mend_admin, mend_agent;

CREATE OR REPLACE FUNCTION mend.why_online_only(patch_id bigint) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'mend_why_online_only';
COMMENT ON FUNCTION mend.why_online_only(bigint) IS
    'What ALTER TABLE would have to change beside the table, so that the patch can be applied online alone; null: nothing';
REVOKE ALL ON FUNCTION mend.why_online_only(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.why_online_only(bigint) TO mend_admin, mend_agent;

-- Where the worker stands: the step, what share of it is done, how fast, and how long it takes at that rate.
CREATE OR REPLACE FUNCTION mend.widening_in_words(target regclass) RETURNS text
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
SELECT (SELECT format(CASE WHEN w.narrows THEN 'patch %s is reverted online, column %I' ELSE 'patch %s widens column %I online' END, w.patch, w."column")
            || CASE WHEN w.step = 'cancelling' THEN ': it is being cancelled'
                    ELSE format(': step %s of 6, %s', array_position(ARRAY['column', 'backfill', 'verify', 'indexes', 'statistics', 'swap'], w.step), w.step) END
            || CASE WHEN w.step = 'backfill' AND w.blocks > 0 THEN
                    format(', %s %% of %s', w.position * 100 / w.blocks, pg_size_pretty(w.blocks * current_setting('block_size')::bigint))
                    || CASE WHEN w.passes > 0 THEN format(' (pass %s)', w.passes + 1) ELSE '' END
                    || coalesce(format(', %s rows/s, about %s left', round(w.rows / p.seconds), date_trunc('second', make_interval(secs => p.seconds / w.position * (w.blocks - w.position)))), '')
                    WHEN w.step = 'indexes' AND w.blocks > 0 THEN format(', %s of %s built', w.position, w.blocks)
                    ELSE '' END
            || CASE WHEN w.paused AND w.step <> 'cancelling' THEN format('; it waits for mend.resume_widening(%1$s) or mend.cancel_widening(%1$s)', w.patch) ELSE '' END
            || coalesce('; ' || mend.error_for_me(w.error), '')
        FROM mend.widenings w,
             LATERAL (SELECT nullif(greatest(extract(epoch FROM clock_timestamp() - w.step_started), 1) * (w.position > 0)::int, 0)::float8 AS seconds) p
        WHERE w.target = widening_in_words.target AND w.finished IS NULL ORDER BY w.patch LIMIT 1)
$$;
COMMENT ON FUNCTION mend.widening_in_words(regclass) IS 'The step of a table''s widening, its share, rate and what is left, in one line; null: none is under way';
REVOKE ALL ON FUNCTION mend.widening_in_words(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.widening_in_words(regclass) TO mend_admin, mend_agent, pg_monitor;

-- What a person decides about one that is under way; the worker goes by the row.
CREATE OR REPLACE FUNCTION mend.decide_widening(patch_id bigint, decision text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_one mend.widenings;
BEGIN
    PERFORM mend.check_decider();
    IF patch_id IS NULL THEN
        RAISE EXCEPTION 'the patch must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT * INTO found_one FROM mend.widenings w WHERE w.patch = patch_id AND w.finished IS NULL ORDER BY w."column" LIMIT 1 FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'patch % is not being applied online', patch_id
            USING ERRCODE = CASE WHEN EXISTS (SELECT FROM mend.patches p WHERE p.id = patch_id) THEN 'object_not_in_prerequisite_state' ELSE 'undefined_object' END,
                  HINT = 'See mend.widenings.';
    ELSIF found_one.step = 'cancelling' THEN
        RAISE EXCEPTION 'the widening of patch % is being cancelled', patch_id
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'See mend.status.';
    END IF;
    UPDATE mend.widenings w
    SET paused = decision = 'paused',
        step = CASE WHEN decision = 'cancelled' THEN 'cancelling' ELSE step END,
        error = CASE decision WHEN 'paused' THEN error WHEN 'cancelled' THEN format('%s cancelled it', session_user) END,
        tries = 0, not_before = NULL
    WHERE w.patch = patch_id AND w."column" = found_one."column";
    INSERT INTO mend.events (kind, target_name, patch_id, detail)
    VALUES ('widening_' || decision, found_one.target_name, patch_id, jsonb_build_object('step', found_one.step));
    PERFORM mend.request_round(found_one.target);
END
$$;
COMMENT ON FUNCTION mend.decide_widening(bigint, text) IS 'Internal: pauses, resumes or cancels a widening, and records who did';
REVOKE ALL ON FUNCTION mend.decide_widening(bigint, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.pause_widening(patch_id bigint) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN mend.decide_widening(patch_id, 'paused');
COMMENT ON FUNCTION mend.pause_widening(bigint) IS
    'Has a widening rest, once its statement has ended: what was done stays, and new rows are kept in step';
CREATE OR REPLACE FUNCTION mend.resume_widening(patch_id bigint) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN mend.decide_widening(patch_id, 'resumed');
COMMENT ON FUNCTION mend.resume_widening(bigint) IS 'Has a widening that was paused, by a person or after an error, go on';
CREATE OR REPLACE FUNCTION mend.cancel_widening(patch_id bigint) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN mend.decide_widening(patch_id, 'cancelled');
COMMENT ON FUNCTION mend.cancel_widening(bigint) IS
    'Has the worker take everything away that a widening has added to its table: the table is as it was before, and the patch waits for a decision again, or stays applied';
REVOKE ALL ON FUNCTION mend.pause_widening(bigint), mend.resume_widening(bigint), mend.cancel_widening(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.pause_widening(bigint), mend.resume_widening(bigint), mend.cancel_widening(bigint) TO mend_admin;
