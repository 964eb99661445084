# mend.events can only be added to; the worker seals it as it can be seen; any change of what is sealed is found.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mend_node('audit', "mend.idle_exit = '1h'");
$node->safe_psql('postgres', 'CREATE TABLE orders (id int, n int); SELECT mend.enroll(\'orders\')');

# Has a worker look, until all events that can be seen are sealed.
sub seal
{
	my ($database) = @_;
	$database //= 'postgres';
	$node->safe_psql($database, 'SELECT mend.wake()');
	return $node->poll_query_until($database, 'SELECT NOT EXISTS (SELECT FROM mend.unsealed_events)');
}

sub note_event { my ($kind) = @_; return "INSERT INTO mend.events (kind, detail) VALUES ('$kind', '{\"a\": [1, \"é\"]}');" }

sub verdict { my ($head, $database) = @_; return $node->safe_psql($database // 'postgres',
	'SELECT ok, array_to_string(problems, E\'\n\') FROM mend.verify_events(' . (defined $head ? "'$head'" : '') . ')') }

ok(seal(), 'what enroll did is sealed');
is(verdict(), 't|', 'and verified');

# A transaction that took its ids first commits last: nobody waits for it, and it is not missed.
my $late = $node->background_psql('postgres', on_error_stop => 1);
$late->query_safe('BEGIN; ' . note_event('late'));
$node->safe_psql('postgres', note_event('early') . note_event('early'));
my $rolled_back = $node->background_psql('postgres', on_error_stop => 1);
$rolled_back->query_safe('BEGIN; ' . note_event('never') . 'ROLLBACK;');
ok(seal(), 'what is committed is sealed while another transaction is open');
is($node->safe_psql('postgres', "SELECT count(*) FROM mend.event_seals s JOIN mend.events e ON e.id = s.event_id WHERE e.kind = 'early'"),
	'2', 'and nothing else');
$late->query_safe('COMMIT');
ok(seal(), 'what commits late is sealed late');
is($node->safe_psql('postgres', q{
	SELECT string_agg(e.kind, ',' ORDER BY s.position), count(DISTINCT e.id) = count(*), max(s.position) = count(*) FROM mend.event_seals s
	JOIN mend.events e ON e.id = s.event_id WHERE e.kind <> 'enrolled'}) =~ s/\|t\|.*//r,
	'early,early,late', 'in the order in which it could be seen');
$_->quit for $late, $rolled_back;
is(verdict(), 't|', 'the chain is verified');

# Sessions that act at the same time do not wait for each other, nor for the sealing.
my @sessions = map { $node->background_psql('postgres', on_error_stop => 1) } 1 .. 3;
$_->query_safe("SET lock_timeout = '5s'; BEGIN; " . note_event('together')) for @sessions;
my $sealing = $node->background_psql('postgres', on_error_stop => 1);
$sealing->query_safe('BEGIN; ' . note_event('held') . 'SELECT mend.seal_events(false)');
$_->query_safe(note_event('together') . 'COMMIT') for @sessions;
is($node->safe_psql('postgres', 'SELECT sealed FROM mend.seal_events(false)'), '0', 'who comes second to seal does not wait either');
$sealing->query_safe('COMMIT');
ok(seal(), 'all is sealed');
is($node->safe_psql('postgres', "SELECT count(*) FROM mend.event_seals s JOIN mend.events e ON e.id = s.event_id WHERE e.kind = 'together'"),
	'6', 'each once');
$_->quit for @sessions, $sealing;
is(verdict(), 't|', 'the chain is verified');

# An event of a user shows who it was, and is sealed without a superuser's doing.
$node->safe_psql('postgres', q{
	CREATE ROLE boss LOGIN IN ROLE mend_admin; GRANT ALL ON SCHEMA public TO boss; SET SESSION AUTHORIZATION boss;
	CREATE TABLE bosses (id int); SELECT mend.enroll('bosses', 'paused')});
ok(seal(), 'it is sealed');
is($node->safe_psql('postgres', 'SELECT actor FROM mend.events ORDER BY id DESC LIMIT 1'), 'boss', 'as who it was');

# The head is in the server's log.
my $head = $node->safe_psql('postgres', 'SELECT head FROM mend.event_seals ORDER BY position DESC LIMIT 1');
like(slurp_file($node->logfile), qr/audit events sealed in database "postgres": \d+, up to position \d+, head $head/, 'the log anchors the head');
is(verdict($head), 't|', 'the expected head is found');
is(verdict(uc " $head "), 't|', 'however it is written');
is($node->safe_psql('postgres', 'BEGIN;' . note_event('more') . '; SELECT unsealed FROM mend.verify_events(); COMMIT'), '1', 'the verdict speaks of what is not sealed yet');
like(verdict($head), qr/^t/, 'the head is found also when more has happened since');
seal();
is(verdict($head), 't|', 'sealed or not');

# Append-only: for members of mend_admin, for whoever was given rights, and for an owner that is no superuser.
$node->safe_psql('postgres', q{
	CREATE ROLE meddler LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA mend TO meddler; GRANT USAGE ON SCHEMA mend TO meddler;
	GRANT SET ON PARAMETER session_replication_role TO meddler});
my %refusal = (boss => qr/permission denied/, meddler => qr/is not allowed: it is append-only/);
for my $role ('boss', 'meddler')
{
	for my $table ('events', 'event_seals')
	{
		for my $what ("UPDATE mend.$table SET " . ($table eq 'events' ? "kind = 'x'" : "head = head"), "DELETE FROM mend.$table",
			"TRUNCATE mend.$table", "SET session_replication_role = replica; DELETE FROM mend.$table")
		{
			my ($status, undef, $error) = $node->psql('postgres', "SET SESSION AUTHORIZATION $role; $what");
			like($error, $refusal{$role}, "$role: $what");
		}
	}
}
my ($status, undef, $error) = $node->psql('postgres', "SET SESSION AUTHORIZATION meddler; UPDATE mend.events SET kind = 'x'");
like($error, qr/UPDATE of mend.events is not allowed: it is append-only/, 'and says so');
is(verdict($head), 't|', 'nothing has changed');
$node->safe_psql('postgres', "SET SESSION AUTHORIZATION meddler; " . note_event('foreign'));
ok(seal(), 'an event added by somebody with the right to add is sealed');

# What a superuser can do is found. Each case is undone by giving back a copy of both tables.
$node->safe_psql('postgres', 'CREATE TABLE events_kept AS TABLE mend.events; CREATE TABLE seals_kept AS TABLE mend.event_seals');
my ($first, $middle, $last) = split /\|/, $node->safe_psql('postgres',
	"SELECT min(event_id), (array_agg(event_id ORDER BY position))[4], (array_agg(event_id ORDER BY position DESC))[1] FROM mend.event_seals");
$head = $node->safe_psql('postgres', 'SELECT head FROM mend.event_seals ORDER BY position DESC LIMIT 1');
my $next = $middle + 1;
# A worker would seal in the midst of it.
$node->safe_psql('postgres', 'SELECT mend.stop()');
ok(wait_no_worker($node), 'the worker leaves');
for my $edit (
	"at = at + interval '1 microsecond'", "kind = kind || 'x'", "target_name = 'public.other'", 'patch_id = 99',
	"actor = 'somebody'", "detail = detail || '{\"a\": 2}'")
{
	tampered("$edit", "UPDATE mend.events SET $edit WHERE id = $middle", qr/^f\|event $middle is not what was sealed at position 4$/);
}
tampered('a deleted event', "DELETE FROM mend.events WHERE id = $middle", qr/^f\|event $middle, sealed at position 4, is missing$/);
tampered('an event deleted with its seal', "DELETE FROM mend.events WHERE id = $middle; DELETE FROM mend.event_seals WHERE event_id = $middle",
	qr/^f\|seals 4 to 4 are missing$/);
tampered('... and the gap closed', "DELETE FROM mend.events WHERE id = $middle; DELETE FROM mend.event_seals WHERE event_id = $middle;
	ALTER TABLE mend.event_seals DROP CONSTRAINT event_seals_pkey; UPDATE mend.event_seals SET position = position - 1 WHERE position > 4;
	ALTER TABLE mend.event_seals ADD PRIMARY KEY (position)", qr/^f\|event \d+ is not what was sealed at position 4\n/);
tampered('two events that change places', "UPDATE mend.events SET id = -1 WHERE id = $middle; UPDATE mend.events SET id = $middle WHERE id = $next;
	UPDATE mend.events SET id = $next WHERE id = -1", qr/^f\|event \d+ is not what was sealed at position \d+\nevent \d+ is not what was sealed at position \d+$/);
tampered('two seals that change places', "UPDATE mend.event_seals SET position = 1000 WHERE position = 4; UPDATE mend.event_seals SET position = 4 WHERE position = 5;
	UPDATE mend.event_seals SET position = 5 WHERE position = 1000", qr/^f\|event \d+ is not what was sealed at position 4\n/);
tampered('another time of sealing', "UPDATE mend.event_seals SET sealed_at = now() WHERE position = 4", qr/^f\|event $middle is not what was sealed at position 4$/);
tampered('a beginning that is cut off', 'DELETE FROM mend.events WHERE id IN (SELECT event_id FROM mend.event_seals WHERE position < 3);
	DELETE FROM mend.event_seals WHERE position < 3', qr/^f\|seals 1 to 2 are missing$/);
tampered('an emptied log', 'TRUNCATE mend.events', qr/^f\|event/);
# Only a head that is kept elsewhere shows these two.
my $cut = "DELETE FROM mend.events WHERE id = $last; DELETE FROM mend.event_seals WHERE event_id = $last";
my $rewritten = "UPDATE mend.events SET actor = 'nobody' WHERE id = $middle; DELETE FROM mend.event_seals; SELECT mend.seal_events(true)";
tampered('an end that is cut off', $cut, qr/^f\|no seal has the expected head/, $head);
tampered('a chain that is written anew', $rewritten, qr/^f\|no seal has the expected head/, $head);
tampered('... without that head', $rewritten, qr/^t\|$/);

sub tampered
{
	my ($what, $sql, $expected, $expected_head) = @_;
	$node->safe_psql('postgres', $sql);
	like(verdict($expected_head), $expected, $what);
	$node->safe_psql('postgres', 'TRUNCATE mend.events, mend.event_seals; INSERT INTO mend.events TABLE events_kept;
		INSERT INTO mend.event_seals TABLE seals_kept; TRUNCATE mend.unsealed_events');
	return;
}
is(verdict($head), 't|', 'what was given back is as it was');
$node->safe_psql('postgres', 'SELECT mend.start()');

# Restored, in another encoding and time zone too, it is the same chain and goes on.
seal();
$head = $node->safe_psql('postgres', 'SELECT head FROM mend.event_seals ORDER BY position DESC LIMIT 1');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '--file', $dump, '--dbname', $node->connstr('postgres') ], 'it is dumped');
$node->safe_psql('postgres', "CREATE DATABASE copy TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'");
$node->safe_psql('postgres', "ALTER DATABASE copy SET timezone = 'Asia/Kathmandu'; ALTER DATABASE copy SET datestyle = 'german'");
my (undef, $restore_errors) = run_command([ 'psql', '-X', '-q', '-f', $dump, '-d', $node->connstr('copy') ]);
unlike($restore_errors, qr/ERROR/, 'and restored');
like(verdict($head, 'copy'), qr/^t/, 'it is the same chain');
$node->safe_psql('copy', 'SELECT mend.start()');
ok(seal('copy'), 'which goes on');
is(verdict($head, 'copy'), 't|', 'from there');
is($node->safe_psql('copy', 'SELECT count(*) = count(DISTINCT event_id), max(position) = count(*), (SELECT count(*) FROM mend.events) = count(*) FROM mend.event_seals'),
	't|t|t', 'every event is sealed once');

# What was added without triggers is found when a worker starts.
$node->safe_psql('copy', q{SELECT mend.stop()});
ok(wait_no_worker($node, 'copy'), 'the worker leaves');
$node->safe_psql('copy', 'ALTER TABLE mend.events DISABLE TRIGGER note_unsealed; ' . note_event('quiet')
	. 'ALTER TABLE mend.events ENABLE ALWAYS TRIGGER note_unsealed; SELECT mend.start()');
ok($node->poll_query_until('copy', q{SELECT EXISTS (SELECT FROM mend.event_seals s JOIN mend.events e ON e.id = s.event_id WHERE e.kind = 'quiet')}),
	'an event that nobody announced is sealed');
is($node->safe_psql('copy', q{SET ROLE pg_monitor; SELECT ok FROM mend.verify_events()}), 't', 'monitoring may ask');

nothing_crashed($node);
$node->stop;
done_testing();
