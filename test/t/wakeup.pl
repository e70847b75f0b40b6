# test/t/wakeup.pl: who waits for messages without asking all the time: by NOTIFY, or by reading the outbox after the last that he has.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use Test::More;

my $node = start_node('wakeup');
install($node, 'postgres');
$node->safe_psql('postgres', q(
	create table crm (id text primary key, employees bigint);
	set client_min_messages = warning;
	select handoff.attach('public.crm', 'lead', since => '-infinity');
	select handoff.subscribe('slack');));

# NOTIFY ----------------------------------------------------------------------------------------------------

my $listener = $node->background_psql('postgres');
$listener->query_safe('listen lead_handoff');

# What has been heard since: a line for each, without the process's number.
sub heard
{
	my $said = $listener->query('select 1');
	return join ' ', map { s/ received from server process with PID \d+\.$//r } grep { /Asynchronous/ } split /\n/, $said;
}

# The end of each: "with payload" is said of one that isn't empty.
my $one = 'Asynchronous notification "lead_handoff"';
my $lead = 0;
sub leads { my ($n) = @_; $lead += $n; return "insert into crm select 'l' || i, 200 from generate_series(" . ($lead - $n + 1) . ", $lead) i"; }
sub done { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }
my $on = 'set lead_handoff.notify = on';

done(leads(1));
is(done('select count(*) > 0 from handoff.delivery'), 't', 'a lead is handed over at commit, of which somebody wants to hear');
is(heard(), '', 'off by default');
done("$on; " . leads(1));
is(heard(), $one, 'on: it wakes whoever listens, with nothing to read');
done("$on; " . leads(100));
is(heard(), $one, 'once a transaction, however many messages');
done("$on; begin; " . leads(1) . '; ' . leads(1) . '; ' . leads(1) . '; commit');
is(heard(), $one, '.. and statements');
done("$on; begin; " . leads(1) . '; rollback');
is(heard(), '', 'not if it is rolled back');
done("$on; insert into crm values ('small', 1)");
is(heard(), '', 'not if there is no message');
done("$on; set lead_handoff.inline_limit = 0; " . leads(50));
is(heard(), '', 'not for what is only captured');
is(done("$on; select claimed from handoff.tick()"), 50, 'which a tick decides');
is(heard(), $one, 'and wakes, once');
done("$on; select handoff.tick()");
is(heard(), '', 'a tick without messages is quiet');
done("$on; set lead_handoff.inline_limit = 0; " . leads(50) . '; begin; select handoff.tick(); rollback');
is(heard(), '', 'one that is rolled back too');
done('set lead_handoff.notify = off; select handoff.tick()');
is(heard(), '', 'and one that is not to');
done("$on; select handoff.hand_over('small', 'mql_to_sdr', 'a friend')");
is(heard(), $one, 'what is handed over by hand is news as well');
done("select handoff.unsubscribe('slack'); $on; " . leads(1));
is(heard(), '', 'not of what nobody wants to hear');
done(q(select handoff.subscribe('slack', criteria => 'employees > 500')));
done("$on; " . leads(1));
is(heard(), '', '.. or not of this lead');
done("$on; insert into crm values ('big', 501)");
is(heard(), $one, '.. but of that');
done(q(select handoff.subscribe('slack')));

# a sync that prepares its transaction must not fail
$listener->quit;
$node->append_conf('postgresql.conf', "max_prepared_transactions = 5\n");
$node->restart;
$listener = $node->background_psql('postgres');
$listener->query_safe('listen lead_handoff');
done("$on; begin; " . leads(1) . q(; prepare transaction 'sync'));
done(q(commit prepared 'sync'));
done("$on; " . leads(1));
is(heard(), '', 'where transactions can be prepared a commit doesn\'t wake');
is(done("$on; set lead_handoff.inline_limit = 0; " . leads(1) . '; select claimed > 0 from handoff.tick()'), 't', 'a tick');
is(heard(), $one, 'does');
$listener->quit;

# The outbox as it settles ---------------------------------------------------------------------------------------
#
# Two who read it in order and remember the last they had: one the view, one the table. They say whose handoffs they have heard of.

$node->safe_psql('postgres', q(
	create table has (reader text, id uuid, xid xid8, lead_key text, seq bigint, n int, primary key (reader, id));
	create function read(reader text, source text) returns text language plpgsql as $$
	declare
		keys text;
	begin
		execute format('with new as (
			insert into has select %1$L, o.id, o.xid, o.lead_key, o.seq, o.n from handoff.%2$I o
			left join (select * from has h where h.reader = %1$L order by h.xid desc, h.lead_key desc, h.seq desc, h.n desc limit 1) l on true
			where l.id is null or (o.xid, o.lead_key, o.seq, o.n) > (l.xid, l.lead_key, l.seq, l.n)
			returning id) select string_agg(o.lead_key, '' '' order by o.lead_key) from new join handoff.outbox o using (id) where o.type = ''handoff.created''', reader, source) into keys;
		return coalesce(keys, 'nothing');
	end $$;
	insert into has select reader, id, xid, lead_key, seq, n from handoff.outbox, unnest('{careful,naive}'::text[]) reader;));

# each reads in a transaction of its own
sub reads { my ($reader) = @_; my $source = $reader eq 'careful' ? 'outbox_settled' : 'outbox'; return done("select read('$reader', '$source')"); }
sub session { my ($sql) = @_; my $session = $node->background_psql('postgres'); $session->query_safe("set lead_handoff.inline_limit = 0; begin; $sql"); return $session; }
my $missed = q(select coalesce(string_agg(distinct o.lead_key, ' '), 'none') from handoff.outbox o where not exists (select from has h where h.reader = '%s' and h.id = o.id));
my $offer = q(insert into crm values ('%s', 200); select claimed from handoff.tick());

is(reads('careful') . reads('naive'), 'nothingnothing', 'both have all');
my $early = session(sprintf $offer, 'early');
done(sprintf "set lead_handoff.inline_limit = 0; $offer", 'late');
is(reads('careful'), 'nothing', 'of two transactions the one that began later commits first: the view waits for the other');
is(reads('naive'), 'late', 'the table doesn\'t');
$early->query_safe('commit');
is(reads('careful'), 'early late', 'then the view has both');
is(reads('naive'), 'nothing', 'and from the table one will never be read');
is(done(sprintf $missed, 'careful'), 'none', 'none is missed by who reads the view');
is(done(sprintf $missed, 'naive'), 'early', 'but by who reads the table');

# its number is that of the transaction, not of a savepoint, nor of when it was decided
$early = session('savepoint a; ' . sprintf $offer, 'inner');
$early->query_safe('release a');
done(sprintf "set lead_handoff.inline_limit = 0; $offer", 'outer');
is(reads('careful'), 'nothing', 'a transaction that decided within a savepoint is waited for');
my $other = session('select pg_current_xact_id()');
$early->query_safe('commit');
is(reads('careful'), 'inner outer', 'one that began after both is not');
$early = session(sprintf $offer, 'undone');
done(sprintf "set lead_handoff.inline_limit = 0; $offer", 'other');
is(reads('careful'), 'nothing', 'what it hides it hides until the oldest is over');
$other->query_safe('commit');
is(reads('careful'), 'nothing', '.. each of them');
$early->query_safe('rollback');
is(reads('careful'), 'other', '.. or rolled back');
is(done(sprintf $missed, 'careful'), 'none', 'none is missed in the end');
is($early->query_safe(sprintf "begin; $offer", 'own') . $early->query_safe(q(select count(*) from handoff.outbox_settled where lead_key = 'own')), "10", 'who has not committed doesn\'t see his own');
$_->quit foreach $early, $other;

$node->stop;
done_testing();
