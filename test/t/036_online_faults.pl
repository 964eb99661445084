# Every fault at every step of a widening online, and of the way back: the table is as it was, or the work goes on, or it is done;
# never anything else. Needs a build with TEST_POINTS=1. Half of the pairs, chosen by MEND_SEED; all with MEND_ALL=1.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = mend_node('online_faults', "mend.idle_exit = '1h'", 'mend.max_workers = 1', 'mend.column_cooldown = 0', 'mend.patches_per_hour = 0',
	'log_min_messages = warning', 'max_connections = 40');
plan skip_all => 'pg_mend was built without TEST_POINTS=1' unless has_test_points($node);
sub query { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }

# In the order in which a widening comes by.
my @points = qw(widening_column widening_backfill widening_verify widening_index widening_indexed widening_locked widening_swap widening_swapped);
my $rows = 300;
my $killed = 0;

query(q{
	CREATE TABLE parent (id bigint PRIMARY KEY);
	INSERT INTO parent SELECT generate_series(1, 300);
	CREATE FUNCTION catalog_of(t regclass) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT replace(line, t::text, 'TABLE') FROM (
		SELECT 'column ' || to_jsonb(r)::text FROM (SELECT a.attname, format_type(atttypid, atttypmod), attnotnull, attstattarget, pg_get_expr(d.adbin, d.adrelid)
			FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = t AND a.attnum > 0 AND NOT attisdropped) r
		UNION ALL SELECT 'index ' || to_jsonb(r)::text FROM (SELECT pg_get_indexdef(indexrelid), indisvalid, indisready, indislive FROM pg_index WHERE indrelid = t) r
		UNION ALL SELECT 'constraint ' || to_jsonb(r)::text FROM (SELECT conname, contype, convalidated, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = t AND contype <> 'n') r
		UNION ALL SELECT 'statistics ' || to_jsonb(r)::text FROM (SELECT stxname, stxkind FROM pg_statistic_ext WHERE stxrelid = t) r
		UNION ALL SELECT 'triggers of the parent ' || count(*) FROM pg_trigger g JOIN pg_constraint k ON k.oid = g.tgconstraint WHERE k.conrelid = t AND g.tgrelid = 'parent'::regclass
		UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgrelid = t AND NOT tgisinternal) l (line) $$});
sub catalog_of { my ($table) = @_; return query("SELECT * FROM catalog_of('$table') line ORDER BY line COLLATE \"C\"") }
sub make_table
{
	my ($table) = @_;
	query(qq{
		CREATE TABLE $table (id int PRIMARY KEY, n int NOT NULL DEFAULT 1 CONSTRAINT positive CHECK (n > 0) CONSTRAINT to_parent REFERENCES parent, note text);
		CREATE INDEX ${table}_n ON $table (n) WHERE note IS NOT NULL;
		CREATE STATISTICS ${table}_statistics (ndistinct) ON n, id FROM $table;
		INSERT INTO $table SELECT g, g, 'note ' || g FROM generate_series(1, $rows) g});
	return;
}

# What the table is to be when it is done: changed by ALTER TABLE.
make_table('plain');
my $narrow = catalog_of('plain');
query('ALTER TABLE plain ALTER n TYPE bigint');
my $wide = catalog_of('plain');
query('DROP TABLE plain');

sub finished { my ($patch) = @_; return query("SELECT step FROM mend.widenings WHERE patch = $patch AND finished IS NOT NULL") }
sub settle
{
	my ($table, $patch) = @_;
	my $until = time + 60;
	while (time < $until)
	{
		$node->psql('postgres', "SELECT mend.start(); CALL mend.wait_idle('$table', '20 s')");
		my $end = finished($patch);
		return $end if $end;
		# It stands still with a reason: a person has it go on.
		$node->psql('postgres', "SELECT mend.resume_widening(patch) FROM mend.widenings WHERE patch = $patch AND paused AND error IS NOT NULL");
		$node->psql('postgres', "UPDATE mend.widenings SET not_before = NULL WHERE patch = $patch; SELECT mend.reset_breaker('$table')");
	}
	diag(query("TABLE mend.widenings; SELECT target, state, reason FROM mend.status; SELECT id, state, reason, ddl FROM mend.patches"));
	return 'never';
}

my $pid;
my %faults = (server_faults($node, \$killed),
	cancel_widening => sub { my (undef, undef, $patch) = @_; $node->psql('postgres', "SET lock_timeout = '1s'; SELECT mend.cancel_widening($patch)") },
	pause => sub { my (undef, $p, $patch) = @_; $node->psql('postgres', "SET lock_timeout = '1s'; SELECT mend.pause_widening($patch)"); release_point($node, $p);
			$node->psql('postgres', "SELECT mend.resume_widening($patch)") });
my @faults = sort keys %faults;
my $seed = $ENV{MEND_SEED} // 1;
note("MEND_SEED=$seed");

# One step of one way with one fault; afterwards the table is that of either end, and a second try ends well.
sub try_fault
{
	my ($case, $table, $patch, $point, $fault, $begin, $before, $after) = @_;
	my $what = $faults{$fault};
	set_point($node, $point, ref $what ? 'wait' : $what);
	$begin->();
	if (ref $what)
	{
		$pid = at_point($node, $point) or die "$case: the point was not reached";
		$what->($pid, $point, $patch);
		release_point($node, $point);
	}
	else
	{
		poll(sub { !-e point_file($node, $point) }) or die "$case: the point was not reached";
	}
	server_is_up($node);
	my $end = settle($table, $patch);
	my $catalog = catalog_of($table);
	my $right = $end eq 'done' ? $catalog eq $after : $end eq 'cancelled' ? $catalog eq $before : 0;
	ok($right, "$case: $end") or diag("the table is\n$catalog\nand was to be\n" . ($end eq 'done' ? $after : $before));
	is(query("SELECT count(*), sum(n), count(DISTINCT id) FROM $table"), join('|', $rows, $rows * ($rows + 1) / 2, $rows), "$case: every row is right");
	clear_points($node);
	if ($end ne 'done')
	{
		$begin->();
		is(settle($table, $patch), 'done', "$case: the next time it is done");
		is(catalog_of($table), $after, "$case: and well");
	}
	return;
}

for my $i (0 .. $#points)
{
	for my $k (0 .. $#faults)
	{
		my ($point, $fault) = ($points[$i], $faults[$k]);
		next unless $ENV{MEND_ALL} || ($i + $k + $seed) % 2;
		my $table = lc "${point}_$fault";
		make_table($table);
		query("SELECT mend.enroll('$table')");
		my $patch = query("SELECT mend.propose('$table', 'ALTER TABLE $table ALTER COLUMN n TYPE bigint')");
		try_fault("$fault at $point", $table, $patch, $point, $fault, sub { query("SELECT mend.approve($patch, online => true)") }, $narrow, $wide);
		try_fault("$fault at $point of the way back", $table, $patch, $point, $fault, sub { query("SELECT mend.revert($patch, online => true)") }, $wide, $narrow);
		query("SELECT mend.unenroll('$table'); DROP TABLE $table");
	}
}

my $died = () = slurp_file($node->logfile) =~ /terminated by signal 9/g;
is($died, $killed, 'only the killed died');
unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:|terminated by signal (?!9\b)/, 'no process crashed by itself');
$node->stop;
done_testing();
