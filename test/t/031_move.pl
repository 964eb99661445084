# Payloads go with the data: to a standby that is promoted in the middle of a heal, and through pg_upgrade.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = mend_node('primary', "shared_preload_libraries = 'pg_mend'", 'wal_level = replica', 'max_wal_senders = 4',
	'max_prepared_transactions = 4', 'mend.batch_size = 10');
my $points = has_test_points($primary);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub offer
{
	my ($node, $from, $to) = @_;
	return $node->safe_psql('postgres', qq{SELECT healing_load('orders', string_agg(format('{"id": %s, "amount": %s%s}', n,
		CASE n % 3 WHEN 0 THEN n ELSE 3000000000 END, CASE n % 2 WHEN 0 THEN ', "extra": true' ELSE '' END), E'\\n'))
		FROM generate_series($from, $to) n});
}
my $books = q{
	WITH parts AS (SELECT id::text FROM orders UNION ALL SELECT payload::jsonb ->> 'id' FROM mend.queue
		UNION ALL SELECT payload::jsonb ->> 'id' FROM mend.dead_letters)
	SELECT count(*), count(DISTINCT id), (SELECT count(*) FROM orders) FROM parts};

$primary->safe_psql('postgres', "CREATE TABLE orders (id bigint, amount int); CREATE TABLE aside (id int);
	SELECT mend.enroll('orders'), mend.enroll('aside')");
set_point($primary, 'in_flight', 'wait') if $points;
$primary->safe_psql('postgres', "BEGIN; SELECT healing_insert('aside', '{\"id\": 0, \"late\": 1}'); PREPARE TRANSACTION 'late'");
offer($primary, 1, 99);
at_point($primary, 'in_flight') or die 'no heal' if $points;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));

is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_mend%'"), '0',
	'no worker and no launcher on a standby');
is($standby->safe_psql('postgres', $books) =~ s/\|\d+$//r, '99|99', 'the standby has every payload');
is($standby->safe_psql('postgres', "SELECT count(*) FROM mend.status WHERE target = 'orders'::regclass"), '1', 'mend.status can be read there');
my (undef, undef, $refused) = $standby->psql('postgres', q{SELECT healing_insert('orders', '{"id": 1}')});
like($refused, qr/read-only transaction/, 'and healing_insert is refused as any INSERT');
$primary->stop('immediate');
$standby->promote;
ok(poll(sub { $standby->safe_psql('postgres', 'SELECT count(*) FROM orders') eq '99' }), 'promoted in the middle of a heal, the standby ends it without a call');
$standby->safe_psql('postgres', "COMMIT PREPARED 'late'");
ok(poll(sub { $standby->safe_psql('postgres', 'SELECT count(*) FROM aside') eq '1' }), 'and heals what was prepared on the primary');
is($standby->safe_psql('postgres', $books), '99|99|99', 'the books balance');
offer($standby, 100, 120);
$standby->safe_psql('postgres', 'CALL mend.wait_idle()');
is($standby->safe_psql('postgres', $books), '120|120|120', 'and it goes on');

# pg_upgrade, with rows in the queue and dead letters.
$standby->safe_psql('postgres', 'SELECT mend.stop()');
$standby->safe_psql('postgres', q{
	CREATE ROLE alice LOGIN; GRANT INSERT ON orders TO alice;
	BEGIN; SET LOCAL ROLE alice;
	SELECT healing_load('orders', '{"id": 201, "fresh": 1}
{"id": 202, "fresh": 2}
{"id": 203, "id": 203}');
	COMMIT;
	SELECT mend.map_field('orders', 'sum', 'amount')});
my $before = $standby->safe_psql('postgres', $books);
my $next = $standby->safe_psql('postgres', 'SELECT last_value FROM mend.queue_id_seq');
$standby->stop;
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init(@initdb);
$new->append_conf('postgresql.conf', "fsync = off\nmax_prepared_transactions = 4\nshared_preload_libraries = 'pg_mend'");
chomp(my $bin = `pg_config --bindir`);
$bin = (glob '/usr/lib/postgresql/*/bin')[-1] unless -x "$bin/pg_upgrade";
my $folder = PostgreSQL::Test::Utils::tempdir();
chdir $folder or die $!;
command_ok([ "$bin/pg_upgrade", '--no-sync', '-d', $standby->data_dir, '-D', $new->data_dir, '-b', $bin, '-B', $bin,
	'-s', $new->host, '-p', $standby->port, '-P', $new->port ], 'pg_upgrade takes the cluster');
$new->start;
is($new->safe_psql('postgres', $books), $before, 'every payload has come along');
is($new->safe_psql('postgres', "SELECT state FROM mend.status WHERE target = 'orders'::regclass"), 'stopped', 'nothing heals in the new cluster');
$new->safe_psql('postgres', 'SELECT mend.start()');
$new->safe_psql('postgres', 'CALL mend.wait_idle()');
is($new->safe_psql('postgres', 'SELECT count(*) FROM orders WHERE fresh IS NOT NULL'), '2', 'until mend.start()');
is($new->safe_psql('postgres', $books), '123|123|122', 'and the books balance');
cmp_ok($new->safe_psql('postgres', 'SELECT last_value FROM mend.queue_id_seq'), '>=', $next, 'identities go on');
is($new->safe_psql('postgres', q{SELECT healing_insert('orders', '{"id": 300, "sum": 5}')}), 'inserted', 'mappings hold');

nothing_crashed($_) for $primary, $standby, $new;
$new->stop;
done_testing();
