-- Makes the temporary view `catalog`: every fact that the catalogs of this database hold about pg_mend, as (object, property,
-- value), in words that are the same in each database: names, no OIDs. Members of the extension and all that hangs on them: columns,
-- defaults, constraints, indexes, triggers, rules, types of rows; owner, privileges, privileges at installation, comments,
-- dependencies, what a dump takes along, rows that the installation wrote. Not: pg_attver, by which the server counts versions of a row
-- type.
CREATE TEMPORARY VIEW members AS
WITH RECURSIVE parts (classid, objid) AS (
    SELECT d.classid, d.objid FROM pg_depend d
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
      AND d.refobjid = (SELECT e.oid FROM pg_extension e WHERE e.extname = 'pg_mend')
    UNION
    SELECT d.classid, d.objid FROM pg_depend d JOIN parts p ON d.refclassid = p.classid AND d.refobjid = p.objid
    WHERE d.deptype IN ('a', 'i', 'P', 'S')
)
SELECT p.classid, p.objid, i.type || ' ' || i.identity AS object
FROM parts p, pg_identify_object(p.classid, p.objid, 0) i
WHERE i.identity NOT LIKE '%pg_toast.pg_toast_%'
UNION ALL
SELECT 'pg_extension'::regclass, e.oid, 'extension pg_mend' FROM pg_extension e WHERE e.extname = 'pg_mend';

-- Privileges as sorted text, whoever granted them.
CREATE FUNCTION pg_temp.privileges(acl aclitem[]) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN acl IS NULL THEN 'default' ELSE coalesce(string_agg(format('%s%s to %s', x.privilege_type,
        CASE WHEN x.is_grantable THEN ' grantable' ELSE '' END, CASE x.grantee WHEN 0 THEN 'public' ELSE x.grantee::regrole::text END), ', '
        ORDER BY x.grantee::regrole::text COLLATE "C", x.privilege_type), 'none') END
    FROM aclexplode(acl) x
$$;

-- Rows of a table that the installation wrote, without the times at which it did.
CREATE FUNCTION pg_temp.written(relation regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    written text;
BEGIN
    EXECUTE format('SELECT string_agg(r, E''\n'' ORDER BY r COLLATE "C") FROM (SELECT (SELECT string_agg(e.key || ''='' || e.value, '' '' ORDER BY e.key COLLATE "C")
        FROM jsonb_each(to_jsonb(t)) e WHERE jsonb_typeof(e.value) <> ''string'' OR e.value #>> ''{}'' !~ ''^\d{4}-\d\d-\d\dT'') AS r FROM %s t) x', relation)
        INTO written;
    RETURN coalesce(written, '');
END
$$;

CREATE TEMPORARY VIEW catalog AS
WITH facts (object, property, value) AS (
    SELECT m.object, 'exists', 'yes' FROM members m
    UNION ALL
    SELECT m.object, 'extension', format('version %s, relocatable %s, schema %s, owner %s', e.extversion, e.extrelocatable,
        e.extnamespace::regnamespace, e.extowner::regrole)
    FROM members m JOIN pg_extension e ON m.classid = 'pg_extension'::regclass AND m.objid = e.oid
    UNION ALL
    SELECT m.object, 'dumped ' || c.relation::regclass, c.filter
    FROM members m JOIN pg_extension e ON m.classid = 'pg_extension'::regclass AND m.objid = e.oid,
        LATERAL unnest(e.extconfig, e.extcondition) c (relation, filter)
    UNION ALL
    SELECT m.object, 'schema', format('owner %s, privileges %s', n.nspowner::regrole, pg_temp.privileges(n.nspacl))
    FROM members m JOIN pg_namespace n ON m.classid = 'pg_namespace'::regclass AND m.objid = n.oid
    UNION ALL
    SELECT m.object, 'relation', format('kind %s, persistence %s, owner %s, method %s, options %s, row security %s %s, replica identity %s',
        c.relkind, c.relpersistence, c.relowner::regrole, (SELECT a.amname FROM pg_am a WHERE a.oid = c.relam), c.reloptions,
        c.relrowsecurity, c.relforcerowsecurity, c.relreplident)
    FROM members m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
    UNION ALL
    SELECT m.object, 'privileges', pg_temp.privileges(c.relacl)
    FROM members m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
    UNION ALL
    SELECT m.object, 'definition', pg_get_viewdef(c.oid)
    FROM members m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid AND c.relkind IN ('v', 'm')
    UNION ALL
    SELECT m.object, 'index', format('%s, valid %s, clustered %s, replica identity %s', pg_get_indexdef(i.indexrelid), i.indisvalid,
        i.indisclustered, i.indisreplident)
    FROM members m JOIN pg_index i ON m.classid = 'pg_class'::regclass AND m.objid = i.indexrelid
    UNION ALL
    SELECT m.object, 'sequence', format('type %s, start %s, increment %s, from %s to %s, cache %s, cycles %s', s.seqtypid::regtype, s.seqstart,
        s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
    FROM members m JOIN pg_sequence s ON m.classid = 'pg_class'::regclass AND m.objid = s.seqrelid
    UNION ALL
    SELECT m.object, 'column ' || a.attname, format('number %s, type %s, collation %s, not null %s, identity %L, generated %L, storage %s, compression %L, options %s %s, statistics %s, default %s',
        a.attnum, format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation, a.attnotnull, a.attidentity, a.attgenerated,
        a.attstorage, a.attcompression, (SELECT array_agg(o) FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg_attver=%'), a.attfdwoptions, coalesce(nullif(a.attstattarget, -1)::text, 'default'), pg_get_expr(d.adbin, d.adrelid))
    FROM members m JOIN pg_attribute a ON m.classid = 'pg_class'::regclass AND m.objid = a.attrelid AND a.attnum > 0
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    UNION ALL
    SELECT m.object, 'column ' || a.attname || ' privileges', pg_temp.privileges(a.attacl)
    FROM members m JOIN pg_attribute a ON m.classid = 'pg_class'::regclass AND m.objid = a.attrelid AND a.attnum > 0
    UNION ALL
    SELECT m.object, 'rows', pg_temp.written(c.oid)
    FROM members m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid AND c.relkind IN ('r', 'p')
    UNION ALL
    SELECT m.object, 'constraint', format('%s, validated %s, no inherit %s', pg_get_constraintdef(c.oid), c.convalidated, c.connoinherit)
    FROM members m JOIN pg_constraint c ON m.classid = 'pg_constraint'::regclass AND m.objid = c.oid
    UNION ALL
    SELECT m.object, 'trigger', format('%s, enabled %s', pg_get_triggerdef(t.oid), t.tgenabled)
    FROM members m JOIN pg_trigger t ON m.classid = 'pg_trigger'::regclass AND m.objid = t.oid
    UNION ALL
    SELECT m.object, 'rule', format('%s, enabled %s', pg_get_ruledef(r.oid), r.ev_enabled)
    FROM members m JOIN pg_rewrite r ON m.classid = 'pg_rewrite'::regclass AND m.objid = r.oid
    UNION ALL
    SELECT m.object, 'policy', format('%s %s %s %s %s', p.polcmd, p.polpermissive, p.polroles::regrole[],
        pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM members m JOIN pg_policy p ON m.classid = 'pg_policy'::regclass AND m.objid = p.oid
    UNION ALL
    SELECT m.object, 'event trigger', format('on %s, tags %s, function %s, owner %s, enabled %s', t.evtevent, t.evttags, t.evtfoid::regprocedure,
        t.evtowner::regrole, t.evtenabled)
    FROM members m JOIN pg_event_trigger t ON m.classid = 'pg_event_trigger'::regclass AND m.objid = t.oid
    UNION ALL
    SELECT m.object, 'type', format('kind %s, owner %s, privileges %s, not null %s, default %s', t.typtype, t.typowner::regrole,
        pg_temp.privileges(t.typacl), t.typnotnull, t.typdefault)
    FROM members m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
    UNION ALL
    SELECT m.object, 'labels', (SELECT string_agg(l.enumlabel, ', ' ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid)
    FROM members m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND m.objid = t.oid AND t.typtype = 'e'
    UNION ALL
    SELECT m.object, 'function', format('%s owner %s', CASE p.prokind WHEN 'a' THEN '' ELSE pg_get_functiondef(p.oid) END, p.proowner::regrole)
    FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
    UNION ALL
    SELECT m.object, 'privileges', pg_temp.privileges(p.proacl)
    FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
    UNION ALL
    SELECT m.object, 'symbol', p.probin || ' ' || p.prosrc
    FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid AND p.probin IS NOT NULL
    UNION ALL
    SELECT m.object, coalesce('column ' || a.attname || ' ', '') || 'privileges at installation', format('%s: %s', i.privtype, pg_temp.privileges(i.initprivs))
    FROM members m JOIN pg_init_privs i ON i.classoid = m.classid AND i.objoid = m.objid
    LEFT JOIN pg_attribute a ON i.objsubid <> 0 AND a.attrelid = i.objoid AND a.attnum = i.objsubid
    UNION ALL
    SELECT m.object, coalesce('column ' || a.attname || ' ', '') || 'comment', c.description
    FROM members m JOIN pg_description c ON c.classoid = m.classid AND c.objoid = m.objid
    LEFT JOIN pg_attribute a ON c.objsubid <> 0 AND a.attrelid = c.objoid AND a.attnum = c.objsubid
    UNION ALL
    SELECT m.object, 'label of ' || l.provider, l.label
    FROM members m JOIN pg_seclabel l ON l.classoid = m.classid AND l.objoid = m.objid
    UNION ALL
    SELECT m.object, 'depends on ' || i.type || ' ' || i.identity || coalesce(', from its column ' || a.attname, ''), string_agg(d.deptype::text, '' ORDER BY d.deptype)
    FROM members m JOIN pg_depend d ON d.classid = m.classid AND d.objid = m.objid
    LEFT JOIN pg_attribute a ON d.classid = 'pg_class'::regclass AND d.objsubid <> 0 AND a.attrelid = d.objid AND a.attnum = d.objsubid,
        pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid) i
    WHERE d.deptype <> 'p'
    GROUP BY m.object, i.type, i.identity, a.attname
    UNION ALL
    SELECT m.object, 'depends on ' || i.type || ' ' || i.identity, string_agg(d.deptype::text, '' ORDER BY d.deptype)
    FROM members m JOIN pg_shdepend d ON d.dbid = (SELECT b.oid FROM pg_database b WHERE b.datname = current_database())
        AND d.classid = m.classid AND d.objid = m.objid,
        pg_identify_object(d.refclassid, d.refobjid, 0) i
    GROUP BY m.object, i.type, i.identity
)
SELECT object, property, coalesce(value, 'null') AS value FROM facts;
