# Claude by way of Bedrock, Vertex AI, Foundry and a gateway: addresses, credentials that are rotated, and the ledger of prompts.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Encode;
use FindBin;
BEGIN { delete $ENV{PROVIDER} }    # each has its turn here
use lib $FindBin::RealBin;
use ClaudeTest;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

delete @ENV{ grep { /^(?:AWS|ANTHROPIC|CLOUD_ML)_/ } keys %ENV };
my $dir = PostgreSQL::Test::Utils::tempdir();

sub secret_file
{
	my ($name, $text) = @_;
	open(my $out, '>', "$dir/$name.new") or die $!;
	print $out $text;
	close $out;
	chmod 0600, "$dir/$name.new";
	rename("$dir/$name.new", "$dir/$name") or die $!;
	return "$dir/$name";
}

my $keys = secret_file('keys', "key-1\n");
my $aws = secret_file('aws', "AKID1 secret/1+ token-1\n");
my @way = map { stand_in('--provider', $_, '--keys', $keys, '--aws-keys', $aws, '--deployment', 'planner=claude-haiku-5-5') }
	qw(bedrock mantle vertex foundry);
my %at = (bedrock => $way[0], mantle => $way[1], vertex => $way[2], foundry => $way[3]);
my $gateway = stand_in('--keys', $keys);

$ENV{AWS_REGION} = 'us-east-1';
my $node = mend_node('providers', "mend.idle_exit = '1h'", "mend.escalation_model = ''", 'mend.calls_per_hour = 1000');
my $number = 0;

# The settings of one way, and a table whose drift only Claude can help.
sub set
{
	my (%settings) = @_;
	my @reset = map { "ALTER SYSTEM RESET mend.$_" } qw(provider model api_url api_key_file api_token_file api_headers_file
		aws_credentials_file aws_metadata_url keep_prompts);
	$node->safe_psql('postgres', "LOAD 'pg_mend'; $_") for @reset, map { "ALTER SYSTEM SET mend.$_ = '$settings{$_}'" } keys %settings;
	$node->reload;
	return;
}

sub heals
{
	my ($what) = @_;
	my $table = 'w' . ++$number;
	orders_table($node, $table);
	sql($node, "ALTER TABLE $table ADD COLUMN own_$number int");    # a shape of its own: no answer is remembered
	heal($node, $table, qq({"id": 1, "customer_name": "A", "amount": "$number EUR"}));
	is(sql($node, "SELECT amount FROM $table"), "$number EUR", $what)
		or diag sql($node, "SELECT reason FROM mend.status WHERE target = '$table'::regclass") . sql($node, 'TABLE mend.holds');
	return $table;
}

# What would be asked next is what was asked, to the byte.
sub previews
{
	my ($stand_in, $what) = @_;
	my $table = 'p' . ++$number;
	orders_table($node, $table);
	sql($node, "ALTER TABLE $table ADD COLUMN own_$number int");
	script_is($stand_in, 'give_up');
	heal($node, $table, qq({"id": 1, "customer_name": "A", "amount": "$number EUR"}));
	is(sql($node, "SELECT mend.preview_prompt('$table')"), (requests($stand_in))[-1]{body}, "$what: the preview is what is sent");
	return;
}

my $key_file = secret_file('key', "key-1\n");
my $credentials = secret_file('credentials', "[default]\naws_access_key_id = AKID1\naws_secret_access_key = secret/1+\naws_session_token = token-1\n");
set(provider => 'bedrock', model => 'eu.anthropic.claude-haiku-5-5', api_url => $at{bedrock}{url}, aws_credentials_file => $credentials);
heals('Bedrock, signed with a credentials file');
like((requests($at{bedrock}))[-1]{path}, qr{^/model/eu\.anthropic\.claude-haiku-5-5/invoke$}, 'by InvokeModel');
previews($at{bedrock}, 'bedrock');
set(provider => 'bedrock', model => 'anthropic.claude-haiku-4-5-20251001-v1:0', api_url => $at{bedrock}{url}, aws_metadata_url => $at{bedrock}{url});
heals('Bedrock, with the role of the machine, and a model whose name has a colon');
set(provider => 'bedrock', model => 'anthropic.claude-haiku-5-5', api_url => "$at{mantle}{url}/anthropic", api_key_file => $key_file);
heals('Bedrock in the Messages form, with a key');
previews($at{mantle}, 'mantle');
set(provider => 'vertex', model => 'claude-haiku-5-5@20261007', api_url => "$at{vertex}{url}/v1/projects/p/locations/global", api_token_file => $key_file);
heals('Vertex AI, with a token that somebody else refreshes');
previews($at{vertex}, 'vertex');
set(provider => 'foundry', model => 'planner', api_url => "$at{foundry}{url}/anthropic", api_key_file => $key_file);
my $unpriced = heals('Foundry, with a deployment');
like(sql($node, "SELECT reason FROM mend.status WHERE target = '$unpriced'::regclass"), qr/no price for planner/, 'whose price is not known, which the status says');
is(sql($node, q{SELECT count(*) FROM mend.calls WHERE model = 'planner' AND NOT priced}), '1', 'and which counts as a request');
previews($at{foundry}, 'foundry');
is(sql($node, q{SELECT bool_and(cost_usd > 0) FROM mend.calls WHERE model <> 'planner'}), 't', 'names with what platforms add find their price');

# A gateway that knows us by a header of its own.
set(api_url => $gateway->{url}, api_headers_file => secret_file('headers', "X-Api-Key: key-1\nX-Team: data\n"));
heals('a gateway, by its own header alone');
is((requests($gateway))[-1]{headers}{'x-team'}, 'data', 'which is sent');
set(api_url => $gateway->{url}, api_headers_file => secret_file('headers', "Content-Length: 0\n"));
my $before = scalar requests($gateway);
orders_table($node, 'framed');
heal($node, 'framed', '{"id": 1, "customer_name": "A", "amount": "1 x"}');
like(sql($node, q{SELECT reason FROM mend.status WHERE target = 'framed'::regclass}), qr/line 1 is a header that may not be given/, 'a header that frames the message is refused');
is(scalar(requests($gateway)), $before, 'and nothing is sent');

# As Kubernetes mounts secrets: links, of which one is swapped.
mkdir "$dir/$_" for qw(data-1 data-2);
for my $n (1, 2) {
	open(my $out, '>', "$dir/data-$n/key") or die $!;
	print $out "key-$n\n";
	close $out;
	chmod 0600, "$dir/data-$n/key";
}
symlink('data-1', "$dir/..data") or die $!;
symlink('..data/key', "$dir/mounted") or die $!;
set(api_url => $gateway->{url}, api_key_file => "$dir/mounted");
heals('a key behind links');
chmod 0644, "$dir/data-1/key";
orders_table($node, 'open');
heal($node, 'open', '{"id": 1, "customer_name": "A", "amount": "2 x"}');
like(sql($node, q{SELECT reason FROM mend.status WHERE target = 'open'::regclass}), qr/its mode is 0644/, 'but not one that others may read');
chmod 0600, "$dir/data-1/key";

# Credentials rotate in the midst of heals, and none fails.
my @tables = map { "r$_" } 1 .. 100;
sql($node, join ' ', map { "CREATE TABLE r$_ (id bigint, amount integer, rotated_$_ int); SELECT mend.enroll('r$_');" } 1 .. @tables);
for my $i (0 .. $#tables) {
	if ($i % 5 == 2) {
		# The new one is good before it is mounted, the old one until after.
		secret_file('keys', "key-1\nkey-2\n");
		my $n = $i % 2 + 1;
		symlink("data-$n", "$dir/..next") or die $!;
		rename("$dir/..next", "$dir/..data") or die $!;
		secret_file('keys', "key-$n\n");
	}
	sql($node, qq(SELECT healing_insert('$tables[$i]', '{"id": 1, "amount": "$i USD"}');\nCALL mend.wait_idle('$tables[$i]')));
}
is(sql($node, join ' UNION ALL ', map { "SELECT count(*) FROM $_ WHERE amount::text LIKE '% USD'" } @tables) =~ s/\n//gr, '1' x @tables,
	'credentials that rotate in the midst of heals fail none');
is(sql($node, 'SELECT count(*) FROM mend.calls WHERE status = 401'), '0', 'no request bore one that was gone');

# AWS keys that a metadata service has replaced: the old ones are refused once, and asked for anew.
set(provider => 'bedrock', model => 'anthropic.claude-haiku-5-5', api_url => $at{bedrock}{url}, aws_metadata_url => $at{bedrock}{url});
heals('before the role is given new keys');
secret_file('aws', "AKID2 secret/2+ token-2\n");
heals('after the role was given new keys');
secret_file('keys', "key-1\n");

# The ledger.
is(sql($node, 'SELECT count(*) FROM mend.calls c WHERE NOT EXISTS (SELECT FROM mend.prompts p WHERE p.call_id = c.id AND p.bytes = c.request_bytes)'), '0',
	'each request is in the ledger');
is(sql($node, 'SELECT count(*) FROM mend.prompts WHERE body IS NOT NULL'), '0', 'by its digest alone');
my %digests = map { sha256_hex(Encode::encode_utf8($_->{body})) => 1 } map { requests($_) } @way, $gateway;
is(scalar(grep { !$digests{$_} } split /\n/, sql($node, 'SELECT sha256 FROM mend.prompts')), 0, 'which is that of the bytes that were received');
set(api_url => $gateway->{url}, api_key_file => $key_file, keep_prompts => 'full');
orders_table($node, 'kept');
sql($node, q{ALTER TABLE kept ADD COLUMN own int; SELECT mend.configure('kept', mode => 'paused')});
sql($node, q{SELECT healing_insert('kept', '{"id": 1, "customer_name": "secret-canary", "amount": "canary-77 EUR"}')});
sql($node, q{SELECT mend.configure('kept', mode => 'auto')});
heal($node, 'kept');
# Others may be asked about again, with other settings.
my $received = (grep { index($_->{body}, '\\"kept\\"') >= 0 } requests($gateway))[-1]{body};
is(sql($node, q{SELECT mend.prompt(max(call_id)) FROM mend.prompts WHERE target_name = 'public.kept'}), $received, 'mend.prompt gives back what was sent, to the byte');
unlike($received, qr/canary/, 'and no value is in it');
is(sql($node, q{SELECT ok FROM mend.verify_events()}), 't', 'the ledger agrees with the events');
my ($code, undef, $error) = $node->psql('postgres', 'SET ROLE mend_admin; UPDATE mend.prompts SET host = $$x$$');
isnt($code, 0, 'nobody else changes it');
sql($node, q{ALTER TABLE mend.prompts DISABLE TRIGGER append_only; UPDATE mend.prompts SET sha256 = repeat('0', 64) WHERE call_id = (SELECT min(call_id) FROM mend.prompts)});
like(sql($node, q{SELECT problems::text FROM mend.verify_events()}), qr/the prompt of call \d+ is not what event \d+ says/, 'what a superuser changes is found');
set(api_url => $gateway->{url}, api_key_file => $key_file, keep_prompts => 'off');
my $rows = sql($node, 'SELECT count(*) FROM mend.prompts');
heals('without a ledger');
is(sql($node, 'SELECT count(*) FROM mend.prompts'), $rows, 'nothing is kept');

# No credential is anywhere but where it belongs.
my $log = slurp_file($node->logfile);
my $dump = join '', map { sql($node, "SELECT string_agg(t::text, ' ') FROM mend.$_ t") } qw(events calls holds prompts patches outbox plans);
for my $secret ('key-1', 'key-2', 'secret/1', 'secret/2', 'token-1', 'token-2') {
	unlike($log, qr/\Q$secret\E/, "the log does not tell $secret");
	unlike($dump, qr/\Q$secret\E/, "no table does");
}
nothing_crashed($node);
done_testing();
