-- Who may do what: every function, table, view, sequence and setting that the extension has, against every kind of role.
-- A new object fails here until a line says who may use it; superusers may use all, and nobody else may write.
\set ECHO none
\set VERBOSITY terse
SET client_min_messages = warning;
-- anyone: every role; else the roles named, and superusers.
CREATE TEMP TABLE expected (kind text, object text, who text[]);
INSERT INTO expected VALUES
    ('function', 'healing_insert(regclass,json)', '{anyone}'),
    ('function', 'healing_insert(regclass,jsonb)', '{anyone}'),
    ('function', 'healing_insert(regclass,text)', '{anyone}'),
    ('function', 'healing_load(regclass,json)', '{anyone}'),
    ('function', 'healing_load(regclass,jsonb)', '{anyone}'),
    ('function', 'healing_load(regclass,text)', '{anyone}'),
    ('function', 'mend.accept_loss(regclass,name)', '{admin}'),
    ('function', 'mend.append_only()', '{}'),
    ('function', 'mend.approve(bigint,boolean)', '{admin}'),
    ('function', 'mend.at_home(bigint,oid)', '{admin,agent,monitor}'),
    ('function', 'mend.check_ddl(regclass,text)', '{admin,agent}'),
    ('function', 'mend.batch_rows()', '{anyone}'),
    ('function', 'mend.configure(regclass,mend.label,mend.label[],regrole,mend.label,boolean,text,text[],text,boolean,name,boolean,text[],jsonb,text,name)', '{admin}'),
    ('function', 'mend.create_inbox(regclass)', '{admin}'),
    ('function', 'mend.check_decider()', '{}'),
    ('function', 'mend.code_of(regclass)', '{}'),
    ('function', 'mend.is_plain(text)', '{}'),
    ('function', 'mend.may_release(oid,mend.dead_letters)', '{}'),
    ('function', 'mend.context_of(jsonb,jsonb)', '{}'),
    ('function', 'mend.read_as(regclass,name,text,text)', '{admin}'),
    ('function', 'mend.ddl_for_server(mend.patches)', '{admin,agent}'),
    ('function', 'mend.retry_as(oid,regclass,bigint[],text,text)', '{}'),
    ('function', 'mend.cancel_widening(bigint)', '{admin}'),
    ('function', 'mend.copy_column()', '{anyone}'),
    ('function', 'mend.decide(bigint,text,text)', '{}'),
    ('function', 'mend.full_ddl(mend.patches)', '{admin,agent}'),
    ('function', 'mend.number_column()', '{}'), ('function', 'mend.follow_renames()', '{}'),
    ('function', 'mend.decide_widening(bigint,text)', '{}'),
    ('function', 'mend.explain_online(mend.patches)', '{admin,agent}'),
    ('function', 'mend.pause_widening(bigint)', '{admin}'),
    ('function', 'mend.resume_widening(bigint)', '{admin}'),
    ('function', 'mend.why_not_online(bigint)', '{admin,agent}'),
    ('function', 'mend.why_online_only(bigint)', '{admin,agent}'),
    ('function', 'mend.widening_in_words(regclass)', '{admin,agent,monitor}'),
    ('function', 'mend.discard(bigint[],text)', '{admin}'),
    ('function', 'mend.dry_run(regclass,text,boolean)', '{admin,agent}'),
    ('function', 'mend.edit_price()', '{}'),
    ('function', 'mend.dry_run_patch(bigint)', '{admin,agent}'),
    ('function', 'mend.enroll(regclass,mend.label,mend.label[],regrole,mend.label,boolean,text,text[],text,boolean,name,boolean,text[],jsonb,text,name)', '{anyone}'),
    ('function', 'mend.event_digest(text,bigint,timestamp with time zone,mend.events)', '{}'),
    ('function', 'mend.hold_fields(mend.patches,text)', '{}'),
    ('function', 'mend.invalidate_target()', '{}'),
    ('function', 'mend.is_told(text)', '{}'),
    ('function', 'mend.map_field(regclass,text,name)', '{admin}'),
    ('function', 'mend.note_unsealed()', '{}'),
    ('function', 'mend.ignored_updates(regclass)', '{admin,agent,monitor}'),
    ('function', 'mend.preview_prompt(regclass)', '{admin}'),
    ('function', 'mend.prompt(bigint)', '{admin}'),
    ('function', 'mend.propose(regclass,text,jsonb,text,jsonb)', '{admin,agent}'),
    ('function', 'mend.record_tool_call(text,text,bigint,text,bigint)', '{admin,agent}'),
    ('function', 'mend.reject(bigint,text)', '{admin}'),
    ('function', 'mend.request_round(regclass,text)', '{}'),
    ('function', 'mend.supersede(bigint,boolean,bigint[])', '{}'),
    ('function', 'mend.same_question(jsonb,jsonb,jsonb,jsonb)', '{admin,agent,monitor}'),
    ('function', 'mend.requeue(bigint[])', '{}'),
    ('function', 'mend.reset_breaker(regclass)', '{admin}'),
    ('function', 'mend.retry(regclass,bigint[],text,text)', '{admin}'),
    ('function', 'mend.amend(bigint[],jsonb,boolean)', '{admin}'),
    ('function', 'mend.amend(regclass,text,text,jsonb,boolean)', '{admin}'),
    ('function', 'mend.revert(bigint,boolean)', '{admin}'),
    ('function', 'mend.seal_events(boolean)', '{}'),
    ('function', 'mend.start()', '{admin}'),
    ('function', 'mend.stop()', '{admin}'),
    ('function', 'mend.take_inbox()', '{admin}'),
    ('function', 'mend.unenroll(regclass)', '{admin}'),
    ('function', 'mend.unenroll_all(boolean)', '{admin}'),
    ('function', 'mend.move(text,regclass)', '{admin}'),
    ('function', 'mend.guard_drop()', '{}'),
    ('function', 'mend.note_ddl()', '{}'),
    ('function', 'mend.verify_events(text)', '{admin,monitor}'),
    ('function', 'mend.wait_idle(regclass,interval)', '{anyone}'),
    ('function', 'mend.wake()', '{}'),
    ('function', 'mend.worker_refused_at()', '{admin,agent,monitor}'),
    ('function', 'mend.worker_outlook(boolean)', '{admin,agent,monitor}'),
    ('function', 'mend.rows_of(text,regclass)', '{admin,agent,monitor}'),
    ('function', 'mend.oldest_of(regclass)', '{admin,agent,monitor}'),
    ('function', 'mend.rescued(regclass)', '{admin,agent,monitor}'),
    ('function', 'mend.is_due(regclass)', '{admin,agent,monitor}'),
    ('function', 'mend.workers()', '{admin,agent,monitor}'),
    -- reports and messages
    ('function', 'mend.claim(timestamp with time zone)', '{admin,agent,monitor}'),
    ('function', 'mend.report_html(timestamp with time zone)', '{admin}'),
    ('function', 'mend.html_style()', '{admin}'),
    ('function', 'mend.html_table(text,text[],jsonb,text)', '{admin}'),
    ('function', 'mend.html_timeline(timestamp with time zone,text)', '{admin}'),
    ('function', 'mend.html_rows(text[],jsonb,bigint,bigint)', '{admin}'),
    ('function', 'mend.ddl_in_lines(text)', '{admin}'),
    ('function', 'mend.report_page(timestamp with time zone,regclass)', '{admin}'),
    ('function', 'mend.table_report_html(regclass,timestamp with time zone)', '{admin}'),
    ('function', 'mend.html(text)', '{admin}'),
    ('function', 'mend.dependents(regclass,name[])', '{admin,agent}'),
    ('function', 'mend.describe_profile(jsonb)', '{admin,agent}'),
    ('function', 'mend.error_for_me(text)', '{admin,agent,monitor}'),
    ('function', 'mend.explain_changes(mend.patches)', '{admin,agent}'),
    ('function', 'mend.explain_locks(mend.patches)', '{admin,agent}'),
    ('function', 'mend.explain_patch(bigint)', '{admin,agent}'),
    ('function', 'mend.explain_what_now(mend.patches)', '{admin,agent}'),
    ('function', 'mend.facet(text,jsonb)', '{}'),
    ('function', 'mend.in_lines(text,integer)', '{admin,agent,monitor}'),
    ('function', 'mend.is_severe(text,text)', '{}'),
    ('function', 'mend.label_in(cstring)', '{}'),
    ('function', 'mend.label_out(mend.label)', '{}'),
    ('function', 'mend.label_receive(internal)', '{}'),
    ('function', 'mend.label_send(mend.label)', '{}'),
    ('function', 'mend.last_seen(regclass)', '{admin,agent,monitor}'),
    ('function', 'mend.lineage_namespace()', '{}'),
    ('function', 'mend.message(mend.outbox)', '{}'),
    ('function', 'mend.message_body(mend.outbox,text)', '{}'),
    ('function', 'mend.message_not_sent(bigint,integer,text,bigint,boolean)', '{}'),
    ('function', 'mend.message_sent(bigint)', '{}'),
    ('function', 'mend.migration(bigint)', '{admin,agent}'),
    ('function', 'mend.migrations(timestamp with time zone)', '{admin,agent}'),
    ('function', 'mend.minutes_per_incident()', '{admin,agent,monitor}'),
    ('function', 'mend.note_news()', '{}'),
    ('function', 'mend.note_run(bigint,text)', '{}'),
    ('function', 'mend.setting(text)', '{}'),
    ('function', 'mend.check_reason(text)', '{}'),
    ('function', 'mend.in_order(text)', '{admin,agent}'),
    ('function', 'mend.one_line(text)', '{admin,agent}'),
    ('function', 'mend.run_event(mend.outbox)', '{}'),
    ('function', 'mend.run_id(bigint)', '{}'),
    ('function', 'mend.send_notifications()', '{}'),
    ('function', 'mend.severity_of(text,bigint)', '{}'),
    ('function', 'mend.slack_text(jsonb)', '{}'),
    ('function', 'mend.take_message(text,text,boolean)', '{}'),
    ('function', 'mend.next_message_at(boolean)', '{}'),
    ('function', 'mend.is_alert(text)', '{}'),
    ('function', 'mend.in_psql()', '{admin,agent,monitor}'),
    ('function', 'mend.show(text,regclass,integer)', '{admin}'),
    ('function', 'mend.show_line(text[],integer[])', '{admin}'),
    ('function', 'mend.count_of(bigint,text)', '{admin,agent,monitor}'),
    ('function', 'mend.why_dead(regclass)', '{admin,agent,monitor}'),
    ('function', 'mend.dead_since(regclass)', '{admin,agent,monitor}'),
    ('function', 'mend.stranded()', '{admin,agent,monitor}'),
    ('function', 'mend.lost_messages()', '{admin,agent,monitor}'),
    ('function', 'mend.message_window()', '{}'),
    ('function', 'mend.digest(mend.outbox,bigint[])', '{}'),
    ('function', 'mend.webhook_body(jsonb,text)', '{}'),
    -- who may read; columns: who may read some columns only
    ('table', 'mend.calls', '{admin}'),
    ('table', 'mend.prompts', '{admin}'),
    ('table', 'mend.control', '{admin}'),
    ('table', 'mend.dead_letters', '{admin}'),
    ('columns', 'mend.dead_letters', '{agent}'),
    ('table', 'mend.drifts', '{admin,agent}'),
    ('table', 'mend.enrollments', '{admin,agent}'),
    ('table', 'mend.event_seals', '{admin}'),
    ('table', 'mend.events', '{admin}'),
    ('columns', 'mend.events', '{agent}'),
    ('table', 'mend.fields', '{admin,agent}'),
    ('table', 'mend.holds', '{admin}'),
    ('table', 'mend.inboxes', '{admin}'),
    ('table', 'mend.model_prices', '{admin}'),
    ('table', 'mend.own_columns', '{admin}'),
    ('table', 'mend.patches', '{admin,agent}'),
    ('table', 'mend.plans', '{admin}'),
    ('table', 'mend.progress', '{admin}'),
    ('table', 'mend.requests', '{admin}'),
    ('table', 'mend.promotions', '{admin}'),
    ('table', 'mend.widenings', '{admin}'), ('table', 'mend.enum_labels', '{admin}'),
    ('table', 'mend.rescues', '{admin}'),
    ('table', 'mend.rescue_samples', '{admin}'),
    ('table', 'mend.queue', '{admin}'),
    ('table', 'mend.tool_calls', '{admin}'),
    ('table', 'mend.unsealed_events', '{admin}'),
    ('view', 'mend.status', '{admin,agent,monitor}'),
    ('view', 'mend.work', '{admin}'),
    -- who may write, and in which way
    ('DELETE', 'mend.holds', '{admin}'),
    ('DELETE', 'mend.model_prices', '{admin}'),
    ('INSERT', 'mend.model_prices', '{admin}'),
    ('UPDATE', 'mend.model_prices', '{admin}'),
    ('DELETE', 'mend.plans', '{admin}'),
    ('sequence', 'mend.calls_id_seq', '{}'),
    ('table', 'mend.outbox', '{admin}'),
    ('table', 'mend.told', '{admin}'),
    ('view', 'mend.attention', '{admin,agent,monitor}'),
    ('view', 'mend.causes', '{admin,agent,monitor}'),
    ('view', 'mend.decisions', '{admin,agent,monitor}'),
    ('view', 'mend.freshness', '{admin,agent,monitor}'),
    ('view', 'mend.incidents', '{admin,agent,monitor}'),
    ('view', 'mend.metrics', '{admin,agent,monitor}'),
    ('view', 'mend.savings', '{admin,agent,monitor}'),
    ('sequence', 'mend.drifts_id_seq', '{}'),
    ('sequence', 'mend.events_id_seq', '{}'),
    ('sequence', 'mend.outbox_id_seq', '{}'),
    ('sequence', 'mend.patches_id_seq', '{}'),
    ('sequence', 'mend.queue_id_seq', '{}'),
    ('sequence', 'mend.requests_id_seq', '{}'),
    ('sequence', 'mend.rescues_id_seq', '{}'),
    ('sequence', 'mend.rescue_samples_id_seq', '{}'),
    -- who may set it
    ('setting', 'mend.api_headers_file', '{}'),
    ('setting', 'mend.api_key_file', '{}'),
    ('setting', 'mend.api_token_file', '{}'),
    ('setting', 'mend.aws_credentials_file', '{}'),
    ('setting', 'mend.aws_metadata_url', '{}'),
    ('setting', 'mend.api_url', '{}'),
    ('setting', 'mend.batch_size', '{}'),
    ('setting', 'mend.batch_timeout', '{}'),
    ('setting', 'mend.ca_file', '{}'),
    ('setting', 'mend.calls_per_hour', '{}'),
    ('setting', 'mend.keep_prompts', '{}'),
    ('setting', 'mend.provider', '{}'),
    ('setting', 'mend.proxy', '{}'),
    ('setting', 'mend.column_cooldown', '{}'),
    ('setting', 'mend.daily_budget_usd', '{}'),
    ('setting', 'mend.escalation_model', '{}'),
    ('setting', 'mend.idle_exit', '{}'),
    ('setting', 'mend.lineage_namespace', '{}'),
    ('setting', 'mend.lineage_url', '{}'),
    ('setting', 'mend.lock_timeout', '{}'),
    ('setting', 'mend.max_columns', '{}'),
    ('setting', 'mend.online_pace', '{}'),
    ('setting', 'mend.promote_pace', '{}'),
    ('setting', 'mend.max_lock_hold', '{}'),
    ('setting', 'mend.max_queue_size', '{}'),
    ('setting', 'mend.max_rewrite_size', '{}'),
    ('setting', 'mend.max_turns', '{}'),
    ('setting', 'mend.max_workers', '{}'),
    ('setting', 'mend.max_server_workers', '{}'),
    ('setting', 'mend.minutes_per_incident', '{}'),
    ('setting', 'mend.model', '{}'),
    ('setting', 'mend.outbox_channels', '{}'),
    ('setting', 'mend.patches_per_hour', '{}'),
    ('setting', 'mend.planners', '{}'),
    ('setting', 'mend.proposals_per_hour', '{}'),
    ('setting', 'mend.request_timeout', '{}'),
    ('setting', 'mend.message_window', '{}'),
    ('setting', 'mend.report_url', '{}'),
    ('setting', 'mend.webhook_alert_url', '{}'),
    ('setting', 'mend.webhook_format', '{}'),
    ('setting', 'mend.webhook_severity', '{}'),
    ('setting', 'mend.webhook_url', '{}');

-- One role of each kind. The owner owns a landing table and may otherwise do what anyone may.
CREATE ROLE regress_anyone; CREATE ROLE regress_owner;
CREATE ROLE regress_agent IN ROLE mend_agent; CREATE ROLE regress_admin IN ROLE mend_admin; CREATE ROLE regress_monitor IN ROLE pg_monitor;
CREATE SCHEMA rights_matrix;
GRANT USAGE ON SCHEMA rights_matrix TO PUBLIC, mend_healer;
CREATE TABLE rights_matrix.landing (id int, n int NOT NULL);
ALTER TABLE rights_matrix.landing OWNER TO regress_owner;
SELECT mend.enroll('rights_matrix.landing', 'paused');
CREATE TEMP VIEW roles AS SELECT rolname, substr(rolname, 9) AS label FROM pg_roles WHERE rolname ~ '^regress_(anyone|owner|agent|admin|monitor)$'
    UNION ALL SELECT 'mend_healer', 'healer';

-- What there is, by the catalogs.
CREATE TEMP VIEW present AS
SELECT 'function' AS kind, p.oid::regprocedure::text AS object, p.oid
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
     JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_mend'
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'table' END, c.oid::regclass::text, c.oid
FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
     JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_mend'
WHERE c.relkind <> 'i'
UNION ALL
SELECT 'setting', name, NULL FROM pg_settings WHERE name LIKE 'mend.%';

-- A build without a network has nothing to set about it.
DELETE FROM expected WHERE kind = 'setting' AND object ~ '^mend\.(api_|aws_|ca_file|calls_per_hour|daily_budget|(escalation_)?model$|keep_prompts|max_turns|provider|proxy|request_timeout|(lineage|webhook|webhook_alert)_url)'
    AND NOT EXISTS (SELECT FROM pg_settings WHERE name = 'mend.provider');

SELECT 'no line says who may use it' AS trouble, kind, object FROM present p
WHERE NOT EXISTS (SELECT FROM expected e WHERE e.kind = p.kind AND e.object = p.object)
UNION ALL
SELECT 'there is no such object', kind, object FROM expected e
WHERE kind NOT IN ('columns', 'INSERT', 'UPDATE', 'DELETE') AND NOT EXISTS (SELECT FROM present p WHERE e.kind = p.kind AND e.object = p.object)
ORDER BY 1, 2, 3;

-- By the access lists: who may do more, or less, than expected.
CREATE TEMP VIEW granted AS
SELECT p.kind, p.object, r.label, g.privilege,
       CASE p.kind
           WHEN 'function' THEN has_function_privilege(r.rolname, p.oid, 'EXECUTE')
           WHEN 'sequence' THEN has_sequence_privilege(r.rolname, p.oid, g.privilege)
           ELSE has_table_privilege(r.rolname, p.oid, g.privilege)
                OR g.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(r.rolname, p.oid, g.privilege)
       END AS may,
       -- Views and tables are read, functions executed, and but for a few tables that is all.
       p.kind <> 'sequence' AND EXISTS (
           SELECT FROM expected e
           WHERE e.object = p.object AND (e.kind = g.privilege OR g.privilege IN ('SELECT', 'EXECUTE') AND e.kind IN (p.kind, 'columns'))
                 AND (e.who && ARRAY['anyone', r.label])) AS should
FROM present p CROSS JOIN roles r
     JOIN LATERAL (SELECT unnest(CASE p.kind WHEN 'function' THEN '{EXECUTE}' WHEN 'sequence' THEN '{USAGE,SELECT,UPDATE}'
                                 WHEN 'setting' THEN '{}' ELSE '{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}' END::text[])) g (privilege) ON true;
SELECT count(*) > 500 AS many_tried FROM granted;
SELECT object, label, privilege, may FROM granted WHERE may IS DISTINCT FROM should ORDER BY 1, 2, 3;
SELECT object, attname FROM expected e JOIN pg_attribute a ON a.attrelid = e.object::regclass AND attnum > 0
WHERE e.kind = 'columns' AND NOT has_column_privilege('regress_agent', attrelid, attnum, 'SELECT') ORDER BY 1, 2;
-- What may be granted on: nothing, by anybody but the owner.
SELECT object, label FROM present p, roles WHERE kind IN ('table', 'view') AND has_table_privilege(rolname, oid, 'SELECT WITH GRANT OPTION')
UNION ALL SELECT object, label FROM present p, roles WHERE kind = 'function' AND has_function_privilege(rolname, oid, 'EXECUTE WITH GRANT OPTION');

-- By trying: each statement as each role, rolled back. `denied` is SQLSTATE 42501 for the object itself.
CREATE FUNCTION pg_temp.is_denied(role name, statement text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    EXECUTE statement;
    RAISE EXCEPTION USING ERRCODE = 'PT000';
EXCEPTION
    WHEN insufficient_privilege THEN
        RETURN SQLERRM ~ '^permission denied (for (function|procedure|table|view|sequence|schema)|to set parameter)';
    WHEN OTHERS THEN
        RETURN false;
END $$;
CREATE TEMP TABLE statements AS
SELECT p.kind, p.object, 'read' AS what,
       CASE p.kind
           WHEN 'function' THEN format('%s %s(%s)', CASE f.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, p.oid::regproc,
               (SELECT string_agg(CASE WHEN f.proisstrict THEN '''0''::' ELSE 'NULL::' END || format_type(t, NULL), ', ' ORDER BY n) FROM unnest(f.proargtypes) WITH ORDINALITY a (t, n)))
           WHEN 'setting' THEN format('SET LOCAL %s TO DEFAULT', p.object)
           WHEN 'sequence' THEN format('SELECT nextval(%L)', p.object)
           ELSE format('SELECT %s FROM %s LIMIT 1', CASE WHEN p.object IN ('mend.events', 'mend.dead_letters') THEN 'id' ELSE '*' END, p.object)
       END AS statement
FROM present p LEFT JOIN pg_proc f ON p.kind = 'function' AND f.oid = p.oid
-- No statement can give what is internal.
WHERE f.oid IS NULL OR 'internal'::regtype <> ALL (f.proargtypes::oid[])
UNION ALL
SELECT p.kind, p.object, 'write', format(w, p.object, a.attname, t.typ)
FROM present p JOIN pg_attribute a ON p.kind IN ('table', 'view') AND a.attrelid = p.oid AND a.attnum = 1
     CROSS JOIN LATERAL (SELECT format_type(a.atttypid, a.atttypmod) AS typ) t
     CROSS JOIN (VALUES ('INSERT INTO %1$s (%2$I) SELECT NULL::%3$s WHERE false'), ('UPDATE %1$s SET %2$I = %2$I WHERE false'),
                        ('DELETE FROM %1$s WHERE false'), ('TRUNCATE %1$s'), ('LOCK TABLE %1$s IN ACCESS EXCLUSIVE MODE NOWAIT')) v (w)
WHERE NOT (p.kind = 'view' AND w NOT LIKE 'LOCK%');
CREATE TEMP TABLE tried AS
SELECT s.*, r.label, pg_temp.is_denied(r.rolname, s.statement) AS denied,
       EXISTS (SELECT FROM expected e WHERE e.object = s.object AND (e.who && ARRAY['anyone', r.label])
               AND (s.what = 'read' OR e.kind = split_part(s.statement, ' ', 1)
                    -- Whoever may delete may keep others out.
                    OR s.statement LIKE 'LOCK%' AND e.kind = 'DELETE')) AS should
FROM statements s CROSS JOIN (TABLE roles UNION ALL SELECT session_user::name, 'superuser') r;
SELECT count(*) > 500 AS many_tried FROM tried;
SELECT object, label, statement, denied FROM tried WHERE denied <> NOT (should OR label = 'superuser') ORDER BY 1, 2, 3;

-- Functions that run with their owner's rights find everything in pg_catalog, or by name.
SELECT p.oid::regprocedure AS loose_search_path FROM present o JOIN pg_proc p ON p.oid = o.oid AND o.kind = 'function'
WHERE p.prosecdef AND p.proconfig IS DISTINCT FROM '{"search_path=pg_catalog, pg_temp"}';
SELECT count(*) > 4 AS some_are_definers FROM present o JOIN pg_proc p ON p.oid = o.oid AND o.kind = 'function' AND p.prosecdef;
-- And so do the internal ones, which they call: by a setting, or because they were parsed when they were made.
SELECT p.oid::regprocedure AS loose_search_path FROM present o JOIN pg_proc p ON p.oid = o.oid AND o.kind = 'function' JOIN pg_language l ON l.oid = p.prolang
WHERE l.lanname NOT IN ('c', 'internal') AND p.prosqlbody IS NULL AND p.proconfig IS DISTINCT FROM '{"search_path=pg_catalog, pg_temp"}';
-- Settings: for superusers alone, and none holds a secret that everybody can read.
SELECT name, context FROM pg_settings WHERE name LIKE 'mend.%' AND context NOT IN ('superuser');
-- Everything belongs to who installed the extension.
SELECT p.object, p.oid FROM present p JOIN pg_class c ON c.oid = p.oid WHERE p.kind <> 'function' AND c.relowner <> (SELECT extowner FROM pg_extension WHERE extname = 'pg_mend');

-- Rights that depend on the table: mend_admin who does not own it; an agent; the owner who is not in mend_admin.
CREATE FUNCTION pg_temp.answer(role name, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    EXECUTE statement;
    RAISE EXCEPTION 'done' USING ERRCODE = 'PT000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE TABLE rights_matrix.free (id int);
ALTER TABLE rights_matrix.free OWNER TO regress_owner;
CREATE ROLE regress_both IN ROLE mend_admin, regress_owner;
CREATE TABLE rights_matrix.made (id int);
SELECT r.role, s.statement, pg_temp.answer(r.role, s.statement)
FROM (VALUES ('SELECT mend.enroll(''rights_matrix.free'')'), ('SELECT mend.configure(''rights_matrix.landing'', mode => ''auto'')'),
             ('SELECT mend.configure(''rights_matrix.landing'', healer => ''pg_database_owner'')'),
             ('SELECT mend.unenroll(''rights_matrix.landing'')'), ('SELECT mend.map_field(''rights_matrix.landing'', ''x'', ''n'')'),
             ('SELECT mend.accept_loss(''rights_matrix.landing'', ''n'')'), ('SELECT mend.read_as(''rights_matrix.landing'', ''n'', ''number'')'),
             ('SELECT * FROM mend.dry_run(''rights_matrix.landing'', ''ALTER TABLE rights_matrix.landing ADD x int'', live => true)'),
             ('SELECT healing_insert(''rights_matrix.landing'', ''{"id": 1, "n": 1}'')')) s (statement)
     CROSS JOIN (VALUES ('regress_admin'), ('regress_agent'), ('regress_owner'), ('regress_both')) r (role)
WHERE NOT (r.role = 'regress_owner' AND s.statement LIKE '%dry_run%')
ORDER BY s.statement, r.role;

SELECT mend.unenroll('rights_matrix.landing');
DELETE FROM mend.events;
DROP SCHEMA rights_matrix CASCADE;
DROP ROLE regress_both, regress_anyone, regress_owner, regress_agent, regress_admin, regress_monitor;
