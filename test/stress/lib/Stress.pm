# test/stress/lib/Stress.pm: what the parts in Perl share: a line for each thing they tried, and psql in the database that the environment names.

package Stress;

use strict;
use warnings;

use Exporter 'import';
use IPC::Open3;

our @EXPORT = qw(verdict psql none begin end);

# A verdict is a line, or whatever a test makes of it.
our $judge = sub {
	my ($good, $what, $why) = @_;

	print(($good ? 'ok' : 'not ok'), " - $what\n");
	print map { "#   $_\n" } split /\n/, $why if !$good && defined $why;
	return $good;
};

sub verdict { return $judge->(@_); }

# A session that works off its SQL by itself; end() has its answer.
sub begin
{
	my ($sql) = @_;
	my $pid = open3(my $in, my $out, undef, qw(psql -X -q -A -t -v ON_ERROR_STOP=1));

	print $in "set client_min_messages = warning;\n$sql;\n";
	close $in;
	return { pid => $pid, out => $out };
}

# Of any process: has it ended well, and what has it said?
sub end
{
	my ($client) = @_;
	my $out = $client->{out};
	my $answer = do { local $/; <$out> } // '';

	waitpid $client->{pid}, 0;
	chomp $answer;
	return ($? == 0, $answer);
}

sub psql
{
	my ($good, $answer) = end(begin($_[0]));

	die "psql: $answer\n" if !$good;
	return $answer;
}

# nothing comes back: the thing is so
sub none { my ($what, $sql) = @_; my $rows = psql("$sql limit 10"); return verdict($rows eq '', $what, $rows); }

1;
