# test/t/security.pl: a sync role without any right on us writes its table and gains nothing by it,
# whatever it puts into the table's place; and nobody can do what he was not granted.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('main');
my $db = 'crm';

$node->safe_psql('postgres', q(create role sync login));
$node->safe_psql('postgres', qq(create role $_ login)) foreach qw(stranger reader operator boss);
$node->safe_psql('postgres', q(create database crm));
install($node, $db);
$node->safe_psql($db, q(
	create schema crm authorization sync;
	create schema evil authorization sync;
	set role sync;
	create table crm.lead (id text primary key, email text, employees text);
	-- who ran what of mine, and what came of it
	create table evil.log (who text, what text);
	grant usage on schema evil to public;
	grant insert on evil.log to public;
	create function evil.attempt(statement text) returns void language plpgsql as $$ begin
		execute statement;
		insert into evil.log values (current_user, 'done: ' || statement);
	exception when others then
		insert into evil.log values (current_user, sqlstate || ': ' || statement);
	end $$;
	create function evil.run() returns boolean language plpgsql as $$ begin
		perform evil.attempt(s) from unnest(array[
			'alter role sync superuser',
			'insert into handoff.inbox values (''crm.lead'', ''forged'', ''I'', ''1'', now())',
			'update handoff.lead set score = 999',
			'select handoff.tick()',
			'set role postgres',
			'set session authorization default',
			'create temp table t (x int)']) s;
		-- not refused, so it must not last
		perform set_config('search_path', 'evil, pg_catalog', false);
		perform set_config('row_security', 'off', false);
		return true;
	end $$;
	-- what we would run if it did
	create function evil.trap() returns boolean language plpgsql as $$ begin
		insert into evil.log values (current_user, 'trap');
		perform evil.attempt('alter role sync superuser');
		return true;
	end $$;
	create function evil.eq(text, text) returns boolean language sql as 'select evil.trap() and $1 operator(pg_catalog.=) $2';
	create operator evil.= (leftarg = text, rightarg = text, function = evil.eq);
	create function evil.unnest(text[]) returns setof text language plpgsql as $$ begin
		perform evil.trap(); return query select pg_catalog.unnest($1);
	end $$;));

# With nothing but its own table -------------------------------------------------------------------------

$node->safe_psql($db, q(select handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0')));
my ($out, $err) = run_as($node, $db, 'sync', q(
	insert into crm.lead values ('a', 'a@x', '500'), ('b', null, 'many');
	begin; update crm.lead set employees = '7' where id = 'b'; delete from crm.lead where id = 'b'; commit;));
is($err, '', 'a role without rights on us writes its table');
is($node->safe_psql($db, q(select lead_key, stage from handoff.lead)), 'a|mql', '.. and its rows are decided at commit');
is($node->safe_psql($db, q(select count(*) from handoff.inbox)), '0', '.. and none is left');

sub may_not
{
	my ($role, @statements) = @_;

	($out, $err) = run_as($node, $db, $role, join(";\n", @statements));
	my @refused = $err =~ /ERROR:  permission denied/g;
	is(scalar(@refused), scalar(@statements), "$role may not: " . join('; ', @statements));
	return;
}

my $forge = q(create trigger x after insert on crm.lead for each row execute function handoff.capture('crm.lead', 'id'));
may_not('sync', q(select * from handoff.lead), q(select * from handoff.inbox),
	q(insert into handoff.inbox values ('crm.lead', 'forged', 'I', '1', now())),
	q(insert into handoff.wake values ('1')), q(select handoff.tick()), q(select handoff.setup()),
	q(select handoff.attach('crm.lead', 'lead', delete_grace => '0')), q(select handoff.teardown(true)), $forge);
$node->safe_psql($db, 'grant usage on schema handoff to sync');
may_not('sync', q(select handoff.tick()), q(select * from handoff.lead),
	q(create trigger x after insert on crm.lead for each row execute function handoff.drain_at_commit()));
# capture() is for all, but a trigger on another table than the source's feeds nothing
($out, $err) = run_as($node, $db, 'sync', q(
	create table evil.other (id text primary key);
	create trigger x after insert on evil.other for each row execute function handoff.capture('crm.lead', 'id');
	set lead_handoff.inline_limit = 0;
	insert into evil.other values ('forged');
	drop table evil.other;));
like($err, qr/^psql:<stdin>:\d+: WARNING:  table "evil.other" is not source "crm.lead"; the change was not captured\nHINT:[^\n]*$/, 'sync forges no trigger');
is($node->safe_psql($db, q(select count(*) from handoff.inbox)), '0', '.. that writes anything');
$node->safe_psql($db, 'revoke usage on schema handoff from sync');

# What hides in the table --------------------------------------------------------------------------------

# allowed: what the owner's code may do where he runs it himself
sub gains_nothing
{
	my ($name, $allowed) = @_;

	is($node->safe_psql($db, q(select string_agg(distinct who, ' ') from evil.log where who <> 'sync')),
		'', "$name: it runs as nobody but the table's owner");
	is($node->safe_psql($db, qq(select string_agg(distinct what, '; ') from evil.log where what like 'done%' and what !~ '$allowed')),
		'', "$name: it achieves nothing");
	is($node->safe_psql($db, q(select count(*) from pg_roles where rolname = 'sync' and rolsuper)),
		'0', "$name: its owner is no superuser");
	is($node->safe_psql($db, q(select count(*) from handoff.inbox where raw_key = 'forged')),
		'0', "$name: it forges nothing");
	$node->safe_psql($db, 'truncate evil.log');
	return;
}

# each way to have code run while we read: [name, make, unmake]
foreach my $case (
	[ 'policy', q(alter table crm.lead enable row level security; alter table crm.lead force row level security;
			create policy p on crm.lead using (evil.run()) with check (true)),
		q(alter table crm.lead disable row level security; drop policy p on crm.lead) ],
	[ 'cast', q(create type crm.mood as enum ('good');
			create function evil.mood(crm.mood) returns text language sql as 'select case when evil.run() then ''e@x'' end';
			create cast (crm.mood as text) with function evil.mood(crm.mood) as assignment;
			alter table crm.lead drop email; alter table crm.lead add email crm.mood default 'good'),
		q(alter table crm.lead drop email; drop type crm.mood cascade; alter table crm.lead add email text) ],
	[ 'domain', q(create domain crm.code as text check (evil.run()); alter table crm.lead alter id type crm.code),
		q(alter table crm.lead alter id type text) ])
{
	my ($name, $make, $unmake) = @$case;

	($out, $err) = run_as($node, $db, 'sync', $make);
	is($err, '', "$name: made");
	$node->safe_psql($db, 'truncate evil.log');
	($out, $err) = run_as($node, $db, 'sync', qq(
		insert into crm.lead (id, employees) values ('$name 1', '500');
		insert into crm.lead (id, employees) values ('$name 2', '500');));
	unlike($err, qr/ERROR|WARNING/, "$name: the writer goes on");
	run_as($node, $db, 'sync', qq(set lead_handoff.inline_limit = 0;
		insert into crm.lead (id, employees) values ('$name 3', '500')));
	isnt($node->safe_psql($db, q(select count(*) from evil.log where who = 'sync')), '0', "$name: the code runs");
	is($node->safe_psql($db, q(select quarantined, waiting from handoff.tick(); show search_path)),
		qq(0|0\n"\$user", public), "$name: tick goes on, with its own settings");
	is($node->safe_psql($db, qq(select count(*) from handoff.lead where lead_key like '$name%' and deleted_at is null)),
		'3', "$name: all rows are decided");
	doctor_is_content($node, $db, "$name: doctor");
	gains_nothing($name, $name eq 'domain' ? 'temp table|session authorization' : 'nothing');
	run_as($node, $db, 'sync', $unmake);
}

# a view in the table's place
run_as($node, $db, 'sync', q(
	set lead_handoff.inline_limit = 0;
	insert into crm.lead (id) values ('before');
	alter table crm.lead rename to lead_table;
	create view crm.lead as select id, email, employees from crm.lead_table where evil.run();));
$node->safe_psql($db, 'truncate evil.log');
($out, $err) = run_as($node, $db, 'sync', q(insert into crm.lead_table (id) values ('after')));
like($err, qr/WARNING:  table "crm.lead_table" is not source "crm.lead"/, 'view: capture tells the writer');
unlike($err, qr/ERROR/, 'view: .. who goes on');
($out, $err) = run_as($node, $db, undef, qq(\\set VERBOSITY verbose\nselect quarantined, waiting from handoff.tick()));
like($err, qr/WARNING:  LH022: source "crm.lead" is not a table any more/, 'view: tick says so');
is($out, '0|1', 'view: the row waits');
like($node->safe_psql($db, q(select what from handoff.doctor() where severity = 'error')),
	qr/source "crm.lead": there is a view in place of its table/, 'view: doctor says so');
($out, $err) = run_as($node, $db, undef, q(select handoff.attach('crm.lead', 'lead', delete_grace => '0')));
like($err, qr/ERROR:  crm.lead can't be attached: it is a view/, 'view: attach refuses it');
is($node->safe_psql($db, q(select count(*) from evil.log)), '0', 'view: its code never ran');
gains_nothing('view', 'nothing');
run_as($node, $db, 'sync', q(drop view crm.lead; alter table crm.lead_table rename to lead; update crm.lead set email = 'e@x'));
is($node->safe_psql($db, q(select waiting from handoff.tick())), '0', 'view: the table is back, and so are its rows');
doctor_is_content($node, $db, 'view: doctor after that');

# A key that fits no index -------------------------------------------------------------------------------

($out, $err) = run_as($node, $db, 'sync', q(
	alter table crm.lead drop constraint lead_pkey;
	insert into crm.lead (id) select string_agg(md5(g::text), '') from generate_series(1, 200) g union all select 'short'));
unlike($err, qr/ERROR/, 'long key: the writer goes on');
$node->safe_psql($db, 'select handoff.tick()');
is($node->safe_psql($db, q(select sqlstate, length(raw_key) < 1100 from handoff.quarantine)), '54000|t', 'long key: is quarantined');
is($node->safe_psql($db, q(select count(*) from handoff.lead where lead_key = 'short')), '1', 'long key: the others go on');
run_as($node, $db, 'sync', q(delete from crm.lead where length(id) > 1000));
$node->safe_psql($db, 'select handoff.tick(); select handoff.retry_quarantine(); select handoff.tick()');
is($node->safe_psql($db, q(select count(*) from handoff.quarantine)), '0', 'long key: gone with its row');

# Access that is granted -----------------------------------------------------------------------------------

$node->safe_psql($db, q(
	select handoff.grant_access('reader', 'reader');
	select handoff.grant_access('operator', 'operator');
	select handoff.grant_access('boss', 'admin');));
($out, $err) = run_as($node, $db, 'reader', q(select count(*) from handoff.journey));
is("$out$err", '2', 'reader reads views');
($out, $err) = run_as($node, $db, 'reader', q(select name, table_exists, triggers, contract_in_force from handoff.source_health));
is("$out$err", 'crm.lead|t|4|t', '.. that look at tables he may not read');
may_not('reader', q(select * from handoff.lead), q(select * from handoff.event), q(select handoff.tick()), q(delete from handoff.inbox));
($out, $err) = run_as($node, $db, 'operator', q(
	select waiting from handoff.tick(); select count(*) from handoff.lead where false;
	select handoff.pause(); select handoff.resume(); select handoff.retry_quarantine();
	select severity, what from handoff.doctor();));
is($out, "0\n0\n\n\n0\nwarning|source \"crm.lead\" could not be compared with its table", 'operator ticks, reads, pauses, asks the doctor');
is($err, '', '.. without complaint');
may_not('operator', q(update handoff.lead set score = 1), q(delete from handoff.event), q(select handoff.publish()),
	q(select handoff.detach('crm.lead')), q(select handoff.setup()), q(select handoff.teardown(true)), $forge);
($out, $err) = run_as($node, $db, 'boss', q(select handoff.draft(); select handoff.publish()));
is($err, '', 'admin publishes');

# Lint -----------------------------------------------------------------------------------------------------

is($node->safe_psql($db, q(
	select p.oid::regprocedure from pg_proc p join pg_language l on l.oid = p.prolang
	where p.pronamespace = 'handoff'::regnamespace and l.lanname in ('sql', 'plpgsql')
	  and not coalesce(p.proconfig, '{}') @> array['search_path=pg_catalog, pg_temp'])),
	'', 'every SQL and PL/pgSQL function pins its search_path');
is($node->safe_psql($db, q(
	select p.oid::regprocedure from pg_proc p where p.pronamespace = 'handoff'::regnamespace and p.prosecdef)),
	'', 'none is security definer');
# what belongs to a type may be used by all: who can't read a column gains nothing by comparing it; and who
# makes a partition of a source makes a clone of its trigger, for which he needs the right to capture()
is($node->safe_psql($db, q(
	select p.oid::regprocedure from pg_proc p
	where p.pronamespace = 'handoff'::regnamespace and has_function_privilege('stranger', p.oid, 'execute')
	  and not exists (select from pg_type t where p.oid in (t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout, t.typanalyze))
	  and not exists (select from pg_operator o where o.oprcode = p.oid)
	  and not exists (select from pg_cast c where c.castfunc = p.oid)
	  and not exists (select from pg_amproc a where a.amproc = p.oid)
	  and p.oid <> 'handoff.capture()'::regprocedure
	order by p.proname)),
	'', 'nobody may call a function without a grant, but for those of types and operators');
is($node->safe_psql($db, q(
	select c.oid::regclass from pg_class c
	where c.relnamespace = 'handoff'::regnamespace and c.relkind in ('r', 'v')
	  and has_table_privilege('stranger', c.oid, 'select, insert, update, delete, truncate, references, trigger'))),
	'', 'nobody may touch a table without a grant');

done_testing();
