# The worker through crashes, restarts and promotions, with and without preloading; and two-phase commit.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mend_node('restart', 'max_prepared_transactions = 5', "mend.idle_exit = '2s'");
landing_table($node, 'orders');

# COMMIT PREPARED calls nobody: the worker stays for it.
$node->safe_psql('postgres', 'BEGIN;' . enqueue('orders') . "SELECT mend.start(); PREPARE TRANSACTION 'kept'");
$node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM mend.workers() WHERE pid IS NOT NULL')
  or die 'PREPARE TRANSACTION started no worker';
pass('PREPARE TRANSACTION starts a worker');
my $pid = worker_pids($node);
$node->poll_query_until('postgres', "SELECT state_change < now() - interval '3 s' FROM pg_stat_activity WHERE pid = $pid")
  or die 'the worker has left';
is(worker_pids($node), $pid, 'it stays longer than mend.idle_exit');
$node->safe_psql('postgres', "COMMIT PREPARED 'kept'");
$node->poll_query_until('postgres', "SELECT bool_and(NOT due) FROM mend.work") or die 'the prepared row was forgotten';
pass('and heals what COMMIT PREPARED brings');
wait_no_worker($node) or die 'the worker stayed';
pass('then it leaves');

# A crash: everything in shared memory is gone.
$node->safe_psql('postgres', enqueue('orders'));
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
$pid = worker_pids($node);
kill 'KILL', $pid or die "cannot kill $pid";
$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)")
  or die 'no restart after the crash';
is($node->safe_psql('postgres', 'SELECT count(*) FROM mend.workers()'), '0', 'after a crash there is no worker');
$node->safe_psql('postgres', enqueue('orders') . 'SELECT mend.start()');
$node->poll_query_until('postgres', "SELECT bool_and(NOT due) FROM mend.work") or die 'nothing revived the worker';
pass('the next call revives it');

# Preloaded, with work left over.
$node->safe_psql('postgres', 'CREATE DATABASE bystander');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION pg_mend');
landing_table($node, 'orders', 'other');
$node->safe_psql('other', enqueue('orders'));
$node->safe_psql('postgres', enqueue('orders'));
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_mend'\nwal_level = replica\nmax_wal_senders = 3");
$node->restart;
for my $database ('postgres', 'other')
{
	$node->poll_query_until($database, "SELECT bool_and(NOT due) FROM mend.work")
	  or die "nobody started a worker in $database";
	pass("preloaded, $database has a worker after a restart without a call");
}
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_mend launcher'"),
	'1', 'there is one launcher');
wait_no_worker($node, 'bystander') or die 'a worker stayed without the extension';
$node->safe_psql('postgres', 'DROP DATABASE bystander');
pass('where there is no extension no worker stays');

# A crash with the launcher.
$node->safe_psql('other', enqueue('orders'));
kill 'KILL', $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_mend launcher'");
$node->poll_query_until('other', "SELECT bool_and(NOT due) FROM mend.work") or die 'nobody started a worker';
pass('nor does it need a call after a crash');

# A standby heals nothing until it is promoted.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my $says = q{SELECT state || ': ' || reason FROM mend.status};
my $is_one = 'stopped: this is a standby: what waits is healed by the primary, or after the promotion';
is($standby->safe_psql('postgres', $says), $is_one, 'a standby says that it is one, with nothing to do');
$node->safe_psql('postgres', 'SELECT mend.stop()');
wait_no_worker($node) or die 'the worker did not stop';
$node->safe_psql('postgres', 'UPDATE mend.control SET stopped = false;' . enqueue('orders'));
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
is(due_tables($standby), '1', 'the standby sees the work');
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_mend%'"),
	'0', 'and leaves it alone');
is($standby->safe_psql('postgres', $says), $is_one, 'and says so');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM mend.attention'), '0', 'rows that the primary heals need no person here');
$node->stop;
$standby->promote;
$standby->poll_query_until('postgres', "SELECT bool_and(NOT due) FROM mend.work") or die 'nothing happened on promotion';
pass('promoted, it does it without a call');

nothing_crashed($node, 2);
nothing_crashed($standby);
$standby->stop;
done_testing();
