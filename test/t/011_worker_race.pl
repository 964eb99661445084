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

# The worker leaves because it was idle for a second.
for my $i (1 .. 8)
{
	usleep(990_000 + $i * 3_000);
	$session->query_safe('BEGIN;' . enqueue('orders') . 'SELECT mend.start(); COMMIT;');
	$node->poll_query_until('postgres', $settled) or $lost++;
}
is($lost, 0, 'no row is forgotten by a worker that leaves when idle');
$session->quit;

nothing_crashed($node);
$node->stop;
done_testing();
