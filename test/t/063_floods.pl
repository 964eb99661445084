# A sender that invents a field a row: the caps hold, the breaker opens and says so, rows wait, and others are not disturbed.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mend_node('floods', "mend.idle_exit = '1h'", 'mend.patches_per_hour = 4', 'mend.max_columns = 20');
sub query { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }
sub columns { my ($table) = @_; return query("SELECT relnatts FROM pg_class WHERE oid = '$table'::regclass") }
sub opened { my ($table) = @_; return query("SELECT count(*), max(detail ->> 'reason') FROM mend.events WHERE kind = 'breaker_opened' AND target_name = 'public.$table'") }

query('CREATE TABLE drip (id int, n int); CREATE TABLE wave (id int, n int); CREATE TABLE calm (id int, n int);
	SELECT mend.enroll(\'drip\'), mend.enroll(\'wave\'), mend.enroll(\'calm\')');

# One field after the other: patches an hour.
for my $i (1 .. 9)
{
	query("SELECT healing_insert('drip', '{\"id\": $i, \"invented_$i\": $i}')");
	query("CALL mend.wait_idle('drip')");
}
is(columns('drip'), 6, 'four patches an hour are made, and no more');
is(query("SELECT count(*) FROM mend.patches WHERE target = 'drip'::regclass AND state = 'applied'"), '4', 'as their table says');
like(opened('drip'), qr/^1\|4 patches in an hour \(mend.patches_per_hour\)/, 'the breaker opens once, and the event says why');
like(query("SELECT state, reason, queued, dead_letters FROM mend.status WHERE target = 'drip'::regclass"),
	qr/^breaker\|4 patches in an hour.*\|5\|0$/, 'the other rows wait');
is(query("SELECT healing_insert('drip', '{\"id\": 100, \"invented_1\": 1}')"), 'inserted', 'rows that fit are stored as ever');

# Ten thousand fields at once: columns a table.
query(q{SELECT healing_load('wave', string_agg(format('{"id": %s, "invented_%s": 1}', n, n), E'\n')) FROM generate_series(1, 10000) n});
query("CALL mend.wait_idle('wave', '300 s')");
is(columns('wave'), 2, 'a wave of fields makes no column');
like(opened('wave'), qr/^1\|2000 new fields, and more that are not recorded, would take the table past 20 columns \(mend.max_columns\)/, 'the breaker opens, and the event says why');
is(query("SELECT queued + dead_letters FROM mend.status WHERE target = 'wave'::regclass"), '10000', 'no row is lost');
is(query("SELECT state FROM mend.status WHERE target = 'wave'::regclass"), 'breaker', 'the table waits for a person');
is(query("SELECT healing_insert('wave', '{\"id\": 1, \"n\": 1}')"), 'inserted', 'rows that fit are stored as ever');

# Others heal meanwhile.
query("SELECT healing_insert('calm', '{\"id\": 1, \"note\": \"x\", \"n\": 3000000000}')");
query("CALL mend.wait_idle('calm')");
is(query('SELECT * FROM calm'), '1|3000000000|x', 'another table is healed meanwhile');

# Neither a restart, nor the worker's, nor more rows make the caps forget.
$node->restart;
query("SELECT healing_insert('drip', '{\"id\": 20, \"invented_20\": 1}'), healing_insert('wave', '{\"id\": 20, \"invented_20001\": 1}')");
query('CALL mend.wait_idle()');
is(columns('drip'), 6, 'a restart is no way around patches an hour');
is(columns('wave'), 2, 'nor around columns a table');
like(opened('drip'), qr/^1\|/, 'the breaker has stayed open');

# Dropped columns count: PostgreSQL never gives their numbers back.
query('CREATE TABLE worn (id int)');
query("ALTER TABLE worn ADD gone_$_ int; ALTER TABLE worn DROP gone_$_") for 1 .. 18;
query("SELECT mend.enroll('worn')");
query("SELECT healing_insert('worn', '{\"id\": 1, \"a\": 1, \"b\": 2}'); ");
query("CALL mend.wait_idle('worn')");
is(columns('worn'), 19, 'a table of dropped columns takes no more');
like(opened('worn'), qr/^1\|2 new fields would take/, 'and says so');

# A person closes it.
query("ALTER SYSTEM SET mend.patches_per_hour = 100");
query("ALTER SYSTEM SET mend.max_columns = 100");
query('SELECT pg_reload_conf()');
query("SELECT mend.reset_breaker('drip'), mend.reset_breaker('worn')");
query("CALL mend.wait_idle('drip')");
query("CALL mend.wait_idle('worn')");
is(query("SELECT queued FROM mend.status WHERE target = 'drip'::regclass"), '0', 'after a reset the rows land');
is(columns('drip'), 12, 'each in its column');
is(query('SELECT * FROM worn'), '1|1|2', 'those of the worn table as well');

# Who makes up names for rescued values is told of in few words once much is unread.
query("CREATE TABLE rescuing (id int, r jsonb); SELECT mend.enroll('rescuing', 'paused', rescue => 'r')");
query(q{
	CREATE FUNCTION noise(n int) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(md5(n || '.' || i), '') FROM generate_series(1, 200) i $$;
	DO $$
	DECLARE
		value text := noise(1);
	BEGIN
		FOR n IN 1 .. 120 LOOP
			PERFORM healing_insert('rescuing', format('{"id": %s, %s}', n, (SELECT string_agg(format('"f_%s_%s": "%s"', n, k, value || k), ', ') FROM generate_series(1, 150) k)));
			COMMIT;
		END LOOP;
	END $$});
is(query("SELECT pg_total_relation_size('mend.rescues') BETWEEN 64 << 20 AND 80 << 20"), 't', 'names that are made up for rescued values are told of to a bound')
  or diag(query("SELECT pg_total_relation_size('mend.rescues'), count(*) FROM mend.rescues"));
query("SELECT mend.configure('rescuing', 'auto'); CALL mend.wait_idle('rescuing', '2 min')");
is(query('SELECT count(*) FROM rescuing'), '120', 'and the rows are there');

nothing_crashed($node);
$node->stop;
done_testing();
