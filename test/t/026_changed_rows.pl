# Rows that change under a replay which has read them already: stored as they are by then, once, or not at all.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mend_node('changed', "mend.idle_exit = '1h'", 'mend.max_workers = 1', "mend.batch_timeout = '10min'");

sub query { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }

# The trigger of row 100 waits for whoever holds the gate: behind the rows that a patch is tried with, and in the midst of a replay.
query(q{
	CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF NEW.id = 100 THEN
			PERFORM pg_advisory_xact_lock_shared(1);
		END IF;
		RETURN NEW;
	END $$});
my $gate = $node->background_psql('postgres');
my $busy = $node->background_psql('postgres');

# Replays 200 rows, and does something while row 100 is being stored; returns what is stored: how many rows, how many
# different ones, and a word of row 150.
sub replayed_with
{
	my ($table, $change) = @_;
	query(qq{
		CREATE TABLE public.$table (id int, word text);
		CREATE TRIGGER pass_gate BEFORE INSERT ON public.$table FOR EACH ROW EXECUTE FUNCTION pass_gate();
		SELECT mend.enroll('public.$table', mode => 'paused');
		SELECT healing_load('public.$table', string_agg(format('{"id": %s, "word": "w%s", "extra": 1}', n, n), E'\\n')) FROM generate_series(1, 200) n});
	$gate->query_safe('SELECT pg_advisory_lock(1)');
	query("SELECT mend.configure('public.$table', mode => 'auto')");
	$node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)") or die 'no replay';
	$change->("mend.queue WHERE target = 'public.$table'::regclass AND payload::jsonb ->> 'id'");
	$gate->query_safe('SELECT pg_advisory_unlock(1)');
	return;
}

sub stored
{
	my ($table) = @_;
	query("CALL mend.wait_idle('public.$table')");
	return query("SELECT count(*), count(DISTINCT id), min(word) FILTER (WHERE id = 150), (SELECT count(*) FROM mend.queue), (SELECT count(*) FROM mend.dead_letters) FROM public.$table");
}

replayed_with('alone', sub { });
is(stored('alone'), '200|200|w150|0|0', 'nothing changes: all rows are stored');

replayed_with('gone', sub { query("DELETE FROM $_[0] = '150'") });
is(stored('gone'), '199|199||0|0', 'a row that is taken away meanwhile is not stored');

replayed_with('corrected', sub {
	query("UPDATE mend.queue SET payload = replace(payload, 'w150', 'corrected') WHERE id = (SELECT id FROM $_[0] = '150')") });
is(stored('corrected'), '200|200|corrected|0|0', 'a row that is corrected meanwhile is stored as it is then');

# Somebody who has a row locked is waited for, and his row is blamed for nothing.
replayed_with('locked', sub { $busy->query_safe("BEGIN; SELECT FROM $_[0] = '150' FOR UPDATE") });
$node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_locks l JOIN mend.workers() w USING (pid) WHERE NOT l.granted AND l.locktype IN ('transactionid', 'tuple'))")
  or die 'the worker does not wait';
$busy->query_safe('COMMIT');
is(stored('locked'), '200|200|w150|0|0', 'a row that is locked meanwhile is stored when it is free');

# Rows that the table refuses are written as what they are, unless they are gone.
query('CREATE TABLE public.judged (id int, word text CHECK (word <> \'w150\'))');
query(q{
	CREATE TRIGGER pass_gate BEFORE INSERT ON public.judged FOR EACH ROW EXECUTE FUNCTION pass_gate();
	SELECT mend.enroll('public.judged', mode => 'paused');
	SELECT healing_load('public.judged', string_agg(format('{"id": %s, "word": "w%s", "extra": 1}', n, CASE WHEN n % 50 = 0 THEN 150 ELSE n END), E'\n')) FROM generate_series(1, 200) n});
$gate->query_safe('SELECT pg_advisory_lock(1)');
query("SELECT mend.configure('public.judged', mode => 'auto')");
$node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)") or die 'no replay';
query("DELETE FROM mend.queue WHERE target = 'public.judged'::regclass AND payload::jsonb ->> 'id' = '150'");
$gate->query_safe('SELECT pg_advisory_unlock(1)');
query("CALL mend.wait_idle('public.judged')");
is(query("SELECT (SELECT count(*) FROM public.judged), count(*), string_agg(payload::jsonb ->> 'id', ',' ORDER BY id) FROM mend.dead_letters"), '196|3|50,100,200',
	'a row that is refused and gone is no dead letter');

# A trigger on the queue is fired for every row.
query(q{
	DELETE FROM mend.dead_letters;
	CREATE TABLE public.left_queue (id bigint);
	CREATE FUNCTION note_leaving() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.left_queue VALUES (OLD.id); RETURN NULL; END $$;
	CREATE TRIGGER note_leaving AFTER DELETE ON mend.queue FOR EACH ROW EXECUTE FUNCTION note_leaving()});
replayed_with('watched', sub { });
is(stored('watched'), '200|200|w150|0|0', 'rows leave a queue that somebody watches');
is(query('SELECT count(*) FROM public.left_queue'), '200', 'and he sees each');

$_->quit for $gate, $busy;
nothing_crashed($node);
$node->stop;
done_testing();
