# test/t/sessions.pl: sessions that are in each other's way.
#
# Somebody sits idle in a transaction and holds a lock, any lock: writers commit, tick() goes on with everything
# else, and what he held is decided when he is gone. Writers may use any isolation level. A role that may only
# write its table, under a search_path of its own making, is captured like everybody.

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
$node->safe_psql('postgres', q(create role tool login; create role writer login; create database house));
install($node, $db);
$node->safe_psql($db, q(
	set check_function_bodies = off;
	create schema crm authorization tool;
	create procedure settle() language plpgsql as $$ begin
		for turn in 1 .. 8 loop
			perform handoff.tick();
			commit;
			exit when not exists (select from handoff.inbox) and not exists (select from handoff.scan where finished_at is null);
		end loop;
	end $$;
	create function wrong() returns setof text language sql as $$
		select format('%s waits in the inbox', i) from handoff.inbox i
		union all select format('%s is in quarantine', q) from handoff.quarantine q
		union all select 'doctor: ' || what from handoff.doctor() where severity = 'error'
		union all select format('%s is known as %s', t, l.fields)
		from (select 'l:' || id as key, employees from crm.lead union all select 'p:' || id, employees from crm.person union all select id, employees from crm.other) t
		full join (select * from handoff.lead where deleted_at is null) l on l.lead_key = t.key
		where (t.key is not null, t.employees) is distinct from (l.lead_key is not null, l.fields ->> 'employees')
		union all select format('reconcile of %s: %s queued, %s gone', s.name, r.queued, r.gone)
		from handoff.source s, handoff.reconcile(s.name) r where r.queued > 0 or r.gone > 0 or not r.finished
	$$;
	set role tool;
	create table crm.visible (id text);
	create table crm.lead (id text primary key, employees text);
	create table crm.person (id text, region text, employees text, primary key (id, region)) partition by list (region);
	create table crm.person_eu partition of crm.person for values in ('eu');
	create table crm.person_us partition of crm.person for values in ('us');
	create table crm.other (id text primary key, employees text);
	insert into crm.lead values ('a', '1'), ('b', '2'), ('c', '3');
	insert into crm.person values ('a', 'eu', '1'), ('b', 'us', '2');
	insert into crm.other values ('a', '1');
	reset role;
	set client_min_messages = error;
	select handoff.attach('crm.lead', 'lead', key_prefix => 'l:', since => '-infinity', delete_grace => '0');
	select handoff.attach('crm.person', 'lead', key => '{id}', key_prefix => 'p:', since => '-infinity', delete_grace => '0');
	select handoff.attach('crm.other', 'lead', since => '-infinity', delete_grace => '0');
	call settle();));
is($node->safe_psql($db, 'select * from wrong()'), '', 'all is known');

my $round = 100;

# A statement that would hang for ever if it waited, and what it gives.
sub unhindered
{
	my ($name, $role, $sql) = @_;
	my ($out, $err) = run_as($node, $db, $role, "set client_min_messages = warning; set statement_timeout = '60s'; $sql");

	is($err, '', "$name works");
	return $out;
}

# Somebody idle in a transaction --------------------------------------------------------------------------
#
# holds: what he has done in it. before: what was before. at_commit: is a row of crm.lead decided at commit all the same,
# at_tick: by tick (always, if not said)? other: are rows of crm.other decided by tick (they are, if not said); untouched: none is written.
my @idle = (
	{ name => 'other rows of the source', holds => q(select from crm.lead where id = 'c' for update), at_commit => 1 },
	{ name => 'the same row, changed', holds => q(update crm.lead set employees = '77' where id = 'c'), at_commit => 1 },
	{ name => 'the source, reading', holds => q(lock table crm.lead in access share mode), at_commit => 1 },
	{ name => 'the source, writing', holds => q(lock table crm.lead in row exclusive mode), at_commit => 1 },
	{ name => 'a snapshot', holds => q(set transaction isolation level repeatable read; select count(*) from crm.lead), at_commit => 1 },
	{ name => 'a partition, alone', holds => q(truncate crm.person_us), write => q(update crm.person_eu set employees = '%d'), at_commit => 0, at_tick => 0 },
	{
		name => 'an index, alone', before => q(set lead_handoff.inline_limit = 0; update crm.other set employees = '-1'), holds => q(reindex index crm.other_pkey),
		untouched => 1, other => 0, at_commit => 1
	},
	{ name => 'the lead', holds => q(select from handoff.lead where lead_key = 'l:a' for update), at_commit => 0, at_tick => 0 },
	{ name => 'all of the inbox', holds => q(delete from handoff.inbox), at_commit => 1 },
	{ name => 'the inbox, its rows', holds => q(select from handoff.inbox for update), at_commit => 1 },
	{
		name => 'quarantine', before => q(update crm.lead set employees = 'many' where id = 'a'), holds => q(update handoff.quarantine set message = ''),
		at_commit => 1
	}, {
		name => 'quarantine, of a row that is still bad', before => q(update crm.lead set employees = 'many' where id = 'a'), holds => q(delete from handoff.quarantine),
		write => q(update crm.lead set employees = 'many %d' where id = 'a'), at_commit => 0, at_tick => 0
	}, {
		name => 'the source\'s row', holds => q(update handoff.source set paused_at = now()),
		before => q(alter table crm.lead disable trigger user; alter table crm.lead enable trigger user), at_commit => 1
	}, {
		name => 'a scan', before => q(alter table crm.other alter employees type text using employees), holds => q(update handoff.scan set error = null),
		setup => q(select handoff.request_scan('crm.lead', 'reconcile', 'test')), at_commit => 1
	},
	{ name => 'the heartbeat', holds => q(update handoff.meta set tick_clock = now()), at_commit => 1 },
	{ name => 'wake', holds => q(delete from handoff.wake), at_commit => 1 },
	{
		name => 'a table that a policy reads', holds => q(lock table crm.visible in access exclusive mode), at_commit => 0, at_tick => 0,
		before => q(alter table crm.lead enable row level security; alter table crm.lead force row level security;
			create policy p on crm.lead using (not exists (select from crm.visible v where v.id = lead.id)) with check (true)),
		after => q(drop policy p on crm.lead; alter table crm.lead disable row level security; alter table crm.lead no force row level security),
		superuser => 1
	},
	{ name => 'a tick\'s decisions', tick => q(update crm.lead set employees = '5' where id = 'a'), at_commit => 0, at_tick => 0 },
	{ name => 'a tick\'s quarantine', tick => q(update crm.lead set employees = 'many' where id = 'a'), write => q(update crm.lead set employees = 'many %d' where id = 'a'),
		at_commit => 0, at_tick => 0 },
	{ name => 'a tick\'s deletion', tick => q(delete from crm.lead where id = 'b'), at_commit => 1 },
	{ name => 'a publication under way', holds => q(select handoff.draft(); select handoff.publish()), at_commit => 0, at_tick => 0, other => 0 });

sub known_is_new
{
	my ($key, $value) = @_;

	return $node->safe_psql($db, qq(select count(*) from handoff.lead where lead_key = '$key' and fields ->> 'employees' = '$value'));
}

foreach my $case (@idle)
{
	my $name = "idle, holds $case->{name}";
	my $write = $case->{write} // q(update crm.lead set employees = '%d' where id = 'a');
	my $key = $write =~ /person/ ? 'p:a' : 'l:a';
	my $idle = $node->background_psql($db, on_error_stop => 0);

	run_as($node, $db, 'tool', "set client_min_messages = error; $case->{before}") if $case->{before};
	$node->safe_psql($db, $case->{setup}) if $case->{setup};
	if ($case->{tick})
	{
		run_as($node, $db, 'tool', "set lead_handoff.inline_limit = 0; $case->{tick}");
		$case->{holds} = 'set client_min_messages = error; select handoff.tick()';
	}
	$idle->query_safe("set client_min_messages = error; begin; $case->{holds}; select 1");

	# at commit; a policy would keep the tool itself
	my $role = $case->{superuser} ? undef : 'tool';

	unhindered("$name: a commit", $role, sprintf $write, ++$round);
	is(known_is_new($key, $round), $case->{at_commit} ? 1 : 0, "$name: " . ($case->{at_commit} ? 'decided at commit' : 'left for later'));

	# at tick, which has another row, and those of another table
	my $other = $case->{untouched} ? '-1' : $round + 1;

	unhindered("$name: a commit for tick", $role, 'set lead_handoff.inline_limit = 0; ' . ($case->{untouched} ? '' : "update crm.other set employees = '$other'; ") . sprintf $write, ++$round);
	unhindered("$name: tick", undef, 'select from handoff.tick()');
	is(known_is_new($key, $round), $case->{at_tick} // 1, "$name: " . ($case->{at_tick} // 1 ? 'decided by tick' : 'waits'));
	is(known_is_new('a', $other), $case->{other} // 1, "$name: the other source " . ($case->{other} // 1 ? 'goes on' : 'waits')) if $case->{name} !~ /inbox/;

	# and gone
	$idle->query($case->{tick} ? 'commit' : 'rollback');
	$idle->quit;
	run_as($node, $db, 'tool', "set client_min_messages = error; $case->{after}") if $case->{after};
	$node->safe_psql($db, q(update crm.lead set employees = '0' where employees like 'many%'; set client_min_messages = error; select handoff.retry_quarantine(); call settle()));
	is($node->safe_psql($db, 'select * from wrong()'), '', "$name: all is known when he is gone");
}

# A transaction that is prepared, and stays so for a while
unhindered('two-phase: prepare', 'tool', q(begin; update crm.lead set employees = '200' where id = 'a'; insert into crm.lead values ('d', '200'); prepare transaction 'lh'));
unhindered('two-phase: others', 'tool', q(update crm.lead set employees = '201' where id = 'c'));
is(known_is_new('l:c', 201), 1, 'two-phase: others are decided at their commit');
unhindered('two-phase: tick', undef, 'select from handoff.tick()');
$node->safe_psql($db, q(commit prepared 'lh'));
$node->safe_psql($db, 'call settle()');
is(known_is_new('l:a', 200) + known_is_new('l:d', 200), 2, 'two-phase: known after COMMIT PREPARED');
$node->safe_psql($db, q(begin; update crm.lead set employees = '202' where id = 'a'; prepare transaction 'lh'));
$node->safe_psql($db, q(rollback prepared 'lh'));
$node->safe_psql($db, 'call settle()');
is($node->safe_psql($db, 'select * from wrong()'), '', 'two-phase: and after ROLLBACK PREPARED as if nothing had been');

# Isolation levels ------------------------------------------------------------------------------------------

foreach my $level ('read committed', 'repeatable read', 'serializable')
{
	my $value = ++$round;
	my $one = $node->background_psql($db);
	my $two = $node->background_psql($db);

	# both have a snapshot before anything is written; tick runs between
	$_->query_safe("begin isolation level $level; select count(*) from crm.lead where id = 'none'") foreach $one, $two;
	$one->query_safe(qq(update crm.lead set employees = '$value' where id = 'a'));
	$two->query_safe(qq(update crm.lead set employees = '$value' where id = 'c'; insert into crm.other values ('z', '1')));
	unhindered("$level: tick meanwhile", undef, 'select from handoff.tick()');
	$_->query_safe('commit') foreach $two, $one;
	is($node->safe_psql($db, q(select count(*) from handoff.inbox)), $level eq 'read committed' ? '0' : '3', "$level: both commit, "
		. ($level eq 'read committed' ? 'and are decided' : 'their keys are left for tick'));
	$two->query_safe(q(delete from crm.other where id = 'z'));
	$_->quit foreach $one, $two;
	$node->safe_psql($db, 'call settle()');
	is($node->safe_psql($db, 'select * from wrong()'), '', "$level: all is known");
}
unhindered('a transaction that becomes read only', 'tool', q(begin; update crm.lead set employees = '310' where id = 'a'; set transaction read only; commit));
is($node->safe_psql($db, q(select count(*) from handoff.inbox)), '1', '.. leaves its rows for tick');
unhindered('a read-only transaction', 'tool', q(begin read only; select from crm.lead; commit));
$node->safe_psql($db, 'call settle()');

# A role that may only write ----------------------------------------------------------------------------------

$node->safe_psql($db, q(
	grant usage on schema crm to writer;
	grant insert, update, delete on crm.lead to writer;
	create schema evil authorization writer;
	set role writer;
	create table evil.ran (what text);
	create function evil.trap(what text) returns text language plpgsql as $$ begin insert into evil.ran values (current_user || ' ' || what); return what; end $$;
	create function evil.eq(a text, b text) returns boolean language sql as 'select evil.trap(''='') is not null and a operator(pg_catalog.=) b';
	create operator evil.= (leftarg = text, rightarg = text, function = evil.eq);
	create function evil.clock_timestamp() returns timestamptz language sql as 'select evil.trap(''clock'')::timestamptz';
	create function evil.unnest(text[]) returns setof text language sql as 'select evil.trap(''unnest'')';
	create type evil.text as enum ('no');
	create table evil.inbox (like evil.ran); create table evil.source (like evil.ran); create table evil.lead (like evil.ran);));
unhindered('writer', 'writer', q(
	create temp table inbox (x int); create temp table source (x int); create temp table unnest (x int);
	set search_path = evil, pg_temp, pg_catalog;
	set default_transaction_isolation = 'read committed'; set datestyle = german; set standard_conforming_strings = off;
	insert into crm.lead values ('w', '400'), ('x', '400');
	update crm.lead set employees = '401';
	delete from crm.lead;
	insert into crm.lead values ('w', '402');
	copy crm.lead from stdin;
y	403
\.
));
is($node->safe_psql($db, 'select * from evil.ran'), '', 'writer: nothing of his ran');
is(known_is_new('l:w', 402) . known_is_new('l:y', 403), '11', 'writer: decided at commit');
$node->safe_psql($db, 'call settle()');
is($node->safe_psql($db, 'select * from wrong()'), '', 'writer: all is known');

done_testing();
