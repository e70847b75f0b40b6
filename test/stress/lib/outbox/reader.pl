# test/stress/lib/outbox/reader.pl NAME LOG STOP [doomed]: leases messages of all destinations and acknowledges them, until the file
# STOP is there and nothing waits.
#
# LOG gets a line for each message and each answer as soon as it is known, with the machine's own clock. A reader that is doomed
# now and then loses its client while it holds a lease: killed, ended by the server, or killed with half of its acknowledgements
# in an open transaction. Then it goes on with a new one, and comes back to what it had as one does who was slow, not dead: with
# the old tokens, when somebody else has the messages.

use strict;
use warnings;

use IPC::Open3;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC sleep time);

my ($name, $log_file, $stop, $doomed) = @ARGV;
my @destinations = qw(all home digest);
my @ways = qw(kill terminate half);
my ($client, %lost, $deaths);

open my $log, '>', $log_file or die "$log_file: $!\n";
$log->autoflush;
$SIG{PIPE} = 'IGNORE';

sub note { my (@values) = @_; print $log join('|', clock_gettime(CLOCK_MONOTONIC), $name, map { $_ // '' } @values), "\n"; return; }

# psql that says where its answers end
sub connect_client
{
	my $pid = open3(my $in, my $out, undef, 'sh', '-c', "exec psql -X -q -A -t -v ON_ERROR_STOP=1 2>>$log_file.err");

	$client = { pid => $pid, in => $in, out => $out };
	($client->{backend}) = ask('set client_min_messages = warning; select pg_backend_pid();');
	return;
}

# undef: the client is gone
sub ask
{
	my ($sql) = @_;
	my @rows;

	print { $client->{in} } "$sql\n\\echo :end:\n";
	$client->{in}->flush;
	while (defined(my $row = readline $client->{out}))
	{
		chomp $row;
		return @rows if $row eq ':end:';
		push @rows, $row;
	}
	die "$name: the client has gone: ", do { local (@ARGV, $/) = "$log_file.err"; <> } if !$client->{dying};
	return;
}

sub lease
{
	my ($destination, $for) = @_;
	my @rows = ask("select l.id, l.token, l.attempt, m.event ->> 'id', m.event ->> 'subject', m.event ->> 'sequence', l.payload ->> 'for', md5((m.event -> 'data')::text)
		from handoff.lease('$destination', 20, '$for', '$name') l
		cross join lateral jsonb_array_elements(case when l.type = 'handoff.digest' then l.payload -> 'messages'
			else jsonb_build_array(handoff.cloudevent(l.id, l.type, l.lead_key, l.created_at, l.payload, l.sequence, l.expires_at)) end) m (event);");
	my %token;

	foreach my $row (@rows)
	{
		my ($id, $token, @rest) = split /\|/, $row, -1;
		note('got', $destination, $id, $token, @rest, undef);
		$token{$id} = $token;
	}
	return \%token;
}

sub call
{
	my ($what, $destination, $id, $token) = @_;
	my $more = $what eq 'nack' ? q(, 'busy', '0') : '';

	return "select handoff.$what('$destination', '$id', '$token'$more);";
}

sub answered
{
	my ($what, $destination, $id, $token, $answer) = @_;
	return note($what, $destination, $id, $token, (undef) x 6, $answer);
}

sub work_off
{
	my ($destination, $token) = @_;
	my @calls;

	foreach my $id (keys %$token)
	{
		my $dice = rand;
		push @calls, [ 'extend', $destination, $id, $token->{$id} ] if $dice < 0.1;
		push @calls, [ $dice > 0.95 ? 'nack' : 'ack', $destination, $id, $token->{$id} ];
	}
	my @answers = ask(join ' ', map { call(@$_) } @calls);
	answered(@{ $calls[$_] }, $answers[$_]) foreach 0 .. $#calls;
	return;
}

sub lose_client
{
	my ($destination, $token) = @_;
	my $way = $ways[ $deaths++ % @ways ];
	my @ids = keys %$token;

	$client->{dying} = 1;
	ask('begin; ' . join ' ', map { call('ack', $destination, $_, $token->{$_}) } @ids[ 0 .. $#ids / 2 ]) if $way eq 'half';
	if ($way eq 'terminate')
	{
		system('psql', '-X', '-q', '-A', '-t', '-o', '/dev/null', '-c', "select pg_terminate_backend($client->{backend}, 10000)") == 0 or die "$name: can't end the backend\n";
		ask('select 1;');
	}
	kill 'KILL', $client->{pid};
	waitpid $client->{pid}, 0;
	answered('lost', $destination, $_, $token->{$_}, undef) foreach @ids;
	$lost{ $token->{$_} } = [ $destination, $_ ] foreach @ids;
	connect_client();
	return;
}

# What somebody else has by now.
sub come_back
{
	return if !%lost;
	my $tokens = join ',', keys %lost;
	my @gone = ask("select t from unnest('{$tokens}'::uuid[]) t where not exists (select from handoff.delivery d where d.token = t);");

	foreach my $token (@gone)
	{
		my ($destination, $id) = @{ delete $lost{$token} };
		my @calls = map { [ $_, $destination, $id, $token ] } qw(extend nack ack);
		my @answers = ask(join ' ', map { call(@$_) } @calls);
		answered('stale', @{ $calls[$_] }[ 1 .. 3 ], $answers[$_]) foreach 0 .. $#calls;
	}
	return;
}

connect_client();
my $turns = 0;
my $give_up;
while (1)
{
	my $destination = $destinations[ $turns % @destinations ];
	my $doom = $doomed && $turns % 5 == 4 && !-e $stop;
	my $token = lease($destination, $doom ? '1 second' : '10 minutes');

	if (!%$token)
	{
		last if -e $stop && !grep { $_ > 0 } ask(q(select count(*) from handoff.delivery where state in ('pending', 'leased');));
		sleep 0.02;
	}
	elsif ($doom) { lose_client($destination, $token); }
	else { sleep rand 0.02 if !-e $stop; work_off($destination, $token); }
	come_back() if $turns % 7 == 0;
	$turns++ if %$token || !$doom;
	$give_up //= time + 120 if -e $stop;
	die "$name: something is never given out\n" if defined $give_up && time > $give_up;
}
come_back();
close $client->{in};
waitpid $client->{pid}, 0;
exit $? >> 8;
