# What the tests of pg_mend beside poolers, failover managers and subscribers share: clients that write down what the server has
# acknowledged, and the comparison of that with the books.
package ScaleTest;

use strict;
use warnings;
use Exporter 'import';
use File::Temp;
use FindBin;
use lib "$FindBin::Bin/../t";
use IO::Handle;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

our @EXPORT = qw(extension_settings landing_tables start_clients stop_clients acknowledged compare_books settle until_true figure);

# A test that dies leaves no client behind; the last handler that is defined is the first to run.
my %clients;
my $parent = $$;
my $dir = File::Temp::tempdir('mendscaleXXXXXX', TMPDIR => 1, CLEANUP => 1);
END { my $status = $?; if ($$ == $parent) { kill 'KILL', keys %clients; waitpid $_, 0 for keys %clients } $? = $status }

# What scripts/test prints of a test besides its counts.
sub figure { my ($text) = @_; diag("figures: $text"); return }

# The lines by which a server finds an extension that is not installed under /usr.
sub extension_settings { return $ENV{TEMP_CONFIG} ? slurp_file($ENV{TEMP_CONFIG}) : '' }

# Calls a sub until it is true, for at most $seconds; returns what it returned. What dies is not true yet.
sub until_true
{
	my ($condition, $seconds) = @_;
	my $until = time + ($seconds // 180);
	my $found;
	usleep(100_000) until ($found = eval { $condition->() }) || time > $until;
	return $found;
}

# Two landing tables: orders has a key, and defaults that read the session; events has neither. Rows whose qty is -1 break a CHECK.
sub landing_tables
{
	my ($node) = @_;
	$node->safe_psql('postgres', q{
		CREATE ROLE app LOGIN;
		CREATE TABLE orders (id bigint PRIMARY KEY, qty smallint CHECK (qty <> -1), at timestamptz, note varchar(10),
			tenant text DEFAULT current_setting('app.tenant', true), zone text DEFAULT current_setting('TimeZone'));
		CREATE TABLE events (id bigint, qty smallint CHECK (qty <> -1), at timestamptz, note varchar(10));
		SELECT mend.enroll(t, carry => '{app.tenant}') FROM unnest('{orders,events}'::regclass[]) t;
		SELECT mend.create_inbox(t) FROM unnest('{orders,events}'::regclass[]) t;
		GRANT INSERT ON orders, events, orders_inbox, events_inbox TO app;});
	return;
}

# A payload of stage n has the field f_n, and gives that of the stage before fractions; numbers and texts outgrow their columns.
sub payload
{
	my ($id, $stage) = @_;
	my $number = int($id / 10);
	my @fields = (qq("id": $id), '"at": "2024-05-06T12:00:00Z"');
	push @fields, '"qty": ' . ($number % 101 == 0 ? -1 : $number % 11 == 0 && $stage > 0 ? 40_000 * $stage : 7);
	push @fields, qq("f_$stage": $number) if $number % 7 == 0;
	push @fields, sprintf '"f_%d": %d.5', $stage - 1, $number if $number % 7 == 1 && $stage > 0;
	push @fields, '"note": "' . 'n' x (10 + $stage) . '"' if $number % 13 == 0;
	return '{' . join(', ', @fields) . '}';
}

# One client: offers through every door until the stop file is there. An identifier tells client and door:
# client * 10,000,000 + number * 10 + door. Its log has one line a transaction: how it ended, and its identifiers.
#   a acknowledged   d doubtful: the connection failed before the answer   r rolled back
sub client
{
	my ($client, $dsn, $stage_seconds, $stop, $log) = @_;
	require DBI;
	open my $out, '>', $log or die "$log: $!";
	$out->autoflush;
	my ($step, $number, $dbh) = (0, 0);
	my $started = time;
	until (-e $stop)
	{
		$dbh //= eval { DBI->connect($dsn, 'app', undef, { RaiseError => 1, PrintError => 0, PrintWarn => 0, pg_server_prepare => 0 }) };
		if (!$dbh) { usleep(50_000); next }
		# Bounded: the worker has less of a busy machine than all clients together.
		usleep(200_000);
		my $door = $step++ % 5;
		my $table = $client % 3 ? 'orders' : 'events';
		my $stage = int((time - $started) / $stage_seconds);
		my @ids = map { $client * 10_000_000 + $number++ * 10 + $door } 1 .. (1, 5, 20, 20, 3)[$door];
		my @payloads = map { payload($_, $stage) } @ids;
		my $end = eval { transaction($dbh, $client, $door, $table, @payloads) };
		if (!defined $end)
		{
			print {$out} "# $@" =~ s/\n(?=.)/ /gr;
			$end = 'd';
			eval { $dbh->disconnect };
			undef $dbh;
		}
		print {$out} "$end @ids\n";
	}
	return;
}

sub transaction
{
	my ($dbh, $client, $door, $table, @payloads) = @_;
	my $insert = sub { $dbh->selectrow_array("SELECT healing_insert('$table', ?)", undef, $_) for @_ };
	if ($door == 0) { $insert->(@payloads) }
	elsif ($door == 2) { $dbh->selectrow_array("SELECT * FROM healing_load('$table', ?)", undef, join "\n", @payloads) }
	elsif ($door == 3)
	{
		$dbh->do("COPY ${table}_inbox FROM STDIN (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')");
		$dbh->pg_putcopydata("$_\n") for @payloads;
		$dbh->pg_putcopyend;
	}
	else
	{
		$dbh->begin_work;
		# What the transaction says of its session is its own: whoever has the server's connection next has none of it.
		$dbh->do("SET LOCAL TimeZone = 'Asia/Tokyo'");
		$dbh->do("SET LOCAL app.tenant = 'tenant $client'");
		$insert->(@payloads);
		if ($door == 4) { $dbh->rollback; return 'r' }
		$dbh->commit;
	}
	return 'a';
}

sub start_clients
{
	my ($dsn, $count, $stage_seconds) = @_;
	unlink "$dir/stop";
	for my $client (1 .. $count)
	{
		my $pid = fork // die "fork: $!";
		if (!$pid)
		{
			# No handler of the test's runs in a client: it would stop the servers.
			eval { client($client, $dsn, $stage_seconds, "$dir/stop", "$dir/log.$client"); 1 } or warn $@;
			POSIX::_exit($@ ? 1 : 0);
		}
		$clients{$pid} = $client;
	}
	return;
}

sub stop_clients
{
	append_to_file("$dir/stop", '');
	my $bad = 0;
	for my $pid (keys %clients) { waitpid $pid, 0; $bad ||= $?; delete $clients{$pid} }
	is($bad, 0, 'every client has come to its end');
	return;
}

# Identifiers by how their transactions ended: a, d, r. What is being written is not there yet.
sub acknowledged
{
	my %ids = map { $_ => [] } qw(a d r);
	for my $log (glob "$dir/log.*")
	{
		for (split /\n/, slurp_file($log))
		{
			my ($end, @of) = split / /;
			push @{ $ids{$end} }, @of if $end ne '#';
		}
	}
	return %ids;
}

# Errors that clients have met, without what differs.
sub client_errors
{
	my %seen;
	for my $log (glob "$dir/log.*") { $seen{$_}++ for map { substr $_, 2, 150 } grep { /^# / } split /\n/, slurp_file($log) }
	return map { "$seen{$_} x $_" } sort keys %seen;
}

# Until the worker can do no more, and nothing waits.
sub settle
{
	my ($node, $seconds) = @_;
	my $done = until_true(sub {
			$node->psql('postgres', "CALL mend.wait_idle(NULL, '10 s')");
			return $node->safe_psql('postgres', 'SELECT NOT EXISTS (SELECT FROM mend.queue) AND NOT EXISTS (SELECT FROM mend.work WHERE due OR failing)')
			  eq 't';
		}, $seconds // 240);
	ok($done, 'everything that was queued is healed')
	  or diag($node->safe_psql('postgres', 'TABLE mend.status; SELECT kind, field, reason, count(*) FROM mend.drifts WHERE state <> $$healed$$ GROUP BY 1, 2, 3'));
	return;
}

# offered = stored + queued + dead, for each identifier: what was acknowledged is there once, what was rolled back is not, and what
# ended in doubt is there once or not at all.
sub compare_books
{
	my ($node, $what) = @_;
	my %offered = acknowledged();
	my (%place, %count, @twice);
	for my $line (split /\n/, $node->safe_psql('postgres', q{
		SELECT 'stored', id FROM orders UNION ALL SELECT 'stored', id FROM events
		UNION ALL SELECT 'queued', (payload::jsonb ->> 'id')::bigint FROM mend.queue
		UNION ALL SELECT 'dead', (payload::jsonb ->> 'id')::bigint FROM mend.dead_letters}))
	{
		my ($place, $id) = split /\|/, $line;
		push @twice, $id if $place{$id}++;
		$count{$place}++;
	}
	my %known = map { $_ => 1 } @{ $offered{a} }, @{ $offered{d} };
	my @lost = grep { !$place{$_} } @{ $offered{a} };
	my @strange = grep { !$known{$_} } keys %place;
	my $doubtful = grep { $place{$_} } @{ $offered{d} };
	is(scalar(@lost), 0, "$what: nothing that was acknowledged is lost") or diag("lost: @lost[0 .. ($#lost > 9 ? 9 : $#lost)]");
	is(scalar(@twice), 0, "$what: nothing is there twice") or diag("twice: @twice[0 .. ($#twice > 9 ? 9 : $#twice)]");
	is(scalar(@strange), 0, "$what: nothing is there that was rolled back") or diag("strange: @strange[0 .. ($#strange > 9 ? 9 : $#strange)]");
	is(($count{stored} // 0) + ($count{queued} // 0) + ($count{dead} // 0), @{ $offered{a} } + $doubtful, "$what: offered = stored + queued + dead");
	is($node->safe_psql('postgres', q{
		SELECT count(*) FROM mend.dead_letters WHERE (payload::jsonb ->> 'qty')::int IS DISTINCT FROM -1 OR sqlstate <> '23514'}),
		0, "$what: the dead letters are the rows that break a CHECK")
	  or diag($node->safe_psql('postgres', 'SELECT reason, count(*) FROM mend.dead_letters GROUP BY 1'));
	# Door 1 alone has said anything of its session.
	is($node->safe_psql('postgres', q{
		SELECT count(*) FROM orders WHERE coalesce(tenant, '') <> CASE WHEN id % 10 = 1 THEN 'tenant ' || id / 10000000 ELSE '' END
			OR zone <> CASE WHEN id % 10 = 1 THEN 'Asia/Tokyo' ELSE 'UTC' END}),
		0, "$what: each row is stored under the settings of its own transaction");
	my ($patches, $healed) = split /\|/, $node->safe_psql('postgres', q{SELECT count(*), sum(rows_healed) FROM mend.patches WHERE state = 'applied'});
	cmp_ok($patches, '>', 3, "$what: patches were applied meanwhile");
	figure(sprintf '%s: acknowledged %d, in doubt %d (of them there %d), rolled back %d; stored %d, queued %d, dead %d; patches %d, rows healed %d',
		$what, scalar @{ $offered{a} }, scalar @{ $offered{d} }, $doubtful, scalar @{ $offered{r} }, map({ $count{$_} // 0 } qw(stored queued dead)),
		$patches, $healed // 0);
	diag("clients met: $_") for client_errors();
	return;
}

1;
