# What the stream tests share: a node with pg_mend and the proof functions, and the checks on a loaded table.
package StreamTest;
use strict;
use warnings;
use Exporter 'import';
use FindBin;
use lib $FindBin::RealBin;
use MendTest 'init_node';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT_OK = qw(start_node offer_file make_from_first load_range check_books stop_node);

my $sql = "$FindBin::Bin/../../scripts/sql";

# A running node with the extension and scripts/sql/proof.sql; @settings are lines of postgresql.conf.
sub start_node {
    my ($name, @settings) = @_;
    my $node = PostgreSQL::Test::Cluster->new($name);
    init_node($node);
    $node->append_conf('postgresql.conf', join("\n", 'max_worker_processes = 16', @settings, ''));
    $node->start;
    $node->safe_psql('postgres', 'CREATE EXTENSION pg_mend');
    $node->safe_psql('postgres', slurp_file("$sql/proof.sql"));
    return $node;
}

# Takes payloads, one a line, from a file that the server can read, into proof.offered.
sub offer_file {
    my ($node, $target, $file) = @_;
    $node->safe_psql('postgres', qq{
        CREATE TEMP TABLE lines (id bigint GENERATED ALWAYS AS IDENTITY, line text);
        COPY lines (line) FROM '$file' (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02');
        INSERT INTO proof.offered (target, payload) SELECT '$target', line FROM lines ORDER BY id;});
    return;
}

# Makes and enrols the landing table that fits its first $count offered records.
sub make_from_first {
    my ($node, $target, $count) = @_;
    return $node->safe_psql('postgres', qq{
        SELECT proof.make_table('$target', array(
            SELECT payload::jsonb FROM proof.offered WHERE target = '$target' ORDER BY id LIMIT $count));
        SELECT mend.enroll('$target');});
}

# Offers payloads number $from to $to (from 1) of a table, $chunk a call and a transaction.
sub load_range {
    my ($node, $target, $from, $to, $chunk) = @_;
    $node->safe_psql('postgres', qq{
        DO \$\$
        DECLARE
            first bigint := (SELECT min(id) - 1 FROM proof.offered WHERE target = '$target');
            place bigint := $from;
        BEGIN
            WHILE place <= $to LOOP
                PERFORM healing_load('$target'::regclass, (
                    SELECT string_agg(payload, E'\\n' ORDER BY id) FROM proof.offered
                    WHERE target = '$target' AND id - first BETWEEN place AND least(place + $chunk - 1, $to)));
                COMMIT;
                place := place + $chunk;
            END LOOP;
        END
        \$\$;});
    return;
}

# Nothing lost, nothing twice, no value changed, no column for nothing.
sub check_books {
    my ($node, $target, $offered, $dead) = @_;
    my ($got_offered, $stored, $queued, $got_dead, $lost, $strange) =
        split /\|/, $node->safe_psql('postgres', "SELECT * FROM proof.balance('$target')");
    is($got_offered, $offered, "$target: all records were offered");
    is($stored + $queued + $got_dead, $offered, "$target: stored + queued + dead = offered");
    is($queued, 0, "$target: nothing is left in the queue")
        or diag($node->safe_psql('postgres', "SELECT * FROM mend.status"));
    if (defined $dead) {
        is($got_dead, $dead, "$target: the dead letters are those that no rule can heal");
    }
    is($lost, 0, "$target: no payload is lost or changed") or diag(differences($node, $target));
    is($strange, 0, "$target: no row is stored twice or differs from its payload");
    is($node->safe_psql('postgres', "SELECT * FROM proof.idle_columns('$target')"),
        '', "$target: every column that was added holds a value");
    is($node->safe_psql('postgres',
        "SELECT count(*) FROM mend.dead_letters WHERE target = '$target'::regclass AND reason = ''"),
        0, "$target: every dead letter says why");
    return;
}

sub differences {
    my ($node, $target) = @_;
    return $node->safe_psql('postgres', qq{
        (SELECT 'expected', image FROM proof.expected('$target') EXCEPT ALL SELECT 'expected', image FROM proof.stored('$target') LIMIT 3)
        UNION ALL
        (SELECT 'stored', image FROM proof.stored('$target') EXCEPT ALL SELECT 'stored', image FROM proof.expected('$target') LIMIT 3)});
}

sub stop_node {
    my ($node) = @_;
    $node->stop('fast');
    unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'no process of the server crashed');
    return;
}

1;
