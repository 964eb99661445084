# Every fault at every step of a heal round: the books balance, nothing is stored twice, and the round goes on, or
# stands still and says why. Needs a build with TEST_POINTS=1. Half of the pairs, chosen by MEND_SEED; all with MEND_ALL=1;
# MEND_POINTS and MEND_FAULTS (comma lists) choose.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my $node = mend_node('faults', "mend.idle_exit = '1h'", 'mend.batch_size = 5', 'mend.max_workers = 1',
	'mend.column_cooldown = 0', 'mend.patches_per_hour = 0', 'log_min_messages = warning', 'max_connections = 40');
plan skip_all => 'pg_mend was built without TEST_POINTS=1' unless has_test_points($node);

# In the order in which a round comes by.
my @points = qw(folding folded planned recorded locked altered booked storing sampled applied in_flight replayed
  between_batches ending ended);
@points = split /,/, $ENV{MEND_POINTS} if $ENV{MEND_POINTS};

my $killed = 0;
my $rows = 24;

sub query { my ($sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql) }

query(q{
	CREATE ROLE app LOGIN;
	CREATE TABLE taken (target text, uid text)});

# A person's session: what it is told may wait for the worker.
my $person;
sub person
{
	my ($sql) = @_;
	$person //= $node->background_psql('postgres', on_error_stop => 0);
	$person->query_until(qr/begun/, "SET application_name = person;\n\\echo begun\n$sql\n");
	until (query("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'person' AND (state = 'idle' OR wait_event_type = 'Lock')"))
	{
		usleep(5_000);
	}
	return;
}

sub person_is_done
{
	$person->query('SELECT 1') if $person;
	return;
}

# A table with rows of two submitters: a third fits, a third needs a wider column, a third a new one.
sub offer
{
	my ($table, $database) = @_;
	my $payloads = qq{string_agg(format('{"uid": "%s", "amount": %s%s}', n, CASE WHEN n % 3 = 1 THEN 3000000000 ELSE n END,
		CASE WHEN n % 3 = 2 THEN ', "extra": ' || n ELSE '' END), E'\\n')};
	query(qq{
		CREATE TABLE public.$table (uid text, amount int, spare text);
		GRANT INSERT ON public.$table TO app;
		SELECT mend.enroll('public.$table');
		BEGIN;
		SELECT healing_load('public.$table', $payloads) FROM generate_series(1, $rows / 2) n;
		SET SESSION AUTHORIZATION app;
		SELECT healing_load('public.$table', $payloads) FROM generate_series($rows / 2 + 1, $rows) n;
		COMMIT}, $database);
	return;
}

# What is where of a table's rows: in words (stored, queued, dead, taken away by a person), how many, how many different.
sub books
{
	my ($table, $database) = @_;
	my $names = query("SELECT string_agg(oid::regclass::text, ',') FROM pg_class WHERE relkind = 'r' AND relname IN ('$table', '${table}_renamed')", $database);
	my $parts = join ' UNION ALL ', (map { "SELECT 'stored', uid FROM $_" } split /,/, $names),
		(map { "SELECT '$_->[0]', payload::jsonb ->> 'uid' FROM mend.$_->[1] WHERE target_name LIKE 'public.$table%'" } [ 'queued', 'queue' ], [ 'dead', 'dead_letters' ]),
		$database ? () : "SELECT 'taken', uid FROM public.taken WHERE target = '$table'";
	my ($words, $all, $different) = split /\|/, query(qq{
		WITH parts (part, uid) AS ($parts)
		SELECT format('stored %s, queued %s, dead %s, taken %s', count(*) FILTER (WHERE part = 'stored'), count(*) FILTER (WHERE part = 'queued'),
			count(*) FILTER (WHERE part = 'dead'), count(*) FILTER (WHERE part = 'taken')), count(*), count(DISTINCT uid)
		FROM parts}, $database);
	return ($words, $all, $different);
}

sub settled { my ($table) = @_; return query("SELECT count(*) FROM mend.queue WHERE target_name = 'public.$table'") eq '0' }

# Until nothing of the table is queued, or it stands still with a reason.
sub settle
{
	my ($table) = @_;
	my $until = time + 60;
	while (time < $until)
	{
		$node->psql('postgres', "CALL mend.wait_idle('public.$table', '20 s')");
		return 1 if settled($table);
		# A back-off is waited for by nobody here.
		$node->psql('postgres', "SELECT mend.reset_breaker('public.$table')");
	}
	diag(query("SELECT * FROM mend.status; SELECT * FROM mend.progress; SELECT id, state, reason, ddl FROM mend.patches"));
	return 0;
}

my $pid;
my %faults = (
	kill_9 => { do => sub { $killed += kill 'KILL', $pid; $node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)"); undef $person } },
	terminate => { do => sub { query("SELECT pg_terminate_backend($pid, 20000)") } },
	cancel => { do => sub { query("SELECT pg_cancel_backend($pid)") } },
	immediate_restart => { do => sub { $node->stop('immediate'); $node->start; undef $person } },
	fast_restart => { do => sub { $node->restart; undef $person } },
	stop_and_start => { do => sub { my ($t) = @_; query('SELECT mend.stop()'); release($t); query('SELECT mend.start()') } },
	pause => { do => sub { my ($t, $p) = @_; query("SELECT mend.configure('public.$t', mode => 'paused')"); release($p);
			query("SELECT mend.configure('public.$t', mode => 'auto')") } },
	unenroll => { do => sub { my ($t) = @_; person("SELECT mend.unenroll('public.$t');") } },
	drop_table => { do => sub { my ($t) = @_; person("BEGIN; LOCK TABLE public.$t; INSERT INTO taken SELECT '$t', uid FROM public.$t; DROP TABLE public.$t; COMMIT;") },
		dead => qr/^table public\.\w+ no longer exists/ },
	rename_table => { do => sub { my ($t) = @_; person("ALTER TABLE public.$t RENAME TO ${t}_renamed;") },
		dead => qr/^table public\.\w+ is now called public\.\w+_renamed/ },
	drop_column => { do => sub { my ($t) = @_; person("ALTER TABLE public.$t DROP COLUMN spare;") } },
	drop_drifting_column => { do => sub { my ($t) = @_; person("ALTER TABLE public.$t DROP COLUMN amount;") }, dead => qr/\w/ },
	rename_column => { do => sub { my ($t) = @_; person("ALTER TABLE public.$t RENAME COLUMN amount TO total;") }, dead => qr/\w/ },
	add_the_column => { do => sub { my ($t) = @_; person("ALTER TABLE public.$t ADD COLUMN IF NOT EXISTS extra bigint;") } },
	widen_the_column => { do => sub { my ($t) = @_; person("ALTER TABLE public.$t ALTER COLUMN amount TYPE numeric;") } },
	add_check => { do => sub { my ($t) = @_; person("ALTER TABLE public.$t ADD CHECK (uid <> '7') NOT VALID;") }, dead => qr/CHECK constraint "\w+" refuses the row/ },
	revoke => { do => sub { my ($t) = @_; person("REVOKE INSERT ON public.$t FROM app;") }, dead => qr/role that offered it/ },
	map(("error_$_" => { error => $_ }), qw(53100 55P03 40001 40P01 57014)),
	error_XX000 => { error => 'XX000', dead => qr/^patch \d+ failed: test point/ });
my @faults = sort keys %faults;
@faults = grep { exists $faults{$_} } split /,/, $ENV{MEND_FAULTS} if $ENV{MEND_FAULTS};

my $all = $ENV{MEND_ALL} || $ENV{MEND_POINTS} || $ENV{MEND_FAULTS};
my $seed = $ENV{MEND_SEED} // 1;
note("MEND_SEED=$seed");
my @cases;
for my $i (0 .. $#points)
{
	push @cases, map { [ $points[$i], $faults[$_] ] } grep { $all || ($i + $_ + $seed) % 2 } 0 .. $#faults;
}

my $at;
sub release { release_point($node, $at); return }

for (@cases)
{
	my ($point, $fault) = @$_;
	my ($what, $table) = ($faults{$fault}, lc "${point}_$fault");
	my $case = "$fault at $point";
	$at = $point;
	set_point($node, $point, $what->{error} ? "error $what->{error}" : 'wait');
	offer($table);
	if ($what->{error})
	{
		poll(sub { !-e point_file($node, $point) }) or die "$case: the point was not reached";
	}
	else
	{
		$pid = at_point($node, $point) or die "$case: the point was not reached";
		$what->{do}->($table, $point);
		release();
		person_is_done();
	}
	my $settled = settle($table);
	my ($parts, $all_rows, $different) = books($table);
	my $reasons = query("SELECT DISTINCT reason FROM mend.dead_letters WHERE target_name LIKE 'public.$table%'");
	my $unclear = grep { !$what->{dead} || $_ !~ $what->{dead} } split /\n/, $reasons;
	my $open = query("SELECT count(*) FROM mend.patches WHERE target_name LIKE 'public.$table%' AND state NOT IN ('applied', 'failed', 'superseded')");
	ok($settled && $all_rows == $rows && $different == $rows && !$unclear && $open == 0, $case)
	  or diag("$parts: $all_rows of $rows, different $different; open patches $open; reasons: $reasons; "
		. query("SELECT string_agg(concat_ws(' ', id, state, reason, ddl), '; ' ORDER BY id) FROM mend.patches WHERE target_name LIKE 'public.$table%'"));
	clear_points($node);
}

# The extension and the database go away in the middle.
for my $point ($all ? @points : grep { ($seed + ord) % 3 == 0 } @points)
{
	for my $fault ('SELECT mend.unenroll_all(force => true); DROP EXTENSION pg_mend', 'DROP DATABASE scratch', 'DROP DATABASE scratch WITH (FORCE)')
	{
		my $case = "$fault at $point";
		$at = $point;
		query('CREATE DATABASE scratch');
		query('CREATE EXTENSION pg_mend', 'scratch');
		set_point($node, $point, 'wait');
		offer('orders', 'scratch');
		at_point($node, $point) or die "$case: the point was not reached";
		my $database = $fault =~ /EXTENSION/ ? 'scratch' : 'postgres';
		my $session = $node->background_psql($database, on_error_stop => 0);
		$session->query_until(qr/begun/, "SET application_name = person;\n\\echo begun\n$fault;\n");
		poll(sub { query("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'person' AND (state = 'idle' OR wait_event_type = 'Lock' OR query_start < clock_timestamp() - interval '150 ms')") });
		release();
		$session->query('SELECT 1');
		$session->quit;
		wait_no_worker($node, 'scratch') or diag('a worker stayed');
		if ($fault =~ /DATABASE/)
		{
			is(query("SELECT count(*) FROM pg_database WHERE datname = 'scratch'"), '0', $case);
		}
		else
		{
			is(query('SELECT count(*) - count(DISTINCT uid), (SELECT count(*) FROM pg_extension WHERE extname = $$pg_mend$$) FROM orders', 'scratch'), '0|0', $case);
			query('DROP TABLE orders; CREATE EXTENSION pg_mend', 'scratch');
			offer('orders', 'scratch');
			query('CALL mend.wait_idle()', 'scratch');
			is((books('orders', 'scratch'))[0], "stored $rows, queued 0, dead 0, taken 0", "$case: created again it heals");
			query('DROP DATABASE scratch');
		}
		clear_points($node);
	}
}

# A session that has no memory left when it attaches the shared one is told: that is no reason to store without it.
query('CREATE TABLE seen (id int); SELECT mend.enroll($$seen$$)');
set_point($node, 'freshness', 'error 53200');
my (undef, undef, $trouble) = $node->psql('postgres', q{SELECT healing_insert('seen', '{"id": 1}')});
like($trouble, qr/ERROR: .*test point freshness/, 'out of memory is never swallowed');
is(query('SELECT count(*) FROM seen'), '0', 'and the row is not stored');
is(query(q{SELECT healing_insert('seen', '{"id": 1}')}), 'inserted', 'the next session stores it');
clear_points($node);

my $died = () = slurp_file($node->logfile) =~ /terminated by signal 9/g;
is($died, $killed, 'only the killed died');
unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:|terminated by signal (?!9\b)/, 'no process crashed by itself');
$person->quit if $person;
$node->stop;
done_testing();
