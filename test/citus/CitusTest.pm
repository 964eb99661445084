# What the tests of Citus share: a coordinator and two workers that find pg_mend.
package CitusTest;

use strict;
use warnings;
use Exporter 'import';
use FindBin;
use lib "$FindBin::Bin/../t";
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep time);
use Test::More;

our @EXPORT = qw(citus_cluster offer wait_idle books_balance prepared_nowhere shards_agree);

# The coordinator, with pg_mend and a role app that owns tables, and two workers. Nodes meet on 127.0.0.1.
sub citus_cluster
{
	my (@settings) = @_;
	my @nodes;
	for my $name (qw(coordinator worker1 worker2))
	{
		my $node = PostgreSQL::Test::Cluster->new($name);
		$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
		$node->append_conf(
			'postgresql.conf', join "\n", 'fsync = off', 'restart_after_crash = on', "listen_addresses = '127.0.0.1'",
			"shared_preload_libraries = 'citus'", 'max_prepared_transactions = 100', 'max_connections = 100',
			'max_worker_processes = 32', "citus.node_conninfo = 'sslmode=disable'", 'citus.shard_count = 8',
			'citus.recover_2pc_interval = 1s', @settings, '');
		$node->start;
		$node->safe_psql('postgres', 'CREATE EXTENSION citus');
		push @nodes, $node;
	}
	my ($coordinator, @workers) = @nodes;
	my $ports = join '; ', map { "SELECT citus_add_node('127.0.0.1', " . $_->port . ')' } @workers;
	$coordinator->safe_psql('postgres',
		"SELECT citus_set_coordinator_host('127.0.0.1', " . $coordinator->port . "); $ports");
	$coordinator->safe_psql('postgres',
		'CREATE EXTENSION pg_mend; CREATE ROLE app LOGIN; GRANT ALL ON SCHEMA public TO app');
	return @nodes;
}

# Offers payloads as the role app, in one transaction: one call each.
sub offer
{
	my ($node, $table, @payloads) = @_;
	$node->safe_psql('postgres', join("\n", 'BEGIN;', (map { "SELECT healing_insert('$table', \$p\$$_\$p\$);" } @payloads), 'COMMIT;'),
		extra_params => [ '-U', 'app' ]);
	return;
}

# Until nothing is left that the worker can do now. A worker that has died may have to come back first.
sub wait_idle
{
	my ($node) = @_;
	my $until = time + 90;
	while (time < $until)
	{
		my ($status) = $node->psql('postgres', "CALL mend.wait_idle(NULL, '5 s')");
		my $left = $node->safe_psql('postgres', q{SELECT count(*) FROM mend.work WHERE due OR failing});
		return if $status == 0 && $left == 0;
		usleep(200_000);
	}
	diag($node->safe_psql('postgres', 'SELECT * FROM mend.status'));
	return;
}

# Every payload that was accepted is in the table, once, or in the books.
sub books_balance
{
	my ($node, $table, $offered, $what) = @_;
	my ($rows, $ids, $kept) = split /\|/, $node->safe_psql('postgres', qq{
		SELECT (SELECT count(*) FROM $table), (SELECT count(DISTINCT id) FROM $table),
			(SELECT count(*) FROM mend.queue WHERE target = '$table'::regclass) +
			(SELECT count(*) FROM mend.dead_letters WHERE target = '$table'::regclass)});
	is($rows + $kept, $offered, "$what: nothing is lost or twice");
	is($ids, $rows, "$what: no row is there twice");
	return;
}

sub prepared_nowhere
{
	my ($what, @nodes) = @_;
	my $gone = 1;
	for my $node (@nodes)
	{
		$gone &&= $node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_prepared_xacts');
	}
	ok($gone, "$what: no prepared transaction is left");
	return;
}

# The columns of all shards are those of the table.
sub shards_agree
{
	my ($node, $table, $what) = @_;
	is($node->safe_psql('postgres', qq{
		SELECT count(DISTINCT r.result) FROM (
			SELECT result FROM run_command_on_shards('$table', \$q\$SELECT string_agg(attname || ':' || format_type(atttypid, atttypmod)
				|| ':' || attnotnull, ',' ORDER BY attname) FROM pg_attribute WHERE attrelid = '%s'::regclass AND attnum > 0
				AND NOT attisdropped\$q\$)
			UNION ALL SELECT string_agg(attname || ':' || format_type(atttypid, atttypmod) || ':' || attnotnull, ',' ORDER BY attname)
			FROM pg_attribute WHERE attrelid = '$table'::regclass AND attnum > 0 AND NOT attisdropped) r}),
		1, "$what: the shards agree with the table");
	return;
}

1;
