-- What people had granted and revoked, on all that is still there. Privileges at installation stay those of the script.
DO $do$
DECLARE
    p record;
BEGIN
    CREATE TEMPORARY TABLE mend_initial AS SELECT * FROM pg_init_privs;
    FOR p IN SELECT * FROM mend_privileges ORDER BY given LOOP
        BEGIN
            EXECUTE CASE WHEN p.given THEN format('GRANT %s TO %s%s', p.how, p.grantee, p.option) ELSE format('REVOKE %s FROM %s CASCADE', p.how, p.grantee) END;
        EXCEPTION WHEN undefined_function OR undefined_table OR undefined_column OR undefined_object THEN
            RAISE WARNING 'a privilege is not given again, for its object is another now: %', format('%s to %s', p.how, p.grantee);
        END;
    END LOOP;
    UPDATE pg_init_privs i SET initprivs = k.initprivs FROM mend_initial k
    WHERE k.objoid = i.objoid AND k.classoid = i.classoid AND k.objsubid = i.objsubid AND k.initprivs::text <> i.initprivs::text;
    DELETE FROM pg_init_privs i WHERE i.privtype = 'e'
        AND NOT EXISTS (SELECT FROM mend_initial k WHERE k.objoid = i.objoid AND k.classoid = i.classoid AND k.objsubid = i.objsubid);
    -- From PostgreSQL 17 on, roles are noted there too.
    DELETE FROM pg_shdepend d WHERE d.deptype = 'i' AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND EXISTS (SELECT FROM pg_depend m JOIN pg_extension e ON e.extname = 'pg_mend' AND m.refobjid = e.oid
                    WHERE m.refclassid = 'pg_extension'::regclass AND m.deptype = 'e' AND m.classid = d.classid AND m.objid = d.objid)
        AND NOT EXISTS (SELECT FROM pg_init_privs i, aclexplode(i.initprivs) x
                        WHERE i.classoid = d.classid AND i.objoid = d.objid AND x.grantee = d.refobjid);
    DROP TABLE mend_initial;
END
$do$;
DROP TABLE mend_privileges;

-- What waited while the new library met the old objects, and workers that have just left for that.
CREATE FUNCTION mend.restart_workers() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'mend_restart_workers';
SELECT mend.restart_workers();
DROP FUNCTION mend.restart_workers();
