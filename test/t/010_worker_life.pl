# A worker's life without preloading: it starts on need, wakes at commit, heals, and leaves.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mend_node('life', 'log_min_messages = debug1');
landing_table($node, 'orders');
is(worker_pids($node), '', 'no worker before there is work');

# First need.
$node->safe_psql('postgres', enqueue('orders') . 'SELECT mend.start()');
$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM mend.work WHERE due)')
  or die 'the queued row was never looked at';
pass('a worker starts when it is first needed');
my $pid = worker_pids($node);
like($pid, qr/^\d+$/, 'there is one worker');
is( $node->safe_psql('postgres', "SELECT application_name, datname FROM pg_stat_activity WHERE pid = $pid"),
	'pg_mend worker|postgres',
	'it says who it is');
$node->poll_query_until('postgres',
	"SELECT state = 'idle' AND xact_start IS NULL AND backend_xmin IS NULL FROM pg_stat_activity WHERE pid = $pid")
  or die 'the worker never rests';
pass('it rests without a transaction or a snapshot');
is($node->safe_psql('postgres', 'SELECT pid, target, state FROM mend.workers()'), "$pid||idle", 'mend.workers() shows it');

# A rollback wakes nobody; the commit of the very same does.
$node->safe_psql('postgres', 'BEGIN;' . enqueue('orders') . 'SELECT mend.start(); ROLLBACK;');
is(due_tables($node), '0', 'nothing to do after a rollback');
my $done = $node->safe_psql('postgres', 'SELECT done FROM mend.progress');
$node->safe_psql('postgres', 'BEGIN;' . enqueue('orders') . 'SELECT mend.start(); COMMIT;');
$node->poll_query_until('postgres', "SELECT done > $done FROM mend.progress") or die 'the commit woke nobody';
pass('a commit wakes the worker');
is(worker_pids($node), $pid, 'the same worker');

# wait_idle.
$node->safe_psql('postgres', enqueue('orders'));
is(due_tables($node), '1', 'a queued row is work');
$node->safe_psql('postgres', "CALL mend.wait_idle('orders')");
is(due_tables($node), '0', 'none is left after wait_idle');
my (undef, undef, $inside) = $node->psql('postgres', "\\set VERBOSITY verbose\nBEGIN; CALL mend.wait_idle();");
like($inside, qr/25001/, 'wait_idle refuses a transaction block');
$node->safe_psql('postgres', 'DO $$ BEGIN CALL mend.wait_idle(); END $$');
pass('but not a procedural block outside one');
my (undef, undef, $nobody) = $node->psql('postgres', "\\set VERBOSITY verbose\nCALL mend.wait_idle('pg_class')");
like($nobody, qr/55000.*not enrolled/, 'wait_idle for a table that is not enrolled');

# A table whose books are locked cannot be healed: the time allowed passes.
{
	my $blocker = $node->background_psql('postgres');
	$blocker->query_safe("BEGIN; SELECT FROM mend.progress WHERE target = 'orders'::regclass FOR UPDATE");
	$node->safe_psql('postgres', enqueue('orders'));
	my (undef, undef, $late) =
	  $node->psql('postgres', "\\set VERBOSITY verbose\nCALL mend.wait_idle(timeout => '500 ms')");
	like($late, qr/57014.*Tables with work: 1, rows queued: \d+, workers: \d.*public\.orders: \d+ queued/s,
		'wait_idle gives up and says what was left');
	ok($node->poll_query_until('postgres', "SELECT target = 'orders'::regclass AND state = 'healing' FROM mend.workers() WHERE target IS NOT NULL"),
		'the worker holds the lease meanwhile');
	$blocker->query_safe('COMMIT');
	$blocker->quit;
	$node->safe_psql('postgres', 'CALL mend.wait_idle()');
}

# Anyone may wait; only administrators read names.
$node->safe_psql('postgres', 'CREATE ROLE app; GRANT USAGE ON SCHEMA mend TO PUBLIC');
$node->safe_psql('postgres', "SET ROLE app; CALL mend.wait_idle()");
pass('an ordinary user may wait');
my (undef, undef, $denied) = $node->psql('postgres', "SET ROLE app; SELECT mend.stop()");
like($denied, qr/permission denied/, 'but not stop the worker');

# Stop and start.
$node->safe_psql('postgres', 'SELECT mend.stop()');
wait_no_worker($node) or die 'the worker did not stop';
pass('mend.stop() makes the worker leave');
$node->safe_psql('postgres', enqueue('orders'));
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
is(worker_pids($node), '', 'stopped is idle: wait_idle starts nobody');
my $before = -s $node->logfile;
$node->safe_psql('postgres', q{DO 'BEGIN FOR i IN 1..100 LOOP PERFORM mend.reset_breaker(''orders''); COMMIT; END LOOP; END'});
my $starts = () = slurp_file($node->logfile, $before) =~ /starting background worker process "pg_mend worker/g;
cmp_ok($starts, '<', 50, 'nor does every commit start one in vain');
$node->safe_psql('postgres', 'SELECT mend.start()');
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
is(due_tables($node), '0', 'mend.start() takes up what was left');
is($node->safe_psql('postgres', "SELECT count(*) > 0 FROM mend.events WHERE kind IN ('started', 'stopped')"),
	't', 'both are events');

# A paused table is left alone.
$node->safe_psql('postgres', "UPDATE mend.enrollments SET mode = 'paused';" . enqueue('orders'));
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
is($node->safe_psql('postgres', 'SELECT count(*) FROM mend.work'), '0', 'a paused table is no work');
$node->safe_psql('postgres', "UPDATE mend.enrollments SET mode = 'auto'");
is(due_tables($node), '1', 'until it is resumed');
$node->safe_psql('postgres', 'CALL mend.wait_idle()');

# A termination, and the next need.
$pid = worker_pids($node);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
wait_no_worker($node) or die 'the worker did not die';
is($node->safe_psql('postgres', 'SELECT count(*) FROM mend.workers()'), '0', 'a terminated worker frees its slot');
$node->safe_psql('postgres', enqueue('orders') . 'SELECT mend.start()');
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
isnt(worker_pids($node), '', 'the next need revives it');

# A cancel does not end it.
$pid = worker_pids($node);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$node->safe_psql('postgres', enqueue('orders'));
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
is(worker_pids($node), $pid, 'a cancel does not end the worker');

# Settings: ALTER SYSTEM with a reload, ALTER DATABASE without; an unset one goes back.
$node->safe_psql('postgres', "ALTER DATABASE postgres SET mend.idle_exit = '1s'");
$node->safe_psql('postgres', enqueue('orders') . 'SELECT mend.start()');
wait_no_worker($node) or die 'ALTER DATABASE was not taken up';
pass('a running worker takes up ALTER DATABASE SET, and leaves when idle');
$node->safe_psql('postgres', "ALTER DATABASE postgres SET mend.idle_exit = '1h'");
$node->safe_psql('postgres', enqueue('orders') . 'SELECT mend.start()');
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
$pid = worker_pids($node);
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET mend.idle_exit');
$node->safe_psql('postgres', enqueue('orders') . 'SELECT mend.start()');
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
$node->poll_query_until('postgres', "SELECT pid <> $pid FROM mend.workers() WHERE pid IS NOT NULL")
  or die 'the worker kept the setting';
pass('after RESET another worker takes over');
$node->append_conf('postgresql.conf', "mend.idle_exit = '1s'");
$node->reload;
wait_no_worker($node) or die 'the reload was not taken up';
pass('a worker takes up a reload');

# In a copy of the database nothing heals until mend.start().
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE postgres');
$node->safe_psql('copy', enqueue('orders'));
$node->safe_psql('copy', 'CALL mend.wait_idle()');
is($node->safe_psql('copy', 'SELECT count(*) FROM mend.work'), '0', 'in a copy there is no work');
$node->safe_psql('copy', 'SELECT mend.start()');
is($node->safe_psql('copy', 'SELECT count(*) FROM mend.work'), '1', 'until mend.start() adopts it');
$node->safe_psql('copy', 'CALL mend.wait_idle()');
is(due_tables($node, 'copy'), '0', 'and the copy has a worker of its own');

# What the owner of a database sets for it makes no worker somebody else, and ends none.
$node->safe_psql('postgres', q{
	CREATE ROLE nobody;
	ALTER DATABASE copy SET session_authorization = 'nobody';
	ALTER DATABASE copy SET role = 'nobody';
	ALTER DATABASE copy SET default_transaction_read_only = on;
	ALTER DATABASE copy SET statement_timeout = '1ms'});
$node->safe_psql('postgres', q{ALTER DATABASE copy SET transaction_timeout = '1ms'}) if $node->safe_psql('postgres', 'SHOW server_version_num') >= 170000;
{
	local $ENV{PGOPTIONS} = '-c role=none -c default_transaction_read_only=off -c statement_timeout=0';
	$ENV{PGOPTIONS} .= ' -c transaction_timeout=0' if $node->safe_psql('postgres', 'SHOW server_version_num') >= 170000;
	for my $table (qw(running fresh))
	{
		landing_table($node, $table, 'copy');
		$node->safe_psql('copy', enqueue($table) . 'SELECT mend.start()');
		$node->safe_psql('copy', 'CALL mend.wait_idle()');
		is($node->safe_psql('copy', "SELECT state, reason FROM mend.patches WHERE target = '$table'::regclass"), 'applied|', "a $table worker heals");
		is($node->safe_psql('copy', "SELECT count(*) FROM mend.queue WHERE target = '$table'::regclass"), '0', 'and stores');
		wait_no_worker($node, 'copy') or die 'the worker stays';
	}
}

nothing_crashed($node);
$node->stop;
done_testing();
