# Whatever kills the worker or the server, and whenever: every payload is stored, queued or dead, exactly once.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my $node = mend_node('crash', "mend.idle_exit = '1h'", 'mend.patches_per_hour = 0');
my $seed = $ENV{MEND_SEED} // int(rand(1_000_000));
srand($seed);
note("MEND_SEED=$seed");

my @tables = map { "landing_$_" } 0 .. 3;
my @submitters = ('postgres', 'app_one', 'app_two');
my $offered = 0;
my $killed = 0;

# A pause per row, so that heals last long enough to be hit.
$node->safe_psql(
	'postgres', q{
	CREATE ROLE app_one LOGIN;
	CREATE ROLE app_two LOGIN;
	CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN PERFORM pg_catalog.pg_sleep(0.0003); RETURN NULL; END $$} . join '', map { qq{;
	CREATE TABLE public.$_ (uid text, amount int);
	GRANT INSERT ON public.$_ TO app_one, app_two;
	CREATE TRIGGER dawdle AFTER INSERT ON public.$_ FOR EACH ROW EXECUTE FUNCTION public.dawdle();
	SELECT mend.enroll('public.$_')} } @tables);

# Offers $rows payloads for each table and submitter. Some fit; the others need a wider column, or one that is new with
# every call.
my $calls = 0;
sub offer
{
	my ($rows) = @_;
	my $field = 'note_' . ++$calls;
	my $sql = 'BEGIN;';
	for my $submitter (@submitters)
	{
		$sql .= "SET SESSION AUTHORIZATION $submitter;";
		for my $table (@tables)
		{
			$sql .= qq{
			SELECT healing_load('public.$table', string_agg(
				format('{"uid": "%s", "amount": %s%s}', n, CASE WHEN n % 5 = 0 THEN n ELSE 3000000000 + n END,
					CASE WHEN n % 4 > 0 THEN ', "$field": ' || n END), E'\\n'))
			FROM generate_series($offered + 1, $offered + $rows) n;};
			$offered += $rows;
		}
	}
	$node->safe_psql('postgres', $sql . 'COMMIT;');
	return;
}

sub answers { return $node->poll_query_until('postgres', 'SELECT true') }

# Waits until a worker heals, and a little longer at random; returns its pid. More is offered with every try, so that one is
# met at it however slow this session is.
sub healing_worker
{
	my $pid;
	for my $try (1 .. 200)
	{
		$node->psql('postgres', "CALL mend.wait_idle(timeout => '0 s')");
		$pid = $node->safe_psql('postgres', "SELECT pid FROM mend.workers() WHERE state = 'healing' ORDER BY random() LIMIT 1");
		last if $pid;
		offer(20 + 5 * $try) if $node->safe_psql('postgres', 'SELECT count(*) FROM mend.queue') == 0;
	}
	usleep(int(rand(300_000)));
	return $pid || die 'no worker heals';
}

# Calls for workers until nothing is queued (for $table) but what waits for good.
sub settle
{
	my ($where) = @_;
	$where //= 'true';
	my $until = time + 90;
	while (time < $until)
	{
		$node->psql('postgres', "CALL mend.wait_idle(timeout => '20 s')");
		my ($status, $left) = $node->psql('postgres', "SELECT count(*) FROM mend.queue WHERE $where");
		return 1 if $status == 0 && $left eq '0';
		usleep(50_000);
	}
	diag($node->safe_psql('postgres', "SELECT * FROM mend.status; SELECT * FROM mend.progress"));
	return 0;
}

my @everywhere = ((map { "SELECT uid FROM public.$_" } @tables),
	map { "SELECT payload::jsonb ->> 'uid' FROM mend.$_ WHERE target_name LIKE 'public.landing%'" } 'queue', 'dead_letters');
my $everywhere = join ' UNION ALL ', @everywhere;

sub books_balance
{
	my ($when) = @_;
	is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT uid) FROM ($everywhere) parts"),
		"$offered|$offered", "$when: every payload is somewhere, and nowhere twice");
	return;
}

# kill -9 of a worker at random moments; the server recovers each time.
for my $i (1 .. 8)
{
	offer(100);
	my $pid = healing_worker();
	$killed += kill 'KILL', $pid;
	$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
	answers() or die 'the server did not recover';
	books_balance("kill $i");
}
ok(settle(), 'after the kills all is healed');
books_balance('after the kills');

# The other ways to go.
for my $i (1 .. 4)
{
	offer(60);
	$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . healing_worker() . ')');
	offer(30);
	$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . healing_worker() . ')');
}
books_balance('after terminations and cancels');
for my $i (1 .. 2)
{
	offer(60);
	healing_worker();
	$node->stop('immediate');
	$node->start;
	offer(30);
	healing_worker();
	$node->restart;
}
ok(settle(), 'after terminations, cancels and restarts all is healed');
books_balance('after all');

my $crashes = $node->safe_psql('postgres', 'SELECT count(*) FROM mend.dead_letters');
note("$offered offered, $killed kills, $crashes quarantined");
is($node->safe_psql('postgres', "SELECT count(*) FROM mend.dead_letters WHERE reason NOT LIKE 'quarantined:%'"),
	'0', 'nothing is dead but what was in flight twice');
cmp_ok($crashes, '<=', $killed + 8, 'and that is at most one a crash');
is( $node->safe_psql('postgres', q{
	SELECT count(*) FROM mend.patches p WHERE state NOT IN ('applied', 'failed')}), '0', 'no patch is left half done');
is( $node->safe_psql('postgres', q{
	SELECT count(*) FROM mend.enrollments e
	WHERE (SELECT count(*) FROM mend.patches p WHERE p.target = e.target)
		> (SELECT count(DISTINCT (field, kind)) FROM mend.drifts d WHERE d.target = e.target)}),
	'0', 'no table took more patches than it had drifts');
my $columns = join ', ', 'uid text', 'amount bigint', sort map { "note_$_ bigint" } 1 .. $calls;
is($node->safe_psql('postgres', q{
	SELECT DISTINCT string_agg(attname || ' ' || format_type(atttypid, NULL), ', '
		ORDER BY array_position('{uid,amount}', attname::text), attname COLLATE "C")
	FROM pg_attribute WHERE attrelid IN (SELECT target FROM mend.enrollments) AND attnum > 0 GROUP BY attrelid}),
	$columns, 'every table has the columns that its rows needed, and no more');
is($node->safe_psql('postgres', join ' UNION ', map { qq{
	SELECT r::text FROM public.$_ r
	WHERE r.uid::bigint <> r.amount % 3000000000
		OR ARRAY(SELECT value FROM jsonb_each_text(to_jsonb(r)) WHERE key LIKE 'note%' AND value IS NOT NULL)
			IS DISTINCT FROM CASE WHEN r.uid::bigint % 4 > 0 THEN ARRAY[r.uid] ELSE '{}' END LIMIT 1} =~ s/SELECT r::text.*/($&)/sr } @tables),
	'', 'every row is stored as it was offered');

# A row with which the server, or the worker alone, goes down every time is put aside after two attempts; the others
# land. Rows 3 and 300: under the lock and after it.
$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION public.go_down(how text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN
		IF how = 'kill' THEN
			EXECUTE format('COPY (SELECT) TO PROGRAM %L', 'kill -9 ' || pg_backend_pid());
		ELSE
			PERFORM pg_terminate_backend(pg_backend_pid());
		END IF;
		PERFORM pg_sleep(10);
	END $$;
	CREATE FUNCTION public.bomb() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF NEW.uid LIKE 'bomb%' THEN
			PERFORM public.go_down(TG_ARGV[0]);
		END IF;
		RETURN NEW;
	END $$});
for my $case (['kill', 3], ['kill', 300], ['terminate', 3], ['terminate', 300])
{
	my ($how, $place) = @$case;
	my $table = "${how}_$place";
	$node->safe_psql(
		'postgres', qq{
		CREATE TABLE public.$table (uid text, amount int);
		GRANT INSERT ON public.$table TO app_one;
		CREATE TRIGGER bomb BEFORE INSERT ON public.$table FOR EACH ROW EXECUTE FUNCTION public.bomb('$how');
		SELECT mend.enroll('public.$table');
		SET SESSION AUTHORIZATION app_one;
		SELECT healing_load('public.$table', string_agg(
			format('{"uid": "%s%s", "amount": 3000000000}', CASE WHEN n = $place THEN 'bomb ' END, n), E'\\n'))
		FROM generate_series(1, 310) n});
	ok(settle("target_name = 'public.$table'"), "$table: the round comes to an end");
	is( $node->safe_psql('postgres', qq{
		SELECT payload::jsonb ->> 'uid', reason LIKE 'quarantined:%' FROM mend.dead_letters WHERE target_name = 'public.$table'}),
		"bomb $place|t", "$table: the bomb is quarantined, and says why");
	is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT uid) FROM public.$table"),
		'309|309', "$table: the others have landed");
}

my $died = () = slurp_file($node->logfile) =~ /terminated by signal 9/g;
is($died, $killed + 4, 'only the killed died, and each bomb went off twice');
unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:|terminated by signal (?!9\b)/, 'no process crashed by itself');
$node->stop;
done_testing();
