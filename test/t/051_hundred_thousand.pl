# 100,000 rows that fail for one cause are healed by one patch, and the worker needs no more memory for them than for
# 10,000.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use StreamTest qw(start_node stop_node);
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $growth_allowed_kb = 16 * 1024;
my $node = start_node('many', "mend.planners = 'rules'", 'mend.max_workers = 1', 'mend.idle_exit = 600');
my $stop = PostgreSQL::Test::Utils::tempdir() . '/stop';

# Private memory of a process in kB; 0 when it is gone.
sub private_memory {
    my ($pid) = @_;
    open(my $in, '<', "/proc/$pid/status") or return 0;
    my ($kb) = map { /^RssAnon:\s+(\d+) kB/ ? $1 : () } <$in>;
    return $kb || 0;
}

# Runs $work, and returns the greatest private memory that the process had meanwhile.
sub peak_while {
    my ($pid, $work) = @_;
    unlink $stop, "$stop.peak";
    my $child = fork();
    die "fork: $!" unless defined $child;
    if ($child == 0) {
        my $peak = 0;
        until (-e $stop) {
            my $now = private_memory($pid);
            $peak = $now if $now > $peak;
            sleep 0.02;
        }
        open(my $out, '>', "$stop.peak") or POSIX::_exit(1);
        print $out $peak;
        close $out;
        POSIX::_exit(0);
    }
    $work->();
    open(my $out, '>', $stop) or die "$stop: $!";
    close $out;
    waitpid($child, 0);
    return slurp_file("$stop.peak");
}

sub worker_pids {
    return split /\n/, $node->safe_psql('postgres', q{
        SELECT pid FROM pg_stat_activity WHERE datname = 'postgres' AND backend_type LIKE '%mend%'});
}

# Queues $rows of one cause while the table is paused, then lets the worker at them.
sub heal {
    my ($table, $rows) = @_;
    $node->safe_psql('postgres', qq{
        CREATE TABLE $table (id int PRIMARY KEY, amount int);
        SELECT mend.enroll('$table', mode => 'paused');
        SELECT healing_load('$table', (
            SELECT string_agg(format('{"id": %s, "amount": %s, "note": null}', n, 3000000000 + n), E'\\n')
            FROM generate_series(1, $rows) AS n));});
    is($node->safe_psql('postgres', "SELECT count(*) FROM mend.queue WHERE target = '$table'::regclass"),
        $rows, "$table: $rows rows wait for one cause");
    my ($pid) = worker_pids();
    my $peak = peak_while($pid, sub {
        $node->safe_psql('postgres', "SELECT mend.configure('$table', mode => 'auto')");
        $node->safe_psql('postgres', "CALL mend.wait_idle('$table', '170 s')");
    });
    is(join(',', worker_pids()), $pid, "$table: one worker healed it, and still lives");
    is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT id), min(amount - id), max(amount - id) FROM $table"),
        "$rows|$rows|3000000000|3000000000", "$table: every row is stored once, as offered");
    is($node->safe_psql('postgres', "SELECT count(*) FROM mend.queue WHERE target = '$table'::regclass"),
        0, "$table: the queue is empty");
    is($node->safe_psql('postgres', "SELECT count(*) FROM mend.dead_letters WHERE target = '$table'::regclass"),
        0, "$table: no dead letters");
    is($node->safe_psql('postgres', "SELECT count(*), sum(rows_healed) FROM mend.patches WHERE target = '$table'::regclass"),
        "1|$rows", "$table: one patch healed all");
    return $peak;
}

# A small heal first: the worker is up, its caches are warm.
$node->safe_psql('postgres', q{
    CREATE TABLE warm (id int);
    SELECT mend.enroll('warm');
    SELECT healing_insert('warm', '{"id": 1, "note": "new"}');});
$node->safe_psql('postgres', "CALL mend.wait_idle('warm')");
is(scalar(worker_pids()), 1, 'one worker is up');

my $ten = heal('ten_thousand', 10_000);
my $hundred = heal('hundred_thousand', 100_000);
note("worker's private memory: $ten kB at the peak of 10,000 rows, $hundred kB at that of 100,000");
cmp_ok($ten, '>', 0, 'the memory was measured');
cmp_ok($hundred - $ten, '<', $growth_allowed_kb,
    "ten times the rows need " . ($hundred - $ten) . " kB more, at most $growth_allowed_kb");

stop_node($node);
done_testing();
