# test/stress/lib/Outbox.pm: is every message heard that somebody asked for, in order, and twice only where a client has died?
#
# 16 writers bring, change and dispose of leads, some of which they share, in transactions with pauses, a quarter of which are rolled
# back; three readers lease and acknowledge, one of whom loses his client again and again while he holds a lease
# (lib/outbox/reader.pl). When the writers have stopped everything is leased until nothing waits. What was heard is what
# the readers have written down outside of the database. The long form is 70-outbox.pl, the short one test/t/outbox.pl; both tell
# by PGHOST, PGPORT, PGUSER and PGDATABASE where the extension is installed.

package Outbox;

use strict;
use warnings;

use File::Basename;
use File::Temp;
use IPC::Open3;
use Stress;

my $lib = dirname(__FILE__) . '/outbox';

sub some { my ($what, $sql) = @_; my $n = psql($sql); return verdict($n > 0, "$n $what"); }

sub start
{
	my (@command) = @_;
	my $pid = open3(my $in, my $out, undef, @command);

	close $in;
	return { pid => $pid, out => $out };
}

sub write_and_read
{
	my ($seconds) = @_;
	my $dir = File::Temp->newdir;
	my @names = qw(calm steady doomed);
	my @readers = map { start($^X, "$lib/reader.pl", $_, "$dir/$_", "$dir/stop", $_ eq 'doomed' ? 1 : ()) } @names;
	my $poller = start(qw(pgbench -n -c 1 -T), $seconds, '-f', "$lib/poll.sql");
	my ($good, $said) = end(start(qw(pgbench -n -c 16 -j 2), '-T', $seconds, '--random-seed', $ENV{LH_SEED} // 1, '-f', "$lib/writer.sql\@95", '-f', "$lib/tick.sql\@5"));
	my ($done) = $said =~ /number of transactions actually processed: (\d+)/;

	verdict($good && $said =~ /number of failed transactions: 0 / && $done > 50, 'no writer fails', join "\n", grep { /error|aborted|failed/i } split /\n/, $said);
	# what they have left for later
	($good, $said) = end($poller);
	verdict($good && $said =~ /number of failed transactions: 0 /, 'nor who reads the outbox', $said);
	psql('do $$ begin while (select t.claimed + t.due > 0 from handoff.tick() t) loop end loop; end $$');
	open my $stop, '>', "$dir/stop" or die "$dir/stop: $!\n";
	close $stop;
	foreach my $i (0 .. $#readers)
	{
		($good, $said) = end($readers[$i]);
		verdict($good, "reader $names[$i] has come to the end", $said);
		psql("\\copy stress.log from '$dir/$names[$i]' (delimiter '|', null '')");
	}
	# what was settled last; nothing can be in the way now
	end(start(qw(pgbench -n -c 1 -t 1 -f), "$lib/poll.sql"));
	return;
}

sub look
{
	psql('analyze');
	some('messages', 'select count(*) from handoff.outbox');
	some('transactions were rolled back', q(select xact_rollback from pg_stat_database where datname = current_database()));
	some('clients were lost that held messages', q(select count(distinct at) from stress.log where what = 'lost'));
	some('messages came twice', 'select count(*) from (select from stress.got group by destination, id having count(*) > 1) t');
	some('answers were given with the token of a lease that somebody else has', q(select count(*) from stress.log where what = 'stale'));
	verdict(psql('select count(distinct (reader, destination)) from stress.got') == 9, 'each reader has heard something for each destination');

	none('nothing is lost', 'select e.* from stress.expected e where not exists (select from stress.got g where g.destination = e.destination and g.id = e.id)');
	none('nothing is heard that was rolled back, or that nobody asked for',
		'select g.* from stress.got g where not exists (select from stress.expected e where e.destination = g.destination and e.id = g.id)');
	none('each message is what was written', q(select g.*, e.content from stress.got g join stress.expected e using (destination, id)
		where (g.lead_key, g.sequence, g.content) is distinct from (e.lead_key, e.sequence, e.content)));
	none('twice only after a client was lost, or it was given back', q(select b.destination, b.lead_key, b.sequence, a.reader, a.attempt, b.reader, b.attempt
		from stress.got a join stress.got b using (destination, id) left join stress.given_back g on g.token = a.token and g.delivery = a.delivery
		where a.attempt < b.attempt and g.token is null));
	none('.. and then under the same id, with another token', q(select destination, lead_key, sequence from stress.got
		group by 1, 2, 3 having count(distinct id) > 1 or count(distinct token) < count(*) or count(distinct attempt) < count(*)));
	# digests have an order among those for one rep
	none('in order of each lead and destination, by when it was first heard', q(
		select * from (select destination, lead_key, whom, sequence, at, lag(sequence) over (partition by destination, lead_key, whom order by at, sequence) as before
			from (select destination, lead_key, whom, sequence, min(at) as at from stress.got group by 1, 2, 3, 4) f) o
		where before > sequence));
	none('nothing is acknowledged, given back or kept by an old token', q(
		select s.destination, s.delivery, s.at from stress.log s where s.what = 'stale' and s.answer is not false
		union all
		select old.destination, old.id, a.at from stress.got old join stress.got newer using (destination, id)
		join stress.log a on a.what = 'ack' and a.answer and a.token = old.token and a.delivery = old.delivery
		where newer.attempt > old.attempt));
	none('who holds a lease is not refused', q(select * from stress.log where what in ('ack', 'nack', 'extend') and answer is not true));
	none('each is acknowledged once, by the newest token', q(
		with newest as materialized (select distinct on (destination, id) * from stress.got order by destination, id, attempt desc),
			acked as materialized (select destination, delivery, token, count(*) as n from stress.log where what = 'ack' and answer group by 1, 2, 3)
		select e.destination, e.id, a.n, d.token, d.state from stress.expected e
		join handoff.outbox o using (id) left join handoff.delivery d on d.lead_key = o.lead_key and d.seq = o.seq and d.n = o.n and d.destination = e.destination
		left join newest g on g.destination = e.destination and g.id = e.id
		left join acked a on a.delivery = g.delivery and a.token = g.token and a.destination = e.destination
		where a.n is distinct from 1 or d.state is distinct from 'done' or d.token is distinct from a.token));
	none('who reads the outbox as it settles has each message once', 'select o.id, p.id from handoff.outbox o full join stress.polled p using (id) where o.id is null or p.id is null');
	none('nothing waits', q(select * from handoff.delivery where state <> 'done'));
	psql('do $$ begin while (select t.claimed > 0 from handoff.tick() t) loop end loop; end $$');
	# of two that were acknowledged at once it is the first that was seen
	none('a handoff knows when its owner was told of it', q(
		select h.lead_key, h.handoff_no, h.delivered_at, t.times from handoff.handoff h
		left join (select o.lead_key, (o.payload ->> 'handoff')::bigint as handoff_no, array_agg(d.done_at) filter (where d.done_at is not null) as times from handoff.outbox o
			join handoff.delivery d on d.lead_key = o.lead_key and d.seq = o.seq and d.n = o.n where o.type = 'handoff.assigned' group by 1, 2) t using (lead_key, handoff_no)
		where case when h.delivered_at is null then t.times is not null else h.delivered_at = any (t.times) is not true end));
	verdict(psql(q(select deadlocks from pg_stat_database where datname = current_database())) == 0, 'no deadlock');
	none('doctor() is content', q(select * from handoff.doctor() where severity = 'error'));
	none('verify() is content', 'select * from handoff.verify()');
	return;
}

sub run
{
	my ($seconds) = @_;

	psql("\\i $lib/setup.sql");
	write_and_read($seconds);
	look();
	return;
}

1;
