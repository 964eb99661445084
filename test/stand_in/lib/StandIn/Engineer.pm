# Answers a request as a good engineer would: from the shape, drift and policy in its marked block.
package StandIn::Engineer;
use strict;
use warnings;
use JSON::PP;

# The case of a request: what stands between the marks in the first user turn.
sub case_of {
    my ($body) = @_;
    my $content = $body->{messages}[0]{content};
    my $text = ref $content ? join('', map { $_->{text} || '' } @$content) : $content;
    my ($data) = $text =~ m{<untrusted_data>\s*(.*?)\s*</untrusted_data>}s or return undef;
    return eval { JSON::PP->new->decode($data) };
}

sub quoted { my ($name) = @_; $name =~ s/"/""/g; return qq("$name") }
sub table_of { my ($case) = @_; return quoted($case->{table}{schema}) . '.' . quoted($case->{table}{name}) }
sub snake { my ($name) = @_; $name =~ s/([a-z0-9])([A-Z])/$1_$2/g; $name =~ s/[^A-Za-z0-9]+/_/g; return lc $name }

# DDL that was refused in this conversation.
sub refused {
    my ($body) = @_;
    my (%by_id, %refused);
    for my $block (map { ref $_->{content} ? @{ $_->{content} } : () } @{ $body->{messages} }) {
        $by_id{ $block->{id} } = $block->{input}{ddl} if $block->{type} eq 'tool_use';
        $refused{ $by_id{ $block->{tool_use_id} } || '' } = 1 if $block->{type} eq 'tool_result' && $block->{is_error} && $block->{content} =~ /^Refused/;
    }
    return \%refused;
}

sub type_for_new {
    my ($seen) = @_;
    my @kinds = grep { $seen->{$_} && !/^(?:absent|null|digits|scale|bits|length)$/ } sort keys %$seen;
    return 'jsonb' if grep { /^(?:objects|arrays)$/ } @kinds;
    return 'boolean' if "@kinds" eq 'booleans';
    return ($seen->{bits} ? 'bigint' : 'numeric') if "@kinds" eq 'integers';
    return 'numeric' if @kinds && !grep { !/^(?:integers|fractions)$/ } @kinds;
    return 'timestamptz' if "@kinds" eq 'text_timestamptz';
    return 'text';
}

sub type_for_wider {
    my ($seen) = @_;
    return 'text' if grep { /^text_(?!integer$|number$)/ || $_ eq 'booleans' } keys %$seen;
    return 'numeric' if $seen->{fractions} || $seen->{text_number} || exists $seen->{bits} && !$seen->{bits};
    return ($seen->{bits} || 0) == 64 ? 'bigint' : 'numeric';
}

# Names that share a word, or of which one begins or ends with the other.
sub alike {
    my ($one, $other) = map { snake($_) } @_;
    return 1 if index($one, $other) >= 0 || index($other, $one) >= 0;
    my %words = map { $_ => 1 } grep { length > 2 } split /_/, $one;
    return scalar grep { $words{$_} } split /_/, $other;
}

# (tool name, input)
sub answer {
    my ($body) = @_;
    my $case = case_of($body) or return (give_up => { reason => 'There is no case in the request.' });
    my %allow = map { $_ => 1 } @{ $case->{policy}{allow} };
    my %leave = map { $_ => 1 } @{ $case->{policy}{leave_alone} || [] };
    my (@actions, @map, @why, %mapped, %filled, @stuck);
    for my $rename (@{ $case->{rename_candidates} || [] }) {
        my ($field, $column) = @$rename{qw(field column)};
        next if !$allow{map_field} || !$rename->{fits} || $mapped{$field} || $filled{$column} || $leave{$field};
        next unless alike($field, $column);
        push @map, { field => $field, column => $column };
        push @why, "$field is $column renamed";
        $mapped{$field} = $filled{$column} = 1;
    }
    my %widened;
    for my $drift (@{ $case->{drift} }) {
        my ($field, $column, $kind, $seen) = @$drift{qw(field column kind seen)};
        next if $leave{ $field || '' } || $leave{ $column || '' } || $mapped{ $field || '' };
        if ($kind eq 'new_field') {
            if (!$allow{add_column}) { push @stuck, "add_column for $field"; next }
            my $name = snake($field);
            push @actions, 'ADD COLUMN ' . quoted($name) . ' ' . type_for_new($seen);
            push @map, { field => $field, column => $name } if $name ne $field;
            push @why, "$field is new";
        } elsif ($kind eq 'missing_required') {
            next if $filled{$column};
            if (!$allow{drop_not_null}) { push @stuck, "drop_not_null for $column"; next }
            push @actions, 'ALTER COLUMN ' . quoted($column) . ' DROP NOT NULL';
            push @why, "$column is not always known";
        } else {
            if (!$allow{widen_type}) { push @stuck, "widen_type for $column"; next }
            next if $widened{$column}++;
            push @actions, 'ALTER COLUMN ' . quoted($column) . ' TYPE ' . type_for_wider($seen);
            push @why, "$column brings other values";
        }
    }
    my $ddl = @actions ? 'ALTER TABLE ' . table_of($case) . ' ' . join(', ', @actions) : '';
    return (give_up => { reason => 'The same patch was refused before.' }) if (@actions || @map) && refused($body)->{$ddl};
    return (give_up => { reason => 'Not allowed, but needed: ' . join(', ', @stuck) . '.' }) unless @actions || @map;
    return (propose_patch => { ddl => $ddl, field_map => \@map, rationale => join('; ', @why) . '.' });
}

1;
