# PgBouncer pooling by transaction: many clients offer through few connections while the shape drifts; settings, prepared statements
# and LISTEN are whose the documentation says.
use strict;
use warnings;
use FindBin;
use lib ($FindBin::Bin, "$FindBin::Bin/../t");
use IPC::Run;
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ScaleTest;
use Test::More;
use Time::HiRes qw(time);

my ($bouncer) = grep { -x } '/usr/sbin/pgbouncer', map { "$_/pgbouncer" } split /:/, $ENV{PATH};
plan skip_all => 'pgbouncer is not installed' unless $bouncer && eval { require DBI; require DBD::Pg; 1 };

my $node = mend_node('behind', 'mend.patches_per_hour = 1000', 'mend.max_columns = 1000', 'log_statement = none', "TimeZone = 'UTC'");
landing_tables($node);
my $sql = sub { $node->safe_psql('postgres', @_) };

# pool: connections to the server for all clients; one: a single one.
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $server = 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres';
append_to_file("$dir/users", qq{"app" ""\n"postgres" ""\n});
append_to_file("$dir/ini", <<"END");
[databases]
pool = $server pool_size=4
one = $server pool_size=1
[pgbouncer]
listen_addr =
unix_socket_dir = $dir
listen_port = $port
auth_type = trust
auth_file = $dir/users
admin_users = postgres
pool_mode = transaction
max_client_conn = 100
logfile = $dir/log
pidfile = $dir/pid
END
my $process = IPC::Run::start([ $bouncer, '-q', "$dir/ini" ], '<', \undef, '>', \my $out, '2>', \my $err);
END { my $status = $?; $process->kill_kill if $process; $? = $status }
ok(until_true(sub { -S "$dir/.s.PGSQL.$port" }, 30), 'pgbouncer runs');

sub admin { my ($command) = @_; return IPC::Run::run([ 'psql', '-XAtqh', $dir, '-p', $port, '-U', 'postgres', '-c', $command, 'pgbouncer' ], '>', \my $said, '2>', \my $error) }
sub through
{
	my ($database, $user, %options) = @_;
	return DBI->connect("dbi:Pg:dbname=$database;host=$dir;port=$port", $user // 'app', undef,
		{ RaiseError => 1, PrintError => 0, PrintWarn => 0, pg_server_prepare => 0, %options });
}

# Many clients on four connections, which die and are renewed meanwhile.
my $begun = time;
start_clients("dbi:Pg:dbname=pool;host=$dir;port=$port", 16, 2);
my $patches = sub { $sql->("SELECT count(*) FROM mend.patches WHERE state = 'applied'") };
ok(until_true(sub { $patches->() >= 4 }, 90), 'healing goes on while clients offer');
cmp_ok($sql->(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'}), '<=', 4, 'on few connections');
ok(until_true(sub {
			$sql->(q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'app'});
			my %offered = acknowledged();
			return @{ $offered{d} } >= 50;
		}, 60), 'connections of the pool are killed in the midst of transactions');
my $before = $patches->();
ok(until_true(sub { $patches->() >= $before + 3 }, 90), 'healing goes on after that');
ok(admin('RECONNECT pool'), 'the pool is renewed');
$before = $patches->();
ok(until_true(sub { $patches->() >= $before + 3 }, 90), 'healing goes on after that, too');
stop_clients();
my $took = time - $begun;
settle($node);
compare_books($node, '16 clients on 4 connections');
my %offered = acknowledged();
figure(sprintf '%.0f payloads a second through pgbouncer, for %.0f s', @{ $offered{a} } / $took, $took);

# One connection to the server, which two clients use in turn.
$sql->(q{CREATE TABLE kept (id int, tenant text DEFAULT current_setting('app.tenant', true), zone text DEFAULT current_setting('TimeZone'));
	SELECT mend.enroll('kept', 'paused', carry => '{app.tenant}'); GRANT INSERT ON kept TO app});
my ($a, $b) = (through('one'), through('one'));
is($a->selectrow_array('SELECT pg_backend_pid()'), $b->selectrow_array('SELECT pg_backend_pid()'), 'two clients, one connection');
my $offer = sub { my ($client, $id) = @_; return $client->selectrow_array("SELECT healing_insert('kept', ?)", undef,
		qq({"id": $id, "colour": 1})) };
$a->begin_work;
$a->do("SET LOCAL TimeZone = 'Asia/Tokyo'; SET LOCAL app.tenant = 'a'");
$offer->($a, 1);
$a->commit;
$offer->($b, 2);
$offer->($a, 3);
# PgBouncer itself keeps TimeZone by client; a setting that it does not know stays with the server's connection.
$a->do("SET TimeZone = 'America/New_York'; SET app.tenant = 'left behind'");
$offer->($a, 4);
$offer->($b, 5);
$b->do('RESET app.tenant');
$sql->("SELECT mend.configure('kept', mode => 'auto'); CALL mend.wait_idle('kept')");
is($sql->(q{SELECT string_agg(id || ' ' || zone || ' ' || coalesce(tenant, ''), ', ' ORDER BY id) FROM kept}),
	'1 Asia/Tokyo a, 2 UTC , 3 UTC , 4 America/New_York left behind, 5 UTC left behind', 'SET LOCAL is one transaction\'s, SET anybody\'s');

# Statements without a name are everybody's own; names belong to the connection of the server.
is(through('one', 'app', pg_server_prepare => 0)->selectrow_array("SELECT healing_insert('kept', ?)", undef, '{"id": 6}'), 'inserted',
	'parameters without a prepared statement');
$a->do(q{PREPARE p AS SELECT healing_insert('kept', $1)});
is($b->selectrow_array(q{EXECUTE p('{"id": 7}')}), 'inserted', 'a name that one client prepares is there for the other');
eval { $b->do(q{PREPARE p AS SELECT 1}) };
is($b->state, '42P05', 'and taken for it');
# What is prepared before a patch works after it.
$sql->(q{SELECT healing_insert('kept', '{"id": 8, "weight": 1}'); CALL mend.wait_idle('kept')});
is($a->selectrow_array(q{EXECUTE p('{"id": 9, "weight": 2}')}), 'inserted', 'a statement prepared before a patch stores what the patch allows')
  or diag($sql->(q{SELECT id, state, ddl, reason, applied_at FROM mend.patches WHERE target = 'kept'::regclass ORDER BY id;
	SELECT * FROM mend.queue WHERE target = 'kept'::regclass; SELECT clock_timestamp(), * FROM mend.progress WHERE target = 'kept'::regclass;
	SELECT * FROM mend.status WHERE target = 'kept'::regclass; SELECT id, at, kind, detail FROM mend.events WHERE target_name = 'public.kept' ORDER BY id}));
$a->do('DEALLOCATE p');

# LISTEN is the server's connection's: who wants to hear connects directly.
$a->do('LISTEN mend');
is($b->selectrow_array('SELECT pg_listening_channels()'), 'mend', 'LISTEN through the pool is not the client\'s');
ok(admin('RECONNECT one'), 'the connection is renewed');
is($a->selectrow_array('SELECT count(*) FROM pg_listening_channels()'), 0, 'and nobody listens any more');
my $direct = DBI->connect('dbi:Pg:dbname=postgres;host=' . $node->host . ';port=' . $node->port, 'app', undef, { RaiseError => 1 });
$direct->do('LISTEN mend');
$offer->($b, 10);
$b->selectrow_array("SELECT healing_insert('kept', ?)", undef, '{"id": 11, "supplier": 1}');
my $heard;
ok(until_true(sub { $heard = $direct->pg_notifies; $heard && $heard->[2] =~ /"patch_applied"/ }), 'a connection of its own hears of the patch');

# CALL mend.wait_idle commits by itself.
my $owner = through('one', 'postgres');
ok(eval { $owner->do("CALL mend.wait_idle('kept', '60 s')"); 1 }, 'CALL mend.wait_idle by itself') or diag($@);
$owner->begin_work;
eval { $owner->do('CALL mend.wait_idle()') };
is($owner->state, '25001', 'not inside a transaction');
$owner->rollback;
$_->disconnect for $a, $b, $direct, $owner;
nothing_crashed($node);
ok(kill(0, $process->{KIDS}[0]{PID}), 'pgbouncer has lived through it');
$node->stop;
done_testing();
