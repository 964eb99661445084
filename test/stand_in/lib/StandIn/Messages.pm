# The turns of a conversation: roles, blocks, order and ids of tool results, echoed thinking.
package StandIn::Messages;
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_base64);
use JSON::PP;
use StandIn::Json qw(is_string is_bool is_object is_array);

my $json = JSON::PP->new->canonical->utf8;
my $secret = join '', map { chr int rand 256 } 1 .. 32;
my %issued;    # tool_use id => the content that it came in, as canonical JSON

# Thinking is bound to the model and to everything before it.
sub signature {
    my ($body, $prior, $thinking) = @_;
    return hmac_sha256_base64($json->encode([$body->{model}, $body->{system}, $body->{tools}, $prior, $thinking]), $secret);
}

sub issue {
    my ($content) = @_;
    for (@$content) { $issued{ $_->{id} } = $json->encode($content) if $_->{type} eq 'tool_use' && is_string($_->{id}) }
}

my %blocks = (
    text => [qw(type text cache_control citations)],
    tool_use => [qw(type id name input caller toolset_name cache_control)],
    tool_result => [qw(type tool_use_id content is_error toolset_name cache_control)],
    thinking => [qw(type thinking signature)],
    redacted_thinking => [qw(type data)],
    mystery_block => [qw(type payload)],    # what replies call unknown
);

# undef, or why the messages are refused.
sub check {
    my ($body) = @_;
    my $messages = $body->{messages};
    return 'messages: Input should be a valid list' unless is_array($messages);
    return 'messages: at least one message is required' unless @$messages;
    for my $i (0 .. $#$messages) {
        my $why = check_message($messages->[$i], "messages.$i");
        return $why if $why;
    }
    return 'messages: first message must use the "user" role' if $messages->[0]{role} ne 'user';
    return 'This model does not support assistant message prefill. The conversation must end with a user message.'
        if $messages->[-1]{role} ne 'user';
    return check_thinking($body) || check_tool_turns(merge($messages));
}

sub check_message {
    my ($message, $at) = @_;
    return "$at: Input should be a valid dictionary" unless is_object($message);
    for (sort keys %$message) { return "$at.$_: Extra inputs are not permitted" unless /^(?:role|content)$/ }
    for (qw(role content)) { return "$at.$_: Field required" unless exists $message->{$_} }
    return "$at.role: Input should be 'user' or 'assistant'" unless is_string($message->{role}) && $message->{role} =~ /^(?:user|assistant)$/;
    my $content = $message->{content};
    if (is_string($content)) {
        return "$at: all messages must have non-empty content except for the optional final assistant message" unless length $content;
        return 'messages: text content blocks must contain non-whitespace text' unless $content =~ /\S/;
        return undef;
    }
    return "$at.content: Input should be a valid list" unless is_array($content);
    return "$at: all messages must have non-empty content except for the optional final assistant message" unless @$content;
    for my $j (0 .. $#$content) {
        my $why = check_block($content->[$j], "$at.content.$j", $message->{role});
        return $why if $why;
    }
    return undef;
}

sub check_block {
    my ($block, $at, $role) = @_;
    return "$at: Input should be a valid dictionary" unless is_object($block);
    my $type = $block->{type};
    return "$at: Input tag found using 'type' does not match any of the expected tags" unless is_string($type) && $blocks{$type};
    my %known = map { $_ => 1 } @{ $blocks{$type} };
    for (sort keys %$block) { return "$at.$type.$_: Extra inputs are not permitted" unless $known{$_} }
    if ($type eq 'text') {
        return "$at.text.text: Field required" unless is_string($block->{text});
        return 'messages: text content blocks must be non-empty' unless length $block->{text};
        return 'messages: text content blocks must contain non-whitespace text' unless $block->{text} =~ /\S/;
    } elsif ($type eq 'tool_use') {
        return "$at: `tool_use` blocks can only be in `assistant` messages" if $role ne 'assistant';
        return "$at.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+\$'" unless is_string($block->{id}) && $block->{id} =~ /^[a-zA-Z0-9_-]+$/;
        return "$at.tool_use.name: Field required" unless is_string($block->{name});
        return "$at.tool_use.input: Input should be a valid dictionary" unless is_object($block->{input});
    } elsif ($type eq 'tool_result') {
        return "$at: `tool_result` blocks can only be in `user` messages" if $role ne 'user';
        return "$at.tool_result.tool_use_id: Field required" unless is_string($block->{tool_use_id});
        return "$at.tool_result.is_error: Input should be a valid boolean" if exists $block->{is_error} && !is_bool($block->{is_error});
        return "$at.tool_result.content: Input should be a valid string"
            if exists $block->{content} && !is_string($block->{content}) && !is_array($block->{content});
    } elsif ($role ne 'assistant') {
        return "$at: `$type` blocks can only be in `assistant` messages";
    }
    return undef;
}

sub merge {
    my ($messages) = @_;
    my @turns;
    for my $message (@$messages) {
        my $content = is_array($message->{content}) ? $message->{content} : [{ type => 'text', text => $message->{content} }];
        push @turns, { role => $message->{role}, content => [] } if !@turns || $turns[-1]{role} ne $message->{role};
        push @{ $turns[-1]{content} }, @$content;
    }
    return \@turns;
}

sub check_tool_turns {
    my ($turns) = @_;
    my (%used, @open);
    for my $i (0 .. $#$turns) {
        my ($role, $content) = @{ $turns->[$i] }{qw(role content)};
        my %wanted = map { $_ => 1 } @open;
        my (%answered, $words);
        for my $j (0 .. $#$content) {
            my $block = $content->[$j];
            $words = 1 if $block->{type} eq 'text';
            next unless $block->{type} eq 'tool_result';
            my $id = $block->{tool_use_id};
            return "messages.$i.content.$j: unexpected `tool_use_id` found in `tool_result` blocks: $id. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                unless $wanted{$id};
            return "messages.$i: each tool_use must have a single result. Found multiple `tool_result` blocks with id: $id" if $answered{$id}++;
            delete $answered{$id} if $words;    # results lead the message
        }
        my @missing = grep { !$answered{$_} } @open;
        return "messages." . ($i - 1) . ": `tool_use` ids were found without `tool_result` blocks immediately after: @missing. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            if @missing;
        @open = map { $_->{id} } grep { $_->{type} eq 'tool_use' } @$content;
        for (@open) { return 'messages: `tool_use` ids must be unique' if $used{$_}++ }
    }
    return undef;
}

sub check_thinking {
    my ($body) = @_;
    my $messages = $body->{messages};
    for my $i (0 .. $#$messages) {
        my ($role, $content) = @{ $messages->[$i] }{qw(role content)};
        next unless $role eq 'assistant' && is_array($content);
        my @prior = @$messages[0 .. $i - 1];
        for my $j (0 .. $#$content) {
            my $block = $content->[$j];
            my $at = "messages.$i.content.$j";
            if ($block->{type} eq 'thinking') {
                return "$at: Invalid `signature` in `thinking` block" unless is_string($block->{signature});
                return "$at: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. The block is bound to a different conversation."
                    if $block->{signature} ne signature($body, \@prior, $block->{thinking});
            } elsif ($block->{type} eq 'tool_use' && exists $issued{ $block->{id} }) {
                return "$at: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified."
                    if $issued{ $block->{id} } ne $json->encode($content);
            }
        }
    }
    return undef;
}

1;
