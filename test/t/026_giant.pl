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
	-- Cancels whoever is about to write to the table, as soon as it has locked it.
	CREATE PROCEDURE call_off() LANGUAGE plpgsql AS $$
	DECLARE
		writer int;
	BEGIN
		LOOP
			SELECT pid INTO writer FROM pg_locks WHERE relation = 'giant'::regclass AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid();
			EXIT WHEN FOUND;
			PERFORM pg_sleep(0.001);
		END LOOP;
		PERFORM pg_cancel_backend(writer);
	END $$});

# What became of it, and what the session has worked meanwhile.
sub load_it
{
	my ($payload) = @_;
	my (undef, $out, $err) = $node->psql('postgres',
		"\\set VERBOSITY sqlstate\nSELECT worked();\nSELECT healing_load('giant', $payload);\nSELECT worked()");
	my ($before, @rest) = split /\n/, $out;
	return ($err =~ /ERROR:\s+(\w{5})/ ? $1 : $rest[0], $rest[-1] - $before);
}

# All are broken at their very end: to find out is all the work.
my @giants = (
	['elements', q('{"doc": [' || repeat('12345678,', 4000000) || '}'), '(0,0,1)'],
	['members', q('{"doc": {' || repeat('"a": 12345678,', 2000000) || '}'), '(0,0,1)'],
	['escapes', q('{"txt": "' || repeat('\u00e9', 15000000) || '\x"}'), '(0,0,1)'],
	['text beyond ASCII', q('{"txt": "' || repeat('é', 40000000) || '\x"}'), '(0,0,1)'],
	['an array of one', q('[{"doc": [' || repeat('12345678,', 4000000) || '}]'), '(0,0,1)'],
);
for my $giant (@giants)
{
	my ($what, $payload, $expected) = @$giant;
	my ($outcome, $whole) = load_it($payload);
	is($outcome, $expected, "$what: a dead letter");
	$node->safe_psql('postgres', 'DELETE FROM mend.dead_letters');
	my $canceller = IPC::Run::start(['psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'CALL call_off()'], '>', \my $ignored);
	$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'CALL%' AND wait_event = 'PgSleep')})
		or die 'nobody cancels';
	my $cost;
	($outcome, $cost) = load_it($payload);
	IPC::Run::finish($canceller);
	is($outcome, '57014', "$what: called off");
	cmp_ok($cost, '<', $whole / 2, "$what: with less than half of the work done");
	note("$what: $cost of $whole hundredths of a second");
}
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM giant), (SELECT count(*) FROM mend.dead_letters)'), '0|0', 'and nothing is left');
is($node->safe_psql('postgres', q{SELECT healing_load('giant', '{"id": 1, "txt": "\u00e9", "doc": [1]}')}), '(1,0,0)', 'the next payload lands');

nothing_crashed($node);
$node->stop;
done_testing();
