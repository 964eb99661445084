# From the last release to this one as people do it: installed, enrolled, every table of pg_mend filled; the files replaced under
# a running server; ALTER EXTENSION pg_mend UPDATE. scripts/test builds the last release from the history (MEND_RELEASE, as
# MEND_INSTALLED a folder into which a build was installed).
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use File::Basename;
use File::Copy qw(copy);
use File::Path qw(make_path);
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($old, $new) = @ENV{qw(MEND_RELEASE MEND_INSTALLED)};
plan skip_all => 'MEND_RELEASE and MEND_INSTALLED do not name two installations: run scripts/test tap test/t/070_upgrade.pl'
	unless $old && $new && -d $old && -d $new;
my $catalog = "$FindBin::RealBin/../upgrade/catalog.sql";
my $disk = PostgreSQL::Test::Utils::tempdir() . '/disk';

# As dpkg does: each file under a new name, then renamed over the old one.
sub install_files
{
	my ($from) = @_;
	for my $file (map { chomp; $_ } `find '$from' -type f \\( -name 'pg_mend*' \\)`)
	{
		my $to = $disk . substr($file, length $from);
		make_path(dirname($to));
		copy($file, "$to.new") or die "$to: $!";
		chmod 0755, "$to.new";
		rename "$to.new", $to or die "$to: $!";
	}
	return;
}

# The settings by which the server finds the files, for that folder.
sub settings
{
	return join "\n", map { s/\Q$new\E/$disk/gr } grep { /\Q$new\E/ } split /\n/, slurp_file($ENV{TEMP_CONFIG});
}

sub facts
{
	my ($node, $database) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$database.facts";
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-f', $catalog, '-o', $file,
			'-At', '-F', "\x01", '-R', "\x02", '-c', 'SELECT object, property, value FROM catalog' ], "the catalog of $database is read");
	my %facts = map { my ($o, $p, $v) = split /\x01/, $_, 3; ("$o\x01$p" => $v) } split /\x02/, slurp_file($file);
	return \%facts;
}

# What an upgrade changes, an object a line: + new, - gone, ~ changed, with the properties that do.
sub changes
{
	my ($before, $after) = @_;
	my %lines;
	for my $fact (keys %{ { %$before, %$after } })
	{
		next if defined $before->{$fact} && defined $after->{$fact} && $before->{$fact} eq $after->{$fact};
		my ($object, $property) = split /\x01/, $fact;
		$lines{$object}{$property} = 1;
	}
	return map {
		my $object = $_;
		my ($was, $is) = map { exists $_->{"$object\x01exists"} } $before, $after;
		$was && $is ? "~ $object: " . join(', ', sort keys %{ $lines{$object} }) : ($is ? '+' : '-') . " $object";
	} sort keys %lines;
}

# Every row of every table of the old release, in the columns that it had; but for how far rows were profiled, which an upgrade may
# have done anew.
my %columns;

sub rows
{
	my ($node) = @_;
	if (!%columns)
	{
		for (split /\n/, $node->safe_psql('postgres', q{
			SELECT c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
			FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
				AND a.attname <> 'folded'
			WHERE c.relnamespace = 'mend'::regnamespace AND c.relkind = 'r' GROUP BY 1}))
		{
			my ($table, $list) = split /\|/, $_, 2;
			$columns{$table} = $list;
		}
	}
	return { map { $_ => $node->safe_psql('postgres', "SELECT t::text FROM (SELECT $columns{$_} FROM mend.$_) t ORDER BY 1") } keys %columns };
}

my $healed = "SELECT count(*) FROM orders WHERE amount > 3000000000";

install_files($old);
my $node = PostgreSQL::Test::Cluster->new('upgrade');
init_node($node);
$node->append_conf('postgresql.conf', join("\n", 'fsync = off', settings(), "mend.idle_exit = '1h'", 'mend.column_cooldown = 0', ''));
$node->start;
my $from = '0.1.0';
$node->safe_psql('postgres', "CREATE DATABASE running");
$node->safe_psql('postgres', "CREATE DATABASE fresh");
$node->safe_psql($_, 'CREATE EXTENSION pg_mend') for qw(postgres running);
is($node->safe_psql('postgres', "SELECT extversion FROM pg_extension WHERE extname = 'pg_mend'"), $from, 'the last release is installed');
my $release = facts($node, 'postgres');

# Patches in every state, dead letters, mappings, undo, rows that wait; what takes Claude or an agent is written as they write it.
$node->safe_psql('postgres', q{
	CREATE TABLE orders (id int PRIMARY KEY, amount int, code varchar(4), born date);
	CREATE TABLE watched (id int, amount int);
	CREATE TABLE undone (id int);
	CREATE TABLE undone_later (id int);
	SELECT mend.enroll('orders'), mend.enroll('watched', 'review'), mend.enroll('undone'), mend.enroll('undone_later');
	SELECT healing_insert('undone', '{"id": 1, "note": "a"}'), healing_insert('undone_later', '{"id": 1, "note": "a"}');
	SELECT healing_load('orders', '{"id": 1, "amount": 3000000001, "note": "a", "code": "abcdef"}
{"id": 2, "amount": "many"}
{"id": 3, "id": 3}'), healing_load('watched', '{"id": 1, "amount": 3000000001}
{"id": 2, "extra": true}')});
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
$node->safe_psql('postgres', q{
	SELECT mend.map_field('orders', 'sum', 'amount');
	DO $$ DECLARE p bigint; BEGIN
		p := (SELECT max(id) FROM mend.patches WHERE target = 'watched'::regclass AND state = 'proposed');
		PERFORM mend.reject(p, 'no');
		PERFORM mend.propose('watched', 'ALTER TABLE watched ADD other int');
		PERFORM mend.propose('watched', 'DROP TABLE watched');
	END $$;
	SELECT mend.revert(id) FROM mend.patches WHERE state = 'applied' AND target = 'undone'::regclass});
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
$node->safe_psql('postgres', 'SELECT mend.stop()');
ok(wait_no_worker($node), 'healing is stopped');
$node->safe_psql('postgres', q{
	INSERT INTO mend.patches (target, target_name, planner, proposed_ddl, state)
		SELECT 'watched', 'public.watched', 'claude', 'ALTER TABLE watched ADD x int', s FROM unnest('{approved,failed,refused}'::text[]) s;
	INSERT INTO mend.calls (target_name, model, status, input_tokens, output_tokens, cost_usd) VALUES ('public.orders', 'a-model', 200, 10, 20, 0.001);
	INSERT INTO mend.plans (fingerprint, state, ddl) VALUES ('f', 'accepted', 'ALTER TABLE orders ADD y int');
	INSERT INTO mend.holds (target, target_name, kind, reason, until) SELECT 'orders'::regclass::oid, 'public.orders', 'budget', 'spent', now() + '1 day';
	INSERT INTO mend.outbox (channel, kind, target_name, next_try) VALUES ('notify', 'patch_applied', 'public.orders', now() + '1 day');
	INSERT INTO mend.tool_calls VALUES ('agent', now(), 3);
	INSERT INTO mend.requests (target) VALUES ('orders');
	UPDATE mend.model_prices SET input = input + 1 WHERE model = (SELECT min(model) FROM mend.model_prices);
	SELECT healing_load('orders', '{"id": 10, "amount": 3000000010}
{"id": 11, "fresh": 1}')});
my $before = rows($node);
is(join(' ', grep { $before->{$_} eq '' } sort keys %$before), '', 'every table has rows');
cmp_ok($node->safe_psql('postgres', 'SELECT count(DISTINCT state) FROM mend.patches'), '>=', 6, 'with patches in all states');
my $sealed = $node->safe_psql('postgres', 'SELECT head FROM mend.verify_events()');

# In another database a worker of the last release runs, and a session that has loaded its library.
$node->safe_psql('running', q{CREATE TABLE orders (id int, amount int); SELECT mend.enroll('orders')});
$node->safe_psql('running', q{
	CREATE ROLE auditor;
	GRANT EXECUTE ON FUNCTION mend.reject(bigint, text) TO auditor WITH GRANT OPTION;
	GRANT SELECT (id, submitted_by) ON mend.queue TO auditor;
	REVOKE SELECT ON mend.drifts FROM mend_agent});
my $session = $node->background_psql('running', on_error_stop => 0);
is($session->query(q{SELECT healing_insert('orders', '{"id": 1, "amount": 3000000001}')}), 'queued', 'a session has loaded the old library');
$node->safe_psql('running', 'CALL mend.wait_idle()');
is($node->safe_psql('running', $healed), '1', 'and a worker of the old release heals');
my $worker = worker_pids($node, 'running');

# The files are replaced. Old sessions and workers go on with old objects.
install_files($new);
is($session->query(q{SELECT healing_insert('orders', '{"id": 2, "amount": 3000000002}')}), 'inserted', 'after the files are replaced the session goes on');
$session->query(q{SELECT healing_insert('orders', '{"id": 3, "extra": 1}')});
ok(poll(sub { $node->safe_psql('running', "SELECT count(*) FROM orders WHERE id = 3") eq '1' }), 'and so does its worker');
my $refusal = qr/ERROR:  55000: the objects of pg_mend in this database are of version 0\.1\.0, its library is of version .*\nHINT:  ALTER EXTENSION pg_mend UPDATE;/;
for my $call (q{SELECT healing_insert('orders', '{"id": 4}')}, q{SELECT healing_load('orders', '[{"id": 4}]')}, q{SELECT mend.enroll('orders')},
	q{SELECT * FROM mend.status}, q{CALL mend.wait_idle()}, q{UPDATE mend.enrollments SET carry = '{}'})
{
	my (undef, undef, $error) = $node->psql('running', "\\set VERBOSITY verbose\n$call");
	like($error, $refusal, "new sessions are told what to do: $call");
}
$session->{stderr} = '';
$session->query('ALTER EXTENSION pg_mend UPDATE');
like($session->{stderr}, qr/this session has loaded the library of an older release of pg_mend.*HINT:  Connect anew/s,
	'no session with the old library can update');

# A worker of the new library leaves what is old alone, and says so.
$node->safe_psql('running', "SELECT pg_terminate_backend($worker)");
ok(wait_no_worker($node, 'running'), 'the old worker is gone');
my $offset = -s $node->logfile;
is($session->query(q{SELECT healing_insert('orders', '{"id": 5, "other": 1}')}), 'queued', 'the old session queues a row');
$node->wait_for_log(qr/WARNING:  pg_mend worker: the objects of pg_mend in this database are of version 0\.1\.0/, $offset);
ok(wait_no_worker($node, 'running'), 'a new worker says what is wrong and leaves');
is($node->safe_psql('running', 'SELECT count(*) FROM mend.queue'), '1', 'the row waits');

# UPDATE waits for open transactions without standing in anybody's way, and then heals what waited.
$session->query(q{BEGIN; SELECT healing_insert('orders', '{"id": 6, "more": 1}')});
my $update = $node->background_psql('running');
$update->query_until(qr/updating/, "\\echo updating\nALTER EXTENSION pg_mend UPDATE;\n\\echo updated\n");
ok(poll(sub { $node->safe_psql('running', "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ALTER EXTENSION%' AND state = 'active'") eq '1' }),
	'the update waits for an open transaction');
is($session->query(q{SELECT healing_insert('orders', '{"id": 7, "more": 1}')}), 'queued', 'which goes on meanwhile');
$session->query('COMMIT');
$update->query_until(qr/updated/, '');
$update->quit;
ok(poll(sub { $node->safe_psql('running', "SELECT count(*) FROM orders WHERE id IN (5, 6, 7)") eq '3' }), 'what had waited heals without a call');
$session->{stderr} = '';
$session->query(q{SELECT healing_insert('orders', '{"id": 8}')});
like($session->{stderr}, qr/could not find function "mend_\w+_v\d+"/, 'the session with the old library is refused, and not let loose on new objects');
$session->quit;
is($node->safe_psql('running', q{SELECT healing_insert('orders', '{"id": 8}')}), 'inserted', 'a new one goes on');
$node->safe_psql('running', 'CALL mend.wait_idle()');
is($node->safe_psql('running', 'SELECT count(*), count(DISTINCT id) FROM orders'), '7|7', 'and every row is there once');

# What people had granted and revoked holds, and a dump carries it.
is($node->safe_psql('running', q{SELECT has_function_privilege('auditor', 'mend.reject(bigint, text)', 'EXECUTE WITH GRANT OPTION'),
	has_column_privilege('auditor', 'mend.queue', 'submitted_by', 'SELECT'), has_column_privilege('auditor', 'mend.queue', 'payload', 'SELECT'),
	has_table_privilege('mend_agent', 'mend.drifts', 'SELECT')}), 't|t|f|f', 'privileges that people have given and taken are as they were');
my ($dump) = run_command([ 'pg_dump', '--schema-only', $node->connstr('running') ]);
like($dump, qr/^GRANT $_/m, "a dump gives: $_") for 'ALL ON FUNCTION mend\.reject\(patch_id bigint, reason text\) TO auditor WITH GRANT OPTION',
	'SELECT\(submitted_by\) ON TABLE mend\.queue TO auditor';
like($dump, qr/^REVOKE SELECT ON TABLE mend\.drifts FROM mend_agent/m, 'and takes');
unlike($dump, qr/^(GRANT|REVOKE).* ON \w+ mend\.(?!reject|queue|drifts)/m, 'and nothing else');

# The filled database.
$node->safe_psql('postgres', 'ALTER EXTENSION pg_mend UPDATE');
my $after = rows($node);
for my $table (sort keys %$before)
{
	is($after->{$table}, $before->{$table}, "the rows of mend.$table are as they were");
}
$node->safe_psql('fresh', 'CREATE EXTENSION pg_mend');
my ($upgraded, $fresh) = (facts($node, 'postgres'), facts($node, 'fresh'));
for my $facts ($upgraded, $fresh, $release)
{
	delete @$facts{ grep { /\x01rows$/ } keys %$facts };
}
is_deeply([ changes($fresh, $upgraded) ], [], 'the catalog is that of a fresh installation');
my @changes = changes($release, $fresh);
note("changes: $_") for @changes;
note("figures: objects new " . scalar(grep { /^\+/ } @changes), ', gone ', scalar(grep { /^-/ } @changes), ', changed ', scalar(grep { /^~/ } @changes));

is($node->safe_psql('postgres', "SELECT count(*) FROM mend.verify_events('$sealed') WHERE ok"), '1', 'the chain of events still verifies, from the head that was noted');
$node->safe_psql('postgres', 'DELETE FROM mend.holds');
$node->safe_psql('postgres', 'SELECT mend.start()');
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
is($node->safe_psql('postgres', 'SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM orders WHERE id >= 10'), '10,11', 'the queue that waited heals');
ok($node->safe_psql('postgres', 'SELECT (mend.verify_events()).ok'), 'and the chain goes on');
$node->safe_psql('postgres', "SELECT mend.revert(id) FROM mend.patches WHERE state = 'applied' AND target = 'undone_later'::regclass");
is($node->safe_psql('postgres', "SELECT string_agg(target_name, ',' ORDER BY target_name) FROM mend.patches WHERE state = 'reverted'"),
	'public.undone,public.undone_later', 'and patches of before can be reverted');

nothing_crashed($node);
$node->stop;
done_testing();
