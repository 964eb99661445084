# Every kind of table that Citus knows heals as its plain twin does: the same rows, the same patches, the same dead letters in
# the same words.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CitusTest;
use Test::More;

my ($coordinator, @workers) = citus_cluster();
my $sql = sub { $coordinator->safe_psql('postgres', @_) };
my $as_app = sub { $coordinator->safe_psql('postgres', $_[0], extra_params => [ '-U', 'app' ]) };

my $columns = 'name varchar(8), n int, m int CHECK (m <> 13), q int NOT NULL DEFAULT 1';
my %kinds = (
	hash => "CREATE TABLE %s (id bigint PRIMARY KEY, $columns)|SELECT create_distributed_table('%s', 'id')",
	keyless => "CREATE TABLE %s (id bigint NOT NULL, $columns)|SELECT create_distributed_table('%s', 'id')",
	two_keys => "CREATE TABLE %s (id bigint, k int, $columns, PRIMARY KEY (id, k), UNIQUE (id, name))|SELECT create_distributed_table('%s', 'id')",
	reference => "CREATE TABLE %s (id bigint PRIMARY KEY, $columns)|SELECT create_reference_table('%s')",
	single => "CREATE TABLE %s (id bigint PRIMARY KEY, $columns)|SELECT create_distributed_table('%s', NULL)",
	local => "CREATE TABLE %s (id bigint PRIMARY KEY, $columns)|SELECT citus_add_local_table_to_metadata('%s')",
	a_name_that_is_so_long_that_citus_must_cut_it_to_fit_the_sha => "CREATE TABLE %s (id bigint PRIMARY KEY, $columns)|SELECT create_distributed_table('%s', 'id')",
	parted => "CREATE TABLE %s (id bigint, d date, $columns, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);"
	  . "CREATE TABLE %s_1 PARTITION OF %s FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');"
	  . "CREATE TABLE %s_2 PARTITION OF %s FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')|SELECT create_distributed_table('%s', 'id')",
);

my @payloads = map { qq({"id": $_, "name": "n$_", "n": $_, "d": "2024-05-05", "k": 1}) } 1 .. 40;
push @payloads,
  '{"id": 101, "name": "new", "n": 1, "extra": "some text", "d": "2025-05-05", "k": 1}',         # a column to add
  '{"id": 102, "name": "new", "n": 1, "extra": "more", "flag": true, "d": "2024-05-05", "k": 1}',
  '{"id": 103, "name": "wide", "n": 5000000000, "d": "2024-05-05", "k": 1}',                       # types to widen
  '{"id": 104, "name": "longer than eight", "n": 1, "d": "2024-05-05", "k": 1}',
  '{"id": 7, "name": "n7", "n": 1, "d": "2024-05-05", "k": 1}',                                    # a key that is there
  '{"id": 8, "name": "n8", "n": 1, "d": "2024-05-05", "k": 1}',
  '{"id": 105, "name": "check", "m": 13, "d": "2024-05-05", "k": 1}',                              # refused by constraints
  '{"id": 106, "name": "null", "n": 1, "q": null, "d": "2024-05-05", "k": 1}',
  '{"id": 107, "name": "none", "n": 1, "d": "2030-05-05", "k": 1}',                                # no partition
  '{"name": "no id", "n": 1, "d": "2024-05-05", "k": 1}',
  '{"id": null, "name": "no id", "n": 1, "d": "2024-05-05", "k": 1}',
  '{"id": 108, "name": "word", "n": "many", "d": "2024-05-05", "k": 1}',                           # nothing that heals
  '{"id": "x", "name": "word", "n": 1, "d": "2024-05-05", "k": 1}';

# The twins have one name, in two schemas.
$sql->('CREATE SCHEMA plain AUTHORIZATION app');

sub seen
{
	my ($table) = @_;
	my $all = join "\n", $sql->(qq{SELECT to_jsonb(t) FROM $table t ORDER BY id, n}),
	  $sql->(qq{SELECT payload::jsonb, kind, field, sqlstate, error, reason FROM mend.dead_letters
		WHERE target = '$table'::regclass ORDER BY payload}),
	  $sql->(qq{SELECT payload::jsonb, kind, field, sqlstate, error FROM mend.queue WHERE target = '$table'::regclass ORDER BY payload}),
	  $sql->(qq{SELECT state, ddl, inverse_ddl FROM mend.patches WHERE target = '$table'::regclass ORDER BY id});
	$all =~ s/\b(?:plain|public)\.//g;
	return $all;
}

for my $kind (sort keys %kinds)
{
	my ($make, $distribute) = split /\|/, $kinds{$kind};
	my @mine = grep { ($kind eq 'parted' || !/2030/) } @payloads;
	my %made;
	for my $schema ('public', 'plain')
	{
		(my $ddl = $make) =~ s/%s/$schema.$kind/g;
		$as_app->($ddl);
		if ($schema eq 'public')
		{
			(my $call = $distribute) =~ s/%s/$kind/g;
			$sql->($call);
		}
		my $table = "$schema.$kind";
		$sql->("SELECT mend.enroll('$table')");
		$made{$schema} = $as_app->("SELECT healing_load('$table', \$p\$[" . join(',', @mine) . ']$p$::text)');
		wait_idle($coordinator);
		$made{$schema} .= "\n" . seen($table);
	}
	is($made{public}, $made{plain}, "$kind: as on a plain table");
	like($made{public}, qr/^applied/m, "$kind: patches were applied");
	shards_agree($coordinator, $kind, $kind);
	my $last = $sql->("SELECT max(id) FROM mend.patches WHERE target = '$kind'::regclass AND state = 'applied'");
	my ($status, undef, $error) = $coordinator->psql('postgres', "SELECT mend.revert($last)");
	like($error, qr/holds values that do not fit/, "$kind: a revert that would lose values is refused");
	$sql->("DELETE FROM $kind WHERE n > 2000000000 OR length(name) > 8; SELECT mend.revert($last)");
	is($sql->("SELECT state FROM mend.patches WHERE id = $last"), 'reverted', "$kind: and the patch is reverted without them");
	cmp_ok($sql->("SELECT count(*) FROM mend.undo_$last WHERE extra IS NOT NULL"), '==', 2, "$kind: what the columns that went had is kept");
	shards_agree($coordinator, $kind, "$kind reverted");
}

# Review and dry runs.
$as_app->('CREATE TABLE reviewed (id bigint PRIMARY KEY, n int)');
$sql->(q{SELECT create_distributed_table('reviewed', 'id'); SELECT mend.enroll('reviewed', mode => 'review')});
offer($coordinator, 'reviewed', '{"id": 1, "n": 1, "more": 1}');
wait_idle($coordinator);
is($sql->(q{SELECT ok, rows_healed, reason FROM mend.dry_run('reviewed', 'ALTER TABLE reviewed ADD COLUMN more bigint', live => true)}),
	't|1|', 'a live dry run alters the shards, and takes it back');
shards_agree($coordinator, 'reviewed', 'after the dry run');
$sql->(q{SELECT mend.approve(id) FROM mend.patches WHERE target = 'reviewed'::regclass});
wait_idle($coordinator);
is($sql->('SELECT id, n, more FROM reviewed'), '1|1|1', 'an approved patch is applied');

# The distribution column keeps its type, and what else drifts is healed.
$as_app->('CREATE TABLE by_int (id int, name text)');
$sql->(q{SELECT create_distributed_table('by_int', 'id'); SELECT mend.enroll('by_int')});
offer($coordinator, 'by_int', '{"id": 5000000000, "name": "a", "one": 1}', '{"id": 5, "name": "a", "two": 2}', '{"name": "a"}');
wait_idle($coordinator);
is($sql->('SELECT id, name, two FROM by_int'), '5|a|2', 'what drifts beside the distribution column is healed');
like($sql->(q{SELECT reason FROM mend.dead_letters WHERE target = 'by_int'::regclass AND payload LIKE '%5000000000%'}),
	qr/Citus distributes the table by it: undistribute_table\('public.by_int'\), ALTER COLUMN ... TYPE bigint/,
	'of a key that is too large the reason says what a person can do');
is($sql->(q{SELECT kind, field FROM mend.dead_letters WHERE target = 'by_int'::regclass AND payload = '{"name": "a"}'}), 'missing_required|id',
	'a row without a value for it lacks a required value');

# Row-level security.
$sql->(q{CREATE TABLE ruled (id int PRIMARY KEY, name text); ALTER TABLE ruled ENABLE ROW LEVEL SECURITY;
	CREATE POLICY good ON ruled FOR INSERT WITH CHECK (name <> 'bad');
	SELECT create_distributed_table('ruled', 'id'); SELECT mend.enroll('ruled'); GRANT INSERT ON ruled TO app});
is($as_app->(q{SELECT healing_load('ruled', '[{"id":1,"name":"bad"},{"id":2,"name":"good"},{"id":3,"name":"good"}]'::text)}),
	'(2,0,1,0)', 'a policy refuses one row');
is($sql->(q{SELECT kind, sqlstate, error, reason FROM mend.dead_letters WHERE target = 'ruled'::regclass}),
	'constraint|42501|new row violates row-level security policy for table "ruled"|a row-level security policy or a trigger refuses the row',
	'and is named as on a plain table');

# Where it may be called.
my ($status, $out, $error) = $workers[0]->psql('postgres', q{SELECT mend.enroll('hash')});
like($error, qr/not its coordinator.*Connect to the coordinator, 127\.0\.0\.1:\d+/s, 'a worker node names the coordinator to who enrols');
($status, $out, $error) = $workers[0]->psql('postgres', q{SELECT healing_insert('hash', '{"id": 1}')});
like($error, qr/not its coordinator.*Connect to the coordinator, 127\.0\.0\.1:\d+/s, 'and to who offers');
my $shard = $sql->(q{SELECT 'reference_' || shardid FROM pg_dist_shard WHERE logicalrelid = 'reference'::regclass});
($status, $out, $error) = $coordinator->psql('postgres', "SELECT mend.enroll('$shard')");
like($error, qr/It is a shard.*Enrol public\.reference/s, 'a shard cannot be enrolled');
$sql->(q{SELECT undistribute_table('keyless')});
like($sql->(q{SELECT reason FROM mend.status WHERE target::oid NOT IN (SELECT oid FROM pg_class)}),
	qr/the table was made anew: SELECT mend\.enroll\('public\.keyless'\)/, 'mend.status tells of a table that was made anew');
$as_app->('CREATE TABLE kept (id bigint PRIMARY KEY)');
$sql->(q{SELECT mend.enroll('kept'); SELECT create_distributed_table('kept', 'id')});
offer($coordinator, 'kept', '{"id": 1, "n": 1}');
wait_idle($coordinator);
is($sql->('SELECT id, n FROM kept'), '1|1', 'create_distributed_table keeps the enrolment');

# Locks on the nodes.
$shard = $sql->(q{SELECT 'reviewed_' || shardid FROM pg_dist_shard_placement JOIN pg_dist_shard USING (shardid)
	WHERE logicalrelid = 'reviewed'::regclass AND nodeport = } . $workers[0]->port . ' LIMIT 1');
$sql->(q{SELECT mend.configure('reviewed', mode => 'auto')});
my $reader = $workers[0]->background_psql('postgres', on_error_stop => 0);
$reader->query_safe("SET citus.override_table_visibility = off; BEGIN; SELECT count(*) FROM $shard") if $reader->can('query_safe');
SKIP:
{
	skip 'the harness of this version has no background queries', 2 unless $reader->can('query_safe');
	offer($coordinator, 'reviewed', '{"id": 2, "n": 1, "locked": 1}');
	ok($coordinator->poll_query_until('postgres',
			q{SELECT coalesce(reason, '') LIKE '%waits for the lock on the table%' FROM mend.progress WHERE target = 'reviewed'::regclass}),
		'who reads a shard is waited for no longer than mend.lock_timeout');
	$reader->query_safe('COMMIT');
	ok($coordinator->poll_query_until('postgres', 'SELECT count(*) = 2 FROM reviewed'), 'and the patch is applied afterwards');
}
$reader->quit;

prepared_nowhere('at the end', $coordinator, @workers);
done_testing();
