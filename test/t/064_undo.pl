# A patch that is applied and taken back leaves the table as it was, by every catalog that speaks of it. Tables, their dress and
# the patches are random; MEND_SEED repeats a run, MEND_ROUNDS makes it longer.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The same tables every time, unless told otherwise: MEND_SEED=0 takes others.
my $seed = $ENV{MEND_SEED} // 1;
$seed ||= int(rand(1_000_000));
srand($seed);
note("MEND_SEED=$seed");
my $rounds = $ENV{MEND_ROUNDS} || 25;
my $node = mend_node('undo', "mend.idle_exit = '1h'", 'mend.patches_per_hour = 0', 'mend.column_cooldown = 0', 'mend.max_columns = 1600');
sub query { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }
sub pick { return $_[ int rand @_ ] }
sub chance { return rand() < $_[0] }

# What the catalogs say of a table, in words that outlive a rewrite. The number of a dropped column is never given back.
query(q{
	CREATE ROLE owner; CREATE ROLE reader; CREATE ROLE writer; GRANT ALL ON SCHEMA public TO owner;
	CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
	CREATE VIEW facts AS
	WITH RECURSIVE family AS (
		SELECT c.oid AS root, c.oid FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
		UNION SELECT f.root, i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.oid)
	SELECT f.root, 'table' AS what, c.oid::regclass::text AS object,
		to_jsonb(c) - '{oid,relfilenode,relpages,reltuples,relallvisible,relallfrozen,relnatts,relfrozenxid,relminmxid,reltoastrelid}'::text[] AS fact
	FROM family f JOIN pg_class c USING (oid)
	UNION ALL
	SELECT f.root, 'comment', pg_describe_object(d.classoid, d.objoid, d.objsubid), to_jsonb(d.description)
	FROM family f JOIN pg_description d ON d.objoid = f.oid AND d.classoid = 'pg_class'::regclass
	UNION ALL
	SELECT f.root, 'comment', 'index ' || d.objoid::regclass, to_jsonb(d.description)
	FROM family f JOIN pg_index i ON i.indrelid = f.oid JOIN pg_description d ON d.objoid = i.indexrelid AND d.classoid = 'pg_class'::regclass
		-- ALTER TYPE itself gives the comment of a partitioned index to the indexes of the partitions.
		JOIN pg_class x ON x.oid = i.indexrelid AND NOT x.relispartition
	UNION ALL
	SELECT f.root, 'column', a.attrelid::regclass || '.' || a.attname, to_jsonb(a) - '{attcacheoff,attmissingval,atthasmissing,attndims}'::text[]
		-- attndims binds nobody: the column of a partition has 0 until its type is altered.
		-- Some builds of the server stamp a version number into the options.
		|| jsonb_build_object('attoptions', (SELECT jsonb_agg(o ORDER BY o) FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg_attver=%'), 'type', format_type(a.atttypid, a.atttypmod), 'default', pg_get_expr(d.adbin, d.adrelid))
	FROM family f JOIN pg_attribute a ON a.attrelid = f.oid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attnum > 0 AND NOT a.attisdropped
	UNION ALL
	SELECT f.root, 'constraint', conname::text, jsonb_build_object('def', pg_get_constraintdef(c.oid), 'valid', convalidated, 'comment', obj_description(c.oid, 'pg_constraint'))
	FROM family f JOIN pg_constraint c ON c.conrelid = f.oid
	UNION ALL
	SELECT f.root, 'index', i.indexrelid::regclass::text, to_jsonb(i) - '{indexrelid,indrelid,indcheckxmin}'::text[]
		|| jsonb_build_object('def', pg_get_indexdef(i.indexrelid), 'owner', c.relowner::regrole, 'options', c.reloptions, 'space', c.reltablespace)
	FROM family f JOIN pg_index i ON i.indrelid = f.oid JOIN pg_class c ON c.oid = i.indexrelid
	UNION ALL
	SELECT f.root, 'statistics', stxname::text, jsonb_build_object('def', pg_get_statisticsobjdef(s.oid), 'owner', stxowner::regrole, 'comment', obj_description(s.oid, 'pg_statistic_ext'))
	FROM family f JOIN pg_statistic_ext s ON s.stxrelid = f.oid
	UNION ALL
	SELECT f.root, 'trigger', tgname::text, to_jsonb(pg_get_triggerdef(t.oid)) FROM family f JOIN pg_trigger t ON t.tgrelid = f.oid AND NOT tgisinternal
	UNION ALL
	SELECT f.root, 'policy', polname::text, jsonb_build_object('using', pg_get_expr(polqual, polrelid), 'with', pg_get_expr(polwithcheck, polrelid), 'roles', polroles)
	FROM family f JOIN pg_policy p ON p.polrelid = f.oid
	UNION ALL
	SELECT f.root, 'sequence', s.oid::regclass::text, jsonb_build_object('owner', s.relowner::regrole, 'acl', s.relacl)
	FROM family f JOIN pg_depend d ON d.refobjid = f.oid AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
	UNION ALL
	SELECT f.root, 'row type', t.typname::text, jsonb_build_object('owner', t.typowner::regrole, 'acl', t.typacl) FROM family f JOIN pg_class c USING (oid) JOIN pg_type t ON t.oid = c.reltype});

# A value of each type in SQL and in JSON, a default, and what it may be widened to, each with JSON that only the wider type holds.
my %types = (
	smallint => [ '7', '8', '5', { integer => 40000, bigint => 40000, numeric => 0.5, text => '"w"', 'double precision' => 0.5 } ],
	integer => [ '70000', '7', '-3', { bigint => 3000000000, numeric => 3000000000, 'double precision' => 0.5, text => '"w"', 'numeric(20,2)' => 0.25 } ],
	bigint => [ '1234567890123', '7', '0', { numeric => '100000000000000000000', text => '"w"' } ],
	real => [ '0.5', '0.25', '0.25', { 'double precision' => 16777217 } ],
	'numeric(10,2)' => [ '12.34', '1.5', '1.50', { numeric => 0.125, 'numeric(12,2)' => 9999999999, 'numeric(14,4)' => 0.1234, text => '"w"' } ],
	'varchar(5)' => [ "'abc'", '"a"', "'dflt'", { 'varchar(9)' => '"sixsix"', varchar => '"sixsix"', text => '"sixsix"' } ],
	'char(4)' => [ "'abcd'", '"abcd"', "'wxyz'", { text => '"longer"' } ],
	date => [ "'2024-02-29'", '"2024-03-01"', "'2024-01-01'", { text => '"some day"' } ],
	'timestamp(0)' => [ "'2024-02-29 10:00:00'", '"2024-02-29T10:00:00"', "'2024-01-01 00:00:00'",
		{ 'timestamp(3)' => '"2024-02-29T10:00:00.5"', timestamp => '"2024-02-29T10:00:00.5"', text => '"some day"' } ],
	'timestamptz(0)' => [ "'2024-02-29 10:00:00Z'", '"2024-02-29T10:00:00Z"', "'2024-01-01 00:00:00Z'",
		{ 'timestamptz(3)' => '"2024-02-29T10:00:00.5Z"', timestamptz => '"2024-02-29T10:00:00.5Z"' } ],
	'time(0)' => [ "'10:00:00'", '"11:00:00"', "'00:00:00'", { 'time(3)' => '"10:00:00.5"', time => '"10:00:00.5"' } ],
	boolean => [ 'true', 'false', 'false', { text => '"maybe"' } ],
	uuid => [ "'8d2a0f5e-9cf1-4b5e-9a61-0f2d3c4b5a69'", '"8d2a0f5e-9cf1-4b5e-9a61-0f2d3c4b5a60"', "'00000000-0000-0000-0000-000000000000'", { text => '"nobody"' } ],
	cidr => [ "'10.0.0.0/8'", '"10.0.0.0/8"', "'192.168.0.0/24'", { inet => '"10.0.0.1/8"' } ],
	'varchar(5)[]' => [ "'{a,b}'", '["a"]', "'{}'", { 'text[]' => '["sixsix"]', 'varchar(9)[]' => '["sixsix"]' } ],
	'integer[]' => [ "'{1,2}'", '[1]', "'{3}'", { 'bigint[]' => '[3000000000]' } ],
	'bit varying(4)' => [ "B'101'", '"1"', "B'0'", { 'bit varying(8)' => '"10101"', 'bit varying' => '"10101"' } ],
);
my @type_names = sort keys %types;
my @new_columns = ([ 'int', 1 ], [ 'bigint', 1 ], [ 'text', '"x"' ], [ 'jsonb', '{"a": 1}' ], [ 'numeric(8,3)', 1.5 ],
	[ 'timestamptz', '"2024-02-29T10:00:00Z"' ], [ 'text[]', '["a"]' ], [ 'uuid', '"8d2a0f5e-9cf1-4b5e-9a61-0f2d3c4b5a60"' ],
	[ 'boolean DEFAULT true', 'false' ], [ "text DEFAULT 'new'", '"x"' ], [ 'int DEFAULT 7', 1 ], [ "date DEFAULT '2024-01-01'", '"2024-02-29"' ],
	[ "int[] DEFAULT '{1}'", '[5]' ]);

my (%applied, $refused);
for my $round (1 .. $rounds)
{
	my $table = "t$round";
	my $parted = chance(0.2);
	my @columns = map { { name => pick("c$_", "Odd Name $_", "sel\"ect$_"), type => pick(@type_names) } } 1 .. 2 + int rand 4;
	$_->{quoted} = '"' . $_->{name} =~ s/"/""/gr . '"' for @columns;
	my @definitions = ('id int' . ($parted ? '' : pick('', ' PRIMARY KEY', ' GENERATED BY DEFAULT AS IDENTITY')));
	for my $column (@columns)
	{
		$column->{not_null} = chance(0.4);
		$column->{default} = chance(0.5);
		# A default that comes to nothing: a patch may put another over it.
		my $value = "$types{$column->{type}}[2]::$column->{type}";
		$column->{void} = $column->{not_null} && !$column->{default} && chance(0.5);
		push @definitions, "$column->{quoted} $column->{type}" . ($column->{not_null} ? ' NOT NULL' : '')
			. ($column->{default} ? " DEFAULT $types{$column->{type}}[2]" : $column->{void} ? " DEFAULT nullif($value, $value)" : '');
	}
	my $sql = "SET ROLE owner; CREATE TABLE $table (" . join(', ', @definitions) . ')'
		. ($parted ? " PARTITION BY RANGE (id); CREATE TABLE ${table}_p PARTITION OF $table DEFAULT" : '') . ';';
	for my $column (@columns)
	{
		my $q = $column->{quoted};
		$sql .= "GRANT SELECT ($q), UPDATE ($q) ON $table TO reader WITH GRANT OPTION;" if chance(0.3);
		$sql .= "COMMENT ON COLUMN $table.$q IS 'about it''s column';" if chance(0.3);
		$sql .= "ALTER TABLE $table ALTER $q SET STATISTICS " . int(rand 200) . ';' if chance(0.3);
		$sql .= "ALTER TABLE $table ALTER $q SET (n_distinct = -0.5);" if chance(0.2);
		$sql .= "ALTER TABLE $table ALTER $q SET STORAGE " . pick('EXTERNAL', 'MAIN') . ';' if $column->{type} =~ /char|\[\]/ && chance(0.3);
		$sql .= "ALTER TABLE $table ALTER $q SET COMPRESSION pglz;" if $column->{type} =~ /char|\[\]/ && chance(0.2);
		$sql .= "CREATE INDEX ON $table ($q);" if chance(0.3);
	}
	$sql .= "CREATE INDEX ${table}_named ON $table (id, $columns[0]{quoted} DESC NULLS LAST) WITH (fillfactor = 70); COMMENT ON INDEX ${table}_named IS 'an index';" if chance(0.5);
	$sql .= "ALTER TABLE $table ADD CONSTRAINT ${table}_check CHECK (id <> -77); COMMENT ON CONSTRAINT ${table}_check ON $table IS 'a check';" if chance(0.4);
	$sql .= "CREATE STATISTICS ${table}_stats ON id, $columns[0]{quoted} FROM $table;" if chance(0.3) && $columns[0]{type} !~ /cidr|bit/;
	$sql .= "COMMENT ON TABLE $table IS 'a table';" if chance(0.4);
	$sql .= "GRANT INSERT, SELECT ON $table TO writer; REVOKE DELETE ON $table FROM owner;" if chance(0.5);
	$sql .= "ALTER TABLE $table ENABLE ROW LEVEL SECURITY; ALTER TABLE $table " . pick('', 'NO ') . "FORCE ROW LEVEL SECURITY; CREATE POLICY p ON $table USING (id > 0);" if chance(0.3);
	$sql .= "CREATE TRIGGER tr " . pick('BEFORE', 'AFTER') . " INSERT ON $table FOR EACH ROW EXECUTE FUNCTION noop();" if chance(0.3);
	$sql .= "ALTER TABLE $table ADD dropped int; ALTER TABLE $table DROP dropped;" if chance(0.3);
	$sql .= "ALTER TABLE $table REPLICA IDENTITY FULL;" if chance(0.2);
	$sql .= 'RESET ROLE;';
	query($sql);
	my $values = join ', ', map { $types{ $_->{type} }[0] } @columns;
	query("INSERT INTO $table VALUES (1, $values)");
	query("SELECT mend.enroll('$table', 'review', allow => '{add_column,widen_type,drop_not_null,set_default,map_field}')");

	# One to three patches, one on the other, taken back in the reverse order.
	my (@ids, @states);
	for my $patch (1 .. 1 + int rand 3)
	{
		my (@clauses, %row, $map);
		# Only storing a row shows that a default comes to nothing: such a patch has nothing else to show.
		my ($void) = chance(0.7) ? grep { $_->{void} && $_->{not_null} && !$_->{default} && !$_->{widened} } @columns : ();
		if ($void)
		{
			push @clauses, [ "ALTER $void->{quoted} SET DEFAULT $types{ $void->{type} }[2]", 'set_default', $void ];
			$row{ $_->{name} } = $types{ $_->{type} }[1] for grep { $_ != $void && $_->{not_null} && !$_->{widened} } @columns;
			$row{ $_->{name} } = $_->{last} for grep { $_->{widened} } @columns;
		}
		for my $column ($void ? () : @columns)
		{
			my ($q, $type) = ($column->{quoted}, $types{ $column->{type} });
			my @wider = sort keys %{ $type->[3] };
			if (chance(0.4) && !$column->{widened})
			{
				my $to = pick(@wider);
				push @clauses, [ "ALTER $q TYPE $to", 'widen_type', $column ];
				$column->{last} = $row{ $column->{name} } = $type->[3]{$to};
			}
			elsif ($column->{not_null} && chance(0.4))
			{
				push @clauses, [ "ALTER $q DROP NOT NULL", 'drop_not_null', $column ];
				$row{ $column->{name} } = 'null';
			}
			elsif ($column->{not_null} && !$column->{default} && !$column->{void} && !$column->{widened} && chance(0.5))
			{
				push @clauses, [ "ALTER $q SET DEFAULT $type->[2]", 'set_default', $column ];
			}
			elsif (!$map && chance(0.2) && !$column->{widened})
			{
				$map = $column->{name};
				$row{"field $patch"} = $type->[1];
			}
			elsif ($column->{not_null}) { $row{ $column->{name} } = $type->[1] }
		}
		for my $n (1 .. ($void ? 0 : int rand 3))
		{
			my $new = pick(@new_columns);
			push @clauses, [ "ADD COLUMN \"new $patch $n\" $new->[0]", 'add_column' ];
			$row{"new $patch $n"} = $new->[1];
		}
		next unless @clauses;
		my $ddl = "ALTER TABLE public.$table " . join(', ', map { $_->[0] } @clauses);
		my $json = sub { '"' . $_[0] =~ s/"/\\"/gr . '"' };
		my $field_map = $map ? "{\"field $patch\": " . $json->($map) . '}' : '{}';
		my $payload = '{"id": ' . (1000 + $patch) . join('', map { ', ' . $json->($_) . ": $row{$_}" } sort keys %row) . '}';
		push @states, query("SELECT md5(string_agg(f::text, E'\\n' ORDER BY f::text)) FROM facts f WHERE root = '$table'::regclass");
		query("CREATE TABLE IF NOT EXISTS mend.kept_$table (step int, what text, object text, fact jsonb)");
		query("INSERT INTO mend.kept_$table SELECT $#states, what, object, fact FROM facts WHERE root = '$table'::regclass");
		query("SET SESSION AUTHORIZATION owner; SELECT healing_insert('$table', \$x\$$payload\$x\$)");
		my (undef, $id, $refusal) = $node->psql('postgres', "SET client_min_messages = error; SELECT mend.propose('$table', \$x\$$ddl\$x\$, \$x\$$field_map\$x\$)");
		die "$ddl: $refusal" unless $id;
		if (query("SELECT state FROM mend.patches WHERE id = $id") ne 'proposed')
		{
			# A key, an index on an expression or the like; the guard has its own tests.
			note("refused: $ddl: " . query("SELECT reason FROM mend.patches WHERE id = $id"));
			$refused++;
			pop @states;
			query("DELETE FROM mend.kept_$table WHERE step = " . scalar(@states));
			query("UPDATE mend.enrollments SET mode = 'paused' WHERE target = '$table'::regclass; DELETE FROM mend.queue WHERE target = '$table'::regclass;
				UPDATE mend.enrollments SET mode = 'review' WHERE target = '$table'::regclass");
			next;
		}
		query("SELECT mend.approve($id)");
		query("CALL mend.wait_idle('$table')");
		my $state = query("SELECT state || ' ' || coalesce(reason, '') FROM mend.patches WHERE id = $id");
		is($state, 'applied ', "round $round: $ddl") or diag($payload . query("SELECT kind, error, reason FROM mend.dead_letters")), last;
		push @ids, $id;
		$applied{ $_->[1] }++ for @clauses;
		$applied{map_field}++ if $map;
		for my $clause (@clauses)
		{
			$applied{'set_default over another'}++ if $clause->[1] eq 'set_default' && $clause->[2]{void};
			$clause->[2]{widened} = 1 if $clause->[1] eq 'widen_type';
			$clause->[2]{not_null} = 0 if $clause->[1] eq 'drop_not_null';
			$clause->[2]{default} = 1 if $clause->[1] eq 'set_default';
		}
	}
	# What was stored thanks to a patch would be lost with it.
	query("DELETE FROM $table WHERE id >= 1000");
	while (my $id = pop @ids)
	{
		my $step = $#ids + 1;
		my ($status, undef, $error) = $node->psql('postgres', "SELECT mend.revert($id)");
		is($error // '', '', "round $round: patch $id is taken back") or last;
		my $different = query(qq{
			SELECT string_agg(format('%s %s %s: %s', sign, what, object, fact), E'\\n') FROM (
				(SELECT '-' AS sign, what, object, fact FROM (SELECT what, object, fact FROM mend.kept_$table WHERE step = $step EXCEPT ALL
					SELECT what, object, fact FROM facts WHERE root = '$table'::regclass) gone)
				UNION ALL (SELECT '+', what, object, fact FROM (SELECT what, object, fact FROM facts WHERE root = '$table'::regclass EXCEPT ALL
					SELECT what, object, fact FROM mend.kept_$table WHERE step = $step) more)) d});
		is($different, '', "round $round: and the table is as it was before it") or last;
	}
	query("DELETE FROM mend.queue WHERE target = '$table'::regclass; SELECT mend.unenroll('$table'); DROP TABLE $table CASCADE; DROP TABLE IF EXISTS mend.kept_$table");
}
note('figures: undone: ' . join ', ', map { "$_ $applied{$_}" } sort keys %applied);
note('refused by the guard: ' . ($refused // 0));
ok($applied{$_}, "$_ was among them") for qw(add_column widen_type drop_not_null set_default map_field), 'set_default over another';
nothing_crashed($node);
$node->stop;
done_testing();
