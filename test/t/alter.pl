# test/t/alter.pl: what a sync tool does to its table, and that it always can.
#
# Each case changes the table of a source, by a role without any right of ours: the statement works,
# source_health and doctor() say what is wrong, the tool goes on writing, and when the table is as it was
# everything is known again: leads are what the table holds, a reconcile finds nothing, doctor() no error.
# Every case runs with statement and with row triggers, with the event trigger of watch_ddl() and without,
# and with ticks between the steps and in a hurry, when the next tick comes after all of them.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use Test::More;

my $node = start_node('main');

$node->safe_psql('postgres', q(create role tool login; create database house));
install($node, 'house');
$node->safe_psql('house', q(
	create procedure settle() language plpgsql as $$ begin
		for turn in 1 .. 8 loop
			perform handoff.tick();
			commit;
			exit when not exists (select from handoff.inbox) and not exists (select from handoff.scan where finished_at is null);
		end loop;
	end $$;
	create function health() returns setof text language sql as $$
		select format('health: %s', fault) from handoff.source_health where fault is not null
		union all select format('health: missing %s', missing_columns) from handoff.source_health where missing_columns is not null
		union all select format('%s: %s', severity, what) from handoff.doctor() where what !~ 'schedule'
	$$;
	create function wrong() returns setof text language plpgsql as $$ begin
		return query select health();
		return query select 'waits: ' || i.raw_key from handoff.inbox i;
		return query select 'quarantine: ' || q.message from handoff.quarantine q;
		create temp table known on commit drop as
			select l.raw_key, l.fields ->> 'email' as email, (l.fields ->> 'employees')::bigint as employees
			from handoff.lead l where l.deleted_at is null;
		create temp table truth on commit drop as select id::text, email::text, employees::bigint from crm.lead;
		return query select 'unknown: ' || t::text from (select * from truth except all select * from known) t;
		return query select 'not there: ' || t::text from (select * from known except all select * from truth) t;
		return query select format('reconcile: %s queued, %s gone, finished: %s', r.queued, r.gone, r.finished)
			from handoff.reconcile('crm.lead') r where r.queued > 0 or r.gone > 0 or not r.finished;
	end $$;));

my $table = q((id text primary key, email text, employees text));
my $rows = q(('a', 'a@x', '50'), ('b', 'b@x', '500'), ('c', null, null));

# change: what the tool does. says: what source_health and doctor() say of it, none if it is mended by a tick.
# write: what it writes meanwhile. back: how the table becomes again what it was, if it does not stay.
my @cases = (
	{
		name => 'a mapped column is renamed',
		change => q(alter table crm.lead rename email to mail),
		says => qr/health: missing email\nwarning: .*lacks mapped columns, which read null: email$/,
		write => q(update crm.lead set mail = 'new@x' where id = 'a'; insert into crm.lead values ('d', 'd@x', '1')),
		warns => qr/lacks mapped columns; they read null/,
		back => q(alter table crm.lead rename mail to email)
	}, {
		name => 'a mapped column is dropped, and comes back with a default',
		change => q(alter table crm.lead drop employees),
		says => qr/health: missing employees\nwarning: .*lacks mapped columns, which read null: employees$/,
		write => q(update crm.lead set email = 'new@x' where id = 'a'; insert into crm.lead values ('d', 'd@x')),
		warns => qr/lacks mapped columns; they read null/,
		back => q(alter table crm.lead add employees bigint default 7)
	}, {
		name => 'a mapped column of another type, that contents do not fit',
		change => q(alter table crm.lead alter employees type text using 'many'),
		says => qr/^warning: 3 rows of source "crm.lead" are in quarantine$/,
		write => q(update crm.lead set email = 'new@x' where id = 'a'),
		back => q(alter table crm.lead alter employees type text using '8')
	}, {
		name => 'a mapped column of the same type, with other contents',
		change => q(alter table crm.lead alter employees type text using '6'),
		write => q(update crm.lead set email = 'new@x' where id = 'a')
	}, {
		name => 'a mapped column of another type',
		change => q(alter table crm.lead alter employees type bigint using employees::bigint * 2),
		write => q(update crm.lead set employees = 9 where id = 'a')
	}, {
		name => 'a column is added, one that nobody reads is dropped',
		change => q(alter table crm.lead add extra int; alter table crm.lead add more text default 'x'; alter table crm.lead drop extra),
		write => q(update crm.lead set more = 'y', email = 'new@x' where id = 'a')
	}, {
		name => 'the key has another type',
		change => q(alter table crm.lead alter id type varchar(18)),
		write => q(update crm.lead set email = 'new@x' where id = 'a'; insert into crm.lead values ('d', 'd@x', '1'))
	}, {
		name => 'the key is renamed',
		change => q(alter table crm.lead rename id to pk),
		says => qr/^health: its table has no key column "id"\nerror: source "crm.lead": its table has no key column "id"$/,
		write => q(update crm.lead set email = 'new@x' where pk = 'a'; insert into crm.lead values ('d', 'd@x', '1'); delete from crm.lead where pk = 'b'),
		warns => qr/has no key column of source "crm.lead" any more/,
		back => q(alter table crm.lead rename pk to id)
	}, {
		name => 'the key is dropped, and comes back as another column',
		change => q(alter table crm.lead add pk text; update crm.lead set pk = id; alter table crm.lead drop id),
		says => qr/^health: its table has no key column "id"\nerror: source "crm.lead": its table has no key column "id"$/,
		write => q(update crm.lead set email = 'new@x' where pk = 'a'; truncate crm.lead; insert into crm.lead values ('d@x', '1', 'd')),
		warns => qr/has no key column of source "crm.lead" any more/,
		back => q(alter table crm.lead rename pk to id)
	}, {
		name => 'the key loses its index',
		change => q(alter table crm.lead drop constraint lead_pkey),
		write => q(update crm.lead set email = 'new@x' where id = 'a'; insert into crm.lead values ('d', 'd@x', '1'))
	}, {
		name => 'DROP TABLE',
		change => q(drop table crm.lead),
		says => qr/^health: its table is not there\nerror: source "crm.lead": its table is not there$/,
		back => qq(create table crm.lead $table; insert into crm.lead values ('a', 'new\@x', '1'), ('d', 'd\@x', '600'))
	}, {
		name => 'DROP TABLE .. CASCADE',
		before => q(create view crm.report as select count(*) from crm.lead),
		change => q(drop table crm.lead cascade),
		says => qr/^health: its table is not there\nerror: source "crm.lead": its table is not there$/,
		back => qq(create table crm.lead $table; insert into crm.lead values ('a', 'new\@x', '1'))
	}, {
		name => 'RENAME TABLE',
		change => q(alter table crm.lead rename to lead_away),
		says => qr/^health: its table is not there\nerror: source "crm.lead": its table is not there$/,
		write => q(update crm.lead_away set email = 'new@x' where id = 'a'; insert into crm.lead_away values ('d', 'd@x', '1'); delete from crm.lead_away where id = 'b'),
		warns => qr/table "crm.lead_away" is not source "crm.lead", but nothing else is/,
		back => q(alter table crm.lead_away rename to lead)
	}, {
		name => 'RENAME of two tables: a swap',
		before => qq(create table crm.lead_next $table; insert into crm.lead_next values ('a', 'new\@x', '1'), ('d', 'd\@x', '600')),
		change => q(begin; alter table crm.lead rename to lead_past; alter table crm.lead_next rename to lead; commit),
		write => q(insert into crm.lead values ('e', 'e@x', '2'); drop table crm.lead_past)
	}, {
		name => 'SET SCHEMA',
		change => q(alter table crm.lead set schema attic),
		says => qr/^health: its table is not there\nerror: source "crm.lead": its table is not there$/,
		write => q(update attic.lead set email = 'new@x' where id = 'a'; insert into attic.lead values ('d', 'd@x', '1')),
		warns => qr/table "attic.lead" is not source "crm.lead", but nothing else is/,
		back => q(alter table attic.lead set schema crm)
	}, {
		name => 'RENAME SCHEMA',
		change => q(alter schema crm rename to crm_away),
		says => qr/^health: its table is not there\nerror: source "crm.lead": its table is not there$/,
		write => q(update crm_away.lead set email = 'new@x' where id = 'a'; delete from crm_away.lead where id = 'b'),
		warns => qr/table "crm_away.lead" is not source "crm.lead", but nothing else is/,
		back => q(alter schema crm_away rename to crm)
	}, {
		name => 'DROP SCHEMA .. CASCADE',
		change => q(drop schema crm cascade),
		says => qr/^health: its table is not there\nerror: source "crm.lead": its table is not there$/,
		back => qq(create schema crm; create table crm.lead $table; insert into crm.lead values ('b', 'new\@x', '1'))
	}, {
		name => 'loaded with triggers disabled',
		change => q(alter table crm.lead disable trigger user; insert into crm.lead values ('d', 'd@x', '1'); update crm.lead set email = 'new@x' where id = 'a';
			delete from crm.lead where id = 'b'; alter table crm.lead enable trigger user),
		write => q(insert into crm.lead values ('e', 'e@x', '2'))
	}, {
		name => 'rewritten: UNLOGGED, CLUSTER, VACUUM FULL',
		change => q(alter table crm.lead set unlogged; cluster crm.lead using lead_pkey; vacuum full crm.lead),
		write => q(update crm.lead set email = 'new@x' where id = 'a'),
		back => q(alter table crm.lead set logged)
	}, {
		name => 'the table becomes a partition of one of its name',
		change => qq(begin; alter table crm.lead rename to lead_1; create table crm.lead (id text, email text, employees text) partition by range (id);
			alter table crm.lead attach partition crm.lead_1 for values from (minvalue) to ('m'); commit),
		write => q(create table crm.lead_2 partition of crm.lead default; insert into crm.lead values ('z', 'z@x', '2'); update crm.lead set email = 'new@x' where id = 'a';
			insert into crm.lead_1 values ('d', 'd@x', '1'); update crm.lead set id = 'y' where id = 'd')
	}, {
		name => 'the same, and ATTACH PARTITION later',
		change => qq(begin; alter table crm.lead rename to lead_1; create table crm.lead (id text, email text, employees text) partition by range (id); commit),
		write => q(update crm.lead_1 set email = 'new@x' where id = 'a'; alter table crm.lead attach partition crm.lead_1 for values from (minvalue) to ('m');
			update crm.lead set email = 'newer@x' where id = 'b'),
		warns => qr/^$|table "crm.lead_1" is not source "crm.lead"; the change was not captured/
	}, {
		name => 'the table gets a child',
		change => q(create table crm.lead_child (primary key (id)) inherits (crm.lead); insert into crm.lead_child values ('d', 'd@x', '1')),
		write => q(insert into crm.lead_child values ('e', 'e@x', '1'); update crm.lead set email = 'new@x' where id in ('a', 'd'))
	}, {
		name => 'and loses it',
		before => q(create table crm.lead_child (primary key (id)) inherits (crm.lead); insert into crm.lead_child values ('d', 'd@x', '1')),
		change => q(alter table crm.lead_child no inherit crm.lead),
		write => q(insert into crm.lead_child values ('e', 'e@x', '1'); insert into crm.lead values ('f', 'f@x', '1')),
		warns => qr/^$|table "crm.lead_child" is not source "crm.lead"; the change was not captured/
	});

# Without ticks between the steps. What is wrong only in between nobody has seen.
sub hurry
{
	my ($db, $case) = @_;
	my ($out, $err) = run_as($node, $db, 'tool', join(";\n", 'set client_min_messages = warning', grep { defined } @$case{qw(change write back)}));

	unlike($err, qr/ERROR/, "$case->{name}: in a hurry: every statement works");
	return;
}

sub step_by_step
{
	my ($db, $case) = @_;
	my ($out, $err) = run_as($node, $db, 'tool', "set client_min_messages = warning; $case->{change}");

	unlike($err, qr/ERROR/, "$case->{name}: it works");
	($out, $err) = run_as($node, $db, undef, q(set client_min_messages = error; call settle(); select health()));
	is($err, '', "$case->{name}: tick goes on");
	like($out, $case->{says} // qr/^$/, "$case->{name}: it is said");
	if (defined $case->{write})
	{
		($out, $err) = run_as($node, $db, 'tool', "set client_min_messages = warning; $case->{write}");
		unlike($err, qr/ERROR/, "$case->{name}: the tool goes on");
		like($err, $case->{warns} // qr/^$/, "$case->{name}: what it is told");
		run_as($node, $db, undef, q(set client_min_messages = error; call settle()));
	}
	if (defined $case->{back})
	{
		($out, $err) = run_as($node, $db, 'tool', "set client_min_messages = error; $case->{back}");
		is($err, '', "$case->{name}: and back");
	}
	return;
}

sub run_cases
{
	my ($db, $capture, $steps) = @_;

	foreach my $case (@cases)
	{
		my $mapping = q('{"email": "email", "employees": "employees"}');

		$node->safe_psql($db, qq(
			set client_min_messages = error;
			select handoff.detach(name) from handoff.source;
			delete from handoff.lead; delete from handoff.event; delete from handoff.stage_history; delete from handoff.handoff; delete from handoff.clock;
			delete from handoff.assignment; delete from handoff.escalation_done; delete from handoff.outbox;
			drop schema if exists crm cascade;
			drop schema if exists attic cascade;
			create schema crm authorization tool;
			create schema attic authorization tool;));
		run_as($node, $db, 'tool', "create table crm.lead $table; insert into crm.lead values $rows; " . ($case->{before} // ''));
		$node->safe_psql($db, qq(
			set client_min_messages = error;
			select handoff.attach('crm.lead', 'lead', mapping => $mapping, since => '-infinity', delete_grace => '0', capture => '$capture');
			call settle()));
		$steps->($db, $case);
		my ($out, $err) = run_as($node, $db, undef, q(set client_min_messages = error; call settle(); select wrong()));

		is("$out$err", '', "$case->{name}: all is known in the end");
	}
	return;
}

foreach my $run ([ 'auto', 0, 'hurry' ], [ 'row', 0 ], [ 'row', 1, 'hurry' ])
{
	my ($capture, $watched, $hurry) = @$run;
	my $db = "alter_${capture}_$watched";
	my $name = "capture $capture" . ($watched ? ', watch_ddl()' : '');

	$node->safe_psql('postgres', "create database $db template house");
	$node->safe_psql($db, 'select handoff.adopt_instance()');
	$node->safe_psql('postgres', "grant create on database $db to tool");
	$node->safe_psql($db, 'select handoff.watch_ddl()') if $watched;
	subtest $name => sub { run_cases($db, $capture, \&step_by_step) };
	subtest "$name, in a hurry" => sub { run_cases($db, $capture, \&hurry) } if $hurry;
}

done_testing();
