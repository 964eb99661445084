# Logical replication: a published landing table is healed, and the subscriber's apply worker never stops. The subscriber gets the
# script of the patch before the publisher has it; or it had room beforehand, and the publisher may heal alone.
use strict;
use warnings;
use FindBin;
use lib ($FindBin::Bin, "$FindBin::Bin/../t");
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ScaleTest;
use Test::More;
use Time::HiRes qw(time);

my $publisher = mend_node('publisher', 'wal_level = logical', 'max_wal_senders = 10', 'mend.patches_per_hour = 1000', 'mend.max_columns = 1000',
	'mend.column_cooldown = 0', 'log_statement = none');
# pg_mend is the publisher's alone.
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(@initdb, allows_streaming => 'logical');
$subscriber->append_conf('postgresql.conf', "fsync = off\nlog_statement = none\nwal_retrieve_retry_interval = '500ms'\n");
$subscriber->start;
my $here = sub { $publisher->safe_psql('postgres', @_) };
my $there = sub { $subscriber->safe_psql('postgres', @_) };

# reviewed: patches wait. listed: healed alone, for its publication names the columns. wide: healed alone, types only, for which the
# subscriber has room. rescued: rows come at once, with what does not fit in a column. no_key: the same without a replica identity.
my @tables = qw(reviewed listed wide rescued no_key);
$publisher->safe_psql('postgres', 'CREATE ROLE app LOGIN');
for my $at ($here, $there)
{
	$at->(q{
		CREATE TABLE reviewed (id int PRIMARY KEY, qty smallint, note varchar(10));
		CREATE TABLE rescued (id int PRIMARY KEY, qty smallint, _rescued jsonb);
		CREATE TABLE no_key (id int, qty smallint, _rescued jsonb)});
}
$_->('CREATE TABLE listed (id int PRIMARY KEY, qty smallint)') for $here, $there;
$here->('CREATE TABLE wide (id int PRIMARY KEY, qty smallint, note varchar(10))');
$there->('CREATE TABLE wide (id bigint PRIMARY KEY, qty numeric, note text)');
$here->(q{
	CREATE PUBLICATION all_of_it FOR TABLE reviewed, wide, rescued, no_key, listed (id, qty);
	SELECT mend.enroll('reviewed'), mend.enroll('listed', allow_published => true),
		mend.enroll('wide', allow => '{widen_type}', allow_published => true), mend.enroll('rescued', rescue => '_rescued'),
		mend.enroll('no_key', rescue => '_rescued');
	GRANT INSERT ON reviewed, listed, wide, rescued, no_key TO app});
$there->("CREATE SUBSCRIPTION here CONNECTION \$c\$" . $publisher->connstr('postgres') . '$c$ PUBLICATION all_of_it');
$subscriber->wait_for_subscription_sync($publisher, 'here');
my $apply_worker = q{SELECT pid FROM pg_stat_subscription WHERE subname = 'here' AND relid IS NULL};
my $pid = $there->($apply_worker);
like($pid, qr/^\d+$/, 'the apply worker runs');

my %offered = map { $_ => 0 } @tables;
sub offer
{
	my ($table, @payloads) = @_;
	$publisher->safe_psql('postgres', "SELECT * FROM healing_load('$table', \$p\$" . join("\n", @payloads) . '$p$)', extra_params => [ '-U', 'app' ]);
	$offered{$table} += @payloads;
	return;
}
my $idle = sub { $here->("CALL mend.wait_idle('$_[0]')") };
sub same
{
	my ($table, $what, $columns) = @_;
	$publisher->wait_for_catchup('here');
	# As text of each value: types may be wider at the subscriber.
	my $query = "SELECT coalesce(string_agg(v, E'\\n' ORDER BY v), '') FROM (SELECT concat_ws(' ', $columns) AS v FROM $table) r";
	is($there->($query), $here->($query), "$what: the subscriber has the same rows");
	return;
}
sub books
{
	my ($table, $what) = @_;
	is($here->(qq{SELECT (SELECT count(*) FROM $table) + (SELECT count(*) FROM mend.queue WHERE target = '$table'::regclass)
		+ (SELECT count(*) FROM mend.dead_letters WHERE target = '$table'::regclass)}), $offered{$table}, "$what: offered = stored + queued + dead");
	return;
}

# The script of the patch that waits, run at the subscriber; then the patch is approved. Returns its id.
sub migrate_and_approve
{
	my ($table, $what) = @_;
	my $patch = $here->("SELECT max(patch_id) FROM mend.decisions WHERE target = '$table'::regclass");
	like($patch, qr/^\d+$/, "$what: the patch waits for a decision") or return;
	like($here->("SELECT reason FROM mend.patches WHERE id = $patch"), qr/publication all_of_it/, "$what: because of the publication");
	my $script = $here->("SELECT mend.migration($patch)");
	my ($status, undef, $error) = $subscriber->psql('postgres', $script, on_error_stop => 1);
	is($status, 0, "$what: its script runs at the subscriber, which has no pg_mend") or diag("$script\n$error");
	$here->("SELECT mend.approve($patch)");
	$idle->($table);
	is($here->("SELECT state FROM mend.patches WHERE id = $patch"), 'applied', "$what: the patch is applied")
	  or diag($here->("SELECT state, reason FROM mend.patches WHERE id = $patch"));
	return $patch;
}

# Review, round after round: new columns, wider numbers and texts.
offer('reviewed', map { qq({"id": $_, "qty": $_, "note": "n"}) } 1 .. 100);
for my $round (1 .. 4)
{
	my $first = 1000 * $round;
	offer('reviewed', map { qq({"id": ) . ($first + $_) . qq(, "qty": ) . ($round == 2 ? 100_000 + $_ : $round == 4 ? 5_000_000_000 : 1) .
			($round == 3 ? ', "note": "' . 'n' x 40 . '"' : '') . qq(, "f_$round": $_}) } 1 .. 50);
	$idle->('reviewed');
	same('reviewed', "round $round, before", 'id, qty, note');
	migrate_and_approve('reviewed', "round $round");
	is($here->(q{SELECT count(*) FROM mend.queue WHERE target = 'reviewed'::regclass}), 0, "round $round: nothing waits any more");
	books('reviewed', "round $round");
	same('reviewed', "round $round", join ', ', 'id, qty, note', map { "f_$_" } 1 .. $round);
}

# Without review: new columns, which the publication does not name.
for my $round (1 .. 3)
{
	offer('listed', map { sprintf '{"id": %d, "qty": 1, "f_%d": %d}', 1000 * $round + $_, $round, $_ } 1 .. 50);
	$idle->('listed');
	is($here->("SELECT count(f_$round) FROM listed"), 50, "listed, round $round: healed alone");
	same('listed', "listed, round $round", 'id, qty');
}
books('listed', 'listed');

# Types for which the subscriber has room.
for my $round (1 .. 3)
{
	offer('wide', map { sprintf '{"id": %d, "qty": %s, "note": "%s"}', 1000 * $round + $_, (1, 100_000, '1.5')[ $round - 1 ], 'n' x (10 * $round) } 1 .. 50);
	$idle->('wide');
	is($here->(q{SELECT count(*) FROM wide}), 50 * $round, "wide, round $round: healed alone");
	same('wide', "wide, round $round", 'id, qty, note');
}
books('wide', 'wide');

# Rows are never late: at the subscriber neither. Values move when the column is there, on both sides.
for my $table (qw(rescued no_key))
{
	offer($table, map { qq({"id": $_, "qty": $_, "colour": "c$_"}) } 1 .. 50);
	offer($table, map { qq({"id": $_, "qty": 100000}) } 51 .. 60);
	$idle->($table);
	is($here->("SELECT count(*) FROM $table WHERE _rescued IS NOT NULL"), 60, "$table: rows are stored at once");
	same($table, "$table, before", 'id, qty, _rescued');
	migrate_and_approve($table, $table);
	$idle->($table);
}
is($here->('SELECT count(*) FROM rescued WHERE _rescued IS NOT NULL'), 0, 'rescued: values have moved')
  or diag($here->('TABLE mend.status'));
is($there->('SELECT count(*) FROM rescued WHERE colour = $$c$$ || id'), 50, 'rescued: at the subscriber, too');
same('rescued', 'rescued', 'id, qty, colour, _rescued');
books('rescued', 'rescued');
# PostgreSQL updates no published row that subscribers cannot find: values stay where they are until they can.
my $status = q{SELECT reason FROM mend.status WHERE target = 'no_key'::regclass};
like($here->($status), qr/rescued values could not all be moved: .*replica identity/, 'no_key: mend.status says what is missing');
is($here->('SELECT count(*) FROM no_key WHERE _rescued IS NOT NULL'), 60, 'no_key: values stay');
same('no_key', 'no_key', 'id, qty, colour, _rescued');
$_->('ALTER TABLE no_key REPLICA IDENTITY FULL') for $there, $here;
$here->("SELECT mend.configure('no_key')");
ok(until_true(sub { $idle->('no_key'); $here->('SELECT count(*) FROM no_key WHERE _rescued IS NOT NULL') == 0 }, 60), 'no_key: with an identity they move')
  or diag($here->($status));
same('no_key', 'no_key, with an identity', 'id, qty, colour, _rescued');
books('no_key', 'no_key');
is($here->('SELECT count(*) FROM mend.dead_letters'), 0, 'there is no dead letter') or diag($here->('SELECT target_name, reason, count(*) FROM mend.dead_letters GROUP BY 1, 2'));

# The apply worker is the one that began, and nobody had to try again.
is($there->($apply_worker), $pid, 'the apply worker never stopped');
is($there->(q{SELECT apply_error_count + sync_error_count FROM pg_stat_subscription_stats}), 0, 'and met no error');
unlike(slurp_file($subscriber->logfile), qr/(ERROR|FATAL|PANIC):/, 'nothing in the subscriber\'s log');
figure('logical replication: ' . join ', ', map { "$_ $offered{$_} payloads" } @tables);
figure('logical replication: patches ' . $here->(q{SELECT string_agg(target_name || ' ' || n, ', ') FROM
	(SELECT target_name, count(*) AS n FROM mend.patches WHERE state = 'applied' GROUP BY 1 ORDER BY 1) p}));
nothing_crashed($publisher);
$subscriber->stop;
$publisher->stop;
done_testing();
