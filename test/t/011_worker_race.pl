# No wake-up is lost: rows committed while the worker is leaving are healed all the same.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use Test::More;
use Time::HiRes qw(usleep);

my $node = mend_node('race', "mend.idle_exit = '1s'");
landing_table($node, 'orders');
my $settled = 'SELECT NOT EXISTS (SELECT FROM mend.work WHERE due)';

# The worker leaves because healing is stopped, and is called back at that moment. The delays spread the calls over
# the few milliseconds in which it leaves.
my $lost = 0;
my $session = $node->background_psql('postgres');
$session->query_safe('SELECT mend.start()');
for my $i (1 .. 150)
{
	$session->query_safe('SELECT mend.stop()');
	usleep(($i % 15) * 300);
	$session->query_safe('BEGIN;' . enqueue('orders') . 'SELECT mend.start(); COMMIT;');
	next if $i % 15;
	$node->poll_query_until('postgres', $settled) or $lost++;
}
is($lost, 0, 'no row is forgotten by a worker that was stopped and started');

# The worker leaves because it was idle for a second, and rows are committed between its last look and its leaving.
SKIP:
{
	skip 'pg_mend was built without TEST_POINTS=1', 3 unless has_test_points($node);
	set_point($node, 'leaving', 'wait');
	my $leaver = at_point($node, 'leaving');
	ok($leaver, 'a worker is about to leave');
	$session->query_safe('BEGIN;' . enqueue('orders') . 'SELECT mend.start(); COMMIT;');
	release_point($node, 'leaving');
	ok($node->poll_query_until('postgres', $settled), 'a row that is committed at that moment is not forgotten');
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $leaver"), '1', 'that worker has stayed for it');
}
$session->quit;

# A worker that has looked while another healed the table takes no second round of it.
SKIP:
{
	skip 'pg_mend was built without TEST_POINTS=1', 2 unless has_test_points($node);
	$node->append_conf('postgresql.conf', "mend.idle_exit = '1h'\nmend.lock_timeout = '1min'");
	$node->reload;
	landing_table($node, $_) for qw(slow quick);
	my $holder = $node->background_psql('postgres');
	$holder->query_safe('BEGIN; LOCK TABLE slow');
	$node->safe_psql('postgres', 'BEGIN;' . enqueue('slow') . 'SELECT mend.start(); COMMIT;');
	$node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'slow'::regclass AND NOT granted)");
	set_point($node, 'looked', 'wait');
	$node->safe_psql('postgres', 'BEGIN;' . enqueue('quick') . 'SELECT mend.start(); COMMIT;');
	my $late = at_point($node, 'looked');
	ok($late, 'a second worker has seen what is due');
	$holder->query_safe('COMMIT');
	$node->safe_psql('postgres', 'CALL mend.wait_idle()');
	my $version = "SELECT string_agg(xmin::text, ',' ORDER BY target) FROM mend.progress";
	my $before = $node->safe_psql('postgres', $version);
	release_point($node, 'looked');
	$node->poll_query_until('postgres', "SELECT state = 'idle' FROM pg_stat_activity WHERE pid = $late");
	is($node->safe_psql('postgres', $version), $before, 'and leaves alone what another has healed meanwhile');
	$holder->quit;
}

nothing_crashed($node);
$node->stop;
done_testing();
