# Triggers that do not come to an end, and tables that somebody has locked: a worker is held by them for a bounded time, the
# rows to blame are put off and told of, and everything else is healed.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = mend_node('usercode', "mend.idle_exit = '1h'", "mend.batch_timeout = '500ms'", "statement_timeout = '120s'", "mend.max_lock_hold = '500ms'",
	"mend.lock_timeout = '300ms'", 'mend.max_workers = 2', 'mend.column_cooldown = 0');
sub query { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }

# A table whose trigger does $what, and 60 rows for it, all with a new field.
sub table_that
{
	my ($table, $what, $more) = @_;
	query(qq{
		CREATE TABLE $table (id int);
		CREATE FUNCTION $table() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN $what RETURN NEW; END \$\$;
		CREATE TRIGGER $table BEFORE INSERT ON $table FOR EACH ROW EXECUTE FUNCTION $table();
		SELECT mend.enroll('$table')});
	$more->() if $more;
	query(qq{SELECT healing_load('$table', string_agg('{"id": ' || n || ', "extra": 1}', E'\\n')) FROM generate_series(1, 60) n});
	return;
}

# What waits for a time of its own is due.
sub time_passes
{
	my ($table) = @_;
	query("UPDATE mend.queue SET not_before = clock_timestamp() WHERE target = '$table'::regclass AND not_before IS NOT NULL");
	query("UPDATE mend.progress SET not_before = clock_timestamp() WHERE target = '$table'::regclass");
	query("CALL mend.wait_idle('$table')");
	return;
}

sub books { my ($table) = @_; return query("SELECT (SELECT count(*) || '/' || count(DISTINCT id) FROM $table), queued, dead_letters, state FROM mend.status WHERE target = '$table'::regclass") }

# One row of sixty, after those that the patch is tried with, and among them.
for my $case ([ 'later', 50 ], [ 'last_of_sample', 32 ], [ 'first', 1 ])
{
	my ($table, $id) = @$case;
	table_that($table, "IF NEW.id = $id THEN PERFORM pg_sleep(1e6); END IF;");
	query("CALL mend.wait_idle('$table')");
	is(books($table), '59/59|1|0|waiting', "$table: the others are stored, the row that does not come to an end waits");
	is(query("SELECT reason FROM mend.status WHERE target = '$table'::regclass"),
		'a trigger or constraint takes longer with some rows than mend.batch_timeout: they are tried again', "$table: mend.status says so");
	is(query("SELECT payload::jsonb ->> 'id', attempts, sqlstate, error, not_before > now() FROM mend.queue WHERE target = '$table'::regclass"),
		"$id|1|57014|storing it took longer than mend.batch_timeout (500 ms)|t", "$table: and so does its row in the queue");
}
query('ALTER TABLE first DISABLE TRIGGER first');
time_passes('later') for 1 .. 2;
is(books('later'), '59/59|0|1|idle', 'a row that took too long three times is a dead letter');
is(query("SELECT payload::jsonb ->> 'id', sqlstate, reason FROM mend.dead_letters WHERE target = 'later'::regclass"),
	'50|57014|a trigger or constraint took longer with it than mend.batch_timeout (500 ms), tried 3 times', 'which says why');
query('ALTER TABLE later DISABLE TRIGGER later');
query("SELECT mend.retry('later')");
query("CALL mend.wait_idle('later')");
is(books('later'), '60/60|0|0|idle', 'and lands when the trigger lets it');
time_passes('first');
is(books('first'), '60/60|0|0|idle', 'so does one that had time left, by itself');

# Two tables whose rows take long keep both workers busy; a third has its turn.
{
	my @slow = ('sluggish', 'lazy');
	table_that($_, 'PERFORM pg_sleep(0.2);') for @slow;
	$node->poll_query_until('postgres', "SELECT count(*) >= 2 FROM mend.workers() WHERE state = 'healing'") or die 'no two workers heal';
	query("CREATE TABLE honest (id int); SELECT mend.enroll('honest')");
	query(q{SELECT healing_insert('honest', '{"id": 1, "extra": 1}')});
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM honest'), 'an honest row lands beside two slow tables');
	my $left = query("SELECT count(DISTINCT target) FROM mend.queue WHERE target IN ('sluggish'::regclass, 'lazy'::regclass)");
	is($left, 2, 'while both have rows left');
	query("CALL mend.wait_idle('$_', '2 min')") for @slow;
	is(books($_), '60/60|0|0|idle', "$_: all rows land in the end") for @slow;
}

# The same while rows are only judged: domains that take long with each, in the worker alone.
{
	query(q{
		CREATE FUNCTION judges_slowly(n int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
			IF current_setting('application_name') = 'pg_mend worker' THEN PERFORM pg_sleep(0.02); END IF; RETURN true; END $$;
		CREATE DOMAIN slow_number AS int CHECK (judges_slowly(VALUE));
		CREATE TABLE pensive (id int, n slow_number);
		CREATE TABLE doubtful (id int, n slow_number);
		CREATE TABLE prompt (id int);
		SELECT mend.enroll(t) FROM unnest('{pensive,doubtful,prompt}'::regclass[]) t});
	query(qq{SELECT healing_load('$_', string_agg(format('{"id": %s, "n": 1, "extra": 1}', n), E'\n')) FROM generate_series(1, 100) n}) for qw(pensive doubtful);
	$node->poll_query_until('postgres', "SELECT count(*) >= 2 FROM mend.workers() WHERE state = 'healing'") or die 'no two workers heal';
	query(q{SELECT healing_insert('prompt', '{"id": 1, "extra": 1}')});
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM prompt'), 'an honest row lands beside two tables whose rows are slow to judge');
	is(query("SELECT count(*) FROM mend.patches WHERE target IN ('pensive'::regclass, 'doubtful'::regclass) AND state = 'applied'"), '0', 'while neither has a patch');
	ok(poll(sub { books('pensive') eq '100/100|0|0|idle' && books('doubtful') eq '100/100|0|0|idle' }), 'all of their rows land in the end')
	  or diag(books('pensive'), books('doubtful'), query('SELECT * FROM mend.status'));
	is(query("SELECT row_count FROM mend.drifts WHERE target IN ('pensive'::regclass, 'doubtful'::regclass)"), "100\n100", 'each is profiled once');
	is(query("SELECT count(*) FROM mend.events WHERE target_name IN ('public.pensive', 'public.doubtful') AND kind = 'round_failed'"), '0', 'without an error');
}

# Every row: the table rests after some, and comes back.
query('ALTER TABLE later ENABLE TRIGGER later; CREATE OR REPLACE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN LOOP NULL; END LOOP; END $$');
query(q{SELECT healing_load('later', string_agg('{"id": ' || n || ', "more": 1}', E'\n')) FROM generate_series(61, 100) n});
query("CALL mend.wait_idle('later')");
is(query("SELECT state, queued, reason ~ 'held the lock longer than mend.max_lock_hold' FROM mend.status WHERE target = 'later'::regclass"),
	'review|40|t', 'with a patch that none of its rows can be tried with: a person decides');
query('ALTER TABLE later ADD COLUMN more bigint');
query("SELECT mend.reset_breaker('later')");
query("CALL mend.wait_idle('later')");
like(query("SELECT state, queued, reason FROM mend.status WHERE target = 'later'::regclass"),
	qr/^waiting\|40\|the last heal round ended in an error: 57014: triggers or constraints of the table took longer than mend.batch_timeout \(500 ms\) with 2 rows: the others wait/,
	'the table rests after two rows, and says why');
query("SELECT healing_insert('first', '{\"id\": 61, \"news\": 1}')");
query("CALL mend.wait_idle('first')");
is(query('SELECT news FROM first WHERE id = 61'), '1', 'others are healed meanwhile');
query('ALTER TABLE later DISABLE TRIGGER later');
query("SELECT mend.retry('later'), mend.reset_breaker('later')");
query("CALL mend.wait_idle('later')");
is(books('later'), '100/100|0|0|idle', 'and everything lands when the trigger lets it');

# Code that catches the cancel and goes on, in front of the lock, under it, and at commit: the worker ends with it, another takes
# over by itself, and the row that was alone when a worker ended for the second time is put aside.
my $stubborn = 'LOOP BEGIN PERFORM pg_sleep(1e6); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;';
for my $case ([ 'ignoring', 50, 'BEFORE INSERT' ], [ 'ignoring_first', 1, 'BEFORE INSERT' ], [ 'ignoring_late', 50, 'AFTER INSERT' ])
{
	my ($table, $id, $when) = @$case;
	table_that($table, '', sub { query(qq{
		CREATE FUNCTION stubborn_$table() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN IF NEW.id = $id THEN $stubborn END IF; RETURN NEW; END \$\$;
		CREATE @{[ $when =~ /AFTER/ ? 'CONSTRAINT' : '' ]} TRIGGER stubborn $when ON $table @{[ $when =~ /AFTER/ ? 'DEFERRABLE INITIALLY DEFERRED' : '' ]}
			FOR EACH ROW EXECUTE FUNCTION stubborn_$table()}) });
	ok(poll(sub { books($table) eq '59/59|0|1|idle' }), "$table: the others land, and that row does not") or diag(books($table));
	is(query("SELECT payload::jsonb ->> 'id', reason FROM mend.dead_letters WHERE target = '$table'::regclass"),
		"$id|quarantined: the worker or the server went down twice while this payload was replayed", "$table: which is put aside");
	is(query("SELECT detail FROM mend.events WHERE target_name = 'public.$table' AND kind = 'round_failed' LIMIT 1"), '{"sqlstate": "57014"}', "$table: there is an event of it");
}
# A domain that does so while rows are profiled, in the worker alone: the row that was judged when a worker ended for the second time
# is put aside, the others land, and the pauses of the table grow as after any error. Nothing is marked before: the second row of
# three shows that it is the right one.
query(qq{
	CREATE FUNCTION in_worker() RETURNS boolean LANGUAGE sql AS \$\$ SELECT backend_type = 'pg_mend worker' FROM pg_stat_activity WHERE pid = pg_backend_pid() \$\$;
	CREATE FUNCTION ignores_cancel(n int) RETURNS boolean LANGUAGE plpgsql AS \$\$ BEGIN IF n = 2 AND in_worker() THEN $stubborn END IF; RETURN true; END \$\$;
	CREATE DOMAIN ignoring_number AS int CHECK (ignores_cancel(VALUE));
	CREATE TABLE ignoring_domain (id int, n ignoring_number);
	CREATE TABLE pauses (failures int, pause interval, in_flight int8multirange, worker int);
	CREATE FUNCTION note_pause() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
		INSERT INTO public.pauses VALUES (NEW.failures, NEW.not_before - clock_timestamp(), NEW.in_flight, pg_backend_pid()); RETURN NULL; END \$\$;
	CREATE TRIGGER note_pause AFTER INSERT OR UPDATE ON mend.progress FOR EACH ROW
		WHEN (NEW.target = 'ignoring_domain'::regclass AND NEW.last_error IS NOT NULL AND NEW.not_before > clock_timestamp()) EXECUTE FUNCTION note_pause();
	SELECT mend.enroll('ignoring_domain')});
query(q{SELECT healing_load('ignoring_domain', string_agg(format('{"id": %s, "n": %s, "extra": 1}', n, n), E'\n')) FROM generate_series(1, 3) n});
my $ignored = q{the last heal round ended in an error: 57014: a trigger or constraint of the table was cancelled after 500 ms and went on: the worker ended itself};
ok(poll(sub { query("SELECT state, queued, reason FROM mend.status WHERE target = 'ignoring_domain'::regclass") eq "waiting|3|$ignored" }), 'a domain that ignores its cancel has its table rest');
ok(poll(sub { books('ignoring_domain') eq '2/2|0|1|idle' }), 'the row that is to blame is put aside, and the others land') or diag(books('ignoring_domain'));
is(query("SELECT payload::jsonb ->> 'n', reason ~ '^quarantined: ' FROM mend.dead_letters WHERE target = 'ignoring_domain'::regclass"), '2|t', 'and it is the right one');
is(query("SELECT string_agg(DISTINCT failures || ' ' || (pause > least(300, 2 ^ (failures - 1)) * interval '0.5 s')::text, ', '), count(DISTINCT worker) FROM pauses"),
	'1 true, 2 true|2', 'it took two workers, and the pause grew');
is(query("SELECT failures, last_error FROM mend.progress WHERE target = 'ignoring_domain'::regclass"), '0|', 'a round that goes well ends the count');
query('DROP TRIGGER note_pause ON mend.progress');

# One that heeds its cancel, but has no end, is cancelled: the row is tried alone from then on, and is a dead letter the third time.
query(q{
	CREATE FUNCTION endless(n int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN IF n = 2 AND in_worker() THEN PERFORM pg_sleep(1e6); END IF; RETURN true; END $$;
	CREATE DOMAIN endless_number AS int CHECK (endless(VALUE));
	CREATE TABLE endless_domain (id int, n endless_number);
	SELECT mend.enroll('endless_domain')});
query(q{SELECT healing_load('endless_domain', string_agg(format('{"id": %s, "n": %s, "extra": 1}', n, n), E'\n')) FROM generate_series(1, 3) n});
ok(poll(sub { query("SELECT reason FROM mend.status WHERE target = 'endless_domain'::regclass") eq
	'the last heal round ended in an error: 57014: a domain of the table took longer than mend.batch_timeout (500 ms) while rows were profiled: the others wait' }), 'a domain without an end has its table rest');
ok(poll(sub { books('endless_domain') eq '2/2|0|1|idle' }), 'the row that it is at is put aside, and the others land') or diag(books('endless_domain'));
is(query("SELECT payload::jsonb ->> 'n', sqlstate, reason FROM mend.dead_letters WHERE target = 'endless_domain'::regclass"),
	'2|57014|a trigger or constraint took longer with it than mend.batch_timeout (500 ms), tried 3 times', 'which says why');

# One row that eats up the cancel, and goes on, before one that would have heeded it: the second is at hand when the worker ends, and
# not to blame for that. Tried alone it is cancelled.
query(q{
	CREATE FUNCTION shared(n int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		IF n = 1 AND in_worker() THEN BEGIN PERFORM pg_sleep(1e6); EXCEPTION WHEN query_canceled THEN NULL; END; END IF;
		IF n = 2 AND in_worker() THEN PERFORM pg_sleep(1e6); END IF;
		RETURN true; END $$;
	CREATE DOMAIN shared_number AS int CHECK (shared(VALUE));
	CREATE TABLE shared_limit (id int, n shared_number);
	SELECT mend.enroll('shared_limit')});
query(q{SELECT healing_load('shared_limit', string_agg(format('{"id": %s, "n": %s, "extra": 1}', n, n), E'\n')) FROM generate_series(1, 3) n});
ok(poll(sub { books('shared_limit') eq '2/2|0|1|idle' }), 'a row that takes the cancel of another does not end it for good') or diag(books('shared_limit'));
is(query("SELECT payload::jsonb ->> 'n', reason ~ '^a trigger or constraint took longer' FROM mend.dead_letters WHERE target = 'shared_limit'::regclass"), '2|t',
	'but for what it does alone');

# Nor is a row to blame for what does so while the table is rewritten: the patch is, and goes before a person.
my $endless_loop = 'LOOP BEGIN LOOP n := n; END LOOP; EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;';
query(qq{
	CREATE TABLE ignoring_rewrite (id int, amount int);
	CREATE FUNCTION ignoring_key(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS \$\$ BEGIN
		IF current_setting('application_name') = 'pg_mend worker' AND n = 0 THEN $endless_loop END IF; RETURN n; END \$\$;
	INSERT INTO ignoring_rewrite VALUES (0, 1);
	CREATE INDEX ON ignoring_rewrite (ignoring_key(id));
	SELECT mend.enroll('ignoring_rewrite')});
query(q{SELECT healing_load('ignoring_rewrite', string_agg(format('{"id": %s, "amount": 3000000000}', n), E'\n')) FROM generate_series(1, 3) n});
my $to_review = q{patch \d+ waits for mend.approve\(\d+\): code of the table was cancelled after 500 ms of the change and went on, until the worker ended itself: mend that code and approve it again};
ok(poll(sub { query("SELECT state, queued, dead_letters, reason FROM mend.status WHERE target = 'ignoring_rewrite'::regclass") =~ /^review\|3\|0\|$to_review$/ }),
	'a patch that the code of the table does not let be cancelled goes before a person, and the rows wait') or diag(query("SELECT * FROM mend.status WHERE target = 'ignoring_rewrite'::regclass"));
is(query("SELECT count(*), max(crashes) FROM mend.queue WHERE target = 'ignoring_rewrite'::regclass"), '3|0', 'it is held against none of them');
query(qq{SELECT healing_load('ignoring_rewrite', '{"id": 4, "amount": 3000000000}\n{"id": 5, "amount": 1, "extra": 1}')});
ok(poll(sub { query("SELECT count(*) FROM mend.patches WHERE target = 'ignoring_rewrite'::regclass AND state = 'applied'") eq '1' }), 'a column is added meanwhile');
query("CALL mend.wait_idle('ignoring_rewrite')");
is(query("SELECT string_agg(state || ' ' || (ddl ~ 'TYPE')::text, ', ' ORDER BY id) FROM mend.patches WHERE target = 'ignoring_rewrite'::regclass"), 'proposed true, applied false',
	'and what waits for a person is not tried again for new rows');
like(query("SELECT state, queued, dead_letters, reason FROM mend.status WHERE target = 'ignoring_rewrite'::regclass"), qr/^review\|4\|0\|$to_review$/, 'nor forgotten');
query('CREATE OR REPLACE FUNCTION ignoring_key(n int) RETURNS int IMMUTABLE LANGUAGE sql AS $$ SELECT n $$');
query("SELECT mend.approve(id) FROM mend.patches WHERE target = 'ignoring_rewrite'::regclass AND state = 'proposed'");
query("CALL mend.wait_idle('ignoring_rewrite')");
is(books('ignoring_rewrite'), '6/6|0|0|idle', 'approved when that code is mended, it heals');

# Slow, and no more than that: fewer rows at a time.
table_that('slow', 'PERFORM pg_sleep(0.05);');
query("CALL mend.wait_idle('slow')");
is(books('slow'), '60/60|0|0|idle', 'rows that are slow together, and not alone, are all stored');
is(query("SELECT count(*) FROM mend.events WHERE target_name = 'public.slow' AND kind = 'round_failed'"), '0', 'without an error');

# A patch of mappings takes no lock, and is bounded all the same.
query(q{
	CREATE TABLE mapped (id int, amount int);
	CREATE FUNCTION mapped() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1e6); RETURN NEW; END $$;
	CREATE TRIGGER mapped BEFORE INSERT ON mapped FOR EACH ROW EXECUTE FUNCTION mapped();
	SELECT mend.enroll('mapped', mode => 'review')});
query(q{SELECT healing_insert('mapped', '{"id": 1, "sum": 5}')});
query("CALL mend.wait_idle('mapped')");
query(q{SELECT mend.approve(mend.propose('mapped', '', '{"sum": "amount"}'))});
query("CALL mend.wait_idle('mapped')");
like(query("SELECT state, queued, reason FROM mend.status WHERE target = 'mapped'::regclass"),
	qr/^review\|1\|.*storing its first rows took longer than mend.max_lock_hold \(500 ms\)/, 'a patch of mappings holds no worker either');

# As many locked tables as there are workers: whatever step comes upon the lock, nobody waits for it for long.
query("CREATE TABLE $_ (id int); SELECT mend.enroll('$_')") for qw(shut_1 shut_2 open);
query('SELECT mend.stop()');
query("SELECT healing_insert('$_', '{\"id\": 1, \"extra\": 1}')") for qw(shut_1 shut_2 open);
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE shut_1, shut_2 IN ACCESS EXCLUSIVE MODE');
my $begun = time;
query('SELECT mend.start()');
ok(poll(sub { query('SELECT count(*) FROM open') eq '1' }), 'a table is healed beside as many locked ones as there are workers');
note(sprintf 'after %.0f ms', (time - $begun) * 1000);
ok(poll(sub { query("SELECT count(*) FROM mend.progress WHERE last_error LIKE '55P03: a lock was not to be had within mend.lock_timeout (300 ms)%'") eq '2' }),
	'the locked ones back off, and say why');
$holder->query_safe('COMMIT');
ok(poll(sub { query('SELECT (SELECT count(*) FROM shut_1) + (SELECT count(*) FROM shut_2)') eq '2' }), 'and are healed by themselves afterwards');

# A table that is unenrolled while a round for it begins leaves nothing behind, and takes no worker down.
query("CREATE TABLE leaving (id int); SELECT mend.enroll('leaving')");
query("SELECT healing_insert('leaving', '{\"id\": 1, \"extra\": 1}')");
query("CALL mend.wait_idle('leaving')");
$holder->query_safe("BEGIN; SELECT mend.unenroll('leaving')");
query("SELECT mend.request_round('leaving'); SELECT healing_insert('open', '{\"id\": 2, \"news\": 1}')");
ok(poll(sub { query("SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'pg_mend worker' AND wait_event_type = 'Lock'") eq 't' }), 'a round begins');
$holder->query_safe('COMMIT');
query('CALL mend.wait_idle()');
is(query("SELECT count(*) FROM mend.progress p WHERE NOT EXISTS (SELECT FROM mend.enrollments e WHERE e.target = p.target)"), '0',
	'of a table that is unenrolled while a round begins nothing is left');

$holder->quit;
nothing_crashed($node);
$node->stop;
done_testing();
