-- What messages say. Nothing here quotes a payload: reasons that PostgreSQL wrote may, and stay at home.
CREATE OR REPLACE FUNCTION mend.message(news mend.outbox) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    event mend.events;
    patch mend.patches;
    what text;
    todo text;
    rows bigint;
BEGIN
    SELECT * INTO event FROM mend.events e WHERE e.id = news.event_id;
    SELECT * INTO patch FROM mend.patches p WHERE p.id = news.patch_id;
    rows := coalesce((event.detail ->> 'rows')::bigint, patch.rows_healed);
    what := CASE news.kind
        WHEN 'patch_applied' THEN format('%s was healed by patch %s: %s payloads stored, %s failed again',
                                         news.target_name, patch.id, patch.rows_healed, patch.rows_failed)
        WHEN 'patch_proposed' THEN format('%s: patch %s waits for a decision: %s', news.target_name, patch.id, patch.reason)
        WHEN 'patch_refused' THEN format('%s: patch %s, proposed by %s, was refused: %s', news.target_name, patch.id, patch.proposed_by, patch.reason)
        WHEN 'patch_failed' THEN format('%s: patch %s failed, and the table is as it was', news.target_name, patch.id)
        WHEN 'patch_reverted' THEN format('%s: patch %s was taken back by %s', news.target_name, patch.id, event.actor)
        WHEN 'patch_superseded' THEN format('%s: patch %s is not needed any more: somebody has changed the table', news.target_name, patch.id)
        WHEN 'patch_rejected' THEN format('%s: patch %s was rejected by %s', news.target_name, patch.id, event.actor)
        WHEN 'dead_lettered' THEN format('%s: %s payloads became dead letters', news.target_name, rows)
        WHEN 'breaker_opened' THEN format('%s: healing has stopped: %s', news.target_name, event.detail ->> 'reason')
        WHEN 'quarantined' THEN format('%s: payload %s took the worker or the server down twice, and is now a dead letter',
                                       news.target_name, event.detail ->> 'id')
        WHEN 'round_failed' THEN format('%s: the heal round ended in an error (SQLSTATE %s), and is tried again',
                                        news.target_name, event.detail ->> 'sqlstate')
        WHEN 'stopped' THEN format('healing was switched off in database %s by %s', current_database(), event.actor)
        WHEN 'started' THEN format('healing was switched on in database %s by %s', current_database(), event.actor)
        ELSE concat_ws(': ', news.target_name, replace(news.kind, '_', ' ') || ' by ' || event.actor) END;
    todo := CASE
        WHEN news.kind = 'patch_applied' THEN format('nothing; to take it back: SELECT mend.revert(%s)', patch.id)
        WHEN news.kind = 'patch_proposed' AND patch.state <> 'proposed' THEN format('nothing any more: it is %s', patch.state)
        WHEN news.kind = 'patch_proposed'
            THEN format('SELECT mend.explain_patch(%s); then mend.approve(%1$s) or mend.reject(%1$s, ''why'')', patch.id)
        WHEN news.kind IN ('patch_refused', 'patch_failed') THEN format('SELECT mend.explain_patch(%s)', patch.id)
        WHEN news.kind = 'patch_reverted' THEN 'nothing; its fields are not given a column again by themselves'
        WHEN news.kind IN ('dead_lettered', 'quarantined', 'patch_rejected')
            THEN format('SELECT kind, field, reason, count(*) FROM mend.dead_letters WHERE target_name = %L GROUP BY 1, 2, 3', news.target_name)
        WHEN news.kind = 'breaker_opened'
            THEN format('find out who sends so much that is new; then SELECT mend.reset_breaker(%L)', news.target_name)
        WHEN news.kind = 'round_failed' THEN 'read mend.status and the server''s log'
        WHEN news.kind = 'stopped' THEN 'SELECT mend.start() when it may go on'
        ELSE 'nothing' END;
    RETURN jsonb_strip_nulls(jsonb_build_object(
        'kind', news.kind, 'severity', news.severity, 'database', current_database(), 'table', news.target_name,
        'patch', news.patch_id, 'ddl', patch.ddl, 'rows', rows, 'at', coalesce(event.at, news.created_at), 'actor', event.actor,
        'event', news.event_id, 'text', what, 'what_to_do', todo,
        'audit_head', (SELECT s.head FROM mend.event_seals s ORDER BY s.position DESC LIMIT 1)));
END
$$;
COMMENT ON FUNCTION mend.message(mend.outbox) IS
    'Internal: what a webhook is told: what happened, to which table, by which DDL, how many rows, and what to do';
REVOKE ALL ON FUNCTION mend.message(mend.outbox) FROM PUBLIC;

-- Slack reads <!channel> and <url|text> in a text: its three characters are written as it wants them.
CREATE OR REPLACE FUNCTION mend.slack_text(message jsonb) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN replace(replace(replace(
    CASE message ->> 'severity' WHEN 'critical' THEN 'CRITICAL: ' WHEN 'warning' THEN 'Warning: ' ELSE '' END
    || mend.one_line(message ->> 'text')
    || coalesce(E'\n```' || mend.in_order(translate(message ->> 'ddl', '`', '''')) || '```', '')
    || E'\nTo do: ' || mend.one_line(message ->> 'what_to_do'), '&', '&amp;'), '<', '&lt;'), '>', '&gt;');
COMMENT ON FUNCTION mend.slack_text(jsonb) IS 'Internal: a message as the text of a Slack message';
REVOKE ALL ON FUNCTION mend.slack_text(jsonb) FROM PUBLIC;

-- OpenLineage, an open standard of data observability: the run is the heal, the dataset is the landing table. What an owner wrote has an
-- end: a message that no jsonb takes would keep all others waiting.
CREATE OR REPLACE FUNCTION mend.lineage_namespace() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN coalesce(nullif(current_setting('mend.lineage_namespace', true), ''),
                format('postgres://%s:%s', coalesce(nullif(current_setting('cluster_name'), ''), 'localhost'), current_setting('port')));
COMMENT ON FUNCTION mend.lineage_namespace() IS 'Internal: the setting mend.lineage_namespace, else postgres://cluster_name:port';
REVOKE ALL ON FUNCTION mend.lineage_namespace() FROM PUBLIC;

-- The same for every event of a run, whichever process tells it.
CREATE OR REPLACE FUNCTION mend.run_id(patch_id bigint) RETURNS uuid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN overlay(overlay(md5(concat_ws('.', (SELECT system_identifier FROM pg_control_system()),
                                     (SELECT oid FROM pg_database WHERE datname = current_database()), patch_id))
                       PLACING '8' FROM 13 FOR 1) PLACING 'a' FROM 17 FOR 1)::uuid;
COMMENT ON FUNCTION mend.run_id(bigint) IS 'Internal: the identity of the heal that applies a patch, the same in every event';
REVOKE ALL ON FUNCTION mend.run_id(bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.facet(file text, content jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('_producer', 'https://pgxn.org/dist/pg_mend/', '_schemaURL', file) || content;
COMMENT ON FUNCTION mend.facet(text, jsonb) IS 'Internal: an OpenLineage facet, with the URL of its schema';
REVOKE ALL ON FUNCTION mend.facet(text, jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.run_event(news mend.outbox) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object(
        'eventType', news.kind,
        'eventTime', to_char(news.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'producer', 'https://pgxn.org/dist/pg_mend/',
        'schemaURL', 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent',
        'run', jsonb_build_object('runId', mend.run_id(p.id), 'facets',
            CASE news.kind WHEN 'FAIL' THEN jsonb_build_object('errorMessage',
                mend.facet('https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet',
                           jsonb_build_object('message', format('patch %s failed: see mend.explain_patch(%1$s)', p.id), 'programmingLanguage', 'SQL')))
            ELSE '{}' END),
        'job', jsonb_build_object(
            'namespace', mend.lineage_namespace(),
            'name', format('%s.%s.heal', current_database(), p.target_name),
            'facets', jsonb_build_object('jobType',
                mend.facet('https://openlineage.io/spec/facets/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet',
                           jsonb_build_object('processingType', 'BATCH', 'integration', 'PG_MEND', 'jobType', 'HEAL')))
                || CASE WHEN coalesce(p.ddl, '') = '' THEN '{}' ELSE jsonb_build_object('sql',
                mend.facet('https://openlineage.io/spec/facets/1-0-1/SQLJobFacet.json#/$defs/SQLJobFacet', jsonb_build_object('query', p.ddl))) END),
        'inputs', '[]'::jsonb,
        'outputs', jsonb_build_array(jsonb_build_object(
            'namespace', mend.lineage_namespace(),
            'name', format('%s.%s', current_database(), p.target_name),
            'facets', jsonb_build_object(
                'schema',
                mend.facet('https://openlineage.io/spec/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet',
                    jsonb_build_object('fields', coalesce(
                        (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                                                                               'description', left(col_description(a.attrelid, a.attnum), 10000))) ORDER BY a.attnum)
                         FROM pg_attribute a WHERE a.attrelid = p.target AND a.attnum > 0 AND NOT a.attisdropped), '[]'))),
                'pgMend_deadLetters',
                mend.facet('https://pgxn.org/dist/pg_mend/contrib/openlineage/DeadLettersDatasetFacet.json#/$defs/DeadLettersDatasetFacet',
                    jsonb_build_object('deadLetters', mend.rows_of('dead_letters', p.target), 'queued', mend.rows_of('queue', p.target),
                                       'healed', p.rows_healed, 'failed', p.rows_failed))))))
    FROM mend.patches p WHERE p.id = news.patch_id
$$;
COMMENT ON FUNCTION mend.run_event(mend.outbox) IS 'Internal: an OpenLineage RunEvent, with the schema of the table and its dead letters as facets';
REVOKE ALL ON FUNCTION mend.run_event(mend.outbox) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.message_body(news mend.outbox, format text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    message jsonb;
BEGIN
    IF news.channel = 'lineage' THEN
        RETURN mend.run_event(news);
    END IF;
    message := mend.message(news);
    RETURN CASE format
        WHEN 'slack' THEN jsonb_build_object('text', mend.slack_text(message))::text
        WHEN 'text' THEN mend.in_order(concat_ws(E'\n', message ->> 'text', message ->> 'ddl', 'To do: ' || (message ->> 'what_to_do')))
        ELSE message::text END;
END
$$;
COMMENT ON FUNCTION mend.message_body(mend.outbox, text) IS
    'Internal: a message as it is sent: an OpenLineage event, or in the format slack, json or text';
REVOKE ALL ON FUNCTION mend.message_body(mend.outbox, text) FROM PUBLIC;

-- The first message of a channel that is due is taken for a while: should the worker die meanwhile, it is sent again.
-- Those behind a message that could not be sent wait with it: a server that is down is asked once, not once a message.
CREATE OR REPLACE FUNCTION mend.take_message(of_channel text, format text, OUT id bigint, OUT severity text, OUT body text, OUT tries int)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    news mend.outbox;
BEGIN
    SELECT o.* INTO news FROM mend.outbox o WHERE o.channel = of_channel AND o.state = 'pending' ORDER BY o.id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND OR news.next_try > clock_timestamp() THEN
        RETURN;
    END IF;
    UPDATE mend.outbox o SET tries = o.tries + 1, next_try = clock_timestamp() + interval '1 minute' WHERE o.id = news.id;
    id := news.id;
    severity := news.severity;
    tries := news.tries + 1;
    body := mend.message_body(news, format);
END
$$;
COMMENT ON FUNCTION mend.take_message(text, text) IS 'Internal: the next message of a channel that is due, taken for a minute; null: none is';
REVOKE ALL ON FUNCTION mend.take_message(text, text) FROM PUBLIC;
