-- Nothing about a table changes at rest: owners, privileges and dependencies before enrolment, after it, and after a heal.
SET client_min_messages = warning;
CREATE SCHEMA heal_catalog_test;
SET search_path = heal_catalog_test, public;
CREATE ROLE regress_heal_owner;
CREATE ROLE regress_heal_second;
CREATE ROLE regress_heal_reader;
GRANT USAGE ON SCHEMA heal_catalog_test TO mend_healer, regress_heal_reader;
GRANT ALL ON SCHEMA heal_catalog_test TO regress_heal_owner, regress_heal_second;

-- A plain table with grants, to columns too, with option, by a grantee.
SET ROLE regress_heal_owner;
CREATE TABLE plain (id int PRIMARY KEY, note varchar(3), n int DEFAULT 1);
CREATE INDEX plain_note ON plain (note);
GRANT SELECT, INSERT ON plain TO regress_heal_reader WITH GRANT OPTION;
GRANT UPDATE (note) ON plain TO regress_heal_second;
REVOKE TRUNCATE ON plain FROM regress_heal_owner;
RESET ROLE;
SET ROLE regress_heal_reader;
GRANT SELECT ON plain TO regress_heal_second;
RESET ROLE;
-- Partitions of different owners, some with grants.
CREATE TABLE parted (id int, k text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a');
CREATE TABLE parted_b PARTITION OF parted FOR VALUES IN ('b') PARTITION BY RANGE (id);
CREATE TABLE parted_b1 PARTITION OF parted_b FOR VALUES FROM (0) TO (100);
ALTER TABLE parted OWNER TO regress_heal_owner;
ALTER TABLE parted_a OWNER TO regress_heal_second;
ALTER TABLE parted_b OWNER TO regress_heal_reader;
GRANT SELECT ON parted_a TO regress_heal_reader;
GRANT INSERT ON parted_b1 TO PUBLIC;
-- An inheritance parent whose child is another's.
CREATE TABLE parent (id int, note varchar(3));
CREATE TABLE child (more int) INHERITS (parent);
ALTER TABLE parent OWNER TO regress_heal_owner;
ALTER TABLE child OWNER TO regress_heal_second;
-- Row-level security, forced.
SET ROLE regress_heal_owner;
CREATE TABLE secured (id int, tenant name DEFAULT current_user);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
ALTER TABLE secured FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON secured TO regress_heal_reader USING (tenant = current_user);
CREATE POLICY mine ON secured FOR INSERT TO postgres WITH CHECK (true);
-- Sequences: identity and serial, and one that is only owned.
CREATE TABLE counted (id int GENERATED ALWAYS AS IDENTITY, s serial, big text);
CREATE SEQUENCE counted_more OWNED BY counted.big;
GRANT USAGE ON SEQUENCE counted_s_seq TO regress_heal_reader;
RESET ROLE;
-- A table of a superuser, a trigger, a rule, a comment, a statistics object, a view.
CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE dressed (id int UNIQUE, n int, CHECK (id > 0));
CREATE TRIGGER t BEFORE INSERT ON dressed FOR EACH ROW EXECUTE FUNCTION noop();
CREATE RULE r AS ON DELETE TO dressed DO INSTEAD NOTHING;
CREATE STATISTICS dressed_stats ON id, n FROM dressed;
CREATE VIEW dressed_view AS SELECT id FROM dressed;
COMMENT ON COLUMN dressed.n IS 'a number';
ALTER TABLE dressed ALTER COLUMN n SET STATISTICS 77, REPLICA IDENTITY FULL;

CREATE VIEW family AS
    WITH RECURSIVE tables AS (
        SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'heal_catalog_test'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname !~ '^(before|after|healed)_'
    )
    SELECT oid FROM tables
    UNION SELECT i.indexrelid FROM pg_index i JOIN tables t ON i.indrelid = t.oid
    UNION SELECT d.objid FROM pg_depend d JOIN tables t ON d.refobjid = t.oid AND d.refclassid = 'pg_class'::regclass
          WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i');
-- Everything at rest, one row a fact. A heal adds columns and TOAST tables; of the latter, names hold OIDs.
CREATE VIEW facts AS
    SELECT 'class' AS what, c.oid::regclass::text AS object,
           jsonb_build_object('owner', c.relowner::regrole, 'acl', c.relacl, 'rls', c.relrowsecurity, 'forced', c.relforcerowsecurity,
               'options', c.reloptions, 'persistence', c.relpersistence, 'space', c.reltablespace, 'identity', c.relreplident,
               'rules', c.relhasrules, 'triggers', c.relhastriggers, 'of', c.reloftype, 'am', c.relam, 'bound', pg_get_expr(c.relpartbound, c.oid),
               'row_type_owner', t.typowner::regrole, 'row_type_acl', t.typacl) AS fact
    FROM family f JOIN pg_class c USING (oid) LEFT JOIN pg_type t ON t.oid = c.reltype
    UNION ALL
    SELECT 'column', a.attrelid::regclass || '.' || a.attname,
           jsonb_build_object('acl', a.attacl, 'not_null', a.attnotnull, 'identity', a.attidentity, 'generated', a.attgenerated, 'stats', CASE WHEN NOT a.attisdropped THEN nullif(a.attstattarget, -1) END,
               'storage', a.attstorage, 'inherited', a.attinhcount, 'local', a.attislocal, 'number', a.attnum, 'comment', CASE WHEN col_description(a.attrelid, a.attnum) NOT LIKE 'pg\_mend: %' THEN col_description(a.attrelid, a.attnum) END,
               'default', pg_get_expr(d.adbin, d.adrelid))
    FROM family f JOIN pg_attribute a ON a.attrelid = f.oid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0
    UNION ALL
    SELECT 'depend', pg_describe_object(d.classid, d.objid, d.objsubid),
           jsonb_build_object('on', pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid), 'type', d.deptype)
    FROM pg_depend d
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM family)
       OR d.classid = 'pg_class'::regclass AND d.objid IN (SELECT oid FROM family)
    UNION ALL
    SELECT 'shdepend', pg_describe_object(s.classid, s.objid, s.objsubid),
           jsonb_build_object('on', pg_describe_object(s.refclassid, s.refobjid, 0), 'type', s.deptype)
    FROM pg_shdepend s
    WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (s.classid = 'pg_class'::regclass AND s.objid IN (SELECT oid FROM family)
        OR s.classid <> 'pg_class'::regclass AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = 'mend_healer'))
    UNION ALL
    SELECT 'constraint', conname || ' of ' || conrelid::regclass, jsonb_build_object('def', pg_get_constraintdef(oid), 'valid', convalidated)
    FROM pg_constraint WHERE conrelid IN (SELECT oid FROM family)
    UNION ALL
    SELECT 'policy', polname || ' of ' || polrelid::regclass, jsonb_build_object('roles', polroles::regrole[], 'with', pg_get_expr(polwithcheck, polrelid), 'using', pg_get_expr(polqual, polrelid))
    FROM pg_policy WHERE polrelid IN (SELECT oid FROM family)
    UNION ALL
    SELECT 'toast', c.oid::regclass::text, jsonb_build_object('owner', r.relowner::regrole, 'acl', r.relacl, 'same_as_table', r.relowner = c.relowner)
    FROM family f JOIN pg_class c USING (oid) JOIN pg_class r ON r.oid = c.reltoastrelid;

CREATE TEMP TABLE before_enrolment AS SELECT * FROM facts;
SELECT what, count(*) > 0 AS present FROM before_enrolment GROUP BY what ORDER BY what;
SELECT relname, mend.enroll(oid) FROM pg_class WHERE oid = ANY ('{plain,parted,parent,secured,counted,dressed}'::regclass[]) ORDER BY relname;
CREATE TEMP TABLE after_enrolment AS SELECT * FROM facts;
SELECT * FROM before_enrolment EXCEPT ALL SELECT * FROM after_enrolment;
SELECT * FROM after_enrolment EXCEPT ALL SELECT * FROM before_enrolment;

-- Heals that add columns, with and without new TOAST tables, and that rewrite.
SELECT healing_insert('plain', '{"id": 1, "note": "longer", "n": 3000000000, "extra": {"a": 1}}'),
       healing_load('parted', '[{"id": 1, "k": "a", "extra": "x"}, {"id": 2, "k": "b", "extra": "y"}]'),
       healing_insert('parent', '{"id": 3000000000, "note": "longer", "extra": 1}'),
       healing_insert('secured', '{"id": 3, "extra": 1.5}'),
       healing_insert('counted', '{"s": 3000000000, "extra": true}'), healing_insert('counted', '{"extra": true}'),
       healing_insert('dressed', '{"id": 3000000000, "n": 0.5, "extra": "x"}'), healing_insert('dressed', '{"id": 2, "extra": "x"}');
CALL mend.wait_idle();
SELECT target, state, ddl, rows_healed, rows_failed FROM mend.patches ORDER BY target::text;
SELECT target, payload, reason FROM mend.dead_letters ORDER BY target::text;
CREATE TEMP TABLE after_heal AS SELECT * FROM facts;
SELECT * FROM before_enrolment EXCEPT ALL SELECT * FROM after_heal;
SELECT what, object, fact FROM (SELECT * FROM after_heal EXCEPT ALL SELECT * FROM before_enrolment) new WHERE object !~ 'pg_toast' ORDER BY what, object COLLATE "C", fact;
-- The healer owns nothing, and nobody is a member of anything new.
SELECT count(*) FROM pg_shdepend WHERE refobjid = 'mend_healer'::regrole AND deptype = 'o';
SELECT count(*) FROM pg_auth_members WHERE roleid = 'mend_healer'::regrole OR member = 'mend_healer'::regrole;

-- The same after a revert.
SELECT p.target, mend.revert(p.id) FROM mend.patches p WHERE p.state = 'applied' AND p.target = ANY ('{parted,secured}'::regclass[]) ORDER BY 1;
SELECT what, object, fact FROM (SELECT * FROM facts EXCEPT ALL SELECT * FROM after_heal) new ORDER BY what, object COLLATE "C", fact;

-- Leave nothing behind.
SELECT target_name, mend.unenroll(target) FROM mend.enrollments ORDER BY target_name;
SELECT count(*) AS undo_tables FROM pg_class WHERE relnamespace = 'mend'::regnamespace AND relname LIKE 'undo%' AND relkind = 'r';
DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'mend'::regnamespace AND relname LIKE 'undo%' AND relkind = 'r' LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END $$;
RESET search_path;
DELETE FROM mend.dead_letters; DELETE FROM mend.drifts; DELETE FROM mend.patches; DELETE FROM mend.events;
DROP SCHEMA heal_catalog_test CASCADE;
DROP ROLE regress_heal_owner, regress_heal_second, regress_heal_reader;
