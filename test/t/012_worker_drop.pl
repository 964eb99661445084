# A worker is in nobody's way: DROP DATABASE, CREATE DATABASE from a template, DROP EXTENSION.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mend_node('drop');

sub database_with_worker
{
	my ($database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION pg_mend');
	landing_table($node, 'orders', $database);
	$node->safe_psql($database, enqueue('orders'));
	$node->safe_psql($database, 'CALL mend.wait_idle()');
	like(worker_pids($node, $database), qr/^\d+$/, "a worker serves $database");
	return;
}

database_with_worker('one');
# PostgreSQL waits for five seconds, and then it is an error.
$node->safe_psql('postgres', 'CREATE DATABASE two TEMPLATE one');
pass('CREATE DATABASE copies a database that has a worker');

$node->safe_psql('one', enqueue('orders'));
$node->safe_psql('one', 'CALL mend.wait_idle()');
$node->safe_psql('postgres', 'DROP DATABASE one');
pass('DROP DATABASE does not wait long for the worker');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_mend worker'"),
	'0', 'the worker has left');

database_with_worker('three');
$node->safe_psql('three', 'DROP EXTENSION pg_mend');
wait_no_worker($node, 'three') or die 'the worker stayed without its extension';
pass('the worker leaves when its extension is dropped');
$node->safe_psql('three', 'DROP TABLE orders; CREATE EXTENSION pg_mend');
landing_table($node, 'orders', 'three');
$node->safe_psql('three', enqueue('orders'));
$node->safe_psql('three', 'CALL mend.wait_idle()');
is(due_tables($node, 'three'), '0', 'and comes back with it');

# Dropped while a round is under way.
my $blocker = $node->background_psql('three');
$blocker->query_safe("BEGIN; SELECT FROM mend.progress WHERE target = 'orders'::regclass FOR UPDATE");
$node->safe_psql('three', enqueue('orders') . 'SELECT 1');
$node->psql('three', "CALL mend.wait_idle(timeout => '200 ms')");
$blocker->query_until(qr/dropping/, "\\echo dropping\nROLLBACK;\nSELECT mend.unenroll_all(force => true);\nDROP EXTENSION pg_mend;\n");
wait_no_worker($node, 'three') or die 'the worker stayed without its extension';
pass('the worker leaves when its extension is dropped under it');
$blocker->quit;
is($node->safe_psql('three', "SELECT count(*) FROM pg_extension WHERE extname = 'pg_mend'"), '0', 'the drop succeeded');

nothing_crashed($node);
$node->stop;
done_testing();
