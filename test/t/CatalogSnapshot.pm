# Everything in a database but the landing tables of a test, in comparable form; and what a patch may have made of those.
# The tables are those of schema public whose names begin with "landing", shaped as StandIn::HostileDdl knows them.
package CatalogSnapshot;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(landing_columns snapshot_functions snapshot snapshot_is outside);

sub landing_columns { return '(id int PRIMARY KEY, small smallint NOT NULL, code varchar(5), price numeric(10,2), made date)' }

# snapshot_rows(): every row of every catalog that does not belong to a landing, and all rows of other tables. snapshot(): the same, a line
# for each table. fixed: what the landings are, as far as no patch may change it. strange: columns that no patch may have made.
sub snapshot_functions
{
	return q{
	CREATE VIEW family AS
	SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname ~ '^landing';
	CREATE FUNCTION snapshot_rows() RETURNS TABLE (catalog text, content text) LANGUAGE plpgsql AS $$
	DECLARE
		family oid[] := ARRAY(SELECT oid FROM family
			UNION SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM family)
			UNION SELECT reltoastrelid FROM pg_class WHERE oid IN (SELECT oid FROM family) AND reltoastrelid <> 0
			UNION SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT reltoastrelid FROM pg_class WHERE oid IN (SELECT oid FROM family)));
		t record;
	BEGIN
		FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'
				AND relname <> 'pg_statistic' ORDER BY 1 LOOP
			RETURN QUERY EXECUTE format('SELECT %L, %s FROM pg_catalog.%I c WHERE %s', t.relname,
				CASE WHEN t.relname IN ('pg_class', 'pg_attribute') THEN '(to_jsonb(c) - ''{relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid,attoptions}''::text[])::text'
					ELSE 'c::text' END, t.relname,
				CASE t.relname WHEN 'pg_class' THEN 'oid <> ALL ($1)' WHEN 'pg_attribute' THEN 'attrelid <> ALL ($1)' WHEN 'pg_attrdef' THEN 'adrelid <> ALL ($1)'
					WHEN 'pg_index' THEN 'indrelid <> ALL ($1)' WHEN 'pg_constraint' THEN 'conrelid <> ALL ($1)' WHEN 'pg_type' THEN 'typrelid <> ALL ($1)'
					WHEN 'pg_depend' THEN 'NOT (classid = ''pg_class''::regclass AND objid = ANY ($1) OR refclassid = ''pg_class''::regclass AND refobjid = ANY ($1))'
					WHEN 'pg_shdepend' THEN 'NOT (classid = ''pg_class''::regclass AND objid = ANY ($1))'
					-- A column says which patch made or changed it.
					WHEN 'pg_description' THEN 'NOT (classoid = ''pg_class''::regclass AND objoid = ANY ($1) AND objsubid > 0 AND description ~ ''^pg_mend: (added|widened|changed) by patch [0-9]+ on [0-9-]+'')'
					ELSE '$1 IS NOT NULL' END)
			USING family;
		END LOOP;
		FOR t IN SELECT oid::regclass::text AS name FROM pg_class WHERE relnamespace::regnamespace::text IN ('public', 'elsewhere') AND relkind IN ('r', 'S')
				AND oid <> ALL (family) ORDER BY 1 LOOP
			RETURN QUERY EXECUTE format('SELECT %L, to_jsonb(r)::text FROM (SELECT * FROM %s) r', t.name, t.name);
		END LOOP;
	END $$;
	CREATE FUNCTION snapshot() RETURNS text LANGUAGE sql AS $$
		SELECT string_agg(catalog || ' ' || sum, E'\n' ORDER BY catalog) FROM (SELECT catalog, md5(string_agg(content, '' ORDER BY content)) AS sum FROM snapshot_rows() GROUP BY 1) c $$;
	CREATE VIEW fixed AS
	SELECT c.oid, jsonb_build_object('class', to_jsonb(c) - '{relfilenode,relpages,reltuples,relallvisible,relallfrozen,relnatts,relfrozenxid,relminmxid,reltoastrelid}'::text[],
		'constraints', (SELECT jsonb_agg(pg_get_constraintdef(oid) ORDER BY oid) FROM pg_constraint WHERE conrelid = c.oid),
		'indexes', (SELECT jsonb_agg(pg_get_indexdef(indexrelid) ORDER BY indexrelid) FROM pg_index WHERE indrelid = c.oid),
		'triggers', (SELECT jsonb_agg(to_jsonb(t) ORDER BY oid) FROM pg_trigger t WHERE tgrelid = c.oid),
		'policies', (SELECT jsonb_agg(to_jsonb(p) ORDER BY oid) FROM pg_policy p WHERE polrelid = c.oid),
		'rules', (SELECT jsonb_agg(to_jsonb(r) ORDER BY oid) FROM pg_rewrite r WHERE ev_class = c.oid),
		'parents', (SELECT jsonb_agg(to_jsonb(i)) FROM pg_inherits i WHERE c.oid IN (inhrelid, inhparent)),
		'columns', (SELECT jsonb_agg(jsonb_build_array(attnum, attname, attacl, attidentity, attgenerated, attisdropped, attinhcount, attcompression) ORDER BY attnum)
			FROM pg_attribute WHERE attrelid = c.oid AND attnum BETWEEN 1 AND 5)) AS facts
	FROM pg_class c JOIN family USING (oid);
	-- Of the new and the changed, what may be: plain columns of built-in types, defaults that are constants.
	CREATE VIEW strange AS
	SELECT attrelid::regclass AS landing, attname, format_type(atttypid, atttypmod) AS type, attnotnull, pg_get_expr(adbin, adrelid) AS default_is
	FROM family JOIN pg_class c USING (oid) JOIN pg_attribute a ON attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE attnum > 0 AND (attisdropped OR attidentity <> '' OR attgenerated <> '' OR attcollation NOT IN (0, 100) OR attinhcount > 0 AND NOT relispartition OR attacl IS NOT NULL
		OR attnotnull AND attname NOT IN ('id', 'small') OR atttypid >= 16384
		-- A quoted literal or a number, with casts.
		OR pg_get_expr(adbin, adrelid) !~ '^\(?(''([^'']|'''')*''|-?[0-9.]+|true|false|NULL|\(-[0-9.]+\))\)?(::[a-z 0-9\[\](),]+)*$'
		OR CASE attname WHEN 'id' THEN atttypid NOT IN ('int'::regtype, 'bigint'::regtype, 'numeric'::regtype, 'float8'::regtype, 'text'::regtype, 'varchar'::regtype, 'jsonb'::regtype)
			WHEN 'small' THEN atttypid NOT IN ('int2'::regtype, 'int'::regtype, 'bigint'::regtype, 'numeric'::regtype, 'float8'::regtype, 'text'::regtype, 'varchar'::regtype, 'jsonb'::regtype)
			WHEN 'code' THEN atttypid NOT IN ('varchar'::regtype, 'text'::regtype, 'jsonb'::regtype) OR atttypmod BETWEEN 0 AND 8
			WHEN 'price' THEN atttypid NOT IN ('numeric'::regtype, 'text'::regtype, 'varchar'::regtype, 'jsonb'::regtype)
			WHEN 'made' THEN atttypid NOT IN ('date'::regtype, 'text'::regtype, 'varchar'::regtype, 'jsonb'::regtype) ELSE false END)};
}

my %rows;    # as they were when snapshot() was called

sub rows_of { my ($node) = @_; return map { ($_ => 1) } split /\n/, $node->safe_psql('postgres', 'SELECT catalog, content FROM snapshot_rows()') }

sub snapshot
{
	my ($node) = @_;
	%rows = rows_of($node);
	return $node->safe_psql('postgres', 'SELECT snapshot()');
}

# Whether the snapshot is what snapshot() said; if not, the rows that differ are shown.
sub snapshot_is
{
	my ($node, $before, $what) = @_;
	return pass($what) if $node->safe_psql('postgres', 'SELECT snapshot()') eq $before;
	my %now = rows_of($node);
	diag(map { "was $_\n" } sort grep { !$now{$_} } keys %rows);
	diag(map { "is  $_\n" } sort grep { !$rows{$_} } keys %now);
	return fail($what);
}

# What is not in a database: the server's settings, and files that are not its own.
sub outside
{
	my ($node) = @_;
	my $data = $node->data_dir;
	my @files = sort map { s/^\Q$data\E\///r } grep { !m{/(?:postmaster\.(?:pid|opts)|mend_test_points)$} } glob("$data/* $data/base/*");
	return join "\n", @files, slurp_file("$data/postgresql.auto.conf"), $node->safe_psql('postgres', "SELECT string_agg(concat_ws('=', name, setting), E'\n' ORDER BY name) FROM pg_settings WHERE name NOT IN ('transaction_deferrable')");
}

1;
