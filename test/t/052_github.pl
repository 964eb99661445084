# Objects of GitHub deliveries: an older release of the examples makes the tables, a newer one is loaded.
# Needs npm and a registry; skipped without.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use StreamTest qw(start_node offer_file make_from_first load_range check_books stop_node);
use PostgreSQL::Test::Utils;
use Test::More;

my @releases = qw(4.0.2 7.6.1);
my @kinds = qw(repository workflow_run issue pull_request comment deployment);
my $dir = PostgreSQL::Test::Utils::tempdir();

sub fetch {
    my ($release) = @_;
    mkdir "$dir/$release";
    return 0 == system("cd '$dir/$release' && HOME='$dir' timeout 60 npm pack --silent --cache '$dir/cache' "
            . "'\@octokit/webhooks-examples\@$release' >/dev/null 2>&1 && tar -xzf *.tgz");
}

plan(skip_all => 'npm is not installed') if system('command -v npm >/dev/null 2>&1') != 0;
for my $release (@releases) {
    plan(skip_all => "npm cannot fetch \@octokit/webhooks-examples\@$release") unless fetch($release);
}

my $json = JSON::PP->new->canonical->utf8->allow_bignum;
my (%lines, %first);
for my $release (@releases) {
    my $events = $json->decode(slurp_file("$dir/$release/package/api.github.com/index.json"));
    for my $delivery (map { @{ $_->{examples} } } @$events) {
        for my $kind (grep { ref $delivery->{$_} eq 'HASH' } @kinds) {
            push @{ $lines{$kind} }, $json->encode($delivery->{$kind});
        }
    }
    %first = map { $_ => scalar @{ $lines{$_} } } keys %lines if $release eq $releases[0];
}

my $node = start_node('github', "mend.planners = 'rules'");
for my $kind (grep { $first{$_} } @kinds) {
    my $file = "$dir/$kind.json";
    open(my $out, '>', $file) or die "$file: $!";
    print $out "$_\n" for @{ $lines{$kind} };
    close $out;
    my $offered = @{ $lines{$kind} };
    offer_file($node, $kind, $file);
    make_from_first($node, $kind, $first{$kind});
    load_range($node, $kind, 1, $offered, $offered);
    $node->safe_psql('postgres', "CALL mend.wait_idle('$kind', '120 s')");
    check_books($node, $kind, $offered, undef);
    my ($patches, $drifts) = split /\|/, $node->safe_psql('postgres', qq{
        SELECT (SELECT count(*) FROM mend.patches WHERE target = '$kind'::regclass AND state = 'applied'),
               (SELECT count(*) FROM mend.drifts WHERE target = '$kind'::regclass)});
    cmp_ok($patches, '<=', $drifts, "$kind: $patches patches for $drifts drifts");
}
is($node->safe_psql('postgres', "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'workflow_run'::regclass AND attname = 'id'"),
    'bigint', 'workflow_run.id outgrew int4');

stop_node($node);
done_testing();
