# test/t/writes.pl: every way to write rows, and what is captured of it.
#
# Each case writes to a source by a role without any right of ours. What capture has put into the inbox is
# compared key by key with what the case says; decided at commit where it can be, nothing may be left. Then
# tick() works until nothing waits: leads must be what plain SQL says of the tables, a reconcile from scratch must
# find nothing, doctor() no error. All of it by statement triggers and by row triggers, by tick() and at commit.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use Test::More;

my $node = start_node('main');
my $owner = $node->safe_psql('postgres', 'select current_user');
my $socket = $node->host;
my $port = $node->port;

$node->append_conf('postgresql.conf', "max_prepared_transactions = 5\n");
$node->restart;
$node->safe_psql('postgres', q(create role tool login; grant set on parameter session_replication_role to tool; create database house));
install($node, 'house');
$node->safe_psql('house', q(
	create extension postgres_fdw;
	set check_function_bodies = off;
	create procedure settle() language plpgsql as $$ begin
		for turn in 1 .. 8 loop
			perform handoff.tick();
			commit;
			exit when not exists (select from handoff.inbox) and not exists (select from handoff.scan where finished_at is null);
		end loop;
	end $$;
	-- key:operations of what waits; that of a partitioned table, of children and of a view have a prefix
	create function captured() returns text language sql as $$
		select coalesce(string_agg(k, ' ' order by k collate "C"), '') from (
			select s.key_prefix || i.raw_key || ':' || string_agg(distinct i.op::text, '' order by i.op::text) as k
			from handoff.inbox i join handoff.source s on s.name = i.source group by s.key_prefix, i.raw_key) c
	$$;
	create function wrong() returns setof text language sql as $$
		select format('%s waits in the inbox', i) from handoff.inbox i
		union all select format('%s is in quarantine', q) from handoff.quarantine q
		union all select 'doctor: ' || what from handoff.doctor() where severity = 'error'
		union all select format('%s is known as %s %s', t, l.lead_key, l.fields)
		from (select id as key, employees from crm.lead union all select 'p.' || id, employees from crm.part
			union all select 'h.' || id, employees from crm.parent union all select 'f.' || id, employees from crm.far) t
		full join (select * from handoff.lead where deleted_at is null) l on l.lead_key = t.key
		where (t.key is not null, t.employees) is distinct from (l.lead_key is not null, l.fields ->> 'employees')
		union all select format('reconcile of %s: %s queued, %s gone', s.name, r.queued, r.gone)
		from handoff.source s, handoff.reconcile(s.name) r where r.queued > 0 or r.gone > 0 or not r.finished
	$$;));

my $tables = q(
	create table crm.account (id text primary key);
	create table crm.lead (id text primary key, employees text, account text references crm.account on delete cascade, note text);
	create view crm.lead_view as select id, employees from crm.lead;
	create table crm.log (at timestamptz default now());
	create table crm.part (id text, region text, employees text, primary key (id, region)) partition by list (region);
	create table crm.part_eu partition of crm.part for values in ('eu');
	create table crm.part_us partition of crm.part for values in ('us');
	create table crm.parent (id text primary key, employees text);
	create table crm.child (primary key (id)) inherits (crm.parent);
	create table crm.far (id text primary key, employees text);
	create function crm.deferred() returns trigger language plpgsql as $$ begin update crm.lead set employees = '88' where id = 'b'; return null; end $$;
	create constraint trigger deferred after insert on crm.log deferrable initially deferred for each row execute function crm.deferred(););
my $base = q(
	truncate crm.log; delete from crm.account; delete from crm.lead; delete from crm.part; delete from crm.parent; delete from crm.far;
	insert into crm.account values ('x');
	insert into crm.lead values ('a', '1', 'x'), ('b', '2', null), ('c', '3', null);
	insert into crm.part values ('a', 'eu', '1'), ('b', 'us', '2');
	insert into crm.child values ('a', '1');
	insert into crm.parent values ('b', '2'););

# captured: keys and operations. left: not decided at commit, in part or all. quiet: no event comes of it. scan: found by reading
# the table.
my @cases = (
	{ name => 'COPY', captured => 'd:I e:I', sql => "copy crm.lead (id, employees) from stdin;\nd\t1\ne\t2\n\\." },
	{ name => 'INSERT .. SELECT', captured => 'd1:I d2:I d3:I', sql => q(insert into crm.lead (id, employees) select 'd' || g, g from generate_series(1, 3) g) },
	{
		name => 'ON CONFLICT DO UPDATE', captured => 'a:U b:U d:I',
		sql => q(insert into crm.lead (id, employees) values ('a', '9'), ('b', '9'), ('c', '3'), ('d', '9') on conflict (id) do update set employees = excluded.employees)
	},
	{ name => 'ON CONFLICT DO NOTHING', captured => '', quiet => 1, sql => q(insert into crm.lead (id, employees) values ('a', '9') on conflict do nothing) },
	{ name => 'UPDATE of no row', captured => '', quiet => 1, sql => q(update crm.lead set employees = '9' where id = 'none'; delete from crm.lead where id = 'none') },
	{
		name => 'UPDATE .. FROM, the same values', captured => '', quiet => 1,
		sql => q(update crm.lead l set employees = s.employees, note = 'synced' from (select * from crm.lead) s where s.id = l.id)
	},
	{ name => 'UPDATE .. FROM, others', captured => 'b:U', sql => q(update crm.lead l set employees = s.n from (values ('a', '1'), ('b', '7')) s (id, n) where s.id = l.id) },
	{
		name => 'UPDATE twice', captured => 'b:U',
		sql => q(begin; update crm.lead set employees = '5' where id = 'b'; update crm.lead set employees = '6' where id = 'b'; commit)
	},
	{ name => 'DELETE and INSERT of the same', captured => 'b:DI c:DI', quiet => 1, sql => q(begin; delete from crm.lead where id > 'a'; insert into crm.lead values ('b', '2'), ('c', '3'); commit) },
	{ name => 'DELETE and INSERT of others', captured => 'b:DI c:D d:I', sql => q(begin; delete from crm.lead where id > 'a'; insert into crm.lead values ('b', '20'), ('d', '4'); commit) },
	{ name => 'INSERT and DELETE', captured => 'd:DI', quiet => 1, sql => q(begin; insert into crm.lead values ('d', '4'); delete from crm.lead where id = 'd'; commit) },
	{
		name => 'MERGE', captured => 'a:D b:U d:I',
		sql => q(merge into crm.lead l using (values ('a', null), ('b', '7'), ('d', '8')) s (id, n) on s.id = l.id
			when matched and s.n is null then delete when matched then update set employees = s.n when not matched then insert (id, employees) values (s.id, s.n))
	},
	{
		name => 'one statement of CTEs', captured => 'a:D b:U d:I',
		sql => q(with gone as (delete from crm.lead where id = 'a'), changed as (update crm.lead set employees = '7' where id = 'b') insert into crm.lead (id, employees) values ('d', '8'))
	},
	{
		name => 'session_replication_role = replica', captured => 'a:U b:D d:I',
		sql => q(set session_replication_role = replica; begin; update crm.lead set employees = '9' where id = 'a'; delete from crm.lead where id = 'b'; insert into crm.lead values ('d', '4'); commit)
	},
	{
		name => 'TRUNCATE and INSERT', captured => ':T a:I d:I', left => ':T', scan => 1,
		sql => q(begin; truncate crm.lead; insert into crm.lead values ('a', '1'), ('d', '4'); commit)
	},
	{ name => 'TRUNCATE .. CASCADE', captured => ':T', left => ':T', scan => 1, sql => q(truncate crm.account cascade) },
	{
		name => 'DROP and RENAME', captured => '', scan => 1,
		sql => q(begin; create table crm.tmp (like crm.lead including all); insert into crm.tmp select * from crm.lead where id <> 'b'; insert into crm.tmp values ('d', '4');
			drop table crm.lead cascade; alter table crm.tmp rename to lead; alter table crm.lead add foreign key (account) references crm.account on delete cascade; commit;
			create view crm.lead_view as select id, employees from crm.lead)
	},
	{ name => 'a savepoint rolled back', captured => 'd:I f:I', sql => q(begin; insert into crm.lead values ('d', '1'); savepoint s; insert into crm.lead values ('e', '1'); rollback to s; insert into crm.lead values ('f', '1'); commit) },
	{ name => 'the first savepoint rolled back', captured => 'e:I', sql => q(begin; savepoint s; insert into crm.lead values ('d', '1'); rollback to s; insert into crm.lead values ('e', '1'); commit) },
	{
		name => 'one released into one rolled back', captured => 'f:I',
		sql => q(begin; savepoint s; savepoint t; insert into crm.lead values ('d', '1'); release t; rollback to s; insert into crm.lead values ('f', '1'); commit)
	},
	{ name => 'all rolled back', captured => '', quiet => 1, sql => q(begin; insert into crm.lead values ('d', '1'); rollback) },
	{
		name => 'an exception that is caught', captured => 'e:I',
		sql => q(do $$ begin begin insert into crm.lead values ('d', '1'); perform 1 / 0; exception when division_by_zero then null; end; insert into crm.lead values ('e', '1'); end $$)
	},
	{ name => 'a prepared statement', captured => 'a:U b:U', sql => q(prepare p as update crm.lead set employees = $2 where id = $1; execute p ('a', '7'); execute p ('b', '8')) },
	{
		name => 'WHERE CURRENT OF', captured => 'a:U b:D',
		sql => q(begin; declare k cursor for select * from crm.lead order by id for update; move 1 from k; update crm.lead set employees = '9' where current of k; move 1 from k; delete from crm.lead where current of k; commit)
	},
	{ name => 'a key becomes another', captured => 'a:U z:U', sql => q(update crm.lead set id = 'z' where id = 'a') },
	{ name => 'keys change places', captured => 'a:U b:U z:U', sql => q(begin; update crm.lead set id = 'z' where id = 'a'; update crm.lead set id = 'a' where id = 'b'; update crm.lead set id = 'b' where id = 'z'; commit) },
	{ name => 'PREPARE TRANSACTION', captured => 'a:U d:I', sql => q(begin; update crm.lead set employees = '9' where id = 'a'; insert into crm.lead values ('d', '4'); prepare transaction 'w'; commit prepared 'w') },
	{ name => 'ROLLBACK PREPARED', captured => '', quiet => 1, sql => q(begin; update crm.lead set employees = '9' where id = 'a'; prepare transaction 'w'; rollback prepared 'w') },
	{ name => 'SET CONSTRAINTS ALL IMMEDIATE', captured => 'a:U b:U', left => 'a:U b:U', sql => q(begin; update crm.lead set employees = '9' where id = 'a'; set constraints all immediate; update crm.lead set employees = '9' where id = 'b'; commit) },
	{ name => 'COMMIT inside DO', captured => 'a:U b:U', left => 'a:U', sql => q(do $$ begin update crm.lead set employees = '9' where id = 'a'; commit; update crm.lead set employees = '9' where id = 'b'; end $$) },
	{ name => 'through a view', captured => 'a:U d:I', sql => q(update crm.lead_view set employees = '9' where id = 'a'; insert into crm.lead_view values ('d', '4')) },
	{ name => 'by a foreign key', captured => 'a:D', sql => q(delete from crm.account where id = 'x') },
	{ name => 'by a deferred trigger of the tool', captured => 'a:U b:U', sql => q(begin; insert into crm.log default values; update crm.lead set employees = '9' where id = 'a'; commit) },
	{ name => 'by one that comes after ours', captured => 'a:U b:U', left => 'b:U', sql => q(begin; update crm.lead set employees = '9' where id = 'a'; insert into crm.log default values; commit) },
	{ name => '200 rows', captured => join(' ', sort map { "n$_:I" } 1 .. 200), sql => q(insert into crm.lead select 'n' || g, g from generate_series(1, 200) g) },
	{ name => '201 rows', captured => join(' ', sort map { "n$_:I" } 1 .. 201), left => 'all', sql => q(insert into crm.lead select 'n' || g, g from generate_series(1, 201) g) },
	{ name => '201 rows in two statements', captured => join(' ', sort map { "n$_:I" } 1 .. 201), left => 'all',
		sql => q(begin; insert into crm.lead select 'n' || g, g from generate_series(1, 100) g; insert into crm.lead select 'n' || g, g from generate_series(101, 201) g; commit) },

	{ name => 'partition: INSERT by its own name', captured => 'p.d:I', sql => q(insert into crm.part_eu values ('d', 'eu', '4')) },
	{ name => 'partition: UPDATE across', captured => 'p.a:DI', quiet => 1, sql => q(update crm.part set region = 'us' where id = 'a') },
	{ name => 'partition: UPDATE across, with a change', captured => 'p.a:DI', sql => q(update crm.part set region = 'us', employees = '9' where id = 'a') },
	{ name => 'partition: a new one, written to', captured => 'p.d:I', scan => 1, sql => q(create table crm.part_de partition of crm.part for values in ('de'); insert into crm.part_de values ('d', 'de', '4')) },
	{
		name => 'partition: ATTACH', captured => '', scan => 1,
		sql => q(create table crm.part_fr (id text, region text, employees text, primary key (id, region)); insert into crm.part_fr values ('f', 'fr', '4'); alter table crm.part attach partition crm.part_fr for values in ('fr'))
	},
	{ name => 'partition: DETACH', captured => '', scan => 1, sql => q(alter table crm.part detach partition crm.part_us; drop table crm.part_us; create table crm.part_us partition of crm.part for values in ('us')) },
	{ name => 'partition: TRUNCATE', captured => 'p.:T', left => 'p.:T', scan => 1, sql => q(truncate crm.part_eu) },
	{ name => 'inheritance: INSERT into a child', captured => 'h.d:I', sql => q(insert into crm.child values ('d', '4')) },
	{ name => 'inheritance: UPDATE through the parent', captured => 'h.a:U h.b:U', sql => q(update crm.parent set employees = '9') },
	{ name => 'inheritance: DELETE through the parent', captured => 'h.a:D', sql => q(delete from crm.parent where id = 'a') },
	{ name => 'foreign table: written here', captured => '', sql => q(insert into crm.foreign values ('d', '4')) },
	{ name => 'foreign table: written there', captured => '', sql => q(insert into crm.far values ('d', '4'), ('e', '5'); update crm.far set employees = '9' where id = 'd') });

sub case_script
{
	my ($case, $limit) = @_;
	my $sql = $case->{sql} =~ /\n\\\.$/ ? "$case->{sql}\n" : "$case->{sql};";

	return qq(
\\c - tool
set lead_handoff.inline_limit = 0;
$base
\\c - $owner
set client_min_messages = error;
select from handoff.reconcile('crm.foreign');
call settle();
select from (select handoff.release_deletes(name) from handoff.source) r;
call settle();
select count(*) as events from handoff.event \\gset
\\c - tool
set lead_handoff.inline_limit = $limit;
set client_min_messages = warning;
\\warn <case>
$sql
\\warn <end>
\\c - $owner
\\echo <case>
select captured();
set client_min_messages = error;
call settle();
select count(*) - :events from handoff.event;
select exists (select from handoff.scan where purpose = 'reconcile' and reason <> 'reconcile()');
select wrong();
);
}

sub run_mode
{
	my ($capture, $limit) = @_;
	my $db = "writes_${capture}_$limit";
	my $attach = qq(since => '-infinity', delete_grace => '0');
	my $script = qq(
set client_min_messages = error;
create schema crm authorization tool;
create server far foreign data wrapper postgres_fdw options (host '$socket', port '$port', dbname '$db');
create user mapping for tool server far options (user 'tool', password_required 'false');
grant usage on foreign server far to tool;
set session authorization tool;
$tables
create foreign table crm.foreign (id text, employees text) server far options (schema_name 'crm', table_name 'far');
reset session authorization;
select handoff.attach('crm.lead', 'lead', capture => '$capture', $attach);
select handoff.attach('crm.part', 'lead', key => '{id}', key_prefix => 'p.', $attach);
select handoff.attach('crm.parent', 'lead', key_prefix => 'h.', $attach);
select handoff.attach('crm.foreign', 'lead', key => '{id}', key_prefix => 'f.', capture => 'poll', poll_interval => '0', $attach);
);

	$node->safe_psql('postgres', "create database $db template house");
	$node->safe_psql($db, 'select handoff.adopt_instance()');
	my ($rc, $out, $err) = $node->psql($db, $script . join('', map { case_script($_, $limit) } @cases), on_error_stop => 1);
	my @out = split /<case>\n/, $out;
	my @err = map { (split /<end>/)[0] } split /<case>\n?/, $err;

	is($rc, 0, 'every statement works') or diag($err);
	foreach my $i (0 .. $#cases)
	{
		my $case = $cases[$i];
		my ($captured, $events, $scan, @wrong) = split /\n/, $out[ $i + 1 ] // 'not reached';
		my $left = $limit == 0 || ($case->{left} // '') eq 'all' ? $case->{captured} : $case->{left} // '';

		is($captured, $left, "$case->{name}: " . ($limit == 0 ? 'captured' : 'left by the commit'));
		is($err[ $i + 1 ] // '', '', "$case->{name}: no warning");
		is($events == 0, !!$case->{quiet}, "$case->{name}: " . ($case->{quiet} ? 'no event' : 'events')) if $limit == 0;
		is($scan, $case->{scan} ? 't' : 'f', "$case->{name}: " . ($case->{scan} ? 'found by reading the table' : 'the triggers have told'));
		is(join("\n", @wrong), '', "$case->{name}: all is known");
	}
	return;
}

foreach my $mode ([ 'statement', 0 ], [ 'statement', 200 ], [ 'row', 0 ], [ 'row', 200 ])
{
	my ($capture, $limit) = @$mode;

	subtest "by $capture triggers, " . ($limit ? 'at commit' : 'by tick') => sub { run_mode($capture, $limit) };
}

done_testing();
