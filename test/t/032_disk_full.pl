# A disk that fills up in the middle: nothing is lost, the reason can be read, and the heal goes on when there is room.
# MEND_SMALL_DISK names a folder on a file system of its own, of some 40 MB, that the server may write to: scripts/test makes
# one where it may mount.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $disk = $ENV{MEND_SMALL_DISK};
plan skip_all => 'no small file system to fill: set MEND_SMALL_DISK, or run scripts/test as root' unless $disk && -w $disk;
mkdir "$disk/space" or die "$disk/space: $!";
my $filler = "$disk/filler";

my $node = mend_node('disk', 'mend.column_cooldown = 0');
sub query { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }

# Leaves $kilobytes free.
sub fill_up_to
{
	my ($kilobytes) = @_;
	unlink $filler;
	my ($free) = (split ' ', (split /\n/, `df -Pk $disk`)[1])[3];
	open(my $file, '>', $filler) or die $!;
	for (1 .. $free - $kilobytes) { print {$file} 'x' x 1024 or last }
	close $file;
	return;
}

sub books
{
	my ($table) = @_;
	return query("WITH parts AS (SELECT id::text FROM $table UNION ALL SELECT payload::jsonb ->> 'id' FROM mend.queue WHERE target = '$table'::regclass
		UNION ALL SELECT payload::jsonb ->> 'id' FROM mend.dead_letters WHERE target = '$table'::regclass)
		SELECT count(*), count(DISTINCT id), (SELECT count(*) FROM $table) FROM parts");
}

query("CREATE TABLESPACE small LOCATION '$disk/space'");
for my $case ([ 'rewritten', 12000, 'the rewrite finds no room' ], [ 'replayed', 200, 'the replay finds no room' ])
{
	my ($table, $rows, $what) = @$case;
	query(qq{
		CREATE TABLE $table (id int, amount int, pad text) TABLESPACE small;
		SELECT mend.enroll('$table', mode => 'paused');
		INSERT INTO $table SELECT n, n, repeat('p', 1000) FROM generate_series(1, $rows) n;
		SELECT healing_load('$table', string_agg(format('{"id": %s, "amount": 3000000000, "pad": "%s"}', n, repeat('q', 1000)), E'\\n'))
		FROM generate_series($rows + 1, $rows + 4000) n;
		CHECKPOINT});
	my $all = $rows + 4000;
	fill_up_to($table eq 'rewritten' ? 4000 : 2000);
	query("SELECT mend.configure('$table', mode => 'auto')");
	ok(poll(sub { query("SELECT state = 'waiting' AND reason LIKE 'the last heal round ended in an error: 53100: %' FROM mend.status WHERE target = '$table'::regclass") eq 't' }), "$table: $what, and mend.status says so");
	like(books($table), qr/^$all\|$all\|/, "$table: the books balance while the disk is full");
	unlink $filler or die $!;
	query("SELECT mend.reset_breaker('$table')");
	query("CALL mend.wait_idle('$table')");
	is(books($table), "$all|$all|$all", "$table: when there is room again, all rows land");
	is(query("SELECT string_agg(state, ',') FROM mend.patches WHERE target = '$table'::regclass"), 'applied', "$table: by one patch");
	query("DROP TABLE $table; SELECT mend.unenroll(target) FROM mend.enrollments");
}

# The queue itself: the caller is told, and nothing is half kept.
query('ALTER TABLE mend.queue SET TABLESPACE small; CREATE TABLE orders (id int); SELECT mend.enroll($$orders$$, mode => $$paused$$)');
fill_up_to(100);
my (undef, undef, $error) = $node->psql('postgres', q{\set VERBOSITY verbose
	SELECT healing_load('orders', string_agg(format('{"id": %s, "pad": "%s"}', n, md5(n::text)), E'\n')) FROM generate_series(1, 5000) n});
like($error, qr/53100/, 'a queue without room raises the error to who offered');
is(query('SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM mend.queue)'), '0', 'and keeps nothing of it');
unlink $filler;
query(q{SELECT healing_insert('orders', '{"id": 1, "pad": 2}'); SELECT mend.configure('orders', mode => 'auto')});
query('CALL mend.wait_idle()');
is(query('SELECT count(*) FROM orders'), '1', 'with room again it takes rows as ever');
nothing_crashed($node);
$node->stop;
done_testing();
