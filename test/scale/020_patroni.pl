# Patroni with etcd, three nodes, synchronous replication: the leader is killed in the midst of a heal, twice. What was acknowledged is
# there once, the new leader's worker heals, the old leader rejoins by pg_rewind, and no standby has a worker.
use strict;
use warnings;
use FindBin;
use lib ($FindBin::Bin, "$FindBin::Bin/../t");
use MendTest;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ScaleTest;
use Test::More;
use Time::HiRes qw(time);

my $program = sub { my ($name) = @_; my ($found) = grep { -x } map { "$_/$name" } split /:/, $ENV{PATH}; return $found };
plan skip_all => 'patroni and etcd are not installed' unless $program->('patroni') && $program->('etcd') && eval { require DBI; require DBD::Pg; 1 };

my $dir = PostgreSQL::Test::Utils::tempdir();
my $superuser = getpwuid($<);
my (%pids, %rest, @nodes);
my $parent = $$;

sub start_process
{
	my ($name, @command) = @_;
	my $pid = fork // die "fork: $!";
	if (!$pid)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', "$dir/$name.log";
		open STDERR, '>&', \*STDOUT;
		exec(@command) or POSIX::_exit(127);
	}
	$pids{$name} = $pid;
	return;
}

# A node as a machine without power: Patroni, the postmaster and its children.
sub kill_node
{
	my ($node) = @_;
	my $name = $node->name;
	if (my $pid = delete $pids{$name}) { kill 'KILL', $pid; waitpid $pid, 0 }
	my ($postmaster) = -e $node->data_dir . '/postmaster.pid' ? slurp_file($node->data_dir . '/postmaster.pid') =~ /\A(\d+)/ : ();
	return if !$postmaster;
	my @all = ($postmaster, split ' ', `ps -o pid= --ppid $postmaster`);
	kill 'KILL', @all;
	until_true(sub { !kill 0, @all }, 30);
	return;
}
END
{
	my $status = $?;
	if ($$ == $parent)
	{
		kill_node($_) for @nodes;
		if (my $pid = $pids{etcd}) { kill 'KILL', $pid; waitpid $pid, 0 }
	}
	$? = $status;
}

my $free = sub { return PostgreSQL::Test::Cluster::get_free_port() };
my ($etcd, $peers) = ($free->(), $free->());
start_process('etcd', 'etcd', '--data-dir', "$dir/etcd", '--listen-client-urls', "http://127.0.0.1:$etcd", '--advertise-client-urls',
	"http://127.0.0.1:$etcd", '--listen-peer-urls', "http://127.0.0.1:$peers", '--initial-advertise-peer-urls', "http://127.0.0.1:$peers",
	'--initial-cluster', "default=http://127.0.0.1:$peers");

append_to_file("$dir/custom.conf", extension_settings() . join("\n", '', 'fsync = off', "shared_preload_libraries = 'pg_mend'",
		'mend.patches_per_hour = 1000', 'mend.max_columns = 1000', "TimeZone = 'UTC'", 'log_statement = none', ''));
for my $name (qw(one two three))
{
	my $node = PostgreSQL::Test::Cluster->new($name);
	push @nodes, $node;
	$rest{$name} = $free->();
	append_to_file("$dir/$name.yml", <<"END");
scope: mend
name: $name
restapi: {listen: '127.0.0.1:$rest{$name}', connect_address: '127.0.0.1:$rest{$name}'}
etcd3: {host: '127.0.0.1:$etcd'}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 2
    retry_timeout: 6
    synchronous_mode: true
    synchronous_mode_strict: true
    postgresql:
      use_pg_rewind: true
      parameters: {max_worker_processes: 32, max_connections: 100, wal_level: replica, wal_log_hints: 'on'}
  initdb: [{encoding: UTF8}, {locale: C.UTF-8}]
postgresql:
  listen: '127.0.0.1:@{[$node->port]}'
  connect_address: '127.0.0.1:@{[$node->port]}'
  data_dir: '@{[$node->data_dir]}'
  bin_dir: '@{[$program->('postgres') =~ s{/postgres$}{}r]}'
  pgpass: '$dir/pgpass.$name'
  custom_conf: '$dir/custom.conf'
  use_unix_socket: true
  authentication:
    superuser: {username: '$superuser', password: none}
    replication: {username: replicator, password: none}
  pg_hba: ['local all all trust', 'local replication all trust', 'host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust']
  parameters: {unix_socket_directories: '@{[$node->host]}'}
END
	start_process($name, 'patroni', "$dir/$name.yml");
}

sub ask { my ($node, $query) = @_; my ($status, $said) = $node->psql('postgres', $query, timeout => 20); return $status ? undef : $said }
sub leader { my ($found) = grep { (ask($_, 'SELECT pg_is_in_recovery()') // '') eq 'f' } @nodes; return $found }
# One leader, and both standbys stream from it, one of them synchronously.
sub whole
{
	my $leader = leader() or return;
	my $said = ask($leader, q{SELECT count(*) || ' ' || count(*) FILTER (WHERE sync_state = 'sync') FROM pg_stat_replication WHERE state = 'streaming'
		AND application_name IN ('one', 'two', 'three')}) // '';
	return $said eq '2 1' ? $leader : undef;
}

my $leader = until_true(\&whole, 240);
ok($leader, 'Patroni has a leader, a synchronous standby and another one')
  or do { diag(join "\n", map { "$_:\n" . substr slurp_file("$dir/$_.log"), -1500 } qw(etcd one two three)); BAIL_OUT('no cluster') };
$leader->safe_psql('postgres', 'CREATE EXTENSION pg_mend');
landing_tables($leader);
my $patches = sub { my ($node) = @_; return $node->safe_psql('postgres', "SELECT count(*) FROM mend.patches WHERE state = 'applied'") };
my $points = has_test_points($leader);

sub no_worker_on_standbys
{
	my ($what) = @_;
	for my $standby (grep { $_ != $leader } @nodes)
	{
		is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_mend%'"), 0,
			"$what: no worker on the standby " . $standby->name);
		ok(until_true(sub { $standby->safe_psql('postgres',
					"SELECT count(*) = 2 AND bool_and(state = 'stopped' AND reason LIKE 'this is a standby%') FROM mend.status") eq 't' }, 60),
			"$what: mend.status says that it is one") or diag($standby->safe_psql('postgres', 'TABLE mend.status'));
	}
	return;
}
no_worker_on_standbys('at first');

# libpq looks for the node that takes writes.
my $dsn = 'dbi:Pg:dbname=postgres;host=' . join(',', ('127.0.0.1') x 3) . ';port=' . join(',', map { $_->port } @nodes) .
  ';target_session_attrs=read-write;connect_timeout=3';
start_clients($dsn, 8, 3);

for my $round (1, 2)
{
	my $what = "failover $round";
	my $before = $patches->($leader);
	ok(until_true(sub { $patches->($leader) >= $before + 3 }), "$what: the leader heals");
	if ($points)
	{
		# The ALTER has run and is not committed; the second time the patch is, and its rows are not yet stored.
		my $point = $round == 1 ? 'altered' : 'applied';
		set_point($leader, $point, 'wait');
		ok(at_point($leader, $point), "$what: a heal is under way ($point)");
	}
	else
	{
		ok(until_true(sub { (ask($leader, "SELECT count(*) FROM mend.workers() WHERE state LIKE 'heal%'") // 0) > 0 }), "$what: a heal is under way");
	}
	$before = $patches->($leader);
	my $old = $leader;
	kill_node($old);
	my $killed = time;
	$leader = until_true(sub { my $found = leader(); $found && $found != $old ? $found : undef }, 180);
	ok($leader, "$what: another node leads") or last;
	my $led = time - $killed;
	ok(until_true(sub { $patches->($leader) >= $before + 2 }), "$what: its worker heals");
	figure(sprintf '%s: another leader after %.0f s, the second new patch after %.0f s', $what, $led, time - $killed);
	clear_points($old);

	# Somebody starts the old leader by hand: what it writes alone is of a history that ends.
	$old->command_ok([ 'pg_ctl', '-D', $old->data_dir, '-w', '-t', '120', '-s', '-l', "$dir/alone.log", '-o', '-c config_file=' . $old->data_dir . '/postgresql.conf', 'start' ],
		"$what: the old leader is started by hand");
	$old->safe_psql('postgres', 'SET synchronous_commit = local; CREATE TABLE alone ()');
	$old->command_ok([ 'pg_ctl', '-D', $old->data_dir, '-w', '-s', '-m', 'fast', '-t', '120', 'stop' ], "$what: and stopped") or kill_node($old);
	start_process($old->name, 'patroni', "$dir/" . $old->name . '.yml');
	ok(until_true(sub { my $now = whole(); $now && $now == $leader }, 240), "$what: it rejoins as a standby")
	  or diag(substr slurp_file("$dir/" . $old->name . '.log'), -3000);
	is($old->safe_psql('postgres', "SELECT to_regclass('alone') IS NULL"), 't', "$what: without what it wrote alone");
	like(slurp_file("$dir/" . $old->name . '.log'), qr/running pg_rewind/, "$what: by pg_rewind");
	no_worker_on_standbys($what);
}
stop_clients();
settle($leader);
compare_books($leader, '8 clients, two failovers');
is($leader->safe_psql('postgres', 'SELECT ok, problems FROM mend.verify_events()'), 't|{}', 'the chain of events holds');
is($leader->safe_psql('postgres', 'SELECT count(*) FROM mend.progress WHERE last_error IS NOT NULL'), 0, 'no table is in trouble');

# All three have the same tables and books.
my $lsn = $leader->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
my $digest = q{SELECT (SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM orders o), (SELECT md5(string_agg(e::text, ',' ORDER BY id)) FROM events e),
	(SELECT count(*) FROM mend.dead_letters), (SELECT count(*) FROM mend.patches)};
my $expected = $leader->safe_psql('postgres', $digest);
for my $standby (grep { $_ != $leader } @nodes)
{
	ok(until_true(sub { $standby->safe_psql('postgres', "SELECT pg_last_wal_replay_lsn() >= '$lsn'") eq 't' }, 60), $standby->name . ' has caught up');
	is($standby->safe_psql('postgres', $digest), $expected, 'and holds what the leader holds');
}
done_testing();
