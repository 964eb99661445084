-- Deciding, and taking home what was decided: patches as pages and as migration files.

-- Names, fields and reasons come from strangers: on one line, none of them can end a comment or begin a statement.
-- Nor can one make what stands beside it read otherwise: characters that turn the direction of text, or show nothing, become question marks.
CREATE OR REPLACE FUNCTION mend.in_order(words text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN regexp_replace(words, E'[\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e'
                             '\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff9-\\ufffb\\U0001bca0-\\U0001bca3'
                             '\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff]', '?', 'g');
COMMENT ON FUNCTION mend.in_order(text) IS 'A text as it is read: characters that would show it in another order, or show nothing, become question marks';
REVOKE ALL ON FUNCTION mend.in_order(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.in_order(text) TO mend_admin, mend_agent;

CREATE OR REPLACE FUNCTION mend.one_line(words text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN btrim(regexp_replace(mend.in_order(words), E'[[:cntrl:][:space:]\\u2028\\u2029]+', ' ', 'g'));
COMMENT ON FUNCTION mend.one_line(text) IS 'A text on one line: line ends and control characters become blanks';
REVOKE ALL ON FUNCTION mend.one_line(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.one_line(text) TO mend_admin, mend_agent;

-- What the profile of a drift says, for a person. Never a value: the profile has none.
CREATE OR REPLACE FUNCTION mend.describe_profile(profile jsonb) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN concat_ws(', ',
    (SELECT string_agg(n || ' ' || CASE kind WHEN 'absent' THEN 'without it' ELSE kind END, ', ' ORDER BY n DESC, kind)
     FROM unnest(ARRAY['integers', 'fractions', 'booleans', 'objects', 'arrays', 'nulls', 'absent']) kind,
          LATERAL (SELECT (profile ->> kind)::bigint) c (n) WHERE n > 0),
    (SELECT string_agg(s.value || ' ' || CASE s.key WHEN 'other' THEN 'texts' ELSE 'texts that are ' || mend.one_line(s.key) END, ', ' ORDER BY s.value::text DESC, s.key)
     FROM jsonb_each_text(CASE jsonb_typeof(profile -> 'strings') WHEN 'object' THEN profile -> 'strings' ELSE '{}' END) s),
    CASE WHEN (profile ->> 'max_length')::bigint > 0
         THEN format('of %s to %s characters', profile ->> 'min_length', profile ->> 'max_length') END,
    CASE WHEN (profile ->> 'max_integer_digits')::bigint > 0
         THEN format('up to %s digits before the point', profile ->> 'max_integer_digits') END,
    CASE WHEN (profile ->> 'max_scale')::bigint > 0
         THEN format('up to %s digits after it', profile ->> 'max_scale') END);
COMMENT ON FUNCTION mend.describe_profile(jsonb) IS 'The profile of a drift in words: JSON types, formats, lengths and digits, never a value';
REVOKE ALL ON FUNCTION mend.describe_profile(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.describe_profile(jsonb) TO mend_admin, mend_agent;

-- What stands on a table or on one of its columns. Functions whose body is a text are found by the names in it.
CREATE OR REPLACE FUNCTION mend.dependents(target regclass, columns name[], OUT column_name name, OUT dependent text)
RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE family AS (
        SELECT dependents.target::oid AS relid
        UNION SELECT i.inhrelid FROM pg_inherits i JOIN family f ON i.inhparent = f.relid
    ), touched AS (
        SELECT a.attrelid, a.attnum, a.attname FROM family f JOIN pg_attribute a ON a.attrelid = f.relid
        WHERE a.attname = ANY (dependents.columns) AND a.attnum > 0 AND NOT a.attisdropped
    )
    SELECT DISTINCT t.attname, CASE
        WHEN d.classid = 'pg_rewrite'::regclass THEN
            (SELECT CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' ELSE 'rule ' || quote_ident(r.rulename) || ' on ' END || c.oid::regclass
             FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.oid = d.objid)
        WHEN d.classid = 'pg_class'::regclass THEN
            (SELECT CASE WHEN c.relkind IN ('i', 'I') THEN 'index ' WHEN c.relkind = 'S' THEN 'sequence ' ELSE 'relation ' END || c.oid::regclass
             FROM pg_class c WHERE c.oid = d.objid AND c.oid <> t.attrelid)
        WHEN d.classid = 'pg_constraint'::regclass THEN
            (SELECT CASE c.contype WHEN 'f' THEN CASE WHEN c.confrelid = t.attrelid AND c.conrelid <> t.attrelid THEN 'foreign key of another table: ' ELSE 'foreign key ' END
                                   WHEN 'c' THEN 'CHECK constraint ' WHEN 'p' THEN 'primary key ' WHEN 'u' THEN 'unique constraint ' ELSE 'constraint ' END
                    || quote_ident(c.conname) || ' of ' || c.conrelid::regclass
             FROM pg_constraint c WHERE c.oid = d.objid)
        WHEN d.classid = 'pg_attrdef'::regclass THEN
            (SELECT 'generated column ' || quote_ident(a.attname) FROM pg_attrdef g JOIN pg_attribute a ON a.attrelid = g.adrelid AND a.attnum = g.adnum
             WHERE g.oid = d.objid AND g.adnum <> t.attnum)
        ELSE pg_describe_object(d.classid, d.objid, d.objsubid)
        END
    FROM touched t JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.attrelid AND d.refobjsubid = t.attnum
    UNION
    SELECT t.attname, 'publication ' || quote_ident(p.pubname) || ' (names the column)'
    FROM touched t JOIN pg_publication_rel r ON r.prrelid = t.attrelid JOIN pg_publication p ON p.oid = r.prpubid
    WHERE t.attnum = ANY (r.prattrs::int2[])
    UNION
    SELECT NULL, 'publication ' || quote_ident(p.pubname)
    FROM pg_publication p JOIN pg_publication_tables v ON v.pubname = p.pubname
         JOIN pg_class c ON c.relname = v.tablename JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = v.schemaname
    WHERE c.oid = dependents.target OR c.oid IN (SELECT relid FROM family)
    UNION
    SELECT NULL, 'function ' || p.oid::regprocedure || ' (its body names the table)'
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('internal', 'c')
         JOIN pg_class c ON c.oid = dependents.target
    WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'mend'::regnamespace)
      -- Backslashes that mean the same where standard_conforming_strings is off.
      AND p.prosrc ~* (E'\\m' || regexp_replace(c.relname, '([^[:alnum:]_])', E'\\\\\\1', 'g') || E'\\M')
    UNION
    SELECT NULL, 'trigger ' || quote_ident(g.tgname) FROM pg_trigger g WHERE g.tgrelid = dependents.target AND NOT g.tgisinternal
$$;
COMMENT ON FUNCTION mend.dependents(regclass, name[]) IS
'Views, indexes, constraints, foreign keys, generated columns, publications, triggers and functions that stand on a table.
target: the table
columns: the columns whose dependents are wanted
column_name: the column it stands on; null: the table as a whole
dependent: what it is';
REVOKE ALL ON FUNCTION mend.dependents(regclass, name[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.dependents(regclass, name[]) TO mend_admin, mend_agent;

-- Readings stand in it as clauses that PostgreSQL is never told of.
CREATE OR REPLACE FUNCTION mend.ddl_for_server(patch mend.patches) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN coalesce((patch).ddl, '') = '' OR NOT EXISTS (SELECT FROM jsonb_array_elements((patch).evidence -> 'actions') a WHERE a ->> 'kind' = 'read_as')
        THEN mend.full_ddl(patch)
    WHEN NOT EXISTS (SELECT FROM jsonb_array_elements((patch).evidence -> 'actions') a WHERE a ->> 'kind' <> 'read_as') THEN ''
    ELSE regexp_replace(regexp_replace((patch).ddl, $r$, ALTER COLUMN ("([^"]|"")+"|[^ ]+) SET \(mend\.read_as =( E)? ?'([^'\\]|''|\\.)*'\)$r$, '', 'g'),
                        $r$ALTER COLUMN ("([^"]|"")+"|[^ ]+) SET \(mend\.read_as =( E)? ?'([^'\\]|''|\\.)*'\), $r$, '', 'g') END;
COMMENT ON FUNCTION mend.ddl_for_server(mend.patches) IS 'Internal: of a patch''s DDL, what PostgreSQL runs';
REVOKE ALL ON FUNCTION mend.ddl_for_server(mend.patches) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.ddl_for_server(mend.patches) TO mend_admin, mend_agent;

CREATE OR REPLACE FUNCTION mend.explain_locks(patch mend.patches) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN coalesce(mend.ddl_for_server(patch), '') = '' THEN '    nothing: it only records where fields go, or how they are read' || E'\n'
    ELSE format(E'    ACCESS EXCLUSIVE on %s: nobody reads or writes it meanwhile.\n'
                '    It waits for the lock for mend.lock_timeout (%s) at most, then tries again later;\n'
                '    past mend.max_lock_hold (%s) with it, everything is rolled back.\n%s',
                mend.one_line((patch).target_name), coalesce(current_setting('mend.lock_timeout', true), '2s'),
                coalesce(current_setting('mend.max_lock_hold', true), '10s'),
                CASE WHEN (patch).rewrites_table
                     THEN format(E'    It rewrites the table and its indexes, under that lock: %s now, about twice that on disk meanwhile.\n',
                                 coalesce((SELECT pg_size_pretty(sum(pg_total_relation_size(f.relid)))
                                           FROM (SELECT (patch).target::oid UNION SELECT relid::oid FROM pg_partition_tree((patch).target)) f (relid)
                                           WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = f.relid)), 'size unknown'))
                     ELSE E'    It does not rewrite the table: it changes the catalogs only.\n' END)
END;
COMMENT ON FUNCTION mend.explain_locks(mend.patches) IS 'Internal: the part of mend.explain_patch() about locks';
REVOKE ALL ON FUNCTION mend.explain_locks(mend.patches) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.explain_locks(mend.patches) TO mend_admin, mend_agent;

-- The other way for what rewrites a table.
CREATE OR REPLACE FUNCTION mend.explain_online(patch mend.patches) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    why text;
    closed text;
BEGIN
    IF NOT (patch).rewrites_table OR (patch).state NOT IN ('proposed', 'approved')
       OR NOT EXISTS (SELECT FROM mend.enrollments e JOIN pg_class c ON c.oid = e.target WHERE e.target = (patch).target) THEN
        RETURN '';
    END IF;
    why := mend.why_not_online((patch).id);
    IF why IS NOT NULL THEN
        RETURN format(E'    It cannot be done online: %s.\n', mend.one_line(why));
    END IF;
    closed := mend.why_online_only((patch).id);
    RETURN CASE WHEN closed IS NULL THEN '' ELSE format(E'    That way is closed: %s.\n', mend.one_line(closed)) END || format(
                  E'    Online (mend.approve(%s, online => true)) nobody waits for long: a second column, kept in step by a trigger and filled in\n'
                  '    batches (mend.online_pace), takes the place of the first. ACCESS EXCLUSIVE for some milliseconds, twice and once more\n'
                  '    where checks are carried, each waited for as above; SHARE UPDATE EXCLUSIVE, which keeps nobody from reading or writing,\n'
                  '    while its rows are looked at and its indexes are built.\n'
                  '    It writes every row once more: about %s more on disk, until vacuum makes room, and the indexes of the column\n'
                  '    a second time.\n'
                  '    Carried over: its indexes, primary key and unique constraints, CHECKs, NOT NULL, default, identity or sequence,\n'
                  '    privileges, comments, statistics target and objects, foreign keys, replica identity, lists of columns of publications.\n'
                  '    Afterwards the column stands last in the table. Meanwhile SELECT * shows both, and COPY without a list of columns\n'
                  '    asks for both.\n',
                  (patch).id, coalesce(pg_size_pretty(pg_table_size((patch).target)), 'its size'));
END
$$;
COMMENT ON FUNCTION mend.explain_online(mend.patches) IS 'Internal: the part of mend.explain_patch() about the other way, without a long lock';
REVOKE ALL ON FUNCTION mend.explain_online(mend.patches) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.explain_online(mend.patches) TO mend_admin, mend_agent;

CREATE OR REPLACE FUNCTION mend.explain_changes(patch mend.patches) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN coalesce(nullif(concat(
    CASE WHEN mend.ddl_for_server(patch) <> '' THEN '    ' || mend.in_order(translate(mend.ddl_for_server(patch), E'\n\r', '  ')) || E';\n' END,
    (SELECT string_agg('    column ' || mend.one_line(quote_ident(a ->> 'column')) || ' is read by ' || mend.one_line(a ->> 'reading') || E', where a value does not fit as it is\n', '' ORDER BY a ->> 'column')
     FROM jsonb_array_elements((patch).evidence -> 'actions') a WHERE a ->> 'kind' = 'read_as' AND (patch).ddl IS NOT NULL),
    CASE WHEN (patch).ddl IS NULL AND (patch).state = 'refused' THEN '    ' || mend.one_line((patch).proposed_ddl) || E'\n    (as proposed: none of it ever runs)\n' END,
    (SELECT string_agg('    field ' || to_json(mend.one_line(m.key)) || CASE WHEN m.value IS NULL THEN ' is ignored' ELSE ' goes to column ' || mend.one_line(quote_ident(m.value)) END || E'\n', '' ORDER BY m.key)
     FROM jsonb_each_text((patch).field_map) m)), ''), E'    nothing\n');
COMMENT ON FUNCTION mend.explain_changes(mend.patches) IS 'Internal: the part of mend.explain_patch() about what is proposed';
REVOKE ALL ON FUNCTION mend.explain_changes(mend.patches) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.explain_changes(mend.patches) TO mend_admin, mend_agent;

CREATE OR REPLACE FUNCTION mend.explain_what_now(patch mend.patches) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE (patch).state
    WHEN 'proposed' THEN format(E'    SELECT mend.approve(%s);\n    SELECT mend.reject(%1$s, ''why'');   -- its rows become dead letters, and it is not proposed again\n', (patch).id)
    WHEN 'approved' THEN CASE WHEN (patch).online
        THEN format(E'    SELECT mend.pause_widening(%1$s), mend.resume_widening(%1$s) or mend.cancel_widening(%1$s); see mend.status\n', (patch).id)
        ELSE E'    nothing: the worker applies it; see mend.status\n' END
    WHEN 'applied' THEN format(E'    SELECT mend.revert(%s);      -- loses nothing: values of a dropped column are kept in mend.undo_%1$s\n    SELECT mend.migration(%1$s);   -- for your repository\n', (patch).id)
    WHEN 'superseded' THEN E'    nothing: another patch, or a change of the table, has taken its place\n'
    WHEN 'reverted' THEN E'    nothing: its fields are never given a column again by themselves; mend.map_field() gives them one\n'
    ELSE E'    correct what the reason names, then SELECT mend.retry(' || quote_literal(mend.one_line((patch).target_name)) || E');\n'
         '    or propose another: SELECT mend.propose(' || quote_literal(mend.one_line((patch).target_name)) || E', ''ALTER TABLE ...'');\n' END;
COMMENT ON FUNCTION mend.explain_what_now(mend.patches) IS 'Internal: the part of mend.explain_patch() about what a person can do';
REVOKE ALL ON FUNCTION mend.explain_what_now(mend.patches) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.explain_what_now(mend.patches) TO mend_admin, mend_agent;

CREATE OR REPLACE FUNCTION mend.explain_patch(id bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    patch mend.patches;
    columns name[];
    page text;
BEGIN
    SELECT * INTO patch FROM mend.patches p WHERE p.id = explain_patch.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no patch %', id USING ERRCODE = 'undefined_object', HINT = 'See mend.patches.';
    END IF;
    columns := ARRAY(SELECT (a ->> 'column')::name FROM jsonb_array_elements(patch.evidence -> 'actions') a
                     UNION SELECT m.value::name FROM jsonb_each_text(patch.field_map) m WHERE m.value IS NOT NULL);
    page := format(E'Patch %s of %s is %s%s\nproposed %s by %s (planner: %s%s)\n', patch.id, mend.one_line(patch.target_name), patch.state,
                   ': ' || mend.one_line(patch.reason), date_trunc('second', patch.created_at), mend.one_line(patch.proposed_by), patch.planner,
                   ', model: ' || mend.one_line(patch.model));
    IF patch.decided_at IS NOT NULL AND patch.decided_by IS DISTINCT FROM 'pg_mend' THEN
        page := page || format(E'decided %s by %s\n', date_trunc('second', patch.decided_at), mend.one_line(patch.decided_by));
    END IF;
    page := page || E'\nWhat it does\n' || mend.explain_changes(patch)
        || E'\nWhat takes it back\n    ' || coalesce(mend.in_order(translate(patch.inverse_ddl, E'\n\r', '  ')) || ';', 'nothing to take back in the table') || E'\n'
        || E'\nWhy\n    ' || coalesce(nullif(replace(mend.in_lines(mend.one_line(patch.rationale), 100), E'\n', E'\n    '), ''), 'no reason was given') || E'\n'
        || E'\nThe evidence\n' || coalesce((
               SELECT string_agg(format(E'    field %s: %s, %s payloads: %s\n', to_json(mend.one_line(d ->> 'field')), d ->> 'kind',
                                        d ->> 'rows', mend.describe_profile(d -> 'profile')), '' ORDER BY n)
               FROM jsonb_array_elements(patch.evidence -> 'drift') WITH ORDINALITY x (d, n)), E'    no drift that is waiting\n')
        || E'\nWhat the dry run showed\n    ' || CASE
               WHEN patch.evidence ? 'proof' THEN format('%s of %s waiting payloads that do not fit the table fit with it; converted in memory, nothing was altered',
                                                         patch.evidence #>> '{proof,rows_healed}', patch.evidence #>> '{proof,rows_tried}')
               ELSE 'there was none: the guard did not let it through' END
        || CASE WHEN patch.evidence #> '{proof}' ? 'dead_letters_tried'
                THEN format(E'\n    %s of %s dead letters fit with it: once it is applied, SELECT mend.retry(%s)', patch.evidence #>> '{proof,dead_letters_healed}',
                            patch.evidence #>> '{proof,dead_letters_tried}', quote_literal(mend.one_line(patch.target_name)))
                ELSE '' END
        || CASE WHEN patch.applied_at IS NOT NULL
                THEN format(E'\n    Applied %s: %s payloads stored, %s failed again', date_trunc('second', patch.applied_at), patch.rows_healed, patch.rows_failed)
                ELSE '' END
        || E'\n\nWhat it locks\n' || mend.explain_locks(patch) || mend.explain_online(patch)
        || E'\nWhat depends on it\n' || coalesce((
               SELECT string_agg(format(E'    %s%s\n', mend.one_line('column ' || quote_ident(d.column_name)) || ': ', mend.one_line(d.dependent)), '' ORDER BY d.column_name, d.dependent)
               FROM mend.dependents(patch.target, columns) d WHERE d.dependent IS NOT NULL), E'    nothing that PostgreSQL knows of\n')
        || E'\nWhat you can do\n' || mend.explain_what_now(patch);
    RETURN page;
END
$$;
COMMENT ON FUNCTION mend.explain_patch(bigint) IS
    'A page about one patch: what it does, on what evidence, what it locks, whether it rewrites, what depends on its columns, what the dry run showed, and how to decide';
REVOKE ALL ON FUNCTION mend.explain_patch(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.explain_patch(bigint) TO mend_admin, mend_agent;

CREATE OR REPLACE FUNCTION mend.migration(id bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    patch mend.patches;
BEGIN
    SELECT * INTO patch FROM mend.patches p WHERE p.id = migration.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no patch %', id USING ERRCODE = 'undefined_object', HINT = 'See mend.patches.';
    ELSIF patch.applied_at IS NULL AND patch.state NOT IN ('proposed', 'approved') THEN
        RAISE EXCEPTION 'patch % is %: it was never applied', id, patch.state
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Only what was applied, or waits to be, has a migration.';
    END IF;
    RETURN format(E'-- pg_mend: patch %s of %s, %s%s\n', patch.id, mend.one_line(patch.target_name),
                  CASE WHEN patch.applied_at IS NULL THEN 'not applied yet' ELSE format('applied %s', date_trunc('second', patch.applied_at)) END,
                  CASE WHEN patch.state = 'reverted' THEN format(', reverted %s', date_trunc('second', patch.decided_at)) ELSE '' END)
        || format(E'-- planner: %s%s%s%s\n', patch.planner, ' (' || mend.one_line(patch.model) || ')',
                  CASE WHEN patch.decided_by IS DISTINCT FROM 'pg_mend' AND patch.state <> 'reverted' THEN '; approved by ' || mend.one_line(patch.decided_by) ELSE '' END,
                  '; payloads stored: ' || CASE WHEN patch.applied_at IS NOT NULL THEN patch.rows_healed END)
        || coalesce('-- ' || nullif(mend.one_line(patch.rationale), '') || E'\n', '')
        || coalesce((SELECT string_agg(format(E'-- drift: %s, %s, %s payloads\n', to_json(mend.one_line(d ->> 'field')), d ->> 'kind', d ->> 'rows'), '' ORDER BY n)
                     FROM jsonb_array_elements(patch.evidence -> 'drift') WITH ORDINALITY x (d, n)), '')
        || CASE WHEN patch.applied_at IS NULL
                THEN format(E'-- The database that it comes from does not have it yet. Change subscribers first, then there: SELECT mend.approve(%s);\n', patch.id)
                ELSE E'-- The database that it comes from has it already: mark it as applied there.\n' END
        || CASE WHEN coalesce(mend.ddl_for_server(patch), '') = '' THEN E'\n-- The table stays as it is.\n' ELSE E'\n' || mend.ddl_for_server(patch) || E';\n' END
        || coalesce((SELECT E'\n-- Where pg_mend runs, values are read by:\n'
                            || string_agg(format(E'-- SELECT mend.read_as(%L, %L, %L);\n', mend.one_line(patch.target_name), mend.one_line(a ->> 'column'), mend.one_line(a ->> 'reading')), '' ORDER BY a ->> 'column')
                     FROM jsonb_array_elements(patch.evidence -> 'actions') a WHERE a ->> 'kind' = 'read_as' HAVING count(*) > 0), '')
        || coalesce((SELECT E'\n-- Where pg_mend runs, fields also find their columns by:\n'
                            || string_agg(format(E'-- SELECT mend.map_field(%L, %L, %L);\n', mend.one_line(patch.target_name), mend.one_line(m.key), mend.one_line(m.value)), '' ORDER BY m.key)
                     FROM jsonb_each_text(patch.field_map) m HAVING count(*) > 0), '')
        || CASE WHEN coalesce(patch.inverse_ddl, '') = '' THEN '' ELSE E'\n-- To take it back:\n-- ' || mend.one_line(patch.inverse_ddl) || E';\n' END;
END
$$;
COMMENT ON FUNCTION mend.migration(bigint) IS
    'A patch that is applied, or waits to be, as a migration file: a header with its origin, the DDL, and the inverse as a comment. What waits is for subscribers, which change first';
REVOKE ALL ON FUNCTION mend.migration(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.migration(bigint) TO mend_admin, mend_agent;

CREATE OR REPLACE FUNCTION mend.migrations(since timestamptz) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.file FROM (
        SELECT p.applied_at AS at, p.id, mend.migration(p.id) AS file FROM mend.patches p WHERE p.applied_at >= since
        UNION ALL
        SELECT p.decided_at, p.id, format(E'-- pg_mend: patch %s of %s, applied %s, reverted %s by %s\n\n%s;\n', p.id, mend.one_line(p.target_name),
                                          date_trunc('second', p.applied_at), date_trunc('second', p.decided_at), mend.one_line(p.decided_by), p.inverse_ddl)
        FROM mend.patches p WHERE p.state = 'reverted' AND p.decided_at >= since AND coalesce(p.inverse_ddl, '') <> ''
    ) f ORDER BY f.at, f.id
$$;
COMMENT ON FUNCTION mend.migrations(timestamptz) IS
    'What was applied, and what was reverted, since a time: one migration file a row, in the order in which it happened';
REVOKE ALL ON FUNCTION mend.migrations(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.migrations(timestamptz) TO mend_admin, mend_agent;
