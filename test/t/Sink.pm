# The stand-in of a webhook's server (test/stand_in/sink), started and asked.
package Sink;

use strict;
use warnings;
use FindBin;
use HTTP::Tiny;
use IPC::Open2;
use JSON::PP;

sub new
{
	my ($class) = @_;
	my $pid = open2(my $out, my $in, $^X, "$FindBin::RealBin/../stand_in/sink");
	chomp(my $port = <$out>);
	return bless { pid => $pid, in => $in, out => $out, url => "http://127.0.0.1:$port", http => HTTP::Tiny->new }, $class;
}

sub url { my ($self, $path) = @_; return $self->{url} . $path }

# What was posted to $path, bodies as they came.
sub posted
{
	my ($self, $path) = @_;
	my $reply = $self->{http}->get($self->url('/sink/requests'));
	return grep { $_->{path} eq $path } @{ decode_json($reply->{content}) };
}

sub script { my ($self, @statuses) = @_; $self->{http}->put($self->url('/sink/script'), { content => join "\n", @statuses }); return }
sub clear { my ($self) = @_; $self->{http}->put($self->url('/sink/clear')); return }

sub stop
{
	my ($self) = @_;
	close $self->{in};
	waitpid $self->{pid}, 0;
	return;
}

1;
