# What the tests of the claude planner share: a node that asks the stand-in, and what the stand-in was asked.
package ClaudeTest;

use strict;
use warnings;
use Exporter 'import';
use FindBin;
use JSON::PP;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(stand_in script_is requests cases claude_node ask_stand_in orders_table heal sql);

my $key = 'test-key';

# Starts a stand-in that ends with this test; returns it.
sub stand_in
{
	my (@arguments) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my %self = (record => "$dir/record");
	open(my $record, '>', $self{record}) or die $!;
	close $record;
	pipe(my $from, my $to) or die $!;
	my $pid = fork // die "fork: $!";
	if (!$pid)
	{
		close $to;
		open(STDIN, '<&', $from) or die $!;
		exec($^X, "$FindBin::RealBin/../stand_in/stand_in", '--with-parent', '--record', $self{record}, '--key', $key, @arguments,
			'--port-file', "$dir/port") or die $!;
	}
	close $from;
	$self{stdin} = $to;
	$self{pid} = $pid;
	for (1 .. 600)
	{
		last if -s "$dir/port";
		select undef, undef, undef, 0.05;
	}
	$self{port} = slurp_file("$dir/port") + 0;
	$self{url} = "http://127.0.0.1:$self{port}";
	return \%self;
}

# Speaks HTTP with the stand-in's own paths.
sub _talk
{
	my ($stand_in, $method, $path, $body) = @_;
	require IO::Socket::INET;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $stand_in->{port}, Proto => 'tcp') or die "stand-in: $!";
	print $socket "$method $path HTTP/1.1\r\nHost: x\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
	local $/;
	my $answer = <$socket>;
	die "stand-in: $answer" unless $answer =~ m{^HTTP/1.1 200};
	return $answer;
}

# The replies to come, and nothing else of the old ones.
sub script_is
{
	my ($stand_in, @replies) = @_;
	_talk($stand_in, 'PUT', '/stand_in/script', join '', map { "$_\n" } @replies);
	return;
}

# What was asked, as recorded: hashes with body (text), reply, status.
sub requests
{
	my ($stand_in) = @_;
	return map { JSON::PP->new->utf8->decode($_) } split /\n/, slurp_file($stand_in->{record});
}

# The documents in the first turns of what was asked.
sub cases
{
	my ($stand_in) = @_;
	return map {
		my $text = JSON::PP->new->decode($_->{body})->{messages}[0]{content};
		$text =~ m{<untrusted_data>\s*(.*?)\s*</untrusted_data>}s ? JSON::PP->new->decode($1) : die 'no case';
	} requests($stand_in);
}

sub key_file
{
	my $file = PostgreSQL::Test::Utils::tempdir() . '/key';
	open(my $out, '>', $file) or die $!;
	print $out "$key\n";
	close $out;
	chmod 0600, $file;
	return $file;
}

# A node whose workers ask the stand-in.
sub claude_node
{
	my ($name, $stand_in, @settings) = @_;
	delete @ENV{qw(ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_BASE_URL)};
	my $file = key_file();
	return mend_node($name, "mend.idle_exit = '1h'", "mend.api_url = '$stand_in->{url}'", "mend.api_key_file = '$file'", @settings);
}

sub sql { my ($node, $query) = @_; return $node->safe_psql('postgres', $query) }

# public.$name (id, customer_name required, amount integer, note), enrolled.
sub orders_table
{
	my ($node, $name, $terms) = @_;
	sql($node, "CREATE TABLE $name (id bigint, customer_name text NOT NULL, amount integer, note text); SELECT mend.enroll('$name'"
		. ($terms ? ", $terms" : '') . ')');
	return;
}

# Offers payloads, and waits until the worker has done what it can.
sub heal
{
	my ($node, $table, @payloads) = @_;
	sql($node, 'BEGIN; ' . join(' ', map { "SELECT healing_insert('$table', \$json\$$_\$json\$);" } @payloads) . ' COMMIT') if @payloads;
	sql($node, 'CALL mend.wait_idle()');
	return;
}

1;
