# An API's objects over the years go through healing_load into a table made from the first 100 of them, healed by
# rules alone: nothing lost, nothing twice, no value changed, no useless column, no more patches than drifts.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use StreamTest qw(start_node offer_file make_from_first load_range check_books stop_node);
use PostgreSQL::Test::Utils;
use Test::More;

my $objects = 20_000;
my $sample = 100;

# What changes over the years, as parts of the stream: the truth that the patches are counted against.
my %since = (
    body_is_text => 0.05,     # null before
    tags_filled => 0.10,      # empty arrays before
    closed_at_set => 0.20,    # null before
    owner => 0.25,            # a nested object
    id_past_int4 => 0.30,
    draft => 0.35,
    views_past_int4 => 0.40,
    nodeId => 0.45,           # a key in camel case
    score_fractions => 0.50,  # whole numbers before
    rating => 0.55,           # whole numbers at first
    labels => 0.60,           # an array of objects
    rating_fractions => 0.65,
    milestone_set => 0.70,    # null before: an object
    long_names => 0.15,       # past the width of the first names
    level_words => 0.75,      # a word where a number was: no rule answers
    views_past_int8 => 0.80,
);
my $drifts_that_rules_heal = keys(%since) - 1;

my $json = JSON::PP->new->canonical->allow_bignum;
my $dead = 0;

# JSON::PP writes what it is given as a string in quotes: numbers past 64 bits are put in afterwards.
sub object {
    my ($place) = @_;
    my $year = $place / $objects;
    my $is = sub { $year >= $since{ $_[0] } };
    my %views = (value => int(rand(100_000)));
    $views{value} = 3_000_000_000 + $views{value} if $is->('views_past_int4');
    my %object = (
        id => ($is->('id_past_int4') ? 5_000_000_000 : 1_000) + $place,
        name => 'n' x (1 + int(rand(12))) . ($is->('long_names') ? 'x' x int(rand(150)) : ''),
        state => (qw(open closed))[ rand 2 ],
        created_at => sprintf('20%02d-%02d-%02dT%02d:%02d:%02dZ',
            10 + int($year * 12), 1 + rand 12, 1 + rand 28, rand 24, rand 60, rand 60),
        closed_at => $is->('closed_at_set') && rand() < 0.5 ? '2022-03-04T05:06:07.5+02:00' : undef,
        body => $is->('body_is_text') && rand() < 0.7 ? "line 1\nline \"2\" \x{e4}\x{20ac}\x{1f600} " . int(rand(1e6)) : undef,
        price => int(rand(10_000)) / 100 + 0.001,
        score => $is->('score_fractions') ? int(rand(1000)) / 8 + 0.0625 : int(rand(1000)),
        level => int(rand(5)),
        size => int(rand(500)),
        tags => $is->('tags_filled') ? [ map { "tag$_" } 0 .. int(rand(3)) ] : [],
        milestone => $is->('milestone_set') && rand() < 0.4 ? { number => int(rand(50)), open => JSON::PP::true } : undef,
        never => undef,
        none => [],
    );
    $object{size} = "$object{size}" if $place > $sample && rand() < 0.1;
    $object{owner} = { login => 'user' . int(rand(300)), id => int(rand(1e6)), plan => undef } if $is->('owner');
    $object{draft} = rand() < 0.5 ? JSON::PP::true : JSON::PP::false if $is->('draft');
    $object{nodeId} = 'MDQ6' . int(rand(1e9)) if $is->('nodeId');
    $object{rating} = $is->('rating_fractions') ? int(rand(50)) / 10 + 0.05 : int(rand(6)) if $is->('rating') && rand() < 0.8;
    $object{labels} = [ map { { name => "l$_", color => 'f00' } } 1 .. 1 + rand 3 ] if $is->('labels');
    if ($is->('level_words') && rand() < 0.01) {
        $object{level} = 'high';
        $dead++;
    }
    my $text = $json->encode({ %object, views => $views{value} });
    $text =~ s/"views":(\d+)/"views":9000000000$1/ if $is->('views_past_int8') && rand() < 0.5;
    return $text;
}

srand(20250101);
my $file = PostgreSQL::Test::Utils::tempdir() . '/stream.json';
open(my $out, '>:encoding(UTF-8)', $file) or die "$file: $!";
print $out object($_), "\n" for 0 .. $objects - 1;
close $out;
chmod 0644, $file;

my $node = start_node('stream', "mend.planners = 'rules'", 'mend.column_cooldown = 0', 'mend.patches_per_hour = 0');
offer_file($node, 'stream', $file);
make_from_first($node, 'stream', $sample);

# A tenth at a time; the worker keeps up with some tenths, and is overtaken by others.
my $tenth = $objects / 10;
for my $part (0 .. 9) {
    load_range($node, 'stream', $part * $tenth + 1, ($part + 1) * $tenth, 100);
    $node->safe_psql('postgres', "CALL mend.wait_idle('stream', '180 s')") if $part % 2 || $part == 9;
}

# Words in a column of numbers are a question: text would hold them, and would be noticed.
$node->safe_psql('postgres', "SELECT mend.reject(patch_id, 'a level is a number') FROM mend.decisions; CALL mend.wait_idle('stream', '180 s')");
check_books($node, 'stream', $objects, $dead);

my $patches = $node->safe_psql('postgres', "SELECT count(*) FROM mend.patches WHERE target = 'stream'::regclass AND state = 'applied'");
cmp_ok($patches, '>', 0, 'patches were applied');
cmp_ok($patches, '<=', $drifts_that_rules_heal, "$patches patches for $drifts_that_rules_heal distinct drifts");
is($node->safe_psql('postgres', "SELECT count(*) FROM mend.patches WHERE planner <> 'rules' OR state NOT IN ('applied', 'rejected', 'superseded')"),
    0, 'every patch is a rule\'s, and was applied, or a person said no');

my %type = map { split /\|/ } split /\n/, $node->safe_psql('postgres',
    "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'stream'::regclass AND attnum > 0 AND NOT attisdropped");
is($type{id}, 'bigint', 'a number past int4 made the column bigint');
is($type{views}, 'numeric', 'a number past int8 made the column numeric');
is($type{score}, 'numeric', 'fractions made the column numeric');
is($type{name}, 'text', 'long strings made the column text');
is($type{owner}, 'jsonb', 'a nested object is jsonb');
is($type{closed_at}, 'timestamp with time zone', 'times with an offset are timestamptz');
ok(exists $type{node_id}, 'a key in camel case has a column in snake case');
is($type{level}, 'integer', 'a word among numbers changes no type');
ok(!exists $type{never} && !exists $type{none}, 'fields that are always null or empty have no column');

stop_node($node);
done_testing();
