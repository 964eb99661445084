# A node that is down makes rows and patches wait, and nobody's fault; a crash of anybody at any step of a heal leaves no prepared
# transaction, shards that agree, and books that balance.
use strict;
use warnings;
use FindBin;
use lib ($FindBin::Bin, "$FindBin::Bin/../t");
use CitusTest;
use MendTest;
use Test::More;

my ($coordinator, @workers) = citus_cluster('mend.patches_per_hour = 1000', 'mend.max_columns = 1000');
my $sql = sub { $coordinator->safe_psql('postgres', @_) };
my $number = 0;
my %offered;

$coordinator->safe_psql('postgres', 'CREATE TABLE t (id bigint PRIMARY KEY, n int)', extra_params => [ '-U', 'app' ]);
$sql->(q{SELECT create_distributed_table('t', 'id'); SELECT mend.enroll('t', allow => '{add_column,widen_type,map_field}')});

# Rows for all shards, with a field that the table lacks.
sub drift
{
	my ($field) = @_;
	my @rows = map { ++$number; qq({"id": $number, "n": 1, "$field": $number}) } 1 .. 20;
	offer($coordinator, 't', @rows);
	return;
}

sub healed
{
	my ($field, $what) = @_;
	ok($coordinator->poll_query_until('postgres',
			"SELECT count(*) = 0 FROM mend.queue WHERE target = 't'::regclass"), "$what: nothing waits any more");
	is($sql->("SELECT count(*) FROM t WHERE $field IS NOT NULL"), 20, "$what: all rows are there");
	books_balance($coordinator, 't', $number, $what);
	is($sql->('SELECT count(*) FROM mend.dead_letters'), 0, "$what: no dead letter");
	shards_agree($coordinator, 't', $what);
	prepared_nowhere($what, $coordinator, @workers);
	return;
}

my $waits = q{SELECT coalesce(reason, '') || coalesce(last_error, '') LIKE '%a node of Citus is not to be had%' FROM mend.progress
	WHERE target = 't'::regclass};

for my $mode (qw(fast immediate))
{
	$workers[1]->stop($mode);
	drift("down_$mode");
	ok($coordinator->poll_query_until('postgres', $waits), "stopped, $mode: the patch waits, and says for what");
	my ($status, undef, $error) = $coordinator->psql('postgres', join "\n", map { qq{SELECT healing_insert('t', '{"id": -$_, "n": 1}');} } 1 .. 8);
	like($error, qr/connection to the remote node/, "stopped, $mode: healing_insert tells its caller");
	$workers[1]->start;
	$sql->('DELETE FROM t WHERE id < 0');
	healed("down_$mode", "stopped, $mode");
}

SKIP:
{
	skip 'this build has no test points', 1 unless has_test_points($coordinator);

	# The node goes while the round is under way: before the ALTER, after it, and before rows are stored.
	for my $point (qw(locked altered sampled applied in_flight replayed))
	{
		for my $victim (qw(node worker coordinator))
		{
			my $what = "$victim dies at $point";
			my $field = "${victim}_$point";
			set_point($coordinator, $point, 'wait');
			drift($field);
			my $pid = at_point($coordinator, $point);
			ok($pid, "$what: the round is there") or next;
			if ($victim eq 'node')
			{
				$workers[1]->stop('immediate');
				release_point($coordinator, $point);
				# On its own side the round must notice before the node is back.
				$coordinator->poll_query_until('postgres', $waits) if $point ne 'applied';
				$workers[1]->start;
			}
			elsif ($victim eq 'worker')
			{
				kill 'KILL', $pid;
				clear_points($coordinator);
			}
			else
			{
				$coordinator->stop('immediate');
				clear_points($coordinator);
				$coordinator->start;
			}
			$coordinator->poll_query_until('postgres', 'SELECT true');
			$sql->('SELECT mend.start()') if $victim ne 'node';
			healed($field, $what);
			clear_points($coordinator);
		}
	}
}
done_testing();
