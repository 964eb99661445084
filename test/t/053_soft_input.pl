# From PostgreSQL 16 on, a value that one of PostgreSQL's own input functions refuses costs no subtransaction; one that
# anybody else's refuses does, and says the same.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mend_node('soft_input');
my $soft = $node->safe_psql('postgres', 'SHOW server_version_num') >= 160000;
my @types = qw(interval inet macaddr point int4range daterange bit pg_lsn);
my %input = (point => 'point_in', inet => 'inet_in', macaddr => "macaddr_in", interval => 'interval_in', bit => 'bit_in', pg_lsn => 'pg_lsn_in');

# The same functions under another name: not known to be soft.
for my $type (grep { $input{$_} } @types)
{
	(my $output = $input{$type}) =~ s/in$/out/;
	my $arguments = $type =~ /^(interval|bit)$/ ? 'cstring, oid, int4' : 'cstring';
	$node->safe_psql('postgres', qq{
		SET client_min_messages = error;
		CREATE TYPE twin_$type;
		CREATE FUNCTION twin_in_$type($arguments) RETURNS twin_$type LANGUAGE internal IMMUTABLE STRICT AS '$input{$type}';
		CREATE FUNCTION twin_out_$type(twin_$type) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS '$output';
		CREATE TYPE twin_$type (INPUT = twin_in_$type, OUTPUT = twin_out_$type, LIKE = $type)});
}
my @columns = ('plain int', (map { "of_$_ $_" } @types), map { "twin_of_$_ twin_$_" } grep { $input{$_} } @types);
$node->safe_psql('postgres', 'CREATE TABLE values_of (' . join(', ', @columns) . "); SELECT mend.enroll('values_of', mode => 'paused')");

# Subtransactions that a call begins, and what it queues.
sub refuse
{
	my ($column) = @_;
	my ($out, $err) = ('', '');
	$node->psql('postgres', qq{
		SELECT healing_insert('values_of', '{"$column": "@"}') \\g /dev/null
		DELETE FROM mend.queue;
		SET client_min_messages = debug5;
		SELECT healing_insert('values_of', '{"$column": "@"}');
		SET client_min_messages = warning;
		SELECT sqlstate, error FROM mend.queue}, stdout => \$out, stderr => \$err);
	my $begun = () = $err =~ /StartSubTransaction\([^\n]*SUBBEGIN/g;
	return ($begun, $out);
}

my ($base) = refuse('plain');
for my $type (@types)
{
	my ($begun, $said) = refuse("of_$type");
	is($begun - $base, $soft ? 0 : 1, "$type: subtransactions for a value that it refuses");
	like($said, qr/^queued\n22...\|/, "$type: the value is queued");
	next if !$input{$type};
	my ($twin_begun, $twin_said) = refuse("twin_of_$type");
	is($twin_begun - $base, 1, "$type: and with a function that may raise");
	is($twin_said, $said, "$type: which says the same");
}

nothing_crashed($node);
$node->stop;
done_testing();
