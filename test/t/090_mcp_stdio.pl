# mend-mcp over stdio: frames good and bad, roles, events, cancellation.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use JSON::PP;
use McpTest;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

McpTest::program();
my $node = mend_node('mcp');
$node->safe_psql(
	'postgres', q{
	CREATE ROLE agent LOGIN IN ROLE mend_agent;
	CREATE ROLE admin LOGIN IN ROLE mend_admin;
	CREATE ROLE nobody LOGIN;
	CREATE TABLE orders (id int PRIMARY KEY, total int);
	CREATE SCHEMA hidden; CREATE TABLE hidden.t (id int);
	SELECT mend.enroll('orders', 'review'), mend.enroll('hidden.t', 'review');
	SELECT healing_load('orders', '[{"id": 1, "coupon": "x"}, {"id": "y"}]');
	CALL mend.wait_idle()});

my $bridge = McpTest->start(McpTest::target($node, 'agent'));

# Frames.
my $reply = $bridge->ask('server/discover', { _meta => $McpTest::modern });
is_deeply($reply->{result}{supportedVersions}, ['2026-07-28'], 'the modern era needs no handshake');
is($bridge->ask('initialize', { protocolVersion => '2025-06-18' })->{result}{protocolVersion}, '2025-06-18', 'nor does it forbid one');
$bridge->send("\n  \r\n" . '{"jsonrpc":"2.0","method":"notifications/initialized"}' . "\n");
for my $bad (
	['not json', -32700], ["\0\1\xFF\xFE", -32700], ['{"jsonrpc":"2.0","id":1,"method":"x"', -32700], ['[]', -32600],
	['[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600], ['5', -32600], ['{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600],
	['{"jsonrpc":"2.0","id":1,"method":["ping"]}', -32600], ['{"jsonrpc":"2.0","id":1,"method":"ping","params":5}', -32602],
	['[' x 100_000, -32700], ['{"jsonrpc":"2.0","id":1,"method":"no/such"}', -32601],
	['{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":{}}}', -32602])
{
	$bridge->send("$bad->[0]\n");
	is($bridge->receive->{error}{code}, $bad->[1], 'answered: ' . substr($bad->[0], 0, 60) =~ s/[^ -~]/?/gr);
}
$bridge->send('{"jsonrpc":"2.0","id":1,"result":{}}' . "\n");
$bridge->send('x' x 1_000_000) for 1 .. 100;
$bridge->send("\n");
is($bridge->receive->{error}{code}, -32600, 'a line of 100 MB is refused');
my ($peak) = slurp_file("/proc/$bridge->{pid}/status") =~ /VmHWM:\s+(\d+) kB/;
cmp_ok($peak, '<', 65_536, 'and takes no memory');
$bridge->send('{"jsonrpc":"2.0","id":"split","met');
$bridge->send('hod":"ping"}' . "\r\n");
is($bridge->receive->{id}, 'split', 'a message may come in pieces');

# Roles: what is listed, and what the database refuses besides.
my $names = sub { join ' ', sort map { $_->{name} } @{ $_[0]->ask('tools/list')->{result}{tools} } };
is($names->($bridge), 'describe_table dry_run_patch get_patch ingest_status list_dead_letters list_drift list_patches propose_patch',
	'an agent sees what it may use');
is($bridge->call('retry_dead_letters', { table => 'orders' })->{sqlstate}, '42501', 'the database refuses what is not listed');
is($bridge->call('list_dead_letters', { include_values => JSON::PP::true })->{sqlstate}, '42501', 'and values');
is($bridge->call('describe_table', { table => 'hidden.t' })->{table}, 'hidden.t', 'an enrolled table is found without a right to its schema');
is($bridge->call('describe_table', { table => q{orders'; DROP TABLE orders; --} })->{error}, 1, 'a name is no SQL');
is($bridge->call('describe_table', { table => q{"public"."orders"} })->{table}, 'public.orders', 'a quoted name is a name');
my $patch = $bridge->call('propose_patch', { table => 'orders', ddl => 'ALTER TABLE orders ADD COLUMN coupon text', rationale => "new\nfield" });
is($patch->{state}, 'proposed', 'a proposal waits');
my $refused = $bridge->call('propose_patch', { table => 'orders', ddl => 'ALTER TABLE orders ADD x int; GRANT mend_admin TO agent', rationale => '' });
is($refused->{sqlstate}, '42501', 'two statements are refused');
is($bridge->call('dry_run_patch', { patch_id => $patch->{patch_id} })->{rows_healed}, 1, 'a dry run proves it');
is($bridge->call('get_patch', { patch_id => 999999 })->{sqlstate}, '42704', 'there is no such patch');
is($node->safe_psql('postgres', "SELECT string_agg(attname, ',') FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0"),
	'id,total', 'nothing of this has altered the table');

my $outsider = McpTest->start(McpTest::target($node, 'nobody'));
is($names->($outsider), '', 'a role without rights sees no tool');
is($outsider->call('ingest_status')->{sqlstate}, '42501', 'and may use none');
is($outsider->finish([]), 0, 'it ends when the client does');

# Events.
is( $node->safe_psql('postgres', q{SELECT detail ->> 'tool', target_name, patch_id, detail ->> 'sqlstate', (detail ->> 'milliseconds')::int >= 0
		FROM mend.events WHERE kind = 'tool_call' AND actor = 'agent' AND detail ->> 'tool' IN ('retry_dead_letters', 'dry_run_patch', 'describe_table') ORDER BY id}),
	join("\n", 'retry_dead_letters|public.orders||42501|t', 'describe_table|hidden.t|||t', 'describe_table|||42602|t', 'describe_table|public.orders|||t', "dry_run_patch||$patch->{patch_id}||t"),
	'each call is an event') or diag($node->safe_psql('postgres', "SELECT * FROM mend.events WHERE kind = 'tool_call'"));
is($node->safe_psql('postgres', "SELECT DISTINCT detail ->> 'tool' FROM mend.events WHERE actor = 'nobody'"), '', 'who may do nothing records nothing');

# Cancellation, and what need not wait for a slow call.
my $slow = McpTest->start('--lock-timeout', '600', '--statement-timeout', '600', McpTest::target($node, 'agent'));
$slow->call('ingest_status');
my $lock = $node->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK TABLE mend.drifts');
my $id = $slow->post('tools/call', { name => 'list_drift' });
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'agent' AND wait_event_type = 'Lock'") or die;
my $second = $slow->post('tools/call', { name => 'list_patches' });
ok($slow->ask('ping')->{result}, 'a ping does not wait for a slow call');
$slow->send(encode_json({ jsonrpc => '2.0', method => 'notifications/cancelled', params => $_ }) . "\n")
  for {}, { requestId => 'unknown' }, { requestId => $id };
is($slow->receive->{id}, $second, 'a cancelled call is not answered, the next one is');
$slow->post('tools/call', { name => 'list_drift' });
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'agent' AND wait_event_type = 'Lock'") or die;
kill 'TERM', $slow->{pid};
while (defined $slow->receive) { }
waitpid $slow->{pid}, 0;
is($?, 0, 'SIGTERM ends it');
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'agent' AND wait_event_type = 'Lock'")
  or die 'the statement runs on';
pass('and with it its statement');

my $hasty = McpTest->start('--lock-timeout', '1', McpTest::target($node, 'agent'));
is($hasty->call('list_drift')->{sqlstate}, '55P03', 'a lock is not awaited for ever');
$hasty->finish([]);
$hasty = McpTest->start('--lock-timeout', '600', '--statement-timeout', '1', McpTest::target($node, 'agent'));
is($hasty->call('list_drift')->{sqlstate}, '57014', 'nor does a statement run for ever');
$hasty->finish([]);
$lock->query_safe('ROLLBACK');
$lock->quit;

# The end of input: what was asked is answered.
$bridge->post('tools/call', { name => 'ingest_status' }) for 1 .. 150;
$bridge->send('{"jsonrpc":"2.0","id":"cut off","method":"ping"');
my @rest;
is($bridge->finish(\@rest), 0, 'it ends when its input does');
is(scalar(@rest), 150, 'after it has answered what was asked');

is(slurp_file($bridge->{log}), "mend-mcp: the call of ingest_status is not in mend.events: permission denied for function record_tool_call\n",
	'stderr tells of the call that could not be recorded, and of nothing else');
my ($out, $err) = run_command([ $ENV{MEND_MCP}, '--nope' ]);
is($out, '', 'usage errors are not on stdout');
nothing_crashed($node);
done_testing();
