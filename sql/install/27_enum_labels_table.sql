-- Labels are what payloads bring: they stand beside the patches, which agents may read.
CREATE TABLE mend.enum_labels (
    patch  bigint PRIMARY KEY,
    labels text[] NOT NULL
);
COMMENT ON TABLE mend.enum_labels IS 'The labels that patches add to enums, of tables that do not share values';
COMMENT ON COLUMN mend.enum_labels.patch IS 'The patch, whose DDL says only how many there are';
COMMENT ON COLUMN mend.enum_labels.labels IS 'The labels, in the order in which they are added';
SELECT pg_catalog.pg_extension_config_dump('mend.enum_labels',
    $$WHERE EXISTS (SELECT FROM mend.patches p JOIN pg_catalog.pg_class c ON c.oid = p.target WHERE p.id = patch)$$);
