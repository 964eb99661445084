# A partitioned landing table that pg_partman maintains: partitions are made while heals alter the parent, and rows for which there
# is none wait until maintenance has made it.
use strict;
use warnings;
use FindBin;
use lib ($FindBin::Bin, "$FindBin::Bin/../t");
use MendTest;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ScaleTest;
use Test::More;
use Time::HiRes qw(time);

my $node = mend_node('partman', 'mend.patches_per_hour = 1000', 'mend.max_columns = 1000', 'log_statement = none', "TimeZone = 'UTC'");
my $sql = sub { $node->safe_psql('postgres', @_) };
plan skip_all => 'pg_partman is not installed'
  unless $sql->(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'});

# A partition has 1,000 ids; partman makes two ahead of the newest row. Without the default partition, ids past them have none.
$sql->(q{
	CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman;
	CREATE ROLE app LOGIN;
	CREATE TABLE orders (id bigint NOT NULL, qty smallint CHECK (qty <> -1), note varchar(10)) PARTITION BY RANGE (id);
	CREATE TABLE orders_template (LIKE orders, PRIMARY KEY (id));
	SELECT partman.create_parent('public.orders', 'id', 'native', '1000', p_premake := 2, p_template_table := 'public.orders_template');
	DROP TABLE orders_default;
	SELECT mend.enroll('orders'); SELECT mend.create_inbox('orders');
	GRANT INSERT ON orders, orders_inbox TO app});
my $partitions = sub { $sql->(q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'orders'::regclass}) };
my $at_first = $partitions->();

# $count rows from $first on. Each row whose number is a multiple of 10 has the field; of 97, breaks the CHECK; of 25, is past smallint.
my ($offered, $dead) = (0, 0);
sub offer_range
{
	my ($first, $count, $field) = @_;
	my @rows;
	for my $id ($first .. $first + $count - 1)
	{
		my $qty = $id % 97 == 0 ? -1 : $id % 25 == 0 ? 100_000 : 1;
		push @rows, qq({"id": $id, "qty": $qty) . ($id % 10 == 0 ? qq(, "$field": $id) : '') . '}';
		$dead++ if $qty == -1;
	}
	$offered += @rows;
	$node->safe_psql('postgres', "SELECT * FROM healing_load('orders', \$p\$" . join("\n", @rows) . '$p$)', extra_params => [ '-U', 'app' ]);
	return;
}

# Maintenance in a loop of its own, as a job of cron's would be, while rows come and the parent is altered.
my $stop = PostgreSQL::Test::Utils::tempdir() . '/stop';
my $log = "$stop.log";
my $parent = $$;
my $maintenance = fork // die "fork: $!";
if (!$maintenance)
{
	open STDOUT, '>', $log;
	open STDERR, '>&', \*STDOUT;
	until (-e $stop)
	{
		system('psql', '-XAtq', '-d', $node->connstr('postgres'), '-v', 'ON_ERROR_STOP=1', '-c', q{SELECT partman.run_maintenance('public.orders')});
		Time::HiRes::usleep(50_000);
	}
	POSIX::_exit(0);
}
END { my $status = $?; if ($$ == $parent && $maintenance) { kill 'KILL', $maintenance; waitpid $maintenance, 0 } $? = $status }

my $begun = time;
offer_range(1 + 500 * $_, 500, 'f_' . int($_ / 4)) for 0 .. 39;
append_to_file($stop, '');
waitpid $maintenance, 0;
undef $maintenance;
# Maintenance locks a partition, then the parent; a heal holds neither while it waits for the other.
my $errors = grep { /ERROR:/ } split /\n/, slurp_file($log);
is($errors, 0, 'no maintenance has failed') or diag(slurp_file($log));
# What had come before its partition was there.
$sql->(q{SELECT partman.run_maintenance('public.orders')});
sub done { return $sql->(q{CALL mend.wait_idle('orders', '100 s'); SELECT count(*) FROM mend.queue}) }
for (1 .. 30)
{
	last if done() == 0;
	$sql->(q{SELECT partman.run_maintenance('public.orders')});
}
my $made = $partitions->();
cmp_ok($made, '>=', 20, 'maintenance has made partitions');
my $took = time - $begun;

sub books
{
	my ($what, $waiting, $bad) = @_;
	# A row without a partition meets no CHECK yet.
	my $letters = $dead - ($bad // 0);
	is($sql->(q{SELECT count(*), count(DISTINCT id) FROM orders}), join('|', ($offered - $letters - $waiting) x 2), "$what: rows are there once");
	is($sql->(q{SELECT count(*) FROM mend.queue}), $waiting, "$what: what has no partition waits");
	is($sql->(q{SELECT count(*) FROM mend.dead_letters WHERE sqlstate = '23514'}), $letters, "$what: dead letters are what breaks the CHECK");
	is($sql->(q{SELECT count(*) FROM mend.dead_letters WHERE sqlstate <> '23514'}), 0, "$what: and nothing else");
	return;
}
books('while partitions are made', 0);
is($sql->(q{SELECT count(*) FROM orders o, to_jsonb(o) r
	WHERE id % 10 = 0 AND (r ->> ('f_' || (id - 1) / 2000))::bigint IS DISTINCT FROM id OR qty <> CASE WHEN id % 25 = 0 THEN 100000 ELSE 1 END}),
	0, 'and have their values');
is($sql->(q{SELECT count(DISTINCT columns) FROM (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ',' ORDER BY attname) AS columns
	FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND attrelid IN
	(SELECT 'orders'::regclass UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = 'orders'::regclass) GROUP BY attrelid) c}), 1,
	'every partition has the columns of the parent, whenever it was made');
my $patches = $sql->(q{SELECT count(*) FROM mend.patches WHERE state = 'applied'});
cmp_ok($patches, '>=', 5, 'patches were applied');

# Far past what partman has made: they wait, with the reason; drift in them is healed meanwhile, or with them.
offer_range(100_001, 40, 'far');
offer_range(20_001, 10, 'near');
$sql->(q{CALL mend.wait_idle('orders')});
books('past the last partition', 40, scalar grep { $_ % 97 == 0 } 100_001 .. 100_040);
ok(until_true(sub { $sql->('SELECT reason FROM mend.status') =~ /partition/ }, 60), 'mend.status says for what') or diag($sql->('TABLE mend.attention'));
is($sql->(q{SELECT count(*) FROM orders WHERE near IS NOT NULL}), 1, 'others do not wait for them');
# Maintenance makes partitions ahead of the newest stored row: premake says how far.
$sql->(q{UPDATE partman.part_config SET premake = 85 WHERE parent_table = 'public.orders'; SELECT partman.run_maintenance('public.orders')});
cmp_ok($partitions->(), '>', $made, 'maintenance has made the partition');
ok(until_true(sub { done() == 0 }, 60), 'by itself what waited lands') or diag($sql->('TABLE mend.status; TABLE mend.attention'));
books('after maintenance', 0);
is($sql->(q{SELECT count(*) FROM orders WHERE far IS NOT NULL}), 4, 'with its values');
figure(sprintf 'pg_partman: %d rows, %d partitions made while %d patches were applied, %.0f s', $offered, $made - $at_first, $patches, $took);
nothing_crashed($node);
$node->stop;
done_testing();
