-- Whoever may hang the trigger of inboxes on somebody's view has not made it one.
CREATE TABLE mend.inboxes (
    view   regclass PRIMARY KEY,
    target regclass NOT NULL
);
COMMENT ON TABLE mend.inboxes IS 'The views that mend.create_inbox() has made: no other is dropped by mend.unenroll()';
COMMENT ON COLUMN mend.inboxes.view IS 'The view';
COMMENT ON COLUMN mend.inboxes.target IS 'The landing table';
SELECT pg_catalog.pg_extension_config_dump('mend.inboxes',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = view) AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = target)');
