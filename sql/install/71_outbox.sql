-- Messages: which events are told, to whom, and what became of each.
-- What a webhook is told of, and how urgent it is; null: people's own acts and what a message of another event says.
CREATE OR REPLACE FUNCTION mend.severity_of(kind text, patch_id bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN kind IN ('breaker_opened', 'quarantined', 'round_failed') THEN 'critical'
    -- What an agent tries in vain is no trouble of a table's.
    WHEN kind = 'patch_refused' AND EXISTS (SELECT FROM mend.patches p WHERE p.id = severity_of.patch_id AND p.planner = 'agent') THEN 'notice'
    WHEN kind IN ('patch_proposed', 'patch_refused', 'patch_failed', 'dead_lettered', 'claude_held') THEN 'warning'
    WHEN kind = 'patch_applied' THEN
        CASE WHEN EXISTS (SELECT FROM mend.patches p, jsonb_array_elements(p.evidence -> 'actions') a
                          WHERE p.id = severity_of.patch_id AND a ->> 'kind' <> 'add_column') THEN 'notice' ELSE 'info' END
    WHEN kind IN ('enrolled', 'configured', 'unenrolled', 'field_mapped', 'reading_set', 'loss_accepted', 'retried', 'amended', 'discarded', 'moved', 'adopted',
                  'breaker_reset', 'patch_approved', 'replayed', 'message_lost', 'prompt_sent', 'hint_unfit') THEN NULL
    ELSE 'notice'
END;
COMMENT ON FUNCTION mend.severity_of(text, bigint) IS
    'Internal: info (a column was added), notice, warning (a person should look) or critical (healing of a table has stopped); null: not for a webhook';
REVOKE ALL ON FUNCTION mend.severity_of(text, bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.is_severe(severity text, at_least text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN array_position(ARRAY['info', 'notice', 'warning', 'critical'], severity) >= array_position(ARRAY['info', 'notice', 'warning', 'critical'], at_least);
COMMENT ON FUNCTION mend.is_severe(text, text) IS 'Internal: whether a severity is at least another';
REVOKE ALL ON FUNCTION mend.is_severe(text, text) FROM PUBLIC;

-- A session may give any name a value for as long as the library is not loaded there: written in C, this loads it.
CREATE OR REPLACE FUNCTION mend.setting(name text) RETURNS text
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'mend_setting';
COMMENT ON FUNCTION mend.setting(text) IS 'Internal: a setting of pg_mend, as somebody who may set it has set it';
REVOKE ALL ON FUNCTION mend.setting(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.is_told(channel text) RETURNS boolean
LANGUAGE sql STABLE
RETURN mend.setting('mend.' || channel || '_url') <> ''
    OR channel = ANY (string_to_array(replace(mend.setting('mend.outbox_channels'), ' ', ''), ','));
COMMENT ON FUNCTION mend.is_told(text) IS 'Internal: whether messages of a channel (webhook, lineage) are written, to be posted or to be taken by another program';
REVOKE ALL ON FUNCTION mend.is_told(text) FROM PUBLIC;

-- As the owner: whoever may add an event may not touch this table.
CREATE OR REPLACE FUNCTION mend.note_news() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    webhook boolean := mend.is_told('webhook');
    lineage boolean := mend.is_told('lineage');
    at_least text := mend.setting('mend.webhook_severity');
BEGIN
    -- An event that is older than its transaction came with a restore.
    INSERT INTO mend.outbox (channel, kind, event_id, target_name, patch_id)
    SELECT 'notify', n.kind, n.id, n.target_name, n.patch_id FROM new_events n WHERE n.at >= transaction_timestamp() ORDER BY n.id;
    IF webhook THEN
        INSERT INTO mend.outbox (channel, kind, severity, event_id, target_name, patch_id)
        SELECT 'webhook', n.kind, s.severity, n.id, n.target_name, n.patch_id
        FROM new_events n CROSS JOIN LATERAL mend.severity_of(n.kind, n.patch_id) s (severity)
        WHERE n.at >= transaction_timestamp() AND mend.is_severe(s.severity, at_least)
        ORDER BY n.id;
    END IF;
    IF lineage THEN
        PERFORM mend.note_run(n.patch_id, CASE n.kind WHEN 'patch_applied' THEN 'COMPLETE' ELSE 'FAIL' END)
        FROM new_events n WHERE n.kind IN ('patch_applied', 'patch_failed') AND n.at >= transaction_timestamp();
    END IF;
    IF EXISTS (SELECT FROM new_events n WHERE n.actor <> 'pg_mend' AND n.at >= transaction_timestamp()) THEN
        PERFORM mend.wake();
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mend.note_news() IS 'Internal: leaves word for the worker to tell of new events';
REVOKE ALL ON FUNCTION mend.note_news() FROM PUBLIC;
CREATE OR REPLACE TRIGGER note_news AFTER INSERT ON mend.events REFERENCING NEW TABLE AS new_events
    FOR EACH STATEMENT EXECUTE FUNCTION mend.note_news();
COMMENT ON TRIGGER note_news ON mend.events IS 'The worker tells the world of it';

-- A run is one heal: START, then COMPLETE or FAIL, once each, in this order.
CREATE OR REPLACE FUNCTION mend.note_run(patch_id bigint, transition text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    step text;
BEGIN
    FOREACH step IN ARRAY CASE transition WHEN 'START' THEN ARRAY['START'] ELSE ARRAY['START', transition] END LOOP
        INSERT INTO mend.outbox (channel, kind, target_name, patch_id)
        SELECT 'lineage', step, p.target_name, p.id FROM mend.patches p
        WHERE p.id = note_run.patch_id AND mend.is_told('lineage')
          AND NOT EXISTS (SELECT FROM mend.outbox o WHERE o.channel = 'lineage' AND o.patch_id = p.id AND o.kind = step);
    END LOOP;
END
$$;
COMMENT ON FUNCTION mend.note_run(bigint, text) IS 'Internal: leaves word for the worker to tell of a run: START, COMPLETE or FAIL';
REVOKE ALL ON FUNCTION mend.note_run(bigint, text) FROM PUBLIC;

-- NOTIFY takes a lock of the whole cluster at commit, and fails when its queue is full: it has a transaction of its own.
CREATE OR REPLACE FUNCTION mend.send_notifications() RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH taken AS (
        DELETE FROM mend.outbox o WHERE o.id IN (SELECT n.id FROM mend.outbox n WHERE n.channel = 'notify' AND n.state = 'pending'
                                                 ORDER BY n.id LIMIT 1000 FOR UPDATE SKIP LOCKED)
        RETURNING o.*
    ), told AS (
        SELECT pg_notify('mend', jsonb_build_object('kind', t.kind, 'table', t.target_name, 'patch', t.patch_id)::text)
        FROM (SELECT * FROM taken ORDER BY id) t
    )
    SELECT count(*) FROM told;
END;
COMMENT ON FUNCTION mend.send_notifications() IS 'Internal: tells listeners on channel mend of up to a thousand events';
REVOKE ALL ON FUNCTION mend.send_notifications() FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.is_alert(severity text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN severity IN ('warning', 'critical');
COMMENT ON FUNCTION mend.is_alert(text) IS 'Internal: whether a message of a severity goes to mend.webhook_alert_url';
REVOKE ALL ON FUNCTION mend.is_alert(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.message_sent(id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    news mend.outbox;
BEGIN
    UPDATE mend.outbox o SET state = 'sent', last_error = NULL WHERE o.id = message_sent.id RETURNING * INTO news;
    IF news.channel = 'webhook' THEN
        INSERT INTO mend.told AS t (kind, alert, at) VALUES (news.kind, mend.is_alert(news.severity), clock_timestamp())
        ON CONFLICT (kind, alert) DO UPDATE SET at = excluded.at;
    END IF;
    -- A START is remembered until its run has ended, so that there is one.
    DELETE FROM mend.outbox o
    WHERE news.kind <> 'START'
      AND (o.id = news.id OR o.digest_of = news.id
           OR news.channel = 'lineage' AND o.channel = 'lineage' AND o.patch_id = news.patch_id AND o.state = 'sent');
END
$$;
COMMENT ON FUNCTION mend.message_sent(bigint) IS 'Internal: a message has arrived';
REVOKE ALL ON FUNCTION mend.message_sent(bigint) FROM PUBLIC;

-- Only the try that was taken last has a say: an answer that comes after its minute must not raise the dead.
CREATE OR REPLACE FUNCTION mend.message_not_sent(id bigint, tries int, error text, wait_ms bigint, give_up boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    news mend.outbox;
BEGIN
    UPDATE mend.outbox o
    SET last_error = error, next_try = clock_timestamp() + wait_ms * interval '1 millisecond',
        state = CASE WHEN give_up THEN 'dead' ELSE 'pending' END
    WHERE o.id = message_not_sent.id AND o.tries = message_not_sent.tries AND o.state = 'pending' RETURNING * INTO news;
    IF FOUND AND give_up THEN
        UPDATE mend.outbox o SET last_error = error, state = 'dead' WHERE o.digest_of = news.id AND o.state = 'pending';
        INSERT INTO mend.events (kind, target_name, patch_id, actor, detail)
        VALUES ('message_lost', news.target_name, news.patch_id, 'pg_mend',
                jsonb_build_object('channel', news.channel, 'message', news.kind, 'tries', news.tries, 'error', error));
    END IF;
END
$$;
COMMENT ON FUNCTION mend.message_not_sent(bigint, int, text, bigint, boolean) IS
    'Internal: a message has not arrived: it is tried again later, or given up';
REVOKE ALL ON FUNCTION mend.message_not_sent(bigint, int, text, bigint, boolean) FROM PUBLIC;
