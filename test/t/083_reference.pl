# doc/sql.md is what the comments in the database say; doc/reasons.md has every reason that the software can print.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my $node = mend_node('reference');
my $now = $node->safe_psql('postgres', slurp_file("$top/scripts/sql/reference.sql"));
my $then = slurp_file("$top/doc/sql.md");
for ($now, $then) { s/\s+\z//; s/[ \t]+$//mg }
is($now, $then, 'doc/sql.md is up to date') or diag('Run scripts/reference.');
is(system($^X, "$top/test/reasons", $top), 0, 'doc/reasons.md has every reason');
done_testing();
