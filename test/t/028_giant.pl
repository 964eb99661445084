# One payload of many megabytes: whoever loads it can call it off in its midst. What a cancel saves is told by the work that
# the session has done, not by a clock.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mend_node('giant', "log_min_error_statement = 'panic'");
$node->safe_psql('postgres', q{
	CREATE TABLE giant (id int, txt text, doc jsonb);
	SELECT mend.enroll('giant', mode => 'paused');
	-- Hundredths of a second that this session has worked.
	CREATE FUNCTION worked() RETURNS int LANGUAGE sql AS $$
		SELECT s[14]::int + s[15]::int FROM string_to_array(pg_read_file('/proc/self/stat'), ' ') s $$;
	-- Cancels the session of advisory lock 1 as soon as it has locked the table: it goes on to read the payload.
	CREATE PROCEDURE call_off() LANGUAGE plpgsql AS $$
	DECLARE
		writer int;
	BEGIN
		LOOP
			SELECT pid INTO writer FROM pg_locks t JOIN pg_locks a USING (pid)
				WHERE t.relation = 'giant'::regclass AND t.mode = 'RowExclusiveLock' AND a.locktype = 'advisory';
			EXIT WHEN FOUND;
			PERFORM pg_sleep(0.001);
		END LOOP;
		PERFORM pg_cancel_backend(writer);
	END $$});

# What became of an expression, and what the session has worked meanwhile. What a first call looks up, where a cancel is heard
# as well, is behind it, and so is its lock on the table, for which it would be cancelled.
sub evaluate
{
	my ($expression) = @_;
	my (undef, $out, $err) = $node->psql('postgres',
		"\\set VERBOSITY sqlstate\nSELECT FROM healing_load('giant', '');\nSELECT FROM pg_advisory_lock(1);\nSELECT worked();\nSELECT $expression;\nSELECT worked()");
	my ($before, @rest) = grep { $_ ne '' } split /\n/, $out;
	return ($err =~ /ERROR:\s+(\w{5})/ ? $1 : $rest[0], $rest[-1] - $before);
}

# All are broken at their very end: to find out is all the work.
my @giants = (
	['elements', q('{"doc": [' || repeat('12345678,', 4000000) || '}')],
	['members', q('{"doc": {' || repeat('"a": 12345678,', 2000000) || '}')],
	['escapes', q('{"txt": "' || repeat('\u00e9', 15000000) || '\x"}')],
	['text beyond ASCII', q('{"txt": "' || repeat('é', 40000000) || '\x"}')],
	['an array of one', q('[{"doc": [' || repeat('12345678,', 4000000) || '}]')],
);
for my $giant (@giants)
{
	my ($what, $payload) = @$giant;
	my (undef, $making) = evaluate("octet_length($payload)");
	my ($outcome, $whole) = evaluate("healing_load('giant', $payload)");
	is($outcome, '(0,0,1,0)', "$what: a dead letter");
	$node->safe_psql('postgres', 'DELETE FROM mend.dead_letters');
	my $canceller = IPC::Run::start(['psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'CALL call_off()'], '>', \my $ignored);
	$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'CALL%' AND wait_event = 'PgSleep')})
		or die 'nobody cancels';
	my $cost;
	($outcome, $cost) = evaluate("healing_load('giant', $payload)");
	IPC::Run::finish($canceller);
	is($outcome, '57014', "$what: called off");
	cmp_ok($cost - $making, '<', ($whole - $making) / 3, "$what: with most of the work undone");
	note("$what: $cost of $whole hundredths of a second, $making of them to make the payload");
}
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM giant), (SELECT count(*) FROM mend.dead_letters)'), '0|0', 'and nothing is left');
is($node->safe_psql('postgres', q{SELECT healing_load('giant', '{"id": 1, "txt": "\u00e9", "doc": [1]}')}), '(1,0,0,0)', 'the next payload lands');

nothing_crashed($node);
$node->stop;
done_testing();
