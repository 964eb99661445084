# Every fault at every step of the promotion of rescued values, and of its undo: for each row that is stored, its payload is what the
# columns and the rescue column say, field by field, and the promotion goes on. Needs a build with TEST_POINTS=1. Half of the pairs,
# chosen by MEND_SEED; all with MEND_ALL=1.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my $node = mend_node('promotion', "mend.idle_exit = '1h'", 'mend.max_workers = 1', 'mend.column_cooldown = 0', 'mend.patches_per_hour = 0',
	'log_min_messages = warning', 'max_connections = 40');
plan skip_all => 'pg_mend was built without TEST_POINTS=1' unless has_test_points($node);
sub query { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }

# In the order in which a promotion comes by: the patch, blocks of the table, a look for what is left, rows of it.
my @points = qw(locked altered booked applied promoting_blocks promoting promoting_found promoting_rows promoting_ends);
my $rows = 1_200;
my $killed = 0;

# A third fits, a third has a field without a column, a third text for an integer and another field. Payloads are kept beside.
query(q{CREATE TABLE offered (target text, id int, payload jsonb)});
sub offer
{
	my ($table) = @_;
	query(qq{
		CREATE TABLE $table (id int PRIMARY KEY, amount int, spare text, _rescued jsonb);
		SELECT mend.enroll('$table', 'review', allow => '{add_column,widen_type,map_field,change_type}', rescue => '_rescued');
		INSERT INTO offered SELECT '$table', n, jsonb_build_object('id', n, 'amount', CASE WHEN n % 3 = 2 THEN to_jsonb(n || ' EUR') ELSE to_jsonb(n) END)
			|| CASE n % 3 WHEN 0 THEN '{}' WHEN 1 THEN jsonb_build_object('extra', n) ELSE jsonb_build_object('other', jsonb_build_array(n)) END
			FROM generate_series(1, $rows) n;
		SELECT healing_load('$table', (SELECT string_agg(payload::text, E'\\n' ORDER BY id) FROM offered WHERE target = '$table'));
		CALL mend.wait_idle('$table')});
	die "$table: rows wait" if query("SELECT count(*) FROM mend.queue WHERE target = '$table'::regclass") ne '0';
	return;
}

# Rows whose payload is not what columns and rescue column say: a column holds text of what was offered as a number.
sub wrong
{
	my ($table) = @_;
	return query(qq{
		SELECT count(*) FROM offered o LEFT JOIN $table t USING (id)
		WHERE o.target = '$table' AND (t.id IS NULL
			OR (SELECT jsonb_object_agg(key, value #>> '{}') FROM jsonb_each(o.payload)) IS DISTINCT FROM
				(SELECT jsonb_object_agg(key, value #>> '{}') FROM (SELECT key, value FROM jsonb_each(to_jsonb(t) - '_rescued') WHERE value <> 'null'
					UNION ALL SELECT key, value FROM jsonb_each(coalesce(t._rescued, '{}'))) v))});
}
sub approve { my ($table) = @_; query("SELECT mend.approve(patch_id) FROM mend.decisions WHERE target = '$table'::regclass"); return }
sub rescued { my ($table) = @_; return query("SELECT count(*) FROM $table WHERE _rescued IS NOT NULL") }

sub settle
{
	my ($table) = @_;
	my $until = time + 60;
	while (time < $until)
	{
		$node->psql('postgres', "SELECT mend.start(); CALL mend.wait_idle('$table', '20 s')");
		return 1 if query(qq{SELECT NOT EXISTS (SELECT FROM mend.promotions WHERE target = '$table'::regclass AND wanted)
			AND NOT EXISTS (SELECT FROM mend.patches WHERE target = '$table'::regclass AND state = 'approved')}) eq 't';
		$node->psql('postgres', "SELECT mend.reset_breaker('$table')");
	}
	diag(query("TABLE mend.promotions; SELECT target, state, reason FROM mend.status; SELECT id, state, reason, ddl FROM mend.patches"));
	return 0;
}

my $pid;
my %faults = server_faults($node, \$killed);
my @faults = sort keys %faults;
my $seed = $ENV{MEND_SEED} // 1;
note("MEND_SEED=$seed");

for my $i (0 .. $#points)
{
	for my $k (0 .. $#faults)
	{
		next unless $ENV{MEND_ALL} || ($i + $k + $seed) % 2;
		my ($point, $fault) = ($points[$i], $faults[$k]);
		my ($case, $table) = ("$fault at $point", lc "${point}_$fault");
		offer($table);
		# Rows that somebody has locked while blocks are read are looked for in the end.
		my $holds = $point =~ /found|rows/;
		my $what = $faults{$fault};
		set_point($node, $point, ref $what ? 'wait' : $what);
		set_point($node, 'applied', 'wait') if $holds;
		approve($table);
		if ($holds)
		{
			at_point($node, 'applied') or die "$case: the patch was not applied";
			my $holder = $node->background_psql('postgres', on_error_stop => 0);
			$holder->query("BEGIN; SELECT FROM $table WHERE id % 100 = 1 FOR UPDATE");
			release_point($node, 'applied');
			poll(sub { query("SELECT count(*) FROM mend.promotions WHERE target = '$table'::regclass AND next_block < 0") }) or die "$case: blocks were not read";
			$holder->query('COMMIT');
			$holder->quit;
		}
		if (ref $what)
		{
			$pid = at_point($node, $point) or die "$case: the point was not reached";
			$what->($pid, $point);
			release_point($node, $point);
		}
		else
		{
			poll(sub { !-e point_file($node, $point) }) or die "$case: the point was not reached";
		}
		server_is_up($node);
		my $settled = settle($table);
		# A patch that fails by a fault of the server's own is not tried again by itself: values may stay where they are.
		my $left = rescued($table);
		my $may_stay = $fault eq 'error_XX000' && query("SELECT count(*) FROM mend.patches WHERE target = '$table'::regclass AND state = 'failed'");
		my $stay = $may_stay && $left == $rows * 2 / 3 ? $left : 0;
		is_deeply([ $settled, wrong($table), $left, query("SELECT count(*) FROM $table") ], [ 1, 0, $stay, $rows ], $case);
		clear_points($node);
		query("DELETE FROM offered WHERE target = '$table'; DROP TABLE $table");
	}
}

# Undone: the session that asks is ended at any step, and the table is as it was; asked again, values are in the rescue column.
for my $point (qw(reverting reverted))
{
	for my $fault (qw(terminate cancel kill_9 immediate_restart error_40001))
	{
		my ($case, $table) = ("$fault at $point of the undo", "undo_${point}_" . lc $fault);
		offer($table);
		approve($table);
		settle($table);
		die "$case: not promoted" if rescued($table) ne '0';
		my $patches = "FROM mend.patches WHERE target = '$table'::regclass AND state = 'applied'";
		my $what = $faults{$fault};
		set_point($node, $point, ref $what ? 'wait' : $what);
		my $session = $node->background_psql('postgres', on_error_stop => 0);
		$session->query_until(qr/begun/, "\\echo begun\nSELECT mend.revert(id) $patches ORDER BY id DESC;\n");
		if (ref $what)
		{
			poll(sub { query("SELECT count(*) FROM pg_locks WHERE relation = '$table'::regclass AND mode = 'AccessExclusiveLock' AND granted") });
			poll(sub { $pid = query("SELECT pid FROM pg_stat_activity WHERE query = 'pg_mend: at test point $point'") }) or die "$case: the point was not reached";
			$what->($pid, $point);
		}
		else
		{
			poll(sub { !-e point_file($node, $point) }) or die "$case: the point was not reached";
		}
		clear_points($node);
		server_is_up($node);
		poll(sub { query("SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE '%mend.revert(id)%' AND state = 'active' AND pid <> pg_backend_pid()") eq 't' });
		$session->{run}->kill_kill;
		settle($table);
		is_deeply([ wrong($table), rescued($table) ], [ 0, 0 ], "$case: nothing was done");
		query("SELECT mend.revert(id) $patches ORDER BY id DESC");
		settle($table);
		is_deeply([ wrong($table), rescued($table), query("SELECT count(*) FROM $table") ], [ 0, $rows * 2 / 3, $rows ], "$case: asked again it is undone, row by row");
		query("DELETE FROM offered WHERE target = '$table'; DROP TABLE $table");
	}
}

my $died = () = slurp_file($node->logfile) =~ /terminated by signal 9/g;
is($died, $killed, 'only the killed died');
unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:|terminated by signal (?!9\b)/, 'no process crashed by itself');
$node->stop;
done_testing();
