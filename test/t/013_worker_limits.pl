# How many workers there are, what happens when there is no room for one, and when a round fails.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use Test::More;

# Room for no background worker besides the logical replication launcher.
my $node = mend_node('limits', 'max_worker_processes = 1', 'max_logical_replication_workers = 1');
landing_table($node, 'orders');

my ($status, undef, $stderr) = $node->psql('postgres', enqueue('orders') . 'SELECT mend.start()');
is("$status $stderr", '0 ', 'where there is no room for a worker the caller gets no error');
is($node->safe_psql('postgres', 'SELECT mend.worker_refused_at() > now() - interval \'1 minute\''),
	't', 'but the refusal is seen');
(undef, undef, $stderr) =
  $node->psql('postgres', "\\set VERBOSITY verbose\nCALL mend.wait_idle(timeout => '300 ms')");
like($stderr, qr/57014.*max_worker_processes/s, 'wait_idle says why nothing happens');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
is(due_tables($node), '0', 'as soon as there is room the work is done');
is($node->safe_psql('postgres', 'SELECT mend.worker_refused_at() IS NULL'), 't', 'and the refusal is forgotten');

# One table's trouble does not delay another.
landing_table($node, 'slow');
landing_table($node, 'quick');
$node->safe_psql('postgres', 'SELECT mend.start()');
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
my $blocker = $node->background_psql('postgres');
$blocker->query_safe("BEGIN; SELECT FROM mend.progress WHERE target = 'slow'::regclass FOR UPDATE");
$node->safe_psql('postgres', enqueue('slow'));
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM mend.workers() WHERE state = 'healing'") or die 'no round begins';
$node->safe_psql('postgres', enqueue('quick'));
$node->safe_psql('postgres', "CALL mend.wait_idle('quick')");
is($node->safe_psql('postgres', 'SELECT count(*) FROM mend.workers()'), '2', 'a second worker helps');
is($node->safe_psql('postgres', "SELECT target FROM mend.workers() WHERE state = 'healing'"),
	'slow', 'while the first has its table');

# All workers busy: no third.
$blocker->query_safe("SELECT FROM mend.progress FOR UPDATE");
$node->safe_psql('postgres', enqueue('quick') . enqueue('orders'));
$node->poll_query_until('postgres', "SELECT count(*) = 2 FROM mend.workers() WHERE state = 'healing'") or die 'no second round begins';
$node->psql('postgres', "CALL mend.wait_idle(timeout => '500 ms')");
is($node->safe_psql('postgres', "SELECT count(*), count(*) FILTER (WHERE state = 'healing') FROM mend.workers()"),
	'2|2', 'there are never more than mend.max_workers');
$blocker->query_safe('COMMIT');
$blocker->quit;
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
is(due_tables($node), '0', 'all is done in the end');

# Fewer workers allowed: one leaves. None allowed: none stays.
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET mend.max_workers = 1');
$node->safe_psql('postgres', 'SELECT mend.start()');
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_mend worker'")
  or die 'both workers stayed';
pass('a worker too many leaves');
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET mend.max_workers = 0');
$node->safe_psql('postgres', enqueue('orders') . 'SELECT mend.stop(); SELECT mend.start()');
wait_no_worker($node) or die 'a worker stayed where none is allowed';
pass('with mend.max_workers = 0 none stays');
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
is(worker_pids($node), '', 'nor is one started');
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET mend.max_workers');
$node->safe_psql('postgres', 'CALL mend.wait_idle()');

# A round that fails backs off, says so, and tries again by itself; the other tables go on.
$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF OLD.target = 'public.slow'::regclass AND NEW.last_error IS NOT DISTINCT FROM OLD.last_error THEN
			RAISE EXCEPTION 'out of luck';
		END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER fail BEFORE UPDATE ON mend.progress FOR EACH ROW EXECUTE FUNCTION public.fail()});
$node->safe_psql('postgres', enqueue('slow') . enqueue('quick'));
my $pid = worker_pids($node);
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
is( $node->safe_psql('postgres', "SELECT state, last_error, not_before > now() FROM mend.progress WHERE target = 'slow'::regclass"),
	'waiting|P0001: out of luck|t',
	'a failed round is booked, and its back-off is idle');
is($node->safe_psql('postgres', "SELECT due FROM mend.work WHERE target = 'quick'::regclass"), 'f', 'another table is healed');
isnt(worker_pids($node), '', 'the worker lives');
$node->safe_psql('postgres', 'DROP TRIGGER fail ON mend.progress');
$node->poll_query_until('postgres', "SELECT NOT failing AND NOT due AND next_at IS NULL FROM mend.work WHERE target = 'slow'::regclass")
  or die 'the round was not tried again';
pass('the round is tried again by itself');

# The breaker.
$node->safe_psql('postgres', q{
	UPDATE mend.progress SET state = 'breaker', breaker_until = now() + interval '1 hour',
		not_before = now() + interval '1 hour' WHERE target = 'slow'::regclass});
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
is($node->safe_psql('postgres', "SELECT state FROM mend.progress WHERE target = 'slow'::regclass"),
	'breaker', 'waiting for the breaker is idle');
$node->safe_psql('postgres', "SELECT mend.reset_breaker('slow')");
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
is( $node->safe_psql('postgres', "SELECT state, breaker_until IS NULL, requested = done FROM mend.progress WHERE target = 'slow'::regclass"),
	'idle|t|t', 'mend.reset_breaker() has the table healed now');
(undef, undef, $stderr) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT mend.reset_breaker('pg_class')");
like($stderr, qr/55000/, 'but only an enrolled one');

nothing_crashed($node);
$node->stop;
done_testing();
