# Many databases and few slots: each gets its turn, none starves the server, and what cannot be healed says why.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

my $node = mend_node('slots', 'max_worker_processes = 8', "mend.idle_exit = '1h'", 'max_wal_senders = 4', 'wal_level = replica');
my @databases = map { "db$_" } 1 .. 7;
for my $database (@databases) {
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION pg_mend');
	$node->safe_psql($database, "CREATE TABLE orders (id int); SELECT mend.enroll('orders')");
}
sub workers { return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_mend worker'"); }
sub stored { my ($database, $rows) = @_;
	return $node->poll_query_until($database, "SELECT count(*) = $rows FROM orders"); }

# Idle workers would stay for an hour: they leave for whoever wants one.
$node->safe_psql($_, qq{SELECT healing_insert('orders', '{"id": 1, "extra": 1}')}) for @databases;
ok(stored($_, 1), "$_ is healed") for @databases;
is(workers(), '2', 'by a third of max_worker_processes');

# Busy ones give way after their turn, and are started again for what they left.
for my $database ('db1', 'db2') {
	$node->safe_psql(
		$database, q{
		CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END';
		CREATE TRIGGER slow BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION slow();
		SET mend.batch_size = 100;
		SELECT healing_load('orders', string_agg(format('{"id": %s, "more": 1}', i), E'\n')) FROM generate_series(1, 2000) i});
	$node->safe_psql($database, "SELECT FROM mend.workers()");
}
$node->poll_query_until('postgres', "SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'pg_mend worker' AND datname IN ('db1', 'db2')")
  or die 'the long replays do not begin';
$node->safe_psql('db3', q{SELECT healing_insert('orders', '{"id": 2, "late": 1}')});
ok(stored('db3', 2), 'a third database has its turn');
is($node->safe_psql('db1', 'SELECT count(*) < 2001 FROM orders'), 't', 'before the others are done');
ok(stored($_, 2001), "$_ goes on") for 'db1', 'db2';

# What would begin anew is not cut short when a turn is over: with somebody always waiting it would never end.
for my $database ('db6', 'db7') {
	$node->safe_psql(
		$database, q{
		CREATE FUNCTION slowly() RETURNS boolean LANGUAGE plpgsql AS $$
		BEGIN
			IF current_setting('application_name') = 'pg_mend worker' THEN PERFORM pg_sleep(0.4); END IF;
			RETURN true;
		END $$;
		CREATE DOMAIN slow AS int CHECK (slowly());
		CREATE TABLE proved (id int, amount slow); SELECT mend.enroll('proved');
		SELECT healing_load('proved', string_agg(format('{"id": %s, "amount": 1, "extra": 1}', i), E'\n')) FROM generate_series(1, 15) i});
}
$node->safe_psql($_, q{CREATE TABLE busy (id int); SELECT mend.enroll('busy')}) for 'db3', 'db4', 'db5';
my @waiting = map { $node->background_psql($_) } 'db3', 'db4', 'db5';
for my $session (@waiting) {
	$session->query_until(qr/waiting/, q{\echo waiting
	DO $wait$
	BEGIN
		WHILE to_regclass('enough') IS NULL LOOP
			PERFORM healing_insert('busy', '{"id": "none"}');
			COMMIT;
			PERFORM pg_sleep(0.05);
		END LOOP;
	END $wait$;
});
}
ok($node->poll_query_until($_, 'SELECT count(*) = 15 FROM proved'), "a proof in $_ that is longer than a turn comes to its end while others wait") for 'db6', 'db7';
$node->safe_psql($_, 'CREATE TABLE enough ()') for 'db3', 'db4', 'db5';
$_->quit for @waiting;
$node->safe_psql($_, q{SELECT mend.stop(); DELETE FROM mend.queue WHERE target = 'busy'::regclass; SELECT mend.unenroll('busy'); DROP TABLE busy; SELECT mend.start()}) for 'db3', 'db4', 'db5';

# On a standby nothing heals, and the status says so.
$node->safe_psql('db4', q{SELECT mend.stop(); SELECT healing_insert('orders', '{"id": 3, "standby": 1}')});
$node->safe_psql('db4', q{UPDATE mend.control SET stopped = false});
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
like($standby->safe_psql('db4', 'SELECT state, reason FROM mend.status'), qr/^stopped\|this is a standby/, 'a standby says that it heals nothing');
my (undef, undef, $stderr) = $standby->psql('db4', 'CALL mend.wait_idle()');
like($stderr, qr/standby/, 'nor is it waited for');
$standby->stop;

# After a restart nobody has looked: the next look starts a worker, and so does the next payload, though it fits.
$node->restart;
is(workers(), '0', 'not preloaded, nobody starts by himself');
like($node->safe_psql('db4', 'SELECT state FROM mend.status'), qr/^(due|healing|idle)$/, 'a look at the status');
ok(stored('db4', 2), 'starts a worker');
$node->safe_psql('db5', q{SELECT mend.stop(); SELECT healing_insert('orders', '{"id": 3, "payload": 1}')});
$node->safe_psql('db5', q{UPDATE mend.control SET stopped = false});
$node->restart;
is($node->safe_psql('db5', q{SELECT healing_insert('orders', '{"id": 4}')}), 'inserted', 'a payload that fits');
ok(stored('db5', 3), 'starts one too');

# PostgreSQL has no slot at all: no error for the caller, a WARNING in the log, and the status says what to do.
$node->append_conf('postgresql.conf', "max_worker_processes = 1\nmax_logical_replication_workers = 1");
$node->restart;
(undef, undef, $stderr) = $node->psql('db6', q{SELECT healing_insert('orders', '{"id": 5, "none": 1}')});
is($stderr, '', 'the caller hears nothing of it');
is($node->safe_psql('db6', q{SELECT state, reason FROM mend.status WHERE target = 'orders'::regclass}),
	'waiting|no free background worker: raise max_worker_processes', 'the status does');
like(slurp_file($node->logfile), qr/WARNING:  pg_mend: there is no free background worker/, 'and the log');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
$node->safe_psql('db6', 'SELECT state FROM mend.status');
ok(stored('db6', 2), 'with room it is healed');

# Preloaded, every database has its turn after a restart, with nobody calling.
for my $database (@databases) {
	$node->safe_psql($database, q{SELECT mend.stop(); SELECT healing_insert('orders', '{"id": 9, "preloaded": 1}')});
	$node->safe_psql($database, q{UPDATE mend.control SET stopped = false});
}
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_mend'\nmax_worker_processes = 4");
$node->restart;
for my $database (@databases) {
	ok($node->poll_query_until($database, 'SELECT count(*) = 1 FROM orders WHERE id = 9'), "$database is healed after the restart");
}
is(workers(), '1', 'by one worker after the other');

nothing_crashed($node);
$node->stop;
done_testing();
