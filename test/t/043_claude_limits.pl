# Waiting for Claude holds nothing; budgets, back-offs and the key file.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use ClaudeTest;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $stand_in = stand_in();
# So long that only heeding interrupts ends a wait within this test's patience.
my $node = claude_node('limits', $stand_in, "mend.request_timeout = '1h'", "mend.escalation_model = ''");
sub configure { sql($node, join '; ', q{LOAD 'pg_mend'}, (map { "ALTER SYSTEM $_" } @_), 'SELECT pg_reload_conf()'); return }

# ---- While the API is silent.
sql($node, "CREATE TABLE $_ (id int, amount integer, of_$_ int); SELECT mend.enroll('$_', allow => '{add_column,widen_type,map_field,change_type}')") for qw(slow other);
script_is($stand_in, 'silence');
sql($node, q{SELECT healing_insert('slow', '{"id": 1, "amount": "1 USD"}')});
my ($model, $api) = (model_name('claude-haiku-5-5'), api_name());
my $asking = qq{FROM pg_stat_activity WHERE backend_type = 'pg_mend worker' AND query LIKE 'pg_mend: asking $model about public.slow%' AND wait_event_type = 'Extension'};
ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT $asking AND xact_start IS NULL AND backend_xmin IS NULL)"),
	'while Claude is asked no transaction and no snapshot is open, and the wait can be seen');
my $worker = sql($node, "SELECT pid $asking");
sql($node, q{SELECT healing_insert('other', '{"id": 1, "extra": 2, "amount": 3}')});
ok($node->poll_query_until('postgres', 'SELECT EXISTS (SELECT FROM other)'), 'other tables are healed meanwhile');
is(sql($node, "SELECT pid $asking"), $worker, 'while it is still being asked');
is($node->psql('postgres', q{SET lock_timeout = '5s'; ALTER TABLE slow ADD COLUMN later int; ALTER TABLE slow DROP COLUMN later}), 0, 'the table is not locked');
like(sql($node, q{SELECT state FROM mend.status WHERE target = 'slow'::regclass}), qr/^healing$/, 'the status tells of it');
# A third table that needs Claude leaves a worker free.
sql($node, q{SELECT healing_insert('other', '{"id": 2, "amount": "1 USD"}')});
ok($node->poll_query_until('postgres', q{SELECT reason LIKE '%one worker stays free%' FROM mend.status WHERE target = 'other'::regclass}), 'one worker stays free');

sql($node, "SELECT pg_terminate_backend($worker)");
ok($node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $worker)"), 'a worker that asks can be ended');
script_is($stand_in);
heal($node, 'slow', '{"id": 3}');
is(sql($node, 'SELECT id, amount FROM slow ORDER BY id'), "1|1 USD\n3|", 'and another asks in its place');
sql($node, q{SELECT mend.reset_breaker('other')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM mend.queue}), 'nothing is left');

script_is($stand_in, 'silence');
sql($node, q{CREATE TABLE paused (id int, amount integer, of_paused int); SELECT mend.enroll('paused'); SELECT healing_insert('paused', '{"id": 1, "amount": "1 USD"}')});
ok($node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%asking%public.paused%')}), 'Claude is asked about another table');
sql($node, q{SELECT mend.configure('paused', 'paused')});
ok($node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%asking%public.paused%' AND backend_type = 'pg_mend worker')}),
	'pausing the table ends the asking');
is(sql($node, q{SELECT count(*) FROM mend.queue}), 1, 'the row is where it was');
script_is($stand_in);
sql($node, q{SELECT mend.configure('paused', 'auto')});
heal($node);
is(sql($node, 'SELECT amount FROM paused'), '1 USD', 'and is healed when the pause ends');

# What a person proposes while Claude is asked comes before the answer.
sql($node, q{CREATE TABLE meanwhile (id int, amount integer, of_meanwhile int); SELECT mend.enroll('meanwhile')});
kill 'STOP', $stand_in->{pid};
sql($node, q{SELECT healing_insert('meanwhile', '{"id": 1, "amount": "1 USD"}')});
ok($node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%asking%public.meanwhile%' AND backend_type = 'pg_mend worker')}), 'Claude is asked');
my $proposed = sql($node, q{SELECT mend.propose('meanwhile', 'ALTER TABLE meanwhile ALTER COLUMN amount TYPE text')});
kill 'CONT', $stand_in->{pid};
sql($node, q{CALL mend.wait_idle('meanwhile')});
is(sql($node, q{SELECT id, state FROM mend.patches WHERE target = 'meanwhile'::regclass AND state <> 'refused'}), "$proposed|proposed", 'what was proposed meanwhile is not passed over');
is(sql($node, q{SELECT state, queued, reason FROM mend.status WHERE target = 'meanwhile'::regclass}), "review|1|patch $proposed waits for mend.approve($proposed)", 'and waits for a decision');
sql($node, "SELECT mend.approve($proposed)");
heal($node);
is(sql($node, 'SELECT amount FROM meanwhile'), '1 USD', 'approved, it heals');

# ---- Back-off survives a restart.
sql($node, q{CREATE TABLE backoff (id int, amount integer, of_backoff int); SELECT mend.enroll('backoff')});
script_is($stand_in, '401');
heal($node, 'backoff', '{"id": 1, "amount": "1 USD"}');
my $asked = requests($stand_in);
$node->restart;
script_is($stand_in);
heal($node, 'backoff', '{"id": 2, "amount": "2 USD"}');
is(scalar(requests($stand_in)), $asked, 'a restart does not make it ask again');
like(sql($node, q{SELECT state || ' ' || reason FROM mend.status WHERE target = 'backoff'::regclass}), qr/^waiting Claude has not answered: $api refused the key/, 'and the status still says why');
# Its time has come.
sql($node, q{UPDATE mend.holds SET until = clock_timestamp()});
heal($node, 'backoff', '{"id": 3, "amount": "3 USD"}');
is(sql($node, 'SELECT count(*) FROM backoff'), 3, 'it ends by itself');
is(sql($node, q{SELECT string_agg(kind, ',' ORDER BY id) FROM mend.events WHERE kind LIKE 'claude%'}), 'claude_held,claude_resumed', 'with an event each');

# From failure to failure it grows; other settings, such as another model, are tried at once.
sql($node, q{CREATE TABLE remodel (id int, amount integer, of_remodel int); SELECT mend.enroll('remodel')});
script_is($stand_in, '401', '401');
heal($node, 'remodel', '{"id": 1, "amount": "1 USD"}');
is(sql($node, q{SELECT failures, until < clock_timestamp() + interval '6 min' FROM mend.holds}), '1|t', 'the first failure');
sql($node, q{UPDATE mend.holds SET until = clock_timestamp()});
heal($node, 'remodel', '{"id": 2, "amount": "2 USD"}');
is(sql($node, q{SELECT failures, until > clock_timestamp() + interval '6 min' FROM mend.holds}), '2|t', 'after the second it waits for longer');
script_is($stand_in);
configure("SET mend.model = '" . model_name('claude-opus-5-5') . "'");
heal($node, 'remodel', '{"id": 3, "amount": "3 USD"}');
is(sql($node, 'SELECT count(*) FROM remodel'), 3, 'another model is asked at once');
configure("SET mend.model = '$model'");

# ---- Budgets.
sql($node, q{CREATE TABLE money (id int, amount integer, of_money int); SELECT mend.enroll('money', allow => '{add_column,widen_type,map_field,change_type}')});
configure('SET mend.daily_budget_usd = 0.0000001');
$asked = requests($stand_in);
heal($node, 'money', '{"id": 1, "amount": "1 USD", "provable": 1}', '{"id": 2, "provable": 2, "amount": 7}');
is(scalar(requests($stand_in)), $asked, 'nothing is asked once the budget is spent');
like(sql($node, q{SELECT state || ' ' || reason FROM mend.status WHERE target = 'money'::regclass}), qr/^breaker Claude is not asked: the day's budget is spent: 0\.\d+ of 1e-07 dollars \(mend.daily_budget_usd\)/, 'the breaker is open, and says why');
is(sql($node, 'SELECT id, provable FROM money'), '2|2', 'rules go on');
is(sql($node, q{SELECT count(*) FROM mend.queue}), 1, 'and the rest waits');
configure('RESET mend.daily_budget_usd');
heal($node, 'money', '{"id": 3}', '{"id": 4, "amount": "4 USD"}');
is(sql($node, 'SELECT count(*) FROM money'), 4, 'it closes by itself');
is(sql($node, q{SELECT string_agg(kind, ',' ORDER BY id) FROM mend.events WHERE kind IN ('breaker_opened', 'breaker_closed')}), 'breaker_opened,breaker_closed', 'with an event each');
sql($node, q{CREATE TABLE hours (id int, amount integer, of_hours int); SELECT mend.enroll('hours')});
configure('SET mend.calls_per_hour = 1');
heal($node, 'hours', '{"id": 1, "amount": "1 USD"}');
like(sql($node, q{SELECT state || ' ' || reason FROM mend.status WHERE target = 'hours'::regclass}), qr/^breaker .*the hour's calls are used up: \d+ of 1 \(mend.calls_per_hour\)/, 'calls have a budget too');
configure('SET mend.calls_per_hour = -1', "SET mend.model = '" . model_name('claude-unheard-of') . "'");
heal($node, 'hours', '{"id": 2, "amount": "2 USD"}');
like(sql($node, q{SELECT state || ' ' || reason FROM mend.status WHERE target = 'hours'::regclass}), qr/^breaker .*has no price for (?:anthropic\.)?claude-unheard-of/, 'what has no price is not bought');
configure("SET mend.model = '$model'", 'RESET mend.calls_per_hour');
heal($node, 'hours', '{"id": 3, "amount": "3 USD"}');
is(sql($node, 'SELECT count(*) FROM hours'), 3, 'and all are healed in the end');

# One table has half of the day's budget, and the others the rest.
sql($node, q{CREATE TABLE half (id int, amount integer, of_half int); CREATE TABLE rest (id int, amount integer, of_rest int); SELECT mend.enroll('half'), mend.enroll('rest');
	INSERT INTO mend.calls (target_name, model, cost_usd) VALUES ('public.half', 'claude-haiku-5-5', 5)});
configure('SET mend.daily_budget_usd = 10');
heal($node, 'half', '{"id": 1, "amount": "1 USD"}');
heal($node, 'rest', '{"id": 1, "amount": "1 USD"}');
like(sql($node, q{SELECT state || ' ' || reason FROM mend.status WHERE target = 'half'::regclass}),
	qr/^breaker Claude is not asked: the table has spent its half of the day's budget: 5\.0* dollars, of 10 \(mend.daily_budget_usd\)/, 'a table has half of the budget');
is(sql($node, 'SELECT amount FROM rest'), '1 USD', 'and others go on');
sql($node, 'DELETE FROM mend.calls WHERE cost_usd = 5');
configure('RESET mend.daily_budget_usd');
heal($node, 'half', '{"id": 2, "amount": "2 USD"}');
is(sql($node, 'SELECT count(*) FROM half'), 2, 'with more it is healed');

# ---- Prices are a person's to edit, and a dump keeps them.
is(sql($node, q{SELECT count(*) > 10, bool_and(listed) FROM mend.model_prices}), 't|t', 'list prices are there');
sql($node, q{INSERT INTO mend.model_prices (model, input, output, cache_write, cache_write_hour, cache_read) VALUES ('claude-haiku-5-5', 7, 7, 7, 7, 7);
	UPDATE mend.model_prices SET input = 9 WHERE model = 'claude-opus-5-5'});
is(sql($node, q{SELECT model, input FROM mend.model_prices WHERE NOT listed ORDER BY 1}), "claude-haiku-5-5|7\nclaude-opus-5-5|9", 'a row of ours takes the place of a listed one');
my $dump = $node->data_dir . '/dump.sql';
$node->command_ok([ 'pg_dump', '--file', $dump, '--dbname', $node->connstr('postgres') ], 'the database is dumped');
sql($node, 'CREATE DATABASE copy TEMPLATE template0');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('copy') ], 'and restored');
is($node->safe_psql('copy', q{SELECT model, input FROM mend.model_prices WHERE NOT listed ORDER BY 1}), "claude-haiku-5-5|7\nclaude-opus-5-5|9", 'with our prices');
is($node->safe_psql('copy', q{SELECT count(*) FROM mend.calls}), sql($node, 'SELECT count(*) FROM mend.calls'), 'and what was spent');

# ---- The key file.
SKIP: {
skip 'a file of AWS keys has more lines', 10 if key_setting() eq 'mend.aws_credentials_file';
my $setting = key_setting();
my $file = sql($node, "LOAD 'pg_mend'; SHOW $setting");
sub unfit
{
	my ($what, $path, $reason) = @_;
	sql($node, q{CREATE TABLE IF NOT EXISTS keyed (id int, amount integer, of_keyed int)});
	sql($node, q{SELECT mend.enroll('keyed')}) unless sql($node, q{SELECT count(*) FROM mend.enrollments WHERE target = 'keyed'::regclass});
	configure('SET ' . key_setting() . " = '$path'");
	heal($node, 'keyed', '{"id": 1, "amount": "1 USD"}');
	my $setting = key_setting();
	like(sql($node, q{SELECT state || ' ' || reason FROM mend.status WHERE target = 'keyed'::regclass}), qr/^waiting .*$setting cannot be used: $reason/, $what);
	return;
}
chmod 0640, $file;
unfit('a file that others may read is refused', $file, 'its mode is 0640');
chmod 0600, $file;
symlink("$file.gone", "$file.link");
unfit('a link to nowhere is refused', "$file.link", 'it cannot be opened: No such file');
unfit('a directory is refused', $node->data_dir, 'it is no regular file');
unfit('a file that is not there is refused', "$file.none", 'it cannot be opened: No such file');
open(my $out, '>', "$file.two") or die $!;
print $out "one\ntwo\n";
close $out;
chmod 0600, "$file.two";
unfit('two lines are refused', "$file.two", 'it holds more than one line');
configure("SET $setting = '$file'");
heal($node, 'keyed', '{"id": 2, "amount": "2 USD"}');
is(sql($node, 'SELECT count(*) FROM keyed WHERE id = 2'), 1, 'a sound one is taken up');
is(sql($node, q{SELECT count(*) FROM mend.queue}), 0, 'and nothing is left');

# ---- Without a key.
configure("SET $setting = ''");
sql($node, q{CREATE TABLE keyless (id int, amount integer, of_keyless int); SELECT mend.enroll('keyless')});
heal($node, 'keyless', '{"id": 1, "amount": "1 USD"}');
is(sql($node, q{SELECT rows, planner FROM mend.decisions WHERE target = 'keyless'::regclass}), '1|rules', 'without a key a person is asked what rules suggest');
configure("SET $setting = '$file'");
heal($node, 'keyless', '{"id": 2, "amount": "2 USD"}');
is(sql($node, q{SELECT string_agg(amount, ',' ORDER BY id) FROM keyless}), '1 USD,2 USD', 'and once there is one the model is');
}
nothing_crashed($node);
done_testing();
