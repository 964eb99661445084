# mend-mcp over HTTP: who may ask, statuses, and peers that mean no good.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use McpTest;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $program = McpTest::program();
my $node = mend_node('mcp_http');
$node->safe_psql('postgres', q{
	CREATE ROLE agent LOGIN IN ROLE mend_agent;
	CREATE TABLE orders (id int); SELECT mend.enroll('orders', 'paused')});
my $target = McpTest::target($node, 'agent');
my $token = 'a-token-of-the-test-0123456789';

# Starts it; returns (pid, port).
sub serve
{
	my ($host, @arguments) = @_;
	my $log = "$PostgreSQL::Test::Utils::tmp_check/log/mcp_http.err";
	unlink $log;
	my $pid = fork // die;
	if ($pid == 0)
	{
		open STDERR, '>', $log or die;
		open STDIN, '<', '/dev/null' or die;
		exec($program, '--http', "$host:0", @arguments, $target) or die;
	}
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return ($pid, $1) if -e $log && slurp_file($log) =~ m{serving http://[^ ]+:(\d+)/mcp};
		select undef, undef, undef, 0.1;
	}
	die 'it does not serve';
}

my ($pid, $port);
sub request
{
	my ($body, $headers, $method, $path) = @_;
	my %headers = ('Content-Type' => 'application/json', Accept => 'application/json, text/event-stream', %{ $headers // {} });
	delete $headers{$_} for grep { !defined $headers{$_} } keys %headers;
	return HTTP::Tiny->new(timeout => 60)
	  ->request($method // 'POST', "http://127.0.0.1:$port" . ($path // '/mcp'), { headers => \%headers, content => ref $body ? encode_json($body) : $body });
}
sub raw
{
	my ($bytes, $finish) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10) or die "connect: $!";
	local $SIG{PIPE} = 'IGNORE';
	print {$socket} $bytes;
	shutdown $socket, 1 if $finish;
	my $got = '';
	while (IO::Select->new($socket)->can_read(20)) { sysread($socket, $got, 65536, length $got) or last; }
	return $got;
}
my $ping = { jsonrpc => '2.0', id => 1, method => 'ping' };
my $call = { jsonrpc => '2.0', id => 2, method => 'tools/call', params => { name => 'ingest_status', arguments => {} } };

# Where it listens.
for my $address ('0.0.0.0', '[::]', '192.0.2.1')
{
	my ($out, $err) = run_command([ $program, '--http', "$address:0", $target ]);
	like($err, qr/without a token/, "$address needs a token");
}
my ($out, $err) = run_command([ $program, '--http', 'example.com:80', $target ]);
like($err, qr/--http takes/, 'a name is no address');
{
	local $ENV{MEND_MCP_TOKEN} = 'short';
	($out, $err) = run_command([ $program, '--http', '0.0.0.0:0', $target ]);
	like($err, qr/16 characters/, 'a short token is none');
	local $ENV{MEND_MCP_TOKEN} = '';
	($out, $err) = run_command([ $program, '--http', '127.0.0.1:0', $target ]);
	like($err, qr/16 characters/, 'an empty one neither');
}

# Without a token, on loopback.
($pid, $port) = serve('127.0.0.1');
is(request($ping)->{status}, 200, 'it answers');
my $good = request($call);
is(scalar @{ decode_json($good->{content})->{result}{structuredContent}{tables} }, 1, 'a tool is served');
is($good->{headers}{'content-type'}, 'application/json', 'as JSON');
ok(!exists $good->{headers}{'mcp-session-id'}, 'without a session');
is(request({ jsonrpc => '2.0', method => 'notifications/initialized' })->{status}, 202, 'a notification is accepted');
is(request('not json')->{status}, 400, 'what is no JSON is not');
my $get = request('', {}, 'GET');
is_deeply([ $get->{status}, $get->{headers}{allow} ], [ 405, 'POST' ], 'there is no stream');
is(request('', {}, 'DELETE')->{status}, 405, 'and no session to end');
is(request($ping, {}, 'POST', '/')->{status}, 404, 'there is one path');
is(request($ping, { 'Content-Type' => 'text/plain' })->{status}, 415, 'a form of a foreign page is refused');
is(request($ping, { Accept => 'text/html' })->{status}, 406, 'so is who takes no JSON');
is(request($ping, { Origin => 'http://evil.example' })->{status}, 403, 'so is a foreign origin');
is(request($ping, { Origin => 'null' })->{status}, 403, 'and none');
is(request($ping, { Origin => "http://localhost:$port" })->{status}, 200, 'our own may ask');
like(raw("POST /mcp HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"), qr{^HTTP/1.1 403}, 'a rebound name is refused');
like(raw("POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"), qr{^HTTP/1.1 40[03]}, 'so is no name');
like(raw("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n"), qr{^HTTP/1.1 413}, 'a body may have so much');
my $chunk = sprintf("%x\r\n%s\r\n", 1 << 16, 'x' x (1 << 16));
unlike(raw("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" . $chunk x 40 . "0\r\n\r\n"),
	qr/"result"/, 'in pieces too');
unlike(raw($_, 1), qr/"result"/, 'garbage gets nothing')
  for "\0" x 1000, "GET\r\n\r\n", 'POST /mcp HTTP/1.1' . "\r\n" . 'X: ' . 'y' x 100_000 . "\r\n\r\n",
  "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
  "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{}";
my @idle = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) } 1 .. 80;
print {$_} "POST /mcp HTTP/1.1\r\nHost: " for grep { defined } @idle;
close $_ for grep { defined } @idle;
# It learns only by and by that they are gone, and has room for so many.
my $status = 0;
for my $try (1 .. 300)
{
	$status = request($ping)->{status};
	last if $status == 200;
	select undef, undef, undef, 0.1;
}
is($status, 200, 'it lives through all that');

# Who takes all places and asks nothing keeps nobody out, although he comes back as soon as he is thrown out.
{
	my @held;
	my $take = sub { push @held, IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) // () for 1 .. shift };
	$take->(64);
	local $SIG{PIPE} = 'IGNORE';
	my @answers = map { $take->(8); HTTP::Tiny->new(timeout => 15)->request('POST', "http://127.0.0.1:$port/mcp",
		{ headers => { 'Content-Type' => 'application/json', Accept => 'application/json' }, content => encode_json($ping) }) } 1 .. 5;
	@answers = map { $_->{status} } @answers;
	is_deeply(\@answers, [ (200) x 5 ], 'places are not for those who ask nothing');
}
like(raw("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	qr{^HTTP/1.1 400}, 'two lengths are none');

# Calls beside each other: more than there are connections, and one that waits for a lock.
my $lock = $node->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK TABLE mend.drifts');
my @children = map {
	my $child = fork // die;
	if ($child == 0)
	{
		my $answer = request({ %$call, params => { name => $_ % 8 ? 'ingest_status' : 'list_drift' } });
		require POSIX;
		POSIX::_exit($answer->{status} == 200 && $answer->{content} =~ /"isError"/ ? 0 : 1);
	}
	$child
} 1 .. 16;
my $failures = 0;
for (@children) { waitpid $_, 0; $failures++ if $?; }
is($failures, 0, 'sixteen at once are all answered');
$lock->query_safe('ROLLBACK');
$lock->quit;
is($node->safe_psql('postgres', "SELECT count(*) <= 4 FROM pg_stat_activity WHERE usename = 'agent'"), 't', 'with four connections');
$node->restart;
like(request($call)->{content}, qr/"isError":false/, 'after a restart of the server as well') for 1 .. 5;
kill 'TERM', $pid;
waitpid $pid, 0;
is($?, 0, 'SIGTERM ends it');

# With a token.
$ENV{MEND_MCP_TOKEN} = $token;
($pid, $port) = serve('0.0.0.0', '--allow-host', 'Mend.Example');
delete $ENV{MEND_MCP_TOKEN};
my $none = request($ping);
is_deeply([ $none->{status}, $none->{headers}{'www-authenticate'} ], [ 401, 'Bearer' ], 'without the token there is nothing');
is(request($ping, { Authorization => "Bearer $token." })->{status}, 401, 'nor with another');
is(request('', {}, 'GET', '/x')->{status}, 401, 'not even a path');
is(request($call, { Authorization => "Bearer $token" })->{status}, 200, 'with it there is');
is(request($ping, { Authorization => "Bearer $token", Origin => 'https://mend.example' })->{status}, 200, 'by a name that was allowed, too');
unlike(slurp_file("/proc/$pid/cmdline"), qr/\Q$token/, 'the token is no argument');
kill 'INT', $pid;
waitpid $pid, 0;
is($?, 0, 'SIGINT ends it');
nothing_crashed($node);
done_testing();
