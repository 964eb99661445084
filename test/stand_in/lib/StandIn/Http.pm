# HTTP/1.1, as much as one client with one request a connection needs, and ways to do it badly.
package StandIn::Http;
use strict;
use warnings;
use IO::Select;
use JSON::PP;
use Socket qw(SOL_SOCKET SO_LINGER);

use constant { MAX_BODY => 32 << 20, READ_SECONDS => 10 };

my $json = JSON::PP->new->canonical->utf8;
my $serial = 0;

sub read_more {
    my ($client, $buffer) = @_;
    return 0 unless IO::Select->new($client)->can_read(READ_SECONDS);
    return sysread($client, $$buffer, 65536, length $$buffer);
}

# {method, path, headers (lower case), body}; undef when none comes.
sub read_request {
    my ($client) = @_;
    my $buffer = '';
    until ($buffer =~ /\r\n\r\n/) {
        return undef if length $buffer > 65536 || !read_more($client, \$buffer);
    }
    my ($head, $body) = split /\r\n\r\n/, $buffer, 2;
    my ($line, @lines) = split /\r\n/, $head;
    my ($method, $path) = $line =~ m{^([A-Z]+) (\S+) HTTP/1\.[01]$} or return undef;
    my %headers = map { /^([^:]+):\s*(.*?)\s*$/ ? (lc $1, $2) : () } @lines;
    my $length = $headers{'content-length'} || 0;
    return undef unless $length =~ /^\d{1,12}$/;
    my %request = (method => $method, path => $path, headers => \%headers);
    return { %request, body => '', too_large => 1 } if $length > MAX_BODY;
    while (length $body < $length) {
        return undef unless read_more($client, \$body);
    }
    return { %request, body => $body };
}

sub json_reply {
    my ($status, $value, %headers) = @_;
    my $id = sprintf 'req_%06d', ++$serial;
    $value->{request_id} = $id if ref $value eq 'HASH' && exists $value->{error};
    return reply($status, $json->encode($value), 'content-type' => 'application/json', 'request-id' => $id, %headers);
}

sub reply {
    my ($status, $body, %headers) = @_;
    return { status => $status, body => $body, headers => \%headers };
}

sub send_all {
    my ($client, $bytes) = @_;
    my $sent = 0;
    while ($sent < length $bytes) {
        my $count = syswrite($client, $bytes, length($bytes) - $sent, $sent);
        return 0 unless defined $count;
        $sent += $count;
    }
    return 1;
}

# manner: undef, reset (nothing is sent), silence, drip (a byte at a time), cut (half of the body),
# cut_length (the same, but announced in full)
sub send_reply {
    my ($client, $reply) = @_;
    my $manner = $reply->{manner} || '';
    if ($manner eq 'reset') {
        setsockopt($client, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
        return;
    }
    # Until the client goes.
    return IO::Select->new($client)->can_read(60) if $manner eq 'silence';
    my %headers = (%{ $reply->{headers} }, connection => 'close');
    $headers{'content-length'} = length $reply->{body} unless $manner eq 'endless';
    my $head = "HTTP/1.1 $reply->{status} Said\r\n" . join('', map { "$_: $headers{$_}\r\n" } sort keys %headers) . "\r\n";
    send_all($client, $head) or return;
    if ($manner eq 'drip') {
        for my $byte (split //, $reply->{body}) {
            send_all($client, $byte) or return;
            select(undef, undef, undef, 0.1);
        }
    } elsif ($manner eq 'cut_length') {
        send_all($client, substr $reply->{body}, 0, length($reply->{body}) / 2);
    } elsif ($manner eq 'endless') {
        for (1 .. 4096) { send_all($client, 'x' x 65536) or return }
    } else {
        send_all($client, $reply->{body});
    }
}

1;
