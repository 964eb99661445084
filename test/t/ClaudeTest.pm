# What the tests of the claude planner share: a node that asks the stand-in, and what the stand-in was asked.
# PROVIDER says by which way Claude is reached: anthropic (unless given), bedrock (InvokeModel, signed), mantle (Bedrock in the
# Messages form), vertex or foundry. Tests find names of models and of the API by model_name() and api_name().
package ClaudeTest;

use strict;
use warnings;
use Exporter 'import';
use FindBin;
use JSON::PP;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(provider api_name model_name key_setting stand_in script_is requests cases claude_node ask_stand_in orders_table heal sql);

my $key = 'test-key';

my %ways = (
	anthropic => { name => 'the Anthropic API', key => 'api_key_file' },
	bedrock => { name => 'Amazon Bedrock', key => 'aws_credentials_file', prefix => 'anthropic.' },
	mantle => { provider => 'bedrock', name => 'Amazon Bedrock', key => 'api_key_file', prefix => 'anthropic.', path => '/anthropic' },
	vertex => { name => 'Vertex AI', key => 'api_token_file', path => '/v1/projects/p/locations/global' },
	foundry => { name => 'Microsoft Foundry', key => 'api_key_file', path => '/anthropic' });
sub provider { return $ENV{PROVIDER} || 'anthropic' }
my $way = $ways{ provider() } or die 'PROVIDER is one of ' . join(', ', sort keys %ways);
sub api_name { return $way->{name} }
sub key_setting { return "mend.$way->{key}" }
# As the provider calls a model.
sub model_name { my ($model) = @_; return ($way->{prefix} // '') . $model }

# Starts a stand-in that ends with this test; returns it.
sub stand_in
{
	my (@arguments) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	push @arguments, '--provider', provider() if provider() ne 'anthropic' && !grep { /^--(?:provider|keys)$/ } @arguments;
	push @arguments, '--aws-keys', secret_file('aws', "AKIDTEST $key") if provider() eq 'bedrock' && !grep { $_ eq '--aws-keys' } @arguments;
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

sub secret_file
{
	my ($name, $text) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$name";
	open(my $out, '>', $file) or die $!;
	print $out "$text\n";
	close $out;
	chmod 0600, $file;
	return $file;
}

sub key_file
{
	return secret_file('key', provider() eq 'bedrock' ? "[default]\naws_access_key_id = AKIDTEST\naws_secret_access_key = $key" : $key);
}

# A node whose workers ask the stand-in.
sub claude_node
{
	my ($name, $stand_in, @settings) = @_;
	delete @ENV{ grep { /^(?:AWS|ANTHROPIC|CLOUD_ML)_/ } keys %ENV };
	$ENV{AWS_REGION} = 'us-east-1' if $way->{prefix};
	my $file = key_file();
	my $api = $stand_in->{url} . ($way->{path} // '');
	my @provider = provider() eq 'anthropic' ? ()
		: ("mend.provider = '" . ($way->{provider} // provider()) . "'", map { "mend.$_->[0] = '" . model_name("claude-$_->[1]-5-5") . "'" } [ 'model', 'haiku' ], [ 'escalation_model', 'opus' ]);
	return mend_node($name, "mend.idle_exit = '1h'", @provider, "mend.api_url = '$api'", "mend.$way->{key} = '$file'", @settings);
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
