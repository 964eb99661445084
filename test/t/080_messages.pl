# Telling people: NOTIFY, webhook and OpenLineage, sent by the worker, and what happens when nobody answers.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use JSON::PP;
use MendTest;
use PostgreSQL::Test::Utils;
use Encode qw(encode_utf8);
use Sink;
use Test::More;

my $sink = Sink->new;
# Each message by itself: how they are put together is tested by messages_test.
my $node = mend_node('messages', 'mend.message_window = 0');
my ($webhook, $alert, $lineage) = map { $sink->url("/$_") } qw(webhook alert lineage);

sub query { return $node->safe_psql('postgres', $_[0]) }

# A setting is known once the library is loaded; the worker takes it up at its next round.
sub set
{
	my $before = query('SELECT pg_conf_load_time()');
	query("LOAD 'pg_mend';\nALTER SYSTEM SET $_") for @_;
	query('SELECT pg_reload_conf()');
	$node->poll_query_until('postgres', "SELECT pg_conf_load_time() > '$before'") or die 'not reloaded';
	return;
}

# Until nothing is due any more; what waits for a server that is down may stay.
sub told
{
	query('CALL mend.wait_idle()');
	$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM mend.outbox WHERE state = 'pending' AND last_error IS NULL)") or die 'not told';
	return;
}
sub bodies { return map { decode_json(encode_utf8($_->{body})) } $sink->posted($_[0]) }

query(q{CREATE TABLE orders (id int PRIMARY KEY, total int, n int CHECK (n < 100));
	CREATE TABLE reviewed (id int); SELECT mend.enroll('orders'), mend.enroll('reviewed', 'review')});
told();
is(query('SELECT count(*) FROM mend.outbox'), '0', 'without a URL, nothing is kept to be sent');

# NOTIFY, from the worker.
my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN mend');
query(q{SELECT healing_insert('orders', '{"id": 1, "coupon": "SPRING"}')});
told();
my $heard = $listener->query('SELECT 1');
like($heard, qr/Asynchronous notification "mend" with payload "\{"kind": "patch_applied", "patch": 1, "table": "public.orders"\}" received/,
	'a listener on channel mend is told of the patch');
$listener->quit;

# The webhook, for Slack.
set("mend.webhook_url = '$webhook'");
query(q{SELECT healing_insert('orders', '{"id": 2, "total": 3000000000}')});
query(q{SELECT healing_insert('reviewed', '{"id": 3, "<!channel> & `x`": 1}')});
told();
my ($healed) = grep { /healed by patch/ } map { $_->{text} } bodies('/webhook');
like($healed, qr/^public\.orders was healed by patch 2: 1 payloads stored, 0 failed again\n```ALTER TABLE public\.orders ALTER COLUMN total TYPE pg_catalog\.int8```\nTo do: nothing; to take it back: SELECT mend\.revert\(2\)$/,
	'it says what happened, to which table, by which DDL, how many rows, and what to do');
my ($waits) = grep { /waits for a decision/ } map { $_->{text} } bodies('/webhook');
like($waits, qr/^Warning: public\.reviewed: patch 3 waits for a decision: the table is in review mode\n.*\nTo do: SELECT mend\.explain_patch\(3\); then mend\.approve\(3\) or mend\.reject\(3, 'why'\)$/s,
	'a patch that waits for a person says so');
is(scalar(grep { $_->{type} ne 'application/json' } $sink->posted('/webhook')), 0, 'as JSON');
unlike(join('', map { $_->{body} } $sink->posted('/webhook')), qr/<!channel>/, 'a field cannot call the channel');

# Routing by severity, and the other formats.
$sink->clear;
set("mend.webhook_alert_url = '$alert'", "mend.webhook_severity = 'notice'", "mend.webhook_format = 'json'");
query(q{SELECT healing_insert('orders', '{"id": 4, "note": "x"}')});
told();
query(q{SELECT mend.reject(3, 'no')});
query(q{SELECT healing_insert('reviewed', '{"id": 5, "other": 1}')});
told();
is_deeply([ map { $_->{kind} } bodies('/webhook') ], ['patch_rejected'], 'additive changes can be muted');
is_deeply([ sort map { $_->{kind} } bodies('/alert') ], [ 'dead_lettered', 'patch_proposed' ], 'what needs a person goes where people are');
my ($proposed) = grep { $_->{kind} eq 'patch_proposed' } bodies('/alert');
is_deeply([ @$proposed{qw(severity database table patch ddl actor)} ],
	[ 'warning', 'postgres', 'public.reviewed', 5, 'ALTER TABLE public.reviewed ADD COLUMN other pg_catalog.int8', 'pg_mend' ], 'with all particulars');
like($proposed->{audit_head}, qr/^[0-9a-f]{64}$/, 'and the head of the audit chain');
$sink->clear;
set("mend.webhook_format = 'text'");
query(q{SELECT mend.reject(5, 'no')});
told();
my ($plain) = $sink->posted('/webhook');
is($plain->{type}, 'text/plain; charset=utf-8', 'plain text is said to be so');
like($plain->{body}, qr/^public\.reviewed: patch 5 was rejected by \w+\nALTER TABLE .*\nTo do: SELECT /, 'and reads well');

# A server that is down, slow, or refuses: tried again with a growing pause, in order, and healing goes on meanwhile.
$sink->clear;
set("mend.webhook_format = 'slack'", "mend.webhook_severity = 'info'", 'mend.webhook_alert_url = DEFAULT');
$sink->script('retry', 'silence');
query(q{SELECT healing_insert('orders', '{"id": 6, "a": 1}')});
query(q{SELECT healing_insert('orders', '{"id": 7, "b": 1}'); CALL mend.wait_idle()}) for 1;
query(q{SELECT healing_insert('orders', '{"id": 8, "c": 1}')});
query('CALL mend.wait_idle()');
is(query('SELECT count(*) FROM orders WHERE id IN (6, 7, 8)'), '3', 'healing does not wait for a server that does not answer');
$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM mend.outbox)") or die 'never sent';
my @texts = map { /healed by patch (\d+)/ } map { $_->{text} } map { decode_json($_->{body}) } grep { $_->{status} eq '200' } $sink->posted('/webhook');
is("@texts", join(' ', sort { $a <=> $b } @texts), 'every message arrives, in order');
is(scalar @texts, 3, 'once each');

# One that is slow, beside a database that is never idle, is given more time with each try.
$sink->clear;
$sink->script('slow*');
query(q{SELECT healing_insert('orders', '{"id": 20, "s": 1}')});
my $busy = 20;
ok(poll(sub {
	query(q{SELECT healing_insert('reviewed', '{"id": } . ++$busy . q{, "slow": 1}'); UPDATE mend.outbox SET next_try = now() WHERE last_error IS NOT NULL});
	return query('SELECT NOT EXISTS (SELECT FROM mend.outbox)') eq 't';
}), 'a slow server is told while the database is busy');
cmp_ok(scalar(grep { $_->{body} =~ /healed by patch/ } $sink->posted('/webhook')), '<=', 4, 'after few tries');
$sink->script;
query(q{SELECT mend.reject(patch_id, 'no') FROM mend.decisions WHERE target = 'reviewed'::regclass});
told();
$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM mend.outbox)') or die 'never sent';

# While somebody has the first message locked, the next does not overtake it.
$sink->clear;
$sink->script('404');
query(q{SELECT healing_insert('orders', '{"id": 21, "first": 1}')});
query('CALL mend.wait_idle()');
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM mend.outbox WHERE last_error = 'HTTP status 404'") or die 'not refused';
my $holder = $node->background_psql('postgres');
$holder->query_safe("UPDATE mend.outbox SET next_try = now();\nBEGIN;\nSELECT FROM mend.outbox FOR UPDATE;");
query(q{SELECT healing_insert('orders', '{"id": 22, "second": 1}')});
query('CALL mend.wait_idle()');
$node->poll_query_until('postgres', 'SELECT count(*) = 2 FROM mend.outbox') or die 'no second message';
query(q{SELECT mend.request_round('orders')});
query(q{CALL mend.wait_idle()});
query('SELECT pg_sleep(0.3)');
is(scalar($sink->posted('/webhook')), 1, 'nothing overtakes a message that somebody has locked');
$holder->query_safe('COMMIT');
$holder->quit;
query(q{SELECT mend.request_round('orders')});
$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM mend.outbox)') or die 'never sent';
like(join(' ', map { $_->{text} =~ /COLUMN (\w+)/ } bodies('/webhook')), qr/^first first second$/, 'they arrive in their order');

# A message that nobody wants is given up, and there is an event of it; the next one goes through.
$sink->clear;
$sink->script('404*');
query(q{SELECT healing_insert('orders', '{"id": 9, "d": 1}')});
query('CALL mend.wait_idle()');
# Only what has failed is tried again at once: nothing that is under way.
poll(sub {
	query(q{UPDATE mend.outbox SET next_try = now(), last_error = NULL WHERE state = 'pending' AND last_error IS NOT NULL; SELECT mend.request_round('orders')});
	return query("SELECT state = 'dead' FROM mend.outbox") eq 't';
}) or die 'not given up: ' . query('SELECT string_agg(o::text, chr(10)) FROM mend.outbox o');
$sink->script;
like(query("SELECT detail ->> 'error', detail ->> 'channel', detail ->> 'tries' FROM mend.events WHERE kind = 'message_lost'"),
	qr/^HTTP status 404\|webhook\|[3-6]$/, 'a message that is refused is given up, with an event');
is(query("SELECT value FROM mend.metrics WHERE name = 'mend_outbox_dead_messages' AND labels ->> 'channel' = 'webhook'"), '1', 'and a metric');

# Only https, and http to this machine; the URL is nobody else's business.
set("mend.webhook_url = 'http://192.0.2.1/hook'");
query(q{SELECT healing_insert('orders', '{"id": 10, "e": 1}')});
query('CALL mend.wait_idle()');
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM mend.outbox WHERE state = 'pending' AND last_error IS NOT NULL") or die 'tried in vain';
like(query("SELECT last_error FROM mend.outbox WHERE state = 'pending'"), qr/http/i, 'plain http leaves this machine for nobody');
query('CREATE ROLE nobody');
my ($status, undef, $refusal) = $node->psql('postgres', "LOAD 'pg_mend'; SET ROLE nobody; SHOW mend.webhook_url");
like($refusal, qr/must be .*pg_read_all_settings|must be superuser/, 'the URL is not shown to everyone');
set("mend.webhook_url = ''");
query('SELECT mend.start()');
$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM mend.outbox WHERE state = 'pending')") or die 'not forgotten';
pass('without a URL what waited is forgotten');

# Whoever decides cannot keep it quiet: before the library is loaded, a session may give any setting a value.
set("mend.webhook_url = '$webhook'", "mend.webhook_format = 'json'", "mend.webhook_severity = 'info'");
query('CREATE ROLE quiet LOGIN IN ROLE mend_admin');
my $quiet = query(q{SELECT mend.propose('reviewed', 'ALTER TABLE reviewed ADD COLUMN hushed int')});
told();
$sink->clear;
$node->psql('postgres', "SET mend.webhook_url = ''; SET mend.webhook_severity = 'critical'; SELECT mend.reject($quiet, 'no')", extra_params => [ '-U', 'quiet' ]);
told();
is((grep { $_->{kind} eq 'patch_rejected' && $_->{patch} == $quiet } bodies('/webhook')), 1, 'the webhook is told all the same');
set("mend.webhook_url = ''");

# OpenLineage.
set("mend.lineage_url = '$lineage'");
query(q{SELECT healing_insert('orders', '{"id": 11, "f": 1}')});
query('CALL mend.wait_idle()');
my $useless = query(q{SELECT mend.propose('reviewed', 'ALTER TABLE reviewed ADD COLUMN useless int')});
query("SELECT mend.approve($useless)");
told();
$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM mend.outbox WHERE state = 'pending')") or die 'no lineage';
my @runs = bodies('/lineage');
is_deeply([ map { $_->{eventType} } @runs ], [qw(START COMPLETE START FAIL)], 'each heal is a run: START, then COMPLETE or FAIL');
is($runs[0]{run}{runId}, $runs[1]{run}{runId}, 'with one identity');
isnt($runs[0]{run}{runId}, $runs[2]{run}{runId}, 'of its own');
my ($table) = @{ $runs[1]{outputs} };
is("$table->{namespace}/$table->{name}", 'postgres://messages:' . $node->port . '/postgres.public.orders', 'the table is the dataset');
is_deeply((grep { $_->{name} eq 'f' } @{ $table->{facets}{schema}{fields} })[0]{type}, 'bigint', 'with the shape that it has now');
is($table->{facets}{pgMend_deadLetters}{healed}, 1, 'and what became of the payloads');
is(query("SELECT count(*) FROM mend.outbox WHERE state <> 'dead'"), '0', 'and nothing is left');

if (my $dir = $ENV{LINEAGE_EVENTS})
{
	for my $n (0 .. $#runs) { open(my $out, '>', "$dir/$n.json") or die $!; print $out encode_json($runs[$n]); }
}
nothing_crashed($node);
$node->stop;
$sink->stop;
done_testing();
