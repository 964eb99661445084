# AWS Signature Version 4, as the receiver checks it: written from AWS's description, and held to its published test vectors
# (test/stand_in/aws_vectors).
package StandIn::Aws;
use strict;
use warnings;
use Digest::SHA qw(sha256_hex hmac_sha256 hmac_sha256_hex);

# Everything but unreserved characters, and '/' where asked for.
sub encode {
    my ($text, $keep_slash) = @_;
    my $plain = $keep_slash ? qr{[^A-Za-z0-9\-._~/]} : qr{[^A-Za-z0-9\-._~]};
    $text =~ s/($plain)/sprintf '%%%02X', ord $1/ge;
    return $text;
}

sub canonical_query {
    my ($query) = @_;
    my @pairs = map { my ($name, $value) = split /=/, $_, 2; [$name, defined $value ? $value : ''] } split /&/, $query;
    return join '&', map { "$_->[0]=$_->[1]" } sort { $a->[0] cmp $b->[0] || $a->[1] cmp $b->[1] } @pairs;
}

# The signature of a request: {method, path (with its query, as sent), headers, body}.
sub signature {
    my ($request, $signed_headers, $secret, $date, $region, $service) = @_;
    my ($path, $query) = split /\?/, $request->{path}, 2;
    my $headers = join '', map {
        my $value = defined $request->{headers}{$_} ? $request->{headers}{$_} : return undef;
        $value =~ s/^\s+|\s+$//g;
        $value =~ s/ +/ /g;
        "$_:$value\n";
    } split /;/, $signed_headers;
    my $canonical = join "\n", $request->{method}, encode($path, 1), canonical_query(defined $query ? $query : ''), $headers, $signed_headers,
        sha256_hex($request->{body});
    my $day = substr $date, 0, 8;
    my $scope = "$day/$region/$service/aws4_request";
    my $key = hmac_sha256($day, "AWS4$secret");
    $key = hmac_sha256($_, $key) for $region, $service, 'aws4_request';
    return hmac_sha256_hex(join("\n", 'AWS4-HMAC-SHA256', $date, $scope, sha256_hex($canonical)), $key);
}

# Why a signed request is not accepted, as [status, type, message]; undef when it is. `keys`: [access, secret, session token].
sub check {
    my ($request, $keys, $service, $now) = @_;
    my $given = $request->{headers}{authorization} || '';
    my ($access, $day, $region, $for, $signed, $signature) =
        $given =~ m{^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$}
        or return [403, 'IncompleteSignatureException', 'Authorization header requires a signature'];
    my ($key) = grep { $_->[0] eq $access } @$keys;
    return [403, 'UnrecognizedClientException', 'The security token included in the request is invalid.'] unless $key;
    my $token = $request->{headers}{'x-amz-security-token'};
    return [403, 'ExpiredTokenException', 'The security token included in the request is expired']
        if ($key->[2] || '') ne (defined $token ? $token : '');
    my $date = $request->{headers}{'x-amz-date'} || '';
    return [403, 'InvalidSignatureException', 'Signature not yet current or expired']
        unless $date =~ /^${day}T(\d\d)(\d\d)(\d\d)Z$/ && abs(seconds_of($date) - $now) < 300;
    my %signed = map { $_ => 1 } split /;/, $signed;
    for my $name ('host', grep { /^x-amz-/ } keys %{ $request->{headers} }) {
        return [403, 'InvalidSignatureException', "$name must be signed"] unless $signed{$name};
    }
    return [403, 'InvalidSignatureException', "Credential should be scoped to correct service: '$service'"] if $for ne $service;
    my $right = signature($request, $signed, $key->[1], $date, $region, $for);
    return undef if defined $right && $right eq $signature;
    return [403, 'InvalidSignatureException', 'The request signature we calculated does not match the signature you provided.'];
}

sub seconds_of {
    my ($date) = @_;
    require Time::Local;
    my ($y, $m, $d, $h, $i, $s) = $date =~ /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;
    return Time::Local::timegm($s, $i, $h, $d, $m - 1, $y);
}

1;
