# Whatever the API answers: no row is lost, the server is up, calls are bounded, and the reason can be read.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use ClaudeTest;
use MendTest;
use Test::More;

my $stand_in = stand_in();
my $node = claude_node('faults', $stand_in, "mend.calls_per_hour = -1", "mend.request_timeout = '1s'", "mend.escalation_model = ''", 'mend.max_turns = 2');

my ($api, $model) = (api_name(), model_name('claude-haiku-5-5'));
# [the replies, how the row ends, the requests that takes, what the reason says]
my @faults = (
	[ [qw(429_retry_after_ms=10 good)], 'stored', 2 ],
	[ [qw(529 good)], 'stored', 2 ],
	[ [qw(reset good)], 'stored', 2 ],
	[ [qw(html_502 good)], 'stored', 2 ],
	[ [qw(max_tokens good)], 'stored', 2 ],
	[ [qw(prose good)], 'stored', 2 ],
	[ [qw(empty good)], 'stored', 2 ],
	[ [qw(parallel good)], 'stored', 2 ],
	[ [qw(unknown_tool good)], 'stored', 2 ],
	[ [qw(bad_input good)], 'stored', 2 ],
	[ [qw(unknown_block)], 'stored', 1 ],
	[ [qw(prose prose)], 'asked', 2, qr/gave no usable answer: it answered with words instead of calling a tool/ ],
	[ [qw(empty blank_text)], 'asked', 2, qr/gave no usable answer/ ],
	[ [qw(refusal)], 'asked', 1, qr/\Q$model\E declined to answer \(cyber\)/ ],
	[ [qw(refusal_partial)], 'asked', 1, qr/declined to answer/ ],
	[ [qw(max_tokens max_tokens)], 'asked', 2, qr/its answer was cut at/ ],
	[ [qw(wrong_types deep)], 'asked', 2, qr/its answer cannot be read/ ],
	[ [qw(truncated html_200)], 'asked', 2, qr/its answer cannot be read/ ],
	[ [qw(unknown_stop pause_turn)], 'asked', 2, qr/its answer cannot be read/ ],
	[ [qw(401)], 'waits', 1, qr/$api refused the key/ ],
	[ [qw(403)], 'waits', 1, qr/the key may not be used for this/ ],
	[ [qw(400)], 'waits', 1, qr/the API refused the request \(HTTP 400\)/ ],
	[ [qw(413)], 'waits', 1, qr/the API refused the request \(HTTP 413\)/ ],
	[ [qw(404)], 'waits', 1, qr/the API does not know the model \Q$model\E/ ],
	[ [qw(402)], 'waits', 1, qr/spend limit of the account is reached/ ],
	[ [qw(spend_limit)], 'waits', 1, qr/spend limit of the account is reached/ ],
	[ [qw(redirect)], 'waits', 1, qr/redirects are not followed/ ],
	[ [qw(429_retry_after=3600)], 'waits', 1, qr/limits the rate of requests/ ],
	[ [qw(no_retry)], 'waits', 1, qr/$api has a fault \(HTTP 500\)/ ],
	[ [qw(529 529 529)], 'waits', 3, qr/$api is overloaded/ ],
	[ [qw(500 503 504)], 'waits', 3, qr/$api has a fault/ ],
	[ [qw(reset reset reset)], 'waits', 3, qr/the API cannot be reached/ ],
	[ [qw(silence silence silence)], 'waits', 3, qr/timed out while/ ],
	[ [qw(huge)], 'waits', undef, qr/larger than allowed/ ],
	[ [qw(408 good)], 'stored', 2 ],
	[ [qw(409 good)], 'stored', 2 ],
	[ [qw(429_date=3600)], 'waits', 1, qr/limits the rate of requests/ ],
	[ [qw(drip drip drip)], 'waits', 3, qr/timed out while/ ],
	[ [qw(endless endless endless)], 'waits', undef, qr/larger than allowed|timed out while/ ],
	[ [qw(cut_length cut_length cut_length)], 'waits', 3, qr/the API cannot be reached/ ],
);

# What Anthropic's own API alone says.
@faults = grep { $_->[0][0] ne 'spend_limit' } @faults if provider() ne 'anthropic';

my $number = 0;
for my $fault (@faults)
{
	my ($replies, $end, $calls, $reason) = @$fault;
	my $name = "@$replies";
	my $table = 't' . ++$number;
	# Columns of its own: what is remembered of another table's drift would answer.
	sql($node, "CREATE TABLE $table (id int, amount_$number integer); SELECT mend.enroll('$table')");
	my $before = requests($stand_in);
	script_is($stand_in, @$replies, ('give_up') x 8);
	heal($node, $table, qq{{"id": 1, "amount_$number": "1 USD"}});
	my $took = requests($stand_in) - $before;
	defined $calls ? is($took, $calls, "$name: $calls requests") : ok($took <= 3, "$name: not more than three requests");
	my $where = sql($node, qq{SELECT concat_ws(',', (SELECT 'stored' FROM $table), (SELECT CASE s.state WHEN 'review' THEN 'asked' ELSE 'waits' END
			FROM mend.queue q JOIN mend.status s USING (target) WHERE q.target = '$table'::regclass),
		(SELECT 'dead' FROM mend.dead_letters WHERE target = '$table'::regclass))});
	is($where, $end, "$name: the row is $end");
	next if $end eq 'stored';
	like(sql($node, $end eq 'asked'
			? "SELECT reason FROM mend.decisions WHERE target = '$table'::regclass"
			: "SELECT state || ': ' || reason FROM mend.status WHERE target = '$table'::regclass"),
		$end eq 'asked' ? $reason : qr/^waiting: .*$reason/s, "$name: the reason can be read");
	is(sql($node, "SELECT count(*) FROM mend.decisions WHERE target = '$table'::regclass"), 1, "$name: what rules suggest stands");
	if ($end eq 'waits')
	{
		is(sql($node, "SELECT kind, failures FROM mend.holds") =~ /^\w+\|1$/ ? 1 : 0, 1, "$name: is remembered");
		# More rows ask nothing, however long this takes.
		sql($node, q{UPDATE mend.holds SET until = until + interval '1 day'});
		heal($node, $table, qq{{"id": 2, "amount_$number": "2 USD"}});
		is(requests($stand_in) - $before, $took, "$name: more rows ask nothing");
		# What waits asks again by itself after a while: not with the replies that are meant for those to come.
		sql($node, "SELECT mend.configure('$table', 'paused'); DELETE FROM mend.holds");
	}
}
is(sql($node, q{SELECT count(*) FROM mend.events WHERE kind = 'claude_held'}) > 10 ? 1 : 0, 1, 'each time there is an event');

# Once the API is well, everything that waits is healed.
script_is($stand_in);
sql($node, q{SELECT mend.configure(target, 'auto') FROM mend.enrollments});
sql($node, q{SELECT mend.reset_breaker(target) FROM mend.status WHERE queued > 0});
heal($node);
is(sql($node, q{SELECT count(*), string_agg(DISTINCT state, ',') FROM mend.queue JOIN mend.status USING (target)}),
	scalar(grep { $_->[1] eq 'asked' } @faults) . '|review', 'everything is healed once the API is well, but for what it has refused');
sql($node, 'SELECT mend.approve(patch_id) FROM mend.decisions');
heal($node);
is(sql($node, 'SELECT count(*) FROM mend.queue'), '0', 'and that with one approval each');
is(sql($node, 'SELECT count(*) FROM mend.dead_letters WHERE reason IS NULL'), '0', 'and no dead letter lacks a reason');
nothing_crashed($node);
done_testing();
