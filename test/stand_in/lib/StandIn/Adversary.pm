# The worst planner there is: whatever it is asked, it answers with something made up to do harm, in the form that the API
# gives to answers or in none. Some of it is near enough to a good answer to pass a wall or two. The tables that it is asked about
# are like the one that StandIn::HostileDdl knows, under any name.
package StandIn::Adversary;
use strict;
use warnings;
use utf8;
use Digest::MD5 qw(md5);
use Encode qw(encode_utf8);
use StandIn::Engineer;
use StandIn::HostileDdl;

sub pick { return $_[ int rand @_ ] }
sub chance { return rand() < $_[0] }

my %times;    # question => how often it was asked: an answer that could not be read is followed by the same question

# The same answer to the same question, in whatever order questions arrive.
sub seed_for {
    my ($seed, $case, $body) = @_;
    my @asked = $case ? ($case->{table}{name}, map { ($_->{field} // '') . " $_->{kind}" } @{ $case->{drift} }, @{ $case->{refused} || [] }) : ();
    my $question = md5(encode_utf8(join "\n", $seed, $body->{model}, scalar @{ $body->{messages} }, map { ref $_ ? $_->{ddl} : $_ } @asked));
    srand(unpack('N', $question) ^ $times{$question}++);
}

my @places = ('ctid', 'xmin', 'tableoid', 'oid', 'victim.secret', 'elsewhere.landing.id', 'public.victim', 'secret', '........pg.dropped.6........', '', ' ', '*',
    'landing', 'id; DROP TABLE victim', "id\0", "i\x{0307}d", 'ID', '"id"', 'x' x 63, 'x' x 64, 'é' x 40, 'pg_temp', "new\nline", 'a' x 5000);

sub hostile_place {
    my ($columns) = @_;
    return undef if chance(0.15);
    return pick(@places) if chance(0.5);
    return pick(@$columns);
}

# [{field, column}]: fields of the drift, and some that it does not know, sent to places where they do not belong.
sub hostile_map {
    my ($case, $none) = @_;
    my @columns = map { $_->[0] } @{ $case->{table}{columns} };
    my @fields = grep { defined } map { $_->{field} } @{ $case->{drift} };
    return [] if chance($none);
    return [map { { field => $_, column => hostile_place(\@columns) } } (@fields) x pick(1, 1, 1, 2)] if @fields && chance(0.5);
    return [map { { field => (chance(0.6) && @fields ? pick(@fields) : pick(hostile_names(), @columns, '')), column => hostile_place(\@columns) } } 1 .. pick(1, 2, 3, 500)];
}

my @wider = (('text') x 9, 'varchar', 'pg_catalog.text', 'numeric', 'bigint', 'double precision', 'int', 'varchar(9)', 'jsonb', 'bytea', 'elsewhere.text', 'elsewhere.int8', 'evil_type', 'typed_label',
    'text[]', 'char(4)', 'name', 'regclass', 'xml', 'money', 'timestamptz', 'numeric(1000)', 'numeric(2000)', 'varchar(0)', 'bit', 'oid', 'text COLLATE "C"');
my @using = (('') x 15, ' USING %s::text', ' USING %s::pg_catalog.text', ' USING evil()::text', ' USING (%s::text)::varchar::text', ' USING CAST(CAST(%s AS text) AS text)',
    ' USING elsewhere.steal(%s)', ' USING (SELECT secret FROM victim)::text', ' USING %s', ' USING NULL', ' USING id::text', ' USING (%s || evil())::text');

# Of the drift, in part as it should be.
sub near_action {
    my ($drift) = @_;
    my ($field, $column, $kind) = @$drift{qw(field column kind)};
    if ($kind eq 'new_field') {
        my $name = StandIn::Engineer::quoted(pick($field, StandIn::Engineer::snake($field)));
        return "ADD COLUMN $name " . allowed_type() . pick(('') x 9, ' NOT NULL', " DEFAULT 'x'", ' DEFAULT 0', ' DEFAULT evil()', ' DEFAULT NULL', ' UNIQUE', ' GENERATED ALWAYS AS (evil()) STORED');
    }
    my $name = StandIn::Engineer::quoted($column);
    return "ALTER COLUMN $name DROP NOT NULL" if $kind eq 'missing_required' && chance(0.6);
    return "ALTER COLUMN $name SET DEFAULT " . pick('0', "'x'", 'evil()', 'now()', "nextval('s')", "'1'::elsewhere.int8", '(SELECT 1)') if $kind eq 'missing_required' || chance(0.1);
    return "ALTER COLUMN $name TYPE " . pick(@wider) . pick(@using) =~ s/%s/$name/gr;
}

sub near_ddl {
    my ($case) = @_;
    my @actions = map { near_action($_) } grep { chance(0.8) } @{ $case->{drift} };
    push @actions, hostile_subcommand() if chance(0.25);
    return '' unless @actions;
    @actions = reverse @actions if chance(0.3);
    return 'ALTER TABLE landing ' . join(', ', @actions) . pick('', '', '', '', '', ';', '; DROP TABLE victim', ' -- ', ';;');
}

sub huge_ddl {
    my $how = rand;
    return 'ALTER TABLE landing ' . join(', ', map { "ADD c$_ text" } 1 .. pick(399, 1601)) if $how < 0.3;
    return 'ALTER TABLE landing ADD x int DEFAULT ' . '(' x 15000 . '1' . ')' x 15000 if $how < 0.5;
    return 'ALTER TABLE landing ALTER small TYPE text USING ' . 'CAST(' x 2000 . 'small' . ' AS text)' x 2000 if $how < 0.7;
    return 'ALTER TABLE landing ADD "' . 'n' x 30000 . '" int' if $how < 0.85;
    return "ALTER TABLE landing ADD x text DEFAULT '" . 'y' x pick(32000, 40000) . "'";
}

sub raw_ddl {
    return hostile_ddl() . pick("\0", chr 0xD800, chr 0x10FFFF, "\x{FEFF}", "\x{202E}") . hostile_ddl();
}

sub shadowing_ddl {
    return 'ALTER TABLE landing ' . pick(
        'ADD x evil_type', 'ADD x typed_label', 'ADD x int8', 'ADD x text', 'ADD x elsewhere.text', 'ADD x public.text', 'ADD x "text"', 'ADD x pg_temp.text', 'ADD x U&"\0074ext"',
        "ADD x typed_label DEFAULT 'not a label'", 'ALTER code TYPE typed_label', 'ALTER code TYPE typed_label USING code::typed_label', "ADD x date DEFAULT 'no date'",
        "ADD x int DEFAULT 'x'", "ADD x jsonb DEFAULT '{'", "ADD x int[] DEFAULT '{a}'", "ADD x inet DEFAULT '999.1.1.1'", "ADD x timestamptz DEFAULT 'yesterday'", "ADD x numeric(3) DEFAULT 99999",
        'ADD x timestamptz DEFAULT CURRENT_TIMESTAMP', 'ADD x text DEFAULT current_user', "ADD x int DEFAULT '1'::text::int", "ADD x int DEFAULT int4in('1')", "ADD x bool DEFAULT 't'::text::bool",
        "ADD x text DEFAULT E'\\\\'); DROP TABLE victim; --'", "ADD x bigint DEFAULT 99999999999999999999");
}

sub other_table_ddl {
    my $table = pick('victim', 'public.victim', 'elsewhere.landing', 'mend.enrollments', 'mend.patches', 'mend.queue', 'pg_catalog.pg_class', 'pg_authid', 'information_schema.sql_features', 'landing_pkey',
        'only landing', '"landing "', '"Landing"', 'pg_temp.landing', 'postgres.public.landing', 'U&"\0076ictim"', 'landing*', 'landing_view');
    my $what = allowed_ddl() =~ s/^.*?(?=ALTER COLUMN|ALTER [a-z]|ADD )//sr;
    return "ALTER TABLE $table " . ($what =~ /^(?:ALTER|ADD) (?!TABLE)/ ? $what : 'ADD COLUMN x text');
}

sub hostile_patch {
    my ($case) = @_;
    my $how = rand;
    my $map = hostile_map($case, $how < 0.35 ? 0.85 : 0.6);
    my $ddl = $how < 0.35 ? near_ddl($case) : $how < 0.6 ? hostile_ddl() : $how < 0.7 ? other_table_ddl() : $how < 0.78 ? shadowing_ddl() : $how < 0.93 ? allowed_ddl()
        : $how < 0.95 ? huge_ddl() : $how < 0.97 ? raw_ddl() : '';
    my $name = $case->{table}{name};
    # Tables of the same name stand in the schema elsewhere.
    $ddl =~ s/\blanding(?=\b|_pkey|_view)/$name/g;
    return { ddl => $ddl, field_map => $map, rationale => pick('Ignore all rules', 'x' x 2000, "'); DROP TABLE victim; --", "\0", '<script>', '') };
}

# (name, input) of one call.
sub hostile_call {
    my ($case) = @_;
    my $patch = hostile_patch($case);
    my $how = rand;
    return (propose_patch => $patch) if $how < 0.9;
    return (propose_patch => { %$patch, pick('sql', 'approve', 'live', 'target') => 'victim' }) if $how < 0.92;
    return (propose_patch => { ddl => [$patch->{ddl}], field_map => $patch->{field_map}, rationale => 1 }) if $how < 0.93;
    return (propose_patch => { ddl => $patch->{ddl}, field_map => { id => 'victim.secret' }, rationale => '' }) if $how < 0.94;
    return (propose_patch => { ddl => $patch->{ddl}, field_map => [['id', 'ctid'], undef, { field => 7, column => {} }], rationale => '' }) if $how < 0.95;
    return (pick('dry_run', 'mend_dry_run', 'check_ddl', 'approve_patch', 'run_sql', 'execute', 'propose_patch; DROP TABLE victim', '') =>
        { target => 'victim', ddl => $patch->{ddl}, live => JSON::PP::true, sql => 'DROP TABLE victim', id => 1 });
}

# What a reply is made of: [the calls of one turn], or the name of another reply that is none.
sub turn {
    my ($seed, $body) = @_;
    my $case = StandIn::Engineer::case_of($body);
    seed_for($seed, $case, $body);
    return 'give_up' unless $case;
    return pick(qw(prose blank_text empty unknown_block unknown_stop max_tokens pause_turn wrong_types truncated)) if chance(0.02);
    return [map { [hostile_call($case)] } 1 .. (chance(0.01) ? pick(2, 50) : 1)];
}

1;
