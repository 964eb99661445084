# What healing_insert queues wakes the worker at commit, whoever calls it, and only if it is kept.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use Test::More;

my $node = mend_node('ingest');
$node->safe_psql('postgres', "CREATE TABLE orders (id int); SELECT mend.enroll('orders')");
$node->safe_psql('postgres', 'CREATE ROLE app LOGIN; GRANT INSERT ON orders TO app');
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
$node->safe_psql('postgres',
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_mend worker'");
wait_no_worker($node) or die 'the worker did not die';

my $drifted = q{SELECT healing_insert('orders', '{"id": 1, "extra": 2}'::jsonb);};
is($node->safe_psql('postgres', q{SELECT healing_insert('orders', '{"id": 1}'::jsonb)}), 'inserted', 'a row that fits');
is($node->safe_psql('postgres', "BEGIN; $drifted ROLLBACK;"), 'queued', 'a row that does not, rolled back');
is(worker_pids($node), '', 'neither needs a worker');
is($node->safe_psql('postgres', $drifted, extra_params => [ '-U', 'app' ]), 'queued', 'a row of an ordinary user');
$node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM mend.workers() WHERE pid IS NOT NULL')
  or die 'nobody came';
pass('brings the worker');
$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM mend.work WHERE due)') or die 'the row was forgotten';
pass('who looks at it');
$node->safe_psql('postgres', "BEGIN; SAVEPOINT s; $drifted ROLLBACK TO s; $drifted COMMIT;");
$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM mend.work WHERE due)') or die 'the row was forgotten';
pass('a savepoint that is rolled back does not silence what follows');

nothing_crashed($node);
$node->stop;
done_testing();
