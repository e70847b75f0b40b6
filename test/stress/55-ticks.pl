# test/stress/55-ticks.pl: eight ticks at once on 20,000 clocks that are due at the same moment, three times: a reminder each, a message each
# while reps accept some of the leads, and each that is left taken from its owner.
#
# What is asked: no tick fails, each step is taken once, by all ticks together; nothing is escalated of a lead that was accepted
# before; the log folds to what is there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Stress;
use Time::HiRes qw(time);

my $leads = int(20_000 * ($ENV{LH_STRESS_SCALE} // 1)) || 100;
my $ticks = 8;

# All ticks at once, and what else is to happen meanwhile; then one more, for what they left to each other.
sub storm
{
	my ($name, $now, @others) = @_;
	my $started = time;
	my @clients = map { begin("select decided, due, waiting, quarantined from handoff.tick('$now')") } 1 .. $ticks;
	my @beside = map { begin($_) } @others;
	my @answers = map { [ end($_) ] } @clients;
	my @failed;

	foreach my $client (@beside)
	{
		my ($good, $answer) = end($client);
		push @failed, $answer if !$good;
	}
	push @failed, map { $_->[1] } grep { !$_->[0] } @answers;
	verdict(!@failed, "$name: nobody fails", join "\n", @failed);
	my @due = map { (split /\|/, $_->[1])[1] } grep { $_->[0] } @answers;
	printf "# %s: %.1f s; leads by tick: %s\n", $name, time - $started, join ' ', @due;
	verdict((grep { $_ > 0 } @due) > 1 || $leads < 2000, "$name: they share the work");
	while (psql("select due + waiting from handoff.tick('$now')") > 0) { }
	return;
}

psql('\i test/stress/lib/ticks.sql');
psql("insert into stress.lead select 'l' || i, 'l' || i || '\@example.com', 'Company' from generate_series(1, $leads) i");
# a tick stops after a while and leaves the rest to the next
while (psql("select claimed from handoff.tick('2026-03-02 09:00+00')") > 0) { }
verdict(psql("select count(*) from handoff.clock where kind = 'sla' and next_at = '2026-03-03 05:00+00'") == $leads, "$leads clocks wait for the same moment");

storm('reminders', '2026-03-03 05:00+00');
verdict(psql("select count(*), count(distinct lead_key) from handoff.escalation_done where step = 1") eq "$leads|$leads", 'one reminder each');
verdict(psql("select count(*), count(distinct lead_key) from handoff.outbox where type = 'handoff.reminder'") eq "$leads|$leads", 'and one message each');

my $share = int($leads / 20);
storm('some accept', '2026-03-03 09:00+00', map { sprintf "call stress.accept(%d, %d, '2026-03-03 08:59+00')", $_ * $share + 1, ($_ + 1) * $share } 0 .. 3);
verdict(psql('select count(*) from stress.accepted') == 4 * $share, 'all are accepted');
none('of those that are accepted first nothing more is told', q(
	select * from stress.accepted a join handoff.event v on v.lead_key = a.lead_key and v.type = 'accepted'
	join handoff.event e on e.lead_key = a.lead_key and e.type = 'escalated' and e.seq > v.seq));
none('of the others once', q(
	select h.lead_key, count(e.step) from handoff.handoff h
	left join handoff.escalation_done e on e.lead_key = h.lead_key and e.step = 2
	where h.accepted_at is null group by 1 having count(e.step) <> 1));

storm('taken away', '2026-03-03 10:00+00');
none('each that is not accepted has lost its owner once', q(
	select h.lead_key, h.hops, h.assignments, h.accepted_at from handoff.handoff h
	where (h.hops, h.assignments) <> (case when h.accepted_at is null then 1 else 0 end, case when h.accepted_at is null then 2 else 1 end)));
none('and has another', q(
	select a.lead_key, a.rep from handoff.assignment a join handoff.assignment b using (lead_key, handoff_no) where a.n = 1 and b.n = 2 and a.rep = b.rep));
verdict(psql(q(select deadlocks from pg_stat_database where datname = current_database())) == 0, 'no deadlock');
none('doctor() is content', q(select * from handoff.doctor() where severity = 'error'));
none('verify() is content', 'select * from handoff.verify()');
