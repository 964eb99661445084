# The whole of contrib/ for monitoring, as it is shipped: an exporter asks two databases, Prometheus scrapes it and loads the rules, the
# dashboard's queries find series, and an alert fires. Only addresses are replaced.
use strict;
use warnings;
use FindBin;
use lib ($FindBin::Bin, "$FindBin::Bin/../t");
use File::Copy qw(copy);
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ScaleTest;
use Test::More;

sub program { my ($name) = @_; my ($path) = grep { -x } map { "$_/$name" } split(/:/, $ENV{PATH}), '/usr/bin'; return $path }
my $prometheus = program('prometheus');
my %exporter = (debian => program('prometheus-sql-exporter'), burningalchemist => program('sql_exporter'));
plan skip_all => 'prometheus, or an exporter, is not installed' unless $prometheus && grep { $_ } values %exporter;

my $contrib = "$FindBin::RealBin/../../contrib";
my $node = mend_node('watched');
for my $database (qw(shop till))
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, q{CREATE EXTENSION pg_mend; CREATE TABLE orders (id int, n int); CREATE TABLE reviewed (id int);
		SELECT mend.enroll('orders'), mend.enroll('reviewed', 'review')});
}
$node->safe_psql('postgres', 'CREATE ROLE mend_exporter LOGIN IN ROLE pg_monitor');
$node->safe_psql('shop', q{SELECT healing_insert('orders', '{"id": 1, "x": 1}'), healing_insert('orders', '{"id": 2, "n": 3000000000}'),
	healing_insert('reviewed', '{"id": 1, "y": 1}'), healing_insert('orders', '[3]')});
$node->safe_psql('shop', q{INSERT INTO mend.patches (target, target_name, planner, model, proposed_ddl, state, cost_usd)
	SELECT 'orders', 'public.orders', 'claude', 'm', '', s, 0.01 FROM unnest('{failed,refused,rejected,reverted}'::text[]) s;
	INSERT INTO mend.calls (target_name, model, input_tokens, output_tokens, cost_usd) VALUES ('public.orders', 'm', 10, 1, 0.01)});
$node->safe_psql('shop', 'CALL mend.wait_idle()');

my @started;
END { my $status = $?; $_->kill_kill(grace => 2) for @started; $? = $status }

# A file as it is shipped, with other addresses; every one of them is in it.
sub shipped
{
	my ($file, $to, %instead) = @_;
	my $text = slurp_file("$contrib/$file");
	for my $what (sort keys %instead)
	{
		like($text, qr/\Q$what\E/, "$file names $what");
		$text =~ s/\Q$what\E/$instead{$what}/g;
	}
	append_to_file($to, $text);
	return;
}
sub get { my ($url) = @_; my $answer = HTTP::Tiny->new(timeout => 5)->get($url); die "$url: $answer->{content}" unless $answer->{success}; return $answer->{content} }

for my $kind (grep { $exporter{$_} } sort keys %exporter)
{
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my ($exporter_port, $port) = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 2;
	my $server = 'host=' . $node->host . '&port=' . $node->port;
	my @command;
	if ($kind eq 'debian')
	{
		# Two databases are two connections.
		my $connection = "'postgres://mend_exporter@/shop?host=/run/postgresql&sslmode=disable'";
		shipped('sql_exporter/prometheus-sql-exporter.yml', "$dir/exporter.yml", "interval: '15s'" => "interval: '1s'",
			$connection => join("\n      - ", map { "'postgres://mend_exporter@/$_?$server&sslmode=disable'" } qw(shop till)));
		@command = ($exporter{$kind}, '-config.file', "$dir/exporter.yml", '-web.listen-address', "127.0.0.1:$exporter_port");
	}
	else
	{
		copy("$contrib/sql_exporter/pg_mend.collector.yml", "$dir/pg_mend.collector.yml");
		shipped('sql_exporter/sql_exporter.yml', "$dir/exporter.yml", 'host=/run/postgresql' => $server, 'min_interval: 10s' => 'min_interval: 1s');
		@command = ($exporter{$kind}, '-config.file', "$dir/exporter.yml", '-web.listen-address', "127.0.0.1:$exporter_port");
	}
	copy("$contrib/prometheus/pg_mend.rules.yml", "$dir/pg_mend.rules.yml");
	shipped('prometheus/prometheus.yml', "$dir/prometheus.yml", 'localhost:9399' => "127.0.0.1:$exporter_port", '_interval: 15s' => '_interval: 1s');
	my @log = map { "$dir/$_.log" } qw(exporter prometheus);
	push @started, IPC::Run::start(\@command, '>&', $log[0]);
	push @started, IPC::Run::start([ $prometheus, '--config.file', "$dir/prometheus.yml", '--storage.tsdb.path', "$dir/data", '--web.listen-address', "127.0.0.1:$port" ], '>&', $log[1]);

	my $ask = sub {
		my ($query) = @_;
		my $answer = decode_json(get("http://127.0.0.1:$port/api/v1/query?" . HTTP::Tiny->new->www_form_urlencode({ query => $query })));
		return @{ $answer->{data}{result} };
	};
	ok(until_true(sub { ($ask->('mend_queue_rows{table="public.reviewed"} == 1'))[0] }, 60), "$kind: a metric arrives under its own name")
	  or diag(map { slurp_file($_) } @log);
	my %collected = map { $_ => 1 } slurp_file("$contrib/sql_exporter/pg_mend.collector.yml") =~ /metric_name: (\w+)/g;
	my %empty = map { $_ => 1 } grep { $node->safe_psql('shop', "SELECT count(*) FROM mend.metrics WHERE name = '$_'") == 0 } keys %collected;
	for my $metric (grep { !$empty{$_} } sort keys %collected)
	{
		my @series = until_true(sub { $ask->($metric) }, 20) ? $ask->($metric) : ();
		ok(@series > 0, "$kind: $metric arrives");
		is_deeply([ grep { /^(?:col|driver|host|user|sql_job)$/ } map { keys %{ $_->{metric} } } @series ], [], '... with no labels of the exporter') if @series;
	}
	is(scalar(my @databases = $ask->('count by (database) (mend_enabled)')), 2, 'two databases are two series') if $kind eq 'debian';

	# The rules are loaded, none fails, and what has happened is told.
	my $rules = sub { map { @{ $_->{rules} } } @{ decode_json(get("http://127.0.0.1:$port/api/v1/rules"))->{data}{groups} } };
	ok(until_true(sub { my @all = $rules->(); @all > 0 && !grep { $_->{health} ne 'ok' } @all }, 30), "$kind: every rule is evaluated");
	ok(until_true(sub { my ($one) = grep { $_->{name} eq 'PgMendDecisionWaits' } $rules->(); $one->{state} eq 'pending' }, 30), '... and one sees the patch that waits');

	# The dashboard, as Grafana has it after the import: each query finds something.
	my $dashboard = decode_json(slurp_file("$contrib/grafana/pg_mend.json"));
	for my $panel (@{ $dashboard->{panels} })
	{
		for my $target (@{ $panel->{targets} })
		{
			(my $query = $target->{expr}) =~ s/\$table/.*/g;
			my @used = $query =~ /\b(mend_\w+)/g;
			next if grep { $empty{$_} } @used;
			# A rate needs two looks.
			ok(until_true(sub { $ask->($query) }, 30), "$kind: panel $panel->{title}: $target->{refId}") or diag($query);
		}
	}
	my $choice = decode_json(get("http://127.0.0.1:$port/api/v1/label/table/values?match[]=mend_table_info"))->{data};
	is_deeply($choice, [ 'public.orders', 'public.reviewed' ], "$kind: the dashboard's choice of tables");
	(pop @started)->kill_kill(grace => 2) for 1 .. 2;
}

# What Grafana's import asks of the file: https://grafana.com/docs: a title, panels with places that do not overlap, queries with
# names of their own, and a data source that is chosen.
my $dashboard = decode_json(slurp_file("$contrib/grafana/pg_mend.json"));
ok(!defined $dashboard->{id}, 'the dashboard has no number of another Grafana');
like($dashboard->{uid}, qr/^[\w-]{1,40}$/, '... but a name by which it is replaced');
my ($source) = grep { $_->{type} eq 'datasource' } @{ $dashboard->{templating}{list} };
is($source->{query}, 'prometheus', 'the data source is chosen among those of Prometheus');
my (%taken, %id);
for my $panel (@{ $dashboard->{panels} })
{
	my ($x, $y, $w, $h) = @{ $panel->{gridPos} }{qw(x y w h)};
	ok($x >= 0 && $x + $w <= 24, "panel $panel->{title} is within the grid");
	my $overlaps = grep { $taken{$_}++ } map { my $column = $_; map { "$column,$_" } $y .. $y + $h - 1 } $x .. $x + $w - 1;
	is($overlaps, 0, '... and on no other');
	is($panel->{datasource}{uid}, "\${$source->{name}}", '... asks the chosen data source');
	my %name;
	is((grep { $name{ $_->{refId} }++ } @{ $panel->{targets} }), 0, '... and its queries have names of their own');
}
done_testing();
