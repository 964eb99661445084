# The mark of the rows in flight: on disk before a row is touched, whatever synchronous_commit says; there again after a row was put
# off; and not held against anybody when the work came to a good end.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

# No standby is there to wait for, and nobody waits for it who does not say so.
my $node = mend_node('marks', "mend.idle_exit = '1h'", "mend.batch_timeout = '300ms'", 'autovacuum = off', 'max_wal_senders = 2', 'wal_level = replica',
	"synchronous_standby_names = 'nobody'", 'synchronous_commit = local', "wal_writer_delay = '10s'");
sub query { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }
plan skip_all => 'the library has no test points' unless has_test_points($node);

# Rows that fit by the time they are replayed, so that no patch comes before: for each a submitter and a payload. Their ids.
sub waiting_rows
{
	my ($table, @rows) = @_;
	query("CREATE TABLE $table (id int); GRANT INSERT ON $table TO PUBLIC; SELECT mend.enroll('$table', mode => 'paused')");
	query("SET SESSION AUTHORIZATION $_->[0]; SELECT healing_insert('$table', '{\"id\": $_->[1], \"extra\": 1}')") for @rows;
	query("ALTER TABLE $table ADD COLUMN extra bigint");
	return split /\n/, query("SELECT id FROM mend.queue WHERE target = '$table'::regclass ORDER BY id");
}

# As if the rows had been offered with the table's code as it is now: what changes it later makes them dead letters.
sub offered_now { my ($table) = @_; return query("UPDATE mend.queue SET code = mend.code_of(target) WHERE target = '$table'::regclass") }
sub replay { my ($table) = @_; offered_now($table); return query("SELECT mend.configure('$table', mode => 'auto')") }

# Nobody but whoever commits flushes.
my $walwriter;
sub stop_walwriter { $walwriter = query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"); kill 'STOP', $walwriter; return }

# Until the server is back after the crash that a test point has made.
my $crashes = 0;
sub comes_back
{
	++$crashes;
	poll(sub { (() = slurp_file($node->logfile) =~ /terminating any other active server processes/g) == $crashes }) or die 'no crash';
	kill 'CONT', $walwriter if $walwriter;
	undef $walwriter;
	poll(sub { (() = slurp_file($node->logfile) =~ /all server processes terminated; reinitializing/g) == $crashes }) or die 'no restart';
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server did not come back';
	return;
}

# Ids in flight, or nothing.
sub in_flight { my ($table) = @_; return query("SELECT string_agg(q.id::text, ' ' ORDER BY q.id) FROM mend.queue q JOIN mend.progress p USING (target) WHERE p.target = '$table'::regclass AND q.id <@ p.in_flight") }

sub all_land
{
	my ($table, $rows) = @_;
	query('SELECT mend.start()');
	ok(poll(sub { query("SELECT count(*) || '/' || count(DISTINCT id) FROM $table") eq "$rows/$rows" }), "$table: all land in the end, once");
	return;
}

query("CREATE ROLE $_ LOGIN") for qw(one two);

# Where nothing is flushed in time, the marks are: in replay, and before the rows are tried with a patch.
for my $case ([ 'replayed', 'in_flight' ], [ 'patched', 'locked' ])
{
	my ($table, $point) = @$case;
	my @ids = waiting_rows($table, [ 'one', 1 ]);
	query("ALTER TABLE $table DROP COLUMN extra") if $table eq 'patched';
	query('ALTER DATABASE postgres SET synchronous_commit = off');
	query('SELECT mend.stop()');
	wait_no_worker($node);
	query("SET synchronous_commit = local; SELECT mend.configure('$table', mode => 'auto')");
	set_point($node, $point, 'exit');
	stop_walwriter();
	query('SET synchronous_commit = local; SELECT mend.start()');
	comes_back();
	is(in_flight($table), "@ids", "$table: the mark was flushed before the row was touched");
	query('ALTER DATABASE postgres RESET synchronous_commit');
	all_land($table, 1);
}

# And so is the one that goes with the rows before, whose trigger has a say in how they are committed.
my @ids = waiting_rows('unflushed', [ 'one', 1 ], [ 'two', 2 ]);
query(q{
	CREATE FUNCTION unflushed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('synchronous_commit', 'off', false); RETURN NEW; END $$;
	CREATE TRIGGER unflushed BEFORE INSERT ON unflushed FOR EACH ROW EXECUTE FUNCTION unflushed()});
set_point($node, 'in_flight', 'wait');
replay('unflushed');
at_point($node, 'in_flight') or die 'the point was not reached';
set_point($node, 'in_flight', 'exit');
stop_walwriter();
release_point($node, 'in_flight');
comes_back();
is(in_flight('unflushed'), $ids[1], 'the mark of the next rows is flushed though a trigger does not want to wait');
is(query('SELECT id FROM unflushed'), '1', 'with the rows before');
all_land('unflushed', 2);

# A row that is put off takes the mark of its batch along: the others are marked anew.
@ids = waiting_rows('put_off', map { [ 'one', $_ ] } 1 .. 3);
query(q{
	CREATE FUNCTION put_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 1 THEN PERFORM pg_sleep(1e6); END IF; RETURN NEW; END $$;
	CREATE TRIGGER put_off BEFORE INSERT ON put_off FOR EACH ROW EXECUTE FUNCTION put_off()});
set_point($node, 'replayed', 'exit');
replay('put_off');
comes_back();
is(query("SELECT string_agg(attempts::text, ' ' ORDER BY id) FROM mend.queue WHERE target = 'put_off'::regclass"), '1 0 0', 'a row is put off before the next brings the worker down');
is(in_flight('put_off'), "@ids[1, 2]", 'which is marked with those that are left');
query('ALTER TABLE put_off DISABLE TRIGGER put_off');
offered_now('put_off');
query("SELECT mend.retry('put_off')");
all_land('put_off', 3);

# Code that goes on after a cancel, but ends in time for a commit that the end of the worker does not undo: here, one that waits
# for a standby. Nothing is held against the table, or the rows that are marked for next.
waiting_rows('late', [ 'one', 1 ], [ 'two', 2 ]);
query(q{
	CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.id = 1 THEN
			BEGIN PERFORM pg_sleep(1e6); EXCEPTION WHEN query_canceled THEN NULL; END;
			PERFORM set_config('synchronous_commit', 'on', true);
		END IF;
		RETURN NEW; END $$;
	CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
	CREATE TABLE counted (id bigint, crashes int);
	CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.counted VALUES (NEW.id, NEW.crashes); RETURN NULL; END $$;
	CREATE TRIGGER counted AFTER UPDATE ON mend.queue FOR EACH ROW WHEN (NEW.crashes > 0) EXECUTE FUNCTION counted()});
replay('late');
ok(poll(sub { query("SELECT count(*) || '/' || count(DISTINCT id) FROM late") eq '2/2' }), 'late: both rows land');
query("CALL mend.wait_idle('late')");
like(slurp_file($node->logfile), qr/canceling the wait for synchronous replication and terminating connection/, 'the worker ended in the commit of the first');
is(query("SELECT count(*) FROM mend.events WHERE target_name = 'public.late' AND kind = 'round_failed'"), '0', 'which is no failure of the table');
is(query('SELECT count(*) FROM counted'), '0', 'nor held against a row');

is(scalar(() = slurp_file($node->logfile) =~ /PANIC:|TRAP:|terminated by signal (?!9\b)/g), 0, 'no process crashed by itself');
$node->stop;
done_testing();
