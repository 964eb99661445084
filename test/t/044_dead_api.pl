# An API that is dead for hours, in short: time is made to pass by hand. Rows wait, requests, events and rounds are few, tables
# that need no model are healed, and all is healed by itself when the API is back. test/bench/outage is the long form.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use ClaudeTest;
use MendTest;
use Test::More;

my $stand_in = stand_in();
my ($tables, $hours) = (10, 12);
my $node = claude_node('dead', $stand_in, 'mend.patches_per_hour = 0', 'mend.calls_per_hour = -1');
my ($port, $api) = ($stand_in->{port}, api_name());

sub api_ends
{
	my ($api) = @_;
	kill 'TERM', $api->{pid};
	waitpid $api->{pid}, 0;
	return;
}

# Everything that waits for a time is due.
sub time_passes
{
	sql($node, "UPDATE mend.holds SET until = clock_timestamp(); UPDATE mend.progress SET not_before = clock_timestamp() WHERE not_before IS NOT NULL");
	sql($node, 'CALL mend.wait_idle()');
	return;
}

my $n = 0;

# A payload that rules do not help, for each table, and one that they do.
sub offer
{
	++$n;
	sql($node, join '', map { qq{SELECT healing_insert('asks_$_', '{"id": $n, "amount_$_": "$n USD"}');} } 1 .. $tables);
	sql($node, qq{SELECT healing_insert('ruled', '{"id": $n, "field_$n": 1}')});
	sql($node, 'CALL mend.wait_idle()');
	return;
}

sub count_of { my ($what) = @_; return sql($node, "SELECT count(*) FROM mend.$what") }

sql($node, "CREATE TABLE ruled (id int); SELECT mend.enroll('ruled')");
sql($node, "CREATE TABLE asks_$_ (id int, amount_$_ int); SELECT mend.enroll('asks_$_')") for 1 .. $tables;
api_ends($stand_in);

# Half of the time nobody listens, half of the time everything is answered by 529.
my $overloaded;
for my $hour (1 .. $hours)
{
	$overloaded = stand_in('--port', $port, '--reply', '529') if $hour == $hours / 2 + 1;
	offer();
	time_passes();
	my ($calls, $rounds) = (count_of('calls'), sql($node, 'SELECT sum(done) FROM mend.progress'));
	offer() for 1 .. 2;
	is(count_of('calls'), $calls, "hour $hour: more rows ask nothing") if $hour == 1 || $hour == $hours;
	cmp_ok(sql($node, 'SELECT sum(done) FROM mend.progress') - $rounds, '<=', 4 * ($tables + 1), "hour $hour: and take few rounds") if $hour == $hours;
}
cmp_ok(count_of('calls'), '<=', 3 * ($hours + 2), 'a conversation each time the pause is over, and not one for each table or row')
  or diag(sql($node, 'SELECT target_name, count(*) FROM mend.calls GROUP BY 1'));
cmp_ok(sql($node, "SELECT count(*) FROM mend.events WHERE kind LIKE 'claude%' OR kind LIKE 'round%'"), '<=', 4, 'few events');
is(sql($node, 'SELECT extract(epoch FROM max(until - now()))::int BETWEEN 240 AND 900 FROM mend.holds'), 't', 'the pauses have grown to minutes');
is(sql($node, 'SELECT count(*), count(DISTINCT id) FROM ruled'), "$n|$n", 'a table that needs no model is healed all the time');
is(sql($node, 'SELECT count(*), (SELECT count(*) FROM mend.dead_letters) FROM mend.queue'), $tables * $n . '|0', 'the others wait, all of them');
like(sql($node, "SELECT string_agg(DISTINCT state || ': ' || reason, '; ') FROM mend.status WHERE queued > 0"),
	qr/^waiting: Claude has not answered: $api is overloaded[^;]*; patch \d+ waits for mend.approve\(\d+\)/, 'and say why');

# A worker that waits is idle.
my ($pid) = split /\n/, worker_pids($node);
my $cpu = sub { open(my $stat, '<', "/proc/$pid/stat") or die; my @fields = split ' ', scalar <$stat>; return $fields[13] + $fields[14] };
my $before = $cpu->();
sql($node, 'SELECT pg_sleep(2)');
cmp_ok($cpu->() - $before, '<=', 20, 'a worker that waits does not spin');

api_ends($overloaded);
my $well = stand_in('--port', $port);
time_passes() for 1 .. 3;
is(count_of('queue'), '0', 'all is healed once the API is back, without anybody telling');
is(sql($node, "SELECT count(*), count(DISTINCT id) FROM asks_$_"), "$n|$n", "table $_: each row once") for 1, $tables;
is(count_of('holds'), '0', 'nothing stands in the way any more');
nothing_crashed($node);
done_testing();
