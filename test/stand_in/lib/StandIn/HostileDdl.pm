# Statements for the guard: some that it must let through, and many that try to be more than they look.
package StandIn::HostileDdl;

use strict;
use warnings;
use utf8;
use Exporter 'import';

our @EXPORT = qw(allowed_ddl hostile_ddl token_soup hostile_names hostile_subcommand allowed_type);

sub pick { return $_[ int rand @_ ] }
sub chance { return rand() < $_[0] }

# The table that tests enrol: public.landing (id int PRIMARY KEY, small smallint NOT NULL, code varchar(5), price numeric(10,2), made date).
my @widenings = ([ 'small', 'integer' ], [ 'small', 'bigint' ], [ 'small', 'numeric' ], [ 'small', 'double precision' ], [ 'code', 'varchar(9)' ],
	[ 'code', 'text' ], [ 'price', 'numeric' ], [ 'price', 'numeric(14,4)' ], [ 'made', 'text' ], [ 'id', 'bigint' ]);
my @types = ('int', 'bigint', 'smallint', 'text', 'varchar(40)', 'numeric', 'numeric(10,2)', 'boolean', 'date', 'timestamptz', 'timestamp(3)', 'time',
	'uuid', 'jsonb', 'json', 'bytea', 'inet', 'cidr', 'macaddr', 'interval', 'real', 'double precision', 'text[]', 'int[]', 'pg_catalog.int8', 'char(3)');
my %defaults = (int => [ '5', '-7', "'9'" ], text => [ "'x'", "'it''s'", "''" ], boolean => [ 'true', 'false' ], numeric => ['1.5'], date => ["'2024-02-29'"], 'jsonb' => ["'{}'"]);

sub new_name
{
	return pick("n" . int(rand 1000), '"Odd ""Name' . int(rand 100) . '"', '"drop table users; --"', '"GRANT"', 'dropoff_at', '"sélect"', '"select"', 'update_' . int(rand 100));
}

sub allowed_clause
{
	my ($used) = @_;
	my $kind = rand;
	if ($kind < 0.5)
	{
		my $name = new_name();
		return () if $used->{$name}++;
		my $type = pick(@types);
		my $default = $defaults{$type} && chance(0.4) ? ' DEFAULT ' . pick(@{ $defaults{$type} }) : '';
		return 'ADD ' . pick('COLUMN ', '') . pick('IF NOT EXISTS ', '', '') . "$name $type$default";
	}
	if ($kind < 0.8)
	{
		my $w = pick(@widenings);
		return () if $used->{ $w->[0] }++;
		my $using = chance(0.3) ? " USING $w->[0]::$w->[1]" : '';
		return 'ALTER ' . pick('COLUMN ', '') . "$w->[0] " . pick('TYPE ', 'SET DATA TYPE ') . "$w->[1]$using";
	}
	if ($kind < 0.9) { return $used->{small}++ ? () : 'ALTER small DROP NOT NULL' }
	return $used->{price}++ ? () : 'ALTER COLUMN price SET DEFAULT ' . pick('0', '-1.5', "'7'");
}

# One that the guard must let through.
sub allowed_ddl
{
	my (%used, @clauses);
	@clauses = map { allowed_clause(\%used) } 1 .. 1 + int rand 4 until @clauses;
	return pick('ALTER TABLE ', 'alter table ', "ALTER\tTABLE\n", '/* heal */ ALTER TABLE ') . pick('landing ', 'public.landing ', '"public"."landing" ')
		. join(', ', @clauses) . pick('', ';', ' ; ', " -- done\n");
}

my @functions = ('evil()', 'public.evil()', 'pg_sleep(10)', 'pg_read_file(\'/etc/passwd\')', 'set_config(\'role\', \'postgres\', false)', 'lo_create(0)',
	'nextval(\'s\')', 'now()', 'current_user', '(SELECT evil())', 'random()', '1 + 1', '+7', 'ARRAY[1]', 'ROW(1)', '\'now\'::timestamptz', 'CASE WHEN evil() > 0 THEN 1 END');
my @subcommands = ('DROP COLUMN small', 'DROP COLUMN IF EXISTS code CASCADE', 'ALTER small SET NOT NULL', 'ALTER code TYPE char(1)', 'ALTER price TYPE int',
	'ALTER price TYPE real', 'ALTER id TYPE smallint', 'ADD CONSTRAINT c CHECK (evil() > 0)', 'ADD PRIMARY KEY (small)', 'ADD FOREIGN KEY (small) REFERENCES victim',
	'DROP CONSTRAINT landing_pkey', 'OWNER TO eve', 'RENAME TO other', 'SET SCHEMA elsewhere', 'SET TABLESPACE pg_default', 'ENABLE ROW LEVEL SECURITY',
	'DISABLE ROW LEVEL SECURITY', 'DISABLE TRIGGER ALL', 'ENABLE ALWAYS TRIGGER t', 'INHERIT victim', 'ATTACH PARTITION victim DEFAULT', 'SET (fillfactor = 10)',
	'SET UNLOGGED', 'SET ACCESS METHOD heap', 'CLUSTER ON landing_pkey', 'REPLICA IDENTITY FULL', 'OF elsewhere.typed', 'ALTER code SET STORAGE EXTERNAL',
	'ALTER code SET COMPRESSION pglz', 'ALTER id ADD GENERATED ALWAYS AS IDENTITY', 'ALTER price DROP DEFAULT', 'ALTER code SET (n_distinct = 1)', 'ALTER code SET STATISTICS 0',
	'ADD x int NOT NULL', 'ADD x int PRIMARY KEY', 'ADD x int UNIQUE', 'ADD x int REFERENCES victim', 'ADD x int GENERATED ALWAYS AS (evil()) STORED',
	'ADD x int GENERATED ALWAYS AS IDENTITY', 'ADD x serial', 'ADD x text COLLATE "C"', 'ADD x elsewhere.int8', 'ADD x elsewhere.text', 'ADD x victim', 'ADD x regclass',
	'ADD x oid', 'ADD x SETOF int', 'ADD x landing.id%TYPE', 'ADD x numeric((SELECT 1))', 'ADD x varchar(evil())', 'ADD x int[3][3]', 'ADD x record', 'ADD x "char"', 'ADD x xml',
	'ADD x int CHECK (evil() > 0)', 'ADD x int DEFAULT 1 CHECK (true)', 'ADD ctid int', 'ADD xmin int', 'ADD U&"\0063tid" int', 'ADD "' . ('n' x 64) . '" int', 'ADD "" int',
	'ALTER ctid TYPE text', 'ALTER nothing TYPE text', 'ALTER code TYPE text USING evil()', 'ALTER code TYPE text USING code || evil()', 'ALTER code TYPE text USING (SELECT secret FROM victim)',
	'ALTER code TYPE text USING price::text', 'ALTER code TYPE text USING code::varchar(1)', 'ALTER code TYPE text COLLATE "C"', 'VALIDATE CONSTRAINT c', 'NO INHERIT victim');
my @statements = ('DROP TABLE victim', 'DROP TABLE landing', 'TRUNCATE victim', 'DELETE FROM victim', 'UPDATE victim SET secret = 0', 'SELECT evil()', 'COPY victim TO PROGRAM \'id\'',
	'COPY landing FROM PROGRAM \'id\'', 'DO $x$ BEGIN PERFORM evil(); END $x$', 'CALL evil()', 'GRANT ALL ON victim TO PUBLIC', 'GRANT postgres TO eve', 'CREATE TABLE t (a int)',
	'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\'', 'CREATE EXTENSION dblink', 'ALTER ROLE eve SUPERUSER', 'ALTER SYSTEM SET archive_command = \'x\'',
	'ALTER DATABASE postgres SET search_path = elsewhere', 'SET ROLE postgres', 'SET search_path = elsewhere', 'RESET ALL', 'SET SESSION AUTHORIZATION postgres', 'LOAD \'x\'',
	'LISTEN x', 'NOTIFY x', 'PREPARE p AS SELECT evil()', 'EXECUTE p', 'EXPLAIN ANALYZE SELECT evil()', 'BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT s', 'VACUUM', 'ANALYZE landing',
	'REINDEX TABLE landing', 'LOCK TABLE victim', 'COMMENT ON TABLE landing IS \'x\'', 'SECURITY LABEL ON TABLE landing IS \'x\'', 'CREATE POLICY p ON landing', 'CREATE TRIGGER t BEFORE INSERT ON landing EXECUTE FUNCTION evil()',
	'CREATE RULE r AS ON INSERT TO landing DO INSTEAD NOTHING', 'CREATE INDEX ON landing (evil())', 'ALTER TABLE victim ADD x int', 'ALTER TABLE elsewhere.landing ADD x int', 'ALTER TABLE pg_temp.landing ADD x int',
	'ALTER TABLE ONLY landing ADD x int', 'ALTER TABLE IF EXISTS landing ADD x int', 'ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE pg_global', 'ALTER VIEW landing ALTER id SET DEFAULT 1',
	'ALTER FOREIGN TABLE landing ADD x int', 'ALTER INDEX landing_pkey RENAME TO x', 'ALTER TYPE landing ADD ATTRIBUTE x int', 'ALTER TABLE mend.enrollments ADD x int', 'ALTER TABLE pg_catalog.pg_class ADD x int',
	'ALTER TABLE postgres.public.victim ADD x int', 'ALTER TABLE other.public.landing ADD x int', 'REASSIGN OWNED BY eve TO postgres', 'ALTER EXTENSION pg_mend ADD TABLE landing', 'CHECKPOINT', 'DISCARD ALL',
	'SELECT mend.approve(1)', 'SELECT mend.stop()', 'ALTER EVENT TRIGGER t DISABLE', 'CREATE CAST (int AS text) WITH INOUT', 'IMPORT FOREIGN SCHEMA s FROM SERVER x INTO public', '');
my @noise = ('--', '/*', '*/', ';', ',', "'", '"', '$$', '$x$', '(', ')', '\\', 'U&', 'E\'', 'ONLY', 'IF EXISTS', 'CASCADE', 'USING', 'DEFAULT', 'NOT NULL', 'DROP COLUMN', 'ADD', 'ALTER', 'TYPE', '::', '.', '[]',
	'NULL', "\x{a0}", "\x{200b}", "\x{2028}", "\r", "\n", "\t", 'é', "\x{0430}", '1e999999999', '0x7', "'\\0'", 'COLLATE "C"', 'CONSTRAINT c', '%TYPE', 'SETOF', 'ARRAY[3]', 'victim', 'evil()', '*', '=', 'AS');

sub mutate
{
	my ($text) = @_;
	for (1 .. 1 + int rand 3)
	{
		my @tokens = split /(\s+|,|\(|\)|;)/, $text;
		my $at = int rand(@tokens || 1);
		my $how = rand;
		if ($how < 0.25) { splice @tokens, $at, 0, ' ' . pick(@noise) . ' ' }
		elsif ($how < 0.4) { splice @tokens, $at, 1 }
		elsif ($how < 0.5) { splice @tokens, $at, 0, $tokens[$at] // '' }
		elsif ($how < 0.6) { my $other = int rand @tokens; @tokens[ $at, $other ] = @tokens[ $other, $at ] }
		elsif ($how < 0.75) { splice @tokens, $at, 1, pick(@noise, @functions) }
		elsif ($how < 0.85) { splice @tokens, $at, 0, ', ' . pick(@subcommands) . ', ' }
		else { my $byte = int rand(length($text) || 1); substr($text, $byte, 1) = pick(@noise); next }
		$text = join '', map { $_ // '' } @tokens;
	}
	return $text;
}

# One that the guard should look at twice: most must be refused, and none may do more than a patch may.
sub hostile_ddl
{
	my $how = rand;
	return pick(@statements) if $how < 0.1;
	return 'ALTER TABLE landing ' . pick(@subcommands) if $how < 0.25;
	return allowed_ddl() =~ s/[;\s]*$//r . pick('; ', ";\n", ' -- ;' . "\r", '; /* */ ') . pick(@statements) if $how < 0.35;
	return 'ALTER TABLE landing ' . join(', ', map { chance(0.5) ? pick(@subcommands) : 'ADD n' . int(rand 1000) . ' ' . pick(@types) } 1 .. 1 + int rand 5) if $how < 0.5;
	return 'ALTER TABLE landing ADD n' . int(rand 1000) . ' ' . pick(@types) . ' DEFAULT ' . pick(@functions) if $how < 0.6;
	return mutate(pick(@statements)) if $how < 0.65;
	return mutate(allowed_ddl());
}

my @words = (@noise, @types, @functions, map({ split /\s+/ } @subcommands), qw(ALTER TABLE landing public.landing COLUMN IF EXISTS NOT NULL SET DATA id small code price made x y 1 -1 'a' "b" :=
	&& || ->> ?| @> <> != ^ ~ % : :: .. $1 E'\n' B'01' X'ff' U&"\\0061" $a$ TRUE FALSE SELECT FROM WHERE WITH AS LATERAL MERGE GENERATED ALWAYS STORED PERIOD TEMP ONLY INHERITS PARTITION OF FOR VALUES));

# Tokens without sense, behind a head that makes some sense; at times deeply nested, or long.
sub token_soup
{
	my $head = pick('', 'ALTER TABLE ', 'ALTER TABLE landing ', 'ALTER TABLE landing ADD x ', 'ALTER TABLE landing ADD x int DEFAULT ', 'ALTER TABLE landing ALTER code TYPE ', 'ALTER TABLE landing ALTER code TYPE text USING ', 'ALTER TABLE landing ADD x numeric(');
	my $how = rand;
	return $head . pick('(', '[', 'ARRAY[', 'CAST(', '-', '+ ', '/*', '$x$', "'", '"', 'NOT ', 'ROW(', 'CASE WHEN ', "E'\\", 'U&"') x pick(2, 50, 500, 3000) . pick('', '1', 'evil()') if $how < 0.05;
	return $head . 'a' x pick(63, 64, 100, 10000) . pick('', ' int', '.landing', '()') if $how < 0.08;
	return $head . join('', map { chr pick(9 .. 126, 0x80 .. 0x2ff, 0x200b, 0x202e, 0xfeff, 0x1f4a3) } 1 .. 1 + int rand 40) if $how < 0.2;
	return $head . join pick(' ', ' ', '', ', '), map { pick(@words) } 1 .. 1 + int rand 25;
}

sub hostile_subcommand { return pick(@subcommands) }
sub allowed_type { return pick(@types) }

# Field names that a sender may invent.
sub hostile_names
{
	return ("x\" int; DROP TABLE victim; --", "'); DELETE FROM victim; --", 'ctid', 'xmin', 'ID', 'Id', "i\x{0307}d", "\x{0456}d", 'a' x 63, 'a' x 64, 'select', '$1', '%s', "new\nline", '../x', '__proto__', 'pg_temp', 'é' x 40);
}

1;
