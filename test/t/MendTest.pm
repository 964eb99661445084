# What the TAP tests share: nodes with pg_mend, and payloads in the queue.
package MendTest;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Time::HiRes qw(usleep time);

our @EXPORT = qw(@initdb init_node mend_node landing_table enqueue due_tables worker_pids wait_no_worker nothing_crashed poll
  has_test_points set_point clear_points release_point at_point point_file server_is_up server_faults);

# The same encoding whatever the environment says.
our @initdb = (extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);

# scripts/test names a folder with an initdb that copies a cluster made with those options (MEND_INITDB): for the first node of a test
# alone, since a copy has the system identifier of the original.
my $copied = 0;

sub init_node
{
	my ($node, @options) = @_;
	local $ENV{PATH} = "$ENV{MEND_INITDB}:$ENV{PATH}" if $ENV{MEND_INITDB} && !$copied++;
	$node->init(@initdb, @options);
	return;
}

# A running node with the extension in database postgres. PostgreSQL::Test::Cluster reads TEMP_CONFIG, by which the
# node finds an extension that is not installed under /usr.
sub mend_node
{
	my ($name, @settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	init_node($node);
	$node->append_conf('postgresql.conf', join("\n", 'fsync = off', 'restart_after_crash = on', @settings, ''));
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_mend');
	return $node;
}

# Creates and enrolls public.$table (id int), as mend.enroll does, but wakes nobody.
sub landing_table
{
	my ($node, $table, $database) = @_;
	$node->safe_psql(
		$database // 'postgres', qq{
		CREATE TABLE public.$table (id int);
		INSERT INTO mend.enrollments (target, target_name, system_identifier, database_oid)
		SELECT 'public.$table', 'public.$table', s.system_identifier, d.oid
		FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()});
	return;
}

# The SQL that queues one payload with an unknown field, as healing_insert does, but wakes nobody.
sub enqueue
{
	my ($table) = @_;
	return qq{
		INSERT INTO mend.queue (target, target_name, payload, submitter, submitted_by, sqlstate, error, kind, field, fields)
		SELECT 'public.$table', 'public.$table', '{"id": 1, "extra": 2}', oid, rolname, '42703', 'no such column',
			'new_field', 'extra', '{extra}'
		FROM pg_roles WHERE rolname = session_user;
	};
}

sub due_tables
{
	my ($node, $database) = @_;
	return $node->safe_psql($database // 'postgres', 'SELECT count(*) FROM mend.work WHERE due');
}

sub worker_pids
{
	my ($node, $database) = @_;
	$database //= 'postgres';
	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_mend worker' AND datname = '$database' ORDER BY 1");
}

sub wait_no_worker
{
	my ($node, $database) = @_;
	$database //= 'postgres';
	return $node->poll_query_until('postgres',
		"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_mend worker' AND datname = '$database')"
	);
}

# `allowed`: how many processes the test itself has killed.
sub nothing_crashed
{
	my ($node, $allowed) = @_;
	my @crashes = grep { /terminated by signal|PANIC:|TRAP:/ } split /\n/, slurp_file($node->logfile);
	is(scalar(@crashes), $allowed // 0, 'no process crashed') or diag(join "\n", @crashes);
	return;
}

# Calls a sub until it is true, for at most a minute; returns what it returned.
sub poll
{
	my ($condition) = @_;
	my $until = time + 60;
	my $found;
	usleep(5_000) until ($found = $condition->()) || time > $until;
	return $found;
}

# Whether the library that the node finds has the wait and failure points of src/server/pg/test_point.h.
sub has_test_points
{
	my ($node) = @_;
	for my $folder (split /:/, $node->safe_psql('postgres', 'SHOW dynamic_library_path'))
	{
		return slurp_file("$folder/pg_mend.so") =~ /mend_test_points/ ? 1 : 0 if -e "$folder/pg_mend.so";
	}
	return 0;
}

sub point_file { my ($node, $point) = @_; return $node->data_dir . "/mend_test_points/$point" }

# The next process that comes by the point obeys.
sub set_point
{
	my ($node, $point, $order) = @_;
	mkdir $node->data_dir . '/mend_test_points';
	my $file = point_file($node, $point);
	append_to_file("$file.new", "$order\n");
	rename "$file.new", $file or die "cannot set $file: $!";
	return;
}

# Waits until a process waits at the point; returns its pid.
sub at_point
{
	my ($node, $point, $database) = @_;
	return poll(sub { $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE query = 'pg_mend: at test point $point' AND state = 'active'") });
}

sub release_point
{
	my ($node, $point) = @_;
	append_to_file(point_file($node, $point) . '.go', '');
	return;
}

sub clear_points { my ($node) = @_; unlink glob $node->data_dir . '/mend_test_points/*'; return }

sub server_is_up { my ($node) = @_; return poll(sub { ($node->psql('postgres', 'SELECT 1'))[0] == 0 }) }

# What may happen to a process that waits at a test point, by its name: a sub that is given its pid and the point, or the order that
# the point obeys. `killed` is told of each kill -9.
sub server_faults
{
	my ($node, $killed) = @_;
	return (
		kill_9 => sub { my ($pid) = @_; $$killed += kill 'KILL', $pid; server_is_up($node) },
		terminate => sub { my ($pid) = @_; $node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 20000)") },
		cancel => sub { my ($pid) = @_; $node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)") },
		immediate_restart => sub { $node->stop('immediate'); $node->start },
		fast_restart => sub { $node->restart },
		stop_and_start => sub { my (undef, $point) = @_; $node->safe_psql('postgres', 'SELECT mend.stop()'); release_point($node, $point);
			$node->safe_psql('postgres', 'SELECT mend.start()') },
		map { my $error = $_; ("error_$_" => "error $error") } qw(53100 55P03 40001 40P01 57014 XX000));
}

1;
