# mend-mcp and a server that is not there, restarts, kills, freezes, or is another one.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use McpTest;
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

McpTest::program();
my $node = mend_node('mcp_trouble');
$node->safe_psql('postgres', q{
	CREATE ROLE agent LOGIN IN ROLE mend_agent;
	CREATE TABLE orders (id int); SELECT mend.enroll('orders', 'paused')});
my $target = McpTest::target($node, 'agent');

$node->stop;
my $bridge = McpTest->start('--lock-timeout', '600', '--statement-timeout', '2', $target);
is(scalar @{ $bridge->ask('tools/list')->{result}{tools} }, 9, 'without a server all tools are listed');
my $down = $bridge->call('ingest_status');
is($down->{sqlstate}, '08001', 'a call says that there is no server');
like($down->{hint}, qr/Try again/, 'and what to do');
is($bridge->ask('resources/read', { uri => 'mend://drift/summary' })->{error}{data}{sqlstate}, '08001', 'so does a resource');
$node->start;
is(scalar @{ $bridge->call('ingest_status')->{tables} }, 1, 'it connects when there is one');
is(scalar @{ $bridge->ask('tools/list')->{result}{tools} }, 8, 'and lists what the role may use');
$node->restart;
is(scalar @{ $bridge->call('ingest_status')->{tables} }, 1, 'a restart goes unnoticed');
$node->stop('immediate');
$node->start;
is(scalar @{ $bridge->call('ingest_status')->{tables} }, 1, 'and so does a crash');

# In the middle of a call.
sub while_it_waits
{
	my ($what) = @_;
	my $lock = $node->background_psql('postgres');
	$lock->query_safe('BEGIN; LOCK TABLE mend.enrollments');
	$bridge->post('tools/call', { name => 'ingest_status' });
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'agent' AND wait_event_type = 'Lock'") or die;
	my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE usename = 'agent'");
	$what->($pid);
	my $outcome = McpTest::outcome($bridge->receive);
	eval { $lock->quit };
	return $outcome;
}
is(while_it_waits(sub { $node->safe_psql('postgres', "SELECT pg_terminate_backend($_[0])") })->{sqlstate}, '57P01',
	'a terminated backend is an error result');
ok(!$bridge->call('ingest_status')->{error}, 'and the next call is served');
my $frozen;
my $lost = while_it_waits(sub { $frozen = $_[0]; kill 'STOP', $frozen });
is($lost->{sqlstate}, '08006', 'a backend that is frozen is given up');
ok(!$bridge->call('list_drift')->{error}, 'and another one takes its place');
kill 'CONT', $frozen;
like(while_it_waits(sub { $node->stop('immediate') })->{sqlstate}, qr/^(08006|57P0[12])$/, 'a server that goes away is an error result');
$node->start;
ok(!$bridge->call('ingest_status')->{error}, 'it comes back');
is($bridge->finish([]), 0, 'the bridge has lived through it');

# Somebody else's server.
$node->safe_psql('postgres', 'CREATE DATABASE plain');
my $plain = McpTest->start(McpTest::target($node, 'agent', 'plain'));
is(scalar @{ $plain->ask('tools/list')->{result}{tools} }, 9, 'without the extension all tools are listed');
like($plain->call('list_drift')->{hint}, qr/CREATE EXTENSION/, 'and say that it is not there');
$plain->finish([]);
my $wrong = McpTest->start(McpTest::target($node, 'no_such_role'));
is($wrong->call('list_drift')->{sqlstate}, '08001', 'a connection that fails for another reason is an error result');
$wrong->finish([]);
my $broken = McpTest->start('this is no=connection string =');
is($broken->call('list_drift')->{sqlstate}, '08001', 'so is a connection string that is none');
$broken->finish([]);

# A standby: everything can be read, and nothing is recorded.
$node->append_conf('postgresql.conf', "wal_level = replica\nmax_wal_senders = 3");
$node->restart;
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my $reader = McpTest->start(McpTest::target($standby, 'agent'));
is(scalar @{ $reader->call('ingest_status')->{tables} }, 1, 'a standby is read');
my $proposal = $reader->call('propose_patch', { table => 'orders', ddl => 'ALTER TABLE orders ADD x int', rationale => '' });
is($proposal->{sqlstate}, '25006', 'and not written');
like($proposal->{hint}, qr/primary/, 'with a hint');
$reader->finish([]);
$standby->stop;
done_testing();
