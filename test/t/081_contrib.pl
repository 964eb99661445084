# What contrib/ ships for monitoring works on what the extension has: every query runs, every metric named exists, and none
# is left out.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use CPAN::Meta::YAML;
use JSON::PP;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $contrib = "$FindBin::RealBin/../../contrib";
my $node = mend_node('contrib');
$node->safe_psql('postgres', q{CREATE ROLE watcher LOGIN IN ROLE pg_monitor; CREATE TABLE orders (id int); CREATE TABLE reviewed (id int);
	SELECT mend.enroll('orders'), mend.enroll('reviewed', 'review')});
$node->safe_psql('postgres', q{SELECT healing_insert('orders', '{"id": 1}'), healing_insert('orders', '{"id": 2, "x": 1}'), healing_insert('reviewed', '{"id": 1, "y": 1}')});
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
# One patch of every fate, and one that a model made, so that every metric has a value.
$node->safe_psql('postgres', q{INSERT INTO mend.patches (target, target_name, planner, model, proposed_ddl, state, cost_usd)
	SELECT 'orders', 'public.orders', 'claude', 'm', '', s, 0.01 FROM unnest('{failed,refused,rejected,reverted}'::text[]) s;
	INSERT INTO mend.calls (target_name, model, input_tokens, output_tokens, cost_usd) VALUES ('public.orders', 'm', 10, 1, 0.01)});

sub watch { return $node->safe_psql('postgres', $_[0], extra_params => ['-U', 'watcher']) }

# The view itself, as a member of pg_monitor.
my %metric;
for my $line (split /\n/, watch('SELECT name, type, help, labels, count(*) OVER (PARTITION BY name, labels) FROM mend.metrics'))
{
	my ($name, $type, $help, $labels, $same) = split /\|/, $line;
	$metric{$name} = { type => $type, help => $help, labels => [ sort keys %{ decode_json($labels) } ], same => $same };
}
for my $name (sort keys %metric)
{
	my $of = $metric{$name};
	like($name, $of->{type} eq 'counter' ? qr/^mend_[a-z_]+_total$/ : qr/^mend_(?!.*_total$)[a-z_]+$/, "$name is named as Prometheus wants it");
	is($of->{same}, 1, '... and given once with the same labels');
}

# sql_exporter.
my $collector = CPAN::Meta::YAML->read("$contrib/sql_exporter/pg_mend.collector.yml")->[0];
is_deeply([ sort map { $_->{metric_name} } @{ $collector->{metrics} } ], [ sort keys %metric ], 'the collector has every metric, and no other');
for my $one (@{ $collector->{metrics} })
{
	my $of = $metric{ $one->{metric_name} } or next;
	is_deeply([ $one->{type}, $one->{help}, sort @{ $one->{key_labels} || [] } ], [ $of->{type}, $of->{help}, @{ $of->{labels} } ],
		"$one->{metric_name}: type, help and labels are those of the view");
	(my $query = $one->{query}) =~ s/;?\s*$//;
	my @columns = (@{ $one->{key_labels} || [] }, @{ $one->{values} });
	my $rows = watch('SELECT count(*), bool_and(value IS NOT NULL) FROM (SELECT ' . join(', ', map { qq{q."$_"} } @columns) . " FROM ($query) q) r");
	like($rows, qr/^[1-9]\d*\|t$/, '... and its query runs');
}

# Whatever is not a word of PromQL is a metric or a label.
sub check_promql
{
	my ($where, $expression) = @_;
	my @used = $expression =~ /\b(mend_\w+)/g;
	ok(@used > 0, "$where uses a metric");
	ok($metric{$_}, "... $_ exists") for @used;
	my @opened = $expression =~ /[(\[{]/g;
	my @closed = $expression =~ /[)\]}]/g;
	is(scalar @opened, scalar @closed, '... and its brackets match');
	while ($expression =~ /\b(mend_\w+)((?:\{[^}]*\})?)(\[|)/g)
	{
		my ($name, $selector, $range) = ($1, $2, $3);
		ok((grep { $_ eq 'table' } @{ $metric{$name}{labels} }), "... $name has a label table") if $selector =~ /table/;
		is($metric{$name}{type}, 'counter', "... $name, of which a rate is taken, is a counter")
		  if $range && $expression =~ /(?:rate|increase)\(\Q$name\E/;
	}
	return;
}

my $rules = CPAN::Meta::YAML->read("$contrib/prometheus/pg_mend.rules.yml")->[0];
for my $rule (map { @{ $_->{rules} } } @{ $rules->{groups} })
{
	check_promql("alert $rule->{alert}", $rule->{expr});
	like($rule->{labels}{severity}, qr/^(info|warning|critical)$/, '... it has a severity');
	ok(length($rule->{annotations}{summary}) && length($rule->{annotations}{description}), '... and says what to do');
	my @functions = $rule->{annotations}{description} =~ /mend\.(\w+)/g;
	is($node->safe_psql('postgres', "LOAD 'pg_mend'; SELECT EXISTS (SELECT FROM pg_proc WHERE proname = '$_' AND pronamespace = 'mend'::regnamespace) OR to_regclass('mend.$_') IS NOT NULL OR EXISTS (SELECT FROM pg_settings WHERE name = 'mend.$_')"),
		't', "... mend.$_ exists") for @functions;
}

my $dashboard = decode_json(slurp_file("$contrib/grafana/pg_mend.json"));
my %id;
for my $panel (@{ $dashboard->{panels} })
{
	ok(!$id{ $panel->{id} }++, "panel $panel->{title} has an id of its own");
	check_promql("panel $panel->{title}", $_->{expr}) for @{ $panel->{targets} };
}
my ($tables) = grep { $_->{name} eq 'table' } @{ $dashboard->{templating}{list} };
check_promql('the choice of tables', $tables->{query});

SKIP:
{
	skip 'promtool is not installed: the rules are not parsed by Prometheus itself', 2 unless grep { -x "$_/promtool" } split /:/, $ENV{PATH};
	is(system('promtool', 'check', 'rules', "$contrib/prometheus/pg_mend.rules.yml"), 0, 'promtool finds nothing wrong with the rules');
	is(system("cd $contrib/prometheus && promtool test rules pg_mend.rules.test.yml"), 0, 'each rule fires when it should, and not else');
}
nothing_crashed($node);
done_testing();
