# The cloud platforms that offer Claude, as strict as they are known to be (doc/providers.md): each takes a request of its own
# form, or refuses it with an error of its own form. canonical() gives the request as the Messages API would have it.
package StandIn::Provider;
use strict;
use warnings;
use JSON::PP;
use StandIn::Aws;
use StandIn::Http;

my $json = JSON::PP->new->canonical->utf8;

# What each is: where the model stands, what version it wants, what it does not take.
my %providers = (
    bedrock => {
        path => qr{^/model/([^/]+)/invoke$}, body_version => qr/^(?:bedrock-2023-05-31|2026-10-21)$/, service => 'bedrock',
        forbidden => [qw(model stream output_config)], model => qr/^(?:arn:.*\/)?(?:(?:us|eu|apac|jp|au|global)\.)?anthropic\.(.+)$/,
    },
    mantle => {
        path => qr{^/anthropic/v1/messages$}, header_version => qr/^(?:2023-06-01|2026-10-21)$/, service => 'bedrock-mantle',
        forbidden => [qw(anthropic_version output_config)], no_strict => 1, model => qr/^(?:(?:us|eu|apac|jp|au|global)\.)?anthropic\.(.+)$/,
    },
    vertex => {
        path => qr{^(?:/v1)?/projects/[a-z0-9\-]+/locations/[a-z0-9\-]+/publishers/anthropic/models/([^/]+):rawPredict$},
        body_version => qr/^(?:vertex-2023-10-16|2026-10-21)$/, forbidden => [qw(model output_config)], no_strict => 1, model => qr/^(.+)$/,
    },
    foundry => {
        path => qr{^/anthropic/v1/messages$}, header_version => qr/^(?:2023-06-01|2026-10-21)$/,
        forbidden => [qw(anthropic_version output_config)], no_strict => 1, model => qr/^(.+)$/,
    },
);

sub known { return exists $providers{ $_[0] } }

# An error in the form of the provider.
sub error {
    my ($provider, $status, $type, $message) = @_;
    if ($provider eq 'bedrock') {
        my %types = (400 => 'ValidationException', 401 => 'UnrecognizedClientException', 403 => 'AccessDeniedException',
            404 => 'ResourceNotFoundException', 408 => 'ModelTimeoutException', 424 => 'ModelErrorException', 429 => 'ThrottlingException',
            500 => 'InternalServerException', 503 => 'ServiceUnavailableException');
        my $name = $type =~ /Exception$/ ? $type : $types{$status} || 'InternalServerException';
        return StandIn::Http::json_reply($status, { message => $message },
            'x-amzn-errortype' => "$name:http://internal.amazon.com/coral/com.amazon.bedrock/", 'x-amzn-requestid' => 'aws-' . int rand 1e9);
    }
    if ($provider eq 'vertex') {
        my %codes = (400 => 'INVALID_ARGUMENT', 401 => 'UNAUTHENTICATED', 403 => 'PERMISSION_DENIED', 404 => 'NOT_FOUND',
            429 => 'RESOURCE_EXHAUSTED', 500 => 'INTERNAL', 503 => 'UNAVAILABLE');
        return StandIn::Http::json_reply($status, { error => { code => $status, message => $message, status => $codes{$status} || 'UNKNOWN' } });
    }
    if ($provider eq 'foundry' && $type =~ /authentication|permission/) {
        return StandIn::Http::json_reply($status, { statusCode => $status, message => $message }, 'apim-request-id' => 'apim-' . int rand 1e9);
    }
    if ($provider eq 'foundry') {
        return StandIn::Http::json_reply($status, { error => { code => $type, message => $message, details => $message } }, 'apim-request-id' => 'apim-' . int rand 1e9);
    }
    return StandIn::Http::json_reply($status, { type => 'error', error => { type => $type, message => $message } });
}

# Bearer tokens and keys; `keys` are those that are good now.
sub check_key {
    my ($name, $request, $keys) = @_;
    my $headers = $request->{headers};
    my ($bearer) = ($headers->{authorization} || '') =~ /^Bearer (.+)$/;
    return [401, 'authentication_error', 'x-api-key is not taken here'] if $name eq 'vertex' && defined $headers->{'x-api-key'};
    my $given = $name eq 'vertex' || $name eq 'bedrock' ? $bearer : defined $headers->{'x-api-key'} ? $headers->{'x-api-key'} : $bearer;
    return [401, 'authentication_error', 'Access token is missing, invalid or expired'] unless defined $given && grep { $_ eq $given } @$keys;
    return undef;
}

# (request of the Messages API, undef), or (undef, [status, type, message]).
sub canonical {
    my ($name, $request, $keys, $aws_keys, $deployments) = @_;
    my $provider = $providers{$name};
    my $raw = $request->{path};
    return (undef, [404, 'not_found_error', 'Not Found']) unless $raw =~ s/\?.*//r =~ $provider->{path};
    my $model = $1;
    my $signs = defined $provider->{service} && ($request->{headers}{authorization} || '') =~ /^AWS4/;
    my $fault = $signs ? StandIn::Aws::check($request, $aws_keys, $provider->{service}, time) : check_key($name, $request, $keys);
    return (undef, $fault) if $fault;
    my $body = eval { JSON::PP->new->utf8->decode($request->{body}) };
    return (undef, [400, 'invalid_request_error', 'The request body is not valid JSON']) unless ref $body eq 'HASH';
    for (@{ $provider->{forbidden} }) {
        return (undef, [400, 'invalid_request_error', "$_: Extra inputs are not permitted"]) if exists $body->{$_};
    }
    if ($provider->{body_version}) {
        return (undef, [400, 'invalid_request_error', 'anthropic_version: Field required']) unless defined $body->{anthropic_version};
        return (undef, [400, 'invalid_request_error', 'anthropic_version: not a valid version']) unless delete($body->{anthropic_version}) =~ $provider->{body_version};
        return (undef, [400, 'invalid_request_error', 'anthropic-version: is not read here']) if defined $request->{headers}{'anthropic-version'};
    } elsif (($request->{headers}{'anthropic-version'} || '') !~ $provider->{header_version}) {
        return (undef, [400, 'invalid_request_error', 'anthropic-version: header is required']);
    }
    if ($provider->{no_strict} && grep { ref $_ eq 'HASH' && exists $_->{strict} } @{ $body->{tools} || [] }) {
        return (undef, [400, 'invalid_request_error', 'tools.0.custom.strict: Extra inputs are not permitted']);
    }
    $model = $body->{model} unless defined $model;
    $model =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    my ($plain) = $model =~ $provider->{model} or return (undef, [400, 'invalid_request_error', 'The provided model identifier is invalid.']);
    $plain =~ s/-v\d+(?::\d+)?$// if $name eq 'bedrock' || $name eq 'mantle';
    $plain =~ s/@.*//;
    $plain = $deployments->{$plain} if exists $deployments->{$plain};
    $plain =~ s/-\d{8}$//;
    $body->{model} = $plain;
    return ({ %$request, path => '/v1/messages', body => $json->encode($body),
              headers => { %{ $request->{headers} }, 'x-api-key' => $keys->[0], 'anthropic-version' => '2026-10-21' } }, undef);
}

# The metadata services for AWS credentials. `keys`: [access, secret, session token], of which the last is handed out.
my $session;
sub metadata {
    my ($request, $keys, $token) = @_;
    my ($method, $path, $headers) = @$request{qw(method path headers)};
    my ($access, $secret, $session_token) = @{ $keys->[-1] };
    my $answer = { Code => 'Success', AccessKeyId => $access, SecretAccessKey => $secret, Token => $session_token,
        Expiration => POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 3600)) };
    if ($path eq '/container/credentials') {
        return StandIn::Http::reply(401, 'no token') if ($headers->{authorization} || '') ne $token;
        return StandIn::Http::json_reply(200, $answer);
    }
    if ($path eq '/latest/api/token') {
        return StandIn::Http::reply(405, '') if $method ne 'PUT';
        return StandIn::Http::reply(400, '') unless ($headers->{'x-aws-ec2-metadata-token-ttl-seconds'} || '') =~ /^[1-9]\d{0,4}$/;
        $session = 'session-' . int rand 1e9;
        return StandIn::Http::reply(200, $session, 'content-type' => 'text/plain');
    }
    return undef unless $path =~ m{^/latest/meta-data/iam/security-credentials/(.*)$};
    my $role = $1;
    return StandIn::Http::reply(401, '') unless defined $session && ($headers->{'x-aws-ec2-metadata-token'} || '') eq $session;
    return StandIn::Http::reply(200, 'mend-role', 'content-type' => 'text/plain') if $role eq '';
    return StandIn::Http::reply(404, '') if $role ne 'mend-role';
    return StandIn::Http::json_reply(200, $answer);
}

1;
