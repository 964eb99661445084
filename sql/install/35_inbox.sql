CREATE OR REPLACE FUNCTION mend.take_inbox() RETURNS trigger
    AS 'MODULE_PATHNAME', 'mend_take_inbox' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION mend.take_inbox() IS
    'Trigger of inbox views: offers the payloads of a statement in batches, with the rights of whoever inserts';

CREATE OR REPLACE FUNCTION mend.create_inbox(target regclass) RETURNS regclass
    AS 'MODULE_PATHNAME', 'mend_create_inbox' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION mend.create_inbox IS
'Makes a view beside a landing table, called after it with _inbox behind, whose one column takes payloads by INSERT or COPY.
Whoever may insert into the table may insert into the view. The caller owns the table; DROP VIEW, mend.unenroll() and
DROP EXTENSION take the view away.
target: the landing table';
-- A trigger runs with no right on its function; to make one takes it.
REVOKE ALL ON FUNCTION mend.take_inbox(), mend.create_inbox(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.take_inbox(), mend.create_inbox(regclass) TO mend_admin;
