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
            || coalesce(' (it takes the place of patch ' || (SELECT string_agg(s.id::text, ', ' ORDER BY s.id) FROM mend.patches s
                                                               WHERE s.target = patch.target AND s.reason = 'superseded by patch ' || patch.id) || ')', '')
        WHEN 'patch_refused' THEN format('%s: patch %s, proposed by %s, was refused: %s', news.target_name, patch.id, patch.proposed_by, patch.reason)
        WHEN 'patch_failed' THEN format('%s: patch %s failed, and the table is as it was', news.target_name, patch.id)
        WHEN 'patch_reverted' THEN format('%s: patch %s was taken back by %s', news.target_name, patch.id, event.actor)
        WHEN 'patch_superseded' THEN format('%s: patch %s is not needed any more: somebody has changed the table', news.target_name, patch.id)
        WHEN 'patch_rejected' THEN format('%s: patch %s was rejected by %s', news.target_name, patch.id, event.actor)
        WHEN 'dead_lettered' THEN format('%s: %s payloads became dead letters', news.target_name, rows)
            || coalesce(': ' || (SELECT string_agg(d.kind || coalesce(' of field ' || to_json(mend.one_line(left(d.field, 60)))::text, ''), ', ' ORDER BY d.kind, d.field)
                                 FROM (SELECT DISTINCT l.kind, l.field FROM (SELECT * FROM mend.dead_letters WHERE target_name = news.target_name ORDER BY id DESC LIMIT 1000) l
                                       ORDER BY 1, 2 LIMIT 3) d), '')
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
RETURN replace(replace(replace(replace(
    CASE message ->> 'severity' WHEN 'critical' THEN 'CRITICAL: ' WHEN 'warning' THEN 'Warning: ' ELSE '' END
    || CASE WHEN message ? 'count' THEN mend.in_order(message ->> 'text') ELSE mend.one_line(message ->> 'text') END
    || coalesce(E'\n```' || mend.in_order(translate(message ->> 'ddl', '`', '''')) || '```', '')
    || E'\nTo do: ' || mend.one_line(message ->> 'what_to_do'), '&', '&amp;'), '<', '&lt;'), '>', '&gt;'),
    -- No text of an agent's or a sender's calls for a channel or a person.
    '@', '@ ');
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

CREATE OR REPLACE FUNCTION mend.webhook_body(message jsonb, format text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    report text := nullif(mend.setting('mend.report_url'), '');
BEGIN
    RETURN CASE format
        WHEN 'slack' THEN jsonb_build_object('text', mend.slack_text(message) || coalesce(E'\n<' || translate(report, '<>| ', '') || '|Report>', ''))::text
        WHEN 'text' THEN mend.in_order(concat_ws(E'\n',
            CASE WHEN message ? 'count' THEN message ->> 'text' ELSE mend.one_line(message ->> 'text') END,
            mend.one_line(message ->> 'ddl'), 'To do: ' || mend.one_line(message ->> 'what_to_do'), 'Report: ' || report))
        ELSE (message || CASE WHEN report IS NULL THEN '{}' ELSE jsonb_build_object('report', report) END)::text END;
END
$$;
COMMENT ON FUNCTION mend.webhook_body(jsonb, text) IS 'Internal: a message as a webhook gets it, in the format slack, json or text, with mend.report_url';
REVOKE ALL ON FUNCTION mend.webhook_body(jsonb, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.message_body(news mend.outbox, format text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    message jsonb;
BEGIN
    IF news.channel = 'lineage' THEN
        RETURN mend.run_event(news);
    END IF;
    message := mend.message(news);
    RETURN mend.webhook_body(message, format);
END
$$;
COMMENT ON FUNCTION mend.message_body(mend.outbox, text) IS
    'Internal: a message as it is sent: an OpenLineage event, or in the format slack, json or text';
REVOKE ALL ON FUNCTION mend.message_body(mend.outbox, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.message_window() RETURNS interval
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN coalesce(nullif(mend.setting('mend.message_window'), '')::int, 60) * interval '1 second';
COMMENT ON FUNCTION mend.message_window() IS 'Internal: the setting mend.message_window';
REVOKE ALL ON FUNCTION mend.message_window() FROM PUBLIC;

-- Several events of a kind as one message: how many, of which tables, by cause, and the first of them with what to do.
CREATE OR REPLACE FUNCTION mend.digest(lead mend.outbox, others bigint[]) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first jsonb := mend.message(lead);
    told jsonb;
    many bigint;
    lines text;
    overtaken text;
    causes text;
BEGIN
    -- Patches that were decided on, or superseded, before anybody could be told of them are named, no more.
    WITH news AS (
        SELECT o.*, p.state AS patch_state, p.reason AS patch_reason
        FROM mend.outbox o LEFT JOIN mend.patches p ON p.id = o.patch_id
        WHERE o.id = lead.id OR o.id = ANY (others)
    ), standing AS (
        SELECT n.*, count(*) OVER () AS many, row_number() OVER (ORDER BY n.id) AS place
        FROM news n WHERE n.kind <> 'patch_proposed' OR n.patch_state = 'proposed'
    ), shown AS (
        SELECT s.place, s.many, mend.message(ROW(s.id, s.channel, s.kind, s.severity, s.event_id, s.target_name, s.patch_id, s.created_at, s.state, s.tries, s.next_try, s.last_error, s.digest_of)::mend.outbox) AS message
        FROM standing s WHERE s.place <= 50
    )
    SELECT (SELECT max(s.many) FROM shown s),
           (SELECT jsonb_agg(s.message - '{audit_head,database}'::text[] ORDER BY s.place) FROM shown s),
           (SELECT string_agg('- ' || mend.one_line(s.message ->> 'text') || coalesce(' -> ' || nullif(mend.one_line(s.message ->> 'what_to_do'), 'nothing'), ''), E'\n' ORDER BY s.place)
            FROM shown s WHERE s.place <= 10),
           (SELECT string_agg(n.patch_id || ' (' || mend.one_line(CASE WHEN n.patch_reason LIKE 'superseded by patch %' THEN n.patch_reason ELSE n.patch_state END) || ')', ', ' ORDER BY n.id)
            FROM (SELECT * FROM news WHERE kind = 'patch_proposed' AND patch_state <> 'proposed' ORDER BY id LIMIT 50) n),
           (SELECT string_agg(c.cause || ' (' || c.events || ')', '; ' ORDER BY c.events DESC, c.cause)
            FROM (SELECT mend.one_line(left(coalesce(s.patch_reason, replace(s.kind, '_', ' ')), 200)) AS cause, count(*) AS events
                  FROM standing s GROUP BY 1 ORDER BY 2 DESC LIMIT 5) c)
    INTO many, told, lines, overtaken, causes;
    RETURN (first - '{ddl,patch,table}'::text[]) || jsonb_strip_nulls(jsonb_build_object(
        'text', concat_ws(E'\n',
            format('%s times %s, of %s tables: %s', coalesce(many, 0), replace(lead.kind, '_', ' '),
                   (SELECT count(DISTINCT m ->> 'table') FROM jsonb_array_elements(told) m), coalesce(causes, 'none waits any more')),
            lines, CASE WHEN many > 10 THEN format('and %s more', many - 10) END, 'no longer waiting: patches ' || overtaken),
        'what_to_do', CASE WHEN coalesce(many, 0) = 0 THEN 'nothing' ELSE 'TABLE mend.attention' END,
        'count', coalesce(many, 0), 'messages', told));
END
$$;
COMMENT ON FUNCTION mend.digest(mend.outbox, bigint[]) IS 'Internal: what a webhook is told of several events of a kind at once';
REVOKE ALL ON FUNCTION mend.digest(mend.outbox, bigint[]) FROM PUBLIC;

-- The first message of a destination that is due is taken for a while: should the worker die meanwhile, it is sent again.
-- Those behind a message that could not be sent wait with it: a server that is down is asked once, not once a message. What
-- was told of a kind less than mend.message_window ago is told again at its end, all in one.
CREATE OR REPLACE FUNCTION mend.take_message(of_channel text, format text, alerts boolean,
                                             OUT id bigint, OUT severity text, OUT body text, OUT tries int)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    news mend.outbox;
    others bigint[] := '{}';
    window_length interval := mend.message_window();
    held text[];
BEGIN
    IF EXISTS (SELECT FROM mend.outbox o WHERE o.channel = of_channel AND o.state = 'pending' AND o.tries > 0 AND o.next_try > clock_timestamp()
               AND o.digest_of IS NULL AND (alerts IS NULL OR mend.is_alert(o.severity) = alerts)) THEN
        RETURN;
    END IF;
    SELECT coalesce(array_agg(t.kind || t.alert), '{}') INTO held FROM mend.told t
    WHERE of_channel = 'webhook' AND t.at + window_length > clock_timestamp();
    -- While somebody has the first locked, none is sent: they keep their order.
    SELECT o.* INTO news FROM mend.outbox o
    WHERE o.id = (SELECT min(f.id) FROM mend.outbox f
                  WHERE f.channel = of_channel AND f.state = 'pending'
                    AND (alerts IS NULL OR mend.is_alert(f.severity) = alerts)
                    AND (f.tries > 0 OR NOT f.kind || mend.is_alert(f.severity) = ANY (held)))
      AND o.state = 'pending' AND o.next_try <= clock_timestamp()
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF of_channel = 'webhook' AND window_length > interval '0' THEN
        SELECT coalesce(array_agg(o.id), '{}') INTO others
        FROM (SELECT o.id FROM mend.outbox o
              WHERE o.channel = of_channel AND o.state = 'pending' AND o.kind = news.kind AND mend.is_alert(o.severity) = mend.is_alert(news.severity) AND o.id > news.id
              ORDER BY o.id LIMIT 1000 FOR UPDATE SKIP LOCKED) o;
        UPDATE mend.outbox o SET digest_of = news.id WHERE o.id = ANY (others);
    END IF;
    UPDATE mend.outbox o SET tries = o.tries + 1, next_try = clock_timestamp() + interval '1 minute', digest_of = NULL WHERE o.id = news.id;
    id := news.id;
    severity := news.severity;
    tries := news.tries + 1;
    body := CASE WHEN others = '{}' THEN mend.message_body(news, format) ELSE mend.webhook_body(mend.digest(news, others), format) END;
END
$$;
COMMENT ON FUNCTION mend.take_message(text, text, boolean) IS
    'Internal: the next message of a channel that is due, taken for a minute; null: none is. alerts: those of severity warning and critical, or the others; null: all';
REVOKE ALL ON FUNCTION mend.take_message(text, text, boolean) FROM PUBLIC;

-- What take_message() will do, ahead of time.
CREATE OR REPLACE FUNCTION mend.next_message_at(split boolean) RETURNS timestamptz
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT min(d.at) FROM (
        SELECT coalesce(min(o.next_try) FILTER (WHERE o.tries > 0 AND o.digest_of IS NULL AND o.next_try > clock_timestamp()),
                        min(greatest(o.next_try, CASE WHEN o.tries = 0 THEN t.at + mend.message_window() END))) AS at
        FROM mend.outbox o LEFT JOIN mend.told t ON o.channel = 'webhook' AND t.kind = o.kind AND t.alert = mend.is_alert(o.severity)
        WHERE o.state = 'pending'
        GROUP BY o.channel, split AND o.channel = 'webhook' AND mend.is_alert(o.severity)) d
$$;
COMMENT ON FUNCTION mend.next_message_at(boolean) IS 'Internal: when there is a message to send next; split: alerts have a URL of their own';
REVOKE ALL ON FUNCTION mend.next_message_at(boolean) FROM PUBLIC;
