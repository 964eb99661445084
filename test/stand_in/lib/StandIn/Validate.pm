# Refuses what the Messages API refuses (version 2026-10-21). check() gives the decoded body, or a
# fault: [status, error type, message].
package StandIn::Validate;
use strict;
use warnings;
use JSON::PP;
use StandIn::Json qw(is_string is_integer is_bool is_object is_array);
use StandIn::Messages;
use StandIn::Schema;

my %models = map { $_ => 1 } qw(claude-fable-5-2 claude-mythos-5-2 claude-haiku-5-5 claude-sonnet-5-5 claude-fable-5-1
    claude-opus-5-5 claude-sonnet-5 claude-fable-5 claude-opus-5 claude-opus-4-8 claude-opus-4-7 claude-opus-4-6
    claude-sonnet-4-6 claude-haiku-4-5 claude-opus-4-5 claude-sonnet-4-5);
my $no_forced = qr/^claude-(?:opus-5-5|sonnet-5-5|fable-5-[12]|mythos-5-[12])$/;
my $no_effort = qr/^claude-(?:haiku|sonnet)-4-5/;
my %top = map { $_ => 1 } qw(model max_tokens messages system tools tool_choice thinking output_config stop_sequences stream
    metadata service_tier cache_control inference_geo speed container diagnostics);
my %sampling = map { $_ => 1 } qw(temperature top_p top_k);

sub bad { return [400, 'invalid_request_error', $_[0]] }

sub check {
    my ($request, @keys) = @_;
    my $fault = check_headers($request->{headers}, @keys);
    return (undef, $fault) if $fault;
    my $raw = $request->{body};
    my $body = eval { JSON::PP->new->utf8->decode($raw) };
    return (undef, bad("The request body is not valid JSON: $@")) if $@;
    my $escapes = $raw =~ s/\\\\/ /gr;    # a backslash of its own begins none
    return (undef, bad('The request body is not valid JSON: lone surrogate'))
        if $escapes =~ /\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])/ || $escapes =~ /(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]/;
    return (undef, bad('the body must be an object')) unless is_object($body);
    my $why = check_top($body) || check_tools($body) || check_choice($body) || check_system($body)
        || StandIn::Messages::check($body) || check_caching($body);
    return (undef, $why) if ref $why;
    return $why ? (undef, bad($why)) : ($body, undef);
}

sub check_headers {
    my ($headers, @keys) = @_;
    my ($bearer) = ($headers->{authorization} || '') =~ /^Bearer (.+)$/;
    my $given = defined $headers->{'x-api-key'} ? $headers->{'x-api-key'} : $bearer;
    return [401, 'authentication_error', 'x-api-key header is required'] unless defined $given;
    return [401, 'authentication_error', 'invalid x-api-key'] unless grep { $_ eq $given } @keys;
    my $version = $headers->{'anthropic-version'};
    return bad('anthropic-version: header is required') unless defined $version;
    return bad("anthropic-version: \"$version\" is not a valid version") if $version !~ /^(?:2026-10-21|2023-06-01)$/;
    return bad('content-type: must be application/json') if ($headers->{'content-type'} || '') !~ m{^application/json\b};
    return undef;
}

sub check_top {
    my ($body) = @_;
    for (qw(model max_tokens messages)) { return "$_: Field required" unless exists $body->{$_} }
    for (sort keys %$body) {
        return "$_: is not supported by this API version" if $sampling{$_};
        return "$_: Extra inputs are not permitted" unless $top{$_};
    }
    my $model = $body->{model};
    return 'model: Input should be a valid string' unless is_string($model);
    return [404, 'not_found_error', "model: $model"] unless $models{$model};
    my $max = $body->{max_tokens};
    return 'max_tokens: Input should be a valid integer' unless is_integer($max) && $max >= 1;
    return "max_tokens: $max > 128000, which is the maximum allowed number of output tokens for $model" if $max > 128000;
    return 'Streaming is required for operations that may take longer than 10 minutes' if $max > 21333;
    return check_output_config($body) || check_thinking($body);
}

sub check_output_config {
    my ($body) = @_;
    return undef unless exists $body->{output_config};
    my $config = $body->{output_config};
    return 'output_config: Input should be a valid dictionary' unless is_object($config);
    for (keys %$config) { return "output_config.$_: Extra inputs are not permitted" unless /^(?:effort|format)$/ }
    return undef unless exists $config->{effort};
    return "This model does not support the effort parameter." if $body->{model} =~ $no_effort;
    return "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'"
        unless is_string($config->{effort}) && $config->{effort} =~ /^(?:low|medium|high|xhigh|max)$/;
    return undef;
}

sub check_thinking {
    my ($body) = @_;
    return undef unless exists $body->{thinking};
    my $type = is_object($body->{thinking}) ? $body->{thinking}{type} : undef;
    return 'thinking.type: Field required' unless is_string($type);
    my $old = $body->{model} =~ /4-5$/;
    return 'adaptive thinking is not supported on this model' if $old && $type eq 'adaptive';
    return "\"thinking.type.$type\" is not supported for this model."
        unless $old || $type eq 'adaptive' || ($type eq 'disabled' && $body->{model} =~ /^claude-(?:haiku-5-5|opus-5|sonnet-5|opus-4-[678])$/);
    return undef;
}

sub check_tools {
    my ($body) = @_;
    return undef unless exists $body->{tools};
    return 'tools: Input should be a valid list' unless is_array($body->{tools});
    my (%seen, %count);
    for my $i (0 .. $#{ $body->{tools} }) {
        my $tool = $body->{tools}[$i];
        my $at = "tools.$i.custom";
        return "$at: Input should be a valid dictionary" unless is_object($tool);
        for (sort keys %$tool) {
            return "$at.$_: Extra inputs are not permitted"
                unless /^(?:name|input_schema|description|strict|cache_control|input_examples|defer_loading|allowed_callers|eager_input_streaming|type)$/;
        }
        for (qw(name input_schema)) { return "$at.$_: Field required" unless exists $tool->{$_} }
        return "$at.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}\$'"
            unless is_string($tool->{name}) && $tool->{name} =~ /^[a-zA-Z0-9_-]{1,128}$/;
        return 'tools: Tool names must be unique.' if $seen{ $tool->{name} }++;
        return "$at.description: Input should be a valid string" if exists $tool->{description} && !is_string($tool->{description});
        my $schema = $tool->{input_schema};
        return "$at.input_schema: Input should be a valid dictionary" unless is_object($schema);
        return "$at.input_schema.type: Input should be 'object'" unless is_string($schema->{type}) && $schema->{type} eq 'object';
        return "$at.input_schema does not support oneOf, allOf, or anyOf at the top level" if grep { exists $schema->{$_} } qw(oneOf allOf anyOf);
        return "$at.strict: Input should be a valid boolean" if exists $tool->{strict} && !is_bool($tool->{strict});
        next unless $tool->{strict};
        $count{strict}++;
        my $why = StandIn::Schema::check($schema, \%count);
        return "$at: $why" if $why;
    }
    return 'tools: too many strict tools' if ($count{strict} || 0) > 20;
    return 'tools: too many optional properties' if ($count{optional} || 0) > 24;
    return 'tools: too many union types' if ($count{unions} || 0) > 16;
    return undef;
}

sub check_choice {
    my ($body) = @_;
    return undef unless exists $body->{tool_choice};
    my $choice = $body->{tool_choice};
    return 'tool_choice: Input should be a valid dictionary' unless is_object($choice);
    return 'tool_choice: may only be specified while providing tools' unless @{ $body->{tools} || [] };
    my $type = $choice->{type};
    return "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'" unless is_string($type) && $type =~ /^(?:auto|any|tool|none)$/;
    for (keys %$choice) {
        return "tool_choice.$type.$_: Extra inputs are not permitted"
            unless $_ eq 'type' || ($_ eq 'disable_parallel_tool_use' && $type ne 'none') || ($_ eq 'name' && $type eq 'tool');
    }
    return 'tool_choice: type "tool" and "any" are not supported for this model.' if $type =~ /^(?:any|tool)$/ && $body->{model} =~ $no_forced;
    return "Tool '$choice->{name}' not found in provided tools" if $type eq 'tool' && !grep { $_->{name} eq $choice->{name} } @{ $body->{tools} };
    return undef;
}

sub check_system {
    my ($body) = @_;
    return undef unless exists $body->{system};
    my $system = $body->{system};
    return is_string($system) ? undef : 'system: Input should be a valid list' unless is_array($system);
    for my $i (0 .. $#$system) {
        my $block = $system->[$i];
        return "system.$i: Input should be a text block" unless is_object($block) && ($block->{type} || '') eq 'text';
        for (keys %$block) { return "system.$i.$_: Extra inputs are not permitted" unless /^(?:type|text|cache_control|citations)$/ }
        return 'system: text content blocks must be non-empty' unless is_string($block->{text}) && length $block->{text};
    }
    return undef;
}

sub check_caching {
    my ($body) = @_;
    my @marks;
    my $walk;
    $walk = sub {
        my ($value) = @_;
        if (is_array($value)) { $walk->($_) for @$value }
        return unless is_object($value);
        push @marks, $value->{cache_control} if exists $value->{cache_control};
        for (grep { !/^(?:cache_control|input|input_schema)$/ } keys %$value) { $walk->($value->{$_}) }
    };
    $walk->($body);
    return 'A maximum of 4 blocks with cache_control may be provided. Found ' . @marks . '.' if @marks > 4;
    for (@marks) {
        return "cache_control.type: Input should be 'ephemeral'" unless is_object($_) && ($_->{type} || '') eq 'ephemeral';
        return "cache_control.ttl: Input should be '5m' or '1h'" if exists $_->{ttl} && $_->{ttl} !~ /^(?:5m|1h)$/;
        for my $key (keys %$_) { return "cache_control.$key: Extra inputs are not permitted" unless $key =~ /^(?:type|ttl)$/ }
    }
    return undef;
}

1;
