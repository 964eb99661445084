-- What waited while the new library met the old objects, and workers that have just left for that.
CREATE FUNCTION mend.restart_workers() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'mend_restart_workers';
SELECT mend.restart_workers();
DROP FUNCTION mend.restart_workers();
