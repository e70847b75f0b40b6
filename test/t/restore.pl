# test/t/restore.pl: a dump carries everything, and work goes on where it is restored: into an empty
# database, over a full one (--clean), and data only into tables that are there.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('main');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';

# Names that need quotes, rows in every state: decided, deleted, waiting, in quarantine.
$node->safe_psql('postgres', 'create database origin');
install($node, 'origin');
$node->safe_psql('origin', q(
	create schema crm;
	create table crm."Lead" ("Id" text primary key, email text, employees text);
	create table crm.part (id int, region text, email text, primary key (id, region)) partition by list (region);
	create table crm.part_eu partition of crm.part for values in ('eu');
	create table crm.task (id bigint primary key, "WhoId" text, "CompletedDateTime" timestamptz, type text);
	select handoff.attach('crm."Lead"', 'lead', since => '-infinity', delete_grace => '0');
	select handoff.attach('crm.part', 'lead', capture => 'row', key_prefix => 'p:', delete_grace => '0');
	select handoff.attach('crm.task', 'activity', delete_grace => '0');
	insert into handoff.territory (map, kind, key, high, pool) values ('zip', 'exact', '9', '', 'sdr'), ('zip', 'range', '10', '19', 'sdr');));
$node->safe_psql('origin', q(
	insert into crm."Lead" select g, 'p' || g || '@x', (g * 10)::text from generate_series(1, 50) g;
	insert into crm."Lead" values ('bad', null, 'many');
	insert into crm.task select g, g, '2026-01-01', 'call' from generate_series(1, 20) g;
	insert into crm.part_eu values (1, 'eu', 'x');
	delete from crm."Lead" where "Id" = '7';
	set lead_handoff.inline_limit = 0;
	insert into crm."Lead" values ('waiting', 'w@x', '500');));
$node->safe_psql('origin', "select handoff.keep_kpis('{journey,kpi_month}')");
my $before = checksums($node, 'origin');
like($before->{lead}, qr/^51\|/, 'leads');
like($before->{inbox}, qr/^1\|/, '.. one waits');
like($before->{quarantine}, qr/^1\|/, '.. one is in quarantine');

sub pg
{
	my ($name, @command) = @_;

	$node->command_ok([ @command, '-h', $node->host, '-p', $node->port ], $name);
	return;
}

my $kept = $node->safe_psql('origin', 'select sum(leads) from handoff.kept_journey');
my $ntests = 0;
my $partitioned = 1;

# What holds of a restored database: the same rows, triggers that fire always, nothing that happens by itself
# until the copy is adopted, and then work that goes on.
sub is_whole
{
	my ($db, $how) = @_;
	my $key = 'new' . ++$ntests;

	is_deeply(checksums($node, $db), $before, "$how: every table of schema handoff is equal");
	rests($db, $how);
	$node->safe_psql($db, 'select handoff.adopt_instance()');
	works_on($db, $how, $key);
	return;
}

# A copy captures what is written to it, and leaves it at that.
sub rests
{
	my ($db, $how) = @_;
	my $here = $node->safe_psql($db, 'select system_identifier from pg_control_system()');

	foreach my $act ('tick()', "lease('outside')")
	{
		my ($call) = $act =~ /^(\w+)/;
		my ($out, $err) = run_as($node, $db, undef, "\\set VERBOSITY verbose\nselect * from handoff.$act");

		like($err, qr/LH031: $call\(\) does nothing in a copy\nDETAIL:  The tables .* belong to database "origin" of system $here; this is "$db" of system $here\.\nHINT: .*adopt_instance/,
			"$how: $call() does nothing and says why");
	}
	$node->safe_psql($db, q(insert into crm."Lead" values ('copied', 'c@x', '500')));
	is($node->safe_psql($db, q(select count(*) from handoff.lead where lead_key = 'copied';
			select count(*) from handoff.inbox where raw_key = 'copied'; select count(*) from handoff.wake)), "0\n1\n0",
		"$how: what is written is captured, and not decided");
	is($node->safe_psql($db, q(select severity, what from handoff.doctor() where what like '%copy%')),
		'error|this is a copy: the tables belong to database "origin" of system ' . $here, "$how: doctor knows");
	return;
}

sub works_on
{
	my ($db, $how, $key) = @_;

	is($node->safe_psql($db, q(select count(*) from pg_trigger t join pg_proc p on p.oid = t.tgfoid
			where p.pronamespace = 'handoff'::regnamespace and p.proname in ('capture', 'drain_at_commit') and t.tgenabled <> 'A')),
		'0', "$how: our triggers fire always");
	$node->safe_psql($db, qq(insert into crm."Lead" values ('$key', 'n\@x', '500');
		insert into crm.task values ($ntests + 100, '$key', '2026-02-02', 'call')));
	is($node->safe_psql($db, qq(select stage, (select count(*) from handoff.activity a where a.lead_key = '$key')
			from handoff.lead l where l.lead_key = '$key')), 'mql|1', "$how: new rows are decided at commit");
	$node->safe_psql($db, qq(insert into crm.part_eu values ($ntests + 100, 'eu', '$key'))) if $partitioned;
	is($node->safe_psql($db, qq(select count(*) from handoff.lead where lead_key = 'p:[\"' || ($ntests + 100) || '\",\"eu\"]')),
		'1', "$how: .. those of a partition too") if $partitioned;
	is($node->safe_psql($db, q(select waiting, quarantined from handoff.tick(); select count(*) from handoff.inbox;
			select stage from handoff.lead where lead_key = 'waiting')), "0|0\n0\nmql", "$how: what waited is decided by tick");
	is($node->safe_psql($db, q(select handoff.retry_quarantine(); select quarantined from handoff.tick())), "1\n1", "$how: quarantine is kept");
	my ($out, $err) = run_as($node, $db, undef, q(insert into handoff.territory (map, kind, key, high, pool) values ('zip', 'range', '15', '25', 'sdr')));
	like($err, qr/range 15\.\.25 \(pool sdr\) and range 10\.\.19 \(pool sdr\) hold at the same time/, "$how: territory maps are checked");
	is($node->safe_psql($db, q(select sum(leads) from handoff.kept_journey;
			select view_name, up_to_date from handoff.kept();
			select handoff.keep_kpis('{journey}') > 0;
			select sum(k.leads) = (select count(*) from handoff.lead l where l.deleted_at is null) from handoff.kept_journey k)),
		"$kept\njourney|t\nkpi_month|t\nt\nt", "$how: KPIs are kept, and are kept anew");
	doctor_is_content($node, $db, "$how: doctor");
	return;
}

pg('dump', 'pg_dump', '-Fc', '-f', $dump, '-d', 'origin');

# Into an empty database.
$node->safe_psql('postgres', 'create database whole');
pg('restore into an empty database', 'pg_restore', '--exit-on-error', '-d', 'whole', $dump);
is_whole('whole', 'restored');

# In parallel.
$node->safe_psql('postgres', 'create database jobs');
pg('restore in two jobs', 'pg_restore', '--exit-on-error', '-j', '2', '-d', 'jobs', $dump);
is_deeply(checksums($node, 'jobs'), $before, 'two jobs: equal');

# First the schema, then the data: pg_restore leaves our triggers enabled, but no longer always.
$node->safe_psql('postgres', 'create database parts');
pg('restore the schema', 'pg_restore', '--exit-on-error', '--schema-only', '-d', 'parts', $dump);
pg('restore the data', 'pg_restore', '--exit-on-error', '--data-only', '--disable-triggers', '-d', 'parts', $dump);
is_deeply(checksums($node, 'parts'), $before, 'data only: equal, nothing was captured');
like($node->safe_psql('parts', q(select string_agg(what, '; ') from handoff.doctor() where severity = 'error')),
	qr/of crm.part_eu is not enabled always/, 'data only: doctor sees the triggers');
$node->safe_psql('parts', 'select handoff.setup()');
is_whole('parts', 'data only, then setup()');

# Over a database that is in use. (Of a partitioned table with a key pg_restore can't do that: "cannot
# drop inherited constraint".)
$node->safe_psql($_, q(select handoff.detach('crm.part'); drop table crm.part)) foreach qw(origin whole);
$before = checksums($node, 'origin');
$partitioned = 0;
pg('dump again', 'pg_dump', '-Fc', '-f', $dump, '-d', 'origin');
pg('restore over it', 'pg_restore', '--exit-on-error', '--clean', '--if-exists', '-d', 'whole', $dump);
is_whole('whole', 'cleaned');

# What a physical clone is started with: all is captured, nothing done.
is(join('|', run_as($node, 'origin', undef, q(set lead_handoff.enabled = off; insert into crm."Lead" values ('off', 'off@x', '500');
		select count(*) from handoff.inbox where raw_key = 'off'; select count(*) from handoff.wake; select claimed from handoff.tick();))),
	"1\n0\n0|psql:<stdin>:2: NOTICE:  tick() does nothing: lead_handoff.enabled is off", 'switched off: captured, not decided');
is($node->safe_psql('origin', q(select decided > 0 from handoff.tick(); select stage from handoff.lead where lead_key = 'off')), "t\nmql", '.. until it is on again');
$before = checksums($node, 'origin');

# The extension can't be dropped under its tables.
my ($out, $err) = run_as($node, 'origin', undef, 'drop extension lead_handoff');
like($err, qr/cannot drop extension lead_handoff because other objects depend on it/, 'drop extension is refused');
is_deeply(checksums($node, 'origin'), $before, '.. and the origin is as it was');

done_testing();
