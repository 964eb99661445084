# What kind a decoded JSON value is.
package StandIn::Json;
use strict;
use warnings;
use B ();
use Exporter 'import';
use JSON::PP ();
our @EXPORT_OK = qw(is_string is_integer is_bool is_object is_array is_null);

sub is_bool { return JSON::PP::is_bool($_[0]) }
sub is_object { return ref $_[0] eq 'HASH' }
sub is_array { return ref $_[0] eq 'ARRAY' }
sub is_null { return !defined $_[0] }

sub is_number {
    my ($value) = @_;
    return 0 if !defined $value || ref $value;
    my $flags = B::svref_2object(\$value)->FLAGS;
    return ($flags & (B::SVf_IOK | B::SVf_NOK)) && !($flags & B::SVf_POK);
}
sub is_integer { my ($value) = @_; return is_number($value) && $value == int $value }
sub is_string { my ($value) = @_; return defined $value && !ref $value && !is_number($value) }

1;
