# What strict tool use takes of JSON Schema. check() returns why a schema is refused, or nothing.
package StandIn::Schema;
use strict;
use warnings;
use StandIn::Json qw(is_string is_integer is_bool is_object is_array);

my %known = map { $_ => 1 } qw(type properties required additionalProperties items anyOf allOf enum const description title
    default $ref $defs definitions format pattern minItems);
my %types = map { $_ => 1 } qw(object array string integer number boolean null);
my %formats = map { $_ => 1 } qw(date-time time date duration email hostname uri ipv4 ipv6 uuid);

sub check {
    my ($schema, $count) = @_;
    return 'JSON schema is invalid' unless is_object($schema);
    my $type = $schema->{type};
    my $shown = is_array($type) ? join('|', @$type) : defined $type ? $type : 'any';
    for my $key (sort keys %$schema) {
        return "For '$shown' type, property '$key' is not supported" unless $known{$key};
    }
    return "JSON schema is invalid: unknown type" if grep { !$types{$_} } is_array($type) ? @$type : defined $type ? $type : ();
    return 'a schema needs a type, anyOf, enum, const or $ref'
        unless grep { exists $schema->{$_} } qw(type anyOf allOf enum const $ref);
    $count->{unions}++ if is_array($type) || $schema->{anyOf};
    return "For 'string' type, format '$schema->{format}' is not supported" if exists $schema->{format} && !$formats{ $schema->{format} };
    return "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
        if exists $schema->{minItems} && $schema->{minItems} !~ /^[01]$/;
    for my $part (@{ $schema->{anyOf} || [] }, @{ $schema->{allOf} || [] }, exists $schema->{items} ? $schema->{items} : ()) {
        my $why = check($part, $count);
        return $why if $why;
    }
    return $shown eq 'object' ? check_object($schema, $count) : undef;
}

sub check_object {
    my ($schema, $count) = @_;
    my $additional = $schema->{additionalProperties};
    return "For 'object' type, 'additionalProperties' must be explicitly set to false" if !is_bool($additional) || $additional;
    my $properties = $schema->{properties} || {};
    return 'JSON schema is invalid: properties' unless is_object($properties);
    my %required = map { $_ => 1 } @{ $schema->{required} || [] };
    for my $name (sort keys %required) {
        return "required property '$name' is not defined" unless exists $properties->{$name};
    }
    for my $name (sort keys %$properties) {
        return "Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}\$'" unless $name =~ /^[a-zA-Z0-9_.-]{1,64}$/;
        $count->{optional}++ unless $required{$name};
        my $why = check($properties->{$name}, $count);
        return $why if $why;
    }
    return undef;
}

1;
