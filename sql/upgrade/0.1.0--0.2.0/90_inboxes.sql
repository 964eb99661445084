-- An inbox of 0.1 depends on the extension, which nobody else can have a view do.
INSERT INTO mend.inboxes (view, target)
SELECT DISTINCT ON (v.oid) v.oid, e.target
FROM pg_depend x JOIN pg_class v ON x.classid = 'pg_class'::regclass AND v.oid = x.objid AND v.relkind = 'v'
    JOIN pg_extension n ON x.refclassid = 'pg_extension'::regclass AND n.oid = x.refobjid AND n.extname = 'pg_mend'
    JOIN pg_rewrite r ON r.ev_class = v.oid
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    JOIN mend.enrollments e ON e.target = d.refobjid
WHERE x.deptype = 'a';
