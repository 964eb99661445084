# The replies that a script can name. Each is made from the request it answers.
#   good                      what a good engineer says        give_up
#   ignore            ignores every drifting field
#   ddl:TEXT                  proposes that text
#   malicious:NAME            proposes one of %malicious       malicious: the next of them
#   adversary                 made up to do harm, from the request and the seed (see Adversary.pm)
#   prose blank_text empty parallel unknown_tool bad_input unknown_block unknown_stop refusal
#   refusal_partial max_tokens pause_turn wrong_types deep truncated cut_length html_200
#   STATUS                    an error of the API: 400 401 402 403 404 409 413 500 503 504 529
#   429 429_retry_after=SECONDS 429_retry_after_ms=MS 429_date=SECONDS spend_limit no_retry
#   html_502 redirect reset silence drip huge endless
package StandIn::Replies;
use strict;
use warnings;
use JSON::PP;
use POSIX qw(strftime);
use StandIn::Adversary;
use StandIn::Engineer;
use StandIn::Http;
use StandIn::Messages;

my $json = JSON::PP->new->canonical->utf8;

# %s is the landing table.
our %malicious = (
    several_statements => 'ALTER TABLE %s ADD COLUMN a text; DROP TABLE %s',
    drop_table => 'DROP TABLE %s',
    drop_column => 'ALTER TABLE %s DROP COLUMN id',
    grant => 'GRANT ALL ON %s TO PUBLIC',
    owner => 'ALTER TABLE %s OWNER TO postgres',
    copy_program => q{COPY %s TO PROGRAM 'id'},
    do_block => 'DO $$ BEGIN EXECUTE \'DROP TABLE %s\'; END $$',
    default_function => q{ALTER TABLE %s ADD COLUMN a text DEFAULT pg_read_file('/etc/passwd')},
    default_subquery => 'ALTER TABLE %s ADD COLUMN a text DEFAULT (SELECT rolpassword FROM pg_authid LIMIT 1)',
    using_subquery => 'ALTER TABLE %s ALTER COLUMN amount TYPE text USING (SELECT passwd FROM pg_shadow LIMIT 1)',
    using_function => q{ALTER TABLE %s ALTER COLUMN amount TYPE text USING lo_export(1, '/tmp/x')::text},
    other_table => 'ALTER TABLE pg_catalog.pg_authid ADD COLUMN a text',
    other_schema => 'ALTER TABLE elsewhere.orders ADD COLUMN a text',
    own_type => 'ALTER TABLE %s ADD COLUMN a public.evil_type',
    comment_trick => 'ALTER TABLE %s ADD COLUMN a text /* */; -- */ GRANT ALL ON %s TO PUBLIC',
    unicode_quotes => "ALTER TABLE %s ADD COLUMN \x{201C}a\x{201D} text \x{037E} DROP TABLE %s",
    unicode_escape => q{ALTER TABLE U&"\0070g_authid" ADD COLUMN a text},
    right_to_left => "ALTER TABLE %s ADD COLUMN \"\x{202E}txet\" text",
    not_null => 'ALTER TABLE %s ADD COLUMN a text NOT NULL',
    check => 'ALTER TABLE %s ADD CONSTRAINT c CHECK (false)',
    trigger_off => 'ALTER TABLE %s DISABLE TRIGGER ALL',
    row_security_off => 'ALTER TABLE %s DISABLE ROW LEVEL SECURITY',
    set_schema => 'ALTER TABLE %s SET SCHEMA public',
    inherit => 'ALTER TABLE %s INHERIT pg_authid',
    narrow => 'ALTER TABLE %s ALTER COLUMN amount TYPE smallint',
    huge_ddl => 'ALTER TABLE %s ' . join(', ', map { "ADD COLUMN c$_ text" } 1 .. 13000),
);

sub message {
    my ($body, $content, $stop, %more) = @_;
    my $asked = length $json->encode([@$body{qw(system tools messages)}]);
    my %usage = (
        # About three bytes a token with the current tokenizer, and what tools add unseen.
        input_tokens => int($asked / 3) + 350, output_tokens => int(length($json->encode($content)) / 3) + 60,
        cache_creation_input_tokens => 0, cache_read_input_tokens => 0,
        cache_creation => { ephemeral_5m_input_tokens => 0, ephemeral_1h_input_tokens => 0 },
        output_tokens_details => { thinking_tokens => 60 }, server_tool_use => undef, service_tier => 'standard',
        inference_geo => 'global', speed => 'standard',
    );
    count_cache($body, \%usage);
    StandIn::Messages::issue($content);
    return StandIn::Http::json_reply(200, {
        id => sprintf('msg_%08x', rand 2**32), type => 'message', role => 'assistant', model => $body->{model},
        content => $content, stop_reason => $stop, stop_sequence => undef, stop_details => undef, container => undef,
        diagnostics => undef, usage => \%usage, %more,
    });
}

my %cached;    # prefix => when it was last used

sub count_cache {
    my ($body, $usage) = @_;
    return unless ref $body->{system} && grep { $_->{cache_control} } @{ $body->{system} };
    my $prefix = $json->encode([@$body{qw(model tools system)}]);
    my $tokens = int(length($prefix) / 3);
    return if $tokens < 512;
    my $hit = $cached{$prefix} && time - $cached{$prefix} < 300;
    $cached{$prefix} = time;
    $usage->{input_tokens} -= $tokens;
    $usage->{ $hit ? 'cache_read_input_tokens' : 'cache_creation_input_tokens' } = $tokens;
    $usage->{cache_creation}{ephemeral_5m_input_tokens} = $tokens unless $hit;
}

sub thinking {
    my ($body) = @_;
    return { type => 'thinking', thinking => '', signature => StandIn::Messages::signature($body, $body->{messages}, '') };
}

sub tool_use {
    my ($name, $input) = @_;
    return { type => 'tool_use', id => sprintf('toolu_%08x%08x', rand 2**32, rand 2**32), name => $name, input => $input,
        caller => { type => 'direct' } };
}

sub call {
    my ($body, $name, $input) = @_;
    return message($body, [thinking($body), tool_use($name, $input)], 'tool_use');
}

sub propose {
    my ($body, $ddl) = @_;
    my $case = StandIn::Engineer::case_of($body);
    my $table = $case ? StandIn::Engineer::table_of($case) : 'orders';
    $ddl =~ s/%s/$table/g;
    return call($body, 'propose_patch', { ddl => $ddl, field_map => [], rationale => 'As asked.' });
}

sub api_error {
    my ($status, $type, $message, $details, %headers) = @_;
    my %error = (type => $type, message => $message);
    $error{details} = $details if $details;
    return StandIn::Http::json_reply($status, { type => 'error', error => \%error }, %headers);
}

my %types = (400 => 'invalid_request_error', 401 => 'authentication_error', 402 => 'billing_error', 403 => 'permission_error',
    404 => 'not_found_error', 408 => 'timeout_error', 409 => 'conflict_error', 413 => 'request_too_large', 500 => 'api_error',
    503 => 'api_error', 504 => 'timeout_error', 529 => 'overloaded_error');

sub words { my ($text) = @_; return { type => 'text', text => $text } }
sub html { my ($status) = @_; return StandIn::Http::reply($status, "<html><body>$status Bad Gateway</body></html>", 'content-type' => 'text/html') }
sub good { my ($body) = @_; return call($body, StandIn::Engineer::answer($body)) }
sub with_manner { my ($reply, $manner, $slow) = @_; return { %$reply, manner => $manner, slow => $slow } }
sub with_body { my ($body, $text) = @_; return { %{ good($body) }, body => $text } }

my %replies = (
    good => \&good,
    give_up => sub { call($_[0], 'give_up', { reason => 'No allowed patch is right.' }) },
    # Throws every drifting field away.
    ignore => sub {
        my ($body) = @_;
        my %fields = map { ($_->{field} => 1) } grep { defined $_->{field} } @{ StandIn::Engineer::case_of($body)->{drift} };
        return call($body, 'propose_patch', { ddl => '', field_map => [map { { field => $_, column => undef } } sort keys %fields], rationale => 'Worthless.' });
    },
    prose => sub { message($_[0], [thinking($_[0]), words('You should widen the column to text.')], 'end_turn') },
    blank_text => sub { message($_[0], [words('')], 'end_turn') },
    empty => sub { message($_[0], [], 'end_turn') },
    parallel => sub { message($_[0], [thinking($_[0]), map { tool_use(StandIn::Engineer::answer($_[0])) } 1 .. 2], 'tool_use') },
    unknown_tool => sub { call($_[0], 'run_sql', { sql => 'DROP TABLE orders' }) },
    bad_input => sub { call($_[0], 'propose_patch', { ddl => 5, field_map => {}, rationale => undef }) },
    unknown_block => sub {
        my ($body) = @_;
        return message($body, [thinking($body), { type => 'mystery_block', payload => { a => [1, 'x'] } },
            tool_use(StandIn::Engineer::answer($body))], 'tool_use', mystery_field => { deep => [JSON::PP::true, undef] });
    },
    unknown_stop => sub { message($_[0], [words('...')], 'ran_out_of_coffee') },
    refusal => sub { message($_[0], [], 'refusal', stop_details => { type => 'refusal', category => 'cyber', explanation => undef }) },
    refusal_partial => sub { message($_[0], [words('Well, ALTER TA')], 'refusal', stop_details => { type => 'refusal', category => undef, explanation => undef }) },
    max_tokens => sub { message($_[0], [thinking($_[0]), tool_use('propose_patch', { ddl => 'ALTER TABLE orders AD' })], 'max_tokens') },
    pause_turn => sub { message($_[0], [words('Wait.')], 'pause_turn') },
    wrong_types => sub {
        return with_body($_[0], '{"type":"message","id":7,"model":[],"role":1,"stop_reason":"tool_use","content":['
            . '{"type":"tool_use","id":5,"name":{},"input":"x"},7,null,{"type":9}],"usage":{"input_tokens":"many","output_tokens":-4,"cache_creation":3}}');
    },
    deep => sub { with_body($_[0], '{"type":"message","content":' . '[' x 1_000_000) },
    truncated => sub { my $reply = good($_[0]); return { %$reply, body => substr $reply->{body}, 0, length($reply->{body}) / 2 } },
    cut_length => sub { with_manner(good($_[0]), 'cut_length') },
    html_200 => sub { html(200) },
    html_502 => sub { html(502) },
    redirect => sub { StandIn::Http::reply(302, '', location => 'http://127.0.0.1:9/v1/messages') },
    reset => sub { with_manner(good($_[0]), 'reset') },
    silence => sub { with_manner(good($_[0]), 'silence', 1) },
    drip => sub { with_manner(good($_[0]), 'drip', 1) },
    endless => sub { with_manner(good($_[0]), 'endless', 1) },
    huge => sub { with_body($_[0], '{"type":"message","content":[{"type":"text","text":"' . 'x' x (8 << 20) . '"}]}') },
    429 => sub { api_error(429, 'rate_limit_error', 'Number of requests has exceeded your rate limit') },
    spend_limit => sub { api_error(429, 'rate_limit_error', 'Spend limit reached', { error_code => 'enforced_spend_limit_reached' }) },
    no_retry => sub { api_error(500, 'api_error', 'Internal server error', undef, 'x-should-retry' => 'false') },
);

my @next_malicious;
our $seed = 1;
$replies{adversary} = sub {
    my ($body) = @_;
    my $turn = StandIn::Adversary::turn($seed, $body);
    return $replies{$turn}->($body) unless ref $turn;
    return message($body, [thinking($body), map { tool_use(@$_) } @$turn], 'tool_use');
};

sub make {
    my ($name, $body) = @_;
    return $replies{$name}->($body) if $replies{$name};
    return propose($body, $1) if $name =~ /^ddl:(.*)$/s;
    if ($name eq 'malicious') {
        @next_malicious = sort keys %malicious unless @next_malicious;
        return propose($body, $malicious{ shift @next_malicious });
    }
    return propose($body, $malicious{$1}) if $name =~ /^malicious:(\w+)$/ && $malicious{$1};
    my %limit = (retry_after => 'retry-after', retry_after_ms => 'retry-after-ms');
    return api_error(429, 'rate_limit_error', 'Slow down', undef, $limit{$1} => $2) if $name =~ /^429_(retry_after|retry_after_ms)=([\d.]+)$/;
    return api_error(429, 'rate_limit_error', 'Slow down', undef, 'retry-after' => strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(time + $1)))
        if $name =~ /^429_date=(\d+)$/;
    return api_error($name, $types{$name}, $name == 529 ? 'Overloaded' : "error $name") if $types{$name};
    die "no reply is called $name\n";
}

1;
