# A client of mend-mcp for the TAP tests: one process over stdio, spoken to line by line. MEND_MCP names the program.
package McpTest;

use strict;
use warnings;
use IO::Select;
use IPC::Open3;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

our $modern = {
	'io.modelcontextprotocol/protocolVersion' => '2026-07-28',
	'io.modelcontextprotocol/clientCapabilities' => {}
};

sub program
{
	my $program = $ENV{MEND_MCP};
	plan(skip_all => 'MEND_MCP does not name the mend-mcp program (make bridge)') unless $program && -x $program;
	return $program;
}

# Where a node is, as a connection string.
sub target
{
	my ($node, $user, $database) = @_;
	return sprintf('host=%s port=%s dbname=%s user=%s', $node->host, $node->port, $database // 'postgres', $user);
}

sub start
{
	my ($class, @arguments) = @_;
	my $log = "$PostgreSQL::Test::Utils::tmp_check/log/mcp_$$.err";
	open(my $err, '>>', $log) or die "$log: $!";
	my ($in, $out);
	my $pid = open3($in, $out, '>&' . fileno($err), program(), @arguments);
	binmode $_ for $in, $out;
	$in->autoflush(1);
	return bless { in => $in, out => $out, pid => $pid, buffer => '', id => 0, log => $log }, $class;
}

sub send { my ($self, $bytes) = @_; print { $self->{in} } $bytes; return; }

# The next message on stdout; dies unless it is one line of JSON-RPC. undef at the end of output.
sub receive
{
	my ($self, $seconds) = @_;
	my $deadline = time + ($seconds // $PostgreSQL::Test::Utils::timeout_default);
	my $select = IO::Select->new($self->{out});
	while ($self->{buffer} !~ /\n/)
	{
		die "mend-mcp does not answer\n" if time > $deadline;
		next unless $select->can_read(1);
		sysread($self->{out}, $self->{buffer}, 1 << 16, length $self->{buffer}) or last;
	}
	return undef unless $self->{buffer} =~ s/^([^\n]*)\n//;
	my $message = decode_json($1);
	die "not MCP: $1\n" unless ref $message eq 'HASH' && $message->{jsonrpc} eq '2.0';
	return $message;
}

# Sends a request, and returns its id.
sub post
{
	my ($self, $method, $params) = @_;
	my $id = ++$self->{id};
	$self->send(encode_json({ jsonrpc => '2.0', id => $id, method => $method, params => $params // {} }) . "\n");
	return $id;
}

# The reply to a request.
sub ask
{
	my ($self, $method, $params) = @_;
	my $id = $self->post($method, $params);
	my $reply = $self->receive // die "mend-mcp has ended\n";
	die "an answer to something else\n" unless defined $reply->{id} && $reply->{id} eq $id;
	return $reply;
}

# The result of a call as a hash; its member `error` is true for an error result.
sub call
{
	my ($self, $tool, $arguments) = @_;
	return outcome($self->ask('tools/call', { name => $tool, arguments => $arguments // {} }));
}

sub outcome
{
	my ($reply) = @_;
	my $text = decode_json($reply->{result}{content}[0]{text});
	$text->{error} = $reply->{result}{isError} ? 1 : 0;
	return $text;
}

# Closes its input and returns its exit status; what it still says goes to @$rest.
sub finish
{
	my ($self, $rest) = @_;
	close $self->{in};
	while (defined(my $message = $self->receive)) { push @$rest, $message; }
	waitpid $self->{pid}, 0;
	return $?;
}

1;
