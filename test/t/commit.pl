# test/t/commit.pl: decisions at a sync's own commit that are cut short, and the one bad row of a thousand.
#
# Whatever ends them (a cancel, a timeout, a lock, the deadline of our own) the sync's transaction commits, its keys wait in the
# inbox and the next tick decides them. A policy of the synced table runs what the table crm.pace says, whenever the row is
# read: so a decision lasts as long as a test wants, and is cancelled in its midst, without a second session. Locks are held by prepared
# transactions.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use Test::More;

my $node = start_node('main');
my $db = 'house';

$node->append_conf('postgresql.conf', "max_prepared_transactions = 5\n");
$node->restart;
$node->safe_psql('postgres', q(create role tool login; create database house));
install($node, $db);
$node->safe_psql($db, q(
	create schema crm authorization tool;
	set role tool;
	create table crm.pace (act text);
	create table crm.aside ();
	create table crm.lead (id text primary key, employees text);
	create function crm.act() returns boolean language plpgsql as $$ declare act text; begin
		for act in select p.act from crm.pace p loop
			execute act;
		end loop;
		return true;
	end $$;
	alter table crm.lead enable row level security, force row level security;
	create policy w on crm.lead for insert with check (true);
	create policy r on crm.lead for select using (crm.act());
	create policy u on crm.lead for update using (true);
	reset role;
	set client_min_messages = error;
	select handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0');
	select handoff.tick();));

my $keys = 0;

sub sql { return $node->safe_psql($db, $_[0]) }
sub waiting { return sql('select count(*) from handoff.inbox') }
sub known { return sql("select count(*) from handoff.lead where raw_key like '$_[0].%'") }
sub written { return sql("select count(*) from crm.lead where id like '$_[0].%'") }

# Rows that the sync writes, with the key's beginning that tells them from others.
sub rows { my ($n) = @_; ++$keys; return "insert into crm.lead select '$keys.' || g, '100' from generate_series(1, $n) g" }

sub tick
{
	sql('delete from crm.pace');
	sql('select handoff.tick()');
	return;
}

# A sync's transaction of n rows, under settings, while act happens whenever the table is read. left: how many of them it leaves to tick().
sub commits
{
	my ($name, %case) = @_;
	my $n = $case{rows} // 1;
	my $sql = rows($n);
	my $act = ($case{act} // '') =~ s/'/''/gr;

	sql('delete from crm.pace');
	sql("insert into crm.pace values ('$act')") if $act;
	sql("begin; $case{lock}; prepare transaction 'held'") if $case{lock};
	$sql = "begin; $sql; commit" unless $case{autocommit};
	my ($out, $err) = run_as($node, $db, 'tool', 'set client_min_messages = warning;' . ($case{settings} // '') . ";$sql; select 'goes on'");
	is($err, '', "$name: the transaction commits without a word");
	is($out, 'goes on', "$name: so does the session");
	sql("rollback prepared 'held'") if $case{lock};
	sql('delete from crm.pace');
	is(written($keys), $n, "$name: the rows are there");
	is(waiting(), $case{left}, "$name: $case{left} wait");
	is(known($keys), $n - $case{left}, "$name: the others are decided");
	tick();
	is(waiting(), 0, "$name: the next tick leaves none");
	is(known($keys), $n, "$name: and decides them");
	return;
}

my $cancel = q(select pg_cancel_backend(pg_backend_pid()), pg_sleep(30));

commits('an undisturbed transaction', left => 0);
commits('a cancel', left => 1, act => $cancel);
commits('a cancel, where the statement is the transaction', left => 1, act => $cancel, autocommit => 1);
commits('a cancel among 50', left => 50, rows => 50, act => $cancel);
commits('statement_timeout, which does not hold at commit', left => 0, settings => q(set statement_timeout = '200ms'), act => 'select pg_sleep(0.4)');
commits('our own deadline', left => 1, act => 'select pg_sleep(1.1)');
commits('our own deadline among 3', left => 3, rows => 3, act => 'select pg_sleep(0.4)');
commits('a table of ours that is locked', left => 1, lock => 'lock table handoff.event in access exclusive mode');
commits('the same, for a sync that waits for ever', left => 1, settings => 'set lock_timeout = 0', lock => 'lock table handoff.event in access exclusive mode');
commits('a table that the policy reads, locked', left => 1, act => 'select from crm.aside', lock => 'lock table crm.aside in access exclusive mode');

# inline_limit
foreach my $case ([ 0, 1, 1 ], [ 1, 1, 0 ], [ 1, 2, 2 ], [ 200, 200, 0 ], [ 200, 201, 201 ])
{
	my ($limit, $n, $left) = @$case;

	commits("inline_limit $limit, $n rows", rows => $n, left => $left, settings => "set lead_handoff.inline_limit = $limit");
}

# Whoever ends the session ends the transaction: nothing of it is left, nor of what was decided in it.
{
	my $sql = rows(1);

	sql(q(insert into crm.pace values ('select pg_terminate_backend(pg_backend_pid()), pg_sleep(30)')));
	my ($out, $err) = run_as($node, $db, 'tool', "begin; $sql; commit; select 'goes on'");
	sql('delete from crm.pace');
	like($err, qr/terminating connection/, 'a session that is ended at commit is ended');
	is(written($keys) . waiting() . known($keys), '000', '.. and nothing of its transaction is left');
}

# One bad row of a thousand
foreach my $limit (0, 1000)
{
	my $name = $limit ? 'at commit' : 'by tick';
	my $sql = rows(1000) =~ s/'100'/case when g = 567 then 'many' else '100' end/r;
	my $bad = "$keys.567";

	my ($out, $err) = run_as($node, $db, 'tool', "set client_min_messages = warning; set lead_handoff.inline_limit = $limit; $sql; select 'goes on'");
	is("$out$err", 'goes on', "one bad row of a thousand, $name: the transaction commits");
	is(written($keys), 1000, '.. all of it');
	tick();
	is(waiting(), 0, '.. nothing waits');
	is(known($keys), 999, '.. 999 are decided');
	is(sql("select count(distinct lead_key), count(*) from handoff.handoff where lead_key like '$keys.%'"), '999|999', '.. and handed over, once');
	is(sql('select source, raw_key, sqlstate, attempts from handoff.quarantine'), "crm.lead|$bad|22P02|1", '.. one is in quarantine, with its SQLSTATE');
	like(sql('select message from handoff.quarantine'), qr/"many"/, '.. and a message that says why');
	my $events = sql('select count(*) from handoff.event');

	is(sql('select handoff.retry_quarantine()'), 1, '.. it is tried again');
	tick();
	is(sql('select raw_key, attempts from handoff.quarantine'), "$bad|2", '.. in vain, as long as it is as it is');
	is(sql('select count(*) from handoff.event'), $events, '.. and without an event of the others');
	# mended in a way that no trigger tells
	sql(qq(set client_min_messages = error; begin; alter table crm.lead disable trigger user; update crm.lead set employees = '100' where id = '$bad';
		alter table crm.lead enable trigger user; commit));
	sql(qq(do \$d\$ declare t name; begin for t in select tgname from pg_trigger where tgrelid = 'crm.lead'::regclass and not tgisinternal loop
		execute format('alter table crm.lead enable always trigger %I', t); end loop; end \$d\$));
	sql('select handoff.retry_quarantine()');
	tick();
	is(sql('select count(*) from handoff.quarantine'), 0, '.. once it is mended quarantine is empty');
	is(known($keys), 1000, '.. and the last one is decided');
	is(sql("select count(distinct lead_key), count(*) from handoff.handoff where lead_key like '$keys.%'"), '1000|1000', '.. and handed over');
}

doctor_is_content($node, $db, 'doctor() finds nothing');
is(sql('select * from handoff.verify()'), '', 'nor does verify()');
done_testing();
