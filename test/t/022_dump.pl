# A dump takes everything along; where it is restored nothing heals until mend.start(), and then nothing is lost.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mend_node('source', "mend.idle_exit = '1h'");
$node->safe_psql(
	'postgres', q{
	CREATE ROLE alice;
	CREATE ROLE bob;
	CREATE TABLE orders (id int, amount int);
	CREATE TABLE gone (id int);
	CREATE TABLE renamed (id int);
	GRANT INSERT ON orders TO PUBLIC;
	SELECT mend.enroll('orders'), mend.enroll('gone'), mend.enroll('renamed');
	SELECT healing_load('orders', '[{"id": 1, "note": "a"}, {"id": 2, "note": "b"}]')});
$node->safe_psql('postgres', 'CALL mend.wait_idle()');

# In the queue: rows of three roles for a table that lives, and rows of tables that do not. And dead letters, a field
# that is mapped, one that is held, a patch that waits.
$node->safe_psql(
	'postgres', q{
	SELECT mend.stop();
	BEGIN;
	SELECT healing_load('orders', '[{"id": 3, "amount": 3000000000}, {"id": 4, "amount": "many"}]');
	SET LOCAL ROLE alice;
	SELECT healing_insert('orders', '{"id": 5, "amount": 3000000001}');
	SET LOCAL ROLE bob;
	SELECT healing_insert('orders', '{"id": 6, "amount": 3000000002}');
	RESET ROLE;
	SELECT healing_insert('orders', '{"id": 7, "id": 8}'), healing_insert('gone', '{"id": 9, "id": 9}');
	SELECT healing_insert('gone', '{"id": 10, "extra": 1}'), healing_insert('renamed', '{"id": 11, "extra": 1}');
	SELECT mend.map_field('orders', 'amt', 'amount');
	INSERT INTO mend.patches (target, target_name, planner, proposed_ddl, field_map, state)
		VALUES ('gone', 'public.gone', 'person', '', '{"extra": null}', 'approved');
	COMMIT;
	DROP TABLE gone;
	ALTER TABLE renamed RENAME TO other_name});
my %ids = map { $_ => $node->safe_psql('postgres', "SELECT max(id) FROM mend.$_") } qw(queue drifts patches events);
my $in_dump = $node->safe_psql('postgres', q{
	SELECT string_agg(payload, E'\n' ORDER BY id) FROM (SELECT id, payload FROM mend.queue UNION SELECT id, payload FROM mend.dead_letters) p});
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '--file', $dump, '--dbname', $node->connstr('postgres') ], 'the database is dumped');

# Restores the dump into a database of a node, as psql would; returns what went wrong.
sub restore
{
	my ($target, $database) = @_;
	$target->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	my ($out, $err) = run_command([ 'psql', '-X', '-q', '-v', 'VERBOSITY=terse', '-f', $dump, '-d', $target->connstr($database) ]);
	return join "\n", grep { /ERROR/ } split /\n/, $err;
}

sub ids_in { my ($target, $database, $from, $where) = @_; return $target->safe_psql($database, "SELECT string_agg(payload::jsonb ->> 'id', ',' ORDER BY id) FROM mend.$from WHERE " . ($where // 'true')) }

my $other = PostgreSQL::Test::Cluster->new('other');
$other->init(@initdb);
$other->append_conf('postgresql.conf', "fsync = off\nmend.idle_exit = '1h'");
$other->start;
# Alice has another OID here, and Bob's old one is Mallory's.
my $bob = $node->safe_psql('postgres', "SELECT oid FROM pg_roles WHERE rolname = 'bob'");
$other->safe_psql('postgres', 'CREATE ROLE filler_' . $_) for 1 .. 3;
$other->safe_psql('postgres', 'CREATE ROLE alice');
is(restore($other, 'copy'), '', 'it is restored in another cluster without an error');
isnt($other->safe_psql('postgres', "SELECT oid FROM pg_roles WHERE rolname = 'alice'"),
	$node->safe_psql('postgres', "SELECT oid FROM pg_roles WHERE rolname = 'alice'"), 'where a role has another OID');

is($other->safe_psql('copy', q{
	SELECT string_agg(payload, E'\n' ORDER BY id) FROM (SELECT id, payload FROM mend.queue UNION SELECT id, payload FROM mend.dead_letters) p}),
	$in_dump, 'every payload has come along');
is($other->safe_psql('copy', "SELECT field, column_name FROM mend.fields WHERE field = 'amt'"), 'amt|amount', 'and the mappings');
is($other->safe_psql('copy', "SELECT string_agg(target_name, ',' ORDER BY target_name) FROM mend.enrollments"),
	'public.orders,public.renamed', 'and the enrolments of tables that there are');
is($other->safe_psql('copy', "SELECT state, ddl FROM mend.patches"),
	'applied|ALTER TABLE public.orders ADD COLUMN note pg_catalog.text', 'and the patches');

# Sequences go on, ingest works, nothing heals.
is($other->safe_psql('copy', q{SELECT healing_insert('orders', '{"id": 12, "amt": 3000000003}')}), 'queued', 'ingest works');
cmp_ok($other->safe_psql('copy', 'SELECT max(id) FROM mend.queue'), '>', $ids{queue}, 'the queue goes on counting');
$other->safe_psql('copy', "INSERT INTO mend.drifts (target, target_name, field, kind) VALUES (0, 'x', 'x', 'new_field');
	INSERT INTO mend.events (kind) VALUES ('test');
	INSERT INTO mend.patches (target, target_name, planner, proposed_ddl, state) VALUES (0, 'x', 'x', '', 'refused')");
for my $table (qw(drifts patches events))
{
	cmp_ok($other->safe_psql('copy', "SELECT max(id) FROM mend.$table"), '>', $ids{$table}, "and so does mend.$table");
}
$other->safe_psql('copy', "CALL mend.wait_idle()");
is(ids_in($other, 'copy', 'queue'), '3,4,5,6,10,11,12', 'nothing heals');
is($other->safe_psql('copy', "SELECT state, reason LIKE '%mend.start()%' FROM mend.status WHERE target = 'orders'::regclass"),
	'stopped|t', 'and mend.status says why');

# The numbers of tables that are gone are those of another here: the worst that a restore can do.
$other->safe_psql('copy', "UPDATE mend.queue SET target = 'orders'::regclass WHERE target_name = 'public.gone';
	UPDATE mend.dead_letters SET target = 'orders'::regclass WHERE target_name = 'public.gone'");
my (undef, undef, $warning) = $other->psql('copy', 'SELECT mend.start()');
like($warning, qr/WARNING: .*"public.renamed" is another table's by now, or nobody's/, 'mend.start() names what it cannot place');
$other->safe_psql('copy', 'CALL mend.wait_idle()');
$other->safe_psql('copy', "SELECT mend.reject(patch_id, 'no') FROM mend.decisions; CALL mend.wait_idle()");
is($other->safe_psql('copy', "SELECT string_agg(id::text, ',' ORDER BY id) FROM orders"), '1,2,3,5,12',
	'after mend.start() rows heal, those of a role with another OID too');
is(ids_in($other, 'copy', 'queue'), '', 'nothing is left in the queue');
is(ids_in($other, 'copy', 'dead_letters'), '4,6,8,9,10,11', 'the others are dead letters');
is($other->safe_psql('copy', "SELECT reason FROM mend.dead_letters WHERE payload LIKE '%\"id\": 6,%'") =~ s/OID now.*/OID/r,
	$other->safe_psql('copy', "SELECT CASE WHEN EXISTS (SELECT FROM pg_roles WHERE oid = $bob) THEN 'the role that offered it was bob, and its OID' ELSE 'the role that offered it, bob, no longer exists' END"),
	'of a role that is not here');
is($other->safe_psql('copy', "SELECT reason FROM mend.dead_letters WHERE payload LIKE '%\"id\": 10,%'"),
	'table public.gone is not here, or not enrolled', 'of a table that is not here');
is($other->safe_psql('copy', "SELECT reason FROM mend.dead_letters WHERE payload LIKE '%\"id\": 11,%'"),
	'table public.renamed is now called public.other_name', 'of a table that is now called otherwise');
$other->safe_psql('copy', 'SELECT mend.retry()');
$other->safe_psql('copy', 'CALL mend.wait_idle()');
is($other->safe_psql('copy', "SELECT string_agg(id::text, ',' ORDER BY id) FROM orders"), '1,2,3,5,12',
	'and a retry puts none of them into a table that it was not offered for');

# A copy in the same cluster, where the numbers of roles hold.
is(restore($node, 'copy'), '', 'it is restored in the same cluster');
$node->safe_psql('copy', 'CALL mend.wait_idle()');
is(ids_in($node, 'copy', 'queue'), '3,4,5,6,10,11', 'nothing heals there either');
$node->safe_psql('copy', 'SELECT mend.start()');
$node->safe_psql('copy', 'CALL mend.wait_idle()');
$node->safe_psql('copy', "SELECT mend.reject(patch_id, 'no') FROM mend.decisions; CALL mend.wait_idle()");
is($node->safe_psql('copy', "SELECT string_agg(id::text, ',' ORDER BY id) FROM orders"), '1,2,3,5,6', 'until mend.start()');
is(ids_in($node, 'copy', 'queue'), '', 'nothing is left in the queue there');
is(ids_in($node, 'postgres', 'queue'), '3,4,5,6,10,11', 'and the original is as it was');

nothing_crashed($_) for $node, $other;
$_->stop for $node, $other;
done_testing();
