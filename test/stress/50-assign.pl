# test/stress/50-assign.pl: 32 clients on one pool, on one that is full, and on 40 pools with shared reps, while capacities
# change, people leave and return, the CRM names other owners and reps say what they think of their leads.
#
# An idle transaction that has inserted a lead is open all the time. What is asked of it all: no client fails, no pick goes past a
# capacity or to somebody who has left, nobody waits long and nobody for the idle one, no deadlock; and when
# everything has been drained: no lead is lost, none waits where there is room, shares are fair.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Stress;
use IPC::Open3;
use Time::HiRes qw(time sleep);

my $seconds = int(20 * ($ENV{LH_STRESS_SCALE} // 1)) || 1;
my $clients = 32;

# Clients ---------------------------------------------------------------------------------------------

# file and how often, of 100
sub scripts
{
	my ($low, $high) = @_;
	my %script = (
		one => [ 44, "select stress.come($low, $high, 1)" ],
		bulk => [ 4, "select stress.come($low, $high, 30)" ],
		two => [ 4, "begin;\nselect stress.come($low, $high, 1);\nselect stress.come($low, $high, 2);\ncommit" ],
		work => [ 22, join ";\n", ("select stress.work($low, $high, '{ok,later,later,junk,not_mine}')") x 3 ],
		owner => [ 10, 'select stress.new_owner()' ],
		capacity => [ 4, 'select stress.new_capacity()' ],
		limits => [ 3, 'select stress.new_limits()' ],
		people => [ 3, 'select stress.come_and_go()' ],
		tick => [ 6, 'select handoff.tick()' ],);
	my @args;

	foreach my $name (sort keys %script)
	{
		my $file = "/tmp/lead_handoff.$$.$name.sql";
		open my $out, '>', $file or die "$file: $!\n";
		print $out $script{$name}[1], ";\n";
		close $out or die "$file: $!\n";
		push @args, '-f', "$file\@$script{$name}[0]";
	}
	return @args;
}

# psql with a transaction that stays open; returns its handle and its backend
sub open_idle
{
	my ($pool) = @_;
	my $pid = open3(my $in, my $out, undef, qw(psql -X -q -A -t -v ON_ERROR_STOP=1));

	print $in "begin;\ninsert into stress.lead values ('idle-$pool', '$pool', null, clock_timestamp());\nselect pg_backend_pid();\n";
	$in->flush;
	my $backend = <$out>;
	chomp $backend;
	return { pid => $pid, in => $in, out => $out, backend => $backend };
}

sub close_idle
{
	my ($idle) = @_;

	print { $idle->{in} } "commit;\n";
	close $idle->{in};
	waitpid $idle->{pid}, 0;
	return $? == 0;
}

# Ticks until nothing is left that a tick could do.
sub drain
{
	for my $n (1 .. 200)
	{
		my ($claimed, $waiting, $busy) = split /\|/, psql(q(select claimed, waiting from handoff.tick() \gset
			select :claimed, :waiting, (select count(*) from handoff.handoff where closed_at is null and unassigned_reason = 'pool_busy')));

		return $n if $n > 2 && $claimed == 0 && $waiting == 0 && $busy == 0;
	}
	return 0;
}

my $counts = 'select (select last_value from stress.id), (select count(*) from handoff.assignment where pool is not null)';

sub run_clients
{
	my ($name, $low, $high) = @_;
	my $pool = psql("select pool from stress.pool where n = $low");
	my $idle = open_idle($pool);
	my ($leads, $picks) = split /\|/, psql($counts);

	# someone looks on from the first second to the last
	my $watch = open3(my $watch_in, my $watch_out, undef, qw(psql -X -q), '-c', 'truncate stress.waits, stress.looks', '-c', "call stress.watch($seconds, $idle->{backend})");
	my $pid = open3(my $in, my $out, undef, 'pgbench', '-n', '-c', $clients, '-j', 2, '-T', $seconds, '--random-seed', $ENV{LH_SEED} // 1, scripts($low, $high));
	my $said = do { local $/; <$out> };
	waitpid $pid, 0;
	my ($failed) = $said =~ /number of failed transactions: (\d+)/;
	my ($done) = $said =~ /number of transactions actually processed: (\d+)/;
	verdict($? == 0 && defined $failed && $failed == 0 && $done > $clients, "$name: no client failed",
		join("\n", grep { /error|failed transactions: [1-9]|aborted|detail|context/i } split /\n/, $said));
	waitpid $watch, 0;
	my ($leads_now, $picks_now) = split /\|/, psql($counts);
	printf "# %s: %d transactions in %d s, %d leads, %d picks\n", $name, $done // 0, $seconds, $leads_now - $leads, $picks_now - $picks;

	my ($samples, $behind) = split /\|/, psql('select * from stress.looks');
	verdict($samples > $seconds && $behind == 0, "$name: nobody waits for the idle transaction", "$behind in $samples looks");
	my $waits = psql('select distinct on (call) call, extract(epoch from longest)::numeric(10, 2), lock, behind from stress.waits order by call, longest desc');
	print map { "# $name: longest wait: $_\n" } split /\n/, $waits;
	none("$name: who brings leads waits for no lock longer than a second or two", q(select * from stress.waits where coalesce(call, 'stress.come') = 'stress.come' and longest > interval '2 seconds'));
	none("$name: who changes people or leads waits no longer than for a tick", q(select * from stress.waits where longest > interval '20 seconds'));
	verdict($picks_now > $picks && psql("select count(*) from handoff.lead where lead_key = 'idle-$pool'") == 0, "$name: leads were given meanwhile");
	verdict(close_idle($idle), "$name: the idle transaction commits");
	unlink glob "/tmp/lead_handoff.$$.*.sql";
	my $started = time;
	my $ticks = drain();
	printf "# %s: drained by %d ticks in %.1f s\n", $name, $ticks, time - $started;
	verdict($ticks > 0, "$name: everything can be drained");
	return;
}

# What is so when nothing moves -------------------------------------------------------------------------

sub look
{
	my ($name) = @_;

	none("$name: no pick above a capacity, none to who has left or is no member",
		'select what, count(*), min(rep), max(load), min(capacity) from stress.wrong group by 1');
	none("$name: no lead is lost", q(
		select l.id, h.stage, o.handoff_no, o.rep, o.unassigned_reason from stress.lead l
		left join handoff.lead h on h.lead_key = l.id
		left join handoff.handoff o on o.lead_key = l.id
		where h.lead_key is null or o.lead_key is null
		   or o.closed_at is null and o.rep is null and (o.unassigned_reason is null or o.unassigned_reason = 'pool_busy')));
	none("$name: one owner each, and he is one of us", q(
		select o.lead_key, o.rep, count(a.rep), min(a.rep) from handoff.handoff o join handoff.rep r on r.rep = o.rep
		left join handoff.assignment a on a.lead_key = o.lead_key and a.handoff_no = o.handoff_no and a.ended_at is null
		where o.closed_at is null group by 1, 2 having count(a.rep) <> 1 or min(a.rep) <> o.rep or not bool_and(r.active)));
	none("$name: nobody waits for a pool of which somebody could take him", q(
		with free as (select p.pool, c.rep from stress.pool p cross join lateral handoff.pool_capacity(p.pool) c where c.reason is null)
		select o.lead_key, o.pool, o.unassigned_reason, f.rep from handoff.handoff o join free f using (pool)
		where o.closed_at is null and o.rep is null and not exists (
			select from handoff.assignment a where a.lead_key = o.lead_key and a.handoff_no = o.handoff_no and a.rep = f.rep and a.end_reason = 'reroute')));
	none("$name: every pick is counted once", q(
		select * from (select pool, rep, picks from handoff.pool_turn_member where picks > 0) t
		full join (select a.pool, a.rep, count(*) as given from handoff.assignment a where a.pool is not null group by 1, 2) a using (pool, rep)
		where t.picks is distinct from a.given));
	none("$name: where nobody comes or goes nobody is a lead away from his share", q(
		select * from (
			select p.pool, m.rep, m.weight, count(a.rep) as given,
				round(sum(count(a.rep)) over w * m.weight / sum(m.weight) over w, 3) as share
			from stress.pool p join handoff.pool_member m on m.pool = p.pool
			left join handoff.assignment a on a.pool = m.pool and a.rep = m.rep
			where p.kind = 'ample' group by p.pool, m.rep, m.weight window w as (partition by p.pool)) s
		where abs(given - share) >= 1));
	none("$name: nor is he owed one, or two elsewhere", q(
		select f.pool, f.rep, f.weight, f.owed, p.kind from handoff.fairness f join stress.pool p using (pool)
		where abs(f.owed) >= case p.kind when 'ample' then 1 else 2 end));
	verdict(psql(q(select deadlocks from pg_stat_database where datname = current_database())) == 0, "$name: no deadlock");
	none("$name: verify() is content", 'select * from handoff.verify()');
	return;
}

psql('\i test/stress/lib/assign.sql');
run_clients('one pool', 1, 1);
look('one pool');
run_clients('a full pool', 2, 2);
look('a full pool');
run_clients('40 pools', 3, 42);
look('40 pools');
my $log = "$ENV{PGHOST}/../server.log";
open my $in, '<', $log or die "$log: $!\n";
my @warnings = grep { /WARNING:|PANIC:|TRAP:/ } <$in>;
close $in;
verdict(!@warnings, 'the server warns of nothing', join '', @warnings[0 .. (@warnings > 5 ? 5 : $#warnings)]);
psql('drop trigger judge on handoff.assignment');
none('doctor() is content', q(select * from handoff.doctor() where severity = 'error'));
