# Heals among other people's locks and transactions: nobody is frozen, nothing is missed.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $lock_timeout_ms = 300;
my $node = mend_node('locks', "mend.lock_timeout = '${lock_timeout_ms}ms'", 'mend.max_workers = 1',
	'max_prepared_transactions = 5', "mend.idle_exit = '1h'", 'mend.column_cooldown = 0', 'log_lock_waits = off');

# Creates and enrolls a table (id int, amount int).
sub table_named
{
	my ($table, $more) = @_;
	$node->safe_psql('postgres', "CREATE TABLE public.$table (id int, amount int" . ($more // '') . ");
		SELECT mend.enroll('public.$table')");
	return;
}

sub wide { my ($table, $id) = @_; return qq{SELECT healing_insert('$table', '{"id": $id, "amount": 3000000000}');} }

sub query { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }

# A transaction that has read the table keeps the heal from its lock; other readers come through all the same.
table_named('held');
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; SELECT count(*) FROM held');
query(wide('held', 1));
query("CALL mend.wait_idle('held')");
is(query("SELECT state, reason ~ '^patch \\d+ waits for the lock on the table: tried \\d+ times?\$' FROM mend.status WHERE target = 'held'::regclass"),
	'waiting|t', 'a heal that does not get its lock backs off, and mend.status says so');
is(query("SELECT string_agg(DISTINCT state, ',') FROM mend.patches WHERE target = 'held'::regclass"), 'approved', 'the patch is kept');

# A concurrent reader, each read in a transaction of its own, until the third try.
query(q{
	CREATE TABLE measured (reads int, longest_ms int, tries int);
	DO $$
	DECLARE
		begun timestamptz;
		longest interval := '0';
		reads int := 0;
		tries int := 0;
		until timestamptz := clock_timestamp() + interval '20 s';
	BEGIN
		WHILE tries < 3 AND clock_timestamp() < until LOOP
			begun := clock_timestamp();
			PERFORM count(*) FROM held;
			longest := greatest(longest, clock_timestamp() - begun);
			reads := reads + 1;
			SELECT lock_tries INTO tries FROM mend.progress WHERE target = 'held'::regclass;
			COMMIT;
			PERFORM pg_sleep(0.001);
			COMMIT;
		END LOOP;
		INSERT INTO measured VALUES (reads, extract(epoch FROM longest) * 1000, tries);
	END $$});
my ($reads, $longest, $tries) = split /\|/, query('SELECT * FROM measured');
cmp_ok($tries, '>=', 3, 'it was tried again by itself');
note("longest of $reads reads during $tries tries for the lock: $longest ms");
# A machine with other things to do adds to it; the transaction that is in the way stays for ever.
cmp_ok($longest, '<', 10 * $lock_timeout_ms, 'no reader waited much longer than mend.lock_timeout');

# Rows that arrive during the back-off do not each try for the lock.
query("UPDATE mend.progress SET lock_until = now() + interval '1 hour' WHERE target = 'held'::regclass");
$tries = query("SELECT lock_tries FROM mend.progress WHERE target = 'held'::regclass");
for my $id (2 .. 10)
{
	query(wide('held', $id));
	query("CALL mend.wait_idle('held')");
}
is(query("SELECT lock_tries FROM mend.progress WHERE target = 'held'::regclass"), $tries,
	'rows that arrive during the back-off do not each try for the lock');
is(query("SELECT count(*) FROM mend.patches WHERE target = 'held'::regclass"), '1', 'nor is it planned anew');
cmp_ok(query("SELECT extract(epoch FROM not_before - now())::int FROM mend.progress WHERE target = 'held'::regclass"),
	'>', 3000, 'nor is the table looked at before its time');
my $rounds = query("SELECT done FROM mend.progress WHERE target = 'held'::regclass");
query("SELECT mend.configure('held', carry => '{app.x}')");
query("CALL mend.wait_idle('held')");
cmp_ok(query("SELECT done FROM mend.progress WHERE target = 'held'::regclass"), '>', $rounds,
	'what a person asks for is served during a back-off');
$holder->query_safe('COMMIT');
query("SELECT mend.reset_breaker('held')");
query("CALL mend.wait_idle('held')");
is(query('SELECT count(*), count(DISTINCT id) FROM held'), '10|10', 'the rows land when the transaction has ended');

# The same without help: the next try comes by itself.
table_named('soon');
$holder->query_safe('BEGIN; SELECT count(*) FROM soon');
query(wide('soon', 1));
query("CALL mend.wait_idle('soon')");
$holder->query_safe('COMMIT');
$node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM soon') or die 'it was not tried again';
pass('the next try comes by itself');
is(query("SELECT lock_tries, lock_until IS NULL, state FROM mend.progress WHERE target = 'soon'::regclass"), '0|t|idle',
	'and the back-off is forgotten');

# A trigger that takes too long under the lock.
table_named('slow');
query(q{
	CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$;
	CREATE TRIGGER slow AFTER INSERT ON slow FOR EACH ROW EXECUTE FUNCTION slow()});
query("ALTER DATABASE postgres SET mend.max_lock_hold = '400ms'");
query(wide('slow', 1));
my $begun = time;
query("CALL mend.wait_idle('slow')");
my $took = time - $begun;
note(sprintf 'mend.max_lock_hold of 400 ms: idle again after %.0f ms', $took * 1000);
cmp_ok($took, '<', 10, 'mend.max_lock_hold ends a heal that holds the lock too long');
is(query("SELECT state, reason LIKE 'it held the lock longer than mend.max_lock_hold%' FROM mend.patches WHERE target = 'slow'::regclass"),
	'proposed|t', 'its patch is put before a person, with the reason');
is(query("SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid = 'slow'::regclass AND attname = 'amount'"),
	'amount|integer', 'and the table is as it was');
is(query("SELECT state, queued FROM mend.status WHERE target = 'slow'::regclass"), 'review|1', 'mend.status says who must act');
query('DROP TRIGGER slow ON slow');
query("SELECT mend.approve(id) FROM mend.patches WHERE target = 'slow'::regclass");
query("CALL mend.wait_idle('slow')");
is(query('SELECT count(*) FROM slow'), '1', 'approved, it heals');
query('ALTER DATABASE postgres RESET mend.max_lock_hold');

# A long proof holds nothing of what the round began with: here, one that waits in a domain's CHECK.
query(q{
	CREATE FUNCTION in_worker() RETURNS boolean LANGUAGE sql AS $$ SELECT backend_type = 'pg_mend worker' FROM pg_stat_activity WHERE pid = pg_backend_pid() $$;
	CREATE FUNCTION waits(n int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		IF in_worker() THEN PERFORM pg_advisory_xact_lock(1); END IF; RETURN true; END $$;
	CREATE DOMAIN waiting_number AS int CHECK (waits(VALUE))});
table_named('long', ', n waiting_number');
query("SELECT mend.configure('long', mode => 'review')");
query(q{SELECT healing_load('long', string_agg(format('{"id": %s, "n": 1, "extra": 1}', n), E'\n')) FROM generate_series(1, 300) n});
query("CALL mend.wait_idle('long')");
is(query("SELECT state, queued FROM mend.status WHERE target = 'long'::regclass"), 'review|300', 'three hundred rows wait');
query("ALTER DATABASE postgres SET mend.lock_timeout = '60s'");
$holder->query_safe('BEGIN; SELECT pg_advisory_xact_lock(1)');
# All rows have been profiled: what comes upon them next is the proof.
query("SELECT mend.configure('long', mode => 'auto')");
ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_mend worker' AND wait_event = 'advisory')"), 'a proof of them takes long');
is(query("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.backend_type = 'pg_mend worker' AND l.locktype = 'transactionid'"), '0',
	'it has written nothing that others would wait for');
$holder->query_safe('COMMIT');
query("ALTER DATABASE postgres RESET mend.lock_timeout");
query('CALL mend.wait_idle()');

# A transaction that queued early and commits late is never missed. Its row is put into the queue by hand, since
# healing_insert() also locks the table against ALTER until the end of the transaction.
table_named('late');
my $early = $node->background_psql('postgres');
$early->query_safe('BEGIN; ' . enqueue('late'));
for my $id (2 .. 4)
{
	query(qq{SELECT healing_insert('late', '{"id": $id, "extra$id": $id}');});
	query("CALL mend.wait_idle('late')");
}
is(query('SELECT count(*) FROM late'), '3', 'later rows are healed around an open transaction');
$early->query_safe('COMMIT');
query("CALL mend.wait_idle('late')");
is(query('SELECT count(*), max(extra) FROM late'), '4|2', 'and its own when it commits');

# The same when the first round that sees the late row fails.
$early->query_safe('BEGIN; ' . enqueue('late'));
query(q{SELECT healing_load('late', string_agg('{"id": 6, "word": "w"}', E'\n')) FROM generate_series(1, 100)});
query("CALL mend.wait_idle('late')");
query(q{
	CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'out of luck'; END $$;
	CREATE TRIGGER fail BEFORE UPDATE ON mend.progress FOR EACH ROW
		WHEN (NOT isempty(NEW.in_flight)) EXECUTE FUNCTION fail()});
$early->query_safe('COMMIT');
query("CALL mend.wait_idle('late')");
is(query("SELECT reason FROM mend.status WHERE target = 'late'::regclass"), 'the last heal round ended in an error: P0001: out of luck', 'a round that fails is booked');
query('DROP TRIGGER fail ON mend.progress');
query("SELECT mend.reset_breaker('late')");
query("CALL mend.wait_idle('late')");
is(query("SELECT (SELECT count(*) FROM late) + (SELECT count(*) FROM mend.dead_letters WHERE target = 'late'::regclass), "
	  . "(SELECT count(*) FROM mend.queue WHERE target = 'late'::regclass)"), '105|0',
	'a late row is found again after a round that failed');

# Two-phase commit.
table_named('prepared');
query('BEGIN; ' . enqueue('prepared') . "PREPARE TRANSACTION 'one'");
query(qq{SELECT healing_insert('prepared', '{"id": 2, "other": true}')});
query("CALL mend.wait_idle('prepared')");
is(query('SELECT count(*) FROM prepared'), '1', 'a prepared transaction is in nobody\'s way');
query("COMMIT PREPARED 'one'");
$node->poll_query_until('postgres', 'SELECT count(*) = 2 FROM prepared') or die 'the prepared row was missed';
pass('a prepared row is healed after COMMIT PREPARED');
query('BEGIN; ' . wide('prepared', 3) . "PREPARE TRANSACTION 'two'");
query("ROLLBACK PREPARED 'two'");
is(query("SELECT count(*) FROM mend.queue"), '0', 'nothing is left of one that is rolled back');

# A savepoint rolled back around healing_insert.
table_named('saved');
query('BEGIN; SAVEPOINT a; ' . wide('saved', 1) . 'ROLLBACK TO a; COMMIT');
query("CALL mend.wait_idle('saved')");
is(query("SELECT (SELECT count(*) FROM saved), (SELECT count(*) FROM mend.queue), (SELECT count(*) FROM mend.patches WHERE target = 'saved'::regclass)"),
	'0|0|0', 'a rolled-back savepoint leaves nothing');
query('BEGIN; SAVEPOINT a; ' . wide('saved', 1) . 'ROLLBACK TO a; ' . wide('saved', 2) . 'SAVEPOINT b; '
	  . wide('saved', 3) . 'RELEASE b; COMMIT');
query("CALL mend.wait_idle('saved')");
is(query("SELECT string_agg(id::text, ',' ORDER BY id) FROM saved"), '2,3', 'what was not rolled back is healed');

# The row that a foreign key refers to arrives late.
query('CREATE TABLE parent (id int PRIMARY KEY)');
table_named('child', ', parent int REFERENCES parent');
query(q{SELECT healing_insert('child', '{"id": 1, "parent": 7}')});
query("CALL mend.wait_idle('child')");
is(query("SELECT q.attempts > 0, q.not_before > now() - interval '1 s', s.state FROM mend.queue q JOIN mend.status s USING (target)"),
	't|t|waiting', 'a row that comes before the row it refers to waits');
query('INSERT INTO parent VALUES (7)');
$node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM child') or die 'the child was forgotten';
pass('and lands by itself when that has arrived');

# One whose time has come, but that waits for something else by now, does not keep the worker busy.
query("SELECT mend.configure('child', mode => 'review')");
query(q{SELECT healing_insert('child', '{"id": 2, "parent": 8}')});
query("CALL mend.wait_idle('child')");
query('ALTER TABLE child RENAME COLUMN parent TO guardian');
$node->poll_query_until('postgres', "SELECT state = 'review' FROM mend.status WHERE target = 'child'::regclass") or die 'no review';
query("CALL mend.wait_idle('child')");
is(query("SELECT due, next_at IS NULL FROM mend.work WHERE target = 'child'::regclass"), 'f|t',
	'a row that waits for a person has no time of its own');

# One row's trouble is not that of the others: an internal error in its trigger, ...
table_named('odd');
query(q{
	CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF NEW.id = 2 THEN RAISE 'internal' USING ERRCODE = 'XX000'; END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER odd BEFORE INSERT ON odd FOR EACH ROW EXECUTE FUNCTION odd()});
query('BEGIN;' . wide('odd', 1) . wide('odd', 2) . wide('odd', 3) . 'COMMIT');
query("CALL mend.wait_idle('odd')");
is(query("SELECT string_agg(id::text, ',' ORDER BY id), (SELECT string_agg(sqlstate, ',') FROM mend.dead_letters WHERE target = 'odd'::regclass) FROM odd"),
	'1,3|XX000', 'an internal error in one row\'s trigger does not stop the others');

# ... a constraint that is checked at commit, under the lock and after it, ...
query('CREATE TABLE owner (id int PRIMARY KEY); INSERT INTO owner VALUES (1)');
table_named('deferred', ', owner int REFERENCES owner DEFERRABLE INITIALLY DEFERRED');
query(q{SELECT healing_load('deferred', string_agg(format('{"id": %s, "amount": 3000000000, "owner": %s}', n,
	CASE WHEN n IN (3, 150) THEN 9 ELSE 1 END), E'\n')) FROM generate_series(1, 200) n});
query("CALL mend.wait_idle('deferred')");
is(query("SELECT (SELECT count(*) FROM deferred), (SELECT string_agg(payload::jsonb ->> 'id', ',' ORDER BY id) FROM mend.queue WHERE target = 'deferred'::regclass)"),
	'198|3,150', 'nor does a deferred constraint that some rows violate');
query('INSERT INTO owner VALUES (9)');
$node->poll_query_until('postgres', 'SELECT count(*) = 200 FROM deferred') or die 'they were forgotten';
pass('and these land when what they refer to has arrived');

# ... and a submitter who may no longer insert.
query('CREATE ROLE mary; CREATE ROLE paul');
table_named('shared');
query('GRANT INSERT ON shared TO mary, paul');
query('BEGIN; SET LOCAL ROLE mary;' . wide('shared', 1) . wide('shared', 2) . "SET LOCAL ROLE paul;" . wide('shared', 3)
	  . 'RESET ROLE; REVOKE INSERT ON shared FROM mary; COMMIT');
query("CALL mend.wait_idle('shared')");
is(query("SELECT (SELECT string_agg(id::text, ',') FROM shared), (SELECT string_agg(payload::jsonb ->> 'id', ',' ORDER BY id) FROM mend.dead_letters WHERE target = 'shared'::regclass)"),
	'3|1,2', 'nor a submitter who may no longer insert');

# Whoever has locked a partition and then wants the whole, as maintenance does, comes to no deadlock with a heal, which locks them the
# other way round: it holds neither while it waits for the other.
query('CREATE TABLE parted (id int, amount int) PARTITION BY LIST (id); CREATE TABLE part_1 PARTITION OF parted FOR VALUES IN (1);
	CREATE TABLE part_2 PARTITION OF parted FOR VALUES IN (2) PARTITION BY LIST (amount); CREATE TABLE part_2_1 PARTITION OF part_2 DEFAULT');
query("SELECT mend.enroll('parted')");
query("ALTER SYSTEM SET mend.lock_timeout = '60s'; SELECT pg_reload_conf()");
for my $part (qw(part_1 part_2_1))
{
	my $maintenance = $node->background_psql('postgres');
	$maintenance->query_safe("SET deadlock_timeout = '50ms'; SET statement_timeout = '30s'; BEGIN; LOCK TABLE ONLY $part IN ACCESS EXCLUSIVE MODE");
	query(qq{SELECT healing_insert('parted', '{"id": 1, "field_of_$part": 1}')});
	ok(poll(sub { query("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_mend worker' AND wait_event_type = 'Lock'") eq '1' }), "$part: the heal waits for it");
	is(query("SELECT count(*) FROM pg_locks WHERE relation = 'parted'::regclass AND mode = 'AccessExclusiveLock'"), '0', 'without the lock on the whole');
	$maintenance->query_safe('LOCK TABLE ONLY parted IN SHARE UPDATE EXCLUSIVE MODE');
	pass('whoever has it gets the whole as well');
	$maintenance->query_safe('COMMIT');
	$maintenance->quit;
	query("CALL mend.wait_idle('parted')");
	is(query("SELECT count(field_of_$part) FROM parted"), '1', 'and the heal goes on behind');
}

$_->quit for $holder, $early;
# What is looked up about a column of one table asks for no lock on another that has a column of its name: two workers that
# alter such tables at once would wait for each other.
query(q{
	CREATE TABLE looked_up (id int, code text NOT NULL DEFAULT 'a');
	CREATE TABLE namesake (id int, code text NOT NULL DEFAULT 'b');
	SELECT mend.enroll('looked_up', allow => '{set_default,drop_not_null}')});
my $other = $node->background_psql('postgres');
$other->query_safe('BEGIN; LOCK TABLE namesake');
for my $change (q{SET DEFAULT 'x'}, 'DROP NOT NULL', 'TYPE varchar(9)')
{
	my ($code, undef, $error) = $node->psql('postgres',
		qq{SET lock_timeout = '2s'; SELECT * FROM mend.check_ddl('looked_up', \$\$ALTER TABLE looked_up ALTER code $change\$\$)});
	is("$code|$error", '0|', "$change is judged without a lock on another table");
}
$other->quit;

nothing_crashed($node);
$node->stop;
done_testing();
