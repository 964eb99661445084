# Storms, in short: many rows of one cause, a field that flips its type, many tables at once, and trouble in one table that is
# none of the others'. test/bench/growth and test/bench/soak are the long forms.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = mend_node('storms', "mend.idle_exit = '1h'", 'max_worker_processes = 16', 'mend.lock_timeout = 500ms');
sub query { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }

# 150,000 rows of one cause: one patch; a status is an estimate past 100,000 rows, and exact below.
query(q{
	CREATE TABLE storm (id int, amount int);
	SELECT mend.enroll('storm', mode => 'review');
	SELECT healing_load('storm', string_agg(format('{"id": %s, "amount": %s}', n, 3000000000 + n), E'\n')) FROM generate_series(1, 150000) n;
	ANALYZE mend.queue});
query("CALL mend.wait_idle('storm')");
cmp_ok(query('SELECT queued FROM mend.status'), '>', 100000, 'a long queue is estimated');
my $memory = sub { my $pid = worker_pids($node); return (slurp_file("/proc/$pid/status") =~ /RssAnon:\s+(\d+)/)[0] };
my $before = $memory->();
query("SELECT mend.approve(id) FROM mend.patches WHERE state = 'proposed'");
my $seen = poll(sub { query("SELECT query FROM pg_stat_activity WHERE backend_type = 'pg_mend worker' AND query LIKE 'pg_mend: replayed%'") });
like($seen, qr/^pg_mend: replayed \d+ rows of public\.storm$/, 'pg_stat_activity shows how far the replay is');
query("CALL mend.wait_idle('storm', '5 min')");
is(query("SELECT count(*), count(DISTINCT id), (SELECT count(*) FROM mend.queue), (SELECT count(*) FROM mend.patches) FROM storm"),
	'150000|150000|0|1', 'all rows land, by one patch');
cmp_ok($memory->() - $before, '<', 64 * 1024, 'in bounded memory');
is(query('SELECT queued, dead_letters FROM mend.status'), '0|0', 'and a short queue is counted');

# A field that comes as a number and as a word in turns: it is changed once, and not back and forth.
query("CREATE TABLE flip (id int); SELECT mend.enroll('flip')");
for my $turn (1 .. 6)
{
	my $value = $turn % 2 ? $turn : '"word"';
	query(qq{SELECT healing_load('flip', string_agg('{"id": ' || n || ', "field": $value}', E'\\n')) FROM generate_series(1, 10) n});
	query("CALL mend.wait_idle('flip')");
}
cmp_ok(query("SELECT count(*) FROM mend.patches WHERE target = 'flip'::regclass AND state = 'applied'"), '<=', 2, 'a flip-flop changes a column twice at most');
is(query("SELECT (SELECT count(*) FROM flip) + queued + dead_letters FROM mend.status WHERE target = 'flip'::regclass"), '60', 'and its rows are all somewhere');

# Trouble: a replay that never ends, and a table whose lock is not to be had. Others are healed meanwhile.
query(q{
	CREATE TABLE endless (id int);
	CREATE TABLE locked (id int);
	CREATE FUNCTION endless() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 40 THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END $$;
	CREATE TRIGGER endless BEFORE INSERT ON endless FOR EACH ROW EXECUTE FUNCTION endless();
	SELECT mend.enroll('endless'), mend.enroll('locked');
	DO $do$ BEGIN FOR t IN 1 .. 60 LOOP
		EXECUTE format('CREATE TABLE t%s (id int)', t);
		PERFORM mend.enroll(format('t%s', t)::regclass);
	END LOOP; END $do$});
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE locked IN ACCESS SHARE MODE');
query(q{
	SELECT healing_load('endless', string_agg('{"id": ' || n || ', "extra": 1}', E'\n')) FROM generate_series(1, 60) n;
	SELECT healing_insert('locked', '{"id": 1, "extra": 1}')});
poll(sub { query("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_mend worker' AND wait_event = 'PgSleep'") eq '1' }) or die 'the trigger does not sleep';
my $begun = time;
query(q{DO $do$ BEGIN FOR t IN 1 .. 60 LOOP
	PERFORM healing_insert(format('t%s', t)::regclass, '{"id": 1, "extra": 1}');
END LOOP; END $do$});
my $landed = join ' + ', map { "(SELECT count(*) FROM t$_)" } 1 .. 60;
ok(poll(sub { query("SELECT $landed") eq '60' }), 'sixty tables are healed beside one that never ends and one that is locked');
note(sprintf 'sixty tables beside two in trouble: %.1f s', time - $begun);
is(query("SELECT state, queued FROM mend.status WHERE target = 'endless'::regclass"), 'healing|28', 'which is still at it, after the rows that were tried with the patch')
  or diag(query('SELECT * FROM mend.status WHERE queued > 0'));
is(query("SELECT queued FROM mend.status WHERE target = 'locked'::regclass"), '1', 'and which still waits');
query("SELECT mend.configure('endless', mode => 'paused')");
query("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_mend worker' AND wait_event = 'PgSleep'");
$holder->query_safe('COMMIT');
query("SELECT mend.reset_breaker('locked')");
query("CALL mend.wait_idle('locked')");
is(query('SELECT count(*) FROM locked'), '1', 'freed, it is healed');
is(query("SELECT (SELECT count(*) FROM endless) + queued + dead_letters FROM mend.status WHERE target = 'endless'::regclass"), '60', 'nothing of the endless one is lost');

$holder->quit;
nothing_crashed($node);
$node->stop;
done_testing();
