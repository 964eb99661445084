# Fifty tables drift at once, two workers share them, sessions go on inserting: each payload lands once.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = mend_node('many', "mend.idle_exit = '1h'", 'mend.patches_per_hour = 0');
my ($tables, $rounds, $rows) = (50, 4, 10);
$node->safe_psql(
	'postgres', qq{
	DO \$\$
	BEGIN
		FOR t IN 1 .. $tables LOOP
			EXECUTE format('CREATE TABLE t%s (uid text, amount int)', t);
			PERFORM mend.enroll(format('t%s', t)::regclass);
		END LOOP;
	END \$\$});

# Three sessions at once, each row a transaction of its own: good rows, and rows that drift in a new way every round.
sub script
{
	my ($session) = @_;
	return qq{
	DO \$\$
	BEGIN
		FOR r IN 1 .. $rounds LOOP
			FOR t IN 1 .. $tables LOOP
				FOR n IN 1 .. $rows LOOP
					PERFORM healing_insert(format('t%s', t)::regclass, format('{"uid": "$session.%s.%s", "amount": 1%s}', r, n,
						CASE n % 3 WHEN 0 THEN format(', "field_%s": %s', r, n) WHEN 1 THEN format(', "shared": "s%s"', n) END));
				END LOOP;
				COMMIT;
			END LOOP;
		END LOOP;
	END \$\$;\n};
}
# Who heals what, looked at all the time.
$node->safe_psql('postgres', 'CREATE TABLE seen (healing int, tables int); CREATE TABLE seen_enough ()');
my $watch = $node->background_psql('postgres');
$watch->query_until(qr/watching/, q{\echo watching
	DO $watch$
	BEGIN
		WHILE NOT EXISTS (SELECT FROM seen_enough) LOOP
			INSERT INTO seen SELECT count(target), count(DISTINCT target) FROM mend.workers();
			COMMIT;
			PERFORM pg_sleep(0.002);
		END LOOP;
	END $watch$;
});
my $begun = time;
my @sessions = map { $node->background_psql('postgres') } 1 .. 3;
for my $i (0 .. $#sessions)
{
	$sessions[$i]->query_until(qr/begun/, "\\echo begun\n" . script($i));
}
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE '%DO \$\$%' AND state = 'active' AND pid <> pg_backend_pid()")
  or die 'the sessions do not end';
$_->quit for @sessions;
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
is($node->safe_psql('postgres', 'SELECT count(*) FROM mend.queue'), '0', 'right after wait_idle nothing is queued')
  or diag($node->safe_psql('postgres', 'SELECT * FROM mend.status WHERE queued > 0'));
note(sprintf '%d tables, %d payloads: %.1f s', $tables, $tables * $rounds * $rows * 3, time - $begun);
# Neither leaves: mend.idle_exit is an hour.
is($node->safe_psql('postgres', 'SELECT count(*) FROM mend.workers() WHERE pid <> 0'), '2', 'two workers share the tables');
$node->safe_psql('postgres', 'INSERT INTO seen_enough DEFAULT VALUES');
$watch->quit;
is($node->safe_psql('postgres', 'SELECT max(healing), bool_and(healing = tables) FROM seen'), '2|t', 'at the same time, and never the same one');
my $each = 3 * $rounds * $rows;
is($node->safe_psql('postgres', join ' UNION ', map { "SELECT count(*) = $each AND count(DISTINCT uid) = $each FROM t$_" } 1 .. $tables),
	't', 'every payload is stored, and none twice');
is($node->safe_psql('postgres', 'SELECT count(*) FROM mend.dead_letters'), '0', 'none is dead');
is( $node->safe_psql('postgres', q{
	SELECT count(*) FROM mend.enrollments e
	WHERE (SELECT count(*) FROM mend.patches p WHERE p.target = e.target)
		> (SELECT count(DISTINCT (field, kind)) FROM mend.drifts d WHERE d.target = e.target)}),
	'0', 'no table took more patches than it had drifts');

# wait_idle right after a commit: never too early.
my $early = 0;
for my $i (1 .. 20)
{
	$node->safe_psql('postgres', qq{SELECT healing_insert('t1', '{"uid": "late $i", "late_$i": $i}')});
	$node->safe_psql('postgres', "CALL mend.wait_idle('t1')");
	$early++ if $node->safe_psql('postgres', "SELECT count(*) FROM t1 WHERE uid = 'late $i'") ne '1';
}
is($early, 0, 'wait_idle right after a commit never returns too early');

nothing_crashed($node);
$node->stop;
done_testing();
