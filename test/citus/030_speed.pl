# How fast rows reach a distributed table, beside what Citus itself takes, in one run. Prints figures, and fails where they are
# far from their goals: machines that are busy with other things measure badly.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CitusTest;
use List::Util qw(min);
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time);
use Test::More;

my $rows = $ENV{MEND_CITUS_ROWS} // 100_000;
my ($coordinator) = citus_cluster("shared_buffers = '512MB'", "max_wal_size = '4GB'");
my $sql = sub { $coordinator->safe_psql('postgres', $_[0], extra_params => [ '-U', 'app' ]) };
my $dir = PostgreSQL::Test::Utils::tempdir();
chmod 0755, $dir;
my %figure;

# Seconds of a script; the best of some runs.
sub took
{
	my ($script, $before, $runs) = @_;
	my @times;
	for (1 .. $runs // 2)
	{
		$sql->($before) if $before;
		my $begun = time;
		$coordinator->run_log([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $coordinator->connstr('postgres'), '-U', 'app', '-o', '/dev/null', '-f', $script ]);
		push @times, time - $begun;
	}
	return min @times;
}

sub file
{
	my ($name, $text) = @_;
	append_to_file("$dir/$name", $text);
	return "$dir/$name";
}

for my $table (qw(t plain))
{
	$sql->("CREATE TABLE $table (id bigint PRIMARY KEY, name text, n int)");
}
$sql->("CREATE TABLE ref (id bigint PRIMARY KEY, name text, n int)");
$coordinator->safe_psql('postgres', q{SELECT create_distributed_table('t', 'id'); SELECT create_reference_table('ref');
	SELECT mend.enroll('t'); SELECT mend.enroll('ref')});

my $name = 'x' x 360;
my $line = sub { qq({"id": $_[0], "name": "$name", "n": 1}) };
my $copy = file('copy.sql', "COPY t (id, name, n) FROM stdin;\n" . join('', map { "$_\t$name\t1\n" } 1 .. $rows) . "\\.\n");
my $load = sub {
	my ($file, $table, $from, $to, $each) = @_;
	my $text = '';
	for (my $first = $from; $first <= $to; $first += $each)
	{
		$text .= "SELECT healing_load('$table', \$p\$" . join("\n", map { $line->($_) } $first .. min($first + $each - 1, $to)) . "\$p\$::text);\n";
	}
	return file($file, $text);
};
my $recordset = sub {
	my ($file, $from, $to, $each) = @_;
	my $text = "SET citus.max_adaptive_executor_pool_size = 1;\n";
	for (my $first = $from; $first <= $to; $first += $each)
	{
		$text .= "INSERT INTO t SELECT * FROM jsonb_populate_recordset(NULL::t, \$p\$[" . join(',', map { $line->($_) } $first .. min($first + $each - 1, $to)) . "]\$p\$::jsonb);\n";
	}
	return file($file, $text);
};

my $empty = 'TRUNCATE t, ref';
$figure{copy} = took($copy, $empty);
$figure{load} = took($load->('load.sql', 't', 1, $rows, $rows), $empty);
$figure{loads} = took($load->('loads.sql', 't', 1, $rows, 1000), $empty);
$figure{recordsets} = took($recordset->('recordsets.sql', 1, $rows, 1000), $empty);
is($sql->('SELECT count(*) FROM t'), $rows, 'all rows are there');
my $thousand = $load->('thousand.sql', 't', 1, 1000, 1000);
$figure{clean} = took($thousand, $empty, 5);
$figure{duplicates} = took($thousand, "$empty; INSERT INTO t SELECT i, 'there', 1 FROM generate_series(10, 1000, 10) i", 5);
is($coordinator->safe_psql('postgres', q{SELECT count(*) % 100, min(error), max(reason) FROM mend.dead_letters WHERE target = 't'::regclass}),
	'0|duplicate key value violates unique constraint "t_pkey"|a row with the same key is already stored', 'duplicates are dead letters');
my $few = min($rows, 20_000);
$figure{hash} = took($load->('hash.sql', 't', 1, $few, 1000), $empty);
$figure{reference} = took($load->('reference.sql', 'ref', 1, $few, 1000), $empty);

# Single rows, by four clients.
my $bench = sub {
	my ($script) = @_;
	my $file = file("bench" . ++$figure{bench_files} . '.sql', $script);
	$sql->($empty);
	my ($out) = run_command([ 'pgbench', '-n', '-c', 4, '-j', 2, '-T', 8, '-f', $file, '-h', $coordinator->host, '-p', $coordinator->port, '-U', 'app', 'postgres' ]);
	return $out =~ /tps = ([\d.]+)/ ? $1 : 0;
};
my $id = "\\set id random(1, 9000000000000)\n";
$figure{inserts} = $bench->("$id" . "INSERT INTO t (id, name, n) VALUES (:id, '$name', 1);");
$figure{healing_inserts} = $bench->("$id" . "SELECT healing_insert('t', '{\"id\": :id, \"name\": \"$name\", \"n\": 1}');");

my %ratio = (
	'healing_load in one transaction, of COPY' => [ $figure{copy} / $figure{load}, 0.6 ],
	'healing_load by 1,000 rows, of INSERT ... SELECT jsonb_populate_recordset' => [ $figure{recordsets} / $figure{loads}, 0.9 ],
	'1,000 rows without duplicates, of 1,000 with 100' => [ $figure{clean} / $figure{duplicates}, 1 / 3 ],
	'a hash table, of a reference table' => [ $figure{hash} / $figure{reference}, 1 / 3 ],
	'healing_insert with 4 clients, of INSERT' => [ $figure{healing_inserts} / $figure{inserts}, 0.9 ]);
for my $what (sort keys %ratio)
{
	my ($got, $goal) = @{ $ratio{$what} };
	note(sprintf 'figures: %.2f (goal %.2f) %s', $got, $goal, $what);
	cmp_ok($got, '>', $goal * 0.5, $what);
}
note(sprintf 'figures: seconds: %s', join ', ', map { sprintf '%s %.2f', $_, $figure{$_} } qw(copy load loads recordsets clean duplicates hash reference));
note(sprintf 'figures: a second: inserts %.0f, healing_inserts %.0f', @figure{qw(inserts healing_inserts)});
done_testing();
